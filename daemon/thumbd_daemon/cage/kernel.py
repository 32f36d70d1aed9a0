"""Calls to the kernel that Python has no function for; each raises OSError with the kernel's reason."""

import ctypes
import os
from typing import Final

from .syscalls import number

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.restype = ctypes.c_int

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
CAP_DAC_OVERRIDE: Final = 1 << 1
CAP_DAC_READ_SEARCH: Final = 1 << 2
#: ``linux/capability.h``: the version with 64 capabilities, in two words each.
_CAPABILITY_VERSION_3: Final = 0x20080522


def prctl(option: int, argument: int) -> None:
    """prctl(2) with one argument."""
    if _libc.prctl(option, ctypes.c_ulong(argument), *(ctypes.c_ulong(0),) * 3) != 0:
        _refuse(f"prctl({option})")


def syscall(name: str, *arguments: int) -> int:
    """The system call `name`, with addresses and numbers as its arguments; what it returns."""
    result: int = _libc.syscall(ctypes.c_long(number(name)), *map(ctypes.c_ulong, arguments))
    if result < 0:
        _refuse(name)
    return result


def unshare(flags: int) -> None:
    """unshare(2): go on in new namespaces."""
    syscall("unshare", flags)


def drop_capabilities(keep: int = 0) -> None:
    """Give up every capability but those whose bits `keep` has, for good (capset(2)); with no_new_privs none ever comes
    back."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; then the same of the upper 32.
    held = (ctypes.c_uint32 * 6)()
    syscall("capget", ctypes.addressof(header), ctypes.addressof(held))
    lower, upper = keep & 0xFFFFFFFF, keep >> 32
    kept = (ctypes.c_uint32 * 6)(held[0] & lower, held[1] & lower, 0, held[3] & upper, held[4] & upper, 0)
    syscall("capset", ctypes.addressof(header), ctypes.addressof(kept))
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def _refuse(what: str) -> None:
    error = ctypes.get_errno()
    raise OSError(error, f"{what}: {os.strerror(error)}")
