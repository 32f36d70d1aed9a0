"""How many renderers there should be: with the load, within bounds, fewer on a machine that struggles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.load import SHRINK_S, STEP_S, Machine, Sizer

BUSY = Machine(memory=40.0)
CALM = Machine(memory=0.0, io=0.0)


def grown(most: int = 8, load: int = 8) -> Sizer:
    """A sizer that has just seen so much load at second 100."""
    sizer = Sizer(1, most)
    sizer.target(load, 100.0)
    return sizer


def test_without_work_there_are_as_many_as_the_least() -> None:
    assert Sizer(2, 8).target(0, 100.0) == 2
    assert Sizer(2, 8).next_deadline() is None


def test_it_grows_with_the_load_at_once_and_not_past_the_most() -> None:
    sizer = Sizer(1, 8)
    assert [sizer.target(load, 100.0) for load in (1, 5, 8, 10_000)] == [1, 5, 8, 8]


def test_it_shrinks_only_after_a_while_of_less_load_and_then_to_the_peak_of_that_while() -> None:
    sizer = grown()
    assert sizer.target(0, 100.0 + SHRINK_S / 2) == 8
    assert sizer.target(3, 100.0 + SHRINK_S - 0.01) == 8
    assert sizer.next_deadline() == 100.0 + SHRINK_S
    assert sizer.target(0, 100.0 + SHRINK_S) == 8, "the load was that high when the while began"
    sizer.target(3, 110.0 + SHRINK_S)
    assert sizer.target(0, 100.0 + 2 * SHRINK_S) == 3
    assert sizer.target(0, 100.0 + 3 * SHRINK_S) <= 3
    assert sizer.target(0, 100.0 + 4 * SHRINK_S) == 1
    assert sizer.next_deadline() is None


def test_load_that_comes_back_begins_the_while_anew() -> None:
    sizer = grown()
    sizer.target(0, 120.0)
    sizer.target(8, 129.0)
    assert sizer.target(0, 100.0 + SHRINK_S) == 8
    assert sizer.next_deadline() == 129.0 + SHRINK_S


def test_other_bounds_hold_at_once() -> None:
    sizer = grown()
    sizer.bounds(None, 3)
    assert (sizer.limit, sizer.target(8, 101.0)) == (3, 3)
    sizer.bounds(2, 6)
    assert (sizer.least, sizer.most, sizer.limit) == (2, 6, 6)
    assert sizer.target(10, 102.0) == 6
    sizer.bounds(6, None)
    assert sizer.target(0, 1e6) == 6


@pytest.mark.parametrize(("least", "most"), [(9, None), (None, 0), (5, 4)])
def test_bounds_that_cross_are_refused_and_change_nothing(least: int | None, most: int | None) -> None:
    sizer = Sizer(1, 8)
    with pytest.raises(ValueError, match="is more than the most"):
        sizer.bounds(least, most)
    assert (sizer.least, sizer.most, sizer.limit) == (1, 8, 8)


@pytest.mark.parametrize(("most", "half"), [(8, 4), (5, 3), (1, 1)])
def test_on_battery_half_of_them_work(most: int, half: int) -> None:
    sizer = Sizer(1, most)
    sizer.machine(Machine(on_battery=True), 100.0)
    assert sizer.limit == half
    assert sizer.target(100, 100.0) == half
    sizer.machine(Machine(), 101.0)
    assert sizer.limit == most
    assert sizer.target(100, 101.0) == most


def test_a_least_above_what_the_machine_bears_gives_way() -> None:
    sizer = Sizer(8, 8)
    sizer.machine(Machine(on_battery=True), 100.0)
    assert sizer.target(0, 100.0) == 4


@pytest.mark.parametrize(
    ("machine", "what"),
    [
        (Machine(memory=10.0), "memory"),
        (Machine(io=60.0), "disk"),
        (Machine(memory=9.9, io=59.9), None),
        (Machine(), None),
    ],
)
def test_a_machine_struggles_with_memory_first_then_its_disk(machine: Machine, what: str | None) -> None:
    told = machine.struggles()
    assert told is None if what is None else told is not None and told.startswith(f"{what} pressure")


def test_a_machine_is_calm_when_nothing_is_told_or_all_is_low() -> None:
    assert Machine().calm()
    assert CALM.calm()
    for machine in (Machine(memory=3.0), Machine(io=30.0)):
        assert not machine.calm()
        assert machine.struggles() is None, "in between nothing changes"


def test_while_the_machine_struggles_a_renderer_goes_every_so_often_and_comes_back_as_slowly() -> None:
    sizer = grown(most=4)
    limits: list[int] = []
    for step in range(5):
        sizer.machine(BUSY, 100.0 + step * STEP_S)
        sizer.machine(BUSY, 100.0 + step * STEP_S + STEP_S / 2)  # too soon for another step
        limits.append(sizer.limit)
        assert sizer.reason == "memory pressure of 40 %"
    assert limits == [3, 2, 1, 1, 1]
    now = 100.0 + 5 * STEP_S
    sizer.machine(Machine(memory=5.0), now)
    assert sizer.limit == 1, "less is not yet calm"
    back: list[tuple[int, bool]] = []
    for step in range(4):
        sizer.machine(CALM, now + step * STEP_S)
        back.append((sizer.limit, sizer.reason is None))
    assert back == [(2, False), (3, False), (4, True), (4, True)]


def test_what_the_machine_bears_holds_for_the_target_too() -> None:
    sizer = grown()
    sizer.machine(BUSY, 200.0)
    assert sizer.target(100, 200.0) == 7


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["load", "machine", "bounds"]),
            st.integers(0, 30),
            st.integers(1, 30),
            st.floats(0, 40),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_happens_at_least_one_works_and_never_more_than_the_most(
    steps: list[tuple[str, int, int, float, bool]],
) -> None:
    sizer, now = Sizer(1, 8), 100.0
    for what, number, other, seconds, battery in steps:
        now += seconds
        if what == "bounds":
            sizer.bounds(min(other, number + 1), max(other, number + 1))
        elif what == "machine":
            sizer.machine(Machine(on_battery=battery, memory=float(number)), now)
        target = sizer.target(number, now)
        assert 1 <= sizer.limit <= sizer.most
        assert 1 <= target <= sizer.limit
        assert target >= min(sizer.least, sizer.limit)
        assert target >= min(number, sizer.limit), "there is work for more"


def test_while_memory_is_short_one_at_a_time_must_do_and_the_reason_is_told() -> None:
    sizer = grown()
    told: list[str | None] = []
    for short in (False, True, False):
        sizer.memory_short = short
        told.append(sizer.reason)
        assert (sizer.limit, sizer.target(8, 101.0)) == ((1, 1) if short else (8, 8))
    assert told == [None, "memory is short", None]


def test_on_battery_the_reason_is_told() -> None:
    sizer = grown()
    sizer.machine(Machine(on_battery=True), 101.0)
    assert (sizer.limit, sizer.reason) == (4, "the machine runs on battery")
