"""Programs for the kernel say what the rules say: for every call, both architectures, both policies."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thumbd_daemon.cage.bpf import ALLOW, KILL, Rule, When, assemble, errno, is_null
from thumbd_daemon.cage.syscalls import AARCH64, X86_64, Architecture
from thumbd_daemon.renderer import sandbox
from thumbd_daemon.scout import confinement

from .bpf_machine import (
    IF_EQUAL,
    LOAD_WORD,
    MOST_INSTRUCTIONS,
    RETURN,
    WORD,
    Call,
    Program,
    Refused,
    by_the_rules,
)

PID = 4321
X32 = 0x40000000
REFUSED = errno(1)
POLICIES = {"renderer": (sandbox.rules(PID), sandbox.REFUSED), "scout": (confinement.rules(PID), ALLOW)}
BOTH = pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=lambda one: one.name)
EACH = pytest.mark.parametrize("policy", POLICIES)

#: Values that decide something, whole and with a bit more or less, and any other.
_DECISIVE = (0, 1, 2, 3, 4, 17, PID, 0x20, 0x22, 0x3D0F00, 0x7D0F00, 0x10000, WORD, 1 << 32, X32)
ARGUMENT = st.one_of(
    st.builds(
        lambda value, bit: value ^ bit, st.sampled_from(_DECISIVE), st.sampled_from([0, *(1 << n for n in range(64))])
    ),
    st.integers(0, (1 << 64) - 1),
)
ARGUMENTS = st.tuples(*[ARGUMENT] * 6)
NUMBERS = (*range(601), *(X32 | number for number in range(601)), X32 - 1, 1 << 31, -1)


PROGRAMS = {
    (architecture.name, policy): Program(assemble(architecture, *terms))
    for architecture in (X86_64, AARCH64)
    for policy, terms in POLICIES.items()
}


def program(architecture: Architecture, policy: str) -> Program:
    return PROGRAMS[architecture.name, policy]


@BOTH
@EACH
@settings(max_examples=12)
@given(arguments=ARGUMENTS)
def test_every_call_there_is_gets_what_the_rules_say(
    architecture: Architecture, policy: str, arguments: tuple[int, ...]
) -> None:
    filtering = program(architecture, policy)
    for number in NUMBERS:
        call = Call(number, architecture.audit, arguments)
        assert filtering.verdict(call) == by_the_rules(architecture, *POLICIES[policy], call), call


@BOTH
@EACH
@settings(max_examples=150)
@given(data=st.data(), arguments=ARGUMENTS)
def test_a_call_with_conditions_gets_what_the_rules_say(
    architecture: Architecture, policy: str, data: st.DataObject, arguments: tuple[int, ...]
) -> None:
    rules, default = POLICIES[policy]
    name = data.draw(st.sampled_from([rule.name for rule in rules if rule.when and rule.name in architecture.numbers]))
    call = Call(architecture.numbers[name], architecture.audit, arguments)
    assert program(architecture, policy).verdict(call) == by_the_rules(architecture, rules, default, call)


@BOTH
@EACH
@settings(max_examples=30)
@given(number=st.integers(0, WORD), audit=st.integers(0, WORD), arguments=ARGUMENTS)
def test_a_call_of_another_architecture_ends_the_process_whatever_its_number(
    architecture: Architecture, policy: str, number: int, audit: int, arguments: tuple[int, ...]
) -> None:
    if audit != architecture.audit:
        assert program(architecture, policy).verdict(Call(number, audit, arguments)) == KILL


@EACH
@pytest.mark.parametrize("audit", [0x40000003, AARCH64.audit, 0, WORD], ids=hex)  # i386 first
def test_every_number_of_a_foreign_architecture_ends_the_process(policy: str, audit: int) -> None:
    filtering = program(X86_64, policy)
    assert {filtering.verdict(Call(number, audit)) for number in NUMBERS} == {KILL}


@EACH
@settings(max_examples=30)
@given(number=st.integers(X32, WORD), arguments=ARGUMENTS)
def test_x32_ends_the_process(policy: str, number: int, arguments: tuple[int, ...]) -> None:
    assert program(X86_64, policy).verdict(Call(number, X86_64.audit, arguments)) == KILL


_ACTION = st.sampled_from([ALLOW, KILL, REFUSED, errno(38)])
_WORD = st.one_of(st.sampled_from([0, 1, 2, 4, WORD]), st.integers(0, WORD))
_MASK = st.one_of(st.just(WORD), _WORD)
_WHEN = st.builds(When, st.integers(0, 5), _WORD, _MASK, st.booleans())
_WHENS = st.lists(_WHEN, max_size=5).map(tuple)
_OTHER = st.one_of(st.none(), _ACTION)


def _rules_about(names: list[str]) -> st.SearchStrategy[list[Rule]]:
    return st.lists(st.builds(Rule, st.sampled_from(names), _ACTION, _WHENS, _OTHER), min_size=1, max_size=6)


#: About different calls, and about the same ones again and again.
_RULES = st.one_of(_rules_about(sorted(X86_64.numbers)), _rules_about(["mmap", "write"]))


@BOTH
@settings(max_examples=100)
@given(rules=_RULES, default=_ACTION, data=st.data())
def test_any_rules_are_obeyed_to_the_letter(
    architecture: Architecture, rules: list[Rule], default: int, data: st.DataObject
) -> None:
    filtering = Program(assemble(architecture, rules, default))
    rule = data.draw(st.sampled_from(rules))
    arguments = list(data.draw(ARGUMENTS))
    for when in rule.when if data.draw(st.booleans()) else ():  # meet the conditions
        shift = 32 if when.upper else 0
        arguments[when.argument] &= ~(when.mask << shift)
        arguments[when.argument] |= (when.value & when.mask) << shift
    call = Call(architecture.numbers.get(rule.name, 600), architecture.audit, tuple(arguments))
    assert filtering.verdict(call) == by_the_rules(architecture, rules, default, call)


def test_the_first_of_two_rules_about_a_call_counts() -> None:
    filtering = Program(assemble(X86_64, [Rule("getpid", ALLOW), Rule("getpid", KILL)], REFUSED))
    assert filtering.verdict(Call(X86_64.numbers["getpid"], X86_64.audit)) == ALLOW


def test_a_rule_without_another_action_leaves_the_call_to_the_next() -> None:
    rules = [
        Rule("fcntl", ALLOW, (When(1, 4), When(2, 0, 0x2000)), None),
        Rule("fcntl", ALLOW, (When(1, 1),), None),
        Rule("getpid", KILL),
        Rule("fcntl", REFUSED, (When(1, 8),), None),
    ]
    filtering = Program(assemble(X86_64, rules, errno(38)))
    asked = [(0, 4), (0, 4, 0x2000), (0, 1), (0, 8), (0, 9)]
    found = [filtering.verdict(Call(X86_64.numbers["fcntl"], X86_64.audit, arguments)) for arguments in asked]
    assert found == [ALLOW, errno(38), ALLOW, REFUSED, errno(38)]
    assert filtering.verdict(Call(X86_64.numbers["getpid"], X86_64.audit)) == KILL


def test_a_pointer_is_null_only_with_all_of_its_bits() -> None:
    filtering = Program(assemble(X86_64, [Rule("sendto", ALLOW, is_null(4), REFUSED)], KILL))
    for bit in range(64):
        call = Call(X86_64.numbers["sendto"], X86_64.audit, (0, 0, 0, 0, 1 << bit))
        assert filtering.verdict(call) == REFUSED
    others = (WORD, WORD, WORD, WORD, 0, WORD)
    assert filtering.verdict(Call(X86_64.numbers["sendto"], X86_64.audit, others)) == ALLOW


@EACH
@BOTH
def test_a_policy_is_a_program_of_moderate_length(architecture: Architecture, policy: str) -> None:
    # Each call of a renderer passes through it; of a scout's only what is not always allowed, which the kernel knows.
    assert len(program(architecture, policy).instructions) < {"renderer": 256, "scout": 384}[policy]


def _raw(*instructions: tuple[int, int, int, int]) -> bytes:
    return b"".join(struct.pack("<HBBI", code, jt, jf, k) for code, k, jt, jf in instructions)


_END = (RETURN, 0, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        _raw(_END)[:-1],
        _raw((LOAD_WORD, 0, 0, 0)),  # no return
        _raw((LOAD_WORD, 2, 0, 0), _END),  # not aligned
        _raw((LOAD_WORD, 64, 0, 0), _END),  # behind the description
        _raw((IF_EQUAL, 0, 1, 0), _END),  # one too far
        _raw((IF_EQUAL, 0, 0, 1), _END),
        _raw((0x16, 0, 0, 0), _END),  # a return of the accumulator
        _raw(*[_END] * (MOST_INSTRUCTIONS + 1)),
    ],
)
def test_the_tests_own_machine_refuses_what_the_kernel_refuses(bad: bytes) -> None:
    with pytest.raises(Refused):
        Program(bad)
