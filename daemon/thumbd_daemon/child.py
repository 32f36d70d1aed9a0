"""What both kinds of children do at birth: take the socket they were handed, and die with their parent.

Used by ``scout`` and ``renderer``; the daemon's side is ``worker_handle``.
"""

import ctypes
import os
import signal
import socket
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def control_socket(parent_pid: int, fd: int) -> socket.socket:
    """The child's end of its private pair. Ends the process when the parent died before the kernel was told."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        print(f"PDEATHSIG can't be set: {os.strerror(ctypes.get_errno())}", file=sys.stderr)  # noqa: T201
    if os.getppid() != parent_pid:
        sys.exit(0)
    # The daemon decides when a child ends; a Ctrl+C in its terminal is not for us (we have a session of our own).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return socket.socket(fileno=fd)
