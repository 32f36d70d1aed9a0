"""What all kinds of children do at birth: take the socket they were handed, and die with their parent.

Used by ``scout``, ``renderer`` and ``sentinel``; the daemon's side is ``worker_handle``.
"""

import fcntl
import os
import signal
import socket
import sys
from typing import Final

from .cage.kernel import PR_SET_PDEATHSIG, prctl

#: What select(2) takes has lower numbers.
_FD_SETSIZE: Final = 1024
#: The first descriptor that is none of the standard ones.
_FIRST: Final = 3


def control_socket(parent_pid: int, fd: int) -> socket.socket:
    """The child's end of its private pair. Ends the process when the parent died before the kernel was told."""
    die_with(parent_pid)
    # The daemon decides when a child ends; a Ctrl+C in its terminal is not for us (we have a session of our own).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return socket.socket(fileno=low(fd))


def low(fd: int) -> int:
    """What was handed over as `fd`, under a number that select(2) takes; `fd` itself is closed if that is another. A
    daemon with many connections hands over high ones."""
    if fd < _FD_SETSIZE:
        return fd
    lowest = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    os.close(fd)
    return lowest


def die_with(parent_pid: int) -> None:
    """Have the kernel end this process when its parent ends, and end it now when that has happened already."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except OSError as error:
        print(f"PDEATHSIG can't be set: {error.strerror}", file=sys.stderr)  # noqa: T201
    if os.getppid() != parent_pid:
        sys.exit(0)
