"""How one process speaks with the daemon, without a socket or a clock: hello and welcome, numbers, credit, heartbeats.

Frames in, events and frames out. What is open (unanswered requests, batches without their end, topics, each view's
focus) stands in the ``ledger``. When the connection is new, or the daemon is, all of that is said again with the same
ids, so nothing that was accepted is ever lost by a crash on the other side. A durable batch that was accepted is asked
about instead: the journal has it. ``session`` adds what a caller may ask.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence

from thumbd_protocol.codec import decode_reply, encode
from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.limits import PROTOCOL
from thumbd_protocol.replies import Accepted, Done, Error, Notice, Pong, Push, Reply, Snapshot, Welcome
from thumbd_protocol.requests import (
    Bye,
    ClientInfo,
    Credit,
    Hello,
    Message,
    Ping,
    Request,
    Submit,
    Subscribe,
)

from .events import Connected, Event, NotTaken, Refused
from .ledger import Ledger, batch_of, new_id
from .pulse import Pulse


class Conversation:
    """The state of one conversation. Times are monotonic seconds, handed in.

    `name` and `version` say who calls; `credit` is how many updates may be under way at once;
    `heartbeat_s` the silence after which the daemon is asked for a sign of life. `ring` is called whenever there is
    something new to say, so that whoever waits for the socket can say it; `turn` counts the welcomes: credit for what
    was told before the last one is not owed any more. `replaced` says that another connection has taken this over.
    """

    def __init__(self, name: str, version: str, *, credit: int = 16, heartbeat_s: float = 5.0) -> None:
        self._info = ClientInfo(name, version, os.getpid())
        self._credit = credit
        self._pulse = Pulse(heartbeat_s)
        self.ring: Callable[[], object] = lambda: None
        self.turn = 0
        self.replaced = False
        self.epoch: bytes | None = None
        self._out: deque[list[bytes]] = deque()
        self._session: bytes | None = None
        self._seq = 0
        self._hello: bytes | None = None
        self._welcomed = False
        self._draining = False
        self._ledger = Ledger()
        self._processed = 0

    # -- what is asked ----------------------------------------------------------------------------------------

    @property
    def welcomed(self) -> bool:
        """Whether the daemon has answered the hello of the present connection."""
        return self._welcomed

    @property
    def busy(self) -> bool:
        """Whether something is asked for that has not ended: a request, a batch."""
        return bool(self._ledger.unanswered or self._ledger.batches)

    def request(self, message: Request) -> bytes:
        """Ask; the answer comes as an event whose ``reply_to`` is the id that is returned."""
        self._ledger.add(message)
        self._say(message)
        return message.id

    def withdraw(self, ident: bytes) -> None:
        """Nobody waits for this answer any more: the request is not said again, its answer not passed on."""
        self._ledger.forget(ident)

    def processed(self, count: int = 1) -> None:
        """So many updates or snapshot parts have been dealt with; the daemon may send as many more."""
        self._processed += count
        self.ring()

    def bye(self) -> None:
        """The last word: all interest of this session ends now; what is durable goes on."""
        if self._welcomed:
            self._out.append(encode(Bye()))
        self._processed = 0  # nothing is said behind it
        self._ledger = Ledger()

    # -- what the connection does -----------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """A connection stands: hello goes first, all else waits for its answer."""
        self._out.clear()
        self._welcomed = self._draining = self.replaced = False
        self._pulse.began(now)
        self._processed = 0
        hello = Hello(
            id=new_id(),
            protocol=(PROTOCOL, PROTOCOL),
            client=self._info,
            capabilities=[],
            credit=self._credit,
            heartbeat_ms=int(self._pulse.heartbeat_s * 1000),
            session=self._session,
        )
        self._hello = hello.id
        self._out.append(encode(hello))

    def disconnected(self) -> None:
        """The connection is gone; nothing is said until there is another."""
        self._welcomed = False
        self._out.clear()

    def outgoing(self) -> deque[list[bytes]]:
        """The frames to send, in order; the caller removes what it has sent."""
        if self._processed and self._welcomed:
            self._out.append(encode(Credit(n=min(self._processed, self._credit))))
            self._processed = 0
        return self._out

    def due(self) -> float:
        """When `tick` has something to do, at the latest."""
        times = [self._pulse.end]
        if self._welcomed:
            times.append(self._pulse.next_ask)
            if (later := self._ledger.next_due()) is not None:
                times.append(later)
        return min(times)

    def tick(self, now: float) -> bool:
        """Do what time asks for. False when the daemon has been silent for three heartbeats."""
        self._pulse.looked(now)
        if self._welcomed:
            for request in self._ledger.due(now):
                self._say(request)
            if self._pulse.should_ask(now):
                self._out.append(encode(Ping(id=new_id())))
        return not self._pulse.gone(now)

    def receive(self, frames: Sequence[bytes], now: float) -> list[Event]:
        """What the daemon sent, as events. A message that can't be understood is told as ProtocolError."""
        self._pulse.heard(now)
        try:
            message = decode_reply(frames)
        except ProtocolError as error:
            if error.code is RequestCode.UNKNOWN_TYPE:
                return []  # a newer daemon may say more than we know
            raise
        match message:
            case Welcome():
                return self._on_welcome(message)
            case Push():
                return self._on_push(message) if self._in_order(message, now) else []
            case Pong():
                if message.epoch != self.epoch or message.seq > self._seq:
                    self.connected(now)
                return []
            case Error():
                return self._on_error(message, now)
            case Reply():
                return self._on_answer(message)
        return [message]

    # -- inside -----------------------------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        if self._welcomed and self._ledger.is_its_turn(message):
            self._out.append(encode(message))
            self.ring()

    def _in_order(self, push: Push, now: float) -> bool:
        """Whether `push` is the next one of this epoch; a hole means that all is said, and so told, again."""
        if not self._welcomed:
            return False
        if push.epoch == self.epoch and push.seq == self._seq + 1:
            self._seq = push.seq
            return True
        self.connected(now)
        return False

    def _on_welcome(self, message: Welcome) -> list[Event]:
        if message.reply_to != self._hello:
            return []
        fresh = message.epoch != self.epoch
        self.epoch, self._session, self._seq, self._welcomed = message.epoch, message.session, 0, True
        self._processed = 0  # of messages that this welcome's credit knows nothing of
        self.turn += 1
        for again in self._ledger.again():
            self._say(again)
        return [Connected(message.epoch, fresh, message.server.pid, message.server.version, message.resumed)]

    def _on_push(self, push: Push) -> list[Event]:
        match push:
            case Done():
                if not self._ledger.ended(push.batch):
                    return []
            case Snapshot():
                self._ledger.part(push)
            case Notice(kind="draining"):
                self._draining = True
            case Notice(kind="resync"):
                for request in self._ledger.all_snapshots():
                    self._say(request)
            case Notice(kind="replaced"):
                self.replaced = True
                self._session = None  # it is the other's now
                self.disconnected()
        return [push]

    def _on_answer(self, message: Reply) -> list[Event]:
        if message.reply_to not in self._ledger.unanswered:
            return []  # told twice, or nobody waits for it
        if isinstance(message, Accepted):
            if (chunk := self._ledger.accepted(message)) is not None:
                self._say(chunk)
        else:
            self._ledger.withdraw(message.reply_to)
        return [message]

    def _on_error(self, message: Error, now: float) -> list[Event]:
        if message.code == RequestCode.NO_SESSION:
            # The daemon was restarted behind an unbroken connection, or has given this session up.
            if self._welcomed:
                self.connected(now)
            return []
        if message.reply_to is None:
            return [message]
        if message.reply_to == self._hello:
            return [Refused(f"the daemon can't be talked to: {message.message}")]
        request = self._ledger.unanswered.get(message.reply_to)
        if request is None:
            return []
        if message.code == RequestCode.QUEUE_FULL or (
            message.retryable and isinstance(request, Submit) and message.code == RequestCode.RATE_LIMITED
        ):
            self._ledger.postpone(request.id, now + (message.retry_after_ms or 200) / 1000)
            return []
        if message.code == RequestCode.SHUTTING_DOWN and not self._draining:
            return []  # it was leaving when we came: the next daemon is asked, as soon as this one has gone
        self._ledger.withdraw(request.id)
        match request:
            case Submit(batch=str(batch)):
                self._ledger.refused(batch)
                return [NotTaken(batch, message.message, message.code, request.id)]
            case Subscribe(topics=[topic]) if (name := batch_of(topic)) is not None:
                if message.code == RequestCode.UNKNOWN_ID and (again := self._ledger.unknown(name)):
                    for submit in again:
                        self._say(submit)
                    return []
                self._ledger.refused(name)
                return [NotTaken(name, message.message, message.code, request.id)]
        return [message]
