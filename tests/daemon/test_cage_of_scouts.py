"""What a process can still do after it has entered a scout's cage, tried in processes of their own."""

import os
import signal
from pathlib import Path

import pytest

from .alone import run_alone, told
from .caged import ENTER, ENTERED

pytestmark = pytest.mark.usefixtures("landlock_here")

_ATTEMPTS = """
import resource
fd = os.open("file", os.O_RDONLY)

def fork():
    if os.fork() == 0:
        os._exit(0)

tell({
    "socket": outcome(socket.socket),
    "socketpair": outcome(socket.socketpair),
    "fork": outcome(fork),
    "exec": outcome(os.posix_spawn, "/bin/true", ["true"], {}),
    "kill": outcome(os.kill, os.getppid(), 0),
    "limit": outcome(resource.prlimit, os.getppid(), resource.RLIMIT_NOFILE),
    "chmod": outcome(os.chmod, "file", 0o777),
    "fchmod": outcome(os.fchmod, fd, 0o777),
    "chown": outcome(os.chown, "file", os.getuid(), os.getgid()),
    "utime": outcome(os.utime, "file"),
    "setxattr": outcome(os.setxattr, "file", "user.a", b"b"),
    "chroot": outcome(os.chroot, "/"),
    "write": outcome(os.open, "file", os.O_WRONLY),
    "truncate": outcome(os.truncate, "file", 0),
    "make": outcome(open, "new", "x"),
    "mkdir": outcome(os.mkdir, "folder"),
    "rename": outcome(os.rename, "file", "renamed"),
    "link": outcome(os.link, "file", "linked"),
    "symlink": outcome(os.symlink, "file", "link"),
    "unlink": outcome(os.unlink, "file"),
})
"""


def test_a_scout_starts_nothing_speaks_with_nobody_and_changes_nothing_elsewhere(place: Path) -> None:
    before = os.stat(place / "file")
    found = told(ENTERED + _ATTEMPTS, place)
    by_landlock = {"write", "make", "mkdir", "rename", "link", "symlink", "unlink"}
    assert {name for name, end in found.items() if end == "EACCES"} - {"exec"} == by_landlock
    assert {end for name, end in found.items() if name not in by_landlock} <= {"EPERM", "EACCES"}, found
    assert sorted(path.name for path in place.iterdir()) == ["above", "file", "v"]
    after = os.stat(place / "file")
    assert (after.st_mode, after.st_mtime_ns, after.st_size) == (before.st_mode, before.st_mtime_ns, before.st_size)


def test_a_scout_reads_what_its_user_may_read_and_has_threads(place: Path) -> None:
    source = """
found = []
thread = threading.Thread(target=lambda: found.append(open(here + b"/file").read()))
thread.start()
thread.join()
import resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
tell([*found, outcome(os.listdir, "/etc"), outcome(resource.setrlimit, resource.RLIMIT_NOFILE, limits)])
"""
    assert told(ENTERED + source, place) == ["content", "done", "done"]


def test_its_places_are_made_and_can_be_written(place: Path) -> None:
    source = 'tell([judged(root + b"/a/b.png") for root in (places.thumbnails, places.previews, places.volatile)])'
    assert told(ENTERED + source, place) == ["done"] * 3
    for made in ("above", "above/t", "above/t/a", "v"):
        assert (place / made).stat().st_mode & 0o777 == 0o700


def test_a_scout_that_gives_up_still_ends_by_the_signal_of_it(place: Path) -> None:
    assert run_alone(ENTERED + "os.abort()", place).returncode == -signal.SIGABRT


def test_one_that_writes_nowhere_can_write_nowhere(place: Path) -> None:
    source = """
assert Confinement().enter() == []
tell([outcome(open, "new", "x"), outcome(os.mkdir, "/tmp/folder"), outcome(socket.socket), outcome(open, "file")])
"""
    assert told(ENTER + source, place) == ["EACCES", "EACCES", "EPERM", "done"]


#: Without them even root is refused what permissions do not grant.
_LIKE_ANYBODY = "kernel.drop_capabilities()\n"


def test_a_folder_that_permissions_close_is_told_as_that(place: Path) -> None:
    (place / "above/t").mkdir(parents=True)
    (place / "above/t").chmod(0o500)
    source = (
        _LIKE_ANYBODY + ENTERED + 'tell([judged(places.thumbnails + b"/a.png"), judged(places.previews + b"/a.png")])'
    )
    assert told(source, place) == ["EACCES", "done"]


def test_a_place_that_permissions_kept_from_being_made_can_be_made_once_they_allow_it(place: Path) -> None:
    (place / "above").mkdir(mode=0o500)
    (place / "open").mkdir(mode=0o700)
    # The folder above is put out of the way by a thread that was there before: Landlock restricts one alone.
    source = """
wanted, done = threading.Event(), threading.Event()

def make_way():
    wanted.wait()
    os.rename("above", "closed")
    os.rename("open", "above")
    done.set()

threading.Thread(target=make_way).start()
"""
    ask = """
target = places.thumbnails + b"/a.png"
before = [judged(target), judged(target), judged(places.volatile + b"/a.png")]
wanted.set()
done.wait()
tell([*before, judged(target)])
"""
    found = told(_LIKE_ANYBODY + source + ENTERED + ask, place)
    assert found == ["EACCES", "EACCES", "done", "outdated"]


def test_other_errors_than_a_refusal_are_never_the_cages(place: Path) -> None:
    # A root's folder can't be removed by the scout; a flavor's name that is too long is refused without a permission.
    assert told(ENTERED + 'tell(judged(places.thumbnails + b"/" + b"x" * 300))', place) == "ENAMETOOLONG"


def test_what_is_missing_is_told_and_the_rest_is_done(place: Path) -> None:
    source = """
def none():
    raise OSError(errno.ENOSYS, "landlock_create_ruleset: Function not implemented")

landlock.version = none
lacks = cage.enter()
tell([lacks, outcome(open, "new", "x"), outcome(socket.socket), judged(places.thumbnails + b"/a.png")])
"""
    lacks = [["Landlock", "the kernel has no Landlock (it came with Linux 5.13)"]]
    assert told(ENTER + source, place) == [lacks, "done", "EPERM", "done"]
