"""A batch: a set of items asked for together, its counts, its rate and its end. Pure; times are monotonic seconds."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import BatchInfo, BatchState, Folder, ItemUpdate, Priority, Progress, Source, State

from .estimate import Estimate
from .items import Item, Key
from .lanes import Lane

#: An item is tried again so many times after somebody else has killed its renderer, unless its batch says otherwise.
MAX_RETRIES: Final = 5
#: What a finished batch came to is kept for so long unless it says otherwise, in seconds.
TTL_S: Final = 24 * 3600

#: Final states that a batch keeps for those who come late, of each kind; the oldest go first.
KEPT: Final = 100_000
#: With so many that nobody reads, it stands still until somebody does.
UNREAD: Final = KEPT // 2

#: What `Batch.members` knows of an item: it has not been looked at; (more than that) what it weighs for a renderer;
#: its final state is being written to the journal.
PENDING: Final = 0.0
WRITING: Final = -1.0


@dataclass(frozen=True)
class Outcome:
    """How an item ended; what `update` tells of it."""

    state: State
    thumbnail: bytes | None = None
    volatile: bytes | None = None
    width: int | None = None
    height: int | None = None
    source: Source | None = None
    error: str | None = None
    message: str | None = None
    retryable: bool | None = None
    size: int = 0

    def update(self, key: Key) -> ItemUpdate:
        """What those who asked for the item are told."""
        return ItemUpdate(
            path=key[0],
            flavor=key[1],
            state=self.state,
            thumbnail=self.thumbnail,
            volatile=self.volatile,
            width=self.width,
            height=self.height,
            source=self.source,
            error=self.error,
            message=self.message,
            retryable=self.retryable,
        )


@dataclass(frozen=True)
class BatchEnd:
    """What a batch came to, for ``done``; `error` and `message` when its folder could not be listed (in full)."""

    batch: str
    ready: int
    failed: int
    cancelled: int
    quarantined: int
    elapsed_ms: int
    error: str | None
    message: str | None


@dataclass(frozen=True)
class Terms:
    """What whoever asks for a batch says of it. `timeout_s` bounds the time of one item in a renderer; `user` is his
    number; `created_ms` is Unix time."""

    user: int = 0
    priority: Priority = Priority.NORMAL
    durable: bool = False
    ttl_s: int = TTL_S
    max_retries: int = MAX_RETRIES
    timeout_s: float | None = None
    folders: tuple[Folder, ...] = ()
    created_ms: int = 0


@dataclass(eq=False)
class Batch:
    """`members` holds every item that has no final state, and how far it is. `sessions` have asked for the batch and
    `watchers` look on: both are told; `owed` are those who have not dealt with all of it since its end.

    What is final is kept (`results`, `failures`) until nobody is owed any more, then failures alone.
    """

    ident: str
    terms: Terms
    lane: Lane[Item]
    started: float
    sessions: set[bytes] = field(default_factory=set)
    watchers: set[bytes] = field(default_factory=set)
    owed: set[bytes] = field(default_factory=set)
    members: dict[Key, float] = field(default_factory=dict)
    results: OrderedDict[Key, ItemUpdate] = field(default_factory=OrderedDict)
    failures: OrderedDict[Key, ItemUpdate] = field(default_factory=OrderedDict)
    #: Where its items stand that are held back one by one.
    held: Lane[Item] | None = None
    #: More chunks were announced; so many folders are still being listed.
    more: bool = False
    listing: int = 0
    paused: bool = False
    #: It is being ended: what has no final state yet gets one, bit by bit.
    doomed: bool = False
    ready: int = 0
    failed: int = 0
    cancelled: int = 0
    quarantined: int = 0
    cached: int = 0
    joined: int = 0
    #: Bytes of the originals that are done.
    volume: int = 0
    error: str | None = None
    message: str | None = None
    ended: float | None = None
    #: Since when it has ended here with nobody to tell of it.
    unheard: float | None = None
    #: Everybody has dealt with all of it.
    released: bool = False

    def __post_init__(self) -> None:
        self._estimate = Estimate(self.started)
        self._unlooked = 0
        # Hashes of the items that have their final state: a fraction of the memory of their paths, and (64 bits) never
        # equal by chance.
        self._final: set[int] = set()

    @property
    def done(self) -> int:
        return self.ready + self.failed + self.cancelled

    @property
    def size(self) -> int:
        """How many items there are so far."""
        return self.done + len(self.members)

    @property
    def total(self) -> int | None:
        """How many items there are; None while a folder is listed."""
        return None if self.listing else self.size

    @property
    def complete(self) -> bool:
        """Whether every item that there will ever be has its final state."""
        return not self.listing and not self.more and not self.members

    @property
    def readers(self) -> set[bytes]:
        """The sessions that are told."""
        return self.sessions | self.watchers

    def has(self, key: Key) -> bool:
        """Whether an item is one of the batch."""
        return key in self.members or hash(key) in self._final

    def pending(self) -> list[Key]:
        """Items that somebody works on or will."""
        return [key for key, known in self.members.items() if known >= PENDING]

    def finals(self) -> list[ItemUpdate]:
        """The final states that are kept."""
        return [*self.results.values(), *self.failures.values()]

    def outcomes(self) -> Iterator[tuple[Key, Outcome]]:
        """The same, as they were found out (but for the size of the original)."""
        names = ("state", "thumbnail", "volatile", "width", "height", "source", "error", "message", "retryable")
        kept = [*self.results.items(), *self.failures.items()]
        for key, update in kept:
            yield key, Outcome(**{name: getattr(update, name) for name in names})

    # -- its items ----------------------------------------------------------------------------------------------

    def add(self, key: Key) -> None:
        """One more item, not looked at."""
        self.members[key] = PENDING
        self._unlooked += 1

    def missed(self, key: Key, size: int) -> None:
        """A look found that an item must be rendered."""
        if self.members.get(key) == PENDING:
            self._unlooked -= 1
            self.members[key] = self._estimate.missed(size)

    def writing(self, key: Key, now: float) -> None:
        """An item's final state is on its way to the journal; nobody works on it any more."""
        self._weigh(key, now)
        self.members[key] = WRITING

    def settle(self, key: Key, outcome: Outcome, now: float) -> ItemUpdate:
        """Count the final state of one of its items. Raises KeyError for an item that has one already."""
        self._weigh(key, now)
        del self.members[key]
        self._final.add(hash(key))
        update = outcome.update(key)
        kept = self.failures if outcome.state is State.FAILED else self.results
        kept[key] = update
        if len(kept) > KEPT:
            kept.popitem(last=False)
        if outcome.state is State.READY:
            self.ready += 1
        elif outcome.state is State.FAILED:
            self.failed += 1
            self.quarantined += outcome.error == "quarantined"
        else:
            self.cancelled += 1
        self.cached += outcome.source is Source.CACHE
        self.volume += outcome.size
        return update

    def _weigh(self, key: Key, now: float) -> None:
        known = self.members[key]
        if known >= PENDING:
            self._unlooked -= known == PENDING
            self._estimate.settled(known, self.done + 1, now)

    def reopen(self, key: Key) -> None:
        """A failed item is asked for again: it has no final state any more."""
        update = self.failures.pop(key)
        self._final.discard(hash(key))
        self.failed -= 1
        self.quarantined -= update.error == "quarantined"
        self.cached -= update.source is Source.CACHE
        self.add(key)
        self.ended = None
        self.released = False

    def begin_again(self, now: float) -> None:
        """Another daemon goes on with it: what was done before tells nothing of how fast it goes now."""
        self._estimate = Estimate(now, before=self.done)

    def release(self) -> None:
        """Everybody has dealt with all of it: of what is ready no more than the count is kept."""
        self.released = True
        self.results.clear()

    # -- how far it is ------------------------------------------------------------------------------------------

    def progress(self, now: float) -> Progress:
        """How far it is."""
        total = self.total
        return Progress(
            batch=self.ident,
            done=self.done,
            ready=self.ready,
            failed=self.failed,
            cancelled=self.cancelled,
            cached=self.cached,
            joined=self.joined,
            total=total,
            bytes=self.volume,
            rate=max(0.0, round(self._estimate.rate(self.done, now), 1)),
            eta_ms=None if total is None or self.paused else self._eta_ms(now),
        )

    def _eta_ms(self, now: float) -> int | None:
        return 0 if self.complete else self._estimate.eta_ms(self._unlooked, self.done, now)

    @property
    def state(self) -> BatchState:
        if self.ended is not None:
            return BatchState.DONE
        if self.paused:
            return BatchState.PAUSED
        return BatchState.LISTING if self.listing else BatchState.OPEN

    def info(self, now: float) -> BatchInfo:
        """What ``batches`` and snapshots tell of it."""
        folder = self.terms.folders[0].path if self.terms.folders else None
        age = max(0, round((now - self.started) * 1000))
        return BatchInfo(self.ident, self.state, self.progress(now), self.terms.durable, age, folder)

    def end(self) -> BatchEnd:
        """What it came to. Only for a batch that has ended."""
        assert self.ended is not None
        elapsed = round((self.ended - self.started) * 1000)
        return BatchEnd(
            self.ident, self.ready, self.failed, self.cancelled, self.quarantined, elapsed, self.error, self.message
        )
