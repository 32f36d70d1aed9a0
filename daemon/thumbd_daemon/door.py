"""The door: which connections there are, how many may come, and which ones have to go.

The listening socket is ours; libzmq has a copy of it and accepts one connection each time that the ``turnstile`` lets
it. Its monitor tells which descriptors have come and gone. Whoever comes when there are enough is accepted here and
closed at once. Who says no hello (``connections``) or a message without end (``flood``) is shut out: shutdown(2) on
libzmq's descriptor, after which libzmq does the rest, as if the client had left. Clients connect anew by themselves.
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final

import zmq

from . import heap, peers, turnstile
from .connections import Connection, Connections
from .flood import Flood

log = logging.getLogger(__name__)

#: Descriptors that must be free when somebody is let in (libzmq does not outlive the lack of one).
_SPARE: Final = 16
#: Whoever is turned away learns it soon, but so many a second are enough.
_TURNED_AWAY: Final = 200
#: When so many have gone, or so many bytes are free, memory is given back, but not more often than the third (seconds).
_GONE: Final = 32
_FREED: Final = 16 << 20
_TRIM_S: Final = 1.0
#: So long after the last has gone there is still somebody to look after it, in seconds.
_AFTERWARDS_S: Final = 3.0
#: How often those are looked for who say no hello, in seconds.
_SIFT_S: Final = 1.0
_EVENTS: Final = zmq.Event.ACCEPTED | zmq.Event.ACCEPT_FAILED | zmq.Event.DISCONNECTED


class Door:
    """Lets connections into `router`, which is to be bound nowhere yet; at most `most`. `has_session` tells of a
    routing id whether a valid hello was heard from it."""

    def __init__(
        self,
        listener: socket.socket,
        router: "zmq.Socket[bytes]",
        most: int,
        has_session: Callable[[bytes], bool],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._path: str = listener.getsockname()
        self._router = router
        self._has_session = has_session
        self.connections = Connections(most)
        self._flood = Flood()
        #: Whether messages wait that the server has not come to.
        self.behind = False
        self._by_routing: dict[bytes, Connection] = {}
        self._turned_away = 0
        # Since memory was last given back: how many have gone, and the most that was in use.
        self._gone = 0
        self._most_held = 0
        # When somebody last came or went.
        self._moved = self._loop.time()
        self._trimmed = float("-inf")
        self._told_full = False
        self._sifted = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._monitor = self._start_monitor()
        self._turnstile = self._bind()
        self._loop.add_reader(self._monitor.FD, self._attend)
        if self._turnstile is not None:
            self._loop.add_reader(self._listener, self._knock)
        # Its descriptor tells of what comes after somebody has looked and found nothing.
        self._attend()

    def _start_monitor(self) -> "zmq.Socket[bytes]":
        """It is there before the first connection, and takes any number of events: libzmq waits when it can't tell."""
        address = f"inproc://door-{id(self)}"
        self._router.monitor(address, _EVENTS)
        monitor: zmq.Socket[bytes] = self._router.context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.RCVHWM, 0)
        monitor.setsockopt(zmq.LINGER, 0)
        monitor.connect(address)
        return monitor

    def _bind(self) -> turnstile.Turnstile | None:
        """Hand libzmq a copy of the listening socket (it closes that itself, and leaves the file alone)."""
        for uid in {0, os.getuid()}:
            self._router.setsockopt(zmq.IPC_FILTER_UID, uid)
        copy = fcntl.fcntl(self._listener, fcntl.F_DUPFD_CLOEXEC, 0)
        self._router.setsockopt(zmq.USE_FD, copy)
        self._router.bind(f"ipc://{self._path}")
        found = turnstile.find(copy)
        if found is None:
            log.warning("libzmq polls in a way that is not known here: connections are counted after they have come")
        return found

    def close(self) -> None:
        """Let nobody in any more, and forget everybody; the connections themselves are the router's to close."""
        self._loop.remove_reader(self._listener)
        self._loop.remove_reader(self._monitor.FD)
        if self._timer is not None:
            self._timer.cancel()
        # In this order: libzmq waits for whoever should hear an event.
        self._router.disable_monitor()
        self._monitor.close(linger=0)
        self._listener.close()

    # -- coming and going ---------------------------------------------------------------------------------------

    def _knock(self) -> None:
        """Somebody waits outside: let libzmq accept one, and wait until it has."""
        assert self._turnstile is not None
        if self.connections.full:
            self._turn_away()
        elif self._spare():
            self._loop.remove_reader(self._listener)
            self._turnstile.let_in()
        else:
            log.warning("no descriptor is free: new clients wait (raise the limit: ulimit -n, or LimitNOFILE=)")
            self._rest()

    def _turn_away(self) -> None:
        """There are enough: whoever comes learns it at once."""
        if not self._told_full:
            self._told_full = True
            log.warning("%d connections, no more are taken until some have gone", len(self.connections))
        try:
            surplus, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            log.warning("a client that is too many can't be told so: %s", error.strerror)
            self._rest()
            return
        surplus.close()
        self._turned_away += 1
        if self._turned_away >= _TURNED_AWAY:
            log.debug("%d clients were turned away", self._turned_away)
            self._rest()

    def _rest(self) -> None:
        """Look at who waits outside a second later."""
        self._turned_away = 0
        self._loop.remove_reader(self._listener)
        self._loop.call_later(1.0, self._listen_again)

    def _listen_again(self) -> None:
        if self._turnstile is not None and self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._knock)

    def _spare(self) -> bool:
        """Whether some descriptors are free."""
        with contextlib.ExitStack() as taken:
            try:
                for _ in range(_SPARE):
                    taken.callback(os.close, os.dup(self._listener.fileno()))
            except OSError:
                return False
        return True

    def _attend(self) -> None:
        """Take what libzmq's monitor has to tell."""
        while True:
            try:
                told, _ = self._monitor.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._moved = self._loop.time()
            event, value = struct.unpack("=HI", told)
            if event == zmq.Event.DISCONNECTED:
                self._left(value)
            else:
                self._listen_again()
                if event == zmq.Event.ACCEPTED:
                    self._came(value)
        self._go_on_looking()

    def _came(self, fd: int) -> None:
        self._left(fd)  # if it is still known, libzmq has let go of it without a word
        now = self._loop.time()
        connection = Connection(fd, 0, None, None, now, now)
        try:
            with self._opened(fd) as peer:
                if peer is not None:
                    connection.inode = os.fstat(peer.fileno()).st_ino
                    connection.pid, connection.uid = peers.credentials(peer)
        except OSError as error:
            log.warning("%s can't be looked at: %s", connection.name, error.strerror)
        surplus = self._turnstile is None and self.connections.full
        self.connections.add(connection)
        if surplus:
            self.shut_out(connection, "is one too many")

    def _left(self, fd: int) -> None:
        connection = self.connections.remove(fd)
        if connection is None:
            return
        self._gone += 1
        if connection.routing is not None:
            self._by_routing.pop(connection.routing, None)
        if self._told_full and not self.connections.full:
            self._told_full = False
            log.info("%d connections, new ones are taken again", len(self.connections))

    @contextlib.contextmanager
    def _opened(self, fd: int) -> Iterator[socket.socket | None]:
        """A copy of libzmq's descriptor, so that nobody closes it under our hands; None if it is not a connection of
        this door (any more). Raises OSError where no descriptor is free for that."""
        try:
            peer = socket.socket(fileno=os.dup(fd))
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            yield None
            return
        with peer:
            yield peer if peer.family == socket.AF_UNIX and peer.getsockname() == self._path else None

    # -- what the server tells -----------------------------------------------------------------------------------

    def heard(self, routing: bytes, frame: zmq.Frame) -> None:
        """A complete message has come; `frame` is one of its parts."""
        connection = self._by_routing.get(routing) or self._introduce(routing, frame)
        if connection is not None:
            connection.heard = self._loop.time()
            connection.stuffed = 0

    def _introduce(self, routing: bytes, frame: zmq.Frame) -> Connection | None:
        """Which connection it is that a routing id was heard from for the first time."""
        self._attend()
        fd = peers.descriptor(frame)
        connection = None if fd is None else self.connections.get(fd)
        # What a client has left behind may come after the next one has its descriptor: the process must be the same.
        if connection is None or peers.sender(frame)[1] not in (None, connection.pid):
            return None
        connection.routing = routing
        self._by_routing[routing] = connection
        return connection

    def uid_of(self, routing: bytes, frame: zmq.Frame) -> int:
        """Whose process a message comes from; where that can't be known, our own user's (no other may open the
        socket, but root)."""
        connection = self._by_routing.get(routing)
        uid = connection.uid if connection is not None else peers.sender(frame)[0]
        return os.getuid() if uid is None else uid

    def shift(self, gap: float) -> None:
        """For so many seconds we could hear nobody."""
        self.connections.shift(gap)

    def shut(self, routing: bytes, why: str) -> None:
        """Shut out whoever this is."""
        if (connection := self._by_routing.get(routing)) is not None:
            self.shut_out(connection, why)

    def forgotten(self) -> None:
        """A session has ended, perhaps long after its connection: it was memory too."""
        self._gone += 1
        self._moved = self._loop.time()
        self._go_on_looking()

    # -- looking after them --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """A few times a second, while there are connections and for a moment after the last."""
        self._timer = None
        self._attend()
        now = self._loop.time()
        if now - self._sifted >= _SIFT_S:
            self._sifted = now
            self._sift(now)
        held = heap.held()
        for culprit in self._flood.look(held, self.connections, _on_the_way, now, behind=self.behind):
            self.shut_out(culprit, "fills the memory with a message that does not end")
        self._give_back(held, now)
        self._go_on_looking()

    def _sift(self, now: float) -> None:
        strangers = self.connections.strangers(self._has_session, now)
        for stranger in strangers[1:]:
            self.shut_out(stranger)
        if strangers:
            self.shut_out(strangers[0], f"said no hello, nor did {len(strangers) - 1} others")

    def _go_on_looking(self) -> None:
        if self._timer is None and (len(self.connections) or self._loop.time() - self._moved < _AFTERWARDS_S):
            self._timer = self._loop.call_later(self._flood.pause, self._look)

    def _give_back(self, held: int, now: float) -> None:
        """Give memory back when much is free: what was sent has been dealt with, or many have gone."""
        self._most_held = max(self._most_held, held)
        much = self._gone >= _GONE or self._most_held - held >= _FREED
        if much and now - self._trimmed >= _TRIM_S:
            self._gone = 0
            self._most_held = held
            self._trimmed = now
            heap.trim()

    def shut_out(self, connection: Connection, why: str | None = None) -> None:
        """End a connection, if it is still that one; `why` goes into the log: "it ..."."""
        try:
            with self._opened(connection.fd) as peer:
                if peer is None or connection.inode not in (0, os.fstat(peer.fileno()).st_ino):
                    self._left(connection.fd)  # another has its number by now
                    return
                connection.shut = True
                if why is not None:
                    log.info("%s is shut out: it %s", connection.name, why)
                with contextlib.suppress(OSError):  # the client was faster
                    peer.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.warning("%s can't be shut out now: %s", connection.name, error.strerror)


def _on_the_way(connection: Connection) -> int:
    return peers.on_the_way(connection.fd)
