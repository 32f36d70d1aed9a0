"""``thumbctl render`` and ``attach``: ask for folders and files, or for batches that run; show how it goes, say what
became of each.

The command lists and opens nothing of the user's: the daemon's scouts do. Whether an argument is a folder or a file was
asked before (``files``).
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from thumbd_protocol.items import Flavor, Folder, Item, ItemUpdate, Priority, Progress
from thumbd_protocol.limits import MAX_PATH_BYTES
from thumbd_protocol.replies import Done, Error, Notice, Snapshot, Update

from .connection import Connection
from .events import Connected, Disconnected, Event, NoDaemon, NotTaken, Refused
from .session import new_id
from .summary import Summary, together


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

    def break_off(self, summary: Summary) -> None:
        """The run can't go on; why is told elsewhere."""


class Run:
    """One run: some batches, followed until each has ended. `clock` gives monotonic seconds."""

    def __init__(self, connection: Connection, show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._show = show
        self._clock = clock
        self._began = clock()
        self._open: set[str] = set()
        self._attached: set[str] = set()
        self._ends: list[Done] = []
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

    def attach(self, batches: Sequence[str]) -> None:
        """Follow batches that somebody has asked for before."""
        self._connection.session.subscribe("system")
        for batch in batches:
            self._open.add(batch)
            self._attached.add(batch)
            self._connection.session.subscribe(f"batch:{batch}")

    def leave(self) -> Summary:
        """Go, without giving anything up."""
        self._stop_clock()
        return self.summary

    def follow(self) -> Summary:
        """Wait until all has ended. Raises NoDaemon."""
        while self._open:
            for event in self._connection.poll(0.5):
                self._take(event)
        if self._attached:
            self.summary.adopt(self._ends, [p for p in self._progress.values() if p.batch in self._attached])
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
            case Snapshot():
                for item in event.items:
                    self._item(item)
                self._counts([info.progress for info in event.batches if info.batch in self._open])
                self._connection.session.processed()
            case Done() if event.batch in self._open:
                self._open.discard(event.batch)
                self._ends.append(event)
                if event.message:
                    self.summary.problems.append(event.message)
            case NotTaken():
                self._open.discard(event.batch)
                self.summary.problems.append(event.message)
            case Error():
                self.summary.problems.append(event.message)
            case Notice(kind="draining" | "degraded" | "recovered" | "memory"):
                self._show.note(event.message)
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
