"""Reading folders, on a real file system."""

import os
import socket
import time
from pathlib import Path

import pytest

from thumbd_daemon.channel import encode
from thumbd_daemon.records import Found, List, Listed
from thumbd_daemon.scout.listing import Listing

from .pixels import gradient, saved

STRANGE = ["with space.png", "hash#.png", "percent%20.png", "日本.jpg", "line\nbreak.png", "é.webp", "\udcff\udcfe.gif"]


def read(
    folder: Path | bytes, *, recursive: bool = False, hidden: bool = False, entries: bool = False
) -> tuple[dict[bytes, tuple[str, str]], Listed]:
    """All names of a folder with kind and MIME type, and how the listing ended."""
    under_way = Listing(List(1, os.fsencode(folder), recursive, hidden, entries))
    found: dict[bytes, tuple[str, str]] = {}
    while True:
        record = under_way.step()
        encode(record)
        if isinstance(record, Listed):
            return found, record
        for name, kind, mime in record.entries:
            assert name not in found
            found[name] = (kind, mime)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bit of everything."""
    place = tmp_path / "pictures"
    place.mkdir()
    for name in ("a.png", "b.JPG", "text.txt", ".hidden.png"):
        (place / name).touch()
    (place / "noextension").write_bytes(saved(gradient(), "JPEG").getvalue())
    (place / "sub" / "deeper").mkdir(parents=True)
    (place / "sub" / "deeper" / "c.gif").touch()
    (place / ".secret").mkdir()
    (place / ".secret" / "d.png").touch()
    (place / "link.png").symlink_to("a.png")
    (place / "away").symlink_to("sub")
    (place / "loop").symlink_to("loop")
    (place / "dead.png").symlink_to("nowhere")
    os.mkfifo(place / "pipe.png")
    return place


def test_for_items_the_pictures_of_the_folder_alone_are_told(folder: Path) -> None:
    found, end = read(folder)
    assert set(found) == {b"a.png", b"b.JPG", b"link.png", b"noextension"}
    assert found[b"b.JPG"] == ("image", "image/jpeg")
    assert (end.code, end.message, end.skipped) == ("", "", 0)


def test_a_picture_without_an_extension_is_found_by_its_content(folder: Path) -> None:
    assert read(folder)[0][b"noextension"] == ("image", "image/jpeg")


def test_for_a_window_every_name_is_told_with_its_kind(folder: Path) -> None:
    found, _end = read(folder, entries=True)
    kinds = {name: kind for name, (kind, _mime) in found.items()}
    assert kinds == {
        b"a.png": "image",
        b"b.JPG": "image",
        b"text.txt": "other",
        b"noextension": "image",
        b"sub": "folder",
        b"link.png": "image",
        b"away": "folder",
        b"loop": "other",
        b"dead.png": "other",
        b"pipe.png": "other",
    }


def test_below_the_folder_links_to_folders_are_not_entered(folder: Path) -> None:
    found, _end = read(folder, recursive=True)
    assert b"sub/deeper/c.gif" in found
    assert not any(name.startswith((b"away/", b".secret/")) for name in found)


def test_a_link_back_to_the_folder_itself_is_no_endless_listing(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to("..")
    assert len(read(folder, recursive=True)[0]) == 5


def test_hidden_names_and_folders_are_told_only_when_asked_for(folder: Path) -> None:
    found, _end = read(folder, recursive=True, hidden=True)
    assert {b".hidden.png", b".secret/d.png"} <= set(found)
    assert b".hidden.png" not in read(folder, entries=True)[0]


def test_names_of_any_bytes_come_as_they_are(tmp_path: Path) -> None:
    for name in STRANGE:
        (tmp_path / name).touch()
    assert set(read(tmp_path)[0]) == {os.fsencode(name) for name in STRANGE}


def test_a_socket_named_like_a_picture_is_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "a.png"))
        assert read(tmp_path, entries=True)[0] == {b"a.png": ("other", "")}
        assert read(tmp_path)[0] == {}


def test_a_folder_that_is_missing_or_none_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, code in (("missing", "not_found"), ("file", "unreadable")):
        found, end = read(tmp_path / name)
        assert not found
        assert end.code == code
        assert end.message.startswith(f"{tmp_path / name}: ")
    assert read(b"/" + b"x" * 5000)[1].code == "not_found"


def test_a_folder_below_that_can_not_be_listed_is_named_and_the_rest_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def guarded(path: bytes) -> object:
        # What the system does to anybody but root.
        if path.endswith(b"deeper"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found, end = read(folder, recursive=True)
    assert len(found) == 4
    assert (end.code, end.skipped) == ("unreadable", 1)
    assert f"{folder}/sub/deeper (permission denied)" in end.message


@pytest.mark.skipif(os.getuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_told(folder: Path) -> None:
    (folder / "sub").chmod(0)
    _found, end = read(folder, recursive=True)
    (folder / "sub").chmod(0o700)
    assert end.skipped == 1


def test_many_folders_that_can_not_be_listed_are_counted_not_all_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        (tmp_path / f"{number}").mkdir()
    scandir = os.scandir

    def guarded(path: bytes) -> object:
        if path != os.fsencode(tmp_path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    _found, end = read(tmp_path, recursive=True)
    assert end.skipped == 10
    assert end.message.endswith("and 7 more")


def test_the_first_chunk_is_small_and_every_chunk_fits_a_record(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / (f"{number:04}" + "x" * 200 + ".png")).touch()
    under_way = Listing(List(1, os.fsencode(tmp_path), False, False, False))
    chunks: list[int] = []
    while isinstance(record := under_way.step(), Found):
        encode(record)
        chunks.append(len(record.entries))
    assert chunks[0] <= 200
    assert sum(chunks) == 1200
    assert len(chunks) >= 3


def test_a_long_way_without_a_picture_is_not_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Silence is what a hung file system sounds like: the scout would be killed for it.
    for number in range(50):
        (tmp_path / f"{number}" / "empty").mkdir(parents=True)
        (tmp_path / f"{number}.txt").touch()
    seconds = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    under_way = Listing(List(1, os.fsencode(tmp_path), True, False, False))
    records = 1
    while isinstance(record := under_way.step(), Found):
        assert record.entries == []
        records += 1
    assert records > 50
