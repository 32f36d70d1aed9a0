"""A folder that is watched, and who looks at it: each is told the difference between what it knows and what the scout
says. Pure but for the sessions' outboxes; `now` is monotonic seconds.
"""

from dataclasses import dataclass, field

from thumbd_protocol.items import Entry, EntryKind

from . import records
from .changes import Changes
from .known import Known, Novelty
from .pool import Worker
from .sessions import Session

Topic = str | bytes


@dataclass(eq=False)
class View:
    """One window's interest. `told` is what it knows of; None while its snapshot is on its way, or if it is told of no
    changes since there are too many names."""

    session: Session
    topic: Topic
    told: Known | None = None


@dataclass(eq=False)
class Watched:
    """A folder, with all below it when it is `recursive`. `scout` tells of it under the number `job`; `seen` are the
    names of a scan under way, and in the folders `unknown` it could not see them. `rescanned` while the kernel does not
    tell all of it.

    `lost` counts the scouts that were lost over it since it was scanned last, and it is not watched again before
    `pause`; `skip` are the mounts below where one hung.
    """

    path: bytes
    recursive: bool = False
    views: list[View] = field(default_factory=list)
    scout: Worker | None = None
    job: int = 0
    seen: set[bytes] | None = None
    unknown: list[bytes] = field(default_factory=list)
    rescanned: bool = False
    lost: int = 0
    pause: float = 0.0
    skip: list[bytes] = field(default_factory=list)
    trouble: str = ""

    def readers(self) -> list[tuple[Known, list[View]]]:
        """Those who are told of changes, by what they know of."""
        found: dict[int, tuple[Known, list[View]]] = {}
        for view in self.views:
            if view.told is not None:
                found.setdefault(id(view.told), (view.told, []))[1].append(view)
        return list(found.values())

    def on_record(self, record: records.Record, now: float) -> None:
        """What the scout says of it."""
        match record:
            case records.Scanning(rescanned=rescanned):
                self.seen, self.unknown = set(), []
                self._rescanned(rescanned, now)
            case records.Present(names=names):
                self._present(names, now)
            case records.Unknown(folders=folders):
                self.unknown += folders
            case records.Scanned(rescanned=rescanned):
                self._scanned(now)
                self._rescanned(rescanned, now)
            case records.Changed():
                self._renamed(record.renamed, now)
                self._gone(record.gone, now)
                self._present(record.present, now)

    def _changes(self, views: list[View], now: float) -> list[Changes]:
        """What each of these is still to be told, for more to be put in."""
        found = [view.session.outbox.changes(view.topic, self.path, now) for view in views]
        for changes in found:
            changes.rescanned = changes.rescanned or self.rescanned
        return found

    def _present(self, names: list[records.State], now: float) -> None:
        entries = [Entry(name, EntryKind(kind), size, mtime, mime or None) for name, kind, mime, size, mtime in names]
        if self.seen is not None:
            self.seen.update(entry.name for entry in entries)
        for told, views in self.readers():
            waiting = self._changes(views, now)
            for entry in entries:
                novelty = told.put(entry)
                for changes in waiting if novelty is not Novelty.SAME else ():
                    if novelty is Novelty.NEW:
                        changes.add(entry)
                    else:
                        changes.change(entry)

    def _gone(self, names: list[bytes], now: float) -> None:
        for told, views in self.readers():
            waiting = self._changes(views, now)
            for gone in names:
                for name in told.pop(gone):
                    for changes in waiting:
                        changes.remove(name)

    def _renamed(self, names: list[tuple[bytes, bytes]], now: float) -> None:
        for told, views in self.readers():
            waiting = self._changes(views, now)
            for old, new in names:
                if old not in told:
                    continue  # it came and was renamed at once: told under its last name, as present
                replaced, moved = told.pop(new), told.rename(old, new)
                if self.seen is not None:
                    self.seen |= {entry.name for before, entry in moved if before in self.seen}
                for changes in waiting:
                    for name in replaced:
                        changes.remove(name)
                    for before, entry in moved:
                        changes.rename(before, entry)

    def _scanned(self, now: float) -> None:
        seen, self.seen, self.lost = self.seen, None, 0
        if seen is None:
            return
        inside = tuple(below + b"/" for below in self.unknown)
        for told, views in self.readers():
            waiting = self._changes(views, now)
            for name in [name for name in told if name not in seen and not name.startswith(inside)]:
                told.forget(name)
                for changes in waiting:
                    changes.remove(name)
        if not inside:
            self._share()

    def _share(self) -> None:
        """After a scan they all know the same: it is kept once."""
        for told, _views in self.readers()[:1]:
            for view in self.views:
                view.told = told if view.told is not None else None

    def _rescanned(self, rescanned: bool, now: float) -> None:
        """Whether what is told from now on is found by reading the folder again; that it is so is told by itself."""
        if rescanned and not self.rescanned:
            for _told, views in self.readers():
                for changes in self._changes(views, now):
                    changes.note_rescanned()
        self.rescanned = rescanned
