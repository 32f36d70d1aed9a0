"""A tree that is watched: a real scout over a real file system, and what windows are told of it."""

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thumbd_daemon import records
from thumbd_daemon.known import Known
from thumbd_daemon.outbox import WAIT_S, Outbox
from thumbd_daemon.records import Changed, Present, Record, Scanned, Scanning, WatchFailed
from thumbd_daemon.scout import kernel, watcher, watching
from thumbd_daemon.sessions import Session
from thumbd_daemon.watched import View, Watched
from thumbd_protocol.items import Entry, FolderChange
from thumbd_protocol.replies import Update
from thumbd_protocol.requests import ClientInfo
from told_changes import take

from .children import ScoutTalk


class Window:
    """A client that knows nothing but what it is told, and holds each change to the rules."""

    def __init__(self, topic: str = "tree:/t") -> None:
        self.outbox = Outbox(b"8 bytes!", 32)
        session = Session(b"s", b"r", ClientInfo("test", "1", 1), 5.0, 0.0, self.outbox)
        self.view = View(session, topic, Known())
        self.there: dict[bytes, Entry] = {}
        self.changes: list[FolderChange] = []

    def hear(self, now: float) -> None:
        for message in self.outbox.take(now + WAIT_S, lambda _batch: None):
            assert isinstance(message, Update)
            self.outbox.add_credit(1)
            for change in message.entries:
                self.changes.append(change)
                take(change, self.there)

    def told(self, what: str) -> list[object]:
        return [one for change in self.changes for one in getattr(change, what)]


class Shown:
    """Two windows that show a tree, and all that its scout has said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.windows = Window(), Window()
        self.watched = Watched(os.fsencode(root), True, [window.view for window in self.windows])
        self.said: list[Record] = []
        self._now = 0.0

    def tell(self, record: Record) -> None:
        self.said.append(record)
        self._now += 1
        self.watched.on_record(record, self._now)
        for window in self.windows:
            window.hear(self._now)

    def right(self) -> bool:
        """Whether both windows know exactly what is there."""
        real = names(self.root)
        return all(
            {name: (entry.kind, entry.size, entry.mtime_ns) for name, entry in window.there.items()} == real
            for window in self.windows
        )


class Tree(Shown):
    """With a scout that watches it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.talk = ScoutTalk("thumbd_daemon.scout.watcher", records.FromWatcher)

    def begin(self, job: int = 1) -> None:
        self.talk.say(records.Watch(job, os.fsencode(self.root), True))

    def hear(self) -> None:
        record = self.talk.hear()
        assert record is not None, "the scout has gone"
        self.tell(record)

    def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self.hear()

    def scanned(self) -> None:
        self.until(lambda: bool(self.said) and isinstance(self.said[-1], Scanned))

    def settles(self) -> None:
        self.until(self.right)
        for window in self.windows:
            assert window.view.told is not None
            assert {name: window.view.told.get(name) for name in window.view.told} == window.there

    def forget(self) -> None:
        """What was told until now is of no interest."""
        self.said.clear()
        for window in self.windows:
            window.changes.clear()


def names(root: Path) -> dict[bytes, tuple[str, int | None, int | None]]:
    """What is below a folder, as a tree's entries tell it."""
    found: dict[bytes, tuple[str, int | None, int | None]] = {}
    for path in root.iterdir():
        if path.name.startswith("."):
            continue
        name = os.fsencode(path.name)
        if path.is_dir():
            found[name] = "folder", None, None
            if not path.is_symlink():
                found |= {name + b"/" + below: state for below, state in names(path).items()}
        elif path.exists():
            state = path.stat()
            kind = "image" if path.suffix in (".jpg", ".png") else "other"
            found[name] = kind, state.st_size, state.st_mtime_ns
        else:
            found[name] = "other", None, None
    return found


def plant(root: Path, *files: str) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(file.encode())


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    root = tmp_path / "tree"
    root.mkdir()
    made = Tree(root)
    with made.talk:
        made.talk.set_up()
        yield made


def test_all_that_is_below_is_told_links_to_folders_not_entered_hidden_ones_left_out(
    tree: Tree, tmp_path: Path
) -> None:
    plant(tree.root, "a.jpg", "d/b.jpg", "d/e/f/c.png", ".hidden/x.jpg", "d/.y.jpg")
    plant(tmp_path, "elsewhere/z.jpg")
    (tree.root / "link").symlink_to(tmp_path / "elsewhere")
    (tree.root / "loop").symlink_to(tree.root)
    (tree.root / "empty").mkdir()
    tree.begin()
    tree.scanned()
    tree.settles()
    assert set(tree.windows[0].there) == {
        b"a.jpg", b"d", b"d/b.jpg", b"d/e", b"d/e/f", b"d/e/f/c.png", b"link", b"loop", b"empty",
    }  # fmt: skip


def test_what_comes_changes_and_goes_far_below_is_told(tree: Tree) -> None:
    plant(tree.root, "d/e/a.jpg", "d/e/b.jpg")
    tree.begin()
    tree.scanned()
    tree.settles()
    tree.forget()
    plant(tree.root, "d/e/new.jpg")
    (tree.root / "d/e/a.jpg").unlink()
    (tree.root / "d/e/b.jpg").write_bytes(b"other")
    tree.settles()
    (window, _other) = tree.windows
    assert window.told("removed") == [b"d/e/a.jpg"]
    assert not any(isinstance(record, Scanning) for record in tree.said)
    assert all(change.folder == os.fsencode(tree.root) and not change.rescanned for change in window.changes)


def test_a_folder_that_comes_is_told_with_what_is_in_it_and_watched(tree: Tree, tmp_path: Path) -> None:
    tree.begin()
    tree.scanned()
    plant(tmp_path, "away/a.jpg", "away/deep/deeper/b.jpg")
    (tmp_path / "away").rename(tree.root / "came")  # all at once, without an event for what is in it
    tree.settles()
    plant(tree.root, "made/x/y/c.jpg")
    tree.settles()
    plant(tree.root, "came/deep/deeper/d.jpg", "made/x/y/e.jpg")
    tree.settles()
    assert not any(isinstance(record, Scanning) for record in tree.said[2:])


def test_a_folder_that_goes_takes_all_that_was_in_it_along(tree: Tree, tmp_path: Path) -> None:
    plant(tree.root, "d/e/a.jpg", "d/b.jpg", "gone/c.jpg", "stays.jpg")
    tree.begin()
    tree.scanned()
    tree.settles()
    tree.forget()
    (tree.root / "d").rename(tmp_path / "away")
    shutil.rmtree(tree.root / "gone")
    tree.settles()
    assert set(tree.windows[0].there) == {b"stays.jpg"}
    # What happens where it is now is nobody's business.
    plant(tmp_path, "away/e/x.jpg")
    plant(tree.root, "last.jpg")
    tree.settles()
    assert set(tree.windows[0].told("removed")) == {b"d", b"d/b.jpg", b"d/e", b"d/e/a.jpg", b"gone", b"gone/c.jpg"}


def test_a_folder_that_is_renamed_keeps_what_is_in_it_each_told_by_its_new_name(tree: Tree) -> None:
    plant(tree.root, "d/e/a.jpg", "other/b.jpg")
    tree.begin()
    tree.scanned()
    tree.settles()
    tree.forget()
    (tree.root / "d").rename(tree.root / "other" / "f")
    tree.settles()
    window, _other = tree.windows
    assert set(window.told("renamed")) == {
        (b"d", b"other/f"),
        (b"d/e", b"other/f/e"),
        (b"d/e/a.jpg", b"other/f/e/a.jpg"),
    }
    assert window.told("added") == window.told("removed") == []
    plant(tree.root, "other/f/e/new.jpg")
    tree.settles()
    assert not any(isinstance(record, Scanning) for record in tree.said)


def test_another_folder_in_the_place_of_one_has_nothing_of_it(tree: Tree, tmp_path: Path) -> None:
    plant(tree.root, "d/a.jpg", "d/e/b.jpg")
    plant(tmp_path, "new/c.jpg")
    tree.begin()
    tree.scanned()
    (tree.root / "d").rename(tmp_path / "old")
    (tmp_path / "new").rename(tree.root / "d")
    tree.settles()
    plant(tree.root, "d/e/x.jpg")
    tree.settles()
    (tree.root / "d").rename(tmp_path / "older")
    plant(tree.root, "d")  # a file
    tree.settles()


def test_windows_that_know_the_same_share_what_is_remembered(tree: Tree) -> None:
    plant(tree.root, "d/a.jpg")
    tree.begin()
    tree.scanned()
    one, other = tree.windows
    assert one.view.told is other.view.told
    plant(tree.root, "d/b.jpg")
    tree.settles()
    assert len(one.told("added")) == len(other.told("added")) == 3


def test_after_lost_events_the_tree_is_rescanned_and_that_is_told(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    window = tree.windows[0]
    tree.watched.on_record(Scanning(1), 1.0)
    tree.watched.on_record(Present(1, [(b"a", "other", "", 1, 1), (b"b", "other", "", 1, 1)]), 1.0)
    tree.watched.on_record(Scanned(1), 1.0)
    tree.watched.on_record(Scanning(1, rescanned=True), 1.0)
    tree.watched.on_record(Present(1, [(b"a", "other", "", 1, 1)]), 1.0)
    tree.watched.on_record(Scanned(1), 1.0)
    window.hear(2.0)
    assert [change.rescanned for change in window.changes] == [True]
    assert set(window.there) == {b"a"}
    tree.watched.on_record(Changed(1, [(b"c", "other", "", 1, 1)], [], []), 3.0)
    window.hear(4.0)
    assert window.changes[-1] == FolderChange(os.fsencode(tree.root), added=[window.there[b"c"]])


def test_what_could_not_be_read_in_a_scan_is_kept(tree: Tree) -> None:
    window = tree.windows[0]
    state = ("other", "", 1, 1)
    tree.watched.on_record(Scanning(1), 1.0)
    tree.watched.on_record(Present(1, [(b"d", "folder", "", None, None), (b"d/a", *state), (b"da", *state)]), 1.0)
    tree.watched.on_record(Scanned(1), 1.0)
    tree.watched.on_record(Scanning(1), 1.0)
    tree.watched.on_record(Present(1, [(b"d", "folder", "", None, None)]), 1.0)
    tree.watched.on_record(records.Unknown(1, [b"d"]), 1.0)
    tree.watched.on_record(Scanned(1), 1.0)
    window.hear(2.0)
    assert set(window.there) == {b"d", b"d/a"}


# -- without a process ------------------------------------------------------------------------------------------


class Bench(Shown):
    """A watcher in this process, whose channel this is, and its time."""

    def __init__(self, root: Path, **options: list[bytes]) -> None:
        super().__init__(root)
        self.watcher = watcher.Watcher(self)  # type: ignore[arg-type]
        self.now = time.monotonic()
        self.watcher.watch(records.Watch(1, os.fsencode(root), True, **options))

    def send(self, record: Record) -> None:
        self.tell(record)

    def turns(self, seconds: float = 0.0, most: int = 50) -> list[Record]:
        """What is said in so many turns."""
        self.now += seconds
        before = len(self.said)
        for _ in range(most):
            self.watcher.turn(self.now)
        return self.said[before:]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_to_a_tree_all_windows_know_it_in_the_end(tmp_path: Path, seed: int) -> None:
    # Time stands still but for the moments in which changes are gathered: nothing is found by looking again.
    chance = random.Random(seed)
    root, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    for number in range(60):
        plant(root, f"{chance.choice('abc')}/{chance.choice('abc')}/{number}.jpg")
    bench = Bench(root)
    bench.turns(most=50 if seed % 2 else 3)  # the first scan has ended, or is under way
    for number in range(200):
        try:
            happens(chance, root, outside, number)
        except OSError as error:
            # A folder can't go into itself, what is not there can't go.
            if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
        if chance.random() < 0.3:
            bench.turns(chance.choice((0.0, 0.02)), most=chance.randrange(3))
    bench.turns(1.0, most=200)
    bench.turns(1.0, most=200)
    assert bench.right()
    told = bench.windows[0].view.told
    assert told is not None
    assert {name: told.get(name) for name in told} == bench.windows[0].there
    # No folder is watched that is not there, and none that is there is not.
    folders = {os.stat(root).st_ino} | {path.stat().st_ino for path in root.rglob("*") if path.is_dir()}
    assert len(bench.watcher._kernel._watches) == len(folders)


def happens(chance: random.Random, root: Path, outside: Path, number: int) -> None:
    """One thing or another."""
    everything = sorted(root.rglob("*"))
    folders = [root, *(path for path in everything if path.is_dir())]
    files = [path for path in everything if not path.is_dir()] or [root / "none"]
    folder, other, file = chance.choice(folders), chance.choice(folders), chance.choice(files)
    match chance.randrange(9):
        case 0:
            plant(folder, f"new {number}.jpg")
        case 1:
            file.unlink()
        case 2:
            folder.rename(other / f"moved {number}")
        case 3:
            plant(folder, f"folder {number}/x/y.jpg")
        case 4:
            file.rename(folder / f"moved {number}.jpg")
        case 5 if folder != root and chance.random() < 0.3:
            folder.rename(outside / str(number))
        case 6 if any(outside.iterdir()):
            chance.choice(sorted(outside.iterdir())).rename(folder / f"back {number}")
        case 7 if folder != root and chance.random() < 0.3:
            shutil.rmtree(folder)
        case 8 if folder != root:
            # A folder, and at once another in its place.
            folder.rename(other / f"away {number}")
            plant(folder, "another.jpg")


def test_a_tree_of_more_folders_than_are_watched_is_read_again_and_again_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "MAX_WATCHES", 3)
    plant(tmp_path, *(f"{number}/a.jpg" for number in range(5)))
    bench = Bench(tmp_path)
    said = bench.turns()
    assert said[-1] == Scanned(1, rescanned=True)
    (why,) = [record.message for record in said if isinstance(record, WatchFailed)]
    assert "no more than 3 folders are watched; it is read every few seconds instead" in why
    plant(tmp_path, *(f"{number}/b.jpg" for number in range(5)))
    said = bench.turns(watcher.LOOK_S)
    assert Scanning(1, rescanned=True) in said
    told = {state[0] for record in said if isinstance(record, Present) for state in record.names}
    assert told >= {b"%d/b.jpg" % number for number in range(5)}


def test_a_tree_on_a_server_is_read_again_and_again_though_the_kernel_watches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "untold_devices", lambda: frozenset({tmp_path.stat().st_dev}))
    plant(tmp_path, "d/a.jpg")
    bench = Bench(tmp_path)
    said = bench.turns()
    assert Scanning(1, rescanned=True) in said
    assert said[-1] == Scanned(1, rescanned=True)
    assert Scanned(1, rescanned=True) in bench.turns(watcher.LOOK_S)
    plant(tmp_path, "d/b.jpg")
    assert any(isinstance(record, Changed) for record in bench.turns() + bench.turns(1.0))


def test_file_systems_that_others_change_are_known_by_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = kernel.untold_devices()
    assert os.stat("/proc").st_dev in devices
    assert os.stat("/").st_dev not in devices


def test_where_it_goes_is_said_before_it_goes_to_a_mount_below(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "usb/b.jpg", "d/c.jpg")
    usb = os.fsencode(tmp_path / "usb")
    said = Bench(tmp_path, mounts=[usb]).turns()
    turned = said.index(records.At(1, usb))
    told = [{state[0] for record in part if isinstance(record, Present) for state in record.names}
            for part in (said[:turned], said[turned:])]  # fmt: skip
    assert b"usb" in told[0]
    assert b"usb/b.jpg" in told[1]


def test_a_mount_below_that_hung_is_left_out_and_what_is_in_it_is_not_known(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "usb/b.jpg")
    usb = os.fsencode(tmp_path / "usb")
    said = Bench(tmp_path, mounts=[usb], skip=[usb]).turns()
    assert records.Unknown(1, [b"usb"]) in said
    assert said[-1] == Scanned(1, rescanned=True)
    assert records.At(1, usb) not in said


def test_what_is_no_longer_watched_costs_the_kernel_nothing(tmp_path: Path) -> None:
    plant(tmp_path, *(f"{number}/x/a.jpg" for number in range(5)))
    bench = Bench(tmp_path)
    bench.turns()
    watches = bench.watcher._kernel._watches
    assert len(watches) == 11
    shutil.rmtree(tmp_path / "0")
    (tmp_path / "1").rename(tmp_path.parent / "away")
    bench.turns(1.0)
    bench.turns(1.0)
    assert len(watches) == 7
    bench.watcher.unwatch(1)
    assert not watches
