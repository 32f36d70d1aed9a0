"""Between what is wanted and the journal: what must be on disk first is told, or answered, when it is.

`flush` hands the journal what there is to write, numbered; the journal says up to which number all is committed.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from .news import Added, Closed, Entry, Opened, Released, Settled
from .restoring import Kept, restore
from .wishes import Wishes

log = logging.getLogger(__name__)

#: What is written at once; more follows with the next number.
_AT_ONCE: Final = 5000


class Books(Protocol):
    """Where durable batches are kept."""

    def write(self, number: int, entries: list[Entry]) -> None:
        """Commit these, in order, and say so by `number`."""


class Ledger:
    """What is on its way to the journal. `clock` gives monotonic seconds, `wall_ms` Unix time in milliseconds."""

    def __init__(self, wishes: Wishes, books: Books, clock: Callable[[], float], wall_ms: Callable[[], int]) -> None:
        self._wishes = wishes
        self._books = books
        self._clock = clock
        self._wall_ms = wall_ms
        self._number = 0
        self._under_way: deque[tuple[int, list[Entry]]] = deque()
        self._after: deque[tuple[int, Callable[[], None], Callable[[], None]]] = deque()

    def __len__(self) -> int:
        return len(self._under_way)

    def restore(self, kept: Iterable[Kept]) -> list[Kept]:
        """Go on with the batches of an earlier daemon; those whose folder must be listed again are returned."""
        listed: list[Kept] = []
        for one in kept:
            batch = restore(self._wishes, one, self._wall_ms(), self._clock())
            if batch is None:
                continue
            if batch.ended is None:
                log.info("going on with batch %s: %d of %d are done", one.batch, batch.done, batch.size)
            if batch.listing:
                listed.append(one)
        return listed

    def flush(self) -> None:
        """Have written what there is to write."""
        entries = self._wishes.take_entries()
        for start in range(0, len(entries), _AT_ONCE):
            self._write(entries[start : start + _AT_ONCE])

    def _write(self, entries: list[Entry]) -> None:
        self._number += 1
        self._under_way.append((self._number, entries))
        self._books.write(self._number, entries)

    def after(self, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Do this when all that has been said so far is committed; or that, when it can't be written now."""
        self.flush()
        if self._under_way:
            self._after.append((self._number, then, otherwise))
        else:
            then()

    def failed(self) -> None:
        """The journal can't be written: whoever waits for it is told. What is on its way stays so."""
        waiting, self._after = self._after, deque()
        for _number, _then, otherwise in waiting:
            otherwise()

    def written(self, number: int) -> None:
        """All up to this number is committed."""
        now = self._clock()
        while self._under_way and self._under_way[0][0] <= number:
            for entry in self._under_way.popleft()[1]:
                if isinstance(entry, Settled):
                    self._wishes.written(entry, now)
        while self._after and self._after[0][0] <= number:
            self._after.popleft()[1]()

    def begin_anew(self) -> None:
        """The journal's file is a new one: it is told everything that it should hold."""
        entries: list[Entry] = []
        writing: dict[str, list[Entry]] = {}
        for one in (entry for _number, some in self._under_way for entry in some if isinstance(entry, Settled)):
            writing.setdefault(one.batch, []).append(one)
        for batch in self._wishes.batches.values():
            if not batch.terms.durable:
                continue
            entries.append(Opened(batch.ident, batch.terms, bool(batch.listing), batch.more, batch.paused))
            entries.append(Added(batch.ident, list(batch.members)))
            entries += writing.get(batch.ident, [])
            entries += [Settled(batch.ident, key, outcome) for key, outcome in batch.outcomes()]
            if batch.ended is not None:
                ended_ms = batch.terms.created_ms + round((batch.ended - batch.started) * 1000)
                entries.append(Closed(batch.ident, ended_ms, batch.error, batch.message))
            if batch.released:
                entries.append(Released(batch.ident, batch.ready, batch.cancelled, batch.cached, batch.volume))
        for start in range(0, len(entries), _AT_ONCE):
            self._write(entries[start : start + _AT_ONCE])
