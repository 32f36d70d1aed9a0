"""Reading folders, in chunks: for items (pictures alone, perhaps recursively) or for a window (every name).

Hidden names only when asked for; links to files are followed, links to folders are listed but not entered.
"""

import errno
import os
import time
from collections.abc import Iterator
from typing import Final, Protocol

from ..formats import SNIFF_BYTES, claimed_by_content, claimed_by_name, mime_of
from ..records import Found, List, Listed
from ..sentences import about, cause_of, shown

#: The first chunk is small, so that a window has something to show at once; then as much as a record holds.
_FIRST_NAMES: Final = 200
_CHUNK_BYTES: Final = 48 << 10
#: A chunk is told after this long even if it is small (a slow disk), in seconds.
_CHUNK_S: Final = 0.05
#: So many folders that can't be listed are named in the message; the rest are counted.
_NAMED: Final = 3

Name = tuple[bytes, str, str]


class Named(Protocol):
    """A name in a folder, as ``os.scandir`` has it."""

    @property
    def name(self) -> bytes: ...

    @property
    def path(self) -> bytes: ...

    def is_dir(self) -> bool: ...

    def is_file(self) -> bool: ...


def kind_of(entry: Named) -> tuple[str, str]:
    """(``image``, its MIME type), (``folder``, "") or (``other``, "")."""
    try:
        if entry.is_dir():
            return "folder", ""
        if not entry.is_file():
            return "other", ""
        claim = claimed_by_name(entry.name) or claimed_by_content(_head(entry.path))
    except OSError:
        # A loop of links, a file that may not be read: it is there, and it is no picture for us.
        return "other", ""
    return ("image", mime_of(claim)) if claim else ("other", "")


def _head(path: bytes) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        return os.read(fd, SNIFF_BYTES)
    finally:
        os.close(fd)


class Listing:
    """One listing under way; `step` does a chunk's worth of it."""

    def __init__(self, task: List) -> None:
        self._task = task
        self._names = self._walk()
        self._first = True
        self._skipped: list[str] = []
        self._mounts, self._skip = frozenset(task.mounts), frozenset(task.skip)
        self._at = b""
        self._failure: tuple[str, str] | None = None

    def step(self) -> Found | Listed:
        """The next names, or the end."""
        chunk: list[Name] = []
        size = 0
        until = time.monotonic() + _CHUNK_S
        for name in self._names:
            if self._at:
                at, self._at = self._at, b""
                return Found(self._task.job, chunk, at)
            if name is not None:
                chunk.append(name)
                size += len(name[0]) + len(name[2]) + 16
            full = size >= _CHUNK_BYTES or (self._first and len(chunk) >= _FIRST_NAMES)
            # Even without a name: whoever says nothing for long is taken for stuck in a file system.
            if (chunk and full) or time.monotonic() > until:
                self._first = False
                return Found(self._task.job, chunk)
        if chunk:
            return Found(self._task.job, chunk)
        return self._end()

    def _end(self) -> Listed:
        if self._failure is not None:
            return Listed(self._task.job, *self._failure, 0)
        count = len(self._skipped)
        if not count:
            return Listed(self._task.job, "", "", 0)
        rest = f" and {count - _NAMED} more" if count > _NAMED else ""
        message = f"not all folders could be listed: {'; '.join(self._skipped[:_NAMED])}{rest}"
        return Listed(self._task.job, "unreadable", message, count)

    def _walk(self) -> Iterator[Name | None]:
        """Names relative to the folder; None now and then where nothing fits, so that time is looked at."""
        folders = [b""]
        while folders:
            below = folders.pop()
            path = os.path.join(self._task.path, below) if below else self._task.path
            if path in self._skip:
                self._skipped.append(f"{shown(path)} (its file system does not answer)")
                continue
            if path in self._mounts:
                self._at = path
                yield None
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        yield self._take(entry, below, folders)
            except OSError as error:
                if below:
                    self._skipped.append(f"{shown(path)} ({cause_of(error)})")
                else:
                    self._failure = why_not(self._task.path, error)
            yield None

    def _take(self, entry: os.DirEntry[bytes], below: bytes, folders: list[bytes]) -> Name | None:
        if entry.name.startswith(b".") and not self._task.hidden:
            return None
        name = os.path.join(below, entry.name)
        kind, mime = kind_of(entry)
        if kind == "folder" and self._task.recursive and not entry.is_symlink():
            folders.append(name)
        return (name, kind, mime) if kind == "image" or self._task.entries else None


def why_not(path: bytes, error: OSError) -> tuple[str, str]:
    """Code and sentence for a folder that can't be listed."""
    if error.errno == errno.ENOENT:
        return "not_found", about(path, "there is no such file or folder")
    if error.errno == errno.ELOOP:
        return "unreadable", about(path, "is a link that leads back to itself")
    if error.errno == errno.ENAMETOOLONG:
        return "not_found", about(path, "a name in this path is longer than file systems allow")
    if error.errno == errno.ENOTDIR:
        return "unreadable", about(path, "is not a folder")
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unreadable", about(path, "may not be listed; check the permissions of the folders on its way")
    return "unreadable", about(path, f"can't be listed: {cause_of(error)}")
