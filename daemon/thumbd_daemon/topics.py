"""Subscriptions: what each topic is, what its snapshot holds, who is told of what changes in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.limits import MAX_PATH_BYTES

from . import snapshots
from .audience import Audience
from .batches import Batch
from .known import Known
from .listings import Listings, TopicListing
from .outbox import MINE
from .reports import Reports
from .sessions import Session
from .watches import Watches
from .wishes import Wishes

#: The topic of notices about the daemon's health.
SYSTEM: Final = "system"
#: Topics that a session may be subscribed to.
MAX_TOPICS: Final = 256


class Kind(Enum):
    """What a topic is about; the value is how it begins (or all of it)."""

    MINE = MINE.encode()
    SYSTEM = SYSTEM.encode()
    BATCH = b"batch:"
    FOLDER = b"folder:"
    TREE = b"tree:"


@dataclass(frozen=True)
class Topic:
    """A topic as it was `said`, and what it names: a batch, or a folder's path."""

    said: str | bytes
    kind: Kind
    name: bytes = b""


def parse(said: str | bytes) -> Topic:
    """What a topic means. Raises ProtocolError for one that there is not, or whose path is no path."""
    raw = said if isinstance(said, bytes) else said.encode()
    for kind in (Kind.MINE, Kind.SYSTEM):
        if raw == kind.value:
            return Topic(said, kind)
    for kind in (Kind.BATCH, Kind.FOLDER, Kind.TREE):
        if raw.startswith(kind.value):
            name = raw.removeprefix(kind.value)
            if kind is Kind.BATCH:
                _check_name(name)
            else:
                _check_path(name, kind.value.decode())
            return Topic(said, kind, name)
    shown = raw[:80].decode("utf-8", "backslashreplace")
    raise ProtocolError(RequestCode.BAD_FIELD, f"there is no topic '{shown}'")


def _check_name(name: bytes) -> None:
    try:
        name.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(RequestCode.BAD_FIELD, "the name of a batch is text in UTF-8") from error


def _check_path(path: bytes, word: str) -> None:
    if not path.startswith(b"/") or b"\0" in path:
        raise ProtocolError(RequestCode.BAD_FIELD, f"the path of a {word} topic must be absolute and without NUL")
    if len(path) > MAX_PATH_BYTES:
        raise ProtocolError(RequestCode.BAD_FIELD, f"the path of a {word} topic has at most {MAX_PATH_BYTES} bytes")


class Topics:
    """All subscriptions. `batch_of` finds a batch for a session by its name, or raises ProtocolError."""

    def __init__(
        self,
        wishes: Wishes,
        listings: Listings,
        watches: Watches,
        reports: Reports,
        batch_of: Callable[[Session, str], Batch],
        clock: Callable[[], float],
    ) -> None:
        self._wishes = wishes
        self._audience = Audience(wishes)
        self._listings = listings
        self._watches = watches
        self._reports = reports
        self._batch_of = batch_of
        self._clock = clock

    # -- asked for --------------------------------------------------------------------------------------------

    def subscribe(self, session: Session, request: bytes, said: Iterable[str | bytes]) -> None:
        """Tell a session what each of these holds, and from then on what changes. All or none: raises ProtocolError."""
        topics = self._checked(session, said)
        if len(session.topics | {topic.said for topic in topics}) > MAX_TOPICS:
            text = f"a session has at most {MAX_TOPICS} topics: unsubscribe from some first"
            raise ProtocolError(RequestCode.RATE_LIMITED, text)
        for topic in topics:
            session.outbox.supersede(topic.said)
            self._stop(session, topic)
            session.topics.add(topic.said)
            match topic.kind:
                case Kind.SYSTEM:
                    self._tell_system(session, request, topic)
                case Kind.MINE:
                    self._hold(session, request, topic)
                case Kind.BATCH:
                    self._watch(session, request, topic)
                case _:
                    self._list(session, request, topic, watched=True)

    def snapshot(self, session: Session, request: bytes, said: Iterable[str | bytes]) -> None:
        """Tell a session what each of these holds now. Raises ProtocolError."""
        for topic in self._checked(session, said):
            session.outbox.supersede(topic.said)
            match topic.kind:
                case Kind.SYSTEM:
                    self._tell_system(session, request, topic)
                case Kind.MINE | Kind.BATCH:
                    self._hold(session, request, topic)
                case _:
                    watched = topic.said in session.topics
                    self._stop(session, topic)
                    (session.topics if watched else session.once).add(topic.said)
                    self._list(session, request, topic, watched=watched)

    def unsubscribe(self, session: Session, said: Iterable[str | bytes]) -> None:
        """Nothing of these is told any more. Raises ProtocolError."""
        for topic in [parse(one) for one in said]:
            self._stop(session, topic)

    def _checked(self, session: Session, said: Iterable[str | bytes]) -> list[Topic]:
        topics = [parse(one) for one in dict.fromkeys(said)]
        for topic in topics:
            if topic.kind is Kind.BATCH:
                self._batch_of(session, _text(topic.name))
        return topics

    # -- sessions ---------------------------------------------------------------------------------------------

    def begun(self, session: Session) -> None:
        """A session has ended, or begins again: it has no topics."""
        for said in [*session.topics, *session.once]:
            self._stop(session, parse(said))

    def dropped(self, session: Session) -> None:
        """What waited for a session was dropped: its folders are told no further until it asks for a snapshot."""
        for topic in [parse(said) for said in [*session.topics, *session.once]]:
            if topic.kind in (Kind.FOLDER, Kind.TREE):
                self._stop(session, topic)
                session.topics.add(topic.said)

    # -- inside -----------------------------------------------------------------------------------------------

    def _stop(self, session: Session, topic: Topic) -> None:
        session.topics.discard(topic.said)
        session.once.discard(topic.said)
        session.outbox.drop_snapshot(topic.said)
        if topic.kind in (Kind.FOLDER, Kind.TREE):
            self._listings.stop_topic(session, topic.said)
            self._watches.unsubscribed(session, topic.said)
        elif topic.kind is Kind.BATCH:
            self._audience.unwatch(session.ident, _text(topic.name), self._clock())

    def _tell_system(self, session: Session, request: bytes, topic: Topic) -> None:
        """Its snapshot is empty; what is not well now is told at once."""
        session.outbox.open_snapshot(request, topic.said)
        session.outbox.end_snapshot(topic.said, None, None)
        verdict, reasons = self._reports.verdict()
        if reasons:
            session.outbox.notice("degraded", f"{verdict}: {'; '.join(reasons)}")

    def _hold(self, session: Session, request: bytes, topic: Topic) -> None:
        now = self._clock()
        if topic.kind is Kind.BATCH:
            holding = snapshots.of_batch(self._wishes, self._batch_of(session, _text(topic.name)), now)
        else:
            if session.outbox.lost:
                self._wishes.views.renew(session.ident, now)
            holding = snapshots.of_session(self._wishes, session.ident, now)
        session.outbox.hold(request, topic.said, holding)

    def _watch(self, session: Session, request: bytes, topic: Topic) -> None:
        batch = self._batch_of(session, _text(topic.name))
        self._hold(session, request, topic)
        if self._audience.watch(session.ident, batch):
            session.outbox.done(batch.end(), self._clock())

    def _list(self, session: Session, request: bytes, topic: Topic, *, watched: bool) -> None:
        recursive = topic.kind is Kind.TREE
        session.outbox.open_snapshot(request, topic.said)
        if watched:
            self._watches.subscribed(session, topic.said, topic.name, recursive=recursive)
            after: Callable[[Known | None], str | None] = partial(self._watches.listed, session, topic.said)
        else:
            after = partial(_told_once, session, topic.said)
        self._listings.start(TopicListing(session, topic.said, topic.name, after, recursive=recursive))


def _told_once(session: Session, said: str | bytes, _told: object) -> str | None:
    """The snapshot has ended; nothing follows."""
    session.once.discard(said)
    return None


def _text(name: bytes) -> str:
    return name.decode()
