"""The vital signs of real children, and of the machine as far as every kernel tells them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from thumbd_daemon import machine
from thumbd_daemon.machine import Vitals, vitals
from thumbd_daemon.mounts import mount_points

_WAITS = "import sys; print(flush=True); sys.stdin.read()"
_COMPUTES = "print(flush=True)\nwhile True: pass"


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs `code`, from when it has printed something."""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], what: Callable[[Vitals], bool]) -> Vitals:
    """Its signs, once `what` is seen in them."""
    end = time.monotonic() + 30
    while True:
        found = vitals(process.pid)
        assert found is not None
        if what(found):
            return found
        assert time.monotonic() < end, found


def test_a_child_that_waits_by_its_own_choice_is_neither_stopped_nor_kept_waiting() -> None:
    with child(_WAITS) as process:
        first = until(process, lambda found: not found.kept_waiting and not found.asleep)
        assert not first.stopped
        assert first.rss > 1 << 20
        second = until(process, lambda found: not found.asleep)  # the kernel says where it sleeps, once it does
        assert not second.idle_since(first), "it waits for its pipe, not for a file system"


def test_a_child_that_computes_gets_on() -> None:
    with child(_COMPUTES) as process:
        first = vitals(process.pid)
        assert first is not None
        later = until(process, lambda found: found.cpu > first.cpu)
        assert not later.idle_since(first)


def test_a_child_that_was_stopped_is_seen_and_seen_again_when_it_goes_on() -> None:
    with child(_COMPUTES) as process:
        os.kill(process.pid, signal.SIGSTOP)
        stopped = until(process, lambda found: found.stopped)
        assert not stopped.kept_waiting
        os.kill(process.pid, signal.SIGCONT)
        until(process, lambda found: not found.stopped)


def test_who_has_gone_has_no_signs() -> None:
    with child(_WAITS) as process:
        process.kill()
        process.wait()
        assert vitals(process.pid) is None


@pytest.mark.parametrize(
    ("now", "idle"),
    [
        (Vitals(stopped=False, kept_waiting=True, asleep=False, cpu=1.0, sleeps=5, rss=9), True),
        (Vitals(stopped=False, kept_waiting=True, asleep=False, cpu=1.0, sleeps=5, rss=1), True),
        (Vitals(stopped=False, kept_waiting=True, asleep=False, cpu=1.1, sleeps=5, rss=9), False),
        (Vitals(stopped=False, kept_waiting=True, asleep=False, cpu=1.0, sleeps=6, rss=9), False),
        (Vitals(stopped=False, kept_waiting=False, asleep=False, cpu=1.0, sleeps=5, rss=9), False),
    ],
)
def test_only_who_waits_and_has_neither_computed_nor_got_what_it_waited_for_is_idle(now: Vitals, idle: bool) -> None:
    before = Vitals(stopped=False, kept_waiting=False, asleep=False, cpu=1.0, sleeps=5, rss=9)
    assert now.idle_since(before) is idle


def test_pressure_is_read_as_the_kernel_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory").write_text(
        "some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=5.60 avg60=0.00 avg300=0.00 total=2\n"
    )
    (tmp_path / "io").write_text("nothing that is known\n")
    monkeypatch.setattr(machine, "_PRESSURE", tmp_path)
    assert machine.pressure("memory", "some") == 12.34
    assert machine.pressure("memory", "full") == 5.6
    assert machine.pressure("io", "full") is None


def test_a_kernel_that_does_not_tell_its_pressure_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_PRESSURE", tmp_path)
    (tmp_path / "io").write_text("some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n")
    assert machine.pressure("memory", "some") is None
    assert machine.pressure("io", "full") is None
    found = machine.machine()
    assert (found.memory, found.io) == (None, None)
    assert found.struggles() is None
    assert 0.0 < found.free <= 1.0


def test_the_mounts_of_this_machine_can_be_read() -> None:
    assert b"/" in mount_points(machine.MOUNTINFO.read_bytes())


def test_a_child_that_waits_for_a_child_of_its_own_is_not_kept_waiting() -> None:
    """A decoder may start others and wait: that is its own business, no file system's."""
    code = "import os, sys\nif os.fork() == 0: sys.stdin.read()\nelse: print(flush=True); os.wait()"
    with child(code) as process:
        waiting = psutil.Process(process.pid)
        until(process, lambda _signs: waiting.status() == psutil.STATUS_SLEEPING)
        signs = vitals(process.pid)
        assert signs is not None
        assert not signs.kept_waiting
        assert not signs.stopped
        assert process.poll() is None, "it did not wait"
