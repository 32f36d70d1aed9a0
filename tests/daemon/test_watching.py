"""The watching scout, a real process over a real file system: what is in a folder, and what happens there."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thumbd_daemon import records
from thumbd_daemon.channel import encode
from thumbd_daemon.records import At, Changed, Pong, Present, Record, Scanned, Scanning, State, WatchFailed
from thumbd_daemon.scout import kernel, watcher
from thumbd_daemon.scout.kernel import Kernel
from thumbd_daemon.scout.places import unwatchable
from thumbd_daemon.scout.reading import look_at
from thumbd_daemon.scout.watching import Folder

from .children import ScoutTalk
from .pixels import gradient, saved


class Watched:
    """A watching scout, and what it has told of each folder: its names, whether a scan is complete."""

    def __init__(self) -> None:
        self.talk = ScoutTalk("thumbd_daemon.scout.watcher", records.FromWatcher)
        self.there: dict[int, dict[bytes, State]] = {}
        self.said: list[Record] = []
        self._seen: dict[int, set[bytes]] = {}

    def begin(self, job: int, folder: Path | bytes) -> None:
        self.there[job] = {}
        self.talk.say(records.Watch(job, os.fsencode(folder)))

    def hear(self) -> Record:
        record = self.talk.hear()
        assert record is not None, "the scout has gone"
        encode(record)
        self.said.append(record)
        match record:
            case Scanning(job):
                self._seen[job] = set()
            case Present(job, found):
                self.there[job] |= {state[0]: state for state in found}
                self._seen[job] |= {state[0] for state in found}
            case Scanned(job):
                self.there[job] = {name: s for name, s in self.there[job].items() if name in self._seen[job]}
            case Changed(job, present, gone, _renamed):
                self.there[job] |= {state[0]: state for state in present}
                self._seen[job] |= {state[0] for state in present}
                self._seen[job] -= set(gone)
                self.there[job] = {name: s for name, s in self.there[job].items() if name not in gone}
        return record

    def until(self, enough: Callable[[], bool]) -> list[Record]:
        """Hear until it is `enough`; what was said meanwhile."""
        before = len(self.said)
        while not enough():
            self.hear()
        return self.said[before:]

    def scanned(self, job: int) -> None:
        self.until(lambda: bool(self.said) and self.said[-1] == Scanned(job))

    def names(self, job: int = 1) -> set[bytes]:
        return set(self.there[job])


@pytest.fixture
def scout() -> Iterator[Watched]:
    watched = Watched()
    with watched.talk:
        watched.talk.set_up()
        yield watched


def test_what_is_in_a_folder_is_told_with_sizes_and_times_hidden_names_left_out(scout: Watched, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    (tmp_path / "noextension").write_bytes(saved(gradient(), "PNG").getvalue())
    (tmp_path / ".hidden.jpg").touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "nowhere.jpg").symlink_to("missing")
    os.utime(tmp_path / "a.jpg", ns=(5, 1_234_567_890_123_456_789))
    scout.begin(1, tmp_path)
    scout.scanned(1)
    size = (tmp_path / "noextension").stat().st_size
    when = (tmp_path / "noextension").stat().st_mtime_ns
    assert scout.there[1] == {
        b"a.jpg": (b"a.jpg", "image", "image/jpeg", 5, 1_234_567_890_123_456_789),
        b"noextension": (b"noextension", "image", "image/png", size, when),
        b"below": (b"below", "folder", "", None, None),
        b"nowhere.jpg": (b"nowhere.jpg", "other", "", None, None),
    }


def test_files_that_come_change_and_go_are_told_as_they_are_then(scout: Watched, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"1")
    scout.begin(1, tmp_path)
    scout.scanned(1)
    (tmp_path / "new.jpg").write_bytes(b"12")
    scout.until(lambda: b"new.jpg" in scout.names())
    assert scout.there[1][b"new.jpg"][:4] == (b"new.jpg", "image", "image/jpeg", 2)
    (tmp_path / "old.jpg").write_bytes(b"123")
    scout.until(lambda: scout.there[1][b"old.jpg"][3] == 3)
    os.utime(tmp_path / "old.jpg", ns=(7, 7))
    scout.until(lambda: scout.there[1][b"old.jpg"][4] == 7)
    (tmp_path / "old.jpg").unlink()
    (tmp_path / "trip").mkdir()
    scout.until(lambda: scout.names() == {b"new.jpg", b"trip"})
    assert not [record for record in scout.said[3:] if isinstance(record, Scanned | WatchFailed)][1:]


def test_a_rename_in_the_folder_is_told_as_one_and_a_move_out_as_gone(scout: Watched, tmp_path: Path) -> None:
    folder, away = tmp_path / "folder", tmp_path / "away"
    for place in (folder, away):
        place.mkdir()
    (folder / "a.jpg").touch()
    (folder / "b.jpg").touch()
    (folder / ".secret").touch()
    (folder / "d.jpg").touch()
    scout.begin(1, folder)
    scout.scanned(1)
    (folder / "a.jpg").rename(folder / "c.jpg")
    (folder / "b.jpg").rename(away / "b.jpg")
    (folder / ".secret").rename(folder / "known.jpg")
    (folder / "d.jpg").rename(folder / ".d.jpg")
    said = scout.until(lambda: scout.names() == {b"c.jpg", b"known.jpg"})
    assert [pair for record in said if isinstance(record, Changed) for pair in record.renamed] == [(b"a.jpg", b"c.jpg")]


def test_a_burst_is_told_in_a_few_records_not_one_for_each_event(scout: Watched, tmp_path: Path) -> None:
    scout.begin(1, tmp_path)
    scout.scanned(1)
    for number in range(200):
        path = tmp_path / "again.jpg"
        path.write_bytes(b"x" * number)
    said = scout.until(lambda: scout.there[1].get(b"again.jpg", (b"", "", "", 0, 0))[3] == 199)
    assert len([record for record in said if isinstance(record, Changed)]) < 20


def test_nothing_is_missed_between_the_watch_and_the_end_of_a_scan(scout: Watched, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:04}.jpg").touch()
    scout.begin(1, tmp_path)
    scout.until(lambda: any(isinstance(record, Present) for record in scout.said))
    # In the middle of the scan: at its beginning, at its end, and what it has seen already.
    for number in range(0, 3000, 3):
        (tmp_path / f"{number:04}.jpg").unlink()
    for number in range(100):
        (tmp_path / f"new{number}.jpg").touch()
    (tmp_path / "1.jpg").touch()
    scout.scanned(1)
    there = {os.fsencode(path.name) for path in tmp_path.iterdir()}
    assert len(there) == 2101
    scout.until(lambda: scout.names() == there)


def test_a_sign_of_life_is_given_in_the_middle_of_a_scan(scout: Watched, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:04}.jpg").touch()
    scout.begin(1, tmp_path)
    scout.until(lambda: any(isinstance(record, Present) for record in scout.said))
    scout.talk.say(records.Ping(7))
    scout.scanned(1)
    assert Pong(7) in scout.said
    assert scout.names() == {b"%04d.jpg" % number for number in range(3000)}


def test_after_lost_events_the_folder_is_scanned_again(scout: Watched, tmp_path: Path) -> None:
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if queue > 50_000:
        pytest.skip(f"the kernel keeps {queue} events: too many to make here")
    (tmp_path / "stays.jpg").touch()
    (tmp_path / "goes.jpg").touch()
    scout.begin(1, tmp_path)
    scout.scanned(1)
    scout.until(lambda: scout.said[-1] == At(0))
    os.kill(scout.talk.pid, signal.SIGSTOP)
    try:
        for number in range(queue // 2 + 100):  # two events each, and none like the one before it
            os.close(os.open(tmp_path / f"x{number % 7}", os.O_CREAT | os.O_WRONLY))
            (tmp_path / f"x{number % 7}").unlink()
        (tmp_path / "goes.jpg").unlink()
        (tmp_path / "comes.jpg").touch()
    finally:
        os.kill(scout.talk.pid, signal.SIGCONT)
    said = scout.until(lambda: scout.said[-1] == Scanned(1))
    assert Scanning(1, rescanned=True) in said
    scout.until(lambda: scout.names() == {b"stays.jpg", b"comes.jpg"})


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_with_the_folder_its_names_are_gone_and_back_with_it(scout: Watched, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").touch()
    scout.begin(1, folder)
    scout.scanned(1)
    if how == "removed":
        shutil.rmtree(folder)
    else:
        folder.rename(tmp_path / "elsewhere")
    scout.until(lambda: scout.names() == set() and scout.said[-1] == Scanned(1))
    folder.mkdir()
    (folder / "b.jpg").touch()
    scout.until(lambda: scout.names() == {b"b.jpg"})
    scout.scanned(1)
    (folder / "c.jpg").touch()
    scout.until(lambda: scout.names() == {b"b.jpg", b"c.jpg"})


def test_what_the_kernel_does_not_tell_is_found_within_seconds(scout: Watched, tmp_path: Path) -> None:
    # The kernel says nothing when a folder above has another name.
    above = tmp_path / "above"
    (above / "folder").mkdir(parents=True)
    (above / "folder" / "a.jpg").touch()
    scout.begin(1, above / "folder")
    scout.scanned(1)
    above.rename(tmp_path / "elsewhere")
    (above / "folder").mkdir(parents=True)
    (above / "folder" / "b.jpg").touch()
    scout.until(lambda: scout.names() == {b"b.jpg"})


def test_one_folder_by_two_paths_is_told_by_each(scout: Watched, tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    for job, path in enumerate((folder, link), 1):
        scout.begin(job, path)
        scout.scanned(job)
    (folder / "a.jpg").touch()
    scout.until(lambda: scout.names(1) == scout.names(2) == {b"a.jpg"})
    scout.talk.say(records.Unwatch(1))
    (folder / "b.jpg").touch()
    scout.until(lambda: scout.names(2) == {b"a.jpg", b"b.jpg"})


def test_a_folder_that_nobody_watches_any_more_is_silent(scout: Watched, tmp_path: Path) -> None:
    for job in (1, 2):
        (tmp_path / str(job)).mkdir()
        scout.begin(job, tmp_path / str(job))
        scout.scanned(job)
    scout.talk.say(records.Unwatch(1))
    (tmp_path / "1" / "a.jpg").touch()
    (tmp_path / "2" / "b.jpg").touch()
    scout.until(lambda: scout.names(2) == {b"b.jpg"})
    assert scout.names(1) == set()


def test_where_it_goes_is_said_before_it_goes_there(scout: Watched, tmp_path: Path) -> None:
    scout.begin(3, tmp_path)
    scout.scanned(3)
    scout.until(lambda: scout.said[-1] == At(0))
    assert scout.said == [At(3), Scanning(3), Scanned(3), At(0)]


def test_a_folder_that_is_not_there_is_empty_until_it_comes(scout: Watched, tmp_path: Path) -> None:
    scout.begin(1, tmp_path / "later")
    scout.scanned(1)
    assert scout.names() == set()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.jpg").touch()
    scout.until(lambda: scout.names() == {b"a.jpg"})


def test_names_of_any_bytes_come_as_they_are(scout: Watched, tmp_path: Path) -> None:
    scout.begin(1, tmp_path)
    scout.scanned(1)
    names = {b"caf\xe9.jpg", b"line\nbreak.png", "日本.jpg".encode(), b"a b#%20.gif"}
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    scout.until(lambda: scout.names() == names)


# -- without a process ------------------------------------------------------------------------------------------


class Daemon:
    """A channel that keeps what the scout says."""

    def __init__(self) -> None:
        self.said: list[Record] = []

    def send(self, record: Record) -> None:
        self.said.append(record)


def steps(folder: Folder) -> list[Record]:
    told: list[Record | None] = []
    while folder.busy:
        told.append(folder.step())
    return [record for record in told if record is not None]


def test_where_the_kernel_can_not_watch_the_folder_is_read_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, **options: int) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(kernel, "Inotify", Full)
    daemon = Daemon()
    scout = watcher.Watcher(daemon)  # type: ignore[arg-type]
    (tmp_path / "a.jpg").touch()
    scout.watch(records.Watch(1, os.fsencode(tmp_path)))
    now = time.monotonic()
    for _ in range(10):
        scout.turn(now)
    told = [record for record in daemon.said if isinstance(record, WatchFailed)]
    assert len(told) == 1
    assert "fs.inotify.max_user_instances" in told[0].message
    assert str(tmp_path) in told[0].message
    assert daemon.said[-1] == Scanned(1, rescanned=True)
    (tmp_path / "b.jpg").touch()
    daemon.said.clear()
    for _ in range(10):
        scout.turn(now + watcher.LOOK_S)
    (present,) = [record for record in daemon.said if isinstance(record, Present)]
    assert {name for name, *_ in present.names} == {b"a.jpg", b"b.jpg"}
    assert daemon.said[-1] == Scanned(1, rescanned=True)


def at_work(*folders: Path) -> tuple[watcher.Watcher, Daemon, float]:
    """A watcher that has scanned `folders` (as jobs 1, 2, ...), whom it tells, and the time."""
    daemon = Daemon()
    scout = watcher.Watcher(daemon)  # type: ignore[arg-type]
    now = time.monotonic()
    for job, folder in enumerate(folders, 1):
        scout.watch(records.Watch(job, os.fsencode(folder)))
    while Scanned(len(folders)) not in daemon.said:
        scout.turn(now)
    daemon.said.clear()
    return scout, daemon, now


def test_that_a_folder_has_gone_is_told_at_once_not_when_it_is_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").touch()
    scout, daemon, now = at_work(folder)
    shutil.rmtree(folder)
    for _ in range(10):
        scout.turn(now)
    assert daemon.said == [Scanning(1), Scanned(1)]


def test_a_folder_with_two_paths_is_watched_until_nobody_wants_either(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    scout, daemon, now = at_work(tmp_path / "folder", tmp_path / "link")
    scout.unwatch(1)
    (tmp_path / "folder" / "a.jpg").touch()
    scout.turn(now)
    scout.turn(now + 1)
    assert [(c.job, [name for name, *_ in c.present]) for c in daemon.said if isinstance(c, Changed)] == [
        (2, [b"a.jpg"])
    ]


def test_a_folder_that_can_not_be_read_is_not_told_as_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    folder = Folder(1, os.fsencode(tmp_path), Kernel())
    monkeypatch.setattr(os, "scandir", refuse)
    told = steps(folder)
    assert [type(record) for record in told] == [Scanning, WatchFailed]
    assert isinstance(told[1], WatchFailed)
    assert told[1].message == f"{tmp_path}: can't be listed: input/output error"
    assert folder.moved_on(time.monotonic() + 60)  # so it is tried again


def test_no_record_is_longer_than_a_packet(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / (f"{number:04}" + "x" * 240 + ".png")).touch()
    folder = Folder(1, os.fsencode(tmp_path), Kernel())
    told = steps(folder)
    assert len(told) > 10
    for record in told:
        assert len(encode(record)) <= 48 << 10
    for path in tmp_path.iterdir():
        folder.left(os.fsencode(path.name), int(path.name[:4]), 0.0)
        folder.came(os.fsencode("y" + path.name[1:]), int(path.name[:4]), 0.0)
    while folder.due is not None:
        assert len(encode(folder.tell())) <= 48 << 10


def test_states_come_behind_all_renames() -> None:
    folder = Folder(1, b"/nowhere", Kernel())
    for number in range(200):
        folder.left(b"%d" % number + b"x" * 200, number, 0.0)
        folder.came(b"%d" % number + b"y" * 200, number, 0.0)
    told = []
    while folder.due is not None:
        told.append(folder.tell())
    assert len(told) > 2
    last = max(number for number, record in enumerate(told) if record.renamed)
    assert not any(record.gone for record in told[:last])
    assert sum(len(record.gone) for record in told) == 400


def test_a_name_is_gone_only_if_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    folder = os.fsencode(tmp_path)
    assert look_at(folder, b"missing") is None
    assert look_at(folder + b"/file", b"below") is None
    assert look_at(folder, b"loop") == (b"loop", "other", "", None, None)

    def refuse(path: bytes) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "lstat", refuse)
    assert look_at(folder, b"file") == (b"file", "other", "", None, None)


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "fs.inotify.max_user_watches"),
        (errno.EMFILE, "fs.inotify.max_user_instances"),
        (errno.ENOSYS, "function not implemented"),
    ],
)
def test_why_a_folder_is_not_watched_is_said_with_what_to_do(number: int, what: str) -> None:
    said = unwatchable(b"/pictures", OSError(number, os.strerror(number)))
    assert said.startswith("/pictures: ")
    assert what in said
    assert said.endswith("it is read every few seconds instead")
