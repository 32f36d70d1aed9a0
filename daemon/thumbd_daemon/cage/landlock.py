"""Landlock: which files and folders may still be opened, written, made, removed; by the kernel, for good.

Source: landlock(7) and Documentation/userspace-api/landlock.rst. What a kernel is too old to deny is left out; the
system-call filter denies it as well.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from enum import IntFlag
from typing import Final

from .kernel import syscall


class Access(IntFlag):
    """What can be denied (``linux/landlock.h``)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


#: Every access to files, and those that change something.
EVERYTHING: Final = Access((1 << 16) - 1)
CHANGING: Final = EVERYTHING & ~(Access.EXECUTE | Access.READ_FILE | Access.READ_DIR)
#: The first versions of the interface that deny this much.
_SINCE: Final = ((2, Access.REFER), (3, Access.TRUNCATE), (5, Access.IOCTL_DEV))
_NET_SINCE: Final = 4
_NET: Final = 3  # to bind and to connect by TCP
_SCOPE_SINCE: Final = 6
_SCOPE: Final = 3  # abstract sockets and signals to who is outside
_VERSION: Final = 1
_PATH_BENEATH: Final = 1


def version() -> int:
    """The version of the kernel's interface, from 1. Raises OSError where there is none."""
    return syscall("landlock_create_ruleset", 0, 0, _VERSION)


def restrict(denied: Access, allowed: Iterable[tuple[bytes, Access]] = ()) -> None:
    """Deny this thread (and those it starts) the accesses `denied`, but below the folders `allowed` those named with
    them; and the network, and signals to others. Needs no_new_privs. Raises OSError."""
    kernel = version()
    for since, access in _SINCE:
        if kernel < since:
            denied &= ~access
    attributes = struct.pack(
        "=QQQ", denied, _NET if kernel >= _NET_SINCE else 0, _SCOPE if kernel >= _SCOPE_SINCE else 0
    )
    # A kernel takes a longer description than it knows while the rest is zero.
    described = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = syscall("landlock_create_ruleset", ctypes.addressof(described), len(attributes), 0)
    try:
        for folder, access in allowed:
            _allow(ruleset, folder, access & denied)
        syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, folder: bytes, access: Access) -> None:
    fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, fd), 12)
        syscall("landlock_add_rule", ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(fd)


def in_words(error: OSError) -> str:
    """Why there is no Landlock."""
    if error.errno == errno.ENOSYS:
        return "the kernel has no Landlock (it came with Linux 5.13)"
    if error.errno == errno.EOPNOTSUPP:
        return "Landlock is switched off at boot; add it to lsm= of the kernel's command line"
    return os.strerror(error.errno or 0)
