"""Children that can't be started: told, tried ever more slowly, and well again by itself when the cause has gone."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from chaos_harness import NOBODY, health, talk, usable_by
from thumbd_client import Connection
from thumbd_client.events import Event
from thumbd_home import DEADLINE_S, Home, wait_for
from thumbd_protocol.items import Flavor, Folder, Priority
from thumbd_protocol.replies import Done, Notice

pytestmark = pytest.mark.e2e


def paint(home: Home, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (900, 700), (number, 50, 90)).save(home.pictures / f"{number}.jpg")


@contextmanager
def limit(pid: int, which: int, soft: int) -> Iterator[None]:
    """The soft limit of a running process, lowered for a while."""
    process = psutil.Process(pid)
    before = process.rlimit(which)
    process.rlimit(which, (soft, before[1]))
    try:
        yield
    finally:
        process.rlimit(which, before)


def verdict(home: Home) -> str:
    with talk(home, "a test") as connection:
        return str(health(connection).verdict)


def kill_renderers(home: Home) -> None:
    for pid in home.workers("renderer"):
        psutil.Process(pid).kill()


def outlives(home: Home, daemon: subprocess.Popen[bytes], which: int, soft: int, words: str) -> None:
    """Under the limit no renderer can be started; a client (who is there already: without descriptors nobody is let in)
    waits, is told why, and is served when the limit goes."""
    paint(home, 20)
    wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
    with talk(home, "a test") as client:
        health(client)
        client.session.subscribe("system")
        with limit(daemon.pid, which, soft):
            kill_renderers(home)
            wait_for(lambda: words in home.output(daemon)[1], "the failure in the log")
            folder = Folder(os.fsencode(home.pictures), Flavor.LARGE)
            client.session.submit_folder(folder, Priority.NORMAL, "b")
            told = hear(client, lambda event: isinstance(event, Notice))
            assert isinstance(told, Notice)
            assert (told.kind, words in told.message) == ("degraded", True)
            found = health(client)
            assert found.crash_loop
            assert words in " ".join(found.reasons)
            assert "tried ever more slowly" in " ".join(found.reasons)
        notices: list[str] = []
        done: list[Done] = []

        def all_is_well(event: Event) -> bool:
            if isinstance(event, Notice):
                notices.append(event.kind)
            elif isinstance(event, Done):
                done.append(event)
            return "recovered" in notices and bool(done)

        hear(client, all_is_well)
        assert (done[0].ready, done[0].failed) == (20, 0)
    assert verdict(home) == "ok"


def hear(client: Connection, which: Callable[[Event], bool]) -> Event:
    """The next event of a kind."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        for event in client.events(timeout=1.0):
            if which(event):
                return event
    raise AssertionError("waited in vain")


def test_a_daemon_out_of_descriptors_recovers(home: Home) -> None:
    daemon = home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
    held = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    outlives(home, daemon, resource.RLIMIT_NOFILE, held - 6, "too many open files")


def test_a_user_out_of_processes_recovers() -> None:
    user = None
    if os.geteuid() == 0:  # whose processes are not counted
        if not usable_by(NOBODY):
            pytest.skip("this Python lies where an ordinary user can't read it")
        user = NOBODY
    home = Home(user)
    try:
        out_of_processes(home)
    finally:
        home.close()


def out_of_processes(home: Home) -> None:
    outlives(home, home.daemon(), resource.RLIMIT_NPROC, 1, "resource temporarily unavailable")


def test_an_interpreter_that_is_gone_for_a_while_is_survived(home: Home) -> None:
    """As during an upgrade of Python, or of the environment that thumbd is installed in."""
    paint(home, 20)
    python = home.root / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    home.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with (home.root / "log").open("wb") as log:
        daemon = subprocess.Popen([str(python), "-m", "thumbd_daemon"], env=home.environ, stderr=log)
    try:
        wait_for(lambda: home.socket.exists() and len(home.workers("renderer")) >= 2, "the daemon")
        python.unlink()
        kill_renderers(home)
        wait_for(lambda: verdict(home) == "degraded", "the verdict")
        assert "no such file or directory" in " ".join(home.ctl("health", "--json").object["reasons"])
        python.symlink_to(sys.executable)
        assert home.render(home.pictures).summary["ready"] == 20
        assert verdict(home) == "ok"
    finally:
        daemon.terminate()
        assert daemon.wait(15) == 0


def test_a_renderer_that_cannot_start_is_told_with_its_last_words(home: Home) -> None:
    broken = home.root / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'thumbd_daemon.renderer' in sys.orig_argv and os.path.exists(os.environ['PYTHON_TEST_BREAK']):\n"
        "    sys.exit('a library of the decoder is missing')\n"
    )
    mark = home.root / "break"
    mark.touch()
    home.environ |= {"PYTHON_TEST_BREAK": str(mark)}
    home.environ["PYTHONPATH"] = os.pathsep.join([str(broken), *(path for path in sys.path if path)])
    paint(home, 5)
    home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: verdict(home) == "failing", "the verdict, once there was no renderer for ten seconds", 30)
    told = home.ctl("health")
    assert told.status == 2
    assert "there is no renderer, so nothing can be rendered" in told.out
    assert "a library of the decoder is missing" in told.out
    mark.unlink()
    assert command.wait(60) == 0
    assert home.output(command)[0].count('"state": "ready"') == 5


@pytest.mark.parametrize("preload", ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"])
def test_a_clock_that_is_set_back_a_day_changes_nothing(home: Home, preload: str) -> None:
    if not Path(preload).exists():
        pytest.skip("libfaketime is not installed")
    clock = home.root / "clock"
    clock.write_text("+0")
    daemon_only = {
        "LD_PRELOAD": preload,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    daemon = home.start("thumbd_daemon", "--verbose", **daemon_only)
    wait_for(lambda: "listens at" in home.output(daemon)[1], "the daemon")
    paint(home, 60)
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: '"ready"' in home.output(command)[0], "the first thumbnails")
    changed = home.root / "changed"
    changed.write_text("-1d")
    changed.rename(clock)  # it is read at any moment
    assert command.wait(60) == 0
    assert home.render(home.pictures).summary["cached"] == 60
    found = home.ctl("health", "--json").object
    assert (found["verdict"], found["restarts"]) == ("ok", 0)
    # Its log is from yesterday: the clock was set back indeed.
    days = {line[:10] for line in home.output(daemon)[1].splitlines() if line[:2] == "20"}
    assert len(days) == 2, home.output(daemon)[1][-2000:] + home.log + str(daemon.poll())
