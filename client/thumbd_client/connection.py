"""The socket: one DEALER for a process, and the loop that finds, loses and finds the daemon again.

Everything that must survive a reconnect lives in ``session``; here are only a socket, its monitor and deadlines.
A thread calls `poll` again and again; nothing in it waits longer than it was told to.
"""

import struct
import time
from enum import Enum, auto
from types import TracebackType
from typing import Self

import zmq

from thumbd_protocol.errors import ProtocolError
from thumbd_protocol.limits import MAX_BLOB_BYTES, MAX_FRAME_BYTES

from . import __version__
from .autostart import Finder
from .events import Disconnected, Event, Refused
from .session import Session

#: Pause between two looks for a daemon that does not accept yet, in seconds.
_PROBE_S = 0.03
#: How long something that accepts may take to say welcome, in seconds, before it is given up.
_WELCOME_S = 10.0


class Phase(Enum):
    """Where the connection stands."""

    LOOKING = auto()  # nothing accepts yet; perhaps a daemon is being started
    CONNECTING = auto()  # something accepts; the handshake of ZeroMQ is under way
    UP = auto()  # frames flow
    GIVEN_UP = auto()  # no daemon can be had; `try_again` starts over
    CLOSED = auto()


class Connection:
    """A conversation with the daemon over a socket of its own. Not thread-safe: one thread makes, uses and closes it.

    `name` says who calls; `autostart` whether a daemon is started when none answers.
    """

    def __init__(
        self, name: str, *, autostart: bool = True, context: zmq.Context[zmq.Socket[bytes]] | None = None
    ) -> None:
        self.session = Session(name, __version__)
        self.finder = Finder(autostart=autostart)
        self._context = context or zmq.Context()
        self._own_context = context is None
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._phase = Phase.LOOKING
        self._since = time.monotonic()
        self._endpoint = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def phase(self) -> Phase:
        return self._phase

    def try_again(self) -> None:
        """Look for a daemon again after `GIVEN_UP`."""
        if self._phase is Phase.GIVEN_UP:
            self.finder.reset()
            self._phase = Phase.LOOKING

    def poll(self, timeout_s: float, also: "zmq.Socket[bytes] | None" = None) -> list[Event]:
        """What has happened, after at most `timeout_s` seconds; earlier when something has, or `also` is readable."""
        events: list[Event] = []
        if self._phase is Phase.LOOKING:
            self._look(events)
            if self._phase is Phase.LOOKING:
                timeout_s = min(timeout_s, _PROBE_S)
        self._send()
        self._wait(0.0 if events else timeout_s, also)
        if self._monitor is not None:
            self._watch(events)
        if self._socket is not None:
            self._receive(events)
        if self._phase in (Phase.UP, Phase.CONNECTING):
            self._check_time(events)
        self._send()
        return events

    def close(self) -> None:
        """Say bye if there is somebody to say it to, and close. What was asked and not ended is given up."""
        if self._phase is Phase.CLOSED:
            return
        self.session.bye()
        self._send()
        # A moment for `bye` to leave; it is a courtesy (the daemon sees the end of the connection too).
        self._drop_socket(linger_ms=100)
        self._phase = Phase.CLOSED
        if self._own_context:
            self._context.term()

    # -- inside -----------------------------------------------------------------------------------------------

    def _look(self, events: list[Event]) -> None:
        endpoint = self.finder.step()
        if endpoint is not None:
            self._connect(endpoint)
        elif self.finder.failure is not None:
            self._phase = Phase.GIVEN_UP
            events.append(Refused(self.finder.failure))

    def _connect(self, endpoint: str) -> None:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 100)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        dealer.setsockopt(zmq.MAXMSGSIZE, MAX_BLOB_BYTES + MAX_FRAME_BYTES)
        self._monitor = dealer.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        )
        dealer.connect(endpoint)
        self._endpoint = endpoint
        self._socket = dealer
        self._phase, self._since = Phase.CONNECTING, time.monotonic()

    def _drop_socket(self, linger_ms: int = 0) -> None:
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close(linger=linger_ms)
        if self._monitor is not None:
            self._monitor.close(linger=0)
        self._socket = self._monitor = None

    def _wait(self, timeout_s: float, also: "zmq.Socket[bytes] | None") -> None:
        poller = zmq.Poller()
        for sock in (self._socket, self._monitor, also):
            if sock is not None:
                poller.register(sock, zmq.POLLIN)
        if poller.sockets:
            poller.poll(max(0, round(timeout_s * 1000)))
        else:
            time.sleep(max(0.0, timeout_s))

    def _watch(self, events: list[Event]) -> None:
        while self._monitor is not None and self._monitor.poll(0):
            (event,) = struct.unpack_from("=H", self._monitor.recv_multipart()[0])  # zmq_socket_monitor(3)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._phase = Phase.UP
                self.session.connected(time.monotonic())
            elif event == zmq.EVENT_DISCONNECTED:
                # What the daemon said last is read before its going is told.
                self._receive(events)
                self._lost(events, "the daemon has gone")

    def _lost(self, events: list[Event], reason: str) -> None:
        self._drop_socket()
        was_up = self.session.welcomed
        self.session.disconnected()
        self._phase = Phase.LOOKING
        self.finder.reset()
        if was_up:
            events.append(Disconnected(reason))

    def _receive(self, events: list[Event]) -> None:
        assert self._socket is not None
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                events.extend(self.session.receive(frames, time.monotonic()))
            except ProtocolError as error:
                events.append(Refused(f"the daemon's answer is not understood: {error.message}"))

    def _check_time(self, events: list[Event]) -> None:
        now = time.monotonic()
        if self.session.welcomed:
            self._since = now  # a session that must be begun anew has as much time as a first one
        if not self.session.welcomed and now - self._since > _WELCOME_S:
            self._lost(events, "")
            self._phase = Phase.GIVEN_UP
            reason = f"something accepts at {self._endpoint} but does not speak (a daemon that hangs?)"
            events.append(Refused(reason))
        elif self._phase is Phase.UP and not self.session.tick(now):
            self._lost(events, "the daemon does not answer")

    def _send(self) -> None:
        if self._socket is None or self._phase is not Phase.UP:
            return
        out = self.session.outgoing()
        while out:
            try:
                self._socket.send_multipart(out[0], zmq.DONTWAIT)
            except zmq.Again:
                return
            out.popleft()
