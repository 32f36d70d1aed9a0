"""From rules about system calls to a program that the kernel runs at each of them (seccomp(2)).

The kernel's classic BPF: one accumulator, jumps forward only. A rule becomes a block that every other call jumps over,
so the program is as long as its rules and can be read in their order. Of several rules about a call the first counts,
unless it leaves the matter to the next.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .syscalls import Architecture

#: What the kernel does with a call (``linux/seccomp.h``).
KILL: Final = 0x80000000
ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

# Instructions (``linux/bpf_common.h``): load a word of the call's description, keep some of its bits, compare, end.
_LOAD: Final = 0x20
_AND: Final = 0x54
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
# Where the description (``struct seccomp_data``) has what.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_ALL_BITS: Final = 0xFFFFFFFF


def errno(number: int) -> int:
    """The action: the call is not made and fails with this error."""
    return _ERRNO | number


@dataclass(frozen=True)
class When:
    """A condition: of a call's argument (counted from 0), the bits of `mask` have this `value`.

    Of the argument's 64 bits the lower 32 are meant, or with `upper` the others.
    """

    argument: int
    value: int
    mask: int = _ALL_BITS
    upper: bool = False


def is_null(argument: int) -> tuple[When, When]:
    """The argument is a null pointer."""
    return When(argument, 0), When(argument, 0, upper=True)


@dataclass(frozen=True)
class Rule:
    """What is done with the call `name`: `action` if all conditions hold, otherwise `other`; None: what the rules after
    this one say about it."""

    name: str
    action: int
    when: tuple[When, ...] = ()
    other: int | None = KILL


def assemble(architecture: Architecture, rules: Iterable[Rule], default: int) -> bytes:
    """The program: `default` for every call that no rule names. Calls of another ABI end the process; rules about calls
    that `architecture` does not have are left out."""
    program = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_IF_EQUAL, architecture.audit, 1, 0),
        _instruction(_RETURN, KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if architecture.foreign:
        program += [_instruction(_IF_AT_LEAST, architecture.foreign, 0, 1), _instruction(_RETURN, KILL)]
    for rule in rules:
        if rule.name in architecture.numbers:
            block = _block(rule)
            program += [_instruction(_IF_EQUAL, architecture.numbers[rule.name], 0, len(block)), *block]
    return b"".join([*program, _instruction(_RETURN, default)])


def _block(rule: Rule) -> list[bytes]:
    """What follows once the call is known to be the rule's."""
    if not rule.when:
        return [_instruction(_RETURN, rule.action)]
    # The next rule compares the call's number, which an argument has replaced.
    otherwise = _instruction(_LOAD, _NUMBER) if rule.other is None else _instruction(_RETURN, rule.other)
    block = [_instruction(_RETURN, rule.action), otherwise]
    for when in reversed(rule.when):
        # Each comparison that fails jumps to the block's last instruction.
        block = [*_loaded(when), _instruction(_IF_EQUAL, when.value, 0, len(block) - 1), *block]
    return block


def _loaded(when: When) -> list[bytes]:
    load = _instruction(_LOAD, _ARGUMENTS + 8 * when.argument + 4 * when.upper)  # little-endian, as both machines are
    return [load] if when.mask == _ALL_BITS else [load, _instruction(_AND, when.mask)]


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """``struct sock_filter``."""
    return struct.pack("<HBBI", code, if_true, if_false, operand)
