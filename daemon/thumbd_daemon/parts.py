"""Snapshots on their way to one session, cut into parts as credit comes. Pure.

A snapshot of a folder grows while it is listed; one of batches and items holds what there was when it was asked for. Of
an item that is told of in between (it is on screen) the snapshot tells the newer state.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from thumbd_protocol.items import Entry, ItemUpdate
from thumbd_protocol.limits import MAX_FRAME_BYTES, MAX_SNAPSHOT_ENTRIES
from thumbd_protocol.replies import Snapshot

from .items import Key
from .snapshots import Holding

#: A part takes no further entry or item once it has so many bytes: a frame of twice the size is refused by clients.
PART_BYTES: Final = MAX_FRAME_BYTES // 2
#: What an entry takes on the wire besides its name and type, at most.
_ENTRY_BYTES: Final = 80


@dataclass
class _Snapshot:
    """What is still to be told of one topic."""

    reply_to: bytes
    entries: deque[Entry] = field(default_factory=deque)
    holding: Holding | None = None
    items: dict[Key, ItemUpdate] = field(default_factory=dict)
    part: int = 0
    complete: bool = False
    error: str | None = None
    message: str | None = None

    @property
    def ready(self) -> bool:
        """Whether a part may leave."""
        return bool(self.entries) or self.complete


def bytes_of(update: ItemUpdate) -> int:
    """What a state takes on the wire, at most."""
    paths = len(update.path) + len(update.thumbnail or b"") + len(update.volatile or b"")
    return paths + 4 * len(update.message or "") + 200


class Parts:
    """The snapshots of one session, by topic."""

    def __init__(self, epoch: bytes) -> None:
        self._epoch = epoch
        self._topics: dict[str | bytes, _Snapshot] = {}
        # Snapshots that were asked for again before their end: who asked first is told that they have ended.
        self._replaced: deque[tuple[str | bytes, _Snapshot]] = deque()

    def __contains__(self, topic: str | bytes) -> bool:
        return topic in self._topics

    def __len__(self) -> int:
        """How many parts there are, about."""
        sizes = (len(one.entries) + len(one.items) for one in self._topics.values())
        return len(self._replaced) + sum(1 + size // MAX_SNAPSHOT_ENTRIES for size in sizes)

    @property
    def of_items(self) -> bool:
        """Whether items are among what is on its way: updates of them wait behind it."""
        return any(one.holding is not None for one in self._topics.values())

    def open(self, reply_to: bytes, topic: str | bytes) -> None:
        """A snapshot whose entries are still to come, in place of what was to be told of the topic."""
        self._topics[topic] = _Snapshot(reply_to)

    def supersede(self, topic: str | bytes) -> None:
        """The topic is asked for anew: whoever waits for what is on its way is told that this is all."""
        before = self._topics.pop(topic, None)
        if before is not None:
            self._replaced.append((topic, _Snapshot(before.reply_to, part=before.part, complete=True)))

    def hold(self, reply_to: bytes, topic: str | bytes, holding: Holding) -> None:
        """A snapshot of items and batches."""
        items = {(item.path, item.flavor): item for item in holding.items}
        self._topics[topic] = _Snapshot(reply_to, holding=holding, items=items, complete=True)

    def drop(self, topic: str | bytes) -> None:
        self._topics.pop(topic, None)

    def clear(self) -> None:
        self._topics.clear()
        self._replaced.clear()

    def entries(self, topic: str | bytes, entries: list[Entry]) -> None:
        if topic in self._topics:
            self._topics[topic].entries.extend(entries)

    def backlog(self, topic: str | bytes) -> int:
        """Entries that have not left yet."""
        return len(self._topics[topic].entries) if topic in self._topics else 0

    def end(self, topic: str | bytes, error: str | None, message: str | None) -> None:
        """No more entries come."""
        if topic in self._topics:
            snapshot = self._topics[topic]
            snapshot.complete, snapshot.error, snapshot.message = True, error, message

    def newer(self, update: ItemUpdate) -> None:
        """This leaves as an update now."""
        key = (update.path, update.flavor)
        for snapshot in self._topics.values():
            if key in snapshot.items:
                snapshot.items[key] = update

    def ready(self) -> str | bytes | None:
        """A topic of which a part may leave now."""
        if self._replaced:
            return self._replaced[0][0]
        return next((topic for topic, snapshot in self._topics.items() if snapshot.ready), None)

    def take(self, topic: str | bytes, seq: int) -> Snapshot:
        """The next part of a topic that is ready."""
        if self._replaced:
            topic, snapshot = self._replaced.popleft()
        else:
            snapshot = self._topics[topic]
        entries = _fitting_entries(snapshot.entries)
        items = _fitting_items(snapshot.items)
        last = snapshot.complete and not snapshot.entries and not snapshot.items
        first = snapshot.holding if snapshot.part == 0 else None
        part = Snapshot(
            epoch=self._epoch,
            seq=seq,
            reply_to=snapshot.reply_to,
            topic=topic,
            part=snapshot.part,
            last=last,
            batches=first.batches if first is not None else [],
            focus=first.focus if first is not None else [],
            items=items,
            entries=entries,
            error=snapshot.error if last else None,
            message=snapshot.message if last else None,
        )
        snapshot.part += 1
        if last and self._topics.get(topic) is snapshot:
            del self._topics[topic]
        return part


def _fitting_entries(waiting: deque[Entry]) -> list[Entry]:
    taken: list[Entry] = []
    size = 0
    while waiting and len(taken) < MAX_SNAPSHOT_ENTRIES and size < PART_BYTES:
        taken.append(waiting.popleft())
        size += len(taken[-1].name) + _ENTRY_BYTES
    return taken


def _fitting_items(waiting: dict[Key, ItemUpdate]) -> list[ItemUpdate]:
    taken: list[ItemUpdate] = []
    size = 0
    for update in islice(waiting.values(), MAX_SNAPSHOT_ENTRIES):
        if size >= PART_BYTES:
            break
        taken.append(update)
        size += bytes_of(update)
    for update in taken:
        del waiting[update.path, update.flavor]
    return taken
