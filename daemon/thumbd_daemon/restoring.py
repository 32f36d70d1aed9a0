"""Durable batches after a restart: what the journal has kept of one, and how it goes on. Pure."""

from dataclasses import dataclass, field

from .batches import Batch, Outcome, Terms
from .items import Key
from .lanes import Client
from .wishes import Wishes


@dataclass
class Kept:
    """A batch as the journal has it: items without and with a final state, in their order. A `released` one has lost
    what was ready; its counts are `ready`, `cancelled`, `cached` and `bytes`. `ended_ms` is Unix time."""

    batch: str
    terms: Terms
    listing: bool = False
    more: bool = False
    paused: bool = False
    ended_ms: int | None = None
    error: str | None = None
    message: str | None = None
    released: bool = False
    ready: int = 0
    cancelled: int = 0
    cached: int = 0
    bytes: int = 0
    pending: list[Key] = field(default_factory=list)
    finals: list[tuple[Key, Outcome]] = field(default_factory=list)


def restore(wishes: Wishes, kept: Kept, wall_ms: int, now: float) -> Batch | None:
    """Have `wishes` go on with a batch where it stood. None when it has been asked for anew meanwhile."""
    if kept.batch in wishes.batches:
        return None
    age = max(0, wall_ms - kept.terms.created_ms) / 1000
    batch = wishes.revive(kept.batch, Client(kept.terms.user, b""), kept.terms, now - age)
    for key, outcome in kept.finals:
        batch.add(key)
        batch.settle(key, outcome, now)
    batch.begin_again(now)
    batch.listing = len(kept.terms.folders) if kept.listing else 0
    batch.more, batch.paused = kept.more, kept.paused
    batch.error, batch.message = kept.error, kept.message
    # What was released is gone but for its counts; what was asked for again since is among the items.
    batch.ready, batch.cancelled = batch.ready + kept.ready, batch.cancelled + kept.cancelled
    batch.cached, batch.volume = batch.cached + kept.cached, batch.volume + kept.bytes
    wishes.go_on(batch, kept.pending, now)
    if kept.ended_ms is not None and batch.complete:
        batch.ended = now - max(0, wall_ms - kept.ended_ms) / 1000
        batch.released = kept.released
        batch.unheard = now
    wishes.steered(batch, now)
    return batch
