"""Numbers of system calls: those of the kernel's own headers, and none for machines that have no table."""

import errno
import os
from types import SimpleNamespace

import pytest

from thumbd_daemon.cage.syscalls import AARCH64, X86_64, Architecture, here, number

from .kernel_headers import numbers_of

BOTH = pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=lambda one: one.name)


@BOTH
def test_every_number_is_that_of_the_kernels_headers(architecture: Architecture) -> None:
    headers = numbers_of(architecture.name)
    newest = max(headers.values())
    known = {name: number for name, number in architecture.numbers.items() if name in headers}
    assert known == {name: headers[name] for name in known}
    # What headers of this age do not have came later, and calls are numbered in their order since.
    assert all(architecture.numbers[name] > newest for name in architecture.numbers.keys() - known.keys())
    assert len(known) > 90


def test_what_is_left_out_for_an_architecture_is_not_in_its_headers() -> None:
    left_out = X86_64.numbers.keys() - AARCH64.numbers.keys()
    assert left_out >= {"fork", "vfork", "chmod", "select"}
    assert not left_out & numbers_of("aarch64").keys()
    assert not AARCH64.numbers.keys() - X86_64.numbers.keys()


@BOTH
def test_no_two_names_share_a_number(architecture: Architecture) -> None:
    assert len(set(architecture.numbers.values())) == len(architecture.numbers)


@pytest.mark.parametrize(("machine", "architecture", "getpid"), [("x86_64", X86_64, 39), ("aarch64", AARCH64, 172)])
def test_a_machine_with_a_table_has_its_numbers(
    monkeypatch: pytest.MonkeyPatch, machine: str, architecture: Architecture, getpid: int
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    assert here() is architecture
    assert number("getpid") == getpid


@pytest.mark.parametrize(("machine", "name"), [("riscv64", "getpid"), ("x86_64", "no_such_call"), ("aarch64", "fork")])
def test_a_number_that_is_not_known_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    with pytest.raises(OSError, match=f"{name}: no number is known for it on {machine}") as refusal:
        number(name)
    assert refusal.value.errno == errno.ENOSYS


def test_a_machine_without_a_table_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
    assert here() is None
