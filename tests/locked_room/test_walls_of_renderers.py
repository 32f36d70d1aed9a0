"""Each wall around a renderer by itself: what the filter of system calls would hide were it not there."""

import os
import resource
import signal
from pathlib import Path

import msgspec
import psutil
import pytest
from PIL import Image

from locked_room.stand_ins import instead_of_real_ones
from thumbd_daemon.records import Terms
from thumbd_daemon.rehearsal import terms
from thumbd_daemon.renderer.limits import OPEN_FILES
from thumbd_daemon.settings import Settings
from thumbd_home import Home, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: Calls that open what is there, for whoever may.
OPENING = ("open", "openat", "openat2", "listdir")


def paint(home: Home, name: str, size: tuple[int, int] = (640, 480)) -> Path:
    """A picture that harms nobody."""
    path = home.pictures / name
    Image.new("RGB", size, "teal").save(path)
    return path


def say(home: Home, line: str) -> Path:
    """A picture that tells a renderer which was taken over what to do."""
    path = home.pictures / f"{line.lower().replace(' ', '-')}.jpg"
    path.write_text(f"{line}\n")
    return path


def renderers(home: Home, state: str) -> list[int]:
    """The pids of those that are ``ready``, or ``busy``."""
    workers = home.ctl("health", "--json").object["workers"]
    return [worker["pid"] for worker in workers if worker["role"] == "renderer" and worker["state"] == state]


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, if nobody has asked how."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def limits(pid: int) -> dict[str, tuple[str, str]]:
    """What a process may use, by the kernel's name for it: soft, hard."""
    found = {}
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]:
        soft, hard = line[26:].split()[:2]
        found[line[:26].strip()] = (soft, hard)
    return found


def most(kind: int, wanted: int) -> tuple[str, str]:
    """`wanted`, or what this machine lets nobody exceed."""
    hard = resource.getrlimit(kind)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return str(limit), str(limit)


def test_without_the_filter_landlock_alone_denies_every_file(home: Home, sandbox: str) -> None:
    assert sandbox
    instead_of_real_ones(home, "unfiltered")
    paths = {name: say(home, f"ATTACK {name}") for name in OPENING}
    home.daemon("--require-sandbox")
    told = {item["path"]: item["message"] for item in home.render(*paths.values()).objects}
    said = {name: told[str(path)].rpartition(f"{name}: ")[2] for name, path in paths.items()}
    assert said == dict.fromkeys(OPENING, "refused (EACCES)")


@pytest.mark.parametrize("option", ["--require-sandbox", "--no-sandbox"])
def test_a_renderer_has_limits_whether_it_is_locked_in_or_not(home: Home, sandbox: str, option: str) -> None:
    home.daemon(option)
    home.render(paint(home, "a.jpg"))
    wanted = msgspec.json.decode(terms(Settings()), type=Terms)
    pids = renderers(home, "ready")
    assert pids
    for pid in pids:
        found = limits(pid)
        assert found["Max address space"] == most(resource.RLIMIT_AS, wanted.address_space)
        assert found["Max cpu time"] == most(resource.RLIMIT_CPU, wanted.cpu_s)
        assert found["Max open files"] == most(resource.RLIMIT_NOFILE, OPEN_FILES)
        assert found["Max core file size"] == ("0", "0")
        if option == "--require-sandbox":
            # Those of its own user namespace are counted apart; elsewhere none can be allowed.
            threads = "0" if "namespaces" in sandbox else "32"
            assert found["Max processes"] == (threads, threads)


@pytest.mark.parametrize("folder", ["intruder", "forgetful"])
def test_a_renderer_that_listens_to_nobody_dies_with_its_daemon(home: Home, sandbox: str, folder: str) -> None:
    """It reads no end-of-file, and the sentinel that would end it stands still: the kernel has to."""
    assert sandbox
    instead_of_real_ones(home, folder)
    daemon = home.daemon("--task-timeout", "200")
    hanging = say(home, "LIE after its deadline")
    home.start("thumbd_client", "render", str(hanging))
    wait_for(lambda: bool(renderers(home, "busy")), "a renderer that hangs")
    (pid,) = renderers(home, "busy")
    renderer = psutil.Process(pid)
    (sentinel,) = home.workers("sentinel")
    os.kill(sentinel, signal.SIGSTOP)
    try:
        daemon.kill()
        wait_for(lambda: gone(renderer), "the renderer's end", 30)
    finally:
        os.kill(sentinel, signal.SIGCONT)


def test_a_wall_that_is_missing_after_the_trial_lets_no_renderer_begin_where_it_is_required(
    home: Home, sandbox: str
) -> None:
    assert sandbox
    instead_of_real_ones(home, "untried")
    paint(home, "a.jpg")
    home.daemon("--require-sandbox")
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: home.ctl("health", "--json").object["crash_loop"], "a crash loop")
    health = home.ctl("health", "--json").object
    (reason,) = [reason for reason in health["reasons"] if "a renderer can't be started" in reason]
    assert "a renderer can't be locked in" in reason
    assert "seccomp" in reason
    assert not renderers(home, "ready")
    assert command.poll() is None, "the file was not given up"


def test_a_decoder_that_runs_into_the_wall_costs_one_answer_and_is_remembered_by_nobody(
    home: Home, sandbox: str
) -> None:
    assert sandbox
    instead_of_real_ones(home, "wanting")
    wanting, good = paint(home, "wanting.jpg", (641, 480)), paint(home, "good.jpg")
    daemon = home.daemon()
    for _ in range(2):
        told = {item["path"]: item for item in home.render(home.pictures).objects}
        assert told[str(good)]["state"] == "ready"
        failed = told[str(wanting)]
        # By a renderer each time, never by what is known of it.
        assert (failed["state"], failed["error"], failed["source"]) == ("failed", "no_sandbox", "render")
        assert not list(home.cache.rglob("fail/**/*.png"))
    daemon.terminate()
    assert daemon.wait(30) == 0
    (home.root / "mended").touch()
    home.daemon()
    assert home.render(home.pictures).summary["ready"] == 2
