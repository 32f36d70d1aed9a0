"""How records travel between the daemon and its children: over a private SOCK_SEQPACKET pair.

A record is one msgpack array of at most 64 KiB; its end is the packet's end, a child's death is end-of-file.
The daemon sends descriptors and never receives one (it reads without room for ancillary data, so the kernel drops
what a child might send).
"""

import array
import os
import socket
from typing import Final

import msgspec

from .records import Record

MAX_RECORD: Final = 1 << 16
#: Descriptors in one record: a slot and an intake.
MAX_FDS: Final = 2


_encoder = msgspec.msgpack.Encoder()


def encode(record: Record) -> bytes:
    """`record` as one packet. Raises ValueError when it is too long (the caller splits)."""
    raw = _encoder.encode(record)
    if len(raw) > MAX_RECORD:
        raise ValueError(f"a record of {len(raw)} bytes is longer than {MAX_RECORD}")
    return raw


class Channel:
    """A child's end of its pair: blocking, one record at a time.

    `kinds` is the union of records it understands; anything else raises msgspec.ValidationError and ends the child.
    """

    def __init__(self, sock: socket.socket, kinds: object) -> None:
        self.sock = sock
        self._decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(kinds)

    def send(self, record: Record, fds: list[int] | None = None) -> None:
        """Say `record`; raises OSError when the other side is gone."""
        raw = encode(record)
        if fds:
            socket.send_fds(self.sock, [raw], fds)
        else:
            self.sock.send(raw)

    def receive(self) -> tuple[Record, list[int]] | None:
        """The next record and its descriptors (the caller's to close); None at end-of-file."""
        fds: array.array[int] = array.array("i")
        raw, ancillary, _flags, _address = self.sock.recvmsg(
            MAX_RECORD, socket.CMSG_LEN(MAX_FDS * fds.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if not raw:
            close_all(fds)
            return None
        return self._decoder.decode(raw), list(fds)


def close_all(fds: "array.array[int] | list[int]") -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)
