"""File systems that do not answer: whose file lies where, who waits, and for how long."""

import pytest

from thumbd_daemon.mounts import Mounts, Road, mount_points

from .workshop import mountinfo

PATIENCE, SHORT = 10.0, 1.0


def mounts(*points: str) -> Mounts[str]:
    made = Mounts[str](PATIENCE, SHORT)
    made.update(mountinfo(*points))
    return made


# -- whose file lies where ----------------------------------------------------------------------------------------


def test_before_anything_is_known_there_is_the_root() -> None:
    assert Mounts[str](PATIENCE, SHORT).of(b"/any/where") == b"/"


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        (b"/x.png", b"/"),
        (b"/home/me/x.png", b"/home"),
        (b"/home/me/net/deep/er/x.png", b"/home/me/net"),
        (b"/home/me/network/x.png", b"/home"),
        (b"/homes/x.png", b"/"),
        (b"/home/me/net", b"/home/me/net"),
        (b"/home/me/net/.", b"/home/me/net"),
        (b"/\xff\xfe/x", b"/"),
    ],
)
def test_a_file_lies_on_the_longest_mount_point_before_it(path: bytes, mount: bytes) -> None:
    table = mounts("/home", "/home/me/net", "/srv")
    assert table.of(path) == mount
    assert table.of(path) == mount, "once more, from memory"


def test_names_with_blanks_are_read_as_the_kernel_writes_them() -> None:
    raw = (
        b"36 35 98:0 /mnt1 /mnt/my\\040usb\\011stick rw,noatime master:1 - ext3 /dev/root rw\n"
        b"37 35 98:0 / /mnt/back\\134slash rw - ext3 /dev/root rw\n"
        b"38 35 98:0 / /mnt/\xe6\x97\xa5\\012 rw - ext3 /dev/root rw\n"
        b"short line\n"
        b"\n"
    )
    assert mount_points(raw) == {b"/mnt/my usb\tstick", b"/mnt/back\\slash", "/mnt/日\n".encode()}


def test_the_root_is_there_even_if_the_kernel_does_not_say_so() -> None:
    table = Mounts[str](PATIENCE, SHORT)
    table.update(b"")
    assert table.of(b"/x") == b"/"


def test_the_mounts_below_a_folder_are_told_and_not_those_beside_it() -> None:
    table = mounts("/home", "/home/b", "/home/a/deep", "/homes", "/srv")
    assert table.below(b"/home") == [b"/home/a/deep", b"/home/b"]
    assert table.below(b"/home/") == [b"/home/a/deep", b"/home/b"]
    assert table.below(b"/") == [b"/home", b"/home/a/deep", b"/home/b", b"/homes", b"/srv"]
    assert table.below(b"/srv") == []


def test_a_mount_that_comes_or_goes_meanwhile_is_seen() -> None:
    table = mounts("/mnt/usb")
    assert table.of(b"/mnt/usb/x") == b"/mnt/usb"
    table.update(mountinfo("/mnt"))
    assert table.of(b"/mnt/usb/x") == b"/mnt"
    table.update(mountinfo("/mnt/usb"))
    assert table.of(b"/mnt/usb/x") == b"/mnt/usb"


def test_who_is_stuck_on_a_mount_that_goes_away_still_comes_back() -> None:
    table = mounts("/net")
    table.stuck(b"/net", 1, 100.0)
    table.hold(b"/net", "x")
    table.update(mountinfo())
    assert table.of(b"/net/x") == b"/"
    assert table.road(b"/net") is Road.SLOW
    assert table.back(1, answered=False) == ["x"]
    assert table.in_trouble(1e6) == []


def test_very_many_folders_do_not_fill_the_memory() -> None:
    table = mounts("/net")
    for number in range(50_000):
        table.of(b"/net/%d/x" % number)
    assert len(vars(table)["_known"]) < 30_000
    assert table.of(b"/net/1/x") == b"/net"


# -- who waits ----------------------------------------------------------------------------------------------------


def test_while_somebody_is_stuck_things_wait_and_are_freed_in_order_when_it_answers() -> None:
    table = mounts("/net")
    assert table.road(b"/net") is Road.CLEAR
    table.stuck(b"/net", 7, 100.0)
    assert table.road(b"/net") is Road.SLOW
    assert table.road(b"/") is Road.CLEAR, "another mount goes on"
    for thing in "bca":
        table.hold(b"/net", thing)
    table.hold(b"/net", "b")  # once is enough
    assert (table.in_trouble(99.9), table.in_trouble(100.0)) == ([], [b"/net"])
    assert table.back(7, answered=True) == ["b", "c", "a"]
    assert table.road(b"/net") is Road.CLEAR
    assert table.next_deadline() is None


def test_who_was_never_stuck_frees_nobody() -> None:
    table = mounts("/net")
    table.stuck(b"/net", 7, 100.0)
    table.hold(b"/net", "x")
    assert table.back(8, answered=True) == []
    assert table.road(b"/net") is Road.SLOW


def test_nothing_is_held_for_a_mount_that_answers() -> None:
    with pytest.raises(KeyError):
        mounts("/net").hold(b"/net", "x")


def test_with_two_who_are_stuck_both_must_come_back() -> None:
    table = mounts("/net")
    table.stuck(b"/net", 1, 100.0)
    table.stuck(b"/net", 2, 105.0)
    table.hold(b"/net", "x")
    assert table.back(1, answered=True) == []
    assert table.road(b"/net") is Road.SLOW
    assert table.give_up(100.0 + PATIENCE) == ["x"], "patience runs from the first"
    assert table.back(2, answered=True) == []
    assert table.road(b"/net") is Road.CLEAR


def test_one_visitor_on_two_mounts_frees_both() -> None:
    table = mounts("/net", "/usb")
    for mount, thing in ((b"/net", "x"), (b"/usb", "y")):
        table.stuck(mount, 1, 100.0)
        table.hold(mount, thing)
    assert table.back(1, answered=True) == ["x", "y"]


# -- for how long -------------------------------------------------------------------------------------------------


def test_after_the_patience_what_waits_is_given_up_once_and_the_mount_is_hung_until_somebody_is_back() -> None:
    table = mounts("/net")
    table.stuck(b"/net", 1, 100.0)
    table.hold(b"/net", "x")
    assert table.next_deadline() == 100.0 + PATIENCE
    assert table.give_up(100.0 + PATIENCE - 0.01) == []
    assert table.give_up(100.0 + PATIENCE) == ["x"]
    assert table.road(b"/net") is Road.HUNG
    assert table.give_up(1e6) == []
    assert table.next_deadline() is None
    assert table.back(1, answered=True) == []
    assert table.road(b"/net") is Road.CLEAR


def test_a_mount_whose_visitor_had_to_be_killed_has_little_time_the_next_time() -> None:
    table = mounts("/net", "/usb")
    table.stuck(b"/net", 1, 100.0)
    table.back(1, answered=False)
    table.stuck(b"/net", 2, 200.0)
    table.stuck(b"/usb", 3, 200.0)
    assert table.next_deadline() == 200.0 + SHORT
    table.give_up(200.0 + SHORT)
    assert (table.road(b"/net"), table.road(b"/usb")) == (Road.HUNG, Road.SLOW)


@pytest.mark.parametrize("how", ["it was stuck and answered", "it answered in time"])
def test_a_mount_that_has_answered_again_is_trusted_again(how: str) -> None:
    table = mounts("/net")
    table.stuck(b"/net", 1, 100.0)
    table.back(1, answered=False)
    if how == "it answered in time":
        table.answered(b"/net/deep/er/x.png")
    else:
        table.stuck(b"/net", 2, 200.0)
        table.back(2, answered=True)
    table.stuck(b"/net", 3, 300.0)
    assert table.next_deadline() == 300.0 + PATIENCE


def test_an_answer_from_another_mount_does_not_make_a_suspect_trusted() -> None:
    table = mounts("/net", "/net/usb")
    table.stuck(b"/net", 1, 100.0)
    table.back(1, answered=False)
    table.answered(b"/net/usb/x.png")
    table.stuck(b"/net", 2, 200.0)
    assert table.next_deadline() == 200.0 + SHORT


def test_time_in_which_nobody_could_hear_an_answer_does_not_count() -> None:
    table: Mounts[str] = Mounts(10.0, 1.0)
    table.update(b"1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / /net rw - nfs x rw\n")
    table.stuck(b"/net", 7, 100.0)
    table.hold(b"/net", "file")
    table.shift(20.0)
    assert table.give_up(125.0) == []
    assert table.in_trouble(119.9) == []
    assert table.give_up(130.0) == ["file"]
