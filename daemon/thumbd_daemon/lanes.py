"""Whose turn it is: priority first, then round robin between clients, then a client's own order. Pure.

A *lane* is the queue of one wish (a batch, or what a view shows) at one priority. Items may stand in several lanes,
and leave a lane's queue lazily: whoever takes the next one skips those that no longer wait.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from thumbd_protocol.items import Rank

T = TypeVar("T", bound=Hashable)


class Stage(Enum):
    """What an item in a queue waits for."""

    LOOK = auto()  # a scout's look at the file and the cache
    RENDER = auto()  # a renderer


@dataclass(eq=False)
class Lane(Generic[T]):
    """One wish's queues, one for each stage. `client` is whom the turn is counted for, `owner` whose wish it is."""

    client: bytes
    rank: Rank
    owner: object = None
    queues: dict[Stage, deque[T]] = field(default_factory=lambda: {stage: deque() for stage in Stage})

    def push(self, stage: Stage, thing: T) -> None:
        self.queues[stage].append(thing)

    def clear(self) -> None:
        for queue in self.queues.values():
            queue.clear()

    def take(self, stage: Stage, waits: Callable[[T], bool]) -> T | None:
        """The first that still waits; those before it are forgotten."""
        queue = self.queues[stage]
        while queue:
            thing = queue.popleft()
            if waits(thing):
                return thing
        return None


class Schedule(Generic[T]):
    """All lanes, by rank and client. `waits(thing, stage)` says whether a thing still waits for that stage."""

    def __init__(self, waits: Callable[[T, Stage], bool]) -> None:
        self._waits = waits
        # For each rank: clients in turn, each with its lanes in their order of opening.
        self._ranks: dict[Rank, dict[bytes, list[Lane[T]]]] = {rank: {} for rank in Rank}

    def open(self, client: bytes, rank: Rank, owner: object = None) -> Lane[T]:
        """A new lane behind the client's others of this rank."""
        lane: Lane[T] = Lane(client, rank, owner)
        self._ranks[rank].setdefault(client, []).append(lane)
        return lane

    def close(self, lane: Lane[T]) -> None:
        """Forget a lane and what stands in it."""
        lane.clear()
        clients = self._ranks[lane.rank]
        lanes = clients.get(lane.client, [])
        if lane in lanes:
            lanes.remove(lane)
        if not lanes:
            clients.pop(lane.client, None)

    def take(self, stage: Stage, least: Rank = Rank.BACKGROUND) -> tuple[T, Rank] | None:
        """The thing whose turn it is, and at which rank; nothing less urgent than `least`."""
        for rank, clients in self._ranks.items():
            if rank > least:
                break
            for client in list(clients):
                for lane in clients[client]:
                    thing = lane.take(stage, lambda thing: self._waits(thing, stage))
                    if thing is not None:
                        # Its turn is over: the client goes behind the others.
                        clients[client] = clients.pop(client)
                        return thing, rank
        return None

    def at_least(self, stage: Stage, enough: int) -> int:
        """How many wait for `stage`, counted up to `enough`; what has left is looked at so far and no further."""
        count = looked = 0
        for clients in self._ranks.values():
            for lanes in clients.values():
                for lane in lanes:
                    for thing in lane.queues[stage]:
                        count += self._waits(thing, stage)
                        looked += 1
                        if count >= enough or looked >= 20 * enough:
                            return count
        return count

    def counts(self, stage: Stage) -> list[tuple[Rank, bytes, int]]:
        """(rank, client, how many things of its wait there). It walks all queues: for ``stats``."""
        found: list[tuple[Rank, bytes, int]] = []
        for rank, clients in self._ranks.items():
            for client, lanes in clients.items():
                waiting = {thing for lane in lanes for thing in lane.queues[stage] if self._waits(thing, stage)}
                found.append((rank, client, len(waiting)))
        return found

    def positions(self, stage: Stage) -> dict[T, int]:
        """How many wait before each, by priority and place (round robin aside). It walks all queues: for ``status``."""
        places: dict[T, int] = {}
        for clients in self._ranks.values():
            for lanes in clients.values():
                for lane in lanes:
                    for thing in lane.queues[stage]:
                        if thing not in places and self._waits(thing, stage):
                            places[thing] = len(places)
        return places
