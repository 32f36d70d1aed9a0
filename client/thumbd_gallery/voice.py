"""The thread that talks with the daemon: makes, uses and closes the connection, and tells what it hears as signals.

Lists in signals have at most 500 members, and at most two are under way to the windows at a time, so between them keys
and paint get their turn. The daemon's credit is given back only when the windows have dealt with all lists of a
message: a window that can't keep up slows the daemon's telling instead of filling the event queue.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final

import zmq
from PyQt6.QtCore import QObject, QThread, pyqtSignal

from thumbd_client.connection import Connection, Phase
from thumbd_client.events import Connected, Disconnected, Event, Refused
from thumbd_protocol.items import Entry, EntryKind, FolderChange, ItemUpdate, Progress
from thumbd_protocol.replies import Done, Notice, Snapshot, Update

from .model import Change, Listing
from .order import Naming, Row, join

#: Things in one signal.
MAX_LIST: Final = 500
#: How often a daemon that somebody else starts is looked for, in seconds, when we start none.
_LOOK_S: Final = 2.0
_POLL_S: Final = 1.0
#: Lists under way to the windows: one being dealt with, one waiting behind it.
_UNDER_WAY: Final = 2

Step = Callable[[Connection], object]


class Daemon(Enum):
    """How things stand with the daemon."""

    STARTING = auto()
    OK = auto()
    DEGRADED = auto()  # it works, but not as it should
    AWAY = auto()  # gone, and looked for
    STOPPED = auto()  # it was told to leave; none is started until the user says so
    REFUSED = auto()  # none can be had


@dataclass(frozen=True)
class Standing:
    """How things stand, and why: `reason` is a sentence, empty when all is well."""

    daemon: Daemon
    reason: str = ""


@dataclass(frozen=True)
class Parcel:
    """A list for the windows, and the credit that is due when they have dealt with it; `turn`: of which connection."""

    emit: Callable[[], None]
    credit: int
    turn: int


class Voice(QThread):
    """The loop: says what is left in the queue, hears what comes, tells it as signals."""

    listed = pyqtSignal(object)
    changed = pyqtSignal(object)
    told = pyqtSignal(list)
    progressed = pyqtSignal(list)
    ended = pyqtSignal(object)
    stood = pyqtSignal(object)
    #: Behind each list: when this arrives, the windows have dealt with it.
    delivered = pyqtSignal(object)

    def __init__(
        self, connect: Callable[[], Connection], wake: "zmq.Socket[bytes]", steps: "deque[Step]", parent: QObject
    ) -> None:
        super().__init__(parent)
        self._connect, self._wake, self._steps = connect, wake, steps
        self.turn = 0
        self._stopped = False
        self._may_start = False
        self._looked_at = 0.0
        self._refused = False
        self._parcels: deque[Parcel] = deque()
        self._under_way = 0

    def run(self) -> None:
        self._naming = Naming()
        connection = self._connect()
        connection.session.subscribe("system")
        self._may_start = connection.finder.autostart
        try:
            while not self.isInterruptionRequested():
                for event in connection.poll(_LOOK_S if self._refused else _POLL_S, also=self._wake):
                    self._hear(connection, event)
                while self._wake.poll(0):
                    self._wake.recv(zmq.DONTWAIT)
                while self._steps:
                    self._steps.popleft()(connection)
                self.deliver()
                self._look_quietly(connection)
        finally:
            connection.close()
            self._wake.close(linger=0)

    def start_again(self, connection: Connection) -> None:
        """The user wants a daemon: one may be started again."""
        self._stopped = self._refused = False
        connection.finder.autostart = self._may_start
        connection.try_again()
        self.stood.emit(Standing(Daemon.STARTING))

    def _look_quietly(self, connection: Connection) -> None:
        """After a refusal nothing is started, but a daemon that comes up is found."""
        now = time.monotonic()
        if connection.phase is Phase.GIVEN_UP and now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            connection.finder.autostart = False
            connection.try_again()

    def _hear(self, connection: Connection, event: Event) -> None:
        match event:
            case Connected():
                self.turn += 1
                self._refused = self._stopped = False
                connection.finder.autostart = self._may_start
                self.stood.emit(Standing(Daemon.OK))
            case Disconnected():
                self.stood.emit(Standing(Daemon.STOPPED if self._stopped else Daemon.AWAY, event.reason))
            case Refused():
                if not self._refused and not self._stopped:
                    self.stood.emit(Standing(Daemon.REFUSED, event.reason))
                self._refused = True
                self._looked_at = time.monotonic()
            case Notice(kind="draining"):
                self._stopped = True
                connection.finder.autostart = False
                self.stood.emit(Standing(Daemon.STOPPED, event.message))
            case Notice(kind="degraded"):
                self.stood.emit(Standing(Daemon.DEGRADED, event.message))
            case Notice(kind="recovered"):
                self.stood.emit(Standing(Daemon.OK))
            case Snapshot():
                lists = [partial(self.listed.emit, listing) for listing in self._listings(event)]
                self.send(lists + self._items(event.items, [batch.progress for batch in event.batches]))
            case Update():
                lists = [partial(self.changed.emit, c) for change in event.entries for c in self._changes(change)]
                self.send(lists + self._items(event.items, event.progress))
            case Done():
                self.send([partial(self.ended.emit, event)], credit=0)

    def send(self, emits: Sequence[Callable[[], None]], credit: int = 1) -> None:
        """Have these told in order; behind the last one the daemon has `credit` units back."""
        emits = emits or [lambda: None]
        self._parcels.extend(Parcel(emit, 0, self.turn) for emit in emits[:-1])
        self._parcels.append(Parcel(emits[-1], credit, self.turn))

    def deliver(self) -> None:
        """Tell what waits, as far as the windows keep up."""
        while self._parcels and self._under_way < _UNDER_WAY:
            parcel = self._parcels.popleft()
            self._under_way += 1
            parcel.emit()
            self.delivered.emit(parcel)

    def arrived(self, parcel: Parcel, connection: Connection) -> None:
        """The windows have dealt with `parcel`."""
        self._under_way -= 1
        # What was owed to a connection that is gone is not owed to the next.
        if parcel.credit and parcel.turn == self.turn:
            connection.session.processed(parcel.credit)

    def _items(self, items: Sequence[ItemUpdate], progress: list[Progress]) -> list[Callable[[], None]]:
        """How items stand and how far batches are, from an update or a snapshot of them."""
        starts = range(0, len(items), MAX_LIST)
        lists: list[Callable[[], None]] = [partial(self.told.emit, items[start : start + MAX_LIST]) for start in starts]
        return [*lists, partial(self.progressed.emit, progress)] if progress else lists

    def _listings(self, part: Snapshot) -> Iterator[Listing]:
        folder = folder_of(part.topic)
        if folder is None:
            return
        starts = range(0, max(1, len(part.entries)), MAX_LIST)
        for start in starts:
            rows, others = self._naming.rows(folder, part.entries[start : start + MAX_LIST])
            last = part.last and start == starts[-1]
            error, message = (part.error, part.message) if last else (None, None)
            yield Listing(folder, part.reply_to, rows, others, last, error, message)

    def _changes(self, change: FolderChange) -> Iterator[Change]:
        """What has happened in a folder, in order; in one piece unless that is too long."""
        folder = change.folder

        def row(name: bytes) -> Row:
            return self._naming.row(folder, Entry(name, EntryKind.OTHER))

        whole = Change(
            folder,
            removed=[join(folder, name) for name in change.removed],
            renamed=[(join(folder, old), row(new)) for old, new in change.renamed],
            added=[self._naming.row(folder, entry) for entry in change.added],
            changed=[self._naming.row(folder, entry) for entry in change.changed],
        )
        if len(whole.removed) + len(whole.renamed) + len(whole.added) + len(whole.changed) <= MAX_LIST:
            yield whole
            return
        for start in range(0, len(whole.removed), MAX_LIST):
            yield Change(folder, removed=whole.removed[start : start + MAX_LIST])
        for start in range(0, len(whole.renamed), MAX_LIST):
            yield Change(folder, renamed=whole.renamed[start : start + MAX_LIST])
        for start in range(0, len(whole.added), MAX_LIST):
            yield Change(folder, added=whole.added[start : start + MAX_LIST])
        for start in range(0, len(whole.changed), MAX_LIST):
            yield Change(folder, changed=whole.changed[start : start + MAX_LIST])


def folder_of(topic: str | bytes) -> bytes | None:
    """The folder that a topic is about; None for other topics."""
    raw = topic if isinstance(topic, bytes) else topic.encode()
    return raw.removeprefix(b"folder:") if raw.startswith(b"folder:") else None
