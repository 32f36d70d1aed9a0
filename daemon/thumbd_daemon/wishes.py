"""Who wants which thumbnail: batches and views, as lanes of one schedule. Pure; `now` is monotonic seconds.

An item is one (path, flavor), shared by all who want it. The best lane counts; an item is dropped only when nobody
wants it. Every item of a batch gets exactly one final state there. What sessions are to hear is left in `news`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import Flavor, ItemUpdate, Priority, Rank, State
from thumbd_protocol.requests import Focus

from .batches import MAX_RETRIES, Batch, Outcome
from .items import STAGE, Item, Key, Phase
from .lanes import Lane, Schedule, Stage
from .news import Ended, Moved, News, Told

#: Finished batches that are remembered for ``batches`` and ``status``.
_MAX_ENDED: Final = 256


@dataclass(eq=False)
class View:
    """What one view of a session shows: on screen, and near it. `members` are the paths in its focus."""

    session: bytes
    generation: int
    flavor: Flavor
    visible: Lane[Item]
    near: Lane[Item]
    members: set[bytes] = field(default_factory=set)


class QueueFull(Exception):
    """There is no room for a submit; `room` items would fit."""

    def __init__(self, room: int) -> None:
        super().__init__(f"the queue has room for {room} more items")
        self.room = room


class Wishes:
    """All that is wanted. `capacity` bounds the open items, `reserve` of it is kept for what is on screen."""

    def __init__(self, capacity: int, reserve: int) -> None:
        self.capacity = capacity
        self._reserve = reserve
        self.items: dict[Key, Item] = {}
        self.batches: dict[str, Batch] = {}
        self._views: dict[tuple[bytes, str], View] = {}
        self.schedule: Schedule[Item] = Schedule(lambda item, stage: STAGE.get(item.phase) is stage)
        self._retries: dict[tuple[bytes, Rank], Lane[Item]] = {}
        self._count = 0
        self.joined = self.cancelled = 0
        self.news: list[News] = []

    def room(self) -> int:
        """How many more items of batches may be open."""
        return max(0, self.capacity - self._reserve - len(self.items))

    def submit(
        self,
        session: bytes,
        ident: str,
        keys: Iterable[Key],
        priority: Priority,
        now: float,
        *,
        more: bool,
        listing: bool,
        max_retries: int | None = None,
    ) -> Batch:
        """Open or join the batch `ident` and add what it lacks. All or nothing: raises QueueFull."""
        batch = self.batches.get(ident)
        if batch is not None and batch.ended is not None and session not in batch.sessions:
            self.schedule.close(batch.lane)
            batch = None  # told in full to others and forgotten item by item: for a newcomer it begins again
        new = [key for key in dict.fromkeys(keys) if batch is None or key not in batch.members]
        if len(new) > self.room():
            raise QueueFull(self.room())
        if batch is None:
            batch = Batch(ident, self.schedule.open(session, priority.rank), now)
            batch.lane.owner = batch
            self.batches[ident] = batch
        elif batch.ended is not None and (new or listing):
            batch.ended = None
        batch.sessions.add(session)
        batch.more = more
        batch.listing = batch.listing or listing
        batch.max_retries = batch.max_retries if max_retries is None else max_retries
        self._add(batch, new, now)
        self._look_for_end(batch, now)
        return batch

    def found(self, ident: str, keys: Iterable[Key], now: float) -> None:
        """The listing of a batch's folder found these; they are never refused."""
        batch = self.batches.get(ident)
        if batch is not None and batch.listing:
            self._add(batch, [key for key in dict.fromkeys(keys) if key not in batch.members], now)
            self._moved(batch)

    def listed(self, ident: str, error: str | None, message: str | None, now: float) -> None:
        """The listing of a batch's folder has ended, perhaps badly."""
        batch = self.batches.get(ident)
        if batch is not None and batch.listing:
            batch.listing = False
            batch.error, batch.message = error, message
            self._look_for_end(batch, now)

    def max_retries(self, item: Item) -> int:
        """How many times `item` may be tried again after others have killed its renderers: the most that any of those
        who wait for it asks for."""
        owners = [lane.owner for lane in item.lanes]
        return max((o.max_retries if isinstance(o, Batch) else MAX_RETRIES for o in owners), default=0)

    def focus(self, session: bytes, focus: Focus, now: float) -> None:
        """What a view shows now; what left it is dropped unless somebody else wants it."""
        view = self._views.get((session, focus.view))
        if view is not None and focus.generation <= view.generation:
            return
        if view is None:
            view = self._open_view(session, focus.view, focus.flavor)
        view.generation = focus.generation
        wanted = dict.fromkeys(focus.near, view.near) | dict.fromkeys(focus.visible, view.visible)
        for path in list(view.members):
            if path not in wanted or focus.flavor is not view.flavor:
                self._leave(view, path)
        view.flavor = focus.flavor
        view.visible.clear()
        view.near.clear()
        for path in dict.fromkeys([*focus.visible, *focus.near]):
            self._show(view, path, wanted[path], now)
        if not wanted:
            self._close_view(session, focus.view)

    def cancel(self, ident: str, now: float) -> tuple[int, int, int]:
        """End a batch; (dropped, running, shared) items. Raises KeyError for one that is unknown."""
        batch = self.batches[ident]
        counts = [0, 0, 0]
        batch.listing = batch.more = False
        for key in [key for key, pending in batch.members.items() if pending]:
            counts[self._cancel_item(batch, self.items[key], now)] += 1
        self._look_for_end(batch, now)
        return counts[0], counts[1], counts[2]

    def cancel_items(self, session: bytes, keys: Iterable[Key], now: float) -> tuple[int, int, int]:
        """End this session's interest in some items, in whichever of its batches they are."""
        counts = [0, 0, 0]
        touched: set[Batch] = set()
        for key in keys:
            item = self.items.get(key)
            owners = [lane.owner for lane in item.lanes] if item is not None else []
            for owner in owners:
                if item is not None and isinstance(owner, Batch) and owner.sessions == {session}:
                    counts[self._cancel_item(owner, item, now)] += 1
                    touched.add(owner)
        for batch in touched:
            self._look_for_end(batch, now)
        return counts[0], counts[1], counts[2]

    def close_session(self, session: bytes) -> None:
        """A session has ended; what only it wanted is dropped."""
        for owner, name in [key for key in self._views if key[0] == session]:
            self._close_view(owner, name)
        for batch in [batch for batch in self.batches.values() if session in batch.sessions]:
            batch.sessions.discard(session)
            if not batch.sessions:
                for key in [key for key, pending in batch.members.items() if pending]:
                    self._withdraw(self.items[key], batch.lane)
                self.schedule.close(batch.lane)
                del self.batches[batch.ident]
        for client, rank in [key for key in self._retries if key[0] == session]:
            lane = self._retries.pop((client, rank))
            waiting = lane.queues[Stage.RENDER].copy()
            self.schedule.close(lane)
            for item in waiting:  # others may want it still, and it stands in none of their queues
                if item.phase is Phase.RENDER:
                    self._enqueue(item, item.lanes)

    # -- for those who do the work ----------------------------------------------------------------------------

    def enqueue(self, item: Item) -> None:
        """`item` waits for its next stage, for all who want it; dropped if that is nobody."""
        self._enqueue(item, item.lanes)
        self._drop_if_unwanted(item)

    def enqueue_retry(self, item: Item) -> None:
        """The same, one priority lower than its best wish."""
        if item.lanes:
            best = min(item.lanes, key=lambda lane: lane.rank)
            rank = Rank(min(best.rank + 1, Rank.BACKGROUND))
            self._retry_lane(best.client, rank).push(STAGE[item.phase], item)
        self._drop_if_unwanted(item)

    def tell_views(self, item: Item, update: ItemUpdate) -> None:
        """Those who look at it hear how it goes; batches count final states alone."""
        for lane in item.lanes:
            if isinstance(lane.owner, View):
                self.news.append(Told(lane.owner.session, update, lane is lane.owner.visible))

    def settle(self, item: Item, outcome: Outcome, now: float) -> None:
        """`item` has its final state: tell all who want it, count it in their batches, forget it."""
        item.step(Phase.DONE)
        del self.items[item.key]
        update = outcome.update(item.key)
        critical: dict[bytes, bool] = {}
        batches: list[Batch] = []
        for lane in item.lanes:
            owner = lane.owner
            if isinstance(owner, View):
                critical[owner.session] = critical.get(owner.session, False) or lane is owner.visible
            elif isinstance(owner, Batch):
                owner.settle(item.key, outcome, now)
                batches.append(owner)
                critical.update({session: critical.get(session, False) for session in owner.sessions})
        for session, urgent in critical.items():
            self.news.append(Told(session, update, urgent))
        item.lanes = []
        for batch in batches:
            self._look_for_end(batch, now)

    # -- inside -----------------------------------------------------------------------------------------------

    def _open(self, key: Key, now: float) -> tuple[Item, bool]:
        item = self.items.get(key)
        if item is not None:
            return item, False
        self._count += 1
        item = self.items[key] = Item(self._count, *key, now)
        return item, True

    def _add(self, batch: Batch, keys: list[Key], now: float) -> None:
        for key in keys:
            item, new = self._open(key, now)
            batch.joined += not new
            self.joined += not new
            batch.members[key] = True
            item.lanes.append(batch.lane)
            self._enqueue(item, [batch.lane])

    def _enqueue(self, item: Item, lanes: list[Lane[Item]]) -> None:
        stage = STAGE.get(item.phase)
        if stage is not None:
            for lane in lanes:
                lane.push(stage, item)

    def _open_view(self, session: bytes, name: str, flavor: Flavor) -> View:
        visible = self.schedule.open(session, Rank.CRITICAL)
        near = self.schedule.open(session, Rank.HIGH)
        view = View(session, -1, flavor, visible, near)
        visible.owner = near.owner = view
        self._views[session, name] = view
        return view

    def _close_view(self, session: bytes, name: str) -> None:
        view = self._views.pop((session, name))
        for path in list(view.members):
            self._leave(view, path)
        self.schedule.close(view.visible)
        self.schedule.close(view.near)

    def _show(self, view: View, path: bytes, lane: Lane[Item], now: float) -> None:
        key = (path, view.flavor)
        if path in view.members:
            item = self.items.get(key)
            if item is None or not any(old.owner is view for old in item.lanes):
                return  # told already
            item.lanes = [old for old in item.lanes if old.owner is not view]
        else:
            item, _new = self._open(key, now)
            view.members.add(path)
        item.lanes.append(lane)
        self._enqueue(item, [lane])

    def _leave(self, view: View, path: bytes) -> None:
        view.members.discard(path)
        item = self.items.get((path, view.flavor))
        if item is not None:
            for lane in (view.visible, view.near):
                self._withdraw(item, lane)

    def _withdraw(self, item: Item, lane: Lane[Item]) -> None:
        if lane in item.lanes:
            item.lanes.remove(lane)
            self._drop_if_unwanted(item)

    def _drop_if_unwanted(self, item: Item) -> None:
        # What is under way goes on: its result is good for the cache, and somebody may still join.
        if not item.lanes and item.phase in STAGE:
            item.step(Phase.DONE)
            del self.items[item.key]

    def _cancel_item(self, batch: Batch, item: Item, now: float) -> int:
        """0 dropped, 1 running on, 2 wanted by others."""
        outcome = Outcome(State.CANCELLED)
        self.cancelled += 1
        batch.settle(item.key, outcome, now)
        for session in batch.sessions:
            self.news.append(Told(session, outcome.update(item.key), False))
        running = item.phase not in STAGE
        item.lanes.remove(batch.lane)
        shared = bool(item.lanes)
        self._drop_if_unwanted(item)
        return 2 if shared else 1 if running else 0

    def _moved(self, batch: Batch) -> None:
        self.news.extend(Moved(session, batch.ident) for session in batch.sessions)

    def _look_for_end(self, batch: Batch, now: float) -> None:
        self._moved(batch)
        if batch.complete and batch.ended is None:
            batch.ended = now
            self.news.extend(Ended(session, batch.end()) for session in batch.sessions)
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        ended = sorted((b for b in self.batches.values() if b.ended is not None), key=lambda b: b.ended or 0.0)
        for batch in ended[: max(0, len(ended) - _MAX_ENDED)]:
            self.schedule.close(batch.lane)
            del self.batches[batch.ident]

    def _retry_lane(self, client: bytes, rank: Rank) -> Lane[Item]:
        lane = self._retries.get((client, rank))
        if lane is None:
            lane = self._retries[client, rank] = self.schedule.open(client, rank)
        return lane
