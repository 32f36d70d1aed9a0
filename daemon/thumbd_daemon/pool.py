"""Which children there should be, and what state each is in. Pure: events and `now` (monotonic seconds) in.

A child that dies is replaced at once; one that dies again and again *before it was ever ready*, by nobody's hand,
keeps its place in ``BACKOFF`` ever longer. Deaths in the middle of a task say nothing about the next start.

A child that is stuck (in a file system that does not answer, or killed and still not gone) keeps no place from
another: it *lingers*, up to `MAX_LINGERING` of them together.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Final


class Kind(StrEnum):
    """What a child is for."""

    RENDERER = "renderer"
    QUICK = "quick"  # a scout for looks, opening, publishing
    LISTING = "listing"  # a scout for folders
    WATCHING = "watching"  # a scout for what changes in folders
    SENTINEL = "sentinel"  # ends the children's groups when the daemon has died


class State(Enum):
    STARTING = auto()
    READY = auto()
    BUSY = auto()
    RETIRING = auto()  # asked to leave; its place is already another's
    KILLED = auto()  # told to die; its place is already another's
    BACKOFF = auto()  # could not start: its place waits
    GONE = auto()


class Event(Enum):
    SAID_READY = auto()
    GIVEN_TASK = auto()
    FINISHED = auto()
    RETIRED = auto()
    KILLED = auto()
    DIED = auto()
    FAILED_TO_START = auto()
    RESTED = auto()


TABLE: Final[dict[tuple[State, Event], State]] = {
    (State.STARTING, Event.SAID_READY): State.READY,
    (State.STARTING, Event.RETIRED): State.RETIRING,
    (State.STARTING, Event.KILLED): State.KILLED,
    (State.STARTING, Event.DIED): State.GONE,  # somebody else killed it
    (State.STARTING, Event.FAILED_TO_START): State.BACKOFF,
    (State.BACKOFF, Event.RESTED): State.GONE,
    (State.READY, Event.GIVEN_TASK): State.BUSY,
    (State.READY, Event.RETIRED): State.RETIRING,
    (State.READY, Event.KILLED): State.KILLED,
    (State.READY, Event.DIED): State.GONE,
    (State.BUSY, Event.FINISHED): State.READY,
    (State.BUSY, Event.KILLED): State.KILLED,
    (State.BUSY, Event.DIED): State.GONE,
    (State.RETIRING, Event.KILLED): State.KILLED,
    (State.RETIRING, Event.DIED): State.GONE,
    (State.KILLED, Event.DIED): State.GONE,
}

_LIVE: Final = frozenset({State.STARTING, State.READY, State.BUSY})

#: A child that is not ready after this long is given up, in seconds.
START_TIMEOUT_S: Final = 10.0
#: A child that was asked to leave may take so long.
RETIRE_TIMEOUT_S: Final = 5.0
#: A child at rest is asked for a sign of life after so long, and has so long to give it.
PING_EVERY_S: Final = 5.0
PING_TIMEOUT_S: Final = 5.0
#: A killed child that is not gone after so long lingers (in a file system that hangs).
KILL_GRACE_S: Final = 0.25
#: One that is stuck keeps its place for so long: most file systems that are slow answer soon.
REPLACE_AFTER_S: Final = 1.0
#: A child that nobody needs any more leaves after so long at rest.
SURPLUS_S: Final = 10.0
#: Children that may linger and be replaced all the same.
MAX_LINGERING: Final = 8
#: Pauses between starts while children die before they are ready, in seconds.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0
#: So many failed starts in a row are told as a crash loop.
CRASH_LOOP: Final = 3


class IllegalTransition(Exception):
    """A child was told to be what it can't be: a fault of ours, told with its story."""


@dataclass(eq=False)
class Worker:
    """One child. `task` is the number of what it works on, about `file`; it is in its state since `since`, and past
    `deadline` it is to be killed.

    `stuck` says since when what it works on does not move, `heard` when it last gave a sign of life; `rss` is its
    resident memory in bytes as last seen, `unasked` counts its answers to nothing. `killed_for`, `task` and `file`
    outlive it.
    """

    serial: int
    kind: Kind
    born: float
    pid: int = 0
    state: State = State.STARTING
    task: int | None = None
    file: bytes | None = None
    since: float = 0.0
    deadline: float | None = None
    killed_for: str | None = None
    killed_at: float = 0.0
    stuck: float | None = None
    pinged: bool = False
    #: Pings that it has not answered.
    owed: int = 0
    heard: float = 0.0
    tasks: int = 0
    unasked: int = 0
    rss: int = 0
    story: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether it starts, waits or works."""
        return self.state in _LIVE

    def on(self, event: Event, now: float) -> None:
        """Take `event`. Raises IllegalTransition where the table has no entry."""
        after = TABLE.get((self.state, event))
        if after is None:
            story = ", ".join(self.story[-8:]) or "new"
            raise IllegalTransition(f"{self.kind} {self.serial} is {self.state.name} and got {event.name} ({story})")
        self.story = [*self.story[-7:], f"{event.name}@{now - self.born:.3f}s"]
        self.state = after


class Pool:
    """The children. `wanted` says how many of each kind should live; change it and `missing` and `surplus` follow."""

    def __init__(self, wanted: Mapping[Kind, int]) -> None:
        self.wanted = dict(wanted)
        self.workers: dict[int, Worker] = {}
        self._failures: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self._not_before: dict[Kind, float] = dict.fromkeys(Kind, 0.0)
        self._failed_at: dict[Kind, float] = dict.fromkeys(Kind, float("-inf"))
        self.restarts = 0

    # -- who there is -----------------------------------------------------------------------------------------

    def of(self, kind: Kind) -> Iterator[Worker]:
        """The children of a kind that live."""
        return (w for w in self.workers.values() if w.kind is kind and w.live)

    def idle(self, kind: Kind) -> Worker | None:
        """A child that waits for a task: the one that has worked most, so that the others can be let go."""
        ready = [w for w in self.of(kind) if w.state is State.READY]
        return max(ready, key=lambda w: w.tasks, default=None)

    def busy(self, kind: Kind) -> int:
        """How many of a kind work and get on with it."""
        return sum(w.state is State.BUSY and w.stuck is None for w in self.of(kind))

    def lingering(self, now: float) -> list[Worker]:
        """Those who are stuck, or were killed and are still not gone; the oldest first."""
        return [w for w in self.workers.values() if self._lingers(w, now)]

    @staticmethod
    def _lingers(worker: Worker, now: float) -> bool:
        if worker.state is State.KILLED:
            return now >= worker.killed_at + KILL_GRACE_S
        return worker.stuck is not None and now >= worker.stuck + REPLACE_AFTER_S

    # -- who should come and go -------------------------------------------------------------------------------

    def missing(self, now: float) -> list[Kind]:
        """The kinds of children to start now, one entry for each child."""
        self.rest(now)
        kinds: list[Kind] = []
        taken = self._places(now)
        for kind, count in self.wanted.items():
            lacking = count - taken[kind]
            # While starts fail, one at a time is enough to see whether the cause has gone.
            if self._failures[kind]:
                tried = any(w.kind is kind and w.state is State.STARTING for w in self._all())
                lacking = 0 if tried or now < self._not_before[kind] else min(lacking, 1)
            kinds += [kind] * lacking
        return kinds

    def surplus(self, now: float) -> list[Worker]:
        """Children at rest that nobody needs: those beyond what is wanted, the least used first."""
        leave: list[Worker] = []
        taken = self._places(now)
        for kind, count in self.wanted.items():
            over = taken[kind] - count
            if over > 0:
                ready = [w for w in self.of(kind) if w.state is State.READY and now >= w.since + SURPLUS_S]
                leave += sorted(ready, key=lambda w: w.tasks)[:over]
        return leave

    def _places(self, now: float) -> Counter[Kind]:
        """How many places of each kind are taken: by those who live and move, by those in back-off, and by those who
        linger beyond the number that may."""
        taken: Counter[Kind] = Counter()
        lingering = 0
        for worker in self._all():
            if self._lingers(worker, now):
                lingering += 1
                taken[worker.kind] += lingering > MAX_LINGERING
            else:
                taken[worker.kind] += worker.live or worker.state is State.BACKOFF
        return taken

    def _all(self) -> Iterator[Worker]:
        return iter(self.workers.values())

    def rest(self, now: float) -> None:
        """Those in back-off whose pause is over give their places up."""
        for worker in [w for w in self._all() if w.state is State.BACKOFF and now >= (w.deadline or 0.0)]:
            worker.on(Event.RESTED, now)
            del self.workers[worker.serial]

    # -- what happens to them ---------------------------------------------------------------------------------

    def spawned(self, serial: int, kind: Kind, now: float, pid: int = 0) -> Worker:
        """A child was started."""
        worker = Worker(serial, kind, now, pid, deadline=now + START_TIMEOUT_S, heard=now)
        self.workers[serial] = worker
        return worker

    def could_not_spawn(self, serial: int, kind: Kind, now: float) -> None:
        """The system refused to start a child."""
        self._fail(self.spawned(serial, kind, now), now)

    def ready(self, worker: Worker, now: float) -> None:
        """A child has said that it is set up."""
        worker.on(Event.SAID_READY, now)
        worker.deadline, worker.heard, worker.since = None, now, now
        # One that was started before the last failure says nothing about starts since.
        if worker.born >= self._failed_at[worker.kind]:
            self._failures[worker.kind], self._not_before[worker.kind] = 0, now

    def give(self, worker: Worker, task: int, deadline: float | None, now: float, file: bytes | None = None) -> None:
        """A ready child gets a task about `file`, to be done by `deadline` (None: it may take its time)."""
        worker.on(Event.GIVEN_TASK, now)
        worker.task, worker.file, worker.deadline = task, file, deadline
        worker.since = worker.heard = now
        worker.pinged = False
        worker.tasks += 1

    def finished(self, worker: Worker, now: float) -> None:
        """A busy child is ready for the next task."""
        worker.on(Event.FINISHED, now)
        worker.task = worker.file = worker.deadline = worker.stuck = None
        worker.since = worker.heard = now

    def retire(self, worker: Worker, why: str, now: float) -> None:
        """A child that works on nothing is to leave, for the reason `why`."""
        worker.on(Event.RETIRED, now)
        worker.killed_for = why
        worker.deadline = now + RETIRE_TIMEOUT_S

    def kill(self, worker: Worker, why: str, now: float) -> None:
        """A child is to die by our hand, for the reason `why`."""
        if worker.state is State.STARTING and now >= worker.born + START_TIMEOUT_S:
            self._count_failure(worker.kind, now)  # to hang at the start is a failed start as well
        worker.on(Event.KILLED, now)
        worker.killed_for, worker.killed_at = why, now
        worker.deadline = worker.stuck = None

    def died(self, worker: Worker, now: float, *, outside: bool = False) -> None:
        """A child is gone; `outside` when somebody else ended it. `missing` will say when it is replaced."""
        if worker.state is State.STARTING and not outside:
            self._fail(worker, now)
            return
        worker.on(Event.DIED, now)
        del self.workers[worker.serial]
        self.restarts += worker.killed_for is None or worker.killed_at > 0

    def _fail(self, worker: Worker, now: float) -> None:
        """It never got ready: its place waits."""
        self._count_failure(worker.kind, now)
        worker.on(Event.FAILED_TO_START, now)
        worker.deadline = self._not_before[worker.kind]
        self.restarts += worker.pid > 0

    def _count_failure(self, kind: Kind, now: float) -> None:
        if now < self._not_before[kind]:
            return  # it started together with one that has failed already: one failure, not many
        self._failures[kind] += 1
        self._failed_at[kind] = now
        doublings = min(self._failures[kind] - 1, 20)  # beyond the longest pause, and never beyond a float
        self._not_before[kind] = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**doublings)

    # -- time -------------------------------------------------------------------------------------------------

    def overdue(self, now: float) -> list[Worker]:
        """Children that are past their deadline."""
        late = (w for w in self._all() if w.deadline is not None and w.deadline <= now)
        return [w for w in late if w.state is not State.BACKOFF]

    def to_ping(self, now: float) -> list[Worker]:
        """Children at rest that have been quiet for long; each is told once, and has a deadline then."""
        quiet = [w for w in self._all() if w.state is State.READY and not w.pinged and now >= w.heard + PING_EVERY_S]
        for worker in quiet:
            worker.pinged, worker.deadline = True, now + PING_TIMEOUT_S
            worker.owed += 1
        return quiet

    def answered_ping(self, worker: Worker, now: float) -> None:
        """A child has given its sign of life (perhaps late, in the middle of a task)."""
        worker.heard, worker.pinged = now, False
        worker.owed -= 1
        if worker.state is State.READY:
            worker.deadline = None

    def next_deadline(self, now: float) -> float | None:
        """When `missing`, `overdue` or `to_ping` may have something new to say by the passing of time alone."""
        times = [w.deadline for w in self._all() if w.deadline is not None]
        times += [w.heard + PING_EVERY_S for w in self._all() if w.state is State.READY and not w.pinged]
        killed = (w.killed_at + KILL_GRACE_S for w in self._all() if w.state is State.KILLED)
        stuck = (w.stuck + REPLACE_AFTER_S for w in self._all() if w.stuck is not None)
        paused = (at for kind, at in self._not_before.items() if self._failures[kind])
        times += [at for at in (*killed, *stuck, *paused) if at > now]
        return min(times, default=None)

    def shift(self, gap: float) -> None:
        """For so many seconds we were not there to hear anybody (stopped, or starved): they count for nobody."""
        for worker in self._all():
            worker.heard += gap
            worker.since += gap
            worker.killed_at += gap
            worker.deadline = None if worker.deadline is None else worker.deadline + gap
            worker.stuck = None if worker.stuck is None else worker.stuck + gap

    def crash_loop(self) -> Kind | None:
        """A kind that is wanted and whose children can't start, if there is one."""
        kinds = (kind for kind, count in self._failures.items() if count >= CRASH_LOOP)
        return next((kind for kind in kinds if self.wanted.get(kind)), None)
