"""The thumbnails' pixels: PNG files that the daemon made, read in pool threads, kept as pixmaps up to a bound.

What is wanted is told as a list, the most urgent first; whatever is no longer on it and has not begun is dropped.
Reading and decoding need no turn of the window's thread; only the pixmap is made there.
"""

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from PyQt6.QtCore import QObject, QRunnable, QThreadPool, pyqtSignal
from PyQt6.QtGui import QImage, QPixmap

#: Bytes of pixels kept (a `large` thumbnail has up to 256 KiB, so some 700 of them).
KEPT_BYTES: Final = 192 << 20
#: Bytes of one PNG that are read; ours are far smaller (2048 x 2048 x 4 uncompressed is 16 MiB).
_MAX_FILE: Final = 32 << 20


class Wanted(NamedTuple):
    """A file to read, and for whom: `path` is the picture's, `file` the PNG's."""

    path: bytes
    file: bytes


class _Reader(QObject):
    """Carries what a pool thread has read to the window's thread."""

    read = pyqtSignal(object, QImage)


class _Read(QRunnable):
    def __init__(self, reader: _Reader, wanted: Wanted) -> None:
        super().__init__()
        self._reader, self._wanted = reader, wanted

    def run(self) -> None:
        self._reader.read.emit(self._wanted, load(self._wanted.file))


def load(file: bytes) -> QImage:
    """The picture in the PNG `file`, in a format that costs nothing to draw; a null image if it can't be had."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(_MAX_FILE)
    except OSError:
        return QImage()
    image = QImage.fromData(data, "PNG")
    if image.isNull():
        return image
    alpha = image.hasAlphaChannel()
    return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied if alpha else QImage.Format.Format_RGB32)


class Pictures(QObject):
    """Pixmaps by the PNG's file name."""

    #: The picture of `path` can be shown; the `bool` tells that there was none of the same file before.
    loaded = pyqtSignal(bytes, bool)
    #: The picture's path, and its PNG that can't be read: evicted, or never written.
    unreadable = pyqtSignal(bytes, bytes)

    def __init__(self, parent: QObject | None = None, *, kept_bytes: int = KEPT_BYTES) -> None:
        super().__init__(parent)
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[bytes, QPixmap] = OrderedDict()
        self._bytes = 0
        self._waiting: list[Wanted] = []
        self._reading: set[bytes] = set()
        self._stale: set[bytes] = set()
        self._pool = QThreadPool(self)
        # Decoding is short and shares the machine with the renderers.
        self._pool.setMaxThreadCount(max(2, min(4, (os.cpu_count() or 2) // 2)))
        self._reader = _Reader(self)
        self._reader.read.connect(self._read)

    @property
    def held(self) -> int:
        """Bytes of the pixels that are kept."""
        return self._bytes

    @property
    def idle(self) -> bool:
        """Whether nothing is being read and nothing waits for it."""
        return not self._waiting and not self._reading

    def get(self, file: bytes | None) -> QPixmap | None:
        """The pixmap of `file` if it has been read; asking keeps it."""
        pixmap = self._kept.get(file) if file is not None else None
        if pixmap is not None and file is not None:
            self._kept.move_to_end(file)
        return pixmap

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Read these, the first ones first. Replaces what was wanted before."""
        self._waiting = [
            w for w in wanted if (w.file not in self._kept or w.file in self._stale) and w.file not in self._reading
        ]
        self._waiting.reverse()
        self._next()

    def renew(self, file: bytes) -> None:
        """`file` has been written anew: what was read of it is shown until it has been read again."""
        if file in self._kept:
            self._stale.add(file)

    def _drop(self, file: bytes) -> None:
        pixmap = self._kept.pop(file, None)
        if pixmap is not None:
            self._bytes -= _size(pixmap)

    def close(self) -> None:
        """Read nothing more; back when no thread is at it."""
        self._waiting = []
        self._pool.waitForDone(2000)

    def _next(self) -> None:
        while self._waiting and len(self._reading) < self._pool.maxThreadCount():
            wanted = self._waiting.pop()
            if wanted.file in self._reading:
                continue
            self._reading.add(wanted.file)
            self._stale.discard(wanted.file)
            self._pool.start(_Read(self._reader, wanted))

    def _read(self, wanted: Wanted, image: QImage) -> None:
        self._reading.discard(wanted.file)
        self._next()
        if image.isNull():
            self.unreadable.emit(wanted.path, wanted.file)
            return
        first = wanted.file not in self._kept
        self._drop(wanted.file)
        pixmap = QPixmap.fromImage(image)
        self._kept[wanted.file] = pixmap
        self._bytes += _size(pixmap)
        while self._bytes > self._kept_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)
        self.loaded.emit(wanted.path, first)


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4
