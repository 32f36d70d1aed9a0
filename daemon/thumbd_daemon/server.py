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
from thumbd_protocol.replies import Error, Notice, Pong, ServerInfo, Welcome
from thumbd_protocol.requests import (
    Batches,
    Bye,
    Credit,
    HealthRequest,
    Hello,
    Message,
    Ping,
    Request,
    SnapshotRequest,
    StatsRequest,
    Status,
    Topics,
)

from . import __version__, connections
from .door import Door
from .peers import listen
from .reception import Hosts, Reception
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


#: Connections are shared out among libzmq's threads: one that is busy with somebody's rubbish leaves another to serve.
_IO_THREADS: Final = 2
#: So long messages are read before others have their turn, in seconds: somebody waits for an answer to the first.
_READ_S: Final = 0.005
#: All parts of a message together: twice what libzmq lets one have. Beyond it the connection is closed, as it does.
_MAX_MESSAGE_BYTES: Final = 2 * MAX_FRAME_BYTES
#: Beyond so many nothing is done for it until it reads them.
_MANY_UNREAD: Final = 1_000
#: Messages that are refused are logged so often at most, in seconds.
_NOTE_S: Final = 1.0
#: To ask how things stand has no effect that must happen once only, and the answer may be another each time.
_QUESTIONS: Final = (Status, Batches, StatsRequest, HealthRequest, SnapshotRequest)


class Answering(Hosts, Protocol):
    """Who answers the requests."""

    def credited(self, session: Session, batches: list[str]) -> None:
        """A session has dealt with all that it was told of these batches."""

    def said_again(self, session: Session, message: Message) -> None:
        """A request was said again, and is answered from memory."""

    def keeps_up(self, session: Session) -> None:
        """Look whether what waited for a session had to be dropped."""

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """The answer to a request; None where there is none, or it comes later. Raises ProtocolError."""

    def progress(self, batch: str) -> Progress | None:
        """How far a batch is, now."""


def refusal(error: ProtocolError, request: bytes | None) -> Error:
    """A ProtocolError as the message that tells it."""
    retryable = error.code in RETRYABLE_REQUESTS
    return Error(code=error.code, message=error.message, retryable=retryable, reply_to=error.reply_to or request)


class Server:
    """The daemon's socket and all sessions. `changed` is called when something has come in; connections are bounded by
    `most`."""

    def __init__(
        self, endpoint: str, desk: Answering, changed: Callable[[], None], most: int = connections.MOST
    ) -> None:
        self.epoch = os.urandom(8)
        self._desk = desk
        self._changed = changed
        self._refused, self._noted = 0, float("-inf")
        self._loop = asyncio.get_running_loop()
        self._reception = Reception(self.epoch, desk, self._loop.time)
        self.sessions = self._reception.sessions
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(_IO_THREADS)
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.SNDHWM, 64),
            (zmq.RCVHWM, 64),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
            (zmq.LINGER, 0),
        ):
            self._socket.setsockopt(option, value)
        listener = listen(endpoint.removeprefix("ipc://"))
        self._door = Door(listener, self._socket, most, self._reception.knows)
        self._loop.add_reader(self._socket.FD, self.receive)

    def close(self) -> None:
        """Close the socket; what has not left is lost (the client asks again)."""
        self._loop.remove_reader(self._socket.FD)
        self._door.close()
        self._socket.close(linger=0)
        self._context.term()

    # -- in ---------------------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Take what has come. The descriptor is edge-triggered: it is read until there is no more, or soon again."""
        until = self._loop.time() + _READ_S
        while self._loop.time() < until:
            if self._socket.closed:
                return
            try:
                first = self._socket.recv(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                self._door.behind = False
                break
            frames = self._socket.recv_multipart(zmq.DONTWAIT)  # the rest is there, or nothing would have been
            routing = first.bytes
            self._door.heard(routing, first)
            if sum(map(len, frames)) > _MAX_MESSAGE_BYTES:
                self._door.shut(routing, "sends messages beyond all bounds")
            else:
                self._take(routing, frames, self._door.uid_of(routing, first))
        else:
            self._door.behind = True
            self._loop.call_soon(self.receive)
        self._changed()

    def _take(self, routing: bytes, frames: list[bytes], uid: int) -> None:
        now = self._loop.time()
        session = self._reception.at(routing)
        if session is not None:
            self._reception.hear(session)
        try:
            message = decode_request(frames)
            if isinstance(message, Hello):
                self._hello(routing, message, uid)
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
        self._note_refusal(error)
        answer = refusal(error, None)
        if session is None:
            self._send_now(routing, encode(answer))
        else:
            session.outbox.answer(answer)

    def _note_refusal(self, error: ProtocolError) -> None:
        """One line for the first that is refused in a while, and one for how many followed."""
        now = self._loop.time()
        self._refused += 1
        if now - self._noted >= _NOTE_S:
            more = f" ({self._refused} in all since the last such line)" if self._refused > 1 else ""
            log.info("refused a message: %s: %s%s", error.code, error.message, more)
            self._noted, self._refused = now, 0

    def _serve(self, session: Session, message: Message, now: float) -> None:
        if isinstance(message, Credit):
            self._desk.credited(session, session.outbox.add_credit(message.n))
        elif isinstance(message, Bye):
            self._reception.close(session, "said bye")
        elif isinstance(message, Ping):
            session.outbox.answer(Pong(reply_to=message.id, epoch=self.epoch, seq=session.outbox.seq))
        elif not isinstance(message, Request):
            self._hear_focus(session, message, now)
        elif message.id not in session.waiting:
            answer = session.answered(message.id, now)
            if answer is not None:
                self._desk.said_again(session, message)
            else:
                answer = self._answer(session, message, now)
            if answer is not None:
                session.outbox.answer(answer)
        if session.outbox.unread > _MAX_UNREAD:
            self._reception.close(session, "asks and never reads the answers")

    def _hear_focus(self, session: Session, message: Message, now: float) -> None:
        """Nothing answers it; a fault of ours is told all the same."""
        try:
            self._desk.handle(session, message, now)
        except ProtocolError as error:
            session.outbox.answer(refusal(error, None))

    def _answer(self, session: Session, message: Request, now: float) -> Message | None:
        try:
            if session.outbox.unread > _MANY_UNREAD:
                text = f"{_MANY_UNREAD} answers wait to be read: read them first"
                raise ProtocolError(RequestCode.RATE_LIMITED, text)
            answer = self._desk.handle(session, message, now)
        except ProtocolError as error:
            if error.code in RETRYABLE_REQUESTS:
                return refusal(error, message.id)
            answer = refusal(error, message.id)
        may_differ = isinstance(answer, Error) and answer.retryable
        if answer is not None and not may_differ and not isinstance(message, _QUESTIONS):
            session.remember(message.id, answer, now, of_connection=isinstance(message, Topics))
        return answer

    def _hello(self, routing: bytes, hello: Hello, user: int) -> None:
        known = self._reception.sessions.get(hello.session or b"")
        try:
            session, left = self._reception.welcome(routing, hello, user)
        except ProtocolError as error:
            self._send_now(routing, encode(refusal(error, hello.id)))
            return
        if left is not None:
            text = "another connection goes on with this session"
            self._send_now(left.routing, encode(Notice(epoch=self.epoch, seq=left.seq, kind="replaced", message=text)))
        session.outbox.answer(self._welcome(hello, session, resumed=session is known))

    def _welcome(self, hello: Hello, session: Session, *, resumed: bool) -> Welcome:
        return Welcome(
            reply_to=hello.id,
            protocol=PROTOCOL,
            epoch=self.epoch,
            session=session.ident,
            resumed=resumed,
            capabilities=[],
            limits=_LIMITS,
            heartbeat_ms=hello.heartbeat_ms,
            server=ServerInfo("thumbd", __version__, os.getpid()),
        )

    # -- out --------------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Send all that may leave, and look after those who are silent."""
        for session in list(self.sessions.values()):
            if self._reception.look_after(session, now):
                self._flush_session(session, now)
            elif session.ident not in self.sessions:
                self._door.forgotten()
            self._desk.keeps_up(session)
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
            self._desk.credited(session, session.outbox.settled())

    def due(self, now: float) -> float | None:
        """When `flush` should be called again at the latest."""
        times: list[float] = []
        for session in self.sessions.values():
            times.append(session.due)
            if session.parked_at is not None:
                continue
            if session.unsent:
                times.append(now + 0.02)
            elif (due := session.outbox.due(now)) is not None:
                times.append(due)
        return min(times, default=None)

    def shift(self, gap: float) -> None:
        """For so many seconds we could hear nobody: no session was silent."""
        self._door.shift(gap)
        self._reception.shift(gap)

    @property
    def quiet(self) -> bool:
        """Whether every session has been told everything."""
        here = (session for session in self.sessions.values() if session.parked_at is None)
        return not any(session.unsent or len(session.outbox) for session in here)

    def _send(self, session: Session, frames: list[bytes]) -> bool:
        try:
            self._socket.send_multipart([session.routing, *frames], zmq.DONTWAIT)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self._reception.lost(session)
            return False
        return True

    def _send_now(self, routing: bytes, frames: list[bytes]) -> None:
        """To somebody without a session: said once, or not at all."""
        try:
            self._socket.send_multipart([routing, *frames], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            log.info("a client without a session can't be answered: %s", error)
