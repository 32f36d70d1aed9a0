"""A real scout as a child process, spoken to over its socket without the daemon's loop."""

import os
import socket
import subprocess
import sys
from types import TracebackType
from typing import Self

import msgspec

from thumbd_daemon.channel import MAX_RECORD, encode
from thumbd_daemon.records import FromScout, Ready, Record, Setup


class ScoutTalk:
    """Start one, say and hear records; it is gone at the end of the ``with``."""

    def __init__(self, module: str = "thumbd_daemon.scout", kinds: object = FromScout) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.settimeout(30)
        self._decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(kinds)
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._sock.close()
        self._child.wait(timeout=30)

    @property
    def pid(self) -> int:
        return self._child.pid

    def set_up(self) -> None:
        """Tell a scout that makes no thumbnails where it may write: nowhere; it is ready."""
        self.say(Setup(b"", b"", b""))
        assert isinstance(self.hear(), Ready)

    def say(self, record: Record, *fds: int) -> None:
        """Say a record, and hand over descriptors with it."""
        socket.send_fds(self._sock, [encode(record)], fds)

    def hear(self) -> Record | None:
        """What it says next, within half a minute; None when it has gone."""
        raw = self._sock.recv(MAX_RECORD)
        return self._decoder.decode(raw) if raw else None
