"""The kernel's machine for programs about system calls, as little of it as ours are made of, and the kernel's checks.

Source: ``bpf_check_classic`` and ``seccomp_check_filter`` of Linux, ``linux/seccomp.h`` for what a program sees.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from thumbd_daemon.cage.bpf import KILL, Rule
from thumbd_daemon.cage.syscalls import Architecture

LOAD_WORD, AND, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
MOST_INSTRUCTIONS = 4096
#: ``struct seccomp_data``: number, architecture, instruction pointer, six arguments.
_CALL = struct.Struct("<IIQ6Q")
WORD = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]


class Refused(Exception):
    """The kernel would not take this program."""


@dataclass(frozen=True)
class Call:
    """A system call as a program sees it."""

    number: int
    audit: int
    arguments: tuple[int, ...] = ()

    def words(self) -> tuple[int, ...]:
        """The description, word by word."""
        arguments = (*self.arguments, *(0,) * 6)[:6]
        return struct.unpack("<16I", _CALL.pack(self.number & WORD, self.audit, 0xDEADBEEFCAFE, *arguments))


class Program:
    """A program that the kernel takes. Raises Refused for any other."""

    def __init__(self, raw: bytes) -> None:
        if not raw or len(raw) % 8:
            raise Refused("not a whole number of instructions, or none")
        # (code, operand, jump if true, jump if false)
        self.instructions: list[Instruction] = [
            (code, k, jt, jf) for code, jt, jf, k in struct.iter_unpack("<HBBI", raw)
        ]
        length = len(self.instructions)
        if length > MOST_INSTRUCTIONS:
            raise Refused(f"{length} instructions")
        for at, (code, operand, if_true, if_false) in enumerate(self.instructions):
            if code not in (LOAD_WORD, AND, IF_EQUAL, IF_AT_LEAST, RETURN):
                raise Refused(f"instruction {at}: code {code:#x}")
            if code == LOAD_WORD and (operand % 4 or operand >= _CALL.size):
                raise Refused(f"instruction {at}: loads from {operand}")
            if code in (IF_EQUAL, IF_AT_LEAST) and max(if_true, if_false) + at + 1 >= length:
                raise Refused(f"instruction {at}: jumps out of the program")
        if self.instructions[-1][0] != RETURN:
            raise Refused("its last instruction is no return")

    def verdict(self, call: Call) -> int:
        """What it says about a call."""
        words, accumulator, at = call.words(), 0, 0
        while True:
            code, operand, if_true, if_false = self.instructions[at]
            at += 1
            if code == LOAD_WORD:
                accumulator = words[operand // 4]
            elif code == AND:
                accumulator &= operand
            elif code == IF_EQUAL:
                at += if_true if accumulator == operand else if_false
            elif code == IF_AT_LEAST:
                at += if_true if accumulator >= operand else if_false
            else:
                return operand


def by_the_rules(architecture: Architecture, rules: Iterable[Rule], default: int, call: Call) -> int:
    """What is to be done with a call, read from the rules themselves."""
    number = call.number & WORD
    if call.audit != architecture.audit or (architecture.foreign and number >= architecture.foreign):
        return KILL
    arguments = (*call.arguments, *(0,) * 6)
    for rule in rules:
        if architecture.numbers.get(rule.name) == number:
            halves = [(arguments[when.argument] >> (32 if when.upper else 0)) & WORD for when in rule.when]
            held = all(half & when.mask == when.value for half, when in zip(halves, rule.when, strict=True))
            verdict = rule.action if held else rule.other
            if verdict is not None:
                return verdict
    return default
