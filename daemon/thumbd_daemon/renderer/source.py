"""The file that a renderer was handed, as decoders see it: bytes to read and to seek in, and nothing else.

No descriptor can be had from it, so no decoder maps it, asks for its state or keeps it.
"""

import io
import os
from typing import Any, Final, cast

_BUFFER: Final = 1 << 16


class Unreadable(OSError):
    """The kernel could not read the file: no decoder's fault, and not its content's."""


class Source(io.RawIOBase):
    """Reads descriptor `fd` of `size` bytes, and closes it in the end. It keeps the place by itself: reading is one
    call to the kernel."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("it is closed")
        try:
            count = os.preadv(self._fd, [buffer], self._place)
        except OSError as error:
            raise Unreadable(error.errno, error.strerror) from error
        self._place += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}.get(whence)
        if start is None:
            raise ValueError(f"there is no whence {whence}")
        if start + offset < 0:
            raise OSError(22, "a place before the file's beginning")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def opened(fd: int, size: int) -> io.BufferedReader:
    """What a decoder is given."""
    return io.BufferedReader(cast(io.RawIOBase, Source(fd, size)), _BUFFER)
