"""A renderer that was taken over, in its cage: whatever it tries fails, whatever it says harms nobody."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from locked_room.intruder.attacks import CALLS, NAMES
from locked_room.intruder.lies import LIES
from locked_room.stand_ins import instead_of_real_ones
from thumbd_home import Home, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GOOD = 12
#: What a renderer that is not locked in can do, without harm to this test.
_POSSIBLE = (
    *("open", "openat2", "O_PATH", "listdir", "stat", "newfstatat", "own memory by /proc", "map the source"),
    *("socket inet", "socket unix", "socketpair", "fork", "posix_spawn", "kill the parent", "a lazy import"),
    *("fchmod on the source", "utimensat on the source", "memfd_create", "pipe", "mmap to run", "prctl DUMPABLE"),
)


class Taken:
    """A home whose daemon's renderers are taken over by certain pictures, among good ones."""

    def __init__(self, home: Home) -> None:
        self.home = home
        instead_of_real_ones(home, "intruder")
        for number in range(GOOD):
            Image.new("RGB", (640, 480), (number, 99, 0)).save(home.pictures / f"good{number}.jpg")

    def add(self, line: str) -> str:
        """A picture that takes its renderer over; its name."""
        name = f"{re.sub('[^a-z0-9]+', '-', line.lower())}.jpg"
        (self.home.pictures / name).write_text(f"{line}\n")
        return name

    def run(self, *options: str) -> dict[str, dict[str, Any]]:
        """Everything rendered by a daemon with `options`: what was told of each file. The good ones are all ready."""
        self.home.daemon("--verbose", *options)
        result = self.home.render(self.home.pictures, timeout_s=200)
        told = {Path(item["path"]).name: item for item in result.objects}
        assert set(told) == {path.name for path in self.home.pictures.iterdir()}
        assert [told[f"good{n}.jpg"]["state"] for n in range(GOOD)] == ["ready"] * GOOD
        return told


@pytest.fixture
def taken(home: Home, sandbox: str) -> Taken:
    assert sandbox
    return Taken(home)


def outcomes(told: dict[str, dict[str, Any]], names: dict[str, str]) -> dict[str, str]:
    """By attack: ``done`` or ``refused`` with the reason."""
    found = {}
    for attack, name in names.items():
        message = told[name]["message"]
        assert f"{attack}: " in message, message
        found[attack] = message.rpartition(f"{attack}: ")[2]
    return found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks are written down by the numbers of x86-64")
def test_whatever_code_in_a_renderer_tries_is_refused(taken: Taken, sandbox: str) -> None:
    names = {attack: taken.add(f"ATTACK {attack}") for attack in NAMES}
    found = outcomes(taken.run("--require-sandbox"), names)
    calls = {name: said for name, said in found.items() if name in CALLS and name != "clone3"}
    # By the filter, before the kernel has looked at a single argument.
    assert {name: said for name, said in calls.items() if said != "refused (EPERM)"} == {}
    assert found["clone3"] == "refused (ENOSYS)"
    assert {name for name, said in found.items() if not said.startswith("refused")} == set()
    health = taken.home.ctl("health", "--json").object
    assert health["verdict"] == "ok"
    assert ": ".join(filter(None, health["sandbox"].values())) == sandbox
    assert health["failures"] == [], "somebody died of it"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks are written down by the numbers of x86-64")
def test_without_the_cage_the_same_attacks_succeed(taken: Taken) -> None:
    """Or the test above would prove nothing."""
    names = {attack: taken.add(f"ATTACK {attack}") for attack in _POSSIBLE}
    found = outcomes(taken.run("--no-sandbox"), names)
    assert {name: said for name, said in found.items() if not said.startswith("done")} == {}
    assert taken.home.ctl("health", "--json").object["sandbox"]["state"] == "off"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has this second set of calls")
def test_calls_by_the_numbers_of_another_abi_end_the_renderer(taken: Taken) -> None:
    name = taken.add("LIE by the calls of x32")
    told = taken.run("--require-sandbox")[name]
    assert (told["state"], told["error"]) == ("failed", "quarantined")
    assert "SIGSYS" in told["message"]


def test_every_thread_of_every_child_is_filtered_and_can_gain_no_privileges(taken: Taken) -> None:
    taken.run("--require-sandbox")
    health = taken.home.ctl("health", "--json").object
    children = {worker["pid"]: worker for worker in health["workers"] if worker["role"] != "sentinel"}
    roles = {worker["role"] for worker in children.values()}
    assert {"renderer", "quick", "listing"} <= roles
    for pid, worker in children.items():
        for task in Path(f"/proc/{pid}/task").iterdir():
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), worker
            if worker["role"] == "renderer":
                assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}


def test_a_renderer_sees_no_network_and_no_shared_memory_but_its_own(taken: Taken, sandbox: str) -> None:
    if "namespaces" in sandbox:
        pytest.skip(f"there are none here: {sandbox}")
    if os.geteuid() != 0:
        pytest.skip("only root may look at the namespaces of a process that nobody may look into")
    taken.run()
    workers = taken.home.ctl("health", "--json").object["workers"]
    for worker in workers:
        if worker["role"] == "renderer":
            for kind in ("net", "ipc", "user"):
                theirs = os.readlink(f"/proc/{worker['pid']}/ns/{kind}")
                assert theirs != os.readlink(f"/proc/self/ns/{kind}")


def test_a_renderer_that_lies_harms_nobody(taken: Taken) -> None:
    names = {lie: taken.add(f"LIE {lie}") for lie in LIES if lie != "by the calls of x32"}
    told = taken.run("--task-timeout", "1")
    # Of its own picture alone it can say what it likes.
    assert {lie for lie, name in names.items() if told[name]["state"] == "ready"} == {
        *("for others", "twice", "and die", "by taking no source any more"),
    }
    for item in told.values():
        assert "\x1b" not in (item["message"] or "")
    # The neighbours' pictures are theirs.
    for number in range(GOOD):
        with Image.open(told[f"good{number}.jpg"]["thumbnail"]) as thumbnail:
            red, green, blue = thumbnail.convert("RGB").getpixel((9, 9))  # type: ignore[misc]
            assert abs(red - number) + abs(green - 99) + blue < 9
    assert taken.home.ctl("health", "--json").object["verdict"] == "ok"


def test_a_sandbox_that_does_not_agree_with_the_decoders_starts_no_renderer_and_blames_no_file(home: Home) -> None:
    """Each sample is decoded again in the cage; what it breaks is seen there."""
    instead_of_real_ones(home, "narrow")
    Image.new("RGB", (64, 48), "teal").save(home.pictures / "a.jpg")
    home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: home.ctl("health", "--json").object["crash_loop"], "a crash loop")
    health = home.ctl("health", "--json").object
    assert any("does not agree with this machine's libraries" in reason for reason in health["reasons"])
    assert command.poll() is None, "the file was not given up"
    assert not list(home.cache.rglob("fail/**/*.png"))
    # Mended, it goes on by itself.
    (home.root / "mended").touch()
    assert command.wait(60) == 0


def test_a_kernel_without_the_parts_is_told_and_require_refuses_it(home: Home) -> None:
    """As in a container that forbids them: here a filter of our own makes the calls fail as if they were not there."""
    instead_of_real_ones(home, "lacking")
    Image.new("RGB", (64, 48), "teal").save(home.pictures / "a.jpg")
    refused = home.start("thumbd_daemon", "--require-sandbox")
    assert refused.wait(60) == 5
    assert "seccomp" in home.output(refused)[1]
    daemon = home.daemon()
    assert home.render(home.pictures).summary["ready"] == 1
    sandbox = home.ctl("health", "--json").object["sandbox"]
    assert sandbox["state"] == "off"
    assert "Landlock" in sandbox["reason"]
    assert home.output(daemon)[1].count("renderers are not wholly locked in") == 1
    doctor = home.ctl("doctor")
    assert "sandbox" in doctor.out
    assert "seccomp" in doctor.out


def test_nobody_of_the_same_user_may_look_into_a_renderer(taken: Taken) -> None:
    taken.run()
    worker = next(w for w in taken.home.ctl("health", "--json").object["workers"] if w["role"] == "renderer")
    # What belongs to a process that may not be looked into belongs to root.
    assert os.stat(f"/proc/{worker['pid']}/mem").st_uid == 0
    assert psutil.pid_exists(worker["pid"])
