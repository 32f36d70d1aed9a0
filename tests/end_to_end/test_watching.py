"""A client that has a folder open hears what happens there, whatever happens to the scout that watches it."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thumbd_client.connection import Connection
from thumbd_home import Home, wait_for
from thumbd_protocol.items import Entry, EntryKind, FolderChange
from thumbd_protocol.replies import Snapshot, Update
from told_changes import take

pytestmark = pytest.mark.e2e


class Reader:
    """What a client knows of a folder by what it was told."""

    def __init__(self, connection: Connection, folder: Path, *, tree: bool = False) -> None:
        self.connection = connection
        self.folder = os.fsencode(folder)
        self.there: dict[bytes, Entry] = {}
        self.complete = False
        self.changes: list[FolderChange] = []
        self.tree = tree
        connection.session.subscribe((b"tree:" if tree else b"folder:") + self.folder)

    def poll(self) -> None:
        for event in self.connection.poll(0.02):
            if isinstance(event, Snapshot):
                self.there |= {entry.name: entry for entry in event.entries}
                self.complete = event.last
            if isinstance(event, Update):
                for change in event.entries:
                    assert self.complete, "a change came before the snapshot had ended"
                    assert change.folder == self.folder
                    self.changes.append(change)
                    take(change, self.there)
            if isinstance(event, Snapshot | Update):
                self.connection.session.processed()

    def until(self, enough: Callable[[], bool], what: str) -> None:
        def heard() -> bool:
            self.poll()
            return enough()

        wait_for(heard, what)

    def knows_all(self) -> bool:
        """Whether it knows of every file what the file system says."""
        if not self.complete:
            return False
        root = Path(os.fsdecode(self.folder))
        real = {
            os.fsencode(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
            if path.is_file()
            else (None, None)
            for path in (root.rglob("*") if self.tree else root.iterdir())
        }
        return {name: (entry.size, entry.mtime_ns) for name, entry in self.there.items()} == real


@pytest.fixture
def connection(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection of this process to a daemon of the home."""
    home.daemon()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.runtime))
    monkeypatch.delenv("THUMBD_ENDPOINT", raising=False)
    with Connection("a test", autostart=False) as made:
        yield made


@pytest.fixture
def reader(home: Home, connection: Connection) -> Reader:
    """A client that has been told all of a folder of 3,000 pictures."""
    for number in range(3000):
        (home.pictures / f"{number:04}.jpg").write_bytes(b"x" * (number % 7))
    made = Reader(connection, home.pictures)
    made.until(made.knows_all, "the folder's names, sizes and times")
    return made


def test_sizes_and_times_of_a_large_folder_follow_its_snapshot(reader: Reader) -> None:
    assert len(reader.there) == 3000
    assert {len(change.changed) for change in reader.changes} <= set(range(1001))
    assert sum(len(change.changed) for change in reader.changes) == 3000
    assert not any(change.added or change.removed or change.renamed for change in reader.changes)


def test_what_comes_changes_is_renamed_and_goes_is_heard_soon(home: Home, reader: Reader) -> None:
    reader.changes.clear()
    began = time.monotonic()
    (home.pictures / "new.jpg").write_bytes(b"new")
    reader.until(lambda: b"new.jpg" in reader.there, "the new picture")
    # Gathered for a tenth of a second by the scout and by the outbox; the rest is for a machine with much to do.
    assert time.monotonic() - began < 5
    (home.pictures / "0000.jpg").write_bytes(b"changed")
    reader.until(lambda: reader.there[b"0000.jpg"].size == 7, "the picture's new size")
    (home.pictures / "0001.jpg").rename(home.pictures / "renamed.jpg")
    reader.until(lambda: b"renamed.jpg" in reader.there, "the picture's new name")
    assert (b"0001.jpg", b"renamed.jpg") in [pair for change in reader.changes for pair in change.renamed]
    (home.pictures / "0002.jpg").unlink()
    reader.until(reader.knows_all, "the end of a picture")
    (home.pictures / "trip").mkdir()
    reader.until(lambda: b"trip" in reader.there, "a new folder")
    assert reader.there[b"trip"].kind is EntryKind.FOLDER
    (home.pictures / "trip").rmdir()
    told = [entry.name for change in reader.changes for entry in [*change.added, *change.changed]]
    assert set(told) <= {b"new.jpg", b"0000.jpg", b"renamed.jpg", b"trip"}


def test_after_a_thousand_things_at_once_the_client_knows_what_is_there(home: Home, reader: Reader) -> None:
    for number in range(0, 1000, 2):
        (home.pictures / f"{number:04}.jpg").unlink()
        (home.pictures / f"{number + 1:04}.jpg").rename(home.pictures / f"{number:04}.jpg")
    for number in range(1500):
        (home.pictures / f"new {number}.jpg").write_bytes(b"x")
    for number in range(0, 1500, 3):
        (home.pictures / f"new {number}.jpg").unlink()
    reader.until(reader.knows_all, "what is there in the end")
    assert len(reader.there) == 3500


def test_with_the_scout_killed_while_files_change_exactly_the_difference_is_told(home: Home, reader: Reader) -> None:
    (scout,) = home.workers("scout.watcher")
    reader.changes.clear()
    os.kill(scout, signal.SIGKILL)
    for number in range(0, 300, 3):
        (home.pictures / f"{number:04}.jpg").unlink()
    for number in range(50):
        (home.pictures / f"new {number}.jpg").write_bytes(b"x")
    for number in range(1, 61, 3):
        (home.pictures / f"{number:04}.jpg").write_bytes(b"a new picture")
    reader.until(reader.knows_all, "what is there in the end")
    wait_for(lambda: home.workers("scout.watcher") not in ([], [scout]), "another watching scout")
    # Whatever it was told by whom: nothing that did not happen, and that once.
    gone = [name for change in reader.changes for name in change.removed]
    assert sorted(gone) == [b"%04d.jpg" % number for number in range(0, 300, 3)]
    came = [entry.name for change in reader.changes for entry in change.added]
    assert sorted(came) == sorted(b"new %d.jpg" % number for number in range(50))
    changed = {entry.name for change in reader.changes for entry in change.changed}
    assert changed - set(came) == {b"%04d.jpg" % number for number in range(1, 61, 3)}


def test_a_scout_that_is_stopped_is_replaced_and_nothing_is_missed(home: Home, reader: Reader) -> None:
    (scout,) = home.workers("scout.watcher")
    os.kill(scout, signal.SIGSTOP)
    (home.pictures / "new.jpg").write_bytes(b"new")
    reader.until(reader.knows_all, "what came while nobody watched")
    assert home.workers("scout.watcher") != [scout]


def test_folders_are_watched_by_a_scout_alone_and_only_while_somebody_looks(home: Home, connection: Connection) -> None:
    assert home.workers("scout.watcher") == []
    reader = Reader(connection, home.pictures)
    reader.until(lambda: reader.complete, "the empty folder")
    wait_for(lambda: len(home.workers("scout.watcher")) == 1, "the watching scout")
    (scout,) = home.workers("scout.watcher")
    (daemon,) = home.daemon_pids()
    (home.pictures / "a.jpg").touch()
    reader.until(reader.knows_all, "the new picture")

    def holds(pid: int) -> set[str]:
        return {os.readlink(f"/proc/{pid}/fd/{fd.name}") for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}

    assert "anon_inode:inotify" in holds(scout)
    assert "anon_inode:inotify" not in holds(daemon)
    connection.session.unsubscribe(b"folder:" + reader.folder)

    def left() -> bool:
        reader.poll()
        return home.workers("scout.watcher") == []

    wait_for(left, "the scout to leave when nobody looks any more")


def test_a_folder_that_comes_later_is_told_when_it_comes(home: Home, connection: Connection) -> None:
    reader = Reader(connection, home.pictures / "later")
    reader.until(lambda: reader.complete, "the end of a snapshot of nothing")
    (home.pictures / "later").mkdir()
    (home.pictures / "later" / "a.jpg").touch()
    reader.until(reader.knows_all, "the folder's picture")
    assert set(reader.there) == {b"a.jpg"}


def test_a_tree_is_told_with_all_below_it_and_what_happens_there(home: Home, connection: Connection) -> None:
    for number in range(600):
        folder = home.pictures / str(number % 7) / str(number % 3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(b"x")
    reader = Reader(connection, home.pictures, tree=True)
    reader.until(reader.knows_all, "all names with their sizes")
    assert len(reader.there) == 600 + 7 + 21
    reader.changes.clear()
    (home.pictures / "0").rename(home.pictures / "1" / "moved")
    (home.pictures / "new" / "deep").mkdir(parents=True)
    (home.pictures / "new" / "deep" / "a.jpg").write_bytes(b"new")
    shutil.rmtree(home.pictures / "2")
    reader.until(reader.knows_all, "what has moved, come and gone")
    assert (b"0/0", b"1/moved/0") in [pair for change in reader.changes for pair in change.renamed]
    (home.pictures / "1" / "moved" / "0" / "last.jpg").write_bytes(b"last")
    reader.until(reader.knows_all, "a picture in a folder that has moved")
    assert not any(change.rescanned for change in reader.changes)
    # Another scout finds all as it is.
    (scout,) = home.workers("scout.watcher")
    os.kill(scout, signal.SIGKILL)
    (home.pictures / "3").rename(home.pictures / "while nobody watched")
    reader.until(reader.knows_all, "what happened while nobody watched")
