"""Listings under way: for batches (pictures become items) and for ``folder:`` topics (names become entries).

One listing scout works on all of them in turn, a chunk for each ``Continue``; who can't take more does not ask for it.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from thumbd_protocol.items import Entry, EntryKind, Flavor

from .records import Continue, Found, List, Listed, Record, StopListing
from .sentences import about
from .sessions import Session
from .wishes import Wishes

#: Entries of a snapshot that may wait for credit before its listing pauses.
_MAX_BACKLOG: Final = 5000
#: A listing that so many scouts died over is given up.
_MAX_DEATHS: Final = 3


class Listing(Protocol):
    """Somebody who wants a folder listed."""

    path: bytes
    recursive: bool
    hidden: bool
    entries: bool

    def found(self, entries: list[tuple[bytes, str, str]]) -> None:
        """Some of its names: (relative name, kind, MIME type or "")."""

    def ended(self, code: str, message: str) -> None:
        """That was all; `code` is "" when nothing was left out."""

    @property
    def hungry(self) -> bool:
        """Whether more can be taken now."""

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""


class BatchListing:
    """A folder that was submitted: its pictures become the batch's items."""

    entries = False

    def __init__(
        self,
        wishes: Wishes,
        clock: Callable[[], float],
        batch: str,
        path: bytes,
        flavor: Flavor,
        recursive: bool,
        hidden: bool,
    ) -> None:
        self._wishes = wishes
        self._clock = clock
        self.batch = batch
        self.path = path
        self._flavor = flavor
        self.recursive = recursive
        self.hidden = hidden

    def found(self, entries: list[tuple[bytes, str, str]]) -> None:
        keys = [(os.path.join(self.path, name), self._flavor) for name, _kind, _mime in entries]
        self._wishes.found(self.batch, keys, self._clock())

    def ended(self, code: str, message: str) -> None:
        self._wishes.listed(self.batch, code or None, message or None, self._clock())

    @property
    def hungry(self) -> bool:
        return self._wishes.room() > 0

    @property
    def wanted(self) -> bool:
        return self.batch in self._wishes.batches


class TopicListing:
    """A folder that a window shows: its names become the entries of a snapshot, each told once."""

    recursive = False
    hidden = False
    entries = True

    def __init__(self, session: Session, topic: str | bytes, path: bytes) -> None:
        self.session = session
        self.topic = topic
        self.path = path
        self._told: set[bytes] = set()

    def found(self, entries: list[tuple[bytes, str, str]]) -> None:
        # A listing that was begun again (its scout died) finds the same names again.
        new = [entry for entry in entries if entry[0] not in self._told]
        self._told.update(name for name, _kind, _mime in new)
        self.session.outbox.entries(
            self.topic, [Entry(name=name, kind=EntryKind(kind), mime=mime or None) for name, kind, mime in new]
        )

    def ended(self, code: str, message: str) -> None:
        self.session.outbox.end_snapshot(self.topic, code or None, message or None)

    @property
    def hungry(self) -> bool:
        return self.session.outbox.backlog(self.topic) < _MAX_BACKLOG

    @property
    def wanted(self) -> bool:
        return self.topic in self.session.topics


@dataclass
class _Running:
    """`begun` when the present scout knows of it; `asked` when it was asked for what it has not answered yet;
    `deaths` counts the scouts that were lost while they worked on it; `stopped` when nobody wants it any more."""

    listing: Listing
    begun: bool = False
    asked: float | None = None
    deaths: int = 0
    stopped: bool = False


class Listings:
    """All listings. `send` speaks to the listing scout, if there is one; `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._send: Callable[[Record], None] | None = None
        self._running: dict[int, _Running] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, listing: Listing) -> None:
        """List a folder, as soon as there is a scout."""
        self._running[next(self._numbers)] = _Running(listing)

    def has_batch(self, batch: str) -> bool:
        open_ = (running.listing for running in self._running.values() if not running.stopped)
        return any(isinstance(listing, BatchListing) and listing.batch == batch for listing in open_)

    def stop_batch(self, batch: str) -> None:
        self._stop(lambda listing: isinstance(listing, BatchListing) and listing.batch == batch)

    def stop_topic(self, session: Session, topic: str | bytes) -> None:
        session.outbox.drop_snapshot(topic)
        self._stop(
            lambda listing: isinstance(listing, TopicListing) and (listing.session, listing.topic) == (session, topic)
        )

    def stop_unwanted(self) -> None:
        """A session has ended: its topics, and folders of batches that went with it, are listed no further."""
        self._stop(lambda listing: not listing.wanted)

    def scout_ready(self, send: Callable[[Record], None]) -> None:
        """There is a scout (again)."""
        self._send = send

    def scout_lost(self, patience_s: float) -> None:
        """It is gone. What it was busy with has failed if that took too long, or cost too many scouts; all others
        begin again with the next one."""
        self._send = None
        # It answers in the order it is asked in: the first unanswered is what it worked on.
        asked = [(running.asked, number) for number, running in self._running.items() if running.asked is not None]
        for running in self._running.values():
            running.begun, running.asked = False, None
        stopped = {number for number, running in self._running.items() if running.stopped}
        self._running = {number: running for number, running in self._running.items() if number not in stopped}
        if not asked:
            return
        since, number = min(asked, key=lambda one: one[0])
        if number in stopped:
            return  # it was busy with what nobody wants any more
        running = self._running[number]
        running.deaths += 1
        if self._clock() - since >= patience_s or running.deaths >= _MAX_DEATHS:
            del self._running[number]
            cause = "its file system does not answer; try again later"
            running.listing.ended("unreadable", about(running.listing.path, cause))

    def feed(self) -> None:
        """Ask for what can be taken."""
        if self._send is None:
            return
        for number, running in self._running.items():
            listing = running.listing
            if running.stopped or running.asked is not None or not listing.hungry:
                continue
            running.asked = self._clock()
            if running.begun:
                self._send(Continue(number))
            else:
                running.begun = True
                self._send(List(number, listing.path, listing.recursive, listing.hidden, listing.entries))

    def on_record(self, record: Found | Listed) -> None:
        """What the scout found."""
        running = self._running.get(record.job)
        if running is None:
            return
        running.asked = None
        if running.stopped:
            del self._running[record.job]
        elif isinstance(record, Found):
            running.listing.found(record.entries)
        else:
            del self._running[record.job]
            running.listing.ended(record.code, record.message)

    def oldest(self) -> float | None:
        """When the scout was asked what it has not answered yet, the longest ago."""
        return min((r.asked for r in self._running.values() if r.asked is not None), default=None)

    def _stop(self, which: Callable[[Listing], bool]) -> None:
        for number, running in list(self._running.items()):
            if running.stopped or not which(running.listing):
                continue
            if running.asked is None:
                del self._running[number]
            # What the scout is busy with is kept until it answers: it alone is to blame if it never does.
            running.stopped = True
            if self._send is not None and running.begun:
                self._send(StopListing(number))
