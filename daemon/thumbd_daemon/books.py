"""Durable batches in SQLite: the tables, how each entry changes them, and what they tell the next daemon.

Every statement may be carried out twice with the same effect: after a failure all that was not committed is written
again.
"""

import sqlite3
from typing import Any, Final

import msgspec

from thumbd_protocol.items import Flavor, Folder, Priority

from .batches import Outcome, Terms
from .news import Added, Closed, Entry, Forgotten, Opened, Released, Settled
from .restoring import Kept

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batches (
  batch TEXT PRIMARY KEY, user INTEGER NOT NULL, priority TEXT NOT NULL, ttl_s INTEGER NOT NULL,
  max_retries INTEGER NOT NULL, timeout_s REAL, folders BLOB NOT NULL, created_ms INTEGER NOT NULL,
  listing INTEGER NOT NULL, more INTEGER NOT NULL, paused INTEGER NOT NULL,
  ended_ms INTEGER, error TEXT, message TEXT, released INTEGER NOT NULL DEFAULT 0,
  ready INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS items (
  number INTEGER PRIMARY KEY, batch TEXT NOT NULL, path BLOB NOT NULL, flavor TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'thumbnail', state TEXT, outcome BLOB, UNIQUE (batch, path, flavor, kind)
);
"""

_OPENED: Final = """
INSERT INTO batches
  (batch, user, priority, ttl_s, max_retries, timeout_s, folders, created_ms, listing, more, paused)
  VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (batch) DO UPDATE SET
  user = excluded.user, priority = excluded.priority, ttl_s = excluded.ttl_s, max_retries = excluded.max_retries,
  timeout_s = excluded.timeout_s, folders = excluded.folders, created_ms = excluded.created_ms,
  listing = excluded.listing, more = excluded.more, paused = excluded.paused
"""
_ITEM: Final = """
INSERT INTO items (batch, path, flavor, state, outcome) VALUES (?,?,?,?,?)
ON CONFLICT (batch, path, flavor, kind) DO UPDATE SET state = excluded.state, outcome = excluded.outcome
"""


def apply(database: sqlite3.Connection, entry: Entry) -> None:
    """Have the tables hold what `entry` says."""
    match entry:
        case Opened(terms=terms):
            folders = msgspec.msgpack.encode(terms.folders)
            asked = (terms.user, terms.priority, terms.ttl_s, terms.max_retries, terms.timeout_s, folders)
            row = (entry.batch, *asked, terms.created_ms, entry.listing, entry.more, entry.paused)
            database.execute(_OPENED, row)
        case Added():
            database.executemany(_ITEM, [(entry.batch, path, flavor, None, None) for path, flavor in entry.keys])
            database.execute("UPDATE batches SET ended_ms = NULL, released = 0 WHERE batch = ?", (entry.batch,))
        case Settled(key=(path, flavor), outcome=outcome):
            database.execute(_ITEM, (entry.batch, path, flavor, outcome.state, msgspec.msgpack.encode(outcome)))
        case Closed():
            database.execute(
                "UPDATE batches SET ended_ms = ?, error = ?, message = ? WHERE batch = ?",
                (entry.ended_ms, entry.error, entry.message, entry.batch),
            )
        case Released():
            database.execute(
                "UPDATE batches SET released = 1, ready = ?, cancelled = ?, cached = ?, bytes = ? WHERE batch = ?",
                (entry.ready, entry.cancelled, entry.cached, entry.bytes, entry.batch),
            )
            database.execute("DELETE FROM items WHERE batch = ? AND state IN ('ready', 'cancelled')", (entry.batch,))
        case Forgotten():
            database.execute("DELETE FROM items WHERE batch = ?", (entry.batch,))
            database.execute("DELETE FROM batches WHERE batch = ?", (entry.batch,))


def load(database: sqlite3.Connection) -> list[Kept]:
    """All batches, in the order in which they were asked for."""
    database.row_factory = sqlite3.Row
    try:
        found = {
            row["batch"]: _kept(row) for row in database.execute("SELECT * FROM batches ORDER BY created_ms, rowid")
        }
        for row in database.execute("SELECT * FROM items ORDER BY number"):
            kept = found.get(row["batch"])
            if kept is None:
                continue
            key = (bytes(row["path"]), Flavor(row["flavor"]))
            if row["state"] is None:
                kept.pending.append(key)
            else:
                kept.finals.append((key, msgspec.msgpack.decode(row["outcome"], type=Outcome)))
    finally:
        database.row_factory = None
    return list(found.values())


def _kept(row: Any) -> Kept:
    terms = Terms(
        user=row["user"],
        priority=Priority(row["priority"]),
        durable=True,
        ttl_s=row["ttl_s"],
        max_retries=row["max_retries"],
        timeout_s=row["timeout_s"],
        folders=msgspec.msgpack.decode(row["folders"], type=tuple[Folder, ...]),
        created_ms=row["created_ms"],
    )
    return Kept(
        row["batch"],
        terms,
        listing=bool(row["listing"]),
        more=bool(row["more"]),
        paused=bool(row["paused"]),
        ended_ms=row["ended_ms"],
        error=row["error"],
        message=row["message"],
        released=bool(row["released"]),
        ready=row["ready"],
        cancelled=row["cancelled"],
        cached=row["cached"],
        bytes=row["bytes"],
    )
