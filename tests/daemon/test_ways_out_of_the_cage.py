"""Ways out of a scout's cage that a list of what is forbidden may miss, each tried in a process of its own."""

import subprocess
from pathlib import Path

import pytest

from thumbd_daemon.cage import kernel, landlock

from .alone import told
from .caged import ENTER, ENTERED

pytestmark = pytest.mark.usefixtures("landlock_here")

_BELOW = """
import stat
os.mkdir(places.thumbnails + b"/folder")
os.chdir(places.thumbnails)
os.close(os.open("file", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
tell({
    "link": outcome(os.symlink, "/", "zz"),
    "flavor": outcome(os.symlink, "/", "x-large"),
    "deeper link": outcome(os.symlink, "/", "folder/large"),
    "rename a link": outcome(os.rename, "mine", "x-large"),
    "link to a link": outcome(os.link, "mine", "x-large", follow_symlinks=False),
    "move a link": outcome(os.rename, "sub/large", "x-large"),
    "rename a folder": outcome(os.rename, "sub", "x-large"),
    "move a file": outcome(os.rename, "file", "folder/file"),
    "link from elsewhere": outcome(os.link, here + b"/file", "x-large"),
    "fifo": outcome(os.mkfifo, "fifo"),
    "device": outcome(os.mknod, "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
    "rmdir": outcome(os.rmdir, "folder"),
})
"""


def test_below_its_places_too_it_makes_only_files_and_folders(place: Path) -> None:
    thumbnails = place / "above/t"
    (thumbnails / "sub").mkdir(parents=True)
    (thumbnails / "mine").symlink_to("/")
    (thumbnails / "sub/large").symlink_to("/")
    found = told(ENTERED + _BELOW, place)
    assert set(found.values()) <= {"EACCES", "EXDEV", "EPERM"}, found
    assert sorted(path.name for path in thumbnails.iterdir()) == ["file", "folder", "mine", "sub"]
    assert list((thumbnails / "folder").iterdir()) == []


def test_only_links_by_the_name_of_a_flavor_are_followed(place: Path) -> None:
    leads = ["above/t/large", "above/t/xx-large", "above/t/fail", "above/t/zz", "above/p/large", "v/normal"]
    for number, lead in enumerate(leads):
        (place / str(number)).mkdir()
        (place / lead).parent.mkdir(parents=True, exist_ok=True)
        (place / lead).symlink_to(place / str(number))
    source = f"tell([judged(here + b'/' + lead.encode() + b'/a.png') for lead in {leads}])"
    assert told(ENTERED + source, place) == ["done"] * 3 + ["EACCES"] * 3


_CUT = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
how = (ctypes.c_uint64 * 3)(os.O_TRUNC, 0, 0)

def open_by_structure():
    if libc.syscall(437, -100, b"file", how, 24) < 0:
        raise OSError(ctypes.get_errno(), "openat2")

tell([
    outcome(os.truncate, "file", 0),
    outcome(os.open, "file", os.O_RDONLY | os.O_TRUNC),
    outcome(os.open, "file", os.O_ACCMODE | os.O_TRUNC),
    outcome(open_by_structure),
    outcome(os.open, "file", os.O_RDWR),
])
"""


@pytest.mark.parametrize("age", [1, 2, 3, 99])
def test_no_file_can_be_cut_to_nothing_whatever_the_age_of_the_kernels_landlock(place: Path, age: int) -> None:
    source = f"landlock.version = lambda: {min(age, landlock.version())}\n" + ENTERED + _CUT
    assert told(source, place) == ["EPERM", "EPERM", "EPERM", "ENOSYS", "EACCES"]
    assert (place / "file").read_text() == "content"


#: As on kernels whose Landlock does not know of signals.
_BEFORE_SIGNALS = "landlock.version = lambda: 1\n"
_PAIR = "end, other = socket.socketpair()\n"
_SEND_A_SIGNAL = """
import fcntl, signal, struct, termios
FIOSETOWN, SIOCSPGRP, F_SETOWN_EX = 0x8901, 0x8902, 15
whom = struct.pack("@i", victim)
found = [
    outcome(fcntl.fcntl, end, fcntl.F_SETOWN, victim),
    outcome(fcntl.fcntl, end, F_SETOWN_EX, struct.pack("@ii", 1, victim)),
    outcome(fcntl.ioctl, end, FIOSETOWN, whom),
    outcome(fcntl.ioctl, end, SIOCSPGRP, whom),
    outcome(fcntl.fcntl, end, fcntl.F_SETSIG, signal.SIGKILL),
    outcome(fcntl.fcntl, end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK),
    outcome(fcntl.ioctl, end, termios.FIOASYNC, struct.pack("@i", 1)),
]
other.send(b"x")
tell(found)
"""


def test_no_descriptor_can_be_made_to_send_a_signal_to_another_process(place: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        found = told(f"victim = {victim.pid}\n" + _BEFORE_SIGNALS + _PAIR + ENTERED + _SEND_A_SIGNAL, place)
        alive = victim.poll() is None
        victim.kill()
    assert found == ["EPERM"] * 7
    assert alive


_USUAL = """
def blocking():
    end.setblocking(False)
    os.set_blocking(other.fileno(), False)
    os.set_blocking(other.fileno(), True)

with open("file") as file:
    tell([
        outcome(blocking),
        outcome(os.set_inheritable, end.fileno(), True),
        outcome(end.dup),
        outcome(os.isatty, 1),
        file.isatty(),
    ])
"""


def test_what_python_asks_of_its_own_descriptors_is_granted(place: Path) -> None:
    assert told(_PAIR + ENTERED + _USUAL, place) == ["done"] * 4 + [False]


_MEDDLE = """
import ctypes, fcntl
from thumbd_daemon.cage.syscalls import number
fd, parent = os.open("file", os.O_RDONLY), os.getppid()
libc = ctypes.CDLL(None, use_errno=True)

def ask(name, *arguments):
    if libc.syscall(number(name), *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

tell({
    "nice": outcome(os.setpriority, os.PRIO_PROCESS, parent, 7),
    "processors": outcome(os.sched_setaffinity, parent, {0}),
    "scheduler": outcome(os.sched_setscheduler, parent, os.SCHED_BATCH, os.sched_param(0)),
    "disk": outcome(ask, "ioprio_set", 1, parent, 3 << 13),
    "lock": outcome(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
    "part": outcome(fcntl.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB),
    "lease": outcome(fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK),
    "attributes": outcome(fcntl.ioctl, fd, 0x40086602, (0x40).to_bytes(8, "little")),
    "attributes anew": outcome(ask, "file_setattr", -100, b"file", bytes(24), 24, 0),
    "memory": outcome(ask, "shmget", 0, 4096, 0o1600),
    "queue": outcome(ask, "mq_open", b"thumbd-queue", os.O_RDWR | os.O_CREAT, 0o600, None),
    "user": outcome(os.setuid, os.getuid()),
    "module": outcome(ask, "finit_module", -1, b"", 0),
    "clock": outcome(ask, "clock_settime", 99, 0),
})
"""


def test_a_scout_meddles_with_no_other_process_and_no_file(place: Path) -> None:
    found = told(ENTERED + _MEDDLE, place)
    assert set(found.values()) == {"EPERM"}, found


def test_of_roots_privileges_only_those_to_open_files_are_kept(place: Path) -> None:
    source = """
def held():
    with open("/proc/self/status") as status:
        facts = dict(line.split(":", 1) for line in status)
    return [int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")]

before = held()
assert cage.enter() == []
tell([before, held()])
"""
    before, after = told(ENTER + source, place)
    openers = kernel.CAP_DAC_OVERRIDE | kernel.CAP_DAC_READ_SEARCH
    assert after == [before[0] & openers, before[1] & openers, 0, 0]
