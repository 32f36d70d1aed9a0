"""The ROUTER: frames in and out, sessions, credit, outboxes. The only module of the daemon with ZeroMQ.

Nothing here blocks: what can't be sent now stays in the session's outbox. What a request means is the ``desk``'s
business; the server knows only what the conversation itself needs: hello, credit, ping, bye.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from typing import Final, Protocol

import zmq

from thumbd_protocol.codec import decode_request, encode
from thumbd_protocol.errors import RETRYABLE_REQUESTS, ProtocolError, RequestCode
from thumbd_protocol.items import Progress
from thumbd_protocol.limits import (
    MAX_BLOB_BYTES,
    MAX_FRAME_BYTES,
    MAX_REQUEST_BYTES,
    MAX_SNAPSHOT_ENTRIES,
    MAX_SUBMIT_ITEMS,
    MAX_UPDATE_ITEMS,
    PROTOCOL,
)
from thumbd_protocol.replies import Error, Pong, ServerInfo, Welcome
from thumbd_protocol.requests import (
    Batches,
    Bye,
    Credit,
    HealthRequest,
    Hello,
    Message,
    Ping,
    Request,
    StatsRequest,
    Status,
)

from . import __version__
from .outbox import Outbox
from .sessions import Session

log = logging.getLogger(__name__)

_LIMITS: Final = {
    "request_bytes": MAX_REQUEST_BYTES,
    "submit_items": MAX_SUBMIT_ITEMS,
    "update_items": MAX_UPDATE_ITEMS,
    "snapshot_entries": MAX_SNAPSHOT_ENTRIES,
    "blob_bytes": MAX_BLOB_BYTES,
}


#: Answers that may wait for a client to read them; they cost no credit, so there must be an end.
_MAX_UNREAD: Final = 10_000


#: To ask how things stand has no effect that must happen once only, and the answer may be another each time.
_QUESTIONS: Final = (Status, Batches, StatsRequest, HealthRequest)


class Answering(Protocol):
    """Who answers the requests."""

    def closed(self, session: Session) -> None:
        """A session has ended, with all its interest."""

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """The answer to a request; None where there is none. Raises ProtocolError."""

    def progress(self, batch: str) -> Progress | None:
        """How far a batch is, now."""


def refusal(error: ProtocolError, request: bytes | None) -> Error:
    """A ProtocolError as the message that tells it."""
    retryable = error.code in RETRYABLE_REQUESTS
    return Error(code=error.code, message=error.message, retryable=retryable, reply_to=error.reply_to or request)


class Server:
    """The daemon's socket and all sessions. `changed` is called when something has come in."""

    def __init__(self, endpoint: str, desk: Answering, changed: Callable[[], None]) -> None:
        self.epoch = os.urandom(8)
        self.sessions: dict[bytes, Session] = {}
        self._by_routing: dict[bytes, Session] = {}
        self._desk = desk
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.SNDHWM, 64),
            (zmq.RCVHWM, 1000),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
            (zmq.LINGER, 0),
        ):
            self._socket.setsockopt(option, value)
        self._socket.bind(endpoint)
        self._loop.add_reader(self._socket.FD, self.receive)

    def close(self) -> None:
        """Close the socket; what has not left is lost (the client asks again)."""
        self._loop.remove_reader(self._socket.FD)
        self._socket.close(linger=0)
        self._context.term()

    # -- in ---------------------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Take what has come. The descriptor is edge-triggered: it is read until there is no more, or soon again."""
        for _ in range(200):
            if self._socket.closed:
                return
            try:
                routing, *frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._take(routing, frames)
        else:
            self._loop.call_soon(self.receive)
        self._changed()

    def _take(self, routing: bytes, frames: list[bytes]) -> None:
        now = self._loop.time()
        session = self._by_routing.get(routing)
        if session is not None:
            session.heard = now
        try:
            message = decode_request(frames)
            if isinstance(message, Hello):
                self._hello(routing, message, now)
                return
        except ProtocolError as error:
            self._refuse(routing, session, error)
            return
        if session is None:
            asked = message.id if isinstance(message, Request) else None
            self._refuse(routing, None, ProtocolError(RequestCode.NO_SESSION, "", asked, "?"))
        else:
            self._serve(session, message, now)

    def _refuse(self, routing: bytes, session: Session | None, error: ProtocolError) -> None:
        """Say what was wrong; to somebody who has not said hello, nothing else is."""
        if session is None and error.kind not in (None, "hello"):
            text = "say hello first (was the daemon restarted?)"
            error = ProtocolError(RequestCode.NO_SESSION, text, error.reply_to)
        log.info("refused a message: %s: %s", error.code, error.message)
        answer = refusal(error, None)
        if session is None:
            self._send_now(routing, encode(answer))
        else:
            session.outbox.answer(answer)

    def _serve(self, session: Session, message: Message, now: float) -> None:
        if isinstance(message, Credit):
            session.outbox.add_credit(message.n)
        elif isinstance(message, Bye):
            self._close(session, "said bye")
        elif isinstance(message, Ping):
            session.outbox.answer(Pong(reply_to=message.id, epoch=self.epoch, seq=session.outbox.seq))
        elif not isinstance(message, Request):
            self._desk.handle(session, message, now)
        else:
            answer = session.answered(message.id, now) or self._answer(session, message, now)
            session.outbox.answer(answer)
        if session.outbox.unread > _MAX_UNREAD:
            self._close(session, "asks and never reads the answers")

    def _answer(self, session: Session, message: Request, now: float) -> Message:
        try:
            answer = self._desk.handle(session, message, now)
            assert answer is not None, f"no answer to {message!r}"
        except ProtocolError as error:
            if error.code in RETRYABLE_REQUESTS:
                return refusal(error, message.id)
            answer = refusal(error, message.id)
        may_differ = isinstance(answer, Error) and answer.retryable
        if not may_differ and not isinstance(message, _QUESTIONS):
            session.remember(message.id, answer, now)
        return answer

    def _hello(self, routing: bytes, hello: Hello, now: float) -> None:
        low, high = hello.protocol
        if not low <= PROTOCOL <= high:
            text = f"this daemon speaks protocol {PROTOCOL}, the client {low} to {high}: bring both to the same version"
            answer = Error(code=RequestCode.BAD_VERSION, message=text, retryable=False, reply_to=hello.id)
            self._send_now(routing, encode(answer))
            return
        # A session that is begun anew starts from nothing: what the client still wants, it says again.
        for old in (self._by_routing.get(routing), self.sessions.get(hello.session or b"")):
            if old is not None:
                self._close(old, "began anew")
        outbox = Outbox(self.epoch, hello.credit)
        session = Session(os.urandom(16), routing, hello.client, hello.heartbeat_ms / 1000, now, outbox)
        self.sessions[session.ident] = session
        self._by_routing[routing] = session
        log.info("session %s opened", session.name)
        outbox.answer(self._welcome(hello, session))

    def _welcome(self, hello: Hello, session: Session) -> Welcome:
        return Welcome(
            reply_to=hello.id,
            protocol=PROTOCOL,
            epoch=self.epoch,
            session=session.ident,
            resumed=False,
            capabilities=[],
            limits=_LIMITS,
            heartbeat_ms=hello.heartbeat_ms,
            server=ServerInfo("thumbd", __version__, os.getpid()),
        )

    # -- out --------------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Send all that may leave, and look after those who are silent."""
        for session in list(self.sessions.values()):
            if now >= session.silent_at:
                self._close(session, "is silent")
            else:
                self._flush_session(session, now)
        # Sending may have made the socket readable without another edge on its descriptor.
        events = self._socket.getsockopt(zmq.EVENTS)
        if isinstance(events, int) and events & zmq.POLLIN:
            self._loop.call_soon(self.receive)

    def _flush_session(self, session: Session, now: float) -> None:
        while True:
            while session.unsent:
                if not self._send(session, session.unsent[0]):
                    return
                session.unsent.popleft()
            messages = session.outbox.take(now, self._desk.progress)
            if not messages:
                return
            session.unsent.extend(encode(message) for message in messages)

    def due(self, now: float) -> float | None:
        """When `flush` should be called again at the latest."""
        times: list[float] = []
        for session in self.sessions.values():
            times.append(session.silent_at)
            if session.unsent:
                times.append(now + 0.02)
            elif (due := session.outbox.due(now)) is not None:
                times.append(due)
        return min(times, default=None)

    def shift(self, gap: float) -> None:
        """For so many seconds we could hear nobody: no session was silent."""
        for session in self.sessions.values():
            session.heard += gap

    @property
    def quiet(self) -> bool:
        """Whether every session has been told everything."""
        return not any(session.unsent or len(session.outbox) for session in self.sessions.values())

    def _send(self, session: Session, frames: list[bytes]) -> bool:
        try:
            self._socket.send_multipart([session.routing, *frames], zmq.DONTWAIT)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self._close(session, "has gone")
            return False
        return True

    def _send_now(self, routing: bytes, frames: list[bytes]) -> None:
        """To somebody without a session: said once, or not at all."""
        try:
            self._socket.send_multipart([routing, *frames], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            log.info("a client without a session can't be answered: %s", error)

    def _close(self, session: Session, why: str) -> None:
        self.sessions.pop(session.ident, None)
        self._by_routing.pop(session.routing, None)
        session.unsent.clear()
        self._desk.closed(session)
        log.info("session %s closed: %s", session.name, why)
