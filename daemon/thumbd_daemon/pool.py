"""Which children there should be, and what state each is in. Pure: events and `now` (monotonic seconds) in.

A child that dies is replaced at once; one that dies again and again *before it was ever ready*, and not by our hand,
is started ever more slowly. Deaths in the middle of a task say nothing about the next start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Final


class Kind(StrEnum):
    """What a child is for."""

    RENDERER = "renderer"
    QUICK = "quick"  # a scout for looks, opening, publishing
    LISTING = "listing"  # a scout for folders


class State(Enum):
    STARTING = auto()
    READY = auto()
    BUSY = auto()
    KILLED = auto()  # told to die; its place is already another's
    GONE = auto()


class Event(Enum):
    SAID_READY = auto()
    GIVEN_TASK = auto()
    FINISHED = auto()
    KILLED = auto()
    DIED = auto()


TABLE: Final[dict[tuple[State, Event], State]] = {
    (State.STARTING, Event.SAID_READY): State.READY,
    (State.STARTING, Event.KILLED): State.KILLED,
    (State.STARTING, Event.DIED): State.GONE,
    (State.READY, Event.GIVEN_TASK): State.BUSY,
    (State.READY, Event.KILLED): State.KILLED,
    (State.READY, Event.DIED): State.GONE,
    (State.BUSY, Event.FINISHED): State.READY,
    (State.BUSY, Event.KILLED): State.KILLED,
    (State.BUSY, Event.DIED): State.GONE,
    (State.KILLED, Event.DIED): State.GONE,
}

#: A child that is not ready after this long is given up, in seconds.
START_TIMEOUT_S: Final = 10.0
#: Pauses between starts while children die before they are ready, in seconds.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0


class IllegalTransition(Exception):
    """A child was told to be what it can't be: a fault of ours, told with its story."""


@dataclass(eq=False)
class Worker:
    """One child. `task` is the number of what it works on; past `deadline` it is to be killed for `killed_for`."""

    serial: int
    kind: Kind
    born: float
    state: State = State.STARTING
    task: int | None = None
    deadline: float | None = None
    killed_for: str | None = None
    tasks: int = 0
    story: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.state not in (State.KILLED, State.GONE)

    def on(self, event: Event, now: float) -> None:
        """Take `event`. Raises IllegalTransition where the table has no entry."""
        after = TABLE.get((self.state, event))
        if after is None:
            story = ", ".join(self.story[-8:]) or "new"
            raise IllegalTransition(f"{self.kind} {self.serial} is {self.state.name} and got {event.name} ({story})")
        self.story = [*self.story[-7:], f"{event.name}@{now - self.born:.3f}s"]
        self.state = after


class Pool:
    """The children. `wanted` says how many of each kind should live."""

    def __init__(self, wanted: Mapping[Kind, int]) -> None:
        self.wanted = dict(wanted)
        self.workers: dict[int, Worker] = {}
        self._failures: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self._not_before: dict[Kind, float] = dict.fromkeys(Kind, 0.0)
        self.restarts = 0

    def missing(self, now: float) -> list[Kind]:
        """The kinds of children to start now, one entry for each child."""
        kinds: list[Kind] = []
        for kind, count in self.wanted.items():
            if now >= self._not_before[kind]:
                lacking = count - sum(w.live for w in self.workers.values() if w.kind is kind)
                # While starts fail, one at a time is enough to see whether the cause has gone.
                kinds += [kind] * (min(lacking, 1) if self._failures[kind] else lacking)
        return kinds

    def spawned(self, serial: int, kind: Kind, now: float) -> Worker:
        """A child was started."""
        worker = self.workers[serial] = Worker(serial, kind, now, deadline=now + START_TIMEOUT_S)
        return worker

    def could_not_spawn(self, kind: Kind, now: float) -> None:
        """The system refused to start a child."""
        self._fail(kind, now)

    def ready(self, worker: Worker, now: float) -> None:
        """A child has said that it is set up."""
        worker.on(Event.SAID_READY, now)
        worker.deadline = None
        self._failures[worker.kind] = 0

    def give(self, worker: Worker, task: int, deadline: float | None, now: float) -> None:
        """A ready child gets a task, to be done by `deadline` (None: it may take its time)."""
        worker.on(Event.GIVEN_TASK, now)
        worker.task, worker.deadline = task, deadline
        worker.tasks += 1

    def finished(self, worker: Worker, now: float) -> None:
        """A busy child is ready for the next task."""
        worker.on(Event.FINISHED, now)
        worker.task = worker.deadline = None

    def kill(self, worker: Worker, why: str, now: float) -> None:
        """A child is to die by our hand, for the reason `why`."""
        worker.on(Event.KILLED, now)
        worker.killed_for = why
        worker.deadline = None

    def died(self, worker: Worker, now: float) -> None:
        """A child is gone, whoever did it; `missing` will say when it is replaced."""
        before_ready = worker.state is State.STARTING
        worker.on(Event.DIED, now)
        del self.workers[worker.serial]
        self.restarts += 1
        if before_ready:
            self._fail(worker.kind, now)

    def idle(self, kind: Kind) -> Worker | None:
        """A child that waits for a task: the one that has worked most, so that the others can be let go."""
        ready = [w for w in self.workers.values() if w.kind is kind and w.state is State.READY]
        return max(ready, key=lambda w: w.tasks, default=None)

    def busy(self, kind: Kind) -> int:
        return sum(w.state is State.BUSY for w in self.workers.values() if w.kind is kind)

    def overdue(self, now: float) -> list[Worker]:
        """Children that are past their deadline."""
        return [w for w in self.workers.values() if w.deadline is not None and w.deadline <= now]

    def next_deadline(self, now: float) -> float | None:
        """When `missing` or `overdue` may have something new to say by the passing of time alone."""
        times = [w.deadline for w in self.workers.values() if w.deadline is not None]
        for kind, count in self.wanted.items():
            if count > sum(w.live for w in self.workers.values() if w.kind is kind):
                times.append(max(self._not_before[kind], now))
        return min(times, default=None)

    def crash_loop(self) -> Kind | None:
        """A kind whose children can't start, if there is one."""
        return next((kind for kind, count in self._failures.items() if count >= 3), None)

    def _fail(self, kind: Kind, now: float) -> None:
        if now < self._not_before[kind]:
            return  # started together with one that has failed already: one failure, not many
        self._failures[kind] += 1
        doublings = min(self._failures[kind] - 1, 20)  # beyond the longest pause, and never beyond a float
        self._not_before[kind] = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**doublings)
