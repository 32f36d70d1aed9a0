"""Writing thumbnails: whole or not at all, ours alone to read, and somewhere else when the cache can't be written."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from thumbd_daemon.cache import Places
from thumbd_daemon.records import Hit, Mark, NoUse, Publish, Published, PublishFailed
from thumbd_daemon.renderer.recipe import sub_filtered
from thumbd_daemon.scout.looking import look
from thumbd_daemon.scout.publishing import make_room, publish, remember_failure, write_whole

from .desktop import original
from .pixels import gradient

PIXELS = gradient((64, 48))


def task(path: Path | bytes, flavor: str = "large", size: int = 9, mtime_ns: int = 5) -> Publish:
    return Publish(3, os.fsencode(path), flavor, size, mtime_ns, 1, "RGB", 64, 48, 640, 480, "image/jpeg")


def slot() -> memoryview:
    return memoryview(sub_filtered(PIXELS) + b"rest of the slot")


def files(place: bytes) -> list[str]:
    return sorted(str(path) for path in Path(os.fsdecode(place)).rglob("*") if not path.is_dir())


def mode(path: bytes | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The widest umask there is, so that modes are ours and not luck's."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_was_published_is_found_by_the_next_look(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    done = publish(desk, task(picture.path, size=picture.size, mtime_ns=picture.mtime_ns), slot())
    assert done == Published(3, desk.thumbnail(picture.path, "large"), False, "")
    assert look(desk, 1, picture.path, "large") == Hit(1, done.path, 640, 480, picture.size, picture.mtime_ns)
    with Image.open(os.fsdecode(done.path)) as image:
        assert image.convert("RGB").tobytes() == PIXELS.tobytes()


@pytest.mark.usefixtures("open_umask")
def test_files_are_0600_and_every_folder_that_is_made_is_0700(desk: Places) -> None:
    publish(desk, task(b"/a.jpg"), slot())
    publish(desk, task(b"/a.jpg", "preview"), slot())
    remember_failure(desk, Mark(1, b"/b.jpg", 1, 1, "too_big", "x"))
    top = Path(os.fsdecode(os.path.dirname(desk.thumbnails)))
    found = [top, *top.rglob("*")]
    assert len(found) == 10
    for path in found:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_an_older_thumbnail_is_replaced_and_who_reads_it_keeps_what_they_opened(desk: Places) -> None:
    first = publish(desk, task(b"/a.jpg", mtime_ns=5), slot())
    assert isinstance(first, Published)
    with open(first.path, "rb") as reader:
        before = reader.read(10)
        second = publish(desk, task(b"/a.jpg", mtime_ns=99 * 10**9), slot())
        assert second == first
        reader.seek(0)
        old = reader.read()
    assert old.startswith(before)
    assert b"Thumb::MTime\x000" in old
    assert b"Thumb::MTime\x0099" in Path(os.fsdecode(first.path)).read_bytes()
    assert len(files(desk.thumbnails)) == 1


def test_nothing_is_left_behind_when_the_name_can_not_be_given(desk: Places) -> None:
    target = desk.thumbnail(b"/a.jpg", "large")
    os.makedirs(target)  # a folder stands where the thumbnail should
    done = publish(desk, task(b"/a.jpg"), slot())
    assert isinstance(done, Published)
    assert done.volatile
    assert files(desk.thumbnails) == []


def test_a_file_system_without_nameless_files_is_written_by_name_and_left_clean(
    desk: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_EXCL)  # what such a file system makes of it
    for _ in range(2):
        done = publish(desk, task(b"/a.jpg"), slot())
        assert done == Published(3, desk.thumbnail(b"/a.jpg", "large"), False, "")
    assert len(files(desk.thumbnails)) == 1
    assert mode(desk.thumbnail(b"/a.jpg", "large")) == 0o600


def test_a_cache_that_can_not_be_written_makes_it_volatile_with_the_reason(desk: Places) -> None:
    os.makedirs(os.path.dirname(desk.thumbnails))
    Path(os.fsdecode(desk.thumbnails)).touch()  # a file where the folder should be: not even root gets past it
    done = publish(desk, task(b"/a.jpg"), slot())
    assert isinstance(done, Published)
    assert done.volatile
    assert done.path.startswith(desk.volatile + b"/large-")
    assert done.message.startswith("/a.jpg: ")
    assert "not a directory" in done.message
    assert mode(done.path) == 0o600


def test_when_neither_place_takes_it_the_failure_names_both_and_what_to_do(desk: Places) -> None:
    os.makedirs(os.path.dirname(desk.thumbnails))
    for place in (desk.thumbnails, desk.volatile):
        Path(os.fsdecode(place)).touch()
    done = publish(desk, task(b"/a.jpg"), slot())
    assert isinstance(done, PublishFailed)
    assert done.code == "disk_full"
    assert done.message.startswith("/a.jpg: ")
    assert os.fsdecode(desk.volatile) in done.message
    assert "free some space" in done.message


def free_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB that is full."""
    place = tmp_path / "full"
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    try:
        mounted = subprocess.run(options, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small file system can be mounted here: {error}")
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        os.posix_fallocate(fd := os.open(place / "filler", os.O_WRONLY | os.O_CREAT), 0, free_bytes(place))
        os.close(fd)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_nothing_behind_and_the_picture_goes_elsewhere(desk: Places, full_disk: Path) -> None:
    places = Places(os.fsencode(full_disk / "t"), os.fsencode(full_disk / "p"), desk.volatile)
    done = publish(places, task(b"/a.jpg"), slot())
    assert isinstance(done, Published)
    assert done.volatile
    assert "no space left" in done.message
    assert [path.name for path in full_disk.rglob("*") if not path.is_dir()] == ["filler"]
    both = Places(places.thumbnails, places.previews, os.fsencode(full_disk / "v"))
    failed = publish(both, task(b"/a.jpg"), slot())
    assert isinstance(failed, PublishFailed)
    assert failed.code == "disk_full"


def test_no_thumbnail_of_a_thumbnail_is_kept(desk: Places) -> None:
    inside = desk.thumbnails + b"/large/foreign.png"
    done = publish(desk, task(inside), slot())
    assert isinstance(done, Published)
    assert done.volatile
    assert not os.path.exists(desk.thumbnails)
    remember_failure(desk, Mark(1, inside, 1, 1, "too_big", "x"))
    assert not os.path.exists(desk.thumbnails)


def test_pixels_that_are_gone_or_too_few_are_no_thumbnail(desk: Places) -> None:
    for pixels in (None, slot()[: 64 * 48 * 3 - 1]):
        failed = publish(desk, task(b"/a.jpg"), pixels)
        assert isinstance(failed, PublishFailed)
        assert failed.code == "internal"
    assert not os.path.exists(desk.thumbnails)


def fill(folder: Path, *sizes: int) -> None:
    """Files `0`, `1`, ... the first the oldest."""
    folder.mkdir()
    for number, size in enumerate(sizes):
        (folder / str(number)).write_bytes(b"x" * size)
        os.utime(folder / str(number), ns=(number, number))


@pytest.mark.parametrize(
    ("needed", "left"), [(0, ["0", "1", "2"]), (40, ["0", "1", "2"]), (41, ["1", "2"]), (70, ["2"]), (999, [])]
)
def test_room_for_volatile_pictures_is_made_the_oldest_first(tmp_path: Path, needed: int, left: list[str]) -> None:
    fill(tmp_path / "v", 20, 20, 20)
    make_room(os.fsencode(tmp_path / "v"), needed, limit=100)
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == left


def test_room_in_a_folder_that_is_not_there_is_plenty(tmp_path: Path) -> None:
    make_room(os.fsencode(tmp_path / "missing"), 10)
    assert not (tmp_path / "missing").exists()


def test_two_scouts_that_make_room_at_once_do_not_fail_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "v", 20, 20)
    unlink = os.unlink

    def the_other_was_faster(path: bytes) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", the_other_was_faster)
    make_room(os.fsencode(tmp_path / "v"), 90, limit=100)
    assert list((tmp_path / "v").iterdir()) == []


def test_a_failure_is_remembered_with_its_reason_and_told_when_it_can_not_be(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    mark = Mark(1, picture.path, picture.size, picture.mtime_ns, "decode_error", "is torn")
    assert remember_failure(desk, mark).message == ""
    found = look(desk, 1, picture.path, "large")
    assert isinstance(found, NoUse)
    assert found.remembered
    assert found.message.endswith("is torn")
    os.rename(desk.thumbnails, desk.thumbnails + b".away")
    Path(os.fsdecode(desk.thumbnails)).touch()
    assert remember_failure(desk, mark).message.startswith(f"{tmp_path}/a.jpg: ")


def test_a_whole_file_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "t.png").symlink_to("precious")
    write_whole(os.fsencode(tmp_path / "t.png"), b"new")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "t.png").is_symlink()
