"""Listings under way: for batches (pictures become items) and for ``folder:`` topics (names become entries).

Listing scouts work on them in turn, a chunk for each ``Continue``; who can't take more is not asked. A listing belongs
to the scout that has begun it; on a mount that does not answer it waits like everybody else.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from thumbd_protocol.items import Entry, EntryKind, Flavor, Folder

from .batches import MAX_RETRIES
from .hands import Hands
from .known import MAX_NAMES, Known, Novelty
from .mounts import Road
from .pool import Kind, State, Worker
from .records import Continue, Found, List, Listed, Record, StopListing
from .sentences import about
from .sessions import Session
from .verdicts import DEADLINE, STALLED
from .wishes import Wishes

#: Entries of a snapshot that may wait for credit before its listing pauses.
_MAX_BACKLOG: Final = 5000
#: A listing that so many scouts died over is given up; those that somebody else has killed count by themselves.
_MAX_DEATHS: Final = 3
#: So many mounts below a folder are looked out for.
_MAX_MOUNTS: Final = 100


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

    @property
    def order(self) -> tuple[str, bytes, Flavor, bool, bool]:
        """What was asked for."""
        return self.batch, self.path, self._flavor, self.recursive, self.hidden

    def found(self, entries: list[tuple[bytes, str, str]]) -> None:
        keys = [(os.path.join(self.path, name), self._flavor) for name, _kind, _mime in entries]
        self._wishes.found(self.batch, keys, self._clock())

    def ended(self, code: str, message: str) -> None:
        self._wishes.listed(self.batch, code or None, message or None, self._clock())

    @property
    def hungry(self) -> bool:
        return self._wishes.may_list(self.batch)

    @property
    def wanted(self) -> bool:
        return self.batch in self._wishes.batches


class TopicListing:
    """A folder that a window shows, with all below it when it is `recursive`: its names become the entries of a
    snapshot, each told once. `after` is called with them when that was all, and may remark on what will follow.

    Of more than `MAX_NAMES` names none is remembered (`after` is called with None), so after a scout's death some may
    be told twice.
    """

    hidden = False
    entries = True

    def __init__(
        self,
        session: Session,
        topic: str | bytes,
        path: bytes,
        after: Callable[[Known | None], str | None] = lambda _told: None,
        recursive: bool = False,
    ) -> None:
        self.session = session
        self.topic = topic
        self.path = path
        self.recursive = recursive
        self._after = after
        self._told: Known | None = Known()

    def found(self, entries: list[tuple[bytes, str, str]]) -> None:
        found = [Entry(name=name, kind=EntryKind(kind), mime=mime or None) for name, kind, mime in entries]
        if self._told is not None:
            # A listing that was begun again (its scout died) finds the same names again.
            found = [entry for entry in found if self._told.put(entry) is Novelty.NEW]
            if len(self._told) > MAX_NAMES:
                self._told = None
        self.session.outbox.entries(self.topic, found)

    def ended(self, code: str, message: str) -> None:
        remark = self._after(self._told)
        self.session.outbox.end_snapshot(self.topic, code or None, message or remark)

    @property
    def hungry(self) -> bool:
        return self.session.outbox.backlog(self.topic) < _MAX_BACKLOG

    @property
    def wanted(self) -> bool:
        return self.topic in self.session.topics or self.topic in self.session.once


@dataclass(eq=False)
class _Running:
    """`scout` has begun it; `asked` while that works on a chunk; it is at the mount `at` (its folder's at first).
    `deaths` counts the scouts that died over it, `shot` those that somebody else killed, `skip` are the mounts below
    that did not answer; `stopped` when nobody wants it any more."""

    number: int
    listing: Listing
    scout: Worker | None = None
    asked: bool = False
    at: bytes | None = None
    deaths: int = 0
    shot: int = 0
    skip: list[bytes] = field(default_factory=list)
    stopped: bool = False


class Listings:
    """All listings."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        # The next in turn is the first.
        self._running: dict[int, _Running] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, listing: Listing) -> None:
        """List a folder, as soon as there is a scout."""
        number = next(self._numbers)
        self._running[number] = _Running(number, listing)

    def has_batch(self, batch: str, folder: Folder) -> bool:
        """Whether this folder is being listed for a batch."""
        wanted = (batch, folder.path, folder.flavor, folder.recursive, folder.hidden)
        open_ = (running.listing for running in self._running.values() if not running.stopped)
        return any(isinstance(listing, BatchListing) and listing.order == wanted for listing in open_)

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

    # -- work -------------------------------------------------------------------------------------------------

    def give(self) -> None:
        """Let free scouts go on with what can be gone on with."""
        for running in list(self._running.values()):
            if running.asked or running.stopped or not running.listing.hungry:
                continue
            if not self._may_go(running):
                continue
            scout = running.scout or self._hands.pool.idle(Kind.LISTING)
            if scout is not None and scout.state is State.READY:
                self._ask(running, scout)

    def _may_go(self, running: _Running) -> bool:
        """Whether the mount that it is at answers; one below its folder that does not is left out."""
        road = self._hands.mounts.road(self._mount(running))
        if road is Road.HUNG and self._unanswered(running):
            road = self._hands.mounts.road(self._mount(running))
        return road is Road.CLEAR

    def _mount(self, running: _Running) -> bytes:
        return running.at or self._hands.mounts.of(running.listing.path + b"/.")

    def _ask(self, running: _Running, scout: Worker) -> None:
        listing = running.listing
        if running.scout is None:
            below = self._hands.mounts.below(listing.path)[:_MAX_MOUNTS] if listing.recursive else []
            order: Record = List(
                running.number, listing.path, listing.recursive, listing.hidden, listing.entries, below, running.skip
            )
        else:
            order = Continue(running.number)
        running.scout, running.asked = scout, True
        self._hands.to_scout(scout, order, running.number, listing.path)
        self._running[running.number] = self._running.pop(running.number)

    def on_record(self, scout: Worker, record: Found | Listed) -> None:
        """What a scout found."""
        self._hands.pool.finished(scout, self._hands.clock())
        running = self._running.get(record.job)
        if running is None or running.scout is not scout:
            return  # it was stuck for so long that another has begun it anew
        running.asked = False
        if running.stopped:
            del self._running[record.job]
        elif isinstance(record, Found):
            running.at = record.at or running.at
            running.listing.found(record.entries)
        else:
            del self._running[record.job]
            running.listing.ended(record.code, record.message)

    def slow(self, number: int) -> bytes | None:
        """A scout does not get on with this listing: a path on the mount that it is at."""
        running = self._running.get(number)
        return None if running is None else self._mount(running) + b"/."

    def lost(self, scout: Worker, *, outside: bool) -> None:
        """A scout is gone, perhaps by somebody else's hand (`outside`). What it was busy with has failed if it was
        stuck, or cost too many scouts; all others that it had begun begin again with another."""
        for running in [r for r in self._running.values() if r.scout is scout]:
            busy, running.scout, running.asked = running.asked, None, False
            if running.stopped:
                del self._running[running.number]
            elif busy and scout.killed_for == DEADLINE:
                self._unanswered(running)
            elif busy:
                running.shot += outside
                running.deaths += not outside
                if running.deaths >= _MAX_DEATHS or running.shot > MAX_RETRIES:
                    cause = f"{running.deaths + running.shot} scouts were lost over it; see the daemon's log"
                    self._end(running, "internal", cause)

    def _end(self, running: _Running, code: str, cause: str) -> None:
        del self._running[running.number]
        running.listing.ended(code, about(running.listing.path, cause))

    def _unanswered(self, running: _Running) -> bool:
        """Its mount does not answer: it has failed, or if that is one below its folder (True), it goes on without."""
        mount, running.at = running.at, None
        if mount is not None and mount not in running.skip and mount != running.listing.path:
            running.skip.append(mount)
            if running.scout is not None:
                self._hands.crew.send(running.scout, StopListing(running.number))
                running.scout = None
            return True
        self._end(running, "unreadable", f"{STALLED}; try again later")
        return False

    def _stop(self, which: Callable[[Listing], bool]) -> None:
        for number, running in list(self._running.items()):
            if running.stopped or not which(running.listing):
                continue
            if not running.asked:
                del self._running[number]
            # What a scout is busy with is kept until it answers: it alone is to blame if it never does.
            running.stopped = True
            if running.scout is not None:
                self._hands.crew.send(running.scout, StopListing(number))
