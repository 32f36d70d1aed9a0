"""Whose turn it is: priority first, then round robin between users, then between a user's clients, then a client's own
order. Pure; `now` is monotonic seconds.

A *lane* is the queue of one wish (a batch, or what a view shows) at one priority. Items may stand in several lanes,
and leave a lane's queue lazily: whoever takes the next one skips those that no longer wait. So that nothing starves, a
priority that has had no turn for a while has the next one.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from thumbd_protocol.items import Rank

T = TypeVar("T", bound=Hashable)

#: Where something waits, more urgent work goes before it for so long, in seconds; then one of it has its turn.
AGE_S: Final = 2.0


class Stage(Enum):
    """What an item in a queue waits for."""

    LOOK = auto()  # a scout's look at the file and the cache
    RENDER = auto()  # a renderer


@dataclass(frozen=True, order=True)
class Client:
    """For whom turns are counted: a session (b"" for what outlived its own) of a user (his number)."""

    user: int
    session: bytes


@dataclass(eq=False)
class Lane(Generic[T]):
    """One wish's queues, one for each stage. `owner` is whose wish it is; nothing is taken while it is `paused`."""

    client: Client
    rank: Rank
    owner: object = None
    paused: bool = False
    queues: dict[Stage, deque[T]] = field(default_factory=lambda: {stage: deque() for stage in Stage})

    def push(self, stage: Stage, thing: T) -> None:
        self.queues[stage].append(thing)

    def clear(self) -> None:
        for queue in self.queues.values():
            queue.clear()

    def take(self, stage: Stage, waits: Callable[[T, Stage], bool]) -> T | None:
        """The first that still waits; those before it are forgotten."""
        queue = self.queues[stage]
        while queue and not self.paused:
            thing = queue.popleft()
            if waits(thing, stage):
                return thing
        return None


class Schedule(Generic[T]):
    """All lanes, by rank and client. `waits(thing, stage)` says whether a thing still waits for that stage."""

    def __init__(self, waits: Callable[[T, Stage], bool]) -> None:
        self._waits = waits
        # For each rank: users in turn, each with his clients in turn, each with its lanes in their order of opening.
        self._ranks: dict[Rank, dict[int, dict[bytes, list[Lane[T]]]]] = {rank: {} for rank in Rank}
        # Since when a rank has had no turn though it may have something to do.
        self._passed: dict[Stage, dict[Rank, float]] = {stage: {} for stage in Stage}

    def open(self, client: Client, rank: Rank, owner: object = None) -> Lane[T]:
        """A new lane behind the client's others of this rank."""
        lane: Lane[T] = Lane(client, rank, owner)
        self._place(lane)
        return lane

    def close(self, lane: Lane[T]) -> None:
        """Forget a lane and what stands in it."""
        lane.clear()
        lane.owner = None  # who names it in turn: both would stay until Python looks for cyclic rubbish
        self._displace(lane)

    def move(self, lane: Lane[T], *, client: Client | None = None, rank: Rank | None = None) -> None:
        """A lane becomes another client's, or more or less urgent; what stands in it stays."""
        if (client or lane.client, lane.rank if rank is None else rank) == (lane.client, lane.rank):
            return
        self._displace(lane)
        lane.client = client or lane.client
        lane.rank = lane.rank if rank is None else rank
        self._place(lane)

    def _place(self, lane: Lane[T]) -> None:
        clients = self._ranks[lane.rank].setdefault(lane.client.user, {})
        clients.setdefault(lane.client.session, []).append(lane)

    def _displace(self, lane: Lane[T]) -> None:
        users = self._ranks[lane.rank]
        clients = users.get(lane.client.user, {})
        lanes = clients.get(lane.client.session, [])
        if lane in lanes:
            lanes.remove(lane)
        if not lanes:
            clients.pop(lane.client.session, None)
        if not clients:
            users.pop(lane.client.user, None)

    # -- turns ------------------------------------------------------------------------------------------------

    def take(self, stage: Stage, now: float, least: Rank = Rank.BACKGROUND) -> tuple[T, Rank] | None:
        """The thing whose turn it is, and at which rank; nothing less urgent than `least`."""
        passed = self._passed[stage]
        overdue = [rank for rank, since in passed.items() if now - since >= AGE_S]
        overdue.sort(key=lambda rank: passed[rank])
        for rank in (*overdue, *self._ranks):
            if rank > least:
                continue
            passed.pop(rank, None)
            thing = self._take_one(rank, stage)
            if thing is not None:
                for other, users in self._ranks.items():
                    if other > rank and users:
                        passed.setdefault(other, now)
                return thing, rank
        return None

    def _take_one(self, rank: Rank, stage: Stage) -> T | None:
        users = self._ranks[rank]
        for user, clients in users.items():
            for session, lanes in clients.items():
                for lane in lanes:
                    thing = lane.take(stage, self._waits)
                    if thing is not None:
                        # Their turn is over: the client goes behind the user's others, the user behind all others.
                        clients[session] = clients.pop(session)
                        users[user] = users.pop(user)
                        return thing
        return None

    # -- figures ----------------------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[Lane[T]]:
        """All lanes, the most urgent first."""
        for users in self._ranks.values():
            for clients in users.values():
                for lanes in clients.values():
                    yield from lanes

    def at_least(self, stage: Stage, enough: int) -> int:
        """How many wait for `stage`, counted up to `enough`; what has left is looked at so far and no further."""
        count = looked = 0
        for lane in self._lanes():
            if lane.paused:
                continue
            for thing in lane.queues[stage]:
                count += self._waits(thing, stage)
                looked += 1
                if count >= enough or looked >= 20 * enough:
                    return count
        return count

    def counts(self, stage: Stage) -> list[tuple[Rank, Client, int]]:
        """(rank, client, how many things of its wait there). It walks all queues: for ``stats``."""
        waiting: dict[tuple[Rank, Client], set[T]] = {}
        for lane in self._lanes():
            there = waiting.setdefault((lane.rank, lane.client), set())
            there.update(thing for thing in lane.queues[stage] if self._waits(thing, stage))
        return [(rank, client, len(things)) for (rank, client), things in waiting.items()]

    def positions(self, stage: Stage) -> dict[T, int]:
        """How many wait before each, by priority and place (round robin aside). It walks all queues: for ``status``."""
        places: dict[T, int] = {}
        for lane in self._lanes():
            for thing in lane.queues[stage]:
                if thing not in places and self._waits(thing, stage):
                    places[thing] = len(places)
        return places
