"""Who takes a place in the pool and who does not: back-off, leaving, lingering, signs of life, and when to look again."""

import pytest

from thumbd_daemon.pool import (
    CRASH_LOOP,
    FIRST_PAUSE_S,
    KILL_GRACE_S,
    MAX_LINGERING,
    PING_EVERY_S,
    PING_TIMEOUT_S,
    REPLACE_AFTER_S,
    RETIRE_TIMEOUT_S,
    START_TIMEOUT_S,
    SURPLUS_S,
    IllegalTransition,
    Kind,
    Pool,
    State,
    Worker,
)


def ready(count: int, wanted: int | None = None, now: float = 100.0) -> tuple[Pool, list[Worker]]:
    """A pool of so many renderers that are ready."""
    pool = Pool({Kind.RENDERER: count if wanted is None else wanted})
    workers = [pool.spawned(serial, Kind.RENDERER, now, 1000 + serial) for serial in range(1, count + 1)]
    for worker in workers:
        pool.ready(worker, now)
    return pool, workers


# -- back-off -----------------------------------------------------------------------------------------------------


def test_a_child_that_can_not_start_keeps_its_place_until_it_has_rested() -> None:
    pool = Pool({Kind.RENDERER: 1})
    worker = pool.spawned(1, Kind.RENDERER, 100.0)
    pool.died(worker, 100.0)
    assert worker.state is State.BACKOFF
    assert not worker.live
    assert pool.missing(100.0 + FIRST_PAUSE_S - 0.001) == []
    assert list(pool.workers.values()) == [worker]
    assert pool.missing(100.0 + FIRST_PAUSE_S) == [Kind.RENDERER]
    assert worker.state.name == "GONE"
    assert not pool.workers


def test_a_child_in_back_off_is_neither_overdue_nor_pinged_nor_let_go() -> None:
    pool = Pool({Kind.RENDERER: 1})
    pool.died(pool.spawned(1, Kind.RENDERER, 100.0), 100.0)
    pool.wanted[Kind.RENDERER] = 0
    assert (pool.overdue(1e6), pool.to_ping(1e6), pool.surplus(1e6)) == ([], [], [])


def test_a_pause_that_is_over_asks_for_nothing_more_though_nobody_is_started() -> None:
    pool = Pool({Kind.RENDERER: 1})
    pool.died(pool.spawned(1, Kind.RENDERER, 100.0), 100.0)
    pool.rest(100.0)
    assert pool.next_deadline(100.0) == 100.0 + FIRST_PAUSE_S
    pool.rest(100.0 + FIRST_PAUSE_S)
    assert pool.next_deadline(200.0) is None
    assert not pool.workers


def test_a_crash_loop_is_told_after_several_failures_and_over_with_the_first_that_is_ready() -> None:
    pool, now = Pool({Kind.QUICK: 1}), 100.0
    for serial in range(CRASH_LOOP):
        assert pool.crash_loop() is None
        assert pool.missing(now) == [Kind.QUICK]
        pool.died(pool.spawned(serial, Kind.QUICK, now, pid=7), now)
        now += 60
    assert pool.crash_loop() is Kind.QUICK
    assert pool.restarts == CRASH_LOOP
    assert pool.missing(now) == [Kind.QUICK]
    pool.ready(pool.spawned(99, Kind.QUICK, now), now)
    assert pool.crash_loop() is None


def test_children_that_others_kill_before_they_are_ready_are_no_failure_to_start_however_many() -> None:
    pool, now = Pool({Kind.RENDERER: 1}), 100.0
    for serial in range(50):
        assert pool.missing(now) == [Kind.RENDERER], "each is replaced at once"
        pool.died(pool.spawned(serial, Kind.RENDERER, now), now, outside=True)
    assert pool.crash_loop() is None
    assert pool.restarts == 50
    assert not pool.workers


def test_a_child_that_was_ready_once_never_backs_off() -> None:
    pool, (worker,) = ready(1)
    pool.died(worker, 100.0)
    assert pool.missing(100.0) == [Kind.RENDERER]
    with pytest.raises(IllegalTransition):
        pool.died(worker, 100.0)


# -- leaving ------------------------------------------------------------------------------------------------------


def test_a_child_that_was_asked_to_leave_gives_its_place_away_and_has_so_long_to_go() -> None:
    pool, (worker,) = ready(1)
    pool.retire(worker, "it is old", 100.0)
    assert (worker.state, worker.killed_for) == (State.RETIRING, "it is old")
    assert pool.missing(100.0) == [Kind.RENDERER]
    assert pool.idle(Kind.RENDERER) is None
    assert pool.overdue(100.0 + RETIRE_TIMEOUT_S - 0.01) == []
    assert pool.overdue(100.0 + RETIRE_TIMEOUT_S) == [worker]
    assert pool.next_deadline(100.0) == 100.0 + RETIRE_TIMEOUT_S


def test_one_that_left_when_asked_is_no_restart_and_one_that_had_to_be_killed_is() -> None:
    pool, (good, bad) = ready(2)
    pool.retire(good, "it is old", 100.0)
    pool.died(good, 100.1)
    assert pool.restarts == 0
    pool.retire(bad, "it is old", 100.0)
    pool.kill(bad, "it did not leave when asked", 105.0)
    pool.died(bad, 105.1)
    assert pool.restarts == 1


def test_a_child_at_work_can_not_be_asked_to_leave() -> None:
    pool, (worker,) = ready(1)
    pool.give(worker, 7, None, 100.0)
    with pytest.raises(IllegalTransition, match="is BUSY and got RETIRED"):
        pool.retire(worker, "it is old", 100.0)


def test_when_fewer_are_wanted_those_that_have_rested_for_long_leave_and_the_least_used_first() -> None:
    pool, (first, second, third) = ready(3)
    for task, worker in enumerate((first, first, second)):
        pool.give(worker, task, None, 100.0)
        pool.finished(worker, 100.0)
    pool.wanted[Kind.RENDERER] = 1
    assert pool.surplus(100.0 + SURPLUS_S - 0.01) == []
    assert pool.surplus(100.0 + SURPLUS_S) == [third, second]
    pool.give(third, 9, None, 101.0)
    pool.finished(third, 105.0)
    pool.wanted[Kind.RENDERER] = 2
    assert pool.surplus(100.0 + SURPLUS_S) == [second], "one that has worked meanwhile stays"


def test_those_at_work_are_never_surplus() -> None:
    pool, (worker,) = ready(1, wanted=0)
    pool.give(worker, 7, None, 100.0)
    assert pool.surplus(1000.0) == []
    assert pool.missing(1000.0) == []


# -- lingering ----------------------------------------------------------------------------------------------------


def test_a_stuck_child_is_replaced_after_a_while_and_is_not_counted_as_working() -> None:
    pool, (worker,) = ready(1)
    pool.give(worker, 7, 200.0, 100.0)
    worker.stuck = 100.0
    assert pool.busy(Kind.RENDERER) == 0
    assert pool.missing(100.0 + REPLACE_AFTER_S - 0.01) == []
    assert pool.next_deadline(100.0) == 100.0 + REPLACE_AFTER_S
    assert pool.missing(100.0 + REPLACE_AFTER_S) == [Kind.RENDERER]
    assert pool.lingering(100.0 + REPLACE_AFTER_S) == [worker]
    assert worker.live, "it may still come back"


def test_a_stuck_child_that_comes_back_is_one_too_many_and_one_of_them_leaves() -> None:
    pool, (worker,) = ready(1)
    pool.give(worker, 7, 200.0, 100.0)
    worker.stuck = 100.0
    other = pool.spawned(2, Kind.RENDERER, 101.0)
    pool.ready(other, 101.0)
    worker.stuck = None
    pool.finished(worker, 102.0)
    assert pool.missing(102.0) == []
    assert pool.surplus(102.0 + SURPLUS_S) == [other]


def test_a_finished_child_is_stuck_no_longer() -> None:
    pool, (worker,) = ready(1)
    pool.give(worker, 7, 200.0, 100.0)
    worker.stuck = 100.0
    pool.finished(worker, 105.0)
    assert pool.lingering(1e6) == []


def test_a_killed_child_lingers_when_it_is_not_gone_at_once() -> None:
    pool, (worker,) = ready(1)
    pool.kill(worker, "deadline", 100.0)
    assert pool.lingering(100.0 + KILL_GRACE_S - 0.01) == []
    assert pool.next_deadline(100.0) == 100.0 + KILL_GRACE_S
    assert pool.lingering(100.0 + KILL_GRACE_S) == [worker]
    pool.died(worker, 101.0)
    assert pool.lingering(101.0) == []


def test_so_many_may_linger_and_be_replaced_and_beyond_that_each_keeps_its_place() -> None:
    pool, workers = ready(MAX_LINGERING + 2)
    for task, worker in enumerate(workers):
        pool.give(worker, task, None, 100.0)
        worker.stuck = 100.0
    assert len(pool.lingering(200.0)) == MAX_LINGERING + 2
    assert len(pool.missing(200.0)) == MAX_LINGERING
    workers[0].stuck = None
    assert len(pool.missing(200.0)) == MAX_LINGERING, "it has its own place again, and another lingers in its stead"


def test_all_kinds_together_may_linger_so_many_times() -> None:
    pool = Pool({Kind.RENDERER: MAX_LINGERING, Kind.QUICK: 2})
    for serial in range(MAX_LINGERING + 2):
        worker = pool.spawned(serial, Kind.RENDERER if serial < MAX_LINGERING else Kind.QUICK, 100.0)
        pool.ready(worker, 100.0)
        pool.give(worker, serial, None, 100.0)
        worker.stuck = 100.0
    assert pool.missing(200.0) == [Kind.RENDERER] * MAX_LINGERING


# -- signs of life ------------------------------------------------------------------------------------------------


def test_a_child_at_rest_is_asked_for_a_sign_of_life_once_and_is_overdue_without_one() -> None:
    pool, (worker,) = ready(1)
    assert pool.to_ping(100.0 + PING_EVERY_S - 0.01) == []
    assert pool.next_deadline(100.0) == 100.0 + PING_EVERY_S
    asked = 100.0 + PING_EVERY_S
    assert pool.to_ping(asked) == [worker]
    assert pool.to_ping(asked + 1) == []
    assert pool.next_deadline(asked) == asked + PING_TIMEOUT_S
    assert pool.overdue(asked + PING_TIMEOUT_S) == [worker]


def test_a_child_that_answers_is_asked_again_later() -> None:
    pool, (worker,) = ready(1)
    asked = 100.0 + PING_EVERY_S
    pool.to_ping(asked)
    pool.answered_ping(worker, asked + 1)
    assert pool.overdue(1e6) == []
    assert pool.to_ping(asked + PING_EVERY_S) == []
    assert pool.to_ping(asked + 1 + PING_EVERY_S) == [worker]


def test_a_task_given_meanwhile_takes_the_place_of_the_answer_and_a_late_answer_keeps_its_deadline() -> None:
    pool, (worker,) = ready(1)
    pool.to_ping(106.0)
    pool.give(worker, 7, 200.0, 107.0)
    assert pool.overdue(106.0 + PING_TIMEOUT_S) == []
    pool.answered_ping(worker, 108.0)
    assert worker.deadline == 200.0
    pool.finished(worker, 150.0)
    assert pool.to_ping(150.0 + PING_EVERY_S) == [worker]


def test_a_child_whose_answer_never_came_is_asked_again_after_its_task() -> None:
    pool, (worker,) = ready(1)
    pool.to_ping(106.0)
    pool.give(worker, 7, 200.0, 107.0)
    pool.finished(worker, 108.0)
    assert pool.to_ping(108.0 + PING_EVERY_S) == [worker]


def test_children_at_work_or_leaving_are_not_asked() -> None:
    pool, (busy, leaving) = ready(2)
    pool.give(busy, 7, None, 100.0)
    pool.retire(leaving, "it is old", 100.0)
    assert pool.to_ping(1e6) == []


# -- when to look again -------------------------------------------------------------------------------------------


def test_a_pool_without_children_has_nothing_to_wait_for() -> None:
    assert Pool({}).next_deadline(100.0) is None


def test_the_next_deadline_is_the_first_of_all() -> None:
    pool, (worker,) = ready(1)
    pool.spawned(2, Kind.QUICK, 90.5)
    assert pool.next_deadline(100.0) == 90.5 + START_TIMEOUT_S
    pool.give(worker, 7, 100.2, 100.0)
    assert pool.next_deadline(100.0) == 100.2


def test_who_lingers_already_is_nothing_to_wait_for() -> None:
    pool, (worker,) = ready(1)
    pool.kill(worker, "deadline", 100.0)
    assert pool.next_deadline(200.0) is None
