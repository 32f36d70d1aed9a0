"""Quick looks: is the file there and readable, is there a valid thumbnail of ours, is a failure remembered?

The answer to each path is one of ``Hit``, ``Miss``, ``NoUse``. Nothing but the heads of PNGs in the cache is opened.
"""

import errno
import os
import stat
from typing import Final

from ..cache import Original, Places, dimensions, is_ours, is_valid
from ..png import read_text
from ..records import Hit, Miss, NoUse
from ..sentences import about, cause_of

#: Enough of a thumbnail's beginning to hold all text chunks that thumbd writes, in bytes (a URI may take 12 KiB).
_HEAD_BYTES: Final = 1 << 14

_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFDIR: "a folder",
}


def what_is(mode: int) -> str:
    """A file type in words."""
    return _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def os_failure(error: OSError) -> tuple[str, str]:
    """The item code and the cause for an error of the file system on a source."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "not_found", "does not exist (any more)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unreadable", "may not be read; check its permissions"
    if error.errno == errno.ELOOP:
        return "unreadable", "is a link that leads back to itself"
    return "unreadable", f"can't be read: {cause_of(error)}"


def head_text(path: bytes) -> dict[str, str] | None:
    """The text chunks of a PNG in the cache; None when there is none, or it can't be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return read_text(os.read(fd, _HEAD_BYTES))
    except OSError:
        return None
    finally:
        os.close(fd)


def look(places: Places, task: int, path: bytes, flavor: str, *, again: bool = False) -> Hit | Miss | NoUse:
    """What there is to know about `path` before anybody decodes it; `again`: an earlier failure does not count."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            message = f"is {what_is(found.st_mode)}, not a picture file"
            return NoUse(task, "unreadable", about(path, message), False, 0)
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, "")
    except OSError as error:
        code, cause = os_failure(error)
        return NoUse(task, code, about(path, cause), False, 0)
    if found.st_size == 0:
        return NoUse(task, "decode_error", about(path, "is empty (0 bytes)"), False, 0, found.st_mtime_ns)
    original = Original(path, found.st_size, found.st_mtime_ns)
    return _remembered(places, task, original, flavor, again=again) or Miss(task, found.st_size, found.st_mtime_ns)


def _remembered(places: Places, task: int, original: Original, flavor: str, *, again: bool) -> Hit | NoUse | None:
    """What the cache knows of a readable file."""
    if places.contains(original.path):
        text = head_text(original.path)
        if text is not None and is_ours(text):
            return Hit(task, original.path, *dimensions(text), original.size, original.mtime_ns)
        return None
    thumbnail = places.thumbnail(original.path, flavor)
    text = head_text(thumbnail)
    if text is not None and is_ours(text) and is_valid(text, original):
        return Hit(task, thumbnail, *dimensions(text), original.size, original.mtime_ns)
    mark = None if again else head_text(places.failure(original.path))
    if mark is not None and is_ours(mark) and is_valid(mark, original):
        cause = mark.get("X-Thumbd::Cause", "could not be decoded")
        return NoUse(
            task,
            mark.get("X-Thumbd::Error", "decode_error"),
            about(original.path, cause),
            True,
            original.size,
            original.mtime_ns,
        )
    return None
