"""One folder that is watched: scanned step by step, its changed names looked at again, told as records.

What changes is gathered for a moment, then each name is looked at anew: what is told is how things are, not what the
kernel said had happened. So an event too many costs a look, and one too few is made good by the next scan.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import Final

from ..records import Changed, Present, Record, Scanned, Scanning, State, WatchFailed
from ..sentences import about, cause_of
from .listing import kind_of, why_not

#: Changes wait so long for company, in seconds.
GATHER_S: Final = 0.1
#: A record is told when it holds so many bytes of names, or after so long (a slow disk), in seconds. Small: a sign of
#: life may be asked for in between, and the daemon takes no long turn over one.
_CHUNK_BYTES: Final = 16 << 10
_CHUNK_S: Final = 0.05
#: What a name takes in a record besides its bytes and type, at most.
_NAME_BYTES: Final = 32
#: A folder that can't be opened for one of these reasons is not there: neither is anything in it.
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
#: For one of these it can't be watched nor read, which the scan tells.
UNREADABLE: Final = _ABSENT | {errno.EACCES, errno.EPERM}


class _Looked:
    """A name that has been looked at, for `kind_of`."""

    def __init__(self, name: bytes, path: bytes, mode: int) -> None:
        self.name, self.path, self._mode = name, path, mode

    def is_dir(self) -> bool:
        return stat.S_ISDIR(self._mode)

    def is_file(self) -> bool:
        return stat.S_ISREG(self._mode)


def look_at(folder: bytes, name: bytes) -> State | None:
    """How `name` is now, links followed; None when it is not there (any more)."""
    path = os.path.join(folder, name)
    try:
        found = os.stat(path)
    except OSError:
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            pass  # it is there, as far as can be seen: like a link that leads nowhere, it is no picture for us
        return name, "other", "", None, None
    kind, mime = kind_of(_Looked(name, path, found.st_mode))
    if not stat.S_ISREG(found.st_mode):
        return name, kind, mime, None, None
    return name, kind, mime, found.st_size, found.st_mtime_ns


def hidden(name: bytes) -> bool:
    """Whether nothing is told of it, as in listings."""
    return name.startswith(b".")


class Folder:
    """A watched folder. `armed` is the kernel's number of its watch, None while the kernel tells nothing of it: then it
    is scanned now and then. `due` is when its changes are to be told (monotonic seconds)."""

    def __init__(self, job: int, path: bytes) -> None:
        self.job = job
        self.path = path
        self.armed: int | None = None
        self.due: float | None = None
        #: Whether the kernel has told of it since `moved_on` was asked last.
        self.stirred = False
        self._touched: dict[bytes, None] = {}
        self._renamed: list[tuple[bytes, bytes]] = []
        self._left: dict[int, bytes] = {}
        self._scan: Iterator[State | None] | None = None
        self._absent = False
        self._seen: tuple[int, int, int] | None = None

    # -- scanning ---------------------------------------------------------------------------------------------

    @property
    def scanning(self) -> bool:
        return self._scan is not None

    def begin_scan(self) -> Scanning:
        """Tell all that is there, from the beginning; the folder is armed already, if it can be."""
        self._scan = self._names()
        self._seen = self._identity()
        return Scanning(self.job)

    def stop_scan(self) -> None:
        """What was told of it counts no more."""
        self._scan = None

    def step(self) -> Record:
        """The next piece of the scan, or its end."""
        assert self._scan is not None
        names: list[State] = []
        size, until = 0, time.monotonic() + _CHUNK_S
        try:
            for found in self._scan:
                if found is not None:
                    names.append(found)
                    size += len(found[0]) + len(found[2]) + _NAME_BYTES
                if size >= _CHUNK_BYTES or time.monotonic() > until:
                    return Present(self.job, names)
        except OSError as error:
            self._scan = None
            self._absent = error.errno in _ABSENT
            # What is in a folder that can't be read now is not known: only one that is gone has nothing left in it.
            return Scanned(self.job) if self._absent else WatchFailed(self.job, *why_not(self.path, error))
        if names:
            return Present(self.job, names)  # the end is told by the next step
        self._scan, self._absent = None, False
        return Scanned(self.job)

    def _names(self) -> Iterator[State | None]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                yield None if hidden(entry.name) else look_at(self.path, entry.name)

    # -- changes ----------------------------------------------------------------------------------------------

    def touch(self, name: bytes, now: float) -> None:
        """Something has happened to `name`."""
        if not hidden(name):
            self._touched[name] = None
            self.due = self.due or now + GATHER_S

    def left(self, name: bytes, cookie: int, now: float) -> None:
        """`name` was moved away, perhaps to another name here."""
        if not hidden(name):
            self._left[cookie] = name
        self.touch(name, now)

    def came(self, name: bytes, cookie: int, now: float) -> None:
        """Something was moved to `name`, perhaps from another name here."""
        old = self._left.pop(cookie, None)
        if old is not None and not hidden(name):
            self._renamed.append((old, name))
        self.touch(name, now)

    def tell(self) -> Changed:
        """What has happened; what does not fit is left, and due at once."""
        renamed: list[tuple[bytes, bytes]] = []
        size, until = 0, time.monotonic() + _CHUNK_S
        while self._renamed and size < _CHUNK_BYTES:
            renamed.append(self._renamed.pop(0))
            size += sum(map(len, renamed[-1])) + _NAME_BYTES
        present: list[State] = []
        gone: list[bytes] = []
        # States come behind all renames, which have filled the record if any are left.
        while self._touched and size < _CHUNK_BYTES and time.monotonic() < until:
            name = next(iter(self._touched))
            del self._touched[name]
            found = look_at(self.path, name)
            if found is None:
                gone.append(name)
            else:
                present.append(found)
            size += len(name) + _NAME_BYTES
        if not self._touched and not self._renamed:
            self.due = None
            self._left.clear()  # where they went is none of this folder's names
        return Changed(self.job, present, gone, renamed)

    # -- what the kernel does not tell ------------------------------------------------------------------------

    def moved_on(self) -> bool:
        """Whether a scan is due, by what the kernel does not tell: a folder above was renamed, another file system was
        mounted over it, somebody else changed it on a server. Without a watch one always is, as long as it is there."""
        before, self._seen = self._seen, self._identity()
        stirred, self.stirred = self.stirred, False
        if self.armed is None:
            return self._seen is not None or not self._absent
        if before is None or self._seen is None:
            return (before is None) is not (self._seen is None)
        return before[:2] != self._seen[:2] or (before != self._seen and not stirred)

    def _identity(self) -> tuple[int, int, int] | None:
        """Which folder it is, and when names last came or went there; None when it is not to be seen."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns


def unwatchable(path: bytes, error: OSError) -> str:
    """A sentence: why the kernel tells nothing of a folder, and what to do."""
    meanwhile = "it is read every few seconds instead"
    if error.errno == errno.ENOSPC:
        return about(path, f"no more folders can be watched; raise fs.inotify.max_user_watches, {meanwhile}")
    if error.errno == errno.EMFILE:
        return about(path, f"no more programs can watch folders; raise fs.inotify.max_user_instances, {meanwhile}")
    return about(path, f"its file system can't be watched ({cause_of(error)}); {meanwhile}")
