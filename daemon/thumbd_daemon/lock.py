"""One daemon for each socket: a lock beside it, taken before the socket is bound (a second bind would steal it)."""

import fcntl
import os
from pathlib import Path


class Locked(Exception):
    """Another daemon serves this socket."""


class Lock:
    """The lock beside a socket. It is released by the end of the process at the latest; its file stays for ever
    (unlinking it would let two daemons hold two locks of the same name)."""

    def __init__(self, socket_path: Path) -> None:
        """Take it. Raises Locked, or OSError when the file can't be made."""
        self._fd = os.open(socket_path.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise Locked(f"another thumbd serves {socket_path}") from error

    def release(self) -> None:
        os.close(self._fd)
