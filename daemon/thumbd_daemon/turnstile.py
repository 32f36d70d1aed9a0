"""One connection at a time: libzmq accepts when we say so, and only then.

libzmq accepts whatever comes, as fast as it comes. At the limit of descriptors it ends the whole process (of ``ipc://``
it takes EMFILE for a bug), it can't be told to stop, and unbinding ends the connections that it has already. But it
waits by epoll, one for each I/O thread, and an epoll's set belongs to the process: made EPOLLONESHOT, the listening
socket wakes libzmq once for each time that we arm it. The kernel tells what is needed for it
(``/proc/self/fdinfo``, proc(5)): which epoll has the descriptor, and the word that libzmq has stored with it.
"""

import ctypes
import os
import platform
import select
import time
from pathlib import Path
from typing import Final

_FDINFO: Final = Path("/proc/self/fdinfo")
_EPOLL_CTL_MOD: Final = 3
#: libzmq's thread adds the socket to its set by itself, soon after the bind.
_APPEARS_S: Final = 2.0


class _Event(ctypes.Structure):
    """``struct epoll_event`` (epoll_ctl(2)); packed on one architecture only."""

    if platform.machine() == "x86_64":
        _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


_libc = ctypes.CDLL(None, use_errno=True)


class Turnstile:
    """Lets libzmq accept from the listening descriptor `fd`, once for each `let_in`."""

    def __init__(self, epoll: int, fd: int, data: int) -> None:
        self._epoll = epoll
        self._fd = fd
        self._data = data
        self._set(0)

    def let_in(self) -> None:
        """Let libzmq accept one connection: the next, or the one that waits."""
        self._set(select.EPOLLIN | select.EPOLLONESHOT)

    def _set(self, events: int) -> None:
        event = _Event(events, self._data)
        if _libc.epoll_ctl(self._epoll, _EPOLL_CTL_MOD, self._fd, ctypes.byref(event)):
            number = ctypes.get_errno()
            raise OSError(number, f"the listening socket can't be set in libzmq's epoll: {os.strerror(number)}")


def find(fd: int) -> Turnstile | None:
    """The turnstile of a listening descriptor that libzmq has just been handed; None where it polls otherwise."""
    until = time.monotonic() + _APPEARS_S
    # Not time.sleep: below a library that shifts the clock (libfaketime) it may fail, with EINVAL.
    pause = select.poll()
    while time.monotonic() < until:
        for epoll in _epolls():
            data = _watched(epoll, fd)
            if data is not None:
                return Turnstile(epoll, fd, data)
        pause.poll(1)
    return None


def _epolls() -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventpoll]":
                found.append(int(name))
        except OSError:
            continue  # the descriptor that listed them
    return found


def _watched(epoll: int, fd: int) -> int | None:
    """What is stored with `fd` in an epoll's set, once it is waited for there."""
    for line in (_FDINFO / str(epoll)).read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[:1] == ["tfd:"] and int(words[1]) == fd and int(words[3], 16) & select.EPOLLIN:
            return int(words[5], 16)
    return None
