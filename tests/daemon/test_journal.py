"""What outlives the daemon, in a real SQLite file: kept, mended, and lived without."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from thumbd_daemon.journal import Heard, Journal
from thumbd_daemon.quarantine import Quarantined
from thumbd_daemon.restoring import Kept
from thumbd_home import wait_for

X = Quarantined(b"/x\xff\n.png", 5, 1 << 40, "r1", "crashed the renderer (SIGSEGV), 2 times", 2, 77)
Y = Quarantined(b"/y.png", 6, 1000, "r1", "took longer than 10 s", 2, 88)


class Troubles:
    """What a journal tells of itself, in its own thread."""

    def __init__(self) -> None:
        self.told: list[str | None] = []
        self._news = threading.Condition()

    def __call__(self, trouble: str | None) -> None:
        with self._news:
            self.told.append(trouble)
            self._news.notify_all()

    def until(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.told) >= count, 30), self.told


@contextmanager
def opened(path: Path, troubles: Troubles | None = None) -> Iterator[tuple[Journal, list[Quarantined]]]:
    """A journal, and what it knew at its start; closed at the end."""
    journal = Journal(path, Heard(trouble=troubles or Troubles()))
    try:
        yield journal, sorted(journal.load(30.0)[0], key=lambda entry: entry.path)
    finally:
        journal.close()


def known(path: Path) -> list[Quarantined]:
    with opened(path) as (_journal, entries):
        return entries


def test_what_was_kept_is_known_to_the_next_daemon_and_what_was_forgotten_is_not(tmp_path: Path) -> None:
    path = tmp_path / "state" / "thumbd" / "journal.db"
    with opened(path) as (journal, entries):
        assert entries == []
        journal.keep(X)
        journal.keep(Y)
    assert known(path) == [X, Y]
    with opened(path) as (journal, _entries):
        journal.forget(X.path)
        journal.forget(b"/never there")
    assert known(path) == [Y]


def test_a_file_that_is_kept_again_is_there_once_with_what_was_said_last(tmp_path: Path) -> None:
    again = Quarantined(X.path, 9, 9, "r2", "another reason", 2, 99)
    with opened(tmp_path / "j.db") as (journal, _entries):
        journal.keep(X)
        journal.keep(again)
    assert known(tmp_path / "j.db") == [again]


def test_the_end_writes_what_is_left_however_much(tmp_path: Path) -> None:
    with opened(tmp_path / "j.db") as (journal, _entries):
        for number in range(3000):
            journal.keep(Quarantined(b"/%d" % number, 1, 1, "r1", "boom", 2, number))
    assert len(known(tmp_path / "j.db")) == 3000


def test_the_file_is_its_users_alone_and_so_is_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "thumbd" / "journal.db"
    known(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"this is a text" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_broken_file_is_moved_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    path, troubles = tmp_path / "j.db", Troubles()
    path.write_bytes(content)
    with opened(path, troubles) as (journal, entries):
        assert entries == []
        journal.keep(X)
    (aside,) = tmp_path.glob("j.db.broken-*")
    assert aside.read_bytes() == content, "somebody may want to look at it"
    assert known(path) == [X]
    assert troubles.told == []


def test_a_place_that_can_not_be_written_is_told_once_and_lived_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    troubles = Troubles()
    with opened(tmp_path / "file" / "j.db", troubles) as (journal, entries):
        assert entries == []
        for _ in range(3):
            journal.keep(X)
    (told,) = troubles.told
    assert told is not None
    assert str(tmp_path / "file" / "j.db") in told
    assert "quarantine lasts until the daemon ends" in told


def test_a_place_that_can_be_written_again_is_written_again_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "place").touch()
    troubles = Troubles()
    with opened(tmp_path / "place" / "j.db", troubles) as (journal, _entries):
        troubles.until(1)
        (tmp_path / "place").unlink()
        journal.keep(X)
        troubles.until(2)
    assert troubles.told[-1] is None
    assert known(tmp_path / "place" / "j.db") == [X]


def test_a_journal_of_a_newer_thumbd_is_neither_read_nor_touched(tmp_path: Path) -> None:
    path, troubles = tmp_path / "j.db", Troubles()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE quarantine (something, more)")
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with opened(path, troubles) as (journal, entries):
        assert entries == []
        journal.keep(X)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.broken-*")) == []
    (told,) = troubles.told
    assert told is not None
    assert "newer thumbd (version 99)" in told


def test_a_write_that_fails_is_told_once_and_that_it_works_again_too(tmp_path: Path) -> None:
    path, troubles = tmp_path / "j.db", Troubles()
    with opened(path, troubles) as (journal, _entries):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON quarantine BEGIN SELECT RAISE(FAIL, 'disk full'); END")
            journal.keep(X)
            troubles.until(1)
            journal.keep(Y)
            other.execute("DROP TRIGGER full")
        journal.keep(Y)
    first, *rest = troubles.told
    assert first is not None
    assert "can't be written: disk full" in first
    assert rest == [None]
    assert Y in known(path)


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    connect = sqlite3.connect

    def slow(path: Path, timeout: float) -> sqlite3.Connection:
        assert go_on.wait(30)
        return connect(path, timeout=timeout)

    monkeypatch.setattr(sqlite3, "connect", slow)
    journal = Journal(tmp_path / "j.db", Heard(trouble=Troubles()))
    assert journal.load(0.01) == ([], [])
    journal.keep(X)
    go_on.set()
    journal.close()
    monkeypatch.undo()
    assert known(tmp_path / "j.db") == [X]


def test_a_file_from_the_far_future_is_kept_and_costs_no_other(tmp_path: Path) -> None:
    far = Quarantined(b"/far.png", 10_413_792_000_000_000_000, 1 << 70, "r1", "why", 2, 5)
    path = tmp_path / "journal.db"
    with opened(path) as (journal, _entries):
        journal.keep(far)
        journal.keep(Y)
    assert known(path) == [far, Y]


def test_a_file_that_is_deleted_under_it_is_written_anew_with_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as (journal, _entries):
        journal.keep(X)
        wait_for(lambda: path.exists() and rows(path) == 1, "the first")
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        journal.keep(Y)
    assert known(path) == [X, Y]


def test_what_could_not_be_written_while_another_had_it_locked_is_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thumbd_daemon.journal._BUSY_S", 0.05)
    path, troubles = tmp_path / "journal.db", Troubles()
    with opened(path, troubles) as (journal, _entries):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            journal.keep(X)
            troubles.until(1)
            assert "another program has it locked" in str(troubles.told[0])
        journal.keep(Y)
        troubles.until(2)
        assert troubles.told[1] is None
    assert known(path) == [X, Y]


def test_what_is_found_after_the_start_has_given_up_waiting_is_told_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as (journal, _entries):
        journal.keep(X)
    may_go, heard = threading.Event(), threading.Event()
    late: list[Quarantined] = []
    connect = Journal._connect

    def slow(journal: Journal) -> tuple[list[Quarantined], list[Kept]]:
        assert may_go.wait(30)
        return connect(journal)

    def hear(found: list[Quarantined], _batches: list[Kept]) -> None:
        late.extend(found)
        heard.set()

    monkeypatch.setattr(Journal, "_connect", slow)
    journal = Journal(path, Heard(trouble=Troubles(), late=hear))
    assert journal.load(0.05) == ([], [])
    may_go.set()
    assert heard.wait(30)
    journal.close()
    assert late == [X]


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        count: int = database.execute("SELECT count(*) FROM quarantine").fetchone()[0]
        return count
