"""``thumbctl render``: ask for folders and files, show how it goes, say what became of each.

The command lists and opens nothing of the user's: the daemon's scouts do. Whether an argument is a folder or a file was
asked before (``files``).
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from thumbd_protocol.items import Flavor, Folder, Item, ItemUpdate, Priority, Progress, Source, State
from thumbd_protocol.limits import MAX_PATH_BYTES
from thumbd_protocol.replies import Done, Error, Notice, Snapshot, Update

from .connection import Connection
from .events import Connected, Disconnected, Event, NotTaken, Refused
from .session import new_id


class NoDaemon(Exception):
    """No daemon could be had; the text says why."""


@dataclass
class Summary:
    """What a run came to. `rendered` counts the items that a renderer tried, whether it succeeded or not."""

    total: int = 0
    ready: int = 0
    failed: int = 0
    cancelled: int = 0
    cached: int = 0
    rendered: int = 0
    #: Ready, but not kept in the cache; `not_kept` is the first such sentence.
    volatile: int = 0
    not_kept: str | None = None
    elapsed_ms: int = 0
    #: Sentences about folders that could not be listed (in full), and requests that were refused.
    problems: list[str] = field(default_factory=list)
    failures: list[ItemUpdate] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is nothing that went wrong."""
        return not (self.failed or self.cancelled or self.problems)

    def count(self, item: ItemUpdate) -> None:
        self.total += 1
        self.ready += item.state is State.READY
        self.failed += item.state is State.FAILED
        self.cancelled += item.state is State.CANCELLED
        self.cached += item.source is Source.CACHE
        self.rendered += item.source is Source.RENDER
        if item.state is State.READY and item.thumbnail is None:
            self.volatile += 1
            self.not_kept = self.not_kept or item.message
        if item.state is State.FAILED:
            self.failures.append(item)


class Show(Protocol):
    """Where a run's course is shown."""

    def item(self, item: ItemUpdate) -> None:
        """An item has its final state."""

    def progress(self, progress: Progress) -> None:
        """The counts of all batches together have changed."""

    def note(self, text: str) -> None:
        """Something worth a line: the daemon went away, for instance."""

    def close(self, summary: Summary) -> None:
        """The run has ended."""


class Run:
    """One run: some batches, followed until each has ended. `clock` gives monotonic seconds."""

    def __init__(self, connection: Connection, show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._show = show
        self._clock = clock
        self._began = clock()
        self._open: set[str] = set()
        self._progress: dict[str, Progress] = {}
        self._final: set[tuple[bytes, Flavor]] = set()
        self.summary = Summary()

    def ask(self, paths: dict[bytes, bool], flavor: Flavor, *, recursive: bool, hidden: bool) -> None:
        """Ask for every path: a folder's pictures, or (True) the file itself."""
        self._connection.session.subscribe("system")
        files: list[Item] = []
        for path, is_file in paths.items():
            if len(path) > MAX_PATH_BYTES:
                name = path[:60].decode(errors="replace")
                self.summary.problems.append(f"{name}...: this path is too long for a file")
            elif is_file:
                files.append(Item(path, flavor))
            else:
                folder = Folder(path, flavor, recursive=recursive, hidden=hidden)
                self._connection.session.submit_folder(folder, Priority.NORMAL, self._new_batch())
        if files:
            self._connection.session.submit_items(files, Priority.NORMAL, self._new_batch())

    def follow(self) -> Summary:
        """Wait until all has ended. Raises NoDaemon."""
        while self._open:
            for event in self._connection.poll(0.5):
                self._take(event)
        self._stop_clock()
        return self.summary

    def cancel(self) -> Summary:
        """Give up: what has not ended is cancelled, and waited for a moment."""
        for batch in self._open:
            self._connection.session.cancel(batch)
        until = self._clock() + 2.0
        while self._open and self._clock() < until:
            for event in self._connection.poll(0.1):
                self._take(event)
        self._stop_clock()
        return self.summary

    def _stop_clock(self) -> None:
        self.summary.elapsed_ms = round((self._clock() - self._began) * 1000)

    def _new_batch(self) -> str:
        name = f"render-{os.getpid()}-{new_id().hex()[:8]}"
        self._open.add(name)
        return name

    def _take(self, event: Event) -> None:
        match event:
            case Update():
                for item in event.items:
                    self._item(item)
                self._counts(event.progress)
                self._connection.session.processed()
            case Done():
                self._open.discard(event.batch)
                if event.message:
                    self.summary.problems.append(event.message)
            case NotTaken():
                self._open.discard(event.batch)
                self.summary.problems.append(event.message)
            case Error():
                self.summary.problems.append(event.message)
            case Notice(kind="draining"):
                # Somebody ends the daemon on purpose; starting another would be a fight.
                self._connection.finder.autostart = False
                self._show.note(event.message)
            case Notice(kind="degraded" | "recovered" | "memory"):
                self._show.note(event.message)
            case Snapshot():
                self._connection.session.processed()  # of the topic that notices come by; it holds nothing
            case Disconnected():
                self._show.note(f"{event.reason}; looking for another")
            case Connected(fresh=True) if self._final:
                self._show.note("a daemon is there again; going on")
            case Refused():
                self._stop_clock()
                self.summary.problems.append(event.reason)
                raise NoDaemon(event.reason)
            case _:
                pass

    def _item(self, item: ItemUpdate) -> None:
        key = (item.path, item.flavor)
        # After a restart of the daemon an item may be told again; the first time counts.
        if item.state.final and key not in self._final:
            self._final.add(key)
            self.summary.count(item)
            self._show.item(item)

    def _counts(self, progress: list[Progress]) -> None:
        self._progress.update({one.batch: one for one in progress})
        if progress:
            self._show.progress(together(list(self._progress.values())))


def together(parts: list[Progress]) -> Progress:
    """Several batches' counts as one; the total is known when each one's is, the time left is the longest."""
    sums: Counter[str] = Counter()
    for part in parts:
        for name in ("done", "ready", "failed", "cancelled", "cached", "joined", "bytes"):
            sums[name] += getattr(part, name)
    totals = [part.total for part in parts]
    etas = [part.eta_ms for part in parts]
    return Progress(
        batch=",".join(part.batch for part in parts),
        done=sums["done"],
        ready=sums["ready"],
        failed=sums["failed"],
        cancelled=sums["cancelled"],
        cached=sums["cached"],
        joined=sums["joined"],
        total=None if None in totals else sum(total or 0 for total in totals),
        bytes=sums["bytes"],
        rate=sum(part.rate for part in parts),
        eta_ms=None if None in etas else max((eta or 0 for eta in etas), default=0),
    )
