"""Whoever our children have started and left behind: seen by us, since we are their subreaper, and ended.

The kernel gives a process whose parent has died to the nearest subreaper above it (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from collections.abc import Callable, Iterable, Set
from typing import Final

log = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER: Final = 36
#: More groups than this below our children are not looked for at once.
_MAX_GROUPS: Final = 1000


def become_subreaper() -> None:
    """From now on orphans below us become our children; where that is not possible it is said and lived without."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.warning("what children leave behind can't be seen: %s", os.strerror(ctypes.get_errno()))


def children() -> set[int]:
    """The pids of all our children (proc(5), ``/proc/pid/task/tid/children``: those of the main thread, which starts
    every child and is given every orphan)."""
    pid = os.getpid()
    try:
        return {int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()}
    except OSError:
        return set()  # a kernel without it: killing whole groups must do


def groups_below(pids: Iterable[int]) -> set[int]:
    """The process groups of whoever those processes have started, and those in turn (but not their own)."""
    groups: set[int] = set()
    below = [child for pid in pids for child in _children_of(pid)]
    while below and len(groups) < _MAX_GROUPS:
        pid = below.pop()
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(pid))
            below += _children_of(pid)
    return groups


def _children_of(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has just gone


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


class Orphans:
    """Ends orphans one by one, by descriptors, so that no other process can be meant."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self._ending: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ending)

    def sweep(self, known: Set[int]) -> None:
        """End every child that is not one of `known`."""
        for pid in children() - known - self._ending.keys():
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                log.warning("ending process %d, which a child has left behind", pid)
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                self._ending[pid] = fd
                self._loop.add_reader(fd, self._gone, pid, fd)

    def _gone(self, pid: int, fd: int) -> None:
        self._loop.remove_reader(fd)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, fd, os.WEXITED)
        os.close(fd)
        del self._ending[pid]
        self._changed()
