"""The open items, and the lanes that they stand in. Pure; `now` is monotonic seconds.

An item is one (path, flavor), shared by all who want it. The best lane counts; an item is dropped only when nobody
wants it. What sessions are to hear is left in `news`, what the journal is to keep in `entries`.
"""

from collections.abc import Sequence

from thumbd_protocol.items import Rank

from .items import STAGE, Item, Key, Phase
from .lanes import Client, Lane, Schedule, Stage
from .news import Entry, News


class Board:
    """All open items by key."""

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}
        self.schedule: Schedule[Item] = Schedule(lambda item, stage: STAGE.get(item.phase) is stage)
        self.news: list[News] = []
        self.entries: list[Entry] = []
        self._retries: dict[tuple[Client, Rank], Lane[Item]] = {}
        self._count = 0

    def open(self, key: Key, now: float) -> tuple[Item, bool]:
        """The item of a key, and whether it is new."""
        item = self.items.get(key)
        if item is not None:
            return item, False
        self._count += 1
        item = self.items[key] = Item(self._count, *key, now)
        return item, True

    def join(self, item: Item, lane: Lane[Item]) -> None:
        """One more wants `item`."""
        item.lanes.append(lane)
        self.enqueue(item, [lane])

    def enqueue(self, item: Item, lanes: Sequence[Lane[Item]] | None = None) -> None:
        """`item` waits for its next stage, for all who want it (or some); dropped if that is nobody."""
        stage = STAGE.get(item.phase)
        if stage is not None:
            for lane in item.lanes if lanes is None else lanes:
                lane.push(stage, item)
        self.drop_if_unwanted(item)

    def enqueue_retry(self, item: Item) -> None:
        """The same, one priority lower than its best wish."""
        if item.lanes and not item.paused:
            best = min((lane for lane in item.lanes if not lane.paused), key=lambda lane: lane.rank)
            rank = Rank(min(best.rank + 1, Rank.BACKGROUND))
            self._retry_lane(best.client, rank).push(STAGE[item.phase], item)
            self.drop_if_unwanted(item)
        else:
            self.enqueue(item)

    def withdraw(self, item: Item, lane: Lane[Item]) -> None:
        """One less wants `item`."""
        if lane in item.lanes:
            item.lanes.remove(lane)
            self.drop_if_unwanted(item)

    def drop_if_unwanted(self, item: Item) -> None:
        """What is under way goes on: its result is good for the cache, and somebody may still join."""
        if not item.lanes and item.phase in STAGE:
            item.step(Phase.DONE)
            del self.items[item.key]

    def close_client(self, client: Client) -> None:
        """A session has ended: what was tried again for it waits for others who want it still."""
        for of, rank in [key for key in self._retries if key[0] == client]:
            lane = self._retries.pop((of, rank))
            waiting = lane.queues[Stage.RENDER].copy()
            self.schedule.close(lane)
            for item in waiting:  # it stands in no other queue
                if item.phase is Phase.RENDER:
                    self.enqueue(item)

    def _retry_lane(self, client: Client, rank: Rank) -> Lane[Item]:
        lane = self._retries.get((client, rank))
        if lane is None:
            lane = self._retries[client, rank] = self.schedule.open(client, rank)
        return lane
