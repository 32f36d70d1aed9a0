"""Reading a folder, perhaps with all below it: how each name is now, and every folder watched before it is read."""

import os
import stat
from collections.abc import Iterator

from ..records import State
from .listing import kind_of
from .places import ABSENT, Places, under


class _Looked:
    """A name that has been looked at, for `kind_of`."""

    def __init__(self, name: bytes, path: bytes, mode: int) -> None:
        self.name, self.path, self._mode = os.path.basename(name), path, mode

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
    return os.path.basename(name).startswith(b".")


class Reader:
    """Reads what one subscription names. `mount` is the mount below where it goes next, empty for its own; `unknown`
    are the folders below whose names could not be read; `trouble` says why the kernel does not tell all."""

    def __init__(
        self, path: bytes, places: Places, *, recursive: bool, mounts: frozenset[bytes], skip: frozenset[bytes]
    ) -> None:
        self.mount = b""
        self.unknown: list[bytes] = []
        self.trouble = ""
        self._path = path
        self._places = places
        self._recursive = recursive
        self._mounts, self._skip = mounts, skip

    def walk(self, start: bytes) -> Iterator[State | None]:
        """All names from a folder on; None now and then, and always before it goes to another mount. Raises OSError if
        the folder that was asked for can't be read."""
        folders = [(start, self._places.mount_of(start))]
        while folders:
            below, mount = folders.pop()
            path = os.path.join(self._path, below) if below else self._path
            if below and path in self._skip:
                self.unknown.append(below)
                self._places.deaf = True
                continue
            if below and path in self._mounts:
                mount = path
            if mount != self.mount:
                self.mount = mount
                yield None
            self.trouble = self._places.visit(below, mount) or self.trouble
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        yield self._read(entry, below, mount, folders)
            except OSError as error:
                if not below:
                    raise
                self._places.drop(below)  # should it be readable later, it is a folder that comes
                if error.errno not in ABSENT:
                    self.unknown.append(below)
            yield None

    def _read(
        self, entry: os.DirEntry[bytes], below: bytes, mount: bytes, folders: list[tuple[bytes, bytes]]
    ) -> State | None:
        if hidden(entry.name):
            return None
        name = under(below, entry.name)
        if entry.path in self._mounts and entry.is_dir(follow_symlinks=False):
            # It is looked at when it has been said that it will be: it may hang.
            found: State | None = name, "folder", "", None, None
        else:
            found = look_at(self._path, name)
        if self._recursive and found is not None and found[1] == "folder" and not entry.is_symlink():
            folders.append((name, mount))
        return found
