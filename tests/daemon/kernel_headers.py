"""The numbers of system calls as the kernel's headers on this machine have them."""

import functools
import re
from pathlib import Path

import pytest

from thumbd_daemon.cage.syscalls import AARCH64, X86_64

_HEADERS = {
    X86_64.name: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    AARCH64.name: Path("/usr/include/asm-generic/unistd.h"),
}
_DEFINE = re.compile(r"^#define\s+__NR(3264)?_(\w+)\s+(\d+|__NR3264_\w+)\s*$", re.MULTILINE)


@functools.cache
def numbers_of(architecture: str) -> dict[str, int]:
    """Numbers by name; skips the test where the headers are not installed."""
    header = _HEADERS[architecture]
    if not header.is_file():
        pytest.skip(f"the kernel's headers are not installed: {header} is missing")
    numbers: dict[str, int] = {}
    for generic, name, value in _DEFINE.findall(header.read_text()):
        # Calls that differ between 32 and 64 bit have their number under a name of their own first.
        found = int(value) if value.isdigit() else numbers.get(value.removeprefix("__NR"))
        if found is not None:
            numbers.setdefault(f"3264_{name}" if generic else name, found)
    return {name: number for name, number in numbers.items() if not name.startswith("3264_")}
