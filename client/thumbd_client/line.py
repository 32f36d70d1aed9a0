"""The loop of a connection: finds, loses and finds the daemon again. Nothing in it waits longer than it was told to.

What must survive a reconnect lives in ``session``, the socket in ``dealer``; here are only phases and deadlines.
``connection`` is what callers use, ``aio`` the same for asyncio.
"""

import time
from collections import deque
from enum import Enum, auto
from typing import Final, NamedTuple

import zmq

from thumbd_protocol.errors import ProtocolError
from thumbd_protocol.replies import Notice, Snapshot, Update

from . import __version__
from .autostart import Finder
from .dealer import Dealer, Happening
from .events import Connected, Disconnected, Event, Refused
from .session import Session

#: Pause between two looks for a daemon that does not accept yet, in seconds.
_PROBE_S: Final = 0.03
#: How long something that accepts may take to say welcome, in seconds, before it is given up.
_WELCOME_S: Final = 10.0
#: The longest single wait of whoever waits for ever, in seconds.
LONG_S: Final = 3600.0


class Phase(Enum):
    """Where the connection stands."""

    LOOKING = auto()  # nothing accepts yet; perhaps a daemon is being started
    CONNECTING = auto()  # something accepts; the handshake of ZeroMQ is under way
    UP = auto()  # frames flow
    GIVEN_UP = auto()  # no daemon can be had; `try_again` starts over
    CLOSED = auto()


class Told(NamedTuple):
    """An event, and the welcome behind which it was told (`Session.turn`): credit is due to no other."""

    event: Event
    turn: int


class Line:
    """A line to the daemon, kept up turn by turn; `told` is what has happened and nobody has taken yet."""

    def __init__(self, name: str, *, autostart: bool, context: zmq.Context[zmq.Socket[bytes]] | None) -> None:
        self.session = Session(name, __version__)
        self.finder = Finder(autostart=autostart)
        self._may_start = self.finder.autostart
        self.dealer: Dealer | None = None
        self._context = context
        self._own_context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._phase = Phase.LOOKING
        self._since = time.monotonic()
        self._told: deque[Told] = deque()

    @property
    def phase(self) -> Phase:
        return self._phase

    def try_again(self) -> None:
        """Look for a daemon again after `GIVEN_UP`."""
        if self._phase is Phase.GIVEN_UP:
            self.finder.reset()
            self._phase = Phase.LOOKING

    def close(self) -> None:
        """Say bye if there is somebody to say it to, and close. What was asked and not ended is given up, unless it is
        durable."""
        if self._phase is Phase.CLOSED:
            return
        self.session.bye()
        self._send()
        # A moment for `bye` to leave; it is a courtesy (the daemon sees the end of the connection too).
        self._drop_socket(linger_ms=100)
        self._phase = Phase.CLOSED
        if self._own_context is not None:
            self._own_context.term()

    def give_back(self, told: Told) -> None:
        """`told` has been processed: the daemon gets its credit back, where that is due."""
        if isinstance(told.event, Update | Snapshot) and told.turn == self.session.turn:
            self.session.processed()

    def turn(self) -> list[Told]:
        """For event loops: do all that can be done now, without waiting; what has come of it."""
        self._step(0.0)
        told = list(self._told)
        self._told.clear()
        return told

    def due_s(self) -> float | None:
        """In how many seconds `turn` has something to do though nothing comes; None for never."""
        now = time.monotonic()
        match self._phase:
            case Phase.LOOKING:
                return _PROBE_S
            case Phase.GIVEN_UP | Phase.CLOSED:
                return None
            case _:
                welcome = now if self.session.welcomed else self._since
                due = welcome + _WELCOME_S
                return max(0.0, min(due, self.session.due() if self._phase is Phase.UP else due) - now)

    def _step(self, timeout_s: float, also: "zmq.Socket[bytes] | None" = None) -> None:
        before = len(self._told)
        if self._phase is Phase.LOOKING:
            self._look()
        self._send()
        due = self.due_s()
        self._wait(0.0 if len(self._told) > before else min(timeout_s, LONG_S if due is None else due), also)
        for happening in self.dealer.happenings() if self.dealer is not None else ():
            self._on(happening)
        self._receive()
        if self._phase in (Phase.UP, Phase.CONNECTING):
            self._check_time()
        self._send()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Notice) and event.kind == "draining":
            self.finder.autostart = False  # it is ended on purpose: to start another would be a fight
        elif isinstance(event, Connected):
            self.finder.autostart = self._may_start
        self._told.append(Told(event, self.session.turn))

    def _give_up(self, reason: str) -> None:
        self._phase = Phase.GIVEN_UP
        self._tell(Refused(reason))

    def _look(self) -> None:
        endpoint = self.finder.step()
        if endpoint is not None:
            if self._context is None:
                self._context = self._own_context = zmq.Context()
            self.dealer = Dealer(self._context, endpoint)
            self._phase, self._since = Phase.CONNECTING, time.monotonic()
        elif self.finder.failure is not None:
            self._give_up(self.finder.failure)

    def _wait(self, timeout_s: float, also: "zmq.Socket[bytes] | None") -> None:
        if self.dealer is not None:
            self.dealer.wait(timeout_s, also, to_send=self.to_send)
        elif also is not None:
            also.poll(round(timeout_s * 1000))
        else:
            time.sleep(timeout_s)

    def _on(self, happening: Happening) -> None:
        if happening is Happening.STANDS:
            self._phase = Phase.UP
            self.session.connected(time.monotonic())
        else:
            # What the daemon said last is read before its going is told.
            self._receive()
            if self.dealer is not None:
                self._lost("the daemon has gone")

    def _lost(self, reason: str) -> None:
        self._drop_socket()
        was_up = self.session.welcomed
        self.session.disconnected()
        self._phase = Phase.LOOKING
        self.finder.reset()
        if was_up:
            self._tell(Disconnected(reason))

    def _drop_socket(self, linger_ms: int = 0) -> None:
        if self.dealer is not None:
            self.dealer.close(linger_ms)
        self.dealer = None

    def _receive(self) -> None:
        for frames in self.dealer.received() if self.dealer is not None else ():
            try:
                events = self.session.receive(frames, time.monotonic())
            except ProtocolError as error:
                events = [Refused(f"the daemon's answer is not understood: {error.message}")]
            for event in events:
                self._tell(event)
            if self.session.replaced:
                self._lost("")
                self._give_up("another connection has taken over this session")

    def _check_time(self) -> None:
        now = time.monotonic()
        if self.session.welcomed:
            self._since = now  # a session that must be begun anew has as much time as a first one
        if not self.session.welcomed and now - self._since > _WELCOME_S:
            endpoint = self.dealer.endpoint if self.dealer is not None else ""
            self._lost("")
            self._give_up(f"something accepts at {endpoint} but does not speak (a daemon that hangs?)")
        elif self._phase is Phase.UP and not self.session.tick(now):
            self._lost("the daemon does not answer")

    @property
    def to_send(self) -> bool:
        """Whether something waits to be sent."""
        return self._phase is Phase.UP and bool(self.session.outgoing())

    def _send(self) -> None:
        if self.dealer is None or self._phase is not Phase.UP:
            return
        out = self.session.outgoing()
        while out and self.dealer.send(out[0]):
            out.popleft()
