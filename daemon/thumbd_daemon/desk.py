"""What each request means: answered from ``wishes`` and the listings, before any file is touched.

What is declared on the wire but not built yet is answered ``not_supported``.
"""

import itertools
import os
from collections.abc import Callable
from functools import partial
from typing import Final

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Folder, Item, ItemStatus, Progress
from thumbd_protocol.replies import Accepted, Error, Ok, StatusReply
from thumbd_protocol.requests import (
    Batches,
    Cancel,
    Focus,
    HealthRequest,
    Message,
    Pool,
    Quarantine,
    Request,
    StatsRequest,
    Status,
    Submit,
    Subscribe,
    Unsubscribe,
)

from .hands import Hands
from .items import Key
from .jobs import Jobs
from .listings import BatchListing, Listings, TopicListing
from .pool import Kind
from .reports import Reports
from .sessions import Session
from .watches import Watches
from .wishes import QueueFull, Wishes

_FOLDER: Final = b"folder:"
_RETRY_AFTER_MS: Final = 250
#: Quarantined files told in one answer.
_MAX_TOLD: Final = 1000
_NOT_BUILT: Final = ("durable", "ttl_s", "timeout_ms")
#: The topic of notices about the daemon's health.
SYSTEM: Final = "system"


def _keys(items: list[Item]) -> list[Key]:
    for item in items:
        if item.kind != "thumbnail":
            raise ProtocolError(RequestCode.NOT_SUPPORTED, f"this daemon makes thumbnails only, not '{item.kind}'")
    return [(item.path, item.flavor) for item in items]


def folder_of(topic: str | bytes) -> bytes | None:
    """The folder that a ``folder:`` topic names; None for other topics. Raises ProtocolError for a bad path."""
    raw = topic if isinstance(topic, bytes) else os.fsencode(topic)
    if not raw.startswith(_FOLDER):
        return None
    path = raw.removeprefix(_FOLDER)
    if not path.startswith(b"/") or b"\0" in path:
        raise ProtocolError(RequestCode.BAD_FIELD, "the path of a folder: topic must be absolute")
    return path


class Desk:
    """Answers requests. `ending` says whether nothing new is taken any more."""

    def __init__(
        self,
        wishes: Wishes,
        hands: Hands,
        listings: Listings,
        watches: Watches,
        reports: Reports,
        ending: Callable[[], bool],
    ) -> None:
        self._wishes = wishes
        self._hands = hands
        self._jobs: Jobs = hands.jobs
        self._listings = listings
        self._watches = watches
        self._reports = reports
        self._clock = hands.clock
        self._ending = ending
        self._names = itertools.count(1)

    def closed(self, session: Session) -> None:
        """A session has ended, with all its interest."""
        self._wishes.close_session(session.ident)
        session.topics.clear()
        self._listings.stop_unwanted()
        self._watches.stop_unwanted()

    def progress(self, batch: str) -> Progress | None:
        """How far a batch is, now."""
        found = self._wishes.batches.get(batch)
        return found.progress(self._clock()) if found is not None else None

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """The answer to a request; None where there is none. Raises ProtocolError."""
        match message:
            case Focus():
                if not self._ending():
                    self._wishes.focus(session.ident, message, now)
                return None
            case Submit():
                return self._submit(session, message, now)
            case Subscribe():
                return self._subscribe(session, message)
            case Unsubscribe():
                for topic in message.topics:
                    session.topics.discard(topic)
                    self._listings.stop_topic(session, topic)
                    self._watches.unsubscribed(session, topic)
                return Ok(reply_to=message.id)
            case Cancel():
                return self._cancel(session, message, now)
            case Status():
                return self._status(message, now)
            case Batches():
                batches = [batch.info(now) for batch in self._wishes.batches.values()]
                return Ok(reply_to=message.id, batches=batches)
            case StatsRequest():
                return self._reports.stats(message.id)
            case HealthRequest():
                return self._reports.health(message.id)
            case Pool():
                return self._pool(message)
            case Quarantine():
                return self._quarantine(message)
            case Request():
                raise ProtocolError(
                    RequestCode.NOT_SUPPORTED, f"this daemon does not do '{message.__struct_config__.tag}' yet"
                )
            case _:
                return None

    def _submit(self, session: Session, message: Submit, now: float) -> Message:
        if self._ending():
            raise ProtocolError(RequestCode.SHUTTING_DOWN, "the daemon is shutting down and takes nothing new")
        for name in _NOT_BUILT:
            if getattr(message, name):
                raise ProtocolError(RequestCode.NOT_SUPPORTED, f"this daemon does not take `{name}` yet")
        ident = message.batch or f"batch-{session.ident.hex()[:8]}-{next(self._names)}"
        keys = _keys(message.items or [])
        listing = message.folder is not None and not self._listings.has_batch(ident)
        try:
            batch = self._wishes.submit(
                session.ident,
                ident,
                keys,
                message.priority,
                now,
                more=message.more,
                listing=listing,
                max_retries=message.max_retries,
            )
        except QueueFull as error:
            return Error(
                reply_to=message.id,
                code=RequestCode.QUEUE_FULL,
                message=f"{error}; this chunk has {len(keys)}: send it again later",
                retryable=True,
                retry_after_ms=_RETRY_AFTER_MS,
                room=error.room,
            )
        if message.folder is not None and listing:
            self._list(message.folder, ident)
        # Only now: a submit that is refused replaces nothing.
        if message.replace is not None and message.replace != ident and message.replace in self._wishes.batches:
            self._listings.stop_batch(message.replace)
            self._wishes.cancel(message.replace, now)
        return Accepted(reply_to=message.id, batch=ident, total=batch.total)

    def _list(self, folder: Folder, ident: str) -> None:
        self._listings.start(
            BatchListing(self._wishes, self._clock, ident, folder.path, folder.flavor, folder.recursive, folder.hidden)
        )

    def _subscribe(self, session: Session, message: Subscribe) -> Message:
        folders = {topic: folder_of(topic) for topic in message.topics if topic not in (SYSTEM, SYSTEM.encode())}
        for topic, path in folders.items():
            if path is None:
                name = topic if isinstance(topic, str) else topic.decode("utf-8", "backslashreplace")
                raise ProtocolError(RequestCode.NOT_SUPPORTED, f"this daemon has no topic '{name[:80]}' yet")
        for topic, path in folders.items():
            assert path is not None
            session.topics.add(topic)
            self._listings.stop_topic(session, topic)
            session.outbox.open_snapshot(message.id, topic)
            self._watches.subscribed(session, topic, path)
            self._listings.start(TopicListing(session, topic, path, partial(self._watches.listed, session, topic)))
        if len(folders) < len(set(message.topics)):
            self._subscribe_system(session, message.id)
        return Ok(reply_to=message.id)

    def _subscribe_system(self, session: Session, request: bytes) -> None:
        """Its snapshot is empty; what is not well now is told at once."""
        session.topics.add(SYSTEM)
        session.outbox.open_snapshot(request, SYSTEM)
        session.outbox.end_snapshot(SYSTEM, None, None)
        verdict, reasons = self._reports.verdict()
        if reasons:
            session.outbox.notice("degraded", f"{verdict}: {'; '.join(reasons)}")

    def _pool(self, message: Pool) -> Message:
        try:
            self._hands.sizer.bounds(message.min, message.max)
        except ValueError as error:
            raise ProtocolError(RequestCode.BAD_FIELD, f"{error}: give both --min and --max") from error
        sizer = self._hands.sizer
        self._hands.budget.renderers = sizer.most
        workers = [
            {"pid": worker.pid, "state": worker.state.name.lower()}
            for worker in self._hands.pool.workers.values()
            if worker.kind is Kind.RENDERER
        ]
        return Ok(reply_to=message.id, min=sizer.least, max=sizer.most, workers=workers)

    def _quarantine(self, message: Quarantine) -> Message:
        quarantine = self._hands.quarantine
        entries = quarantine.entries()
        if message.action == "clear":
            released = entries
        elif message.action == "release":
            if not message.items:
                raise ProtocolError(RequestCode.BAD_FIELD, "name the `items` to release, or use `clear` for all")
            wanted = {item.path for item in message.items}
            released = [entry for entry in entries if entry.path in wanted]
        else:
            released = []
        for entry in released:
            quarantine.release(entry.path)
        wall = self._hands.wall_ms()
        told = [
            {"path": e.path, "reason": e.reason, "deaths": e.deaths, "since_ms": max(0, wall - e.since_ms)}
            for e in (released if message.action != "list" else entries)[:_MAX_TOLD]
        ]
        return Ok(reply_to=message.id, items=told, total=len(entries if message.action == "list" else released))

    def _cancel(self, session: Session, message: Cancel, now: float) -> Message:
        if message.items is not None:
            counts = self._wishes.cancel_items(session.ident, _keys(message.items), now)
        else:
            ident = message.batch or ""
            if ident not in self._wishes.batches:
                raise ProtocolError(RequestCode.UNKNOWN_ID, f"there is no batch '{ident}'")
            self._listings.stop_batch(ident)
            counts = self._wishes.cancel(ident, now)
        dropped, running, shared = counts
        return Ok(reply_to=message.id, dropped=dropped, running=running, shared=shared)

    def _status(self, message: Status, now: float) -> Message:
        if message.batch is not None:
            batch = self._wishes.batches.get(message.batch)
            if batch is None:
                raise ProtocolError(RequestCode.UNKNOWN_ID, f"there is no batch '{message.batch}'")
            keys = [key for key, pending in batch.members.items() if pending][:4096]
            return StatusReply(reply_to=message.id, items=self._states(keys), batch=batch.info(now))
        states = self._states(_keys(message.items or []))
        if not states:
            raise ProtocolError(RequestCode.UNKNOWN_ID, "none of these items is waiting or being rendered")
        return StatusReply(reply_to=message.id, items=states)

    def _states(self, keys: list[Key]) -> list[ItemStatus]:
        """Of those that have no final state yet."""
        return self._jobs.status([self._wishes.items[key] for key in keys if key in self._wishes.items])
