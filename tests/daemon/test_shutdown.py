"""The ladder that the daemon ends by."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.shutdown import PATIENCE_S, Ladder, Rung


def test_nothing_happens_before_the_end_begins() -> None:
    ladder = Ladder()
    assert not ladder.ending
    assert ladder.step(1e9, idle=True, told=True, children=0) == []
    assert ladder.skip(0.0) == []
    assert ladder.deadline is None


def test_an_end_that_everybody_heeds_goes_through_the_rungs_without_waiting() -> None:
    ladder = Ladder()
    assert ladder.begin(0.0, drain=True) == [Rung.REFUSING, Rung.DRAINING]
    assert ladder.ending
    assert ladder.step(0.1, idle=False, told=True, children=3) == []  # a picture is still being made
    assert ladder.step(0.2, idle=True, told=True, children=3) == [Rung.ASKING]
    assert ladder.step(0.3, idle=True, told=True, children=1) == []
    assert ladder.step(0.4, idle=True, told=True, children=0) == [Rung.VERIFIED]
    assert ladder.step(9.9, idle=True, told=True, children=0) == []
    assert ladder.deadline is None


def test_without_draining_the_children_are_asked_at_once() -> None:
    assert Ladder().begin(0.0, drain=False) == [Rung.REFUSING, Rung.DRAINING, Rung.ASKING]


def test_children_that_heed_nothing_are_terminated_then_killed_then_reported() -> None:
    ladder = Ladder()
    ladder.begin(0.0, drain=True)
    climbed: list[Rung] = []
    for _ in range(4):
        deadline = ladder.deadline
        assert deadline is not None
        assert ladder.step(deadline - 0.01, idle=False, told=True, children=1) == []
        climbed += ladder.step(deadline, idle=False, told=True, children=1)
    assert climbed == [Rung.ASKING, Rung.TERMINATING, Rung.KILLING, Rung.VERIFIED]


def test_a_loop_that_slept_through_several_deadlines_misses_no_rung() -> None:
    ladder = Ladder()
    ladder.begin(0.0, drain=True)
    climbed = list(itertools.chain(*(ladder.step(1000.0 * n, idle=False, told=True, children=1) for n in range(1, 5))))
    assert climbed == [Rung.ASKING, Rung.TERMINATING, Rung.KILLING, Rung.VERIFIED]


def test_each_further_signal_skips_one_rung_ahead() -> None:
    ladder = Ladder()
    ladder.begin(0.0, drain=True)
    rungs = [ladder.begin(0.0, drain=True) for _ in range(4)]
    assert rungs == [[Rung.ASKING], [Rung.TERMINATING], [Rung.KILLING], [Rung.VERIFIED]]
    assert ladder.skip(0.0) == []


def test_the_end_waits_a_moment_for_sessions_to_be_told_even_when_no_child_is_left() -> None:
    ladder = Ladder()
    assert ladder.begin(0.0, drain=False)[-1] is Rung.ASKING
    assert ladder.step(0.1, idle=True, told=False, children=0) == []
    assert ladder.step(0.2, idle=True, told=True, children=0) == [Rung.VERIFIED]
    hurried = Ladder()
    hurried.begin(0.0, drain=False)
    assert hurried.step(PATIENCE_S[Rung.ASKING], idle=True, told=False, children=0) == [Rung.VERIFIED]


@pytest.mark.parametrize("rung", [r for r in Rung if r not in (Rung.RUNNING, Rung.VERIFIED)])
def test_every_rung_has_a_deadline(rung: Rung) -> None:
    assert PATIENCE_S[rung] >= 0


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.integers(0, 2), st.booleans()), max_size=30))
def test_the_ladder_is_climbed_rung_by_rung_and_has_an_end(
    steps: list[tuple[float, bool, int, bool]],
) -> None:
    ladder, now = Ladder(), 0.0
    climbed = ladder.begin(now, drain=True)
    for passed, idle, children, signal in steps:
        now += passed
        climbed += ladder.skip(now) if signal else ladder.step(now, idle=idle, told=idle, children=children)
    for _ in range(10):
        now += 10
        climbed += ladder.step(now, idle=False, told=True, children=1)
    assert climbed == sorted(set(climbed))
    assert ladder.rung is Rung.VERIFIED
    before_the_last = climbed[:-1]
    # Rungs are left out at the end alone, when no child is left.
    assert before_the_last == list(Rung)[1 : len(before_the_last) + 1]
