"""The kernel's watches: which folder each is on, and how many there may be.

One folder may be there by several names (links, mounts, a tree and a folder in it): the kernel has one watch for all.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from asyncinotify import Event, Inotify, Mask, Watch

#: Folders watched at once: what the kernel allows a user by default on machines with little memory. A watch takes some
#: 2 KiB here and in the kernel.
MAX_WATCHES: Final = 8192
#: Events read at once, if each had the longest name there is.
_CACHED: Final = 64

# A file is told when whoever writes it closes it: while it is written there is nothing to see of it yet.
_WANTED: Final = (
    Mask.CREATE
    | Mask.DELETE
    | Mask.CLOSE_WRITE
    | Mask.ATTRIB
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
)
#: File systems where others than this machine's programs change what is there: the kernel does not tell of that.
_ELSEWHERE: Final = frozenset(
    b"nfs nfs4 cifs smb3 smbfs 9p afs ceph coda fuse virtiofs vboxsf vmhgfs lustre gfs2 ocfs2 orangefs beegfs".split()
)
#: Nobody writes these: the kernel makes them up when they are read.
_MADE_UP: Final = frozenset(b"proc sysfs cgroup cgroup2 debugfs tracefs securityfs configfs".split())


Identity = tuple[int, int, int]


@dataclass(eq=False, slots=True)
class Place:
    """A folder by one of its names, for the watch `job`: `name` relative to the folder that was asked for (empty for
    that itself), on the mount `mount` below that (empty: on its own). `number` is the kernel's of its watch, None
    without one; `seen` which folder it was, and when names last came or went there; `stirred` whether the kernel has
    told of it since."""

    job: int
    name: bytes
    mount: bytes
    number: int | None = None
    seen: Identity | None = None
    stirred: bool = False


class TooMany(OSError):
    """As many folders are watched as may be."""


class Kernel:
    """All watches of this process, made when the first is asked for."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._watches: dict[int, tuple[Watch, list[Place]]] = {}

    @property
    def fds(self) -> list[int]:
        """What becomes readable when the kernel has something to tell."""
        return [self._inotify.fd] if self._inotify is not None else []

    def arm(self, place: Place, path: bytes, *, follow: bool) -> None:
        """Have the kernel tell of a folder. Raises OSError if it can't, TooMany if that would be one too many."""
        if place.number is not None:
            return
        if len(self._watches) >= MAX_WATCHES:
            raise TooMany(errno.ENOSPC, f"no more than {MAX_WATCHES} folders are watched")
        if self._inotify is None:
            # Without a timeout of its own it would wait where there is nothing to read.
            self._inotify = Inotify(cache_size=_CACHED, sync_timeout=0)
        watch = self._inotify.add_watch(path, _WANTED if follow else _WANTED | Mask.DONT_FOLLOW)
        place.number = watch.wd
        self._watches.setdefault(watch.wd, (watch, []))[1].append(place)

    def disarm(self, place: Place) -> None:
        """Watch a folder no longer, unless it is watched by another name."""
        number, place.number = place.number, None
        if number is None or number not in self._watches or self._inotify is None:
            return
        watch, names = self._watches[number]
        if place in names:
            names.remove(place)
        if not names:
            del self._watches[number]
            try:
                self._inotify.rm_watch(watch)
            except OSError as error:
                if error.errno != errno.EINVAL:  # else the kernel has let go of it already
                    raise

    def events(self, most: int) -> Iterator[tuple[Event, list[Place]]]:
        """What has happened, and where; an event that is about no folder tells that some were lost."""
        for _ in range(most):
            event = self._inotify.sync_get() if self._inotify is not None else None
            if event is None:
                return
            watch = event.watch
            if Mask.Q_OVERFLOW in event.mask:
                yield event, []
            elif watch is not None and watch.wd in self._watches:
                yield event, list(self._watches[watch.wd][1])


def untold_devices() -> frozenset[int]:
    """The devices (``st_dev``) of file systems whose changes the kernel does not tell all of."""
    with open("/proc/self/mountinfo", "rb") as table:
        rows = [line.split(b" ") for line in table.read().splitlines()]
    found: set[int] = set()
    for row in rows:
        kind = row[row.index(b"-") + 1]
        if kind in _ELSEWHERE or kind in _MADE_UP or kind.startswith(b"fuse."):
            major, _colon, minor = row[2].partition(b":")
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
