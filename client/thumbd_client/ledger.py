"""What one process has asked of the daemon and what has not ended: all that must be said again after a reconnect.

Pure state for ``session``, which says and hears. A batch stands here from its first submit to its ``done``; any other
request until its answer; a topic until it is given up; of each view the newest focus.
"""

import os
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import Topic
from thumbd_protocol.limits import ID_BYTES
from thumbd_protocol.replies import Accepted, Snapshot
from thumbd_protocol.requests import Cancel, Focus, Message, Request, Retry, SnapshotRequest, Submit, Subscribe

_BATCH: Final = b"batch:"
#: Batches that have ended and are remembered, so that an end that is told again is not passed on.
_MAX_ENDED: Final = 1024
#: Topics in one request: the bound of the wire.
_MAX_TOPICS: Final = 256


def new_id() -> bytes:
    """A request's id: 16 random bytes."""
    return os.urandom(ID_BYTES)


def raw_topic(topic: Topic) -> bytes:
    """A topic as bytes: its text and its bytes are the same topic."""
    return topic.encode() if isinstance(topic, str) else topic


def batch_of(topic: Topic) -> str | None:
    """The batch that a topic is about; None for other topics."""
    raw = raw_topic(topic)
    return raw.removeprefix(_BATCH).decode("utf-8", "replace") if raw.startswith(_BATCH) else None


@dataclass
class OpenBatch:
    """A batch without its end: its submits in order, those that were accepted, and whether it was given up."""

    submits: list[Submit] = field(default_factory=list)
    taken: set[bytes] = field(default_factory=set)
    cancelled: bool = False

    @property
    def kept(self) -> bool:
        """Whether the daemon's journal has it, or a part of it."""
        return bool(self.taken) and any(submit.durable for submit in self.submits)


class Ledger:
    """The books of one session."""

    def __init__(self) -> None:
        self.unanswered: dict[bytes, Request] = {}
        self.batches: dict[str, OpenBatch] = {}
        self.focuses: dict[str, Focus] = {}
        self.topics: dict[Topic, None] = {}
        self._ended: dict[str, None] = {}
        self._later: dict[bytes, float] = {}
        self._parts: dict[bytes, set[bytes]] = {}
        self._resync: list[Request] = []

    # -- what is asked ----------------------------------------------------------------------------------------

    def add(self, request: Request) -> None:
        """`request` is going to be said, and stays until it is answered."""
        self.unanswered[request.id] = request
        match request:
            case Submit(batch=str(name)):
                self.batches.setdefault(name, OpenBatch()).submits.append(request)
                self._ended.pop(name, None)
            case Subscribe(topics=topics):
                for name in filter(None, map(batch_of, topics)):
                    self._ended.pop(name, None)
            case Retry(batch=None):
                self._ended.clear()  # whatever had failed items may end once more
            case Retry(batch=str(name)):
                self._ended.pop(name, None)
            case SnapshotRequest(topics=topics):
                self._parts[request.id] = {raw_topic(topic) for topic in topics}
            case _:
                pass

    def is_its_turn(self, message: Message) -> bool:
        """Whether a chunk may be said: those of a batch go one by one, since a queue that is full may refuse a large
        one and take the small last one, which ends the batch."""
        if not isinstance(message, Submit) or message.batch is None or message.id not in self.unanswered:
            return True
        waiting = self._waiting(message.batch)
        return not waiting or waiting[0].id == message.id

    def give_up(self, batch: str) -> None:
        """`batch` is cancelled: chunks that the daemon was not asked for, or has refused, are not said any more."""
        found = self.batches.get(batch)
        if found is None:
            return
        found.cancelled = True
        for submit in [s for s in found.submits if s.id in self._later or not self.is_its_turn(s)]:
            found.submits.remove(submit)
            self.withdraw(submit.id)

    def withdraw(self, ident: bytes) -> Request | None:
        """A request that is not said again, nor its answer passed on."""
        self._later.pop(ident, None)
        self._parts.pop(ident, None)
        return self.unanswered.pop(ident, None)

    def forget(self, ident: bytes) -> None:
        """A request that its caller has given up, with the batch that it was to open."""
        request = self.withdraw(ident)
        if isinstance(request, Submit) and request.batch is not None:
            submits = self.batches[request.batch].submits
            submits.remove(request)
            if not submits:
                del self.batches[request.batch]

    def _waiting(self, batch: str) -> list[Submit]:
        found = self.batches.get(batch)
        return [s for s in found.submits if s.id in self.unanswered] if found is not None else []

    # -- what is heard ----------------------------------------------------------------------------------------

    def accepted(self, answer: Accepted) -> Submit | None:
        """A submit was taken; the batch's next chunk, if it has one."""
        request = self.withdraw(answer.reply_to)
        if not isinstance(request, Submit):
            return None
        if request.batch is None:
            # The daemon has made a name; another daemon, asked again, has made another.
            self.batches = {name: batch for name, batch in self.batches.items() if request not in batch.submits}
            self.batches[answer.batch] = OpenBatch([request])
        if (batch := self.batches.get(answer.batch)) is not None:
            batch.taken.add(request.id)
        return next(iter(self._waiting(answer.batch)), None)

    def part(self, part: Snapshot) -> None:
        """A part of a snapshot: the last one of the last topic answers the request for it."""
        topics = self._parts.get(part.reply_to)
        if topics is not None and part.last:
            topics.discard(raw_topic(part.topic))
            if not topics:
                self.withdraw(part.reply_to)

    def ended(self, batch: str) -> bool:
        """A batch has its end; False when it had it before."""
        if batch in self._ended:
            return False
        self._ended[batch] = None
        if len(self._ended) > _MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        for submit in self._waiting(batch)[1:]:  # somebody else ended it: its further chunks were never said
            self.withdraw(submit.id)
        self.batches.pop(batch, None)
        self._leave(batch)
        return True

    def refused(self, batch: str) -> None:
        """A batch that the daemon does not take, or does not tell of."""
        for submit in self._waiting(batch):
            self.withdraw(submit.id)
        self.batches.pop(batch, None)
        self._leave(batch)

    def unknown(self, batch: str) -> list[Submit]:
        """The daemon does not know a batch of ours that it had accepted (its journal is gone): what to say again."""
        found = self.batches.get(batch)
        if found is None:
            return []
        found.taken.clear()
        self.unanswered |= {submit.id: submit for submit in found.submits}
        return found.submits

    def _leave(self, batch: str) -> None:
        self.topics = {topic: None for topic in self.topics if batch_of(topic) != batch}

    # -- time -------------------------------------------------------------------------------------------------

    def postpone(self, ident: bytes, until: float) -> None:
        """A request that was refused for now is to be said again at `until`."""
        self._later[ident] = until

    def next_due(self) -> float | None:
        """When the first of those that were postponed is due."""
        return min(self._later.values(), default=None)

    def due(self, now: float) -> list[Request]:
        """Those whose time has come."""
        found = [ident for ident, at in self._later.items() if at <= now]
        for ident in found:
            del self._later[ident]
        return [self.unanswered[ident] for ident in found if ident in self.unanswered]

    # -- anew --------------------------------------------------------------------------------------

    def again(self) -> list[Message]:
        """All that is open, in the order to say it in: topics, batches, other requests, each view's focus."""
        self._later.clear()  # all is said now
        wanted: list[Topic] = [*self.topics]
        # The batches first: what else is open may be about one of them (its end, say).
        submits: dict[bytes, Request] = {}
        for name, batch in self.batches.items():
            if batch.kept:
                wanted.append(f"batch:{name}")
            submits |= {s.id: s for s in batch.submits if not batch.kept or s.id not in batch.taken}
        self.unanswered = submits | self.unanswered
        asked = [request for request in self.unanswered.values() if isinstance(request, Subscribe | Cancel)]
        subscribed = {raw_topic(t) for request in asked if isinstance(request, Subscribe) for t in request.topics}
        cancelled = {request.batch for request in asked if isinstance(request, Cancel)}
        for topic in wanted:
            if raw_topic(topic) not in subscribed:
                subscribed.add(raw_topic(topic))
                self._ask(Subscribe(id=new_id(), topics=[topic]))
        for name, batch in self.batches.items():
            if batch.cancelled and name not in cancelled:
                self._ask(Cancel(id=new_id(), batch=name))
        return [*self.unanswered.values(), *self.focuses.values()]

    def all_snapshots(self) -> list[Request]:
        """What waited for us was dropped: requests that have all told that there is."""
        for request in self._resync:
            self.withdraw(request.id)  # its answer was dropped too, or would come twice
        topics: list[Topic] = ["mine", *(topic for topic in self.topics if raw_topic(topic) != b"mine")]
        starts = range(0, len(topics), _MAX_TOPICS)
        self._resync = [SnapshotRequest(id=new_id(), topics=topics[start : start + _MAX_TOPICS]) for start in starts]
        for request in self._resync:
            self.add(request)
        return self._resync

    def _ask(self, request: Request) -> None:
        self.unanswered[request.id] = request
