"""Which sessions are away or do not read what they are told, and what that means for their batches. Pure."""

from thumbd_protocol.items import Rank

from .batches import UNREAD, Batch
from .items import Item
from .lanes import Schedule


class Presence:
    """Sessions that are `parked` (their clients have gone, or are silent), or `behind` (what waited for them was
    dropped)."""

    def __init__(self, schedule: Schedule[Item]) -> None:
        self._schedule = schedule
        self.parked: set[bytes] = set()
        self.behind: set[bytes] = set()

    def forget(self, session: bytes) -> None:
        self.parked.discard(session)
        self.behind.discard(session)

    def weigh(self, batch: Batch) -> None:
        """Give a batch its place: last of all while all who asked for it are away, and none while somebody has told it
        to wait or nobody reads what there is to tell. A durable one is asked for by itself."""
        durable, here = batch.terms.durable, batch.sessions - self.parked
        rank = batch.terms.priority.rank if here or durable or not batch.sessions else Rank.BACKGROUND
        self._schedule.move(batch.lane, rank=rank)
        batch.lane.paused = batch.paused or batch.doomed or (not durable and self._unread(batch))

    def is_out_of_place(self, batch: Batch) -> bool:
        """Whether so much of a batch has become unread that it must be weighed again."""
        return bool(self.behind) and not batch.lane.paused and not batch.terms.durable and self._unread(batch)

    def _unread(self, batch: Batch) -> bool:
        behind = bool(batch.sessions) and batch.sessions <= self.behind
        return behind and len(batch.results) + len(batch.failures) >= UNREAD
