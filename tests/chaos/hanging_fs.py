"""A file system that hangs on demand: ``python hanging_fs.py MOUNT SOURCE``, a FUSE mirror of SOURCE.

While SOURCE's folder holds a file ``.hang``, everything that touches a name with ``stuck`` in it waits: in ``stat`` for
``stuck-stat*``, in reading behind the first 4 KiB for ``stuck-read*``, in listing for a folder ``stuck-list*``.
"""

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import mfusepy


class Hanging(mfusepy.Operations):  # type: ignore[misc]
    """Reads what lies in `source`, when it does."""

    use_ns = True

    def __init__(self, source: str) -> None:
        self._source = source

    def _wait(self, path: str, what: str) -> None:
        while f"stuck-{what}" in path and os.path.exists(os.path.join(self._source, ".hang")):
            time.sleep(0.02)

    def _real(self, path: str) -> str:
        return self._source + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        self._wait(path, "stat")
        try:
            found = os.lstat(self._real(path))
        except OSError as error:
            raise mfusepy.FuseOSError(error.errno or 5) from error
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")
        times = {f"st_{name}time": getattr(found, f"st_{name}time_ns") for name in "amc"}
        return {name: getattr(found, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> Iterable[str]:
        self._wait(path, "list")
        return [".", "..", *os.listdir(self._real(path))]

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), os.O_RDONLY)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if offset + size > 4096:
            self._wait(path, "read")
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


if __name__ == "__main__":
    mfusepy.FUSE(Hanging(sys.argv[2]), sys.argv[1], foreground=True)
