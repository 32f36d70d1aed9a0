"""Who is there: sessions that are opened, kept while their client is away, gone on with, and ended.

A session belongs to a user, not to a connection: by its name (``hello.session``) it goes on over another one.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.limits import PROTOCOL
from thumbd_protocol.requests import Hello

from .outbox import Outbox
from .sessions import Session

log = logging.getLogger(__name__)

#: Sessions at the same time; those that are away go first.
_MAX_SESSIONS: Final = 4_096


@dataclass(frozen=True)
class Left:
    """Where a session was until now, and the number of the next message there."""

    routing: bytes
    seq: int


class Hosts(Protocol):
    """Who works for the sessions."""

    def begun(self, session: Session) -> None:
        """A session is back on a new connection."""

    def parked(self, session: Session, *, parked: bool) -> None:
        """A session is away, or back."""

    def closed(self, session: Session) -> None:
        """A session has ended, with all its interest."""


class Reception:
    """All sessions, by name and by ZeroMQ's name of their connection. `clock` gives monotonic seconds."""

    def __init__(self, epoch: bytes, hosts: Hosts, clock: Callable[[], float]) -> None:
        self._epoch = epoch
        self._hosts = hosts
        self._clock = clock
        self.sessions: dict[bytes, Session] = {}
        self._by_routing: dict[bytes, Session] = {}

    def at(self, routing: bytes) -> Session | None:
        """The session whose messages come from here."""
        return self._by_routing.get(routing)

    def knows(self, routing: bytes) -> bool:
        """Whether a valid hello has come from here."""
        return routing in self._by_routing

    def welcome(self, routing: bytes, hello: Hello, user: int) -> tuple[Session, Left | None]:
        """The session that a hello opens, or goes on with (it is in `sessions` before); and where it was until now, if
        somebody may still listen there. Raises ProtocolError."""
        low, high = hello.protocol
        if not low <= PROTOCOL <= high:
            text = f"this daemon speaks protocol {PROTOCOL}, the client {low} to {high}: bring both to the same version"
            raise ProtocolError(RequestCode.BAD_VERSION, text, hello.id)
        here, known = self._by_routing.get(routing), self.sessions.get(hello.session or b"")
        if known is not None and known.user != user:
            known = None
        if here is not None and here is not known:
            self.close(here, "began anew")
        if known is not None:
            return known, self._come_back(known, routing, hello)
        if not self._is_room():
            text = f"{len(self.sessions)} sessions are open, which is all that there may be: close some"
            raise ProtocolError(RequestCode.RATE_LIMITED, text, hello.id)
        outbox = Outbox(self._epoch, hello.credit)
        heartbeat_s = hello.heartbeat_ms / 1000
        session = Session(os.urandom(16), routing, hello.client, heartbeat_s, self._clock(), outbox, user)
        self.sessions[session.ident] = session
        self._by_routing[routing] = session
        log.info("session %s opened", session.name)
        return session, None

    def _is_room(self) -> bool:
        """Whether one more session may be opened; the one that has been away for longest makes room."""
        if len(self.sessions) >= _MAX_SESSIONS:
            away = [session for session in self.sessions.values() if session.parked_at is not None]
            if away:
                self.close(min(away, key=lambda session: session.parked_at or 0.0), "makes room for others")
        return len(self.sessions) < _MAX_SESSIONS

    def _come_back(self, session: Session, routing: bytes, hello: Hello) -> Left | None:
        """A session goes on, perhaps on another connection: what was under way is told again."""
        before = None
        if routing != session.routing and self._by_routing.get(session.routing) is session:
            del self._by_routing[session.routing]
            before = Left(session.routing, session.outbox.seq + 1)
        session.routing, session.client = routing, hello.client
        session.heartbeat_s = hello.heartbeat_ms / 1000
        self._by_routing[routing] = session
        self.hear(session)
        session.unsent.clear()
        session.forget_connection()
        self._hosts.begun(session)
        session.outbox.begin_again(hello.credit)
        log.info("session %s goes on", session.name)
        return before

    def hear(self, session: Session) -> None:
        """Its client gives a sign of life."""
        session.heard = self._clock()
        if session.parked_at is not None:
            session.parked_at = None
            self._hosts.parked(session, parked=False)

    def lost(self, session: Session) -> None:
        """Its connection is gone."""
        self._by_routing.pop(session.routing, None)
        self._park(session, "has gone")

    def look_after(self, session: Session, now: float) -> bool:
        """Park a session that is silent, end one that did not come back; True for one that is there."""
        if now >= session.due and session.parked_at is not None:
            self.close(session, "did not come back")
        elif now >= session.due:
            self._park(session, "is silent")
        return session.parked_at is None and session.ident in self.sessions

    def _park(self, session: Session, why: str) -> None:
        """What it wants can wait, and is given up if it does not come back."""
        if session.parked_at is None:
            session.parked_at = self._clock()
            self._hosts.parked(session, parked=True)
            log.info("session %s is kept for a while: it %s", session.name, why)

    def close(self, session: Session, why: str) -> None:
        """End a session."""
        self.sessions.pop(session.ident, None)
        if self._by_routing.get(session.routing) is session:
            del self._by_routing[session.routing]
        session.unsent.clear()
        self._hosts.closed(session)
        log.info("session %s closed: %s", session.name, why)

    def shift(self, gap: float) -> None:
        """For so many seconds we could hear nobody: no session was silent."""
        for session in self.sessions.values():
            session.heard += gap
            if session.parked_at is not None:
                session.parked_at += gap
