"""What must outlive the daemon, in SQLite (WAL), written by one thread: the loop never waits for a disk.

The thread knows which files should be quarantined and writes what differs; entries of durable batches (``books``) it
writes in order, and says when they are committed. What could not be written stays wanted and is tried again; a file
that was deleted, or is no database any more (it is moved aside), is begun anew with all of it.

Several daemons of a user may share the file's quarantine; its batches belong to the first of them.
"""

import errno
import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import books
from .news import Entry
from .quarantine import Quarantined
from .restoring import Kept

log = logging.getLogger(__name__)

# Times are text: a file may be from the year 2300, whose nanoseconds SQLite's integers do not hold.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS quarantine (
  path BLOB PRIMARY KEY, mtime_ns TEXT NOT NULL, size TEXT NOT NULL, renderer TEXT NOT NULL,
  reason TEXT NOT NULL, deaths INTEGER NOT NULL, since_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
_VERSION: Final = 2
#: How long the end waits for what is still to be written, in seconds.
_CLOSE_S: Final = 2.0
_BUSY_S: Final = 5.0
#: What could not be written is tried again after so long, in seconds.
_AGAIN_S: Final = 5.0


@dataclass(frozen=True)
class _Quarantine:
    """A path and what is to be known of it."""

    path: bytes
    entry: Quarantined | None


@dataclass(frozen=True)
class _Entries:
    """What is to be written of batches, and the number by which that is said to be done."""

    number: int
    entries: list[Entry]


@dataclass(frozen=True)
class Heard:
    """Who is told, always in the writer's thread: `trouble` a sentence when the file can't be written, None when it can
    again; `late` what was found there after `load` had given up; `committed` the number of the last write that is on
    disk; `anew` that the file is a new one and is to be told of all batches."""

    trouble: Callable[[str | None], None]
    late: Callable[[list[Quarantined], list[Kept]], None] = lambda _quarantined, _batches: None
    committed: Callable[[int], None] = lambda _number: None
    anew: Callable[[], None] = lambda: None


class Journal:
    """The file `path`."""

    def __init__(self, path: Path, heard: Heard) -> None:
        self._path = path
        self._heard = heard
        self._writes: queue.SimpleQueue[_Quarantine | _Entries | None] = queue.SimpleQueue()
        self._loaded = threading.Event()
        self._gave_up = threading.Event()
        #: Why durable batches can't be kept here, if they can't: another daemon keeps its own here.
        self.taken: str | None = None
        # All that follows is the thread's: what the file should hold, which of it is not written yet.
        self._all: dict[bytes, Quarantined] = {}
        self._batches: list[Kept] = []
        self._pending: set[bytes] = set()
        self._entries: list[_Entries] = []
        self._database: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._identity: tuple[int, int] | None = None
        self._read = False
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def load(self, timeout_s: float) -> tuple[list[Quarantined], list[Kept]]:
        """What was quarantined, and durable batches, as far as that can be known in time. Blocks: for the daemon's
        start only."""
        if not self._loaded.wait(timeout_s):
            self._gave_up.set()
            log.error("the journal %s does not answer: going on without what it holds", self._path)
            return [], []
        batches, self._batches = self._batches, []
        return list(self._all.values()), batches

    def write(self, number: int, entries: list[Entry]) -> None:
        """Commit these, behind all that was said before."""
        self._writes.put(_Entries(number, entries))

    def keep(self, entry: Quarantined) -> None:
        """Remember a quarantined file."""
        self._writes.put(_Quarantine(entry.path, entry))

    def forget(self, path: bytes) -> None:
        """A file is quarantined no longer."""
        self._writes.put(_Quarantine(path, None))

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
        if self._lock is not None:
            os.close(self._lock)

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
            block, timeout = False, None
            if isinstance(write, _Entries):
                self._entries.append(write)
                continue
            self._pending.add(write.path)
            if write.entry is None:
                self._all.pop(write.path, None)
            else:
                self._all[write.path] = write.entry

    def _write(self) -> None:
        """Have the file hold what it should."""
        try:
            if self._database is None or self._was_replaced():
                self._open()
            assert self._database is not None
            with self._database:
                for path in self._pending:
                    self._write_one(self._database, path)
                for write in self._entries:
                    for entry in write.entries:
                        books.apply(self._database, entry)
            self._pending.clear()
            if self._entries:
                number = self._entries[-1].number
                self._entries.clear()
                self._heard.committed(number)
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
            self._heard.trouble(trouble)

    def _open(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            found, batches = self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._path.with_name(f"{self._path.name}.broken-{time.time_ns()}")
            log.error("the journal %s is broken (%s): moved to %s and begun anew", self._path, error, aside)
            self._path.rename(aside)
            found, batches = self._connect()
        there = os.stat(self._path)
        self._identity = there.st_dev, there.st_ino
        if self._read:
            self._heard.anew()
        else:
            self._learn(found, batches)
        # What it lacks is written with what is new.
        self._pending |= self._all.keys() - {entry.path for entry in found}

    def _learn(self, found: list[Quarantined], batches: list[Kept]) -> None:
        """Its content is read once; what was said meanwhile is newer."""
        self._read = True
        for entry in found:
            if entry.path not in self._pending:
                self._all[entry.path] = entry
        self._batches = batches
        if self._gave_up.is_set():
            self._heard.late([self._all[entry.path] for entry in found if entry.path in self._all], batches)

    def _own_batches(self) -> bool:
        """Whether the batches in this file are ours: the first daemon that asks has them until it ends."""
        if self._lock is None:
            name = self._path.with_name(f"{self._path.name}.lock")
            lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                self.taken = f"another daemon keeps its durable batches in {self._path}; use another --journal"
                return False
            self._lock = lock
        self.taken = None
        return True

    def _connect(self) -> tuple[list[Quarantined], list[Kept]]:
        database = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            self._path.chmod(0o600)
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise sqlite3.OperationalError(f"it was written by a newer thumbd (version {version})")
            database.execute("PRAGMA journal_mode = WAL")
            # What was promised must outlive even the machine's end; several writes share one wait for the disk.
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_SCHEMA + books.SCHEMA)
            database.execute(f"PRAGMA user_version = {_VERSION}")
            rows = database.execute("SELECT * FROM quarantine").fetchall()
            batches = books.load(database) if self._own_batches() and not self._read else []
        except BaseException:
            database.close()
            raise
        self._database = database
        return [Quarantined(row[0], int(row[1]), int(row[2]), *row[3:]) for row in rows], batches


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
