"""The socket: one DEALER and its monitor, which tells when a connection stands and when it is gone."""

import math
import struct
from collections.abc import Iterator, Sequence
from enum import Enum, auto

import zmq

from thumbd_protocol.limits import MAX_BLOB_BYTES, MAX_FRAME_BYTES

#: Pause before ZeroMQ tries a connection again, and the longest, in milliseconds.
_RECONNECT_MS = 100
_RECONNECT_MAX_MS = 2000


class Happening(Enum):
    """What the monitor tells."""

    STANDS = auto()
    GONE = auto()


class Dealer:
    """A DEALER on its way to `endpoint`. Nothing in it waits but `wait`."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str) -> None:
        self.endpoint = endpoint
        self._socket = context.socket(zmq.DEALER)
        # What is said before a connection stands, or while there is none, would be said to whoever comes next.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_BLOB_BYTES + MAX_FRAME_BYTES)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        )
        self._socket.connect(endpoint)

    def close(self, linger_ms: int = 0) -> None:
        self._socket.disable_monitor()
        self._socket.close(linger=linger_ms)
        self._monitor.close(linger=0)

    def happenings(self) -> Iterator[Happening]:
        """What has become of the connection since it was last asked."""
        while not self._socket.closed and self._monitor.poll(0):
            (event,) = struct.unpack_from("=H", self._monitor.recv_multipart()[0])  # zmq_socket_monitor(3)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                yield Happening.STANDS
            elif event == zmq.EVENT_DISCONNECTED:
                yield Happening.GONE

    def received(self) -> Iterator[list[bytes]]:
        """The messages that have come, until there is none left."""
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            yield frames

    def send(self, frames: Sequence[bytes]) -> bool:
        """Whether the message could be handed over now."""
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def wait(self, timeout_s: float, also: "zmq.Socket[bytes] | None", *, to_send: bool) -> None:
        """Until something has come (or can be sent, with `to_send`), `also` is readable, or time is up."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if to_send else 0))
        for sock in (self._monitor, also):
            if sock is not None:
                poller.register(sock, zmq.POLLIN)
        # Rounded up: a wait that ends a little early is followed by many that end at once.
        poller.poll(math.ceil(timeout_s * 1000))

    # -- for event loops --------------------------------------------------------------------------------------

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when `ready` may have changed: at each edge, not while it is so."""
        found = [self._socket.getsockopt(zmq.FD), self._monitor.getsockopt(zmq.FD)]
        return [fd for fd in found if isinstance(fd, int)]

    def ready(self, *, to_send: bool) -> bool:
        """Whether there is something to do now. Asking for it is what arms the descriptors for the next edge."""
        sockets = ((self._socket, zmq.POLLIN | (zmq.POLLOUT if to_send else 0)), (self._monitor, zmq.POLLIN))
        states = [(sock.getsockopt(zmq.EVENTS), wanted) for sock, wanted in sockets]
        return any(isinstance(state, int) and state & wanted for state, wanted in states)
