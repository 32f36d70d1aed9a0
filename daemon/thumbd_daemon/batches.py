"""A batch: a set of items asked for together, its counts, its rate and its end. Pure; times are monotonic seconds."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import BatchInfo, ItemUpdate, Progress, Source, State

from .items import Item, Key
from .lanes import Lane

#: An item is tried again so many times after somebody else has killed its renderer, unless its batch says otherwise.
MAX_RETRIES: Final = 5
#: The rate is that of the last so many seconds, measured at most so often.
_RATE_WINDOW_S: Final = 5.0
_SAMPLE_S: Final = 0.25


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


@dataclass(eq=False)
class Batch:
    """`members` holds every item of the batch, True while it has no final state; `sessions` are told. Renderers that
    others kill over an item of it are replaced `max_retries` times."""

    ident: str
    lane: Lane[Item]
    started: float
    sessions: set[bytes] = field(default_factory=set)
    max_retries: int = MAX_RETRIES
    members: dict[Key, bool] = field(default_factory=dict)
    #: More chunks were announced; a folder is still being listed.
    more: bool = False
    listing: bool = False
    ready: int = 0
    failed: int = 0
    cancelled: int = 0
    quarantined: int = 0
    cached: int = 0
    joined: int = 0
    bytes: int = 0
    error: str | None = None
    message: str | None = None
    ended: float | None = None
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def done(self) -> int:
        return self.ready + self.failed + self.cancelled

    @property
    def total(self) -> int | None:
        """How many items there are, once that is known."""
        return None if self.listing or self.more else len(self.members)

    @property
    def complete(self) -> bool:
        """Whether every item that there will ever be has its final state."""
        return not self.listing and not self.more and self.done == len(self.members)

    def settle(self, key: Key, outcome: Outcome, now: float) -> None:
        """Count the final state of one of its items. Raises KeyError for an item that is not pending."""
        if not self.members[key]:
            raise KeyError(f"{key!r} already has its final state in batch {self.ident}")
        self.members[key] = False
        if outcome.state is State.READY:
            self.ready += 1
        elif outcome.state is State.FAILED:
            self.failed += 1
            self.quarantined += outcome.error == "quarantined"
        else:
            self.cancelled += 1
        self.cached += outcome.source is Source.CACHE
        self.bytes += outcome.size
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, self.done))
            while now - self._samples[0][0] > _RATE_WINDOW_S:
                self._samples.popleft()

    def rate(self, now: float) -> float:
        """Items a second lately; since the start while that is not long ago."""
        since, before = self._samples[0] if self._samples else (self.started, 0)
        if now - self.started <= _RATE_WINDOW_S:
            since, before = self.started, 0
        return (self.done - before) / max(now - since, 0.001)

    def progress(self, now: float) -> Progress:
        """How far it is."""
        rate = self.rate(now)
        total = self.total
        eta_ms = None
        if total is not None and rate > 0:
            eta_ms = round((total - self.done) / rate * 1000)
        return Progress(
            batch=self.ident,
            done=self.done,
            ready=self.ready,
            failed=self.failed,
            cancelled=self.cancelled,
            cached=self.cached,
            joined=self.joined,
            total=total,
            bytes=self.bytes,
            rate=round(rate, 1),
            eta_ms=eta_ms,
        )

    def info(self, now: float) -> BatchInfo:
        state = "listing" if self.listing else "open" if self.ended is None else "done"
        return BatchInfo(self.ident, state, self.progress(now), False, round((now - self.started) * 1000))

    def end(self) -> BatchEnd:
        """What it came to. Only for a batch that has ended."""
        assert self.ended is not None
        elapsed = round((self.ended - self.started) * 1000)
        return BatchEnd(
            self.ident, self.ready, self.failed, self.cancelled, self.quarantined, elapsed, self.error, self.message
        )
