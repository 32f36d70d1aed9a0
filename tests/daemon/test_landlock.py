"""Landlock in processes of their own: what is denied is denied, what is allowed goes on."""

import errno
import os
import socket
from pathlib import Path

import pytest

from thumbd_daemon.cage import landlock
from thumbd_daemon.cage.landlock import CHANGING, EVERYTHING, Access, in_words

from .alone import told


@pytest.fixture(scope="module", autouse=True)
def version() -> int:
    """That of this kernel's interface."""
    try:
        return landlock.version()
    except OSError as error:
        pytest.skip(f"no Landlock here: {in_words(error)}")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file and a folder in it."""
    (tmp_path / "file").write_text("content")
    (tmp_path / "other").write_text("content")
    (tmp_path / "folder").mkdir()
    return tmp_path


_RESTRICT = "kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)\n"
_TRY_EVERYTHING = """
tell({
    "read": outcome(open, "file"),
    "read the system's": outcome(open, "/etc/hostname"),
    "list": outcome(os.listdir, "."),
    "write": outcome(os.open, "file", os.O_WRONLY),
    "make": outcome(open, "new", "w"),
    "nameless": outcome(os.open, ".", os.O_WRONLY | os.O_TMPFILE),
    "mkdir": outcome(os.mkdir, "new folder"),
    "rmdir": outcome(os.rmdir, "folder"),
    "unlink": outcome(os.unlink, "file"),
    "rename": outcome(os.rename, "other", "renamed"),
    "symlink": outcome(os.symlink, "file", "link"),
    "fifo": outcome(os.mkfifo, "fifo"),
    "socket": outcome(socket.socket(socket.AF_UNIX).bind, "socket"),
    "exec": outcome(os.posix_spawn, "/bin/true", ["true"], {}),
})
"""


def test_everything_denied_leaves_no_file_and_no_folder(place: Path) -> None:
    source = _RESTRICT + "landlock.restrict(EVERYTHING)\n" + _TRY_EVERYTHING
    found = told(source, place)
    assert set(found.values()) == {"EACCES"}, found
    assert sorted(path.name for path in place.iterdir()) == ["file", "folder", "other"]


def test_without_the_restriction_all_of_that_can_be_done(place: Path) -> None:
    # Else the test before would show nothing.
    assert set(told(_TRY_EVERYTHING, place).values()) == {"done"}


def test_what_is_open_already_stays_readable(place: Path) -> None:
    source = "file = os.open('file', os.O_RDONLY)\n" + _RESTRICT + "landlock.restrict(EVERYTHING)\n"
    assert told(source + "tell([os.read(file, 99).decode(), outcome(os.open, 'file', 0)])", place) == [
        "content",
        "EACCES",
    ]


def test_a_thread_that_is_started_later_is_restricted_too(place: Path) -> None:
    source = """
landlock.restrict(EVERYTHING)
found = []
thread = threading.Thread(target=lambda: found.append(outcome(open, "file")))
thread.start()
thread.join()
tell(found)
"""
    assert told(_RESTRICT + source, place) == ["EACCES"]


_WRITES_BELOW = _RESTRICT + "landlock.restrict(CHANGING | Access.EXECUTE, [(b'folder', CHANGING)])\n"


def test_writing_is_left_below_the_named_folder_and_reading_everywhere(place: Path) -> None:
    source = """
tell([
    {
        "read": outcome(open, "file"),
        "list": outcome(os.listdir, "/"),
        "make": outcome(open, "folder/new", "w"),
        "mkdir": outcome(os.makedirs, "folder/a/b"),
        "move": outcome(os.rename, "folder/new", "folder/a/new"),
        "unlink": outcome(os.unlink, "folder/a/new"),
        "nameless": outcome(os.open, "folder", os.O_WRONLY | os.O_TMPFILE),
    },
    {
        "write": outcome(os.open, "file", os.O_WRONLY),
        "make": outcome(open, "new", "w"),
        "by another way": outcome(open, "folder/../new", "w"),
        "mkdir": outcome(os.mkdir, "new"),
        "unlink": outcome(os.unlink, "file"),
        "the folder itself": outcome(os.rename, "folder", "renamed"),
        "exec": outcome(os.posix_spawn, "/bin/true", ["true"], {}),
    },
    outcome(os.rename, "file", "folder/file"),
])
"""
    left, denied, moved_in = told(_WRITES_BELOW + source, place)
    assert set(left.values()) == {"done"}, left
    assert set(denied.values()) == {"EACCES"}, denied
    assert moved_in in ("EACCES", "EXDEV")
    assert (place / "file").exists()


def test_a_folder_that_is_made_anew_is_another_one(place: Path) -> None:
    source = """
locked = threading.Event()
found = []

def write():
    # A thread restricts itself alone: the one that it was started by stays free.
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(CHANGING, [(b"folder", CHANGING)])
    found.append(outcome(open, "folder/new", "w"))
    locked.set()
    made_anew.wait()
    found.append(outcome(open, "folder/new", "w"))

made_anew = threading.Event()
thread = threading.Thread(target=write)
thread.start()
locked.wait()
os.unlink("folder/new")
os.rmdir("folder")
os.mkdir("folder")
made_anew.set()
thread.join()
tell(found)
"""
    assert told(source, place) == ["done", "EACCES"]


def test_a_folder_that_is_not_there_is_an_error_and_restricts_nothing(place: Path) -> None:
    source = """
before = len(os.listdir("/proc/self/fd"))
failed = outcome(landlock.restrict, EVERYTHING, [(b"missing", EVERYTHING)])
tell([failed, outcome(open, "file"), len(os.listdir("/proc/self/fd")) - before])
"""
    assert told(_RESTRICT + source, place) == ["ENOENT", "done", 0]


def test_it_needs_the_promise_to_gain_no_privileges(place: Path) -> None:
    source = "kernel.drop_capabilities()\ntell([outcome(landlock.restrict, EVERYTHING), outcome(open, 'file')])"
    assert told(source, place) == ["EPERM", "done"]


def test_no_program_of_this_machine_can_be_reached_by_tcp(place: Path, version: int) -> None:
    if version < 4:
        pytest.skip(f"version {version} of the kernel's Landlock does not know of the network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        source = f"connect = lambda: socket.create_connection(('127.0.0.1', {port}))\nbefore = outcome(connect)\n"
        source += _RESTRICT + "landlock.restrict(EVERYTHING)\n"
        source += "tell([before, outcome(connect), outcome(socket.socket().bind, ('127.0.0.1', 0))])"
        assert told(source, place) == ["done", "EACCES", "EACCES"]


def test_nobody_outside_can_be_sent_a_signal(place: Path, version: int) -> None:
    if version < 6:
        pytest.skip(f"version {version} of the kernel's Landlock does not know of signals")
    source = "landlock.restrict(EVERYTHING)\ntell([outcome(os.kill, pid, 0) for pid in (os.getppid(), os.getpid())])"
    assert told(_RESTRICT + source, place) == ["EPERM", "done"]


@pytest.mark.parametrize(("age", "truncates"), [(1, "done"), (2, "done"), (3, "EACCES"), (99, "EACCES")])
def test_an_older_kernel_is_asked_for_what_it_knows(place: Path, version: int, age: int, truncates: str) -> None:
    if version < 3 <= age:
        pytest.skip(f"version {version} of the kernel's Landlock can't deny to truncate")
    source = f"landlock.version = lambda: {min(age, version)}\n" + _RESTRICT
    source += "landlock.restrict(EVERYTHING)\ntell([outcome(os.truncate, 'file', 0), outcome(open, 'file')])"
    assert told(source, place) == [truncates, "EACCES"]


def test_what_changes_something_is_all_but_reading_and_running() -> None:
    assert CHANGING | Access.READ_FILE | Access.READ_DIR | Access.EXECUTE == EVERYTHING
    assert not CHANGING & (Access.READ_FILE | Access.READ_DIR | Access.EXECUTE)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSYS, "the kernel has no Landlock (it came with Linux 5.13)"),
        (errno.EOPNOTSUPP, "Landlock is switched off at boot; add it to lsm= of the kernel's command line"),
        (errno.EPERM, os.strerror(errno.EPERM)),
    ],
)
def test_why_there_is_none_is_said_in_words(number: int, words: str) -> None:
    assert in_words(OSError(number, "landlock_create_ruleset: whatever")) == words
