"""Folders after their snapshot: what the watching scout tells becomes the changes that each window is told.

One watch for each folder, shared by all who look at it. It is asked for when a snapshot has ended, and begins with a
scan: the difference between that and what the snapshot told is the first that is told (sizes and times among it), so
nothing that happened in between is missed. When the scout is lost its successor scans again, with the same effect.

A watch has a number for as long as nothing interrupts it; what still comes by an older one is dropped. The scout is
at rest for the pool (it has no task) and gives signs of life when asked; what it was at when it gave none is given to
its successor only after a while, so that other folders go on.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from thumbd_protocol.items import Entry, EntryKind

from . import records
from .hands import Hands
from .mounts import Road
from .pool import Kind, Worker
from .records import Record, Unwatch, Watch
from .sentences import shown
from .sessions import Session

log = logging.getLogger(__name__)

#: A folder that the scout was lost over is watched again after so long, twice as long each time, in seconds.
_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 600.0

Topic = str | bytes


@dataclass(eq=False)
class _View:
    """One window's interest. `told` is what it knows of, by name; None while its snapshot is on its way."""

    session: Session
    topic: Topic
    told: dict[bytes, Entry] | None = None


@dataclass(eq=False)
class _Watched:
    """A folder. `scout` tells of it under the number `job`; `seen` are the names of a scan under way. `lost` counts the
    scouts that were lost over it since it was scanned last, and it is not watched again before `pause`."""

    path: bytes
    views: list[_View] = field(default_factory=list)
    scout: Worker | None = None
    job: int = 0
    seen: set[bytes] | None = None
    lost: int = 0
    pause: float = 0.0
    trouble: str = ""

    def readers(self) -> Iterator[tuple[_View, dict[bytes, Entry]]]:
        """Those who are told of changes, and what they know of."""
        return ((view, view.told) for view in self.views if view.told is not None)


class Watches:
    """All watched folders."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._folders: dict[bytes, _Watched] = {}
        self._jobs: dict[int, _Watched] = {}

    def __len__(self) -> int:
        return len(self._folders)

    # -- who looks at what ------------------------------------------------------------------------------------

    def subscribed(self, session: Session, topic: Topic, path: bytes) -> None:
        """A window is being told what is in a folder."""
        self.unsubscribed(session, topic)
        self._folders.setdefault(path, _Watched(path)).views.append(_View(session, topic))
        self._hands.pool.wanted[Kind.WATCHING] = 1

    def listed(self, session: Session, topic: Topic, told: dict[bytes, Entry]) -> None:
        """The snapshot has ended: `told` is what was in it (taken over, not copied)."""
        for folder in self._folders.values():
            for view in folder.views:
                if view.session is session and view.topic == topic:
                    view.told = told
                    # What was told by a scan or change may be older than the listing, so all is scanned once more.
                    self._stop(folder)
                    return

    def unsubscribed(self, session: Session, topic: Topic) -> None:
        self._drop(lambda view: view.session is session and view.topic == topic)

    def stop_unwanted(self) -> None:
        """A session has ended."""
        self._drop(lambda view: view.topic not in view.session.topics)

    def _drop(self, which: Callable[[_View], bool]) -> None:
        for folder in list(self._folders.values()):
            folder.views = [view for view in folder.views if not which(view)]
            if not folder.views:
                self._stop(folder)
                del self._folders[folder.path]
        if not self._folders and self._hands.pool.wanted.get(Kind.WATCHING):
            self._hands.pool.wanted[Kind.WATCHING] = 0
            for scout in self._hands.pool.of(Kind.WATCHING):
                scout.since = self._hands.clock()  # it rests from now on: the next folder may come soon

    def _stop(self, folder: _Watched) -> None:
        if folder.scout is not None:
            self._hands.crew.send(folder.scout, Unwatch(folder.job))
        self._forget(folder)

    def _forget(self, folder: _Watched) -> None:
        self._jobs.pop(folder.job, None)
        folder.scout, folder.job, folder.seen = None, 0, None

    # -- the scout --------------------------------------------------------------------------------------------

    def give(self) -> None:
        """Have folders watched that are not yet and can be. One that waits for time to pass is found within seconds:
        the scout's signs of life bring a turn each."""
        scout = self._hands.pool.idle(Kind.WATCHING)
        if scout is None:
            return
        now, mounts = self._hands.clock(), self._hands.mounts
        for folder in self._folders.values():
            if folder.scout is not None or now < folder.pause or not any(True for _ in folder.readers()):
                continue
            if mounts.road(mounts.of(folder.path + b"/.")) is Road.CLEAR:
                folder.scout, folder.job = scout, self._hands.number()
                self._jobs[folder.job] = folder
                self._hands.crew.send(scout, Watch(folder.job, folder.path))

    def lost(self, scout: Worker) -> None:
        """The scout is gone; where it was at waits, with all that lies on the same mount, if it hung there."""
        now, mounts = self._hands.clock(), self._hands.mounts
        for folder in [f for f in self._folders.values() if f.scout is scout]:
            if folder.path == scout.file:
                folder.lost += 1
                if scout.killed_for is not None or folder.lost > 1:
                    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (folder.lost - 1))
                    log.warning("%s is not watched for %.0f s: the scout was lost there", shown(folder.path), pause)
                    hung = mounts.of(folder.path + b"/.")
                    for other in self._folders.values():
                        if mounts.of(other.path + b"/.") == hung:
                            other.pause = now + pause
            self._forget(folder)

    def on_record(self, scout: Worker, record: Record) -> None:
        """What the scout tells."""
        folder = self._jobs.get(getattr(record, "job", 0))
        if isinstance(record, records.At):
            scout.file = folder.path if folder is not None else None
            scout.since = self._hands.clock()
            return
        if folder is None or folder.scout is not scout:
            return  # nobody looks at it any more, or it is scanned anew
        match record:
            case records.Scanning():
                folder.seen = set()
            case records.Present(names=names):
                self._present(folder, names)
            case records.Scanned():
                self._scanned(folder)
            case records.Changed():
                self._renamed(folder, record.renamed)
                self._gone(folder, record.gone)
                self._present(folder, record.present)
            case records.WatchFailed(message=message):
                if message != folder.trouble:
                    folder.trouble = message
                    log.warning("%s", message)

    # -- what they are told -----------------------------------------------------------------------------------

    def _present(self, folder: _Watched, names: list[records.State]) -> None:
        now = self._hands.clock()
        entries = [Entry(name, EntryKind(kind), size, mtime, mime or None) for name, kind, mime, size, mtime in names]
        if folder.seen is not None:
            folder.seen.update(entry.name for entry in entries)
        for view, told in folder.readers():
            changes = view.session.outbox.changes(view.topic, folder.path, now)
            for entry in entries:
                known = told.get(entry.name)
                if known == entry:
                    continue
                told[entry.name] = entry
                if known is None:
                    changes.add(entry)
                else:
                    changes.change(entry)

    def _gone(self, folder: _Watched, names: list[bytes]) -> None:
        now = self._hands.clock()
        for view, told in folder.readers():
            changes = view.session.outbox.changes(view.topic, folder.path, now)
            for name in names:
                if told.pop(name, None) is not None:
                    changes.remove(name)

    def _renamed(self, folder: _Watched, names: list[tuple[bytes, bytes]]) -> None:
        now = self._hands.clock()
        for old, new in names:
            if folder.seen is not None and old in folder.seen:
                folder.seen.add(new)
        for view, told in folder.readers():
            changes = view.session.outbox.changes(view.topic, folder.path, now)
            for old, new in names:
                entry = told.pop(old, None)
                if entry is None:
                    continue  # it came and was renamed at once: told under its last name, as present
                if told.pop(new, None) is not None:
                    changes.remove(new)
                told[new] = replace(entry, name=new)
                changes.rename(old, told[new])

    def _scanned(self, folder: _Watched) -> None:
        seen, folder.seen, folder.lost = folder.seen, None, 0
        if seen is None:
            return
        now = self._hands.clock()
        for view, told in folder.readers():
            changes = view.session.outbox.changes(view.topic, folder.path, now)
            for name in [name for name in told if name not in seen]:
                del told[name]
                changes.remove(name)
