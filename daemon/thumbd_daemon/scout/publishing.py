"""Writing thumbnails and fail marks: encode checked pixels, write a file nobody sees, give it its name at once.

A reader sees the old file, none, or the new one, whatever dies when. What can't go into the cache becomes volatile,
in the runtime folder, with a sentence that says why.
"""

import contextlib
import errno
import itertools
import os
from dataclasses import dataclass
from typing import Final

from ..cache import Original, Places, failure_text, thumbnail_text
from ..png import MODES, encode, encode_empty
from ..records import Mark, Marked, Publish, Published, PublishFailed
from ..sentences import about, cause_of, shown
from .confinement import UNCONFINED, Confinement, make_folder

#: Bytes of volatile pictures kept; the oldest go first.
MAX_VOLATILE_BYTES: Final = 64 << 20
_NO_TMPFILE: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
_serial = itertools.count()


def write_whole(target: bytes, data: bytes) -> None:
    """Make `target` hold `data`, mode 0600, its folders 0700. Raises OSError; then nothing is left behind."""
    folder = os.path.dirname(target)
    try:
        _write(folder, target, data)
    except FileNotFoundError:
        make_folder(folder)
        _write(folder, target, data)


def _write(folder: bytes, target: bytes, data: bytes) -> None:
    try:
        fd = os.open(folder, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        _write_by_name(folder, target, data)
        return
    try:
        _write_all(fd, data)
        try:
            _give_name(fd, target)
        except FileExistsError:
            name = _temporary(folder)
            _give_name(fd, name)
            _rename(name, target)
    finally:
        os.close(fd)


def _give_name(fd: int, name: bytes) -> None:
    # With a src_dir_fd (which an absolute path ignores) Python calls linkat and lets it follow the link of /proc.
    os.link(b"/proc/self/fd/%d" % fd, name, src_dir_fd=fd, follow_symlinks=True)


def _write_by_name(folder: bytes, target: bytes, data: bytes) -> None:
    """For file systems without O_TMPFILE."""
    name = _temporary(folder)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
    except OSError:
        os.unlink(name)
        raise
    _rename(name, target)


def _rename(name: bytes, target: bytes) -> None:
    try:
        os.rename(name, target)
    except OSError:
        os.unlink(name)
        raise


def _temporary(folder: bytes) -> bytes:
    return os.path.join(folder, b".thumbd-%d-%d.tmp" % (os.getpid(), next(_serial)))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def publish(
    places: Places, task: Publish, slot: memoryview | None, cage: Confinement = UNCONFINED
) -> Published | PublishFailed:
    """Put the picture in `slot` where it belongs. The numbers were checked by the daemon; they are checked again.
    Raises Outdated when the scout's cage is."""
    length = task.width * task.height * MODES[task.mode][1]
    if slot is None or length > len(slot):
        return PublishFailed(task.job, "internal", about(task.path, "its pixels are gone"))
    original = Original(task.path, task.size, task.mtime_ns)
    text = thumbnail_text(original, task.mime, task.original_width, task.original_height)
    data = encode(task.mode, task.width, task.height, slot[:length], text)
    why, refused = "it lies in the thumbnail cache itself, so its thumbnail is not kept", False
    if not places.contains(task.path):
        target = places.thumbnail(task.path, task.flavor)
        try:
            write_whole(target, data)
            return Published(task.job, target, False, "")
        except OSError as refusal:
            error = cage.judge(refusal, target)
            why = f"its thumbnail can't be kept in {shown(os.path.dirname(target))}: {cause_of(error)}"
            refused = True
    return _publish_volatile(places, task, data, why, refused, cage)


def _publish_volatile(
    places: Places, task: Publish, data: bytes, why: str, refused: bool, cage: Confinement
) -> Published | PublishFailed:
    name = os.path.basename(places.thumbnail(task.path, task.flavor))
    target = os.path.join(places.volatile, task.flavor.encode() + b"-" + name)
    try:
        _meter.before_writing(places.volatile, len(data))
        write_whole(target, data)
    except OSError as refusal:
        error = cage.judge(refusal, target)
        cause = f"{why}; nor in {shown(places.volatile)}: {cause_of(error)}; free some space or mend the permissions"
        return PublishFailed(task.job, "disk_full", about(task.path, cause))
    return Published(task.job, target, True, about(task.path, why), refused)


@dataclass
class _Meter:
    """Looks at the volatile folder now and then instead of at each picture: scouts may write an eighth of the limit
    each between two looks, and a look makes room for both."""

    unseen: int = MAX_VOLATILE_BYTES

    def before_writing(self, folder: bytes, size: int) -> None:
        self.unseen += size
        if self.unseen > MAX_VOLATILE_BYTES // 8:
            make_room(folder, MAX_VOLATILE_BYTES // 4)
            self.unseen = size


_meter = _Meter()


def make_room(folder: bytes, needed: int, limit: int = MAX_VOLATILE_BYTES) -> None:
    """Delete the oldest files of `folder` until `needed` more bytes stay within `limit`."""
    try:
        with os.scandir(folder) as entries:
            files = sorted((e.stat().st_mtime_ns, e.stat().st_size, e.path) for e in entries if e.is_file())
    except FileNotFoundError:
        return
    total = sum(size for _mtime, size, _path in files) + needed
    for _mtime, size, path in files:
        if total <= limit:
            return
        with contextlib.suppress(FileNotFoundError):  # another scout makes room as well
            os.unlink(path)
        total -= size


def remember_failure(places: Places, task: Mark, cage: Confinement = UNCONFINED) -> Marked:
    """Write a fail mark. That it can't be written costs a second attempt some day, no more, but it is told. Raises
    Outdated when the scout's cage is."""
    if places.contains(task.path):
        return Marked(task.job, "")
    original = Original(task.path, task.size, task.mtime_ns)
    target = places.failure(task.path)
    try:
        write_whole(target, encode_empty(failure_text(original, task.code, task.cause)))
    except OSError as refusal:
        error = cage.judge(refusal, target)
        return Marked(task.job, about(task.path, f"its failure can't be remembered: {cause_of(error)}"))
    return Marked(task.job, "")
