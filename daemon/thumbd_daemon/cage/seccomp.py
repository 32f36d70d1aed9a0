"""Having the kernel filter this process's system calls, all threads of it, for good."""

import ctypes
import struct
from collections.abc import Iterable
from typing import Final

from .bpf import Rule, assemble
from .kernel import syscall
from .syscalls import here

_SET_MODE_FILTER: Final = 1
_FLAG_TSYNC: Final = 1
_INSTRUCTION_BYTES: Final = 8


def install(rules: Iterable[Rule], default: int) -> None:
    """Filter the calls of all threads by `rules` (see ``bpf.assemble``); needs no_new_privs. Raises OSError where the
    kernel has no filters, where this machine's calls are not known, or where a thread can't be filtered."""
    architecture = here()
    if architecture is None:
        raise OSError(38, "the system calls of this processor are not known")
    program = ctypes.create_string_buffer(assemble(architecture, rules, default))
    length = (len(program) - 1) // _INSTRUCTION_BYTES
    described = ctypes.create_string_buffer(struct.pack("@HP", length, ctypes.addressof(program)))
    unwilling = syscall("seccomp", _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.addressof(described))
    if unwilling:
        raise OSError(3, f"thread {unwilling} can't be filtered")
