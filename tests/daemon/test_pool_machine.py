"""Children that start, work, hang and die in any order: nobody is in two places, and there are never too many."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from thumbd_daemon.pool import LONGEST_PAUSE_S, MAX_LINGERING, START_TIMEOUT_S, TABLE, Event, Kind, Pool, State, Worker

KINDS = [Kind.RENDERER, Kind.QUICK]


class PoolMachine(RuleBasedStateMachine):
    """A pool as the crew drives it: who is missing is started, who is overdue is killed, who dies is told."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool({Kind.RENDERER: 3, Kind.QUICK: 2})
        self.most = dict(self.pool.wanted)
        self.now = 100.0
        self.serial = 0
        self.tasks = 0
        #: The kinds whose starts fail, and until when none of them is to be started.
        self.failing: set[Kind] = set()
        self.paused = dict.fromkeys(KINDS, 0.0)
        self.failed_at = dict.fromkeys(KINDS, 0.0)

    def has_failed(self, worker: Worker) -> None:
        if self.now >= self.paused[worker.kind]:  # else it belongs to the failure before
            self.failing.add(worker.kind)
            self.failed_at[worker.kind] = self.now
        assert worker.deadline is not None
        assert self.now <= worker.deadline <= self.now + LONGEST_PAUSE_S
        self.paused[worker.kind] = worker.deadline

    def has_hung(self, worker: Worker) -> None:
        """It was killed since it never got ready."""
        self.failing.add(worker.kind)
        if self.now >= self.paused[worker.kind]:
            self.failed_at[worker.kind] = self.now
        pause = self.pool._not_before[worker.kind]
        assert self.now < pause <= self.now + LONGEST_PAUSE_S
        self.paused[worker.kind] = pause

    def pick(self, data: st.DataObject, *states: State) -> Worker | None:
        workers = [w for w in self.pool.workers.values() if w.state in states]
        return data.draw(st.sampled_from(workers)) if workers else None

    @rule(refused=st.booleans())
    def fill(self, refused: bool) -> None:
        for kind in self.pool.missing(self.now):
            self.serial += 1
            if refused:
                self.pool.could_not_spawn(self.serial, kind, self.now)
                self.has_failed(self.pool.workers[self.serial])
            else:
                self.pool.spawned(self.serial, kind, self.now, self.serial)
        for kind in KINDS:
            moving = [w for w in self.pool.of(kind) if w not in self.pool.lingering(self.now)]
            assert len(moving) <= self.most[kind]

    @rule(kind=st.sampled_from(KINDS), count=st.integers(0, 12))
    def another_number_is_wanted(self, kind: Kind, count: int) -> None:
        self.pool.wanted[kind] = count
        self.most[kind] = max(self.most[kind], count)

    @rule(data=st.data())
    def a_child_is_ready(self, data: st.DataObject) -> None:
        if (worker := self.pick(data, State.STARTING)) is not None:
            self.pool.ready(worker, self.now)
            if worker.born < self.failed_at[worker.kind]:
                return  # it was started before the last failure: it says nothing about starts since
            self.failing.discard(worker.kind)
            self.paused[worker.kind] = self.now
            assert self.pool.crash_loop() is not worker.kind

    @rule(data=st.data(), deadline=st.one_of(st.none(), st.floats(0.1, 20.0)))
    def a_child_gets_a_task(self, data: st.DataObject, deadline: float | None) -> None:
        if (worker := self.pick(data, State.READY)) is not None:
            self.tasks += 1
            self.pool.give(worker, self.tasks, None if deadline is None else self.now + deadline, self.now, b"/x")

    @rule(data=st.data())
    def a_child_has_finished(self, data: st.DataObject) -> None:
        if (worker := self.pick(data, State.BUSY)) is not None:
            self.pool.finished(worker, self.now)

    @rule(data=st.data())
    def a_child_gets_stuck(self, data: st.DataObject) -> None:
        worker = self.pick(data, State.BUSY)
        if worker is not None and worker.stuck is None:
            worker.stuck = self.now

    @rule(data=st.data())
    def a_child_comes_back(self, data: st.DataObject) -> None:
        if (worker := self.pick(data, State.BUSY)) is not None:
            worker.stuck = None

    @rule(data=st.data())
    def a_child_is_killed(self, data: st.DataObject) -> None:
        worker = self.pick(data, State.STARTING, State.READY, State.BUSY, State.RETIRING)
        if worker is not None:
            hung = worker.state is State.STARTING and self.now >= worker.born + START_TIMEOUT_S
            self.pool.kill(worker, "we felt like it", self.now)
            if hung:
                self.has_hung(worker)

    @rule(data=st.data(), outside=st.booleans())
    def a_child_dies(self, data: st.DataObject, outside: bool) -> None:
        worker = self.pick(data, State.STARTING, State.READY, State.BUSY, State.RETIRING, State.KILLED)
        if worker is not None:
            before = self.pool.restarts
            self.pool.died(worker, self.now, outside=outside)
            if worker.state is State.BACKOFF:
                self.has_failed(worker)
            assert self.pool.restarts - before in (0, 1)

    @rule()
    def those_that_are_too_many_leave(self) -> None:
        for worker in self.pool.surplus(self.now):
            assert worker.state is State.READY
            self.pool.retire(worker, "nobody needs it", self.now)

    @rule(seconds=st.floats(0.0, 15.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for worker in self.pool.overdue(self.now):
            hung = worker.state is State.STARTING
            self.pool.kill(worker, "deadline", self.now)
            if hung:
                self.has_hung(worker)
        for worker in self.pool.to_ping(self.now):
            assert worker.state is State.READY

    @rule(data=st.data())
    def a_child_answers_its_ping(self, data: st.DataObject) -> None:
        if (worker := self.pick(data, State.READY, State.BUSY)) is not None:
            self.pool.answered_ping(worker, self.now)

    # -- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def never_more_are_started_than_are_wanted(self) -> None:
        missing = self.pool.missing(self.now)
        for kind in KINDS:
            lingering = self.pool.lingering(self.now)
            kept = [w for w in self.pool.workers.values() if w.live or w.state is State.BACKOFF]
            held = [w for w in kept if w.kind is kind and w not in lingering]
            beyond = [w for w in lingering[MAX_LINGERING:] if w.kind is kind]
            lacking = max(0, self.pool.wanted[kind] - len(held) - len(beyond))
            assert 0 <= missing.count(kind) <= lacking
            if kind not in self.failing:
                assert missing.count(kind) == lacking
            elif any(w.kind is kind and w.state is State.STARTING for w in kept) or self.now < self.paused[kind]:
                assert missing.count(kind) == 0, "one at a time, and not before the pause is over"
            else:
                assert missing.count(kind) == min(lacking, 1)
        assert set(missing) <= set(KINDS)

    @invariant()
    def nobody_is_both_missing_and_too_many(self) -> None:
        missing = self.pool.missing(self.now)
        assert not {w.kind for w in self.pool.surplus(self.now)} & set(missing)

    @invariant()
    def everybody_is_in_one_state_and_the_idle_ones_have_no_task(self) -> None:
        for serial, worker in self.pool.workers.items():
            assert worker.serial == serial
            assert worker.state is not State.GONE
            assert worker.live is (worker.state in (State.STARTING, State.READY, State.BUSY))
            assert worker.stuck is None or worker.state is State.BUSY
            if worker.state is State.READY:
                assert worker.task is None
                assert worker.file is None
        for kind in KINDS:
            idle = self.pool.idle(kind)
            assert idle is None or idle.state is State.READY
            assert 0 <= self.pool.busy(kind) <= len(list(self.pool.of(kind)))

    @invariant()
    def what_time_alone_will_bring_is_announced(self) -> None:
        due = self.pool.next_deadline(self.now)
        quiet = (due - self.now) / 2 if due is not None else 100.0
        if quiet > 0:
            soon = self.now + quiet
            assert len(self.pool.lingering(soon)) == len(self.pool.lingering(self.now))
            assert self.pool.overdue(soon) == self.pool.overdue(self.now)


TestChildrenInAnyOrder = PoolMachine.TestCase
TestChildrenInAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_every_state_can_be_left_and_every_event_happens() -> None:
    assert {state for state, _event in TABLE} == set(State) - {State.GONE}
    assert {event for _state, event in TABLE} == set(Event)
