"""Scouts in their cage: they write where thumbnails are kept, nowhere else, and say when that has become another place."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thumbd_daemon.cache import Places
from thumbd_daemon.cage.parts import SWITCHED_OFF
from thumbd_daemon.records import Attach, Mark, Marked, Outdated, Publish, Published, Ready, Setup
from thumbd_daemon.renderer.recipe import sub_filtered
from thumbd_daemon.scout.confinement import UNCONFINED

from .children import ScoutTalk
from .pixels import gradient

PICTURE = b"/pictures/a.jpg"


@contextmanager
def scout(places: Places, *, confined: bool = True) -> Iterator[ScoutTalk]:
    """A real one that has a renderer's pixels before it."""
    with ScoutTalk() as talk:
        talk.say(Setup(places.thumbnails, places.previews, places.volatile, confined))
        ready = talk.hear()
        assert isinstance(ready, Ready)
        if confined and ready.lacks:
            pytest.skip(f"scouts can't be locked in here: {ready.lacks}")
        assert ready.lacks == ([] if confined else SWITCHED_OFF)
        slot = os.memfd_create("slot")
        os.write(slot, sub_filtered(gradient((64, 48))))
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with near, far:
            talk.say(Attach(1), slot, far.fileno())
            os.close(slot)
            yield talk


def publish(talk: ScoutTalk, flavor: str = "large") -> object:
    talk.say(Publish(3, PICTURE, flavor, 9, 5, 1, "RGB", 64, 48, 640, 480, "image/jpeg"))
    return talk.hear()


def mark(talk: ScoutTalk) -> object:
    talk.say(Mark(4, PICTURE, 9, 5, "decode_error", "is torn"))
    return talk.hear()


def kept(places: Places, flavor: str = "large") -> Published:
    """What a scout says when all is well."""
    return Published(3, places.thumbnail(PICTURE, flavor), False, "")


def volatile_because(words: str, answer: object) -> None:
    assert isinstance(answer, Published)
    assert answer.volatile
    assert answer.refused
    assert words in answer.message


def test_it_publishes_and_remembers_in_its_cage(desk: Places) -> None:
    with scout(desk) as talk:
        for flavor in ("normal", "large", "preview"):
            assert publish(talk, flavor) == kept(desk, flavor)
        assert publish(talk) == kept(desk)  # in place of the one that is there
        assert mark(talk) == Marked(4, "")
    assert os.path.isfile(desk.thumbnail(PICTURE, "large"))
    assert os.path.isfile(desk.failure(PICTURE))


@pytest.mark.parametrize("anew", [False, True], ids=["deleted", "deleted and made anew"])
def test_after_its_folder_was_deleted_another_scout_must_publish(desk: Places, anew: bool) -> None:
    with scout(desk) as talk:
        assert publish(talk) == kept(desk)
        shutil.rmtree(desk.thumbnails)
        if anew:
            os.mkdir(desk.thumbnails, 0o700)
        for _ in range(2):
            assert publish(talk) == Outdated(3)
        assert mark(talk) == Outdated(4)
        assert publish(talk, "preview") == kept(desk, "preview")
    with scout(desk) as fresh:
        assert publish(fresh) == kept(desk)
        assert mark(fresh) == Marked(4, "")


def test_folders_of_flavors_may_come_and_go(desk: Places) -> None:
    with scout(desk) as talk:
        for _ in range(2):
            assert publish(talk) == kept(desk)
            shutil.rmtree(os.path.join(desk.thumbnails, b"large"))


def test_a_scout_that_is_not_locked_in_makes_the_folder_again(desk: Places) -> None:
    with scout(desk, confined=False) as talk:
        assert publish(talk) == kept(desk)
        shutil.rmtree(desk.thumbnails)
        assert publish(talk) == kept(desk)


def test_not_being_locked_in_is_never_the_reason() -> None:
    refusal = PermissionError(errno.EACCES, "Permission denied")
    assert UNCONFINED.judge(refusal, b"/nowhere/t/large/a.png") is refusal


def test_a_flavor_that_lies_elsewhere_by_a_link_can_be_written(desk: Places, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.makedirs(desk.thumbnails)
    os.symlink(tmp_path / "elsewhere", os.path.join(desk.thumbnails, b"large"))
    with scout(desk) as talk:
        assert publish(talk) == kept(desk)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_a_link_that_came_later_needs_another_scout(desk: Places, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with scout(desk) as talk:
        os.symlink(tmp_path / "elsewhere", os.path.join(desk.thumbnails, b"large"))
        assert publish(talk) == Outdated(3)
    with scout(desk) as fresh:
        assert publish(fresh) == kept(desk)


def test_a_file_above_the_place_is_told_as_what_it_is_until_it_is_gone(desk: Places) -> None:
    above = Path(os.fsdecode(os.path.dirname(desk.previews)))
    above.parent.mkdir()
    above.touch()
    with scout(desk) as talk:
        volatile_because("not a directory", publish(talk, "preview"))
        above.unlink()
        assert publish(talk, "preview") == Outdated(3)
    with scout(desk) as fresh:
        assert publish(fresh, "preview") == kept(desk, "preview")


@pytest.fixture
def no_more_files(tmp_path: Path) -> Iterator[Path]:
    """A file system in which no further file or folder can be made."""
    place = tmp_path / "full"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=1", "none", str(place)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small file system can be mounted here: {error}")
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_folder_that_the_disk_has_no_room_for_is_no_reason_for_another_scout(
    desk: Places, no_more_files: Path
) -> None:
    places = Places(os.fsencode(no_more_files / "t"), desk.previews, desk.volatile)
    with scout(places) as talk:
        for _ in range(2):
            volatile_because("no space left", publish(talk))
        subprocess.run(["mount", "-o", "remount,nr_inodes=99", str(no_more_files)], check=True)
        assert publish(talk) == Outdated(3)
    with scout(places) as fresh:
        assert publish(fresh) == kept(places)
