"""One folder that is watched, perhaps with all below it: scanned step by step, its changed names looked at again, told
as records.

What changes is gathered for a moment, then each name is looked at anew: what is told is how things are, not what the
kernel said had happened. So an event too many costs a look, and one too few is made good by the next scan. A folder
that comes is read like in a scan; one that goes or is renamed takes all below it along.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from asyncinotify import Event, Mask

from ..records import Changed, Present, Record, Scanned, Scanning, State, Unknown, WatchFailed
from .kernel import Kernel, Place, untold_devices
from .listing import why_not
from .places import ABSENT, Places, under
from .reading import Reader, hidden, look_at

#: Changes wait so long for company, in seconds.
GATHER_S: Final = 0.1
#: A record is told when it holds so many bytes of names, or after so long (a slow disk), in seconds. Small: a sign of
#: life may be asked for in between, and the daemon takes no long turn over one.
_CHUNK_BYTES: Final = 16 << 10
_CHUNK_S: Final = 0.05
#: What a name takes in a record besides its bytes and type, at most.
_NAME_BYTES: Final = 32
#: Of the time, a folder that is read again and again is read this part at most: the rest is so many times as long.
_REST: Final = 9.0
#: The folder that was asked for is no longer the one of its path.
_LOST: Final = Mask.IGNORED | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT


class Folder:
    """A watched folder, with all below it when it is `recursive`. `due` is when its changes are to be told (monotonic
    seconds). Below it are `mounts`, and `skip`, which are left out."""

    def __init__(
        self,
        job: int,
        path: bytes,
        kernel: Kernel,
        *,
        recursive: bool = False,
        mounts: list[bytes] | None = None,
        skip: list[bytes] | None = None,
    ) -> None:
        self.job = job
        self.path = path
        self.due: float | None = None
        self._recursive = recursive
        self._places = Places(job, path, kernel)
        self._reader = Reader(
            path, self._places, recursive=recursive, mounts=frozenset(mounts or ()), skip=frozenset(skip or ())
        )
        self._touched: dict[bytes, None] = {}
        # Folders in the place of others; folders that are the same under another name.
        self._emptied: set[bytes] = set()
        self._moved: set[bytes] = set()
        self._renamed: list[tuple[bytes, bytes]] = []
        self._left: dict[int, bytes] = {}
        #: How often a folder has moved.
        self.shifts = 0
        self._shifted = False
        self._begin, self._missed = True, False
        self._scan: Iterator[State | None] | None = None
        self._fresh: deque[bytes] = deque()
        self._reading: Iterator[State | None] | None = None
        self._absent = self._unread = False
        self._began = self._took = self._ended = 0.0

    @property
    def mount(self) -> bytes:
        """The mount below that the next step goes to, empty for its own."""
        return self._reader.mount

    def complaint(self) -> str:
        """Why the kernel does not tell all of it, if that is still to be said."""
        said, self._reader.trouble = self._reader.trouble, ""
        return said

    # -- scanning ---------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether there are steps to take."""
        return self._begin or self._scan is not None or self._reading is not None or bool(self._fresh)

    @property
    def ready(self) -> bool:
        """Whether a step may be taken now. Where a folder has moved nothing is read until that is told: names would be
        taken for those of the folder that was there before."""
        return self.busy and (self._begin or not self._shifted)

    def scan_again(self, *, missed: bool = False) -> None:
        """All is to be told anew, from the beginning; what was told of a scan under way counts no more. `missed`: the
        kernel has kept something to itself."""
        self._begin, self._scan, self._reading = True, None, None
        self._missed = self._missed or missed
        self._fresh.clear()

    def step(self) -> Record | None:
        """The next piece of work: of a scan, or of folders that have come."""
        if self._begin:
            return self._begin_scan()
        names: list[State] = []
        size, until = 0, time.monotonic() + _CHUNK_S
        mount = self.mount
        try:
            for found in self._work():
                if found is not None:
                    names.append(found)
                    size += len(found[0]) + len(found[2]) + _NAME_BYTES
                # Where it goes must be said before it goes there.
                if size >= _CHUNK_BYTES or time.monotonic() > until or self.mount != mount:
                    return self._piece(names)
        except OSError as error:
            return self._failed(error)
        if names:
            return self._piece(names)  # the end is told by the next step
        return self._end()

    def _begin_scan(self) -> Scanning:
        self._begin = False
        self._began = time.monotonic()
        self._reader.mount, self._reader.unknown = b"", []
        deaf = self._places.deaf
        self._places.begin(untold_devices())
        self._scan = self._reader.walk(b"")
        return Scanning(self.job, self._missed or deaf or self._places.deaf)

    def _work(self) -> Iterator[State | None]:
        if self._scan is not None:
            return self._scan
        if self._reading is None:
            self._reading = self._reader.walk(self._fresh.popleft())
        return self._reading

    def _piece(self, names: list[State]) -> Record | None:
        if not names:
            return None
        return Present(self.job, names) if self._scan is not None else Changed(self.job, names, [], [])

    def _failed(self, error: OSError) -> Record:
        self._scan = None
        self._ended = time.monotonic()
        self._took = self._ended - self._began
        self._absent = error.errno in ABSENT
        self._unread = not self._absent
        # What is in a folder that can't be read now is not known: only one that is gone has nothing left in it.
        if not self._absent:
            return WatchFailed(self.job, *why_not(self.path, error))
        self._places.end()
        return Scanned(self.job, self._places.deaf)

    def _end(self) -> Record | None:
        self._reader.mount = b""
        if self._scan is None:
            self._reading = None
            return None
        if self._reader.unknown:
            return self._tell_unknown()
        self._scan, self._absent, self._unread, self._missed = None, False, False, False
        self._ended = time.monotonic()
        self._took = self._ended - self._began
        self._places.end()
        return Scanned(self.job, self._places.deaf)

    def _tell_unknown(self) -> Unknown:
        told: list[bytes] = []
        size = 0
        while self._reader.unknown and size < _CHUNK_BYTES:
            told.append(self._reader.unknown.pop())
            size += len(told[-1]) + _NAME_BYTES
        return Unknown(self.job, told)

    # -- changes ----------------------------------------------------------------------------------------------

    def take(self, place: Place, event: Event, now: float) -> None:
        """The kernel tells of a folder."""
        place.stirred = True
        mask = event.mask
        if mask & _LOST and not place.name:
            self._places.disarm(place)
            self.scan_again()
        elif Mask.UNMOUNT in mask:
            self.scan_again()
        elif Mask.IGNORED in mask:
            self._places.forget(place)
        elif event.name is not None:
            name = under(place.name, os.fsencode(event.name))
            if Mask.ISDIR in mask and mask & (Mask.MOVED_FROM | Mask.MOVED_TO) and self._recursive:
                self.shifts += 1
                self._shifted = True
            if Mask.MOVED_FROM in mask:
                self.left(name, event.cookie, now)
            elif Mask.MOVED_TO in mask:
                self.came(name, event.cookie, now)
            else:
                if mask & Mask.CREATE and name in self._places:
                    self._replaced(name)
                self.touch(name, now)

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
            self._places.drop(name)
            if old in self._places:
                self._places.rename(old, name)
                self._moved.add(name)
            self._follow(old, name, now)
        elif name in self._places:
            self._replaced(name)
        self.touch(name, now)

    def _replaced(self, name: bytes) -> None:
        """Another folder has taken the place of one: nothing that was in that is in this."""
        self._places.drop(name)
        self._emptied.add(name)

    def _follow(self, old: bytes, new: bytes, now: float) -> None:
        """What was to be looked at in a folder lies elsewhere now."""
        inside = old + b"/"
        for name in [name for name in self._touched if name.startswith(inside)]:
            self.touch(new + name[len(old) :], now)
        for names in (self._emptied, self._moved):
            names |= {new + name[len(old) :] for name in names if name == old or name.startswith(inside)}

    @property
    def mount_of_changes(self) -> bytes:
        """The mount below that the first changed name lies on, as `mount`."""
        return self._places.mount_of(next(iter(self._touched), b""))

    def tell(self) -> Changed:
        """What has happened; what does not fit is left, and due at once."""
        renamed: list[tuple[bytes, bytes]] = []
        size, until = 0, time.monotonic() + _CHUNK_S
        while self._renamed and size < _CHUNK_BYTES:
            renamed.append(self._renamed.pop(0))
            size += sum(map(len, renamed[-1])) + _NAME_BYTES
        present: list[State] = []
        gone: list[bytes] = []
        mount = self.mount_of_changes
        # States come behind all renames, which have filled the record if any are left.
        while self._touched and size < _CHUNK_BYTES and time.monotonic() < until:
            name = next(iter(self._touched))
            if self._places.mount_of(name) != mount:
                break  # it is said first where this goes
            del self._touched[name]
            self._look(name, present, gone)
            size += 2 * (len(name) + _NAME_BYTES)
        if not self._touched and not self._renamed:
            self.due = None
            self._shifted = False
            self._left.clear()  # where they went is none of this folder's names
        return Changed(self.job, present, gone, renamed)

    def take_back(self, record: Record, now: float) -> None:
        """What was to be told was found while a folder moved: it is looked at again when that has been told."""
        match record:
            case Present(names=present):
                gone: list[bytes] = []
            case Changed(present=present, gone=gone):
                self._renamed[:0] = record.renamed
            case _:
                return
        names = [state[0] for state in present]
        self._emptied |= set(gone).intersection(names)
        for name in [*gone, *names]:
            self.touch(name, now)
        self.due = self.due or now + GATHER_S
        self._shifted = True

    def _look(self, name: bytes, present: list[State], gone: list[bytes]) -> None:
        found = look_at(self.path, name)
        emptied, moved = name in self._emptied, name in self._moved
        self._emptied.discard(name)
        self._moved.discard(name)
        real = found is not None and found[1] == "folder" and self._recursive and self._places.real(name)
        if not real and name in self._places:
            self._places.drop(name)
            emptied = True
        if found is None or emptied:
            gone.append(name)
        if found is not None:
            present.append(found)
        # One that has moved is read too: whoever read it meanwhile has missed what was no longer where it looked. Only
        # now, behind what is told of its names here.
        if real and (emptied or moved or name not in self._places):
            self._fresh.append(name)

    # -- what the kernel does not tell ------------------------------------------------------------------------

    def moved_on(self, now: float) -> bool:
        """Whether a scan is due, by what the kernel does not tell: a folder above was renamed, another file system was
        mounted over it, somebody else changed it on a server. Where it does not tell all one always is; but most of the
        time nothing is read."""
        if self.busy:
            return False
        if self._unread or self._places.deaf:
            return now - self._ended >= _REST * self._took
        return self._places.moved_on(absent=self._absent)

    def stop(self) -> None:
        """Nobody wants to know any more."""
        self._places.drop_all()
