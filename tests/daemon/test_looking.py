"""A scout's quick look at a file: situations on a real file system."""

import os
import socket
from pathlib import Path

import pytest

from thumbd_daemon.cache import Original, Places, failure_text, thumbnail_text
from thumbd_daemon.channel import MAX_RECORD, encode
from thumbd_daemon.png import encode_empty
from thumbd_daemon.records import Hit, Look, Looked, Miss, NoUse, Setup
from thumbd_daemon.scout.looking import look

from .children import ScoutTalk
from .desktop import original, put_thumbnail


def at(desk: Places, path: Path | bytes, flavor: str = "large") -> Hit | Miss | NoUse:
    return look(desk, 7, os.fsencode(path), flavor)


def no_use(found: Hit | Miss | NoUse, path: Path) -> NoUse:
    assert isinstance(found, NoUse)
    assert found.message.startswith(f"{path}: ")
    return found


def test_a_file_without_a_thumbnail_is_a_miss_with_its_size_and_time(desk: Places, tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"12345")
    os.utime(picture, ns=(5, 1_600_000_000_123_456_789))
    assert at(desk, picture) == Miss(7, 5, 1_600_000_000_123_456_789)


def test_a_missing_file_is_not_found(desk: Places, tmp_path: Path) -> None:
    assert no_use(at(desk, tmp_path / "a.jpg"), tmp_path / "a.jpg").code == "not_found"
    (tmp_path / "file").touch()
    assert no_use(at(desk, tmp_path / "file/a.jpg"), tmp_path / "file/a.jpg").code == "not_found"


def test_what_is_no_regular_file_is_said_and_never_opened(desk: Places, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.jpg"))
        for name, words in (("pipe", "named pipe"), ("folder", "a folder"), ("socket", "a socket")):
            path = tmp_path / f"{name}.jpg"
            found = no_use(at(desk, path), path)
            assert found.code == "unreadable"
            assert words in found.message
    assert "character device" in no_use(at(desk, Path("/dev/null")), Path("/dev/null")).message


def test_links_are_followed_and_one_that_leads_back_to_itself_is_said(desk: Places, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "dead.jpg").symlink_to("nowhere")
    assert isinstance(at(desk, tmp_path / "link.jpg"), Miss)
    assert "leads back" in no_use(at(desk, tmp_path / "loop.jpg"), tmp_path / "loop.jpg").message
    assert no_use(at(desk, tmp_path / "dead.jpg"), tmp_path / "dead.jpg").code == "not_found"


def test_an_empty_file_is_no_picture_and_not_remembered(desk: Places, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    found = no_use(at(desk, tmp_path / "a.jpg"), tmp_path / "a.jpg")
    assert (found.code, found.remembered) == ("decode_error", False)


@pytest.mark.skipif(os.getuid() == 0, reason="for root every file is readable")
def test_a_file_that_may_not_be_read_is_said_even_if_its_thumbnail_is_there(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture)
    (tmp_path / "a.jpg").chmod(0)
    assert "permissions" in no_use(at(desk, tmp_path / "a.jpg"), tmp_path / "a.jpg").message


def test_a_valid_thumbnail_of_ours_is_a_hit_for_its_flavor_alone(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture)
    assert at(desk, tmp_path / "a.jpg") == Hit(
        7, desk.thumbnail(picture.path, "large"), 40, 30, picture.size, picture.mtime_ns
    )
    assert isinstance(at(desk, tmp_path / "a.jpg", "normal"), Miss)


def test_a_foreign_thumbnail_is_a_miss(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture, Software="GNOME::ThumbnailFactory")
    assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)


def test_a_file_touched_since_has_no_valid_thumbnail(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture)
    for seconds in (-1, 1):
        later = picture.mtime_ns + seconds * 10**9
        os.utime(tmp_path / "a.jpg", ns=(later, later))
        assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)


def test_a_remembered_failure_is_told_again_with_its_reason(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture, where=desk.failure(picture.path), text=failure_text(picture, "too_big", "is vast"))
    found = no_use(at(desk, tmp_path / "a.jpg"), tmp_path / "a.jpg")
    assert (found.code, found.remembered, found.size) == ("too_big", True, picture.size)
    assert found.message.endswith(": is vast")
    os.utime(tmp_path / "a.jpg", ns=(0, 0))
    assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"garbage", b"\x89PNG\r\n\x1a\n" + b"\xff" * 500])
def test_garbage_in_the_cache_is_a_miss(desk: Places, tmp_path: Path, content: bytes) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture, raw=content)
    assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)


def test_neither_a_pipe_nor_a_link_in_the_cache_is_followed(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture)
    place = Path(os.fsdecode(desk.thumbnail(picture.path, "large")))
    place.rename(place.with_name("elsewhere.png"))
    place.symlink_to("elsewhere.png")
    assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)
    place.unlink()
    os.mkfifo(place)
    assert isinstance(at(desk, tmp_path / "a.jpg"), Miss)


def test_of_what_lies_in_the_cache_ours_is_served_itself_and_others_are_made_small(
    desk: Places, tmp_path: Path
) -> None:
    picture = original(tmp_path / "a.jpg")
    put_thumbnail(desk, picture)
    ours = desk.thumbnail(picture.path, "large")
    found = at(desk, ours, "normal")
    assert isinstance(found, Hit)
    assert found.thumbnail == ours
    put_thumbnail(desk, picture, Software="Tumbler")
    assert isinstance(at(desk, ours), Miss)


def test_numbers_beyond_all_measure_in_a_thumbnail_do_no_harm(desk: Places, tmp_path: Path) -> None:
    picture = original(tmp_path / "a.jpg")
    for number in ("9" * 30, "9" * 9000, "-5"):
        put_thumbnail(
            desk, picture, text=thumbnail_text(picture, "image/jpeg", 40, 30) | {"Thumb::Image::Width": number}
        )
        for path in (tmp_path / "a.jpg", desk.thumbnail(picture.path, "large")):
            found = at(desk, path)
            assert isinstance(found, Hit | Miss)
            encode(Looked(1, [found], 0))


def test_a_look_at_many_files_with_the_longest_names_is_answered_in_records_that_fit(tmp_path: Path) -> None:
    paths = [b"/" + b"/".join([b"\xff" * 250] * 16)[:4090] + b"%d" % n for n in range(14)]
    with ScoutTalk() as talk:
        talk.say(Setup(b"/nowhere/t", b"/nowhere/p", bytes(tmp_path)))
        assert talk.hear() is not None
        talk.say(Look(1, [(n, path, "large") for n, path in enumerate(paths)]))
        results: list[Hit | Miss | NoUse] = []
        left = len(paths)
        while left:
            answer = talk.hear()
            assert isinstance(answer, Looked), "the scout has gone"
            assert len(encode(answer)) <= MAX_RECORD
            results += answer.results
            left = answer.left
    assert [result.task for result in results] == list(range(14))
    assert {result.code for result in results if isinstance(result, NoUse)} <= {"not_found", "unreadable"}


def test_a_fail_mark_is_one_empty_pixel() -> None:
    picture = Original(b"/a", 1, 1)
    assert len(encode_empty(failure_text(picture, "too_big", "x"))) < 600
    assert "Thumb::Mimetype" in thumbnail_text(picture, "image/png", 1, 1)
