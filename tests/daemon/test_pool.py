"""Which children there should be: every cell of the table, back-off, replacement."""

import pytest

from thumbd_daemon.pool import (
    CRASH_LOOP,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PING_EVERY_S,
    START_TIMEOUT_S,
    TABLE,
    Event,
    IllegalTransition,
    Kind,
    Pool,
    State,
    Worker,
)

#: Written down a second time, so that a slip in the table shows.
EXPECTED: dict[State, dict[Event, State]] = {
    State.STARTING: {
        Event.SAID_READY: State.READY,
        Event.RETIRED: State.RETIRING,
        Event.KILLED: State.KILLED,
        Event.DIED: State.GONE,
        Event.FAILED_TO_START: State.BACKOFF,
    },
    State.READY: {
        Event.GIVEN_TASK: State.BUSY,
        Event.RETIRED: State.RETIRING,
        Event.KILLED: State.KILLED,
        Event.DIED: State.GONE,
    },
    State.BUSY: {Event.FINISHED: State.READY, Event.KILLED: State.KILLED, Event.DIED: State.GONE},
    State.RETIRING: {Event.KILLED: State.KILLED, Event.DIED: State.GONE},
    State.KILLED: {Event.DIED: State.GONE},
    State.BACKOFF: {Event.RESTED: State.GONE},
    State.GONE: {},
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_every_cell_of_the_table(state: State, event: Event) -> None:
    worker = Worker(1, Kind.RENDERER, 0.0, state=state)
    after = EXPECTED[state].get(event)
    assert TABLE.get((state, event)) is after
    if after is None:
        with pytest.raises(IllegalTransition, match=f"renderer 1 is {state.name} and got {event.name}"):
            worker.on(event, 1.0)
        assert worker.state is state
    else:
        worker.on(event, 1.0)
        assert worker.state is after


def test_an_illegal_event_is_told_with_the_story_of_the_child() -> None:
    worker = Worker(1, Kind.QUICK, 0.0)
    worker.on(Event.SAID_READY, 0.5)
    with pytest.raises(IllegalTransition, match=r"SAID_READY@0\.500s"):
        worker.on(Event.FINISHED, 1.0)


def test_the_story_stays_short_however_long_a_child_lives() -> None:
    worker = Worker(1, Kind.QUICK, 0.0)
    worker.on(Event.SAID_READY, 0.5)
    for _ in range(100):
        worker.on(Event.GIVEN_TASK, 1.0)
        worker.on(Event.FINISHED, 1.0)
    assert len(worker.story) <= 8


def test_a_pool_begins_with_everybody_missing() -> None:
    pool = Pool({Kind.QUICK: 2, Kind.RENDERER: 3})
    assert sorted(pool.missing(0.0)) == sorted([Kind.QUICK] * 2 + [Kind.RENDERER] * 3)
    pool.spawned(1, Kind.QUICK, 0.0)
    assert pool.missing(0.0).count(Kind.QUICK) == 1


def one(now: float = 0.0) -> tuple[Pool, Worker]:
    """A pool of one renderer, which is ready."""
    pool = Pool({Kind.RENDERER: 1})
    worker = pool.spawned(1, Kind.RENDERER, now)
    pool.ready(worker, now)
    return pool, worker


def test_a_child_that_dies_in_a_task_is_replaced_at_once_however_often() -> None:
    pool, worker = one()
    for serial in range(2, 50):
        pool.give(worker, serial, 5.0, 1.0)
        pool.died(worker, 1.0)
        assert pool.missing(1.0) == [Kind.RENDERER]
        assert pool.crash_loop() is None
        worker = pool.spawned(serial, Kind.RENDERER, 1.0)
        pool.ready(worker, 1.0)
    assert pool.restarts == 48


def test_a_child_that_dies_idle_is_replaced_at_once() -> None:
    pool, worker = one()
    pool.died(worker, 1.0)
    assert pool.missing(1.0) == [Kind.RENDERER]


def test_the_place_of_a_killed_child_is_free_before_it_is_gone() -> None:
    pool, worker = one()
    pool.give(worker, 7, 5.0, 1.0)
    pool.kill(worker, "deadline", 5.0)
    assert pool.missing(5.0) == [Kind.RENDERER]  # it may linger in a file system for ever
    assert pool.idle(Kind.RENDERER) is None
    assert pool.busy(Kind.RENDERER) == 0
    pool.spawned(2, Kind.RENDERER, 5.0)
    pool.died(worker, 6.0)
    assert pool.missing(6.0) == []


def test_a_child_that_hung_at_its_start_is_replaced_after_a_short_pause() -> None:
    pool = Pool({Kind.RENDERER: 1})
    worker = pool.spawned(1, Kind.RENDERER, 0.0)
    assert pool.overdue(START_TIMEOUT_S - 0.1) == []
    assert pool.overdue(START_TIMEOUT_S) == [worker]
    pool.kill(worker, "not ready in time", START_TIMEOUT_S)
    pool.died(worker, START_TIMEOUT_S)
    assert pool.missing(START_TIMEOUT_S) == []
    again = pool.next_deadline(START_TIMEOUT_S)
    assert again == pytest.approx(START_TIMEOUT_S + FIRST_PAUSE_S)
    assert pool.missing(START_TIMEOUT_S + FIRST_PAUSE_S) == [Kind.RENDERER]


def test_children_that_hang_at_their_start_together_are_one_failure() -> None:
    pool = Pool({Kind.RENDERER: 5})
    for worker in [pool.spawned(n, Kind.RENDERER, 0.0) for n in range(5)]:
        pool.kill(worker, "not ready in time", START_TIMEOUT_S)
    assert pool.crash_loop() is None
    assert pool.missing(START_TIMEOUT_S + FIRST_PAUSE_S) == [Kind.RENDERER]


def test_a_failure_after_one_that_got_ready_counts_anew() -> None:
    pool = Pool({Kind.RENDERER: 2})
    pool.died(pool.spawned(1, Kind.RENDERER, 0.0), 0.0)
    pool.ready(pool.spawned(2, Kind.RENDERER, 0.0), 0.01)
    pool.died(pool.spawned(3, Kind.RENDERER, 0.01), 0.02)
    assert pool.missing(0.05) == []


def test_children_that_hang_at_their_start_one_after_another_are_a_crash_loop() -> None:
    pool, now = Pool({Kind.RENDERER: 1}), 0.0
    for serial in range(CRASH_LOOP):
        assert pool.crash_loop() is None
        assert pool.missing(now) == [Kind.RENDERER]
        worker = pool.spawned(serial, Kind.RENDERER, now)
        now += START_TIMEOUT_S
        pool.kill(worker, "not ready in time", now)
        now += LONGEST_PAUSE_S
    assert pool.crash_loop() is Kind.RENDERER
    pool.ready(pool.spawned(99, Kind.RENDERER, now), now)
    assert pool.crash_loop() is None


def test_children_that_we_kill_early_in_their_start_are_no_failure_to_start() -> None:
    pool = Pool({Kind.RENDERER: 1})
    for serial in range(CRASH_LOOP):
        worker = pool.spawned(serial, Kind.RENDERER, 0.0)
        pool.kill(worker, "it is too big", START_TIMEOUT_S - 0.1)
        pool.died(worker, START_TIMEOUT_S)
    assert pool.crash_loop() is None


def fail_to_start(pool: Pool, serial: int, now: float) -> None:
    assert pool.missing(now) == [Kind.RENDERER]
    pool.died(pool.spawned(serial, Kind.RENDERER, now), now)


def test_starts_that_fail_are_tried_ever_more_slowly_up_to_half_a_minute() -> None:
    pool = Pool({Kind.RENDERER: 1})
    now, pauses = 0.0, []
    for serial in range(14):
        fail_to_start(pool, serial, now)
        again = pool.next_deadline(now)
        assert again is not None
        assert pool.missing(again - 0.001) == []
        pauses.append(again - now)
        now = again
    assert pauses[0] == pytest.approx(FIRST_PAUSE_S)
    assert pauses[:9] == pytest.approx([FIRST_PAUSE_S * 2**n for n in range(9)])
    assert pauses[-3:] == pytest.approx([LONGEST_PAUSE_S] * 3)
    assert pool.crash_loop() is Kind.RENDERER


def test_one_child_that_gets_ready_ends_the_slowness() -> None:
    pool = Pool({Kind.RENDERER: 1})
    now = 0.0
    for serial in range(6):
        fail_to_start(pool, serial, now)
        now += LONGEST_PAUSE_S
    worker = pool.spawned(10, Kind.RENDERER, now)
    pool.ready(worker, now)
    assert pool.crash_loop() is None
    pool.died(worker, now)
    fail_to_start(pool, 11, now)
    assert pool.next_deadline(now) == pytest.approx(now + FIRST_PAUSE_S)


def test_while_starts_fail_one_is_tried_at_a_time() -> None:
    pool = Pool({Kind.RENDERER: 5})
    pool.died(pool.spawned(1, Kind.RENDERER, 0.0), 0.0)
    assert pool.missing(1.0) == [Kind.RENDERER]
    trying = pool.spawned(2, Kind.RENDERER, 1.0)
    assert pool.missing(2.0) == [], "how that one fares is waited for"
    pool.ready(trying, 2.0)
    assert pool.missing(2.0) == [Kind.RENDERER] * 4


def test_within_the_pause_nobody_else_is_started_in_the_other_places() -> None:
    pool = Pool({Kind.RENDERER: 5})
    pool.died(pool.spawned(1, Kind.RENDERER, 100.0), 100.0)
    assert pool.missing(100.01) == []
    again = pool.next_deadline(100.01)
    assert again == pytest.approx(100.0 + FIRST_PAUSE_S)
    assert again is not None
    assert pool.missing(again) == [Kind.RENDERER]
    pool.could_not_spawn(2, Kind.RENDERER, again)
    assert pool.missing(again + FIRST_PAUSE_S) == []


def test_many_children_that_fail_together_are_one_failure_not_many() -> None:
    pool = Pool({Kind.RENDERER: 17})
    workers = [pool.spawned(n, Kind.RENDERER, 0.0) for n in range(17)]
    for worker in workers:
        pool.died(worker, 0.05)
    assert pool.next_deadline(0.05) == pytest.approx(0.05 + FIRST_PAUSE_S)


def test_a_system_that_refuses_to_start_children_for_a_day_is_survived() -> None:
    pool = Pool({Kind.RENDERER: 1})
    for n in range(3000):
        assert pool.missing(n * LONGEST_PAUSE_S) == [Kind.RENDERER]
        pool.could_not_spawn(n, Kind.RENDERER, n * LONGEST_PAUSE_S)
    assert len(pool.workers) == 1
    assert pool.next_deadline(3000 * LONGEST_PAUSE_S) == pytest.approx(3000 * LONGEST_PAUSE_S)


def test_one_kind_that_fails_slows_no_other_kind() -> None:
    pool = Pool({Kind.RENDERER: 1, Kind.QUICK: 1})
    pool.could_not_spawn(1, Kind.RENDERER, 0.0)
    assert pool.missing(0.0) == [Kind.QUICK]


def test_a_task_has_a_deadline_and_a_finished_one_has_none() -> None:
    pool, worker = one()
    pool.give(worker, 7, 5.0, 1.0)
    assert (pool.busy(Kind.RENDERER), pool.idle(Kind.RENDERER)) == (1, None)
    assert pool.next_deadline(1.0) == 5.0
    assert pool.overdue(5.0) == [worker]
    pool.finished(worker, 5.0)
    assert pool.overdue(100.0) == []
    assert (worker.task, pool.next_deadline(5.0)) == (None, 5.0 + PING_EVERY_S)
    assert pool.idle(Kind.RENDERER) is worker


def test_the_child_that_has_worked_most_works_next() -> None:
    pool = Pool({Kind.QUICK: 2})
    old, new = (pool.spawned(n, Kind.QUICK, 0.0) for n in range(2))
    for worker in (old, new):
        pool.ready(worker, 0.0)
    pool.give(old, 1, None, 0.0)
    assert pool.idle(Kind.QUICK) is new
    pool.finished(old, 0.0)
    assert pool.idle(Kind.QUICK) is old
    assert pool.idle(Kind.RENDERER) is None


def test_time_in_which_nobody_could_be_heard_makes_nobody_late() -> None:
    pool = Pool({Kind.RENDERER: 3})
    starting, resting, working = (pool.spawned(n, Kind.RENDERER, 0.0) for n in range(3))
    for worker in (resting, working):
        pool.ready(worker, 0.0)
    pool.give(working, 1, 5.0, 0.0)
    pool.shift(60.0)
    assert pool.overdue(61.0) == []
    assert pool.to_ping(61.0) == []
    assert pool.overdue(65.0) == [working]
    assert pool.to_ping(65.0) == [resting]
    assert set(pool.overdue(60.0 + START_TIMEOUT_S)) >= {starting}


def test_a_kind_that_is_not_wanted_any_more_is_no_crash_loop() -> None:
    pool, now = Pool({Kind.WATCHING: 1}), 0.0
    for serial in range(CRASH_LOOP):
        pool.died(pool.spawned(serial, Kind.WATCHING, now), now)
        now += 60
    assert pool.crash_loop() is Kind.WATCHING
    pool.wanted[Kind.WATCHING] = 0
    assert pool.crash_loop() is None


def test_one_that_was_started_before_the_last_failure_does_not_end_the_slowness() -> None:
    pool = Pool({Kind.RENDERER: 3})
    early = pool.spawned(1, Kind.RENDERER, 0.0)
    pool.could_not_spawn(2, Kind.RENDERER, 0.01)
    pool.ready(early, 0.02)
    assert pool.missing(0.05) == []
