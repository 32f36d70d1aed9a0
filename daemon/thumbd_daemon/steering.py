"""What may be done to what was asked for: cancel, pause, go on, try again. Pure; `now` is monotonic seconds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .batches import PENDING, Batch
from .items import STAGE, Item, Key
from .news import Added
from .wishes import Wishes


@dataclass
class Counts:
    """Items that were `dropped` (or wait from now on), that are `running` on, and that others want still (`shared`)."""

    dropped: int = 0
    running: int = 0
    shared: int = 0

    def add(self, *, running: bool, shared: bool) -> None:
        self.shared += shared
        self.running += running and not shared
        self.dropped += not running and not shared


class Steering:
    """Acts on the batches of `wishes`. What is done by items is done to the interest of one session alone."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes

    # -- cancel -----------------------------------------------------------------------------------------------

    def cancel(self, batch: Batch, now: float) -> Counts:
        """End a batch: what waits is counted now, and has its final state as soon as that takes nobody's time."""
        counts = Counts()
        for item in self._items(batch):
            self._count_waiting(batch, item, counts)
        self._wishes.cancelled += counts.dropped + counts.running + counts.shared
        self._wishes.doom(batch, now)
        return counts

    def cancel_items(self, session: bytes, keys: Iterable[Key], now: float) -> Counts:
        """End a session's interest in some items, in whichever of its batches they are."""
        counts = self._by_items(session, keys, self._cancel_item, now)
        self._wishes.cancelled += counts.dropped + counts.running + counts.shared
        return counts

    def _cancel_item(self, batch: Batch, item: Item, counts: Counts, now: float) -> None:
        self._count_waiting(batch, item, counts)
        self._wishes.give_up(batch, item.key, now)

    # -- pause and go on --------------------------------------------------------------------------------------

    def pause(self, batch: Batch, now: float) -> Counts:
        """Nothing of it is begun any more until it goes on."""
        counts = Counts()
        batch.paused = batch.ended is None
        for item in self._items(batch):
            self._count_waiting(batch, item, counts)
        self._wishes.steered(batch, now)
        return counts

    def pause_items(self, session: bytes, keys: Iterable[Key], now: float) -> Counts:
        """The same for some items of a session."""
        return self._by_items(session, keys, self._hold, now)

    def resume(self, batch: Batch, now: float) -> Counts:
        """It goes on, with what was held back of it."""
        counts = Counts()
        batch.paused = False
        for item in self._items(batch):
            self._count_waiting(batch, item, counts)
            self._let_go(batch, item, Counts(), now)
        self._wishes.steered(batch, now)
        return counts

    def resume_items(self, session: bytes, keys: Iterable[Key], now: float) -> Counts:
        """The same for some items of a session."""
        return self._by_items(session, keys, self._let_go, now)

    def _count_waiting(self, batch: Batch, item: Item, counts: Counts) -> None:
        others = any(lane.owner is not batch for lane in item.lanes)
        counts.add(running=item.phase not in STAGE, shared=others)

    def _hold(self, batch: Batch, item: Item, counts: Counts, now: float) -> None:
        if batch.held is None:
            batch.held = self._wishes.schedule.open(batch.lane.client, batch.lane.rank, batch)
            batch.held.paused = True
        self._count_waiting(batch, item, counts)
        if batch.lane in item.lanes:
            item.lanes[item.lanes.index(batch.lane)] = batch.held
            self._wishes.board.enqueue(item, [batch.held])

    def _let_go(self, batch: Batch, item: Item, counts: Counts, now: float) -> None:
        self._count_waiting(batch, item, counts)
        if batch.held is not None and batch.held in item.lanes:
            item.lanes[item.lanes.index(batch.held)] = batch.lane
            self._wishes.board.enqueue(item, [batch.lane])

    # -- try again --------------------------------------------------------------------------------------------

    def retry(
        self, session: bytes, batches: Iterable[Batch], which: Callable[[Key, str], bool], now: float
    ) -> list[Key]:
        """Failures of these batches (`which` chooses, by item and code) are asked for again, whatever is remembered of
        them. Which they were."""
        requeued: dict[Key, None] = {}
        for batch in batches:
            keys = [key for key, update in batch.failures.items() if which(key, update.error or "")]
            for key in keys:
                batch.reopen(key)
                item, _new = self._wishes.board.open(key, now)
                item.again = True
                self._wishes.board.join(item, batch.lane)
            if keys:
                requeued.update(dict.fromkeys(keys))
                if not batch.sessions and not batch.terms.durable:
                    batch.sessions.add(session)
                self._wishes.note(batch, Added(batch.ident, keys))
                self._wishes.steered(batch, now)
        return list(requeued)

    # -- inside -----------------------------------------------------------------------------------------------

    def _items(self, batch: Batch) -> Iterator[Item]:
        """Those that somebody works on or will."""
        for key in batch.pending():
            item = self._wishes.items.get(key)
            if item is not None:
                yield item

    def _by_items(
        self,
        session: bytes,
        keys: Iterable[Key],
        act: Callable[[Batch, Item, Counts, float], None],
        now: float,
    ) -> Counts:
        counts = Counts()
        touched: dict[Batch, None] = {}
        for key in dict.fromkeys(keys):
            item = self._wishes.items.get(key)
            owners = [lane.owner for lane in item.lanes] if item is not None else []
            for owner in owners:
                mine = isinstance(owner, Batch) and owner.sessions == {session}
                if item is not None and mine and isinstance(owner, Batch) and owner.members.get(key, -1.0) >= PENDING:
                    act(owner, item, counts, now)
                    touched[owner] = None
        for batch in touched:
            self._wishes.steered(batch, now)
        return counts
