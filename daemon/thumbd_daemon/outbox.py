"""All that waits to be said to one session. Pure; `now` is monotonic seconds.

Answers, notices and ``done`` are free; ``update`` and snapshot parts cost a credit each. Without credit the outbox
coalesces: of each item only the newest state, of each batch only the newest progress, of each folder what has changed
since it was last told. One unit of credit is kept for what is on screen. `seq` is given when a message leaves, so that
there are no holes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import Entry, ItemUpdate, Progress
from thumbd_protocol.limits import MAX_CREDIT, MAX_FRAME_BYTES, MAX_SNAPSHOT_ENTRIES, MAX_UPDATE_ITEMS
from thumbd_protocol.replies import Done, Notice, Snapshot, Update
from thumbd_protocol.requests import Message

from .batches import BatchEnd
from .changes import MAX_NAMES, Changes
from .items import Key

#: How long an item's state may wait for company, in seconds: on screen, and elsewhere.
CRITICAL_WAIT_S: Final = 0.016
WAIT_S: Final = 0.1
#: The same for what changed in a folder: the scout that watches it has gathered it for a tenth of a second already.
CHANGES_WAIT_S: Final = 0.016
#: Between two tellings of a batch's progress, in seconds; its first and last are told at once.
PROGRESS_S: Final = 0.1
#: An update takes no further item once it has so many bytes: a frame of twice the size is refused by clients.
_UPDATE_BYTES: Final = MAX_FRAME_BYTES // 2


@dataclass
class _Snapshot:
    """A snapshot on its way: what is still to be told of it."""

    reply_to: bytes
    topic: str | bytes
    entries: deque[Entry] = field(default_factory=deque)
    part: int = 0
    complete: bool = False
    error: str | None = None
    message: str | None = None


def _oldest(box: dict[Key, tuple[float, ItemUpdate]]) -> float:
    """Since when the first of them waits; one that became urgent later stands behind newer ones."""
    return min(since for since, _update in box.values())


def _most_bytes(update: ItemUpdate) -> int:
    """What a state takes on the wire, at most."""
    paths = len(update.path) + len(update.thumbnail or b"") + len(update.volatile or b"")
    return paths + 4 * len(update.message or "") + 200


class Outbox:
    """What one session is still to be told. `credit` is how many updates and parts it will take now."""

    def __init__(self, epoch: bytes, credit: int) -> None:
        self._epoch = epoch
        self.credit = credit
        self.seq = 0
        self._free: deque[Message] = deque()
        self._notices: deque[tuple[str, str]] = deque()
        self._items: dict[Key, tuple[float, ItemUpdate]] = {}
        self._critical: dict[Key, tuple[float, ItemUpdate]] = {}
        self._dirty: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._done: deque[tuple[BatchEnd, float]] = deque()
        self._snapshots: dict[str | bytes, _Snapshot] = {}
        self._changes: dict[str | bytes, Changes] = {}

    def __len__(self) -> int:
        parts = sum(1 + len(s.entries) // MAX_SNAPSHOT_ENTRIES for s in self._snapshots.values())
        parts += sum(-(-len(changes) // MAX_NAMES) for changes in self._changes.values())
        waiting = len(self._free) + len(self._notices) + len(self._done)
        return waiting + len(self._items) + len(self._critical) + len(self._dirty) + parts

    @property
    def unread(self) -> int:
        """Answers that have not left."""
        return len(self._free)

    # -- in ---------------------------------------------------------------------------------------------------

    def add_credit(self, count: int) -> None:
        self.credit = min(MAX_CREDIT, self.credit + count)

    def answer(self, message: Message) -> None:
        self._free.append(message)

    def notice(self, kind: str, message: str) -> None:
        self._notices.append((kind, message))

    def item(self, update: ItemUpdate, critical: bool, now: float) -> None:
        """The newest state of an item. An older one that still waits is replaced, keeping its place and urgency."""
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
        elif update.state.final or not old[1].state.final:
            box[key] = (old[0], update)

    def progress(self, batch: str, now: float) -> None:
        """The counts of a batch have changed."""
        self._dirty.setdefault(batch, now)

    def done(self, end: BatchEnd, now: float) -> None:
        """A batch has ended; told behind its last item and progress."""
        self._dirty.setdefault(end.batch, now)
        self._told.pop(end.batch, None)
        self._done.append((end, now))

    def open_snapshot(self, reply_to: bytes, topic: str | bytes) -> None:
        """All of a topic is told anew, in place of whatever was still to be told of it."""
        self._snapshots[topic] = _Snapshot(reply_to, topic)
        self._changes.pop(topic, None)

    def drop_snapshot(self, topic: str | bytes) -> None:
        """A topic is told no further."""
        self._snapshots.pop(topic, None)
        self._changes.pop(topic, None)

    def entries(self, topic: str | bytes, entries: list[Entry]) -> None:
        snapshot = self._snapshots.get(topic)
        if snapshot is not None:
            snapshot.entries.extend(entries)

    def backlog(self, topic: str | bytes) -> int:
        """Entries of a snapshot that have not left yet."""
        snapshot = self._snapshots.get(topic)
        return len(snapshot.entries) if snapshot is not None else 0

    def end_snapshot(self, topic: str | bytes, error: str | None, message: str | None) -> None:
        snapshot = self._snapshots.get(topic)
        if snapshot is not None:
            snapshot.complete, snapshot.error, snapshot.message = True, error, message

    def changes(self, topic: str | bytes, folder: bytes, now: float) -> Changes:
        """What is still to be told of a folder's changes, for the caller to put more in; it leaves behind the topic's
        snapshot."""
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
            times.append(_oldest(self._critical) + CRITICAL_WAIT_S)
        if self.credit > 1:
            if self._items:
                times.append(next(iter(self._items.values()))[0] + WAIT_S)
            times += [self._changes[topic].since + CHANGES_WAIT_S for topic in self._changed()]
            times += [self._told.get(batch, now - PROGRESS_S) + PROGRESS_S for batch in self._dirty]
        return min(times, default=None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _critical_due(self, now: float) -> bool:
        box = self._critical
        return bool(box) and (len(box) >= MAX_UPDATE_ITEMS or now >= _oldest(box) + CRITICAL_WAIT_S)

    def _items_due(self, now: float) -> bool:
        box = self._items
        if not box:
            return False
        return bool(self._done) or len(box) >= MAX_UPDATE_ITEMS or now >= next(iter(box.values()))[0] + WAIT_S

    def _progress_due(self, now: float) -> bool:
        return any(now >= self._told.get(batch, now - PROGRESS_S) + PROGRESS_S for batch in self._dirty)

    def _update(
        self, box: dict[Key, tuple[float, ItemUpdate]], now: float, progress_of: Callable[[str], Progress | None]
    ) -> Update:
        items: list[ItemUpdate] = []
        size = 0
        while box and len(items) < MAX_UPDATE_ITEMS and size < _UPDATE_BYTES:
            items.append(box.pop(next(iter(box)))[1])
            size += _most_bytes(items[-1])
        progress: list[Progress] = []
        for batch in list(self._dirty):
            if now >= self._told.get(batch, now - PROGRESS_S) + PROGRESS_S:
                del self._dirty[batch]
                self._told[batch] = now
                found = progress_of(batch)
                if found is not None:
                    progress.append(found)
        self.credit -= 1
        return Update(epoch=self._epoch, seq=self._next(), items=items, progress=progress)

    def _take_parts(self, out: list[Message]) -> None:
        for snapshot in list(self._snapshots.values()):
            while self.credit > 1 and (snapshot.entries or snapshot.complete):
                count = min(len(snapshot.entries), MAX_SNAPSHOT_ENTRIES)
                entries = [snapshot.entries.popleft() for _ in range(count)]
                last = snapshot.complete and not snapshot.entries
                self.credit -= 1
                out.append(
                    Snapshot(
                        epoch=self._epoch,
                        seq=self._next(),
                        reply_to=snapshot.reply_to,
                        topic=snapshot.topic,
                        part=snapshot.part,
                        last=last,
                        entries=entries,
                        error=snapshot.error if last else None,
                        message=snapshot.message if last else None,
                    )
                )
                snapshot.part += 1
                if last:
                    del self._snapshots[snapshot.topic]
                    break

    def _changed(self) -> list[str | bytes]:
        """The topics whose changes may be told: a snapshot on its way goes before them."""
        return [topic for topic, changes in self._changes.items() if changes and topic not in self._snapshots]

    def _take_changes(self, out: list[Message], now: float) -> None:
        for topic in self._changed():
            changes = self._changes[topic]
            due = now >= changes.since + CHANGES_WAIT_S
            while self.credit > 1 and changes and (due or len(changes) >= MAX_NAMES):
                self.credit -= 1
                out.append(Update(epoch=self._epoch, seq=self._next(), entries=[changes.take()]))
            if not changes:
                del self._changes[topic]

    def _take_done(self, out: list[Message]) -> None:
        """A ``done`` leaves when nothing that waited before it is left, and its batch's progress has been told."""
        while self._done:
            end, since = self._done[0]
            first = min((_oldest(box) for box in (self._items, self._critical) if box), default=None)
            if end.batch in self._dirty or (first is not None and first <= since):
                return
            self._done.popleft()
            self._told.pop(end.batch, None)
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
