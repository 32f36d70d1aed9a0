"""Which finished batches are remembered, and for how long. Pure; `now` is monotonic seconds."""

from collections.abc import Iterable
from typing import Final

from .batches import Batch

#: Finished batches that are remembered, and the failures that they keep all together; the oldest are forgotten first.
MAX_ENDED: Final = 1000
MAX_FAILURES: Final = 200_000
#: All of a durable batch that ended while nobody listened is kept for so long, in seconds.
UNHEARD_S: Final = 600.0


def unheard(batches: Iterable[Batch], now: float) -> list[Batch]:
    """Durable ones that ended while nobody listened, so long ago that whoever was on his way back would be here."""
    return [one for one in batches if one.unheard is not None and now - one.unheard >= UNHEARD_S and not one.owed]


def expired(batches: Iterable[Batch], now: float) -> list[Batch]:
    """Those whose time is over."""
    released = (batch for batch in batches if batch.released and batch.ended is not None)
    return [batch for batch in released if now - (batch.ended or 0.0) >= batch.terms.ttl_s]


def too_many(batches: Iterable[Batch]) -> list[Batch]:
    """The oldest of those that everybody has dealt with, as far as there are more than are remembered."""
    ended = sorted((batch for batch in batches if batch.released), key=lambda batch: batch.ended or 0.0)
    failures = sum(len(batch.failures) for batch in ended)
    gone: list[Batch] = []
    while len(ended) - len(gone) > MAX_ENDED or failures > MAX_FAILURES:
        gone.append(ended[len(gone)])
        failures -= len(gone[-1].failures)
    return gone
