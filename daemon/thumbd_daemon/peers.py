"""What the kernel tells of the socket and of those at its other end."""

import fcntl
import os
import socket
import struct
import termios
from typing import Final

import zmq

#: Clients that may wait to be let in.
_QUEUE: Final = 1024


def listen(path: str) -> socket.socket:
    """A socket that listens at `path` and that nobody else may open, from its first moment on."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(_QUEUE)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def credentials(peer: socket.socket) -> tuple[int, int]:
    """pid and uid of the process that has connected (SO_PEERCRED, unix(7))."""
    pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid), int(uid)


def on_the_way(fd: int) -> int:
    """Bytes that a client has sent and nobody has taken yet (SIOCINQ, unix(7)); 0 when it has just gone."""
    count = bytearray(4)
    try:
        fcntl.ioctl(fd, termios.FIONREAD, count)
    except OSError:
        return 0
    return int(struct.unpack("i", count)[0])


def descriptor(frame: zmq.Frame) -> int | None:
    """The number of libzmq's descriptor that a message has come by; None from a client that speaks ZMTP 1.0, of whom
    libzmq tells nothing."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None


def sender(frame: zmq.Frame) -> tuple[int | None, int | None]:
    """uid and pid of a message's sender, as libzmq asked the kernel for them (``host:uid:gid:pid``)."""
    try:
        words = str(frame.get("Peer-Address")).split(":")
        return int(words[-3]), int(words[-1])
    except (zmq.ZMQError, ValueError, IndexError):
        return None, None
