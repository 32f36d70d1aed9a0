"""What malloc has given out in this process, and giving back to the system what is free.

libzmq's messages are malloc's, Python's small objects are not, so that a batch of many thousand items does not look
like a flood. Where the C library does not tell (glibc before 2.33, musl), resident memory stands for it.
"""

import ctypes
import os
from typing import Final

_NAMES: Final = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Info(ctypes.Structure):
    """``struct mallinfo2`` (mallinfo(3))."""

    _fields_ = [(name, ctypes.c_size_t) for name in _NAMES.split()]


_libc = ctypes.CDLL(None)
_mallinfo = getattr(_libc, "mallinfo2", None)
if _mallinfo is not None:
    _mallinfo.restype = _Info
_trim = getattr(_libc, "malloc_trim", None)
_PAGE: Final = os.sysconf("SC_PAGESIZE")


def held() -> int:
    """Bytes in use."""
    if _mallinfo is None:
        return resident()
    info = _mallinfo()
    return int(info.uordblks + info.hblkhd)


def resident() -> int:
    """Bytes of resident memory."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


def trim() -> None:
    """Give back to the system what is free: threads' arenas keep it otherwise, for ever."""
    if _trim is not None:
        _trim(0)
