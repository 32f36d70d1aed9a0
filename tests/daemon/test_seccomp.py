"""Filters and privileges in processes of their own: every thread is meant, nothing comes back."""

import errno
from pathlib import Path

import pytest

from thumbd_daemon.cage import kernel

from .alone import run_alone, told

_FILTER = """
from thumbd_daemon.cage.bpf import ALLOW, KILL, Rule, When, errno as fails_with
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
refused = fails_with(errno.EPERM)
"""


def test_a_thread_that_was_started_before_is_filtered_as_well(tmp_path: Path) -> None:
    source = """
started, filtered = threading.Event(), threading.Event()
found = []

def try_it():
    found.append(outcome(socket.socket))
    started.set()
    filtered.wait()
    found.append(outcome(socket.socket))

thread = threading.Thread(target=try_it)
thread.start()
started.wait()
seccomp.install([Rule("socket", refused)], ALLOW)
filtered.set()
thread.join()
tell([*found, outcome(socket.socket), outcome(socket.socketpair)])
"""
    assert told(_FILTER + source, tmp_path) == ["done", "EPERM", "EPERM", "done"]


def test_conditions_are_judged_by_the_kernel_as_they_are_written(tmp_path: Path) -> None:
    source = """
near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
by_name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
by_name.bind("socket")
from thumbd_daemon.cage.bpf import is_null
seccomp.install([Rule("sendto", ALLOW, is_null(4), refused)], ALLOW)
tell([outcome(near.send, b"x"), outcome(near.sendto, b"x", "socket")])
"""
    assert told(_FILTER + source, tmp_path) == ["done", "EPERM"]


def test_a_call_that_kills_ends_the_whole_process(tmp_path: Path) -> None:
    done = run_alone(_FILTER + "seccomp.install([Rule('socket', KILL)], ALLOW)\nsocket.socket()", tmp_path)
    assert done.returncode == -31  # SIGSYS


def test_a_filter_can_be_made_stricter_and_never_looser(tmp_path: Path) -> None:
    source = """
seccomp.install([Rule("socket", refused)], ALLOW)
seccomp.install([Rule("socket", ALLOW), Rule("socketpair", refused)], ALLOW)
tell([outcome(socket.socket), outcome(socket.socketpair)])
"""
    assert told(_FILTER + source, tmp_path) == ["EPERM", "EPERM"]


def test_it_needs_the_promise_to_gain_no_privileges(tmp_path: Path) -> None:
    source = """
from thumbd_daemon.cage.bpf import ALLOW, KILL, Rule
kernel.drop_capabilities()
tell([outcome(seccomp.install, [Rule("socket", KILL)], ALLOW), outcome(socket.socket)])
"""
    assert told(source, tmp_path) == ["EACCES", "done"]


def test_a_machine_whose_calls_are_not_known_is_not_filtered(tmp_path: Path) -> None:
    source = """
import os, types
os.uname = lambda: types.SimpleNamespace(machine="riscv64")
tell([outcome(seccomp.install, [Rule("socket", KILL)], ALLOW), outcome(socket.socket)])
"""
    assert told(_FILTER.replace("kernel.prctl", "#") + source, tmp_path) == ["ENOSYS", "done"]


def test_capabilities_are_given_up_for_good(tmp_path: Path) -> None:
    source = """
kernel.drop_capabilities()
rows = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if line.startswith("Cap"))
tell(rows)
"""
    rows = told(source, tmp_path)
    assert {rows[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


def test_a_refusal_of_the_kernel_names_the_call() -> None:
    with pytest.raises(OSError, match="prctl\\(9999\\): Invalid argument") as refusal:
        kernel.prctl(9999, 0)
    assert refusal.value.errno == errno.EINVAL
    with pytest.raises(OSError, match="close: Bad file descriptor") as refusal:
        kernel.syscall("close", 1 << 30)
    assert refusal.value.errno == errno.EBADF
