"""Folders and trees after their snapshot: what the watching scout tells becomes the changes that each window is told.

One watch for each folder, shared by all who look at it; what they are told is in ``watched``. It is asked for when a
snapshot has ended, and begins with a scan: the difference between that and what the snapshot told is the first that is
told (sizes and times among it), so nothing that happened in between is missed. When the scout is lost its successor
scans again, with the same effect.

A watch has a number for as long as nothing interrupts it; what still comes by an older one is dropped. The scout is
at rest for the pool (it has no task) and gives signs of life when asked; what it was at when it gave none is given to
its successor only after a while, so that other folders go on.
"""

import logging
from collections.abc import Callable
from typing import Final

from . import records
from .hands import Hands
from .known import MAX_NAMES, Known
from .mounts import Road
from .pool import Kind, Worker
from .records import Record, Unwatch, Watch
from .sentences import about, shown
from .sessions import Session
from .watched import Topic, View, Watched

log = logging.getLogger(__name__)

#: A folder that the scout was lost over is watched again after so long, twice as long each time, in seconds.
_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 600.0
#: So many mounts below a folder are looked out for.
_MAX_MOUNTS: Final = 100


class Watches:
    """All watched folders."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._folders: dict[tuple[bytes, bool], Watched] = {}
        self._jobs: dict[int, Watched] = {}
        # Where the scout has gone: a folder, and the mount below that it is at.
        self._turned: tuple[Worker, Watched, bytes] | None = None

    def __len__(self) -> int:
        return len(self._folders)

    # -- who looks at what ------------------------------------------------------------------------------------

    def subscribed(self, session: Session, topic: Topic, path: bytes, recursive: bool = False) -> None:
        """A window is being told what is in a folder, and below it when it is `recursive`."""
        self.unsubscribed(session, topic)
        folder = self._folders.setdefault((path, recursive), Watched(path, recursive))
        folder.views.append(View(session, topic))
        self._hands.pool.wanted[Kind.WATCHING] = 1

    def listed(self, session: Session, topic: Topic, told: Known | None) -> str | None:
        """The snapshot has ended: `told` is what was in it (taken over, not copied). A sentence if what changes from
        now on is not told, since that were too many names to remember."""
        found = ((folder, view) for folder in self._folders.values() for view in folder.views)
        for folder, view in found:
            if view.session is session and view.topic == topic:
                if told is None or len(told) + self._names(folder) > MAX_NAMES:
                    cause = (
                        f"has too many names to tell what changes there; no more than {MAX_NAMES} are watched in all"
                    )
                    return about(folder.path, cause)
                view.told = told
                folder.skip.clear()  # who asks anew may find that it answers again
                # What was told by a scan or change may be older than the listing, so all is scanned once more.
                self._stop(folder)
        return None

    def _names(self, but: Watched) -> int:
        """How many names are remembered of other folders."""
        others = (folder for folder in self._folders.values() if folder is not but)
        return sum(len(told) for folder in others for told, _views in folder.readers())

    def unsubscribed(self, session: Session, topic: Topic) -> None:
        self._drop(lambda view: view.session is session and view.topic == topic)

    def stop_unwanted(self) -> None:
        """A session has ended."""
        self._drop(lambda view: view.topic not in view.session.topics)

    def _drop(self, which: Callable[[View], bool]) -> None:
        for folder in list(self._folders.values()):
            folder.views = [view for view in folder.views if not which(view)]
            if not folder.views:
                self._stop(folder)
                del self._folders[folder.path, folder.recursive]
        if not self._folders and self._hands.pool.wanted.get(Kind.WATCHING):
            self._hands.pool.wanted[Kind.WATCHING] = 0
            for scout in self._hands.pool.of(Kind.WATCHING):
                scout.since = self._hands.clock()  # it rests from now on: the next folder may come soon

    def _stop(self, folder: Watched) -> None:
        if folder.scout is not None:
            self._hands.crew.send(folder.scout, Unwatch(folder.job))
        self._forget(folder)

    def _forget(self, folder: Watched) -> None:
        self._jobs.pop(folder.job, None)
        folder.scout, folder.job, folder.seen, folder.unknown = None, 0, None, []

    # -- the scout --------------------------------------------------------------------------------------------

    def give(self) -> None:
        """Have folders watched that are not yet and can be. One that waits for time to pass is found within seconds:
        the scout's signs of life bring a turn each."""
        scout = self._hands.pool.idle(Kind.WATCHING)
        if scout is None:
            return
        now, mounts = self._hands.clock(), self._hands.mounts
        for folder in self._folders.values():
            if folder.scout is not None or now < folder.pause or not folder.readers():
                continue
            if mounts.road(mounts.of(folder.path + b"/.")) is Road.CLEAR:
                folder.scout, folder.job = scout, self._hands.number()
                self._jobs[folder.job] = folder
                below = mounts.below(folder.path)[:_MAX_MOUNTS]
                self._hands.crew.send(scout, Watch(folder.job, folder.path, folder.recursive, below, folder.skip))

    def lost(self, scout: Worker) -> None:
        """The scout is gone; where it was at waits, with all that lies on the same mount, if it hung there."""
        if self._turned is not None and self._turned[0] is scout:
            _scout, folder, mount = self._turned
            self._turned = None
            if folder.scout is scout:
                self._blame(scout, folder, mount)
        for folder in [f for f in self._folders.values() if f.scout is scout]:
            self._forget(folder)

    def _blame(self, scout: Worker, folder: Watched, mount: bytes) -> None:
        folder.lost += 1
        if scout.killed_for is None and folder.lost < 2:
            return  # somebody may have killed it, once
        now, mounts = self._hands.clock(), self._hands.mounts
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (folder.lost - 1))
        if mount:
            folder.skip.append(mount)
            log.warning("%s is watched without %s: the scout was lost there", shown(folder.path), shown(mount))
        else:
            log.warning("%s is not watched for %.0f s: the scout was lost there", shown(folder.path), pause)
        hung = mount or mounts.of(folder.path + b"/.")
        for other in self._folders.values():
            if mounts.of(other.path + b"/.") == hung:
                other.pause = now + pause

    def on_record(self, scout: Worker, record: Record) -> None:
        """What the scout tells."""
        folder = self._jobs.get(getattr(record, "job", 0))
        if isinstance(record, records.At):
            self._turned = (scout, folder, record.mount) if folder is not None else None
            scout.file = record.mount or folder.path if folder is not None else None
            scout.since = self._hands.clock()
            return
        if folder is None or folder.scout is not scout:
            return  # nobody looks at it any more, or it is scanned anew
        if isinstance(record, records.WatchFailed):
            if record.message != folder.trouble:
                folder.trouble = record.message
                log.warning("%s", record.message)
        else:
            folder.on_record(record, self._hands.clock())
        if isinstance(record, records.Present | records.Changed) and len(self._hands.jobs.views):
            told = record.names if isinstance(record, records.Present) else record.present
            states = {name: (size, mtime) for name, _kind, _mime, size, mtime in told}
            self._hands.jobs.views.found(folder.path, states, self._hands.clock())
