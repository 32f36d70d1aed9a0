"""Children that misbehave in every way we could think of: their file fails, all others are rendered, nothing is left."""

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from chaos_harness import health, talk
from thumbd_home import Home, wait_for
from thumbd_protocol.replies import Health

pytestmark = pytest.mark.e2e

FAULTY = Path(__file__).with_name("faulty")
GOOD = 12


class Faulty:
    """A daemon whose children misbehave over certain files, and a folder with some of those among good ones."""

    def __init__(self, home: Home) -> None:
        self.home = home
        path = os.environ.get("PYTHONPATH", "")
        home.environ["PYTHONPATH"] = f"{FAULTY}{os.pathsep}{path}" if path else str(FAULTY)
        home.environ["PYTHON_TEST_MARKS"] = str(home.root)
        for number in range(GOOD):
            Image.new("RGB", (640, 480), (number, 99, 0)).save(home.pictures / f"good{number}.jpg")

    def add(self, fault: str, name: str = "bad.jpg") -> Path:
        """A picture that makes its renderer misbehave."""
        path = self.home.pictures / name
        path.write_bytes(f"FAULT {fault}\n".encode())
        return path

    def add_for_scouts(self, fault: str) -> Path:
        """A picture that makes its scout misbehave."""
        path = self.home.pictures / f"scout-{fault}.jpg"
        Image.new("RGB", (640, 480), "navy").save(path)
        return path

    def daemon(self, *options: str) -> subprocess.Popen[bytes]:
        """A daemon whose children are not locked in: in the cage, most of this could not be done."""
        return self.home.daemon("--no-sandbox", *options)

    def run(self, *options: str) -> dict[str, dict[str, object]]:
        """All of the folder, by a daemon with `options`: what was told of each file, each once."""
        self.daemon("--verbose", *options)
        result = self.home.render(self.home.pictures, timeout_s=100)
        told = [Path(item["path"]).name for item in result.objects]
        assert sorted(told) == sorted(set(told)), "told twice"
        by_name = {Path(item["path"]).name: item for item in result.objects}
        assert set(by_name) == {path.name for path in self.home.pictures.iterdir()}
        assert [by_name[f"good{n}.jpg"]["state"] for n in range(GOOD)] == ["ready"] * GOOD
        return by_name

    def pids(self) -> set[int]:
        """Every process of this home."""
        return {pid for pid, _command in self.home.processes()}

    def health(self) -> Health:
        with talk(self.home, "a test") as connection:
            return health(connection)

    def children(self) -> list[int]:
        """The children that the daemon knows of."""
        return [worker["pid"] for worker in self.health().workers if worker["pid"]]


@pytest.fixture
def faulty(home: Home) -> Faulty:
    return Faulty(home)


#: What is told of a picture that takes its renderers down in so many ways, each at once.
ENDED = {
    "segv": "crashed the renderer (SIGSEGV)",
    "abort": "crashed the renderer (SIGABRT)",
    "exit0": "ended the renderer with status 0",
    "exit7": "ended the renderer with status 7",
    "half": "it said what is not understood",
    "garbage": "it said what is not understood",
    "big": "a thumbnail of 100000 x 100000",
    "forkdie": "crashed the renderer (SIGSEGV)",
    "escape": "ended the renderer with status 1: \\x1b]0;OWNED\\x07\\x1b[2J \\u202e words",
}
#: The same for those that have to be stopped.
STOPPED = {
    "spin": "took longer than 1 s to decode",
    "hang": "took longer than 1 s to decode",
    "wait": "took longer than 1 s to decode",
    "chatter": "it says again and again what nobody has asked",
}


@pytest.mark.parametrize("faults", [ENDED, STOPPED], ids=["ended", "stopped"])
def test_files_that_take_two_renderers_down_are_quarantined_and_cost_nobody_else(
    faulty: Faulty, faults: dict[str, str]
) -> None:
    for fault in faults:
        faulty.add(fault, f"{fault}.jpg")
    told = faulty.run("--task-timeout", "1")
    for fault, words in faults.items():
        bad = told[f"{fault}.jpg"]
        assert (bad["state"], bad["error"]) == ("failed", "quarantined"), bad
        assert words in str(bad["message"])
        assert str(bad["message"]).startswith(f"{faulty.home.pictures}/{fault}.jpg: is quarantined: ")
        assert "\n" not in str(bad["message"])
    # Two renderers each; asked again, they cost none any more.
    assert faulty.health().restarts == 2 * len(faults)
    again = faulty.home.render(*(faulty.home.pictures / f"{fault}.jpg" for fault in faults)).objects
    assert [(item["error"], item["source"]) for item in again] == [("quarantined", "cache")] * len(faults)
    assert faulty.health().restarts == 2 * len(faults)
    wait_for(lambda: len(faulty.pids()) == len(faulty.children()) + 1, "the end of every stray process")


def test_what_a_renderer_survives_or_does_only_once_ends_well(faulty: Faulty) -> None:
    faults = ["flood", "fork", "forkaway", "twice", "segv-once", "exit0-once", "garbage-once"]
    for fault in faults:
        faulty.add(fault, f"{fault}.jpg")
    told = faulty.run()
    ends = {fault: (told[f"{fault}.jpg"]["state"], told[f"{fault}.jpg"]["error"]) for fault in faults}
    assert ends == dict.fromkeys(faults, ("ready", None))
    assert faulty.health().restarts >= 3, "nobody died once"


def test_a_renderer_that_eats_memory_is_stopped_before_it_hurts(faulty: Faulty) -> None:
    faulty.add("eat")
    bad = faulty.run()["bad.jpg"]
    assert bad["error"] == "quarantined"
    assert "needed more than 1536 MB of memory" in str(bad["message"])


def test_a_renderer_that_somebody_stops_is_replaced_at_once_and_its_file_is_not_blamed(faulty: Faulty) -> None:
    faulty.add("stop-once")
    began = time.monotonic()
    assert faulty.run()["bad.jpg"]["state"] == "ready"
    assert time.monotonic() - began < 9, "it was waited for until its deadline"


def test_a_file_whose_renderers_are_killed_from_outside_is_retried_and_never_quarantined(faulty: Faulty) -> None:
    faulty.add("sigterm")
    bad = faulty.run()["bad.jpg"]
    assert (bad["state"], bad["error"]) == ("failed", "crashed")
    assert "killed from outside (SIGTERM)" in str(bad["message"])
    found = faulty.health()
    assert found.quarantined == 0
    assert [f["cause"] for f in found.failures] == ["killed by somebody else"] * 6  # once, and five retries


@pytest.mark.parametrize("fault", ["segv", "abort", "exit7", "garbage", "half", "forkdie", "fork", "forkaway"])
def test_a_scout_that_dies_over_a_file_costs_that_file_alone(faulty: Faulty, fault: str) -> None:
    name = faulty.add_for_scouts(fault).name
    bad = faulty.run()[name]
    if fault in ("fork", "forkaway"):
        assert bad["state"] == "ready"
    else:
        assert (bad["state"], bad["error"]) == ("failed", "internal")
        assert "10 scouts were lost over it" in str(bad["message"])


@pytest.mark.parametrize("fault", ["segv-once", "stop-once", "sigterm-once", "flood"])
def test_a_scout_that_fails_once_loses_nothing(faulty: Faulty, fault: str) -> None:
    name = faulty.add_for_scouts(fault).name
    assert faulty.run()[name]["state"] == "ready"


def test_a_quarantined_file_is_tried_again_when_it_is_released_or_has_changed(faulty: Faulty) -> None:
    bad = faulty.add("exit7")
    faulty.run()
    listed = faulty.home.ctl("quarantine")
    assert listed.out.startswith(f"{bad}: ended the renderer with status 7, 2 times")
    assert "1 file quarantined" in listed.out
    assert faulty.home.ctl("quarantine", "release", str(bad)).status == 0
    assert faulty.home.ctl("quarantine").out == "no file quarantined\n"
    missing = faulty.home.ctl("quarantine", "release", str(bad))
    assert (missing.status, missing.err) == (1, f"thumbctl: {bad} is not quarantined\n")
    assert faulty.home.render(bad).objects[0]["source"] == "render"
    # It is back in quarantine by its own doing; the daemon's end does not free it, another content does.
    assert faulty.home.ctl("stop").status == 0
    faulty.daemon()
    assert faulty.home.render(bad).objects[0]["source"] == "cache"
    Image.new("RGB", (64, 48), "white").save(bad)
    assert faulty.home.render(bad).objects[0]["state"] == "ready"
    assert faulty.home.ctl("quarantine", "--json").out == ""


def test_a_bad_file_costs_two_renderers_in_all_its_flavors_together(faulty: Faulty) -> None:
    bad = faulty.add("segv")
    faulty.daemon("--renderers", "1")
    for flavor in ("normal", "large", "x-large", "xx-large"):
        told = faulty.home.render(bad, "--flavor", flavor).objects[0]
        assert told["error"] == "quarantined"
    assert faulty.home.ctl("health", "--json").object["restarts"] == 2


def test_a_name_that_looks_like_markup_is_shown_as_it_is(faulty: Faulty) -> None:
    (faulty.home.pictures / "x[").mkdir()
    bad = faulty.add("exit7", "x[/b][red].jpg")
    faulty.daemon()
    assert faulty.home.render(bad).objects[0]["error"] == "quarantined"
    page = faulty.home.ctl("top", "--once", COLUMNS="200")
    assert page.status == 0
    assert "x[/b][red].jpg" in page.out


def test_what_a_child_says_in_excess_does_not_fill_the_log(faulty: Faulty) -> None:
    faulty.add("chatter")
    faulty.run("--task-timeout", "5")
    assert faulty.home.largest_log < 1 << 20


@pytest.mark.parametrize("fault", ["fork", "forksession"])
def test_what_renderers_leave_behind_goes_with_a_daemon_that_is_killed(faulty: Faulty, fault: str) -> None:
    """Grandchildren, in their renderer's group or in a session of their own: the sentinel ends them."""
    faulty.add(fault)
    daemon = faulty.daemon()
    assert faulty.home.render(faulty.home.pictures / "bad.jpg").status == 0
    below = [child.pid for child in psutil.Process(daemon.pid).children(recursive=True)]
    assert len(below) > len(faulty.children()), "there is no grandchild"
    time.sleep(0.3)  # the daemon looks four times a second, when it has anything to do: asked for its health, it has
    assert faulty.home.ctl("health").status == 0
    daemon.kill()
    daemon.wait()
    wait_for(lambda: not [pid for pid in below if psutil.pid_exists(pid)], "the end of every descendant", 5)
