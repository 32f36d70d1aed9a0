"""The folders that one subscription watches: the one that was asked for, and for a tree all below it.

Each is watched by the kernel where it can be. Where it can't, or where the kernel does not tell all, the whole is
`deaf`: it is read again and again.
"""

import errno
import os
import stat
from typing import Final

from ..sentences import about, cause_of
from .kernel import Identity, Kernel, Place, TooMany

#: A folder that can't be opened for one of these reasons is not there: neither is anything in it.
ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
#: For one of these it can't be watched nor read, which the scan tells.
UNREADABLE: Final = ABSENT | {errno.EACCES, errno.EPERM}


def under(folder: bytes, name: bytes) -> bytes:
    """The name of something in a folder, relative to what that is relative to."""
    return folder + b"/" + name if folder else name


class Places:
    """All folders of one subscription, by name."""

    def __init__(self, job: int, path: bytes, kernel: Kernel) -> None:
        self.deaf = False
        self._job = job
        self._path = path
        self._kernel = kernel
        self._places: dict[bytes, Place] = {}
        self._untold: frozenset[int] = frozenset()
        self._stale: set[bytes] = set()
        self._complained = False

    def __contains__(self, name: bytes) -> bool:
        return name in self._places

    def mount_of(self, name: bytes) -> bytes:
        """The mount below that a name lies on."""
        while name and name not in self._places:
            name = name.rpartition(b"/")[0]
        place = self._places.get(name)
        return place.mount if place is not None else b""

    def real(self, name: bytes) -> bool:
        """Whether a name is a folder, not a link to one."""
        try:
            return stat.S_ISDIR(os.lstat(os.path.join(self._path, name)).st_mode)
        except OSError:
            return False

    # -- a scan -----------------------------------------------------------------------------------------------

    def begin(self, untold: frozenset[int]) -> None:
        """All are visited again. `untold` are the devices whose changes the kernel does not tell all of."""
        self._untold = untold
        self._stale = set(self._places)
        self._complained = False
        identity = self._identity(b"")
        self.deaf = identity is not None and identity[0] in untold

    def visit(self, name: bytes, mount: bytes) -> str:
        """It is about to be read: have it watched from now on. A sentence if that can't be, once for each scan."""
        self._stale.discard(name)
        place = self._places.setdefault(name, Place(self._job, name, mount))
        place.mount = mount
        now = self._identity(name)
        if now is not None and now[0] in self._untold:
            self.deaf = True
        if place.seen is None or now is None or place.seen[:2] != now[:2]:
            self._kernel.disarm(place)  # it is another one than before
        trouble = self._arm(place)
        place.seen, place.stirred = self._identity(name), False
        return trouble

    def _arm(self, place: Place) -> str:
        path = os.path.join(self._path, place.name) if place.name else self._path
        try:
            self._kernel.arm(place, path, follow=not place.name)
        except OSError as error:
            if error.errno not in UNREADABLE:
                self.deaf = True
                if not self._complained:
                    self._complained = True
                    return unwatchable(path, error)
        return ""

    def end(self) -> None:
        """What was not visited is not there any more."""
        for name in self._stale:
            self.drop(name)
        self._stale = set()

    # -- between scans ----------------------------------------------------------------------------------------

    def disarm(self, place: Place) -> None:
        self._kernel.disarm(place)

    def forget(self, place: Place) -> None:
        """The kernel watches it no longer, since it is gone."""
        self._kernel.disarm(place)
        if self._places.get(place.name) is place:
            del self._places[place.name]

    def drop(self, name: bytes) -> None:
        """It is not here any more, nor are those below it; they may live on elsewhere."""
        if name in self._places:
            for below in self._below(name):
                self._kernel.disarm(self._places.pop(below))

    def drop_all(self) -> None:
        for place in self._places.values():
            self._kernel.disarm(place)
        self._places.clear()

    def rename(self, old: bytes, new: bytes) -> None:
        """It has another name, and so have those below it; the kernel watches them as before."""
        for below in self._below(old):
            place = self._places.pop(below)
            place.name = new + below[len(old) :]
            self._places[place.name] = place

    def _below(self, name: bytes) -> list[bytes]:
        inside = name + b"/"
        return [name, *(below for below in self._places if below.startswith(inside))]

    def moved_on(self, *, absent: bool) -> bool:
        """Whether something has happened that the kernel did not tell; `absent`: it was not there when it was read."""
        own = self._places.get(b"")
        if own is None or own.number is None:
            return self._identity(b"") is not None or not absent
        # Not on the mounts below: who looks at one that hangs is stuck.
        differing = [place for place in self._places.values() if not place.mount and self._differs(place)]
        return bool(differing)

    def _differs(self, place: Place) -> bool:
        before, place.seen = place.seen, self._identity(place.name)
        stirred, place.stirred = place.stirred, False
        if place.name and place.seen is None:
            return False  # it is gone: that has changed the folder that it was in
        if before is None or place.seen is None:
            return (before is None) is not (place.seen is None)
        return before[:2] != place.seen[:2] or (before != place.seen and not stirred)

    def _identity(self, name: bytes) -> Identity | None:
        """Which folder it is, and when names last came or went there; None when it is not to be seen."""
        try:
            found = os.stat(os.path.join(self._path, name) if name else self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns


def unwatchable(path: bytes, error: OSError) -> str:
    """A sentence: why the kernel tells nothing of a folder, and what to do."""
    meanwhile = "it is read every few seconds instead"
    if isinstance(error, TooMany):
        return about(path, f"{cause_of(error)}; {meanwhile}")
    if error.errno == errno.ENOSPC:
        return about(path, f"no more folders can be watched; raise fs.inotify.max_user_watches, {meanwhile}")
    if error.errno == errno.EMFILE:
        return about(path, f"no more programs can watch folders; raise fs.inotify.max_user_instances, {meanwhile}")
    return about(path, f"its file system can't be watched ({cause_of(error)}); {meanwhile}")
