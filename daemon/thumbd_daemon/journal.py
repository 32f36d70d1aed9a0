"""What must outlive the daemon, in SQLite (WAL), written by one thread: the loop never waits for a disk.

The thread knows what the file should hold and writes what differs. What could not be written stays wanted and is tried
again; a file that was deleted, or is no database any more (it is moved aside), is begun anew with all of it.
"""

import errno
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .quarantine import Quarantined

log = logging.getLogger(__name__)

# Times are text: a file may be from the year 2300, whose nanoseconds SQLite's integers do not hold.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS quarantine (
  path BLOB PRIMARY KEY, mtime_ns TEXT NOT NULL, size TEXT NOT NULL, renderer TEXT NOT NULL,
  reason TEXT NOT NULL, deaths INTEGER NOT NULL, since_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
_VERSION: Final = 1
#: How long the end waits for what is still to be written, in seconds.
_CLOSE_S: Final = 2.0
_BUSY_S: Final = 5.0
#: What could not be written is tried again after so long, in seconds.
_AGAIN_S: Final = 5.0

#: A path and what is to be known of it; None ends the thread.
_Write = tuple[bytes, Quarantined | None]


class Journal:
    """The file `path`. `on_trouble` is called in the writer's thread: with a sentence when the file can't be written,
    None when it can again; `on_late` with what was found there after `load` had given up."""

    def __init__(
        self,
        path: Path,
        on_trouble: Callable[[str | None], None],
        on_late: Callable[[list[Quarantined]], None] = lambda _found: None,
    ) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._on_late = on_late
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._loaded = threading.Event()
        self._gave_up = threading.Event()
        # All that follows is the thread's: what the file should hold, which of it is not written yet.
        self._all: dict[bytes, Quarantined] = {}
        self._pending: set[bytes] = set()
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._read = False
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def load(self, timeout_s: float) -> list[Quarantined]:
        """What was quarantined, as far as that can be known in time. Blocks: for the daemon's start only."""
        if not self._loaded.wait(timeout_s):
            self._gave_up.set()
            log.error("the journal %s does not answer: going on without what it holds", self._path)
            return []
        return list(self._all.values())

    def keep(self, entry: Quarantined) -> None:
        """Remember a quarantined file."""
        self._writes.put((entry.path, entry))

    def forget(self, path: bytes) -> None:
        """A file is quarantined no longer."""
        self._writes.put((path, None))

    def close(self) -> None:
        """Write what is left; give up when the disk does not take it."""
        self._writes.put(None)
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            log.error("the journal %s does not answer: what was to be written last is lost", self._path)

    # -- the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._write()
        self._loaded.set()
        ending = False
        while not ending:
            ending = self._take()
            self._write()
        if self._database is not None:
            self._database.close()

    def _take(self) -> bool:
        """Wait for something to write, and take all there is; True when it is the end."""
        block, timeout = True, _AGAIN_S if self._trouble is not None else None
        while True:
            try:
                write = self._writes.get(block, timeout)
            except queue.Empty:
                return False
            if write is None:
                return True
            path, entry = write
            self._pending.add(path)
            if entry is None:
                self._all.pop(path, None)
            else:
                self._all[path] = entry
            block, timeout = False, None

    def _write(self) -> None:
        """Have the file hold what it should."""
        try:
            if self._database is None or self._was_replaced():
                self._open()
            assert self._database is not None
            with self._database:
                for path in self._pending:
                    self._write_one(self._database, path)
            self._pending.clear()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the thread must live and tell
            self._tell(f"the journal {self._path} can't be written: {_remedy(self._path, error)}")
        else:
            self._tell(None)

    def _write_one(self, database: sqlite3.Connection, path: bytes) -> None:
        entry = self._all.get(path)
        if entry is None:
            database.execute("DELETE FROM quarantine WHERE path = ?", (path,))
            return
        times = (str(entry.mtime_ns), str(entry.size))
        row = (path, *times, entry.renderer, entry.reason, entry.deaths, entry.since_ms)
        database.execute("INSERT OR REPLACE INTO quarantine VALUES (?,?,?,?,?,?,?)", row)

    def _was_replaced(self) -> bool:
        """Whether the file is not there any more, or another one is: somebody has deleted it."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def _tell(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble is not None:
                log.error("%s", trouble)
            self._on_trouble(trouble)

    def _open(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            found = self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._path.with_name(f"{self._path.name}.broken-{time.time_ns()}")
            log.error("the journal %s is broken (%s): moved to %s and begun anew", self._path, error, aside)
            self._path.rename(aside)
            found = self._connect()
        there = os.stat(self._path)
        self._identity = there.st_dev, there.st_ino
        if not self._read:
            self._learn(found)
        # What it lacks is written with what is new.
        self._pending |= self._all.keys() - {entry.path for entry in found}

    def _learn(self, found: list[Quarantined]) -> None:
        """Its content is read once; what was said meanwhile is newer."""
        self._read = True
        for entry in found:
            if entry.path not in self._pending:
                self._all[entry.path] = entry
        if self._gave_up.is_set():
            self._on_late([self._all[entry.path] for entry in found if entry.path in self._all])

    def _connect(self) -> list[Quarantined]:
        database = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            self._path.chmod(0o600)
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise sqlite3.OperationalError(f"it was written by a newer thumbd (version {version})")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_VERSION}")
            rows = database.execute("SELECT * FROM quarantine").fetchall()
        except BaseException:
            database.close()
            raise
        self._database = database
        return [Quarantined(row[0], int(row[1]), int(row[2]), *row[3:]) for row in rows]


def _remedy(path: Path, error: Exception) -> str:
    """The cause, and what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    if path.is_dir():
        return "a folder is in its place; move it away"
    if "locked" in str(error):
        return "another program has it locked; it is tried again"
    if number == errno.ENOSPC or "full" in str(error):
        return f"{error}; free some space"
    if "newer thumbd" in str(error):
        return f"{error}; use that, or another file (--journal)"
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        return f"it may not be written; mend the permissions of {path.parent}, or choose another file (--journal)"
    return f"{error}; quarantine lasts until the daemon ends"
