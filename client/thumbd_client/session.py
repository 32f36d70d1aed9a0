"""One process' conversation with the daemon, without a socket or a clock: frames in, events and frames out.

It keeps what rule 1 of the protocol needs: every unanswered request, every submit without its ``done``, the latest
focus of each view and the subscriptions. When the connection is new, or the daemon is, all of that is said again with
the same ids, so nothing that was accepted is ever lost by a crash on the other side.
"""

import os
from collections import deque
from collections.abc import Iterable, Sequence

from thumbd_protocol.codec import decode_reply, encode, encoded_size
from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.limits import ID_BYTES, MAX_REQUEST_BYTES, MAX_SUBMIT_ITEMS, PROTOCOL
from thumbd_protocol.replies import Accepted, Done, Error, Pong, Push, Reply, Snapshot, Update, Welcome
from thumbd_protocol.requests import (
    Bye,
    Cancel,
    ClientInfo,
    Credit,
    Focus,
    Hello,
    Message,
    Ping,
    Request,
    Submit,
    Subscribe,
    Unsubscribe,
)

from .events import Connected, Event, NotTaken, Refused

#: Bytes of a submit's items, well below the bound of a request.
_CHUNK_BYTES = MAX_REQUEST_BYTES - (64 << 10)


def new_id() -> bytes:
    """A request's id: 16 random bytes."""
    return os.urandom(ID_BYTES)


class Session:
    """The state of one conversation. Times are monotonic seconds, handed in.

    `name` and `version` say who calls; `credit` is how many updates may be under way at once;
    `heartbeat_s` the silence after which the daemon is asked for a sign of life.
    """

    def __init__(self, name: str, version: str, *, credit: int = 16, heartbeat_s: float = 5.0) -> None:
        self._info = ClientInfo(name, version, os.getpid())
        self._credit = credit
        self.heartbeat_s = heartbeat_s
        self._out: deque[list[bytes]] = deque()
        self._session: bytes | None = None
        self.epoch: bytes | None = None
        self._seq = 0
        self._hello: bytes | None = None
        self._welcomed = False
        self._unanswered: dict[bytes, Request] = {}
        self._batches: dict[str, list[Submit]] = {}
        self._focuses: dict[str, Focus] = {}
        self._topics: set[str | bytes] = set()
        self._later: list[tuple[float, bytes]] = []
        self._heard = 0.0
        self._asked = 0.0
        self._processed = 0

    # -- what the caller asks ---------------------------------------------------------------------------------

    @property
    def welcomed(self) -> bool:
        """Whether the daemon has answered the hello of the present connection."""
        return self._welcomed

    @property
    def busy(self) -> bool:
        """Whether something is asked for that has not ended: a request, a batch."""
        return bool(self._unanswered or self._batches)

    def request(self, message: Request) -> bytes:
        """Ask; the answer comes as an event whose ``reply_to`` is the id that is returned."""
        self._unanswered[message.id] = message
        if isinstance(message, Submit) and message.batch is not None:
            self._batches.setdefault(message.batch, []).append(message)
        self._say(message)
        return message.id

    def submit_folder(self, folder: Folder, priority: Priority, batch: str) -> None:
        """Ask for all pictures of a folder, as `batch` (a name of the caller's making)."""
        self.request(Submit(id=new_id(), folder=folder, priority=priority, batch=batch))

    def submit_items(self, items: Sequence[Item], priority: Priority, batch: str) -> None:
        """Ask for `items` as one batch, in as many chunks as the bounds of the wire need."""
        chunks = list(split_items(items))
        for index, chunk in enumerate(chunks):
            more = index + 1 < len(chunks)
            self.request(Submit(id=new_id(), items=chunk, priority=priority, batch=batch, more=more))

    def focus(self, view: str, generation: int, flavor: Flavor, visible: list[bytes], near: list[bytes]) -> None:
        """Say what `view` shows now. Only the newest is ever said again."""
        self._focuses[view] = Focus(view=view, generation=generation, flavor=flavor, visible=visible, near=near)
        self._say(self._focuses[view])

    def forget_view(self, view: str, generation: int) -> None:
        """A view has closed: its focus is emptied and not said again."""
        focus = self._focuses.pop(view, None)
        if focus is not None:
            self._say(Focus(view=view, generation=generation, flavor=focus.flavor, visible=[], near=[]))

    def subscribe(self, topic: str | bytes) -> bytes:
        """Ask for a topic's snapshot and what changes after it."""
        self._topics.add(topic)
        return self.request(Subscribe(id=new_id(), topics=[topic]))

    def unsubscribe(self, topic: str | bytes) -> None:
        self._topics.discard(topic)
        self.request(Unsubscribe(id=new_id(), topics=[topic]))

    def cancel(self, batch: str) -> bytes:
        """Give up a batch; each of its items that was taken still gets its final state."""
        submits = self._batches.get(batch, [])
        refused = {ident for _at, ident in self._later}
        for submit in [s for s in submits if s.id in refused or not self._is_its_turn(s)]:
            submits.remove(submit)
            del self._unanswered[submit.id]
        return self.request(Cancel(id=new_id(), batch=batch))

    def processed(self, count: int = 1) -> None:
        """So many updates or snapshot parts have been dealt with; the daemon may send as many more."""
        self._processed += count

    def bye(self) -> None:
        """The last word: all interest of this session ends now."""
        if self._welcomed:
            self._out.append(encode(Bye()))
        self._processed = 0  # nothing is said behind it
        self._batches.clear()
        self._focuses.clear()

    # -- what the connection does -----------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """A connection stands: hello goes first, all else waits for its answer."""
        self._out.clear()
        self._welcomed = False
        self._heard = self._asked = now
        self._processed = 0
        hello = Hello(
            id=new_id(),
            protocol=(PROTOCOL, PROTOCOL),
            client=self._info,
            capabilities=[],
            credit=self._credit,
            heartbeat_ms=int(self.heartbeat_s * 1000),
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

    def tick(self, now: float) -> bool:
        """Do what time asks for. False when the daemon has been silent for three heartbeats."""
        due = [ident for at, ident in self._later if at <= now]
        if due and self._welcomed:
            self._later = [(at, ident) for at, ident in self._later if at > now]
            for ident in due:
                if ident in self._unanswered:
                    self._say(self._unanswered[ident])
        if now - self._heard >= 3 * self.heartbeat_s:
            return False
        if self._welcomed and now - max(self._heard, self._asked) >= self.heartbeat_s:
            self._asked = now
            self._out.append(encode(Ping(id=new_id())))
        return True

    def receive(self, frames: Sequence[bytes], now: float) -> list[Event]:
        """What the daemon sent, as events. A message that can't be understood is told as ProtocolError."""
        self._heard = now
        try:
            message = decode_reply(frames)
        except ProtocolError as error:
            if error.code is RequestCode.UNKNOWN_TYPE:
                return []  # a newer daemon may say more than we know
            raise
        if isinstance(message, Welcome):
            return self._on_welcome(message)
        if isinstance(message, Push) and not self._in_order(message, now):
            return []
        if isinstance(message, Pong):
            if message.epoch != self.epoch or message.seq > self._seq:
                self.connected(now)
            return []
        if isinstance(message, Error):
            return self._on_error(message, now)
        if isinstance(message, Done):
            open_ = [s for s in self._batches.pop(message.batch, []) if s.id in self._unanswered]
            for submit in open_[1:]:  # somebody else ended it: its further chunks were never said
                del self._unanswered[submit.id]
        elif isinstance(message, Reply) and not isinstance(message, Update):
            self._on_answer(message)
        return [message]

    # -- inside -----------------------------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        if self._welcomed and self._is_its_turn(message):
            self._out.append(encode(message))

    def _is_its_turn(self, message: Message) -> bool:
        """Whether a chunk may be said: those of a batch go one by one, since a queue that is full may refuse a large
        one and take the small last one, which ends the batch."""
        if not isinstance(message, Submit) or message.batch is None or message.id not in self._unanswered:
            return True
        submits = self._batches.get(message.batch, [])
        return next((s.id for s in submits if s.id in self._unanswered), message.id) == message.id

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
        self._repeat()
        return [Connected(message.epoch, fresh, message.server.pid, message.server.version)]

    def _repeat(self) -> None:
        """Say again what is open: topics, unanswered requests, submits without their done, each view's focus."""
        for topic in self._topics:
            if not any(isinstance(r, Subscribe) and topic in r.topics for r in self._unanswered.values()):
                request = Subscribe(id=new_id(), topics=[topic])
                self._unanswered[request.id] = request
        # The batches first: what else is open may be about one of them (its end, say).
        open_: dict[bytes, Request] = {submit.id: submit for submits in self._batches.values() for submit in submits}
        self._unanswered = open_ | self._unanswered
        for message in self._unanswered.values():
            self._say(message)
        for focus in self._focuses.values():
            self._out.append(encode(focus))

    def _on_answer(self, message: Reply) -> None:
        if isinstance(message, Snapshot):
            return
        request = self._unanswered.pop(message.reply_to, None)
        if not isinstance(request, Submit):
            return
        if request.batch is not None:
            following = (s for s in self._batches.get(request.batch, []) if s.id in self._unanswered)
            if (chunk := next(following, None)) is not None:
                self._say(chunk)
        elif isinstance(message, Accepted):
            self._batches.setdefault(message.batch, []).append(request)

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
        request = self._unanswered.get(message.reply_to)
        if request is not None and message.code == RequestCode.QUEUE_FULL:
            self._later.append((now + (message.retry_after_ms or 200) / 1000, message.reply_to))
            return []
        self._unanswered.pop(message.reply_to, None)
        if isinstance(request, Submit) and request.batch is not None:
            for submit in self._batches.pop(request.batch, []):
                self._unanswered.pop(submit.id, None)
            return [NotTaken(request.batch, message.message)]
        return [message]


def split_items(items: Iterable[Item]) -> Iterable[list[Item]]:
    """`items` in chunks that one submit may carry, by number and by bytes. At least one chunk, perhaps empty."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        more = encoded_size(item)
        if chunk and (len(chunk) == MAX_SUBMIT_ITEMS or size + more > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += more
    yield chunk
