"""All that waits to be said to one session. Pure; `now` is monotonic seconds.

Answers, notices and ``done`` are free; ``update`` and snapshot parts cost a credit each. Without credit the outbox
coalesces: of each item only the newest state, of each batch only the newest progress, of each folder what has changed
since it was last told. One unit of credit is kept for what is on screen. `seq` is given when a message leaves, so that
there are no holes.

What has left and was not credited may have been lost with the connection: it is kept, and told again to a session that
comes back. What is too much is dropped, and a notice left in its place: the session asks for a snapshot.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from thumbd_protocol.items import Entry, ItemUpdate, Progress
from thumbd_protocol.limits import MAX_CREDIT, MAX_UPDATE_ITEMS
from thumbd_protocol.replies import Done, Notice, Update
from thumbd_protocol.requests import Message

from .batches import BatchEnd
from .changes import MAX_NAMES, Changes
from .flight import Flight
from .items import Key
from .parts import PART_BYTES, Parts, bytes_of
from .snapshots import Holding

#: The topic by which a session asks for all that is its own.
MINE: Final = "mine"
#: How long an item's state may wait for company, in seconds: elsewhere, and on screen if something was told just now.
WAIT_S: Final = 0.1
CRITICAL_WAIT_S: Final = 0.016
#: The same for what changed in a folder: the scout that watches it has gathered it for a tenth of a second already.
CHANGES_WAIT_S: Final = 0.016
#: Between two tellings of a batch's progress, in seconds; its first and last are told at once.
PROGRESS_S: Final = 0.1
#: So many items, and changed names, may wait; more are dropped.
MAX_WAITING: Final = 20_000


def _oldest(box: dict[Key, tuple[float, ItemUpdate]]) -> float:
    """Since when the first of them waits; one that became urgent later stands behind newer ones."""
    return min(since for since, _update in box.values())


class Outbox:
    """What one session is still to be told. `credit` is how many updates and parts it will take now; `lost` when
    something was dropped and no snapshot has made up for it."""

    def __init__(self, epoch: bytes, credit: int) -> None:
        self._epoch = epoch
        self.credit = credit
        self.seq = 0
        self.lost = False
        #: How many times something was dropped.
        self.drops = 0
        self._parts = Parts(epoch)
        self._flight = Flight()
        self._free: deque[Message] = deque()
        self._notices: deque[tuple[str, str]] = deque()
        self._items: dict[Key, tuple[float, ItemUpdate]] = {}
        self._critical: dict[Key, tuple[float, ItemUpdate]] = {}
        self._critical_told = float("-inf")
        self._dirty: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._done: deque[tuple[BatchEnd, float]] = deque()
        self._changes: dict[str | bytes, Changes] = {}
        # What a snapshot that is on its way makes up for: items are told on from then on, ends behind its last part.
        self._making_up = False

    def __len__(self) -> int:
        changes = sum(-(-len(changes) // MAX_NAMES) for changes in self._changes.values())
        waiting = len(self._free) + len(self._notices) + len(self._done)
        return waiting + len(self._items) + len(self._critical) + len(self._dirty) + len(self._parts) + changes

    @property
    def unread(self) -> int:
        """Answers that have not left."""
        return len(self._free)

    # -- in ---------------------------------------------------------------------------------------------------

    def add_credit(self, count: int) -> list[str]:
        """So many updates and parts have been dealt with; the batches whose end was told before the last of them."""
        self.credit = min(MAX_CREDIT, self.credit + count)
        return self._flight.credited(count)

    def settled(self) -> list[str]:
        """Batches whose end was told when nothing was left to be credited."""
        return self._flight.credited(0)

    def begin_again(self, credit: int) -> None:
        """The session is back on a new connection: what it may not have heard is told again, topics are asked for by
        itself."""
        self.credit, self.seq = credit, 0
        updates, ends = self._flight.lost()
        # What was not final was for a focus, and that is empty now.
        again = {(one.path, one.flavor): (float("-inf"), one) for one in updates if one.state.final}
        self._items = {key: one for key, one in again.items() if key not in self._critical} | self._items
        self._done.extendleft((end, float("-inf")) for end in reversed(ends))
        self._dirty.update((end.batch, float("-inf")) for end in ends)
        self._told.clear()
        self._free.clear()
        self._changes.clear()
        self._parts.clear()
        self._making_up = False
        if self.lost:
            self._say_lost()

    def answer(self, message: Message) -> None:
        self._free.append(message)

    def notice(self, kind: str, message: str) -> None:
        self._notices.append((kind, message))

    def item(self, update: ItemUpdate, critical: bool, now: float) -> None:
        """The newest state of an item. An older one that still waits is replaced, keeping its place and urgency."""
        if self.lost and not self._making_up and not critical:
            return  # the snapshot that is to be asked for tells it
        key = (update.path, update.flavor)
        if key in self._critical or (critical and key not in self._items):
            box = self._critical
        elif critical:
            self._critical[key] = self._items.pop(key)
            box = self._critical
        else:
            box = self._items
        old = box.get(key)
        if old is None:
            box[key] = (now, update)
            if len(self._items) + len(self._critical) > MAX_WAITING:
                self._drop()
        elif update.state.final or not old[1].state.final:
            box[key] = (old[0], update)

    def _drop(self) -> None:
        self._items.clear()
        self._critical.clear()
        self._changes.clear()
        self._parts.clear()
        self.drops += 1
        if not self.lost or self._making_up:
            self._say_lost()
        self.lost, self._making_up = True, False

    def _say_lost(self) -> None:
        if not any(kind == "resync" for kind, _text in self._notices):
            text = "more waited for you than is kept: ask for a snapshot of 'mine' and of your topics"
            self.notice("resync", text)

    def progress(self, batch: str, now: float) -> None:
        """The counts of a batch have changed."""
        self._dirty.setdefault(batch, now)

    def done(self, end: BatchEnd, now: float) -> None:
        """A batch has ended; told behind its last item and progress."""
        self._dirty.setdefault(end.batch, now)
        self._told.pop(end.batch, None)
        self._done.append((end, now))

    def supersede(self, topic: str | bytes) -> None:
        """A topic is asked for anew."""
        self._parts.supersede(topic)

    def open_snapshot(self, reply_to: bytes, topic: str | bytes) -> None:
        """All of a topic is told anew, in place of whatever was still to be told of it."""
        self._parts.open(reply_to, topic)
        self._changes.pop(topic, None)

    def hold(self, reply_to: bytes, topic: str | bytes, holding: Holding) -> None:
        """The same for batches and items, all of which are at hand."""
        self._parts.hold(reply_to, topic, holding)
        self._making_up = self._making_up or (self.lost and topic in (MINE, MINE.encode()))

    def drop_snapshot(self, topic: str | bytes) -> None:
        """A topic is told no further."""
        if self._making_up and topic in (MINE, MINE.encode()) and topic in self._parts:
            self._making_up = False  # what was dropped is still to be made up for
            self._say_lost()
        self._parts.drop(topic)
        self._changes.pop(topic, None)

    def entries(self, topic: str | bytes, entries: list[Entry]) -> None:
        self._parts.entries(topic, entries)

    def backlog(self, topic: str | bytes) -> int:
        """Entries of a snapshot that have not left yet."""
        return self._parts.backlog(topic)

    def end_snapshot(self, topic: str | bytes, error: str | None, message: str | None) -> None:
        self._parts.end(topic, error, message)

    def changes(self, topic: str | bytes, folder: bytes, now: float) -> Changes:
        """What is still to be told of a folder's changes, for the caller to put more in; it leaves behind the topic's
        snapshot."""
        if sum(len(changes) for changes in self._changes.values()) > MAX_WAITING:
            self._drop()
        waiting = self._changes.get(topic)
        if not waiting:
            waiting = self._changes[topic] = Changes(folder, now)
        return waiting

    # -- out --------------------------------------------------------------------------------------------------

    def take(self, now: float, progress_of: Callable[[str], Progress | None]) -> list[Message]:
        """Everything that may leave now, in order."""
        out: list[Message] = list(self._free)
        self._free.clear()
        while self._notices:
            kind, text = self._notices.popleft()
            out.append(Notice(epoch=self._epoch, seq=self._next(), kind=kind, message=text))
        while self.credit > 0 and self._critical_due(now):
            self._critical_told = now
            out.append(self._update(self._critical, now, progress_of))
        self._take_parts(out)
        while self.credit > 1 and (self._items_due(now) or self._progress_due(now)):
            out.append(self._update(self._items, now, progress_of))
        self._take_changes(out, now)
        self._take_done(out)
        return out

    def due(self, now: float) -> float | None:
        """When, at the latest, `take` would have something new by the passing of time alone."""
        times: list[float] = []
        if self.credit > 0 and self._critical:
            times.append(self._critical_at())
        if self.credit > 1:
            times += [self._changes[topic].since + CHANGES_WAIT_S for topic in self._changed()]
            if not self._parts.of_items:
                if self._items:
                    times.append(next(iter(self._items.values()))[0] + WAIT_S)
                times += [self._told.get(batch, now - PROGRESS_S) + PROGRESS_S for batch in self._dirty]
        return min(times, default=None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _critical_at(self) -> float:
        """When what is on screen leaves: at once, but not so soon after what left before."""
        return min(_oldest(self._critical), self._critical_told) + CRITICAL_WAIT_S

    def _critical_due(self, now: float) -> bool:
        box = self._critical
        return bool(box) and (len(box) >= MAX_UPDATE_ITEMS or now >= self._critical_at())

    def _items_due(self, now: float) -> bool:
        box = self._items
        if not box or self._parts.of_items:
            return False
        return bool(self._done) or len(box) >= MAX_UPDATE_ITEMS or now >= next(iter(box.values()))[0] + WAIT_S

    def _progress_due(self, now: float) -> bool:
        if self._parts.of_items:
            return False
        return any(now >= self._told.get(batch, now - PROGRESS_S) + PROGRESS_S for batch in self._dirty)

    def _update(
        self, box: dict[Key, tuple[float, ItemUpdate]], now: float, progress_of: Callable[[str], Progress | None]
    ) -> Update:
        items: list[ItemUpdate] = []
        size = 0
        for _since, update in islice(box.values(), MAX_UPDATE_ITEMS):
            if size >= PART_BYTES:
                break
            items.append(update)
            size += bytes_of(update)
        for update in items:
            del box[update.path, update.flavor]
            if self._parts.of_items:
                self._parts.newer(update)
        progress: list[Progress] = []
        for batch in [] if self._parts.of_items else list(self._dirty):
            if now >= self._told.get(batch, now - PROGRESS_S) + PROGRESS_S:
                del self._dirty[batch]
                self._told[batch] = now
                found = progress_of(batch)
                if found is not None:
                    progress.append(found)
        self.credit -= 1
        self._flight.left(items)
        return Update(epoch=self._epoch, seq=self._next(), items=items, progress=progress)

    def _take_parts(self, out: list[Message]) -> None:
        while self.credit > 1 and (topic := self._parts.ready()) is not None:
            self.credit -= 1
            part = self._parts.take(topic, self._next())
            self._flight.left(part.items)
            out.append(part)
            if part.last and self._making_up and topic in (MINE, MINE.encode()) and topic not in self._parts:
                self.lost = self._making_up = False

    def _changed(self) -> list[str | bytes]:
        """The topics whose changes may be told: a snapshot on its way goes before them."""
        return [topic for topic, changes in self._changes.items() if changes and topic not in self._parts]

    def _take_changes(self, out: list[Message], now: float) -> None:
        for topic in self._changed():
            changes = self._changes[topic]
            due = now >= changes.since + CHANGES_WAIT_S
            while self.credit > 1 and changes and (due or len(changes) >= MAX_NAMES):
                self.credit -= 1
                self._flight.left([])
                out.append(Update(epoch=self._epoch, seq=self._next(), entries=[changes.take()]))
            if not changes:
                del self._changes[topic]

    def _take_done(self, out: list[Message]) -> None:
        """A ``done`` leaves when nothing that waited before it is left, and its batch's progress has been told."""
        while self._done and not self.lost and not self._parts.of_items:
            end, since = self._done[0]
            first = min((_oldest(box) for box in (self._items, self._critical) if box), default=None)
            if end.batch in self._dirty or (first is not None and first <= since):
                return
            self._done.popleft()
            self._told.pop(end.batch, None)
            self._flight.ended(end)
            out.append(
                Done(
                    epoch=self._epoch,
                    seq=self._next(),
                    batch=end.batch,
                    ready=end.ready,
                    failed=end.failed,
                    cancelled=end.cancelled,
                    quarantined=end.quarantined,
                    elapsed_ms=end.elapsed_ms,
                    error=end.error,
                    message=end.message,
                )
            )
