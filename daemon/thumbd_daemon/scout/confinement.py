"""A scout's cage: it may read whatever its user may, but write only where thumbnails are kept, and start nothing.

It decodes nothing, so what it is kept from is listed here instead of what it may. Landlock knows a folder by what it
is, not by its name: one that is deleted and made anew is another, and only another scout may write there. What an
older kernel's Landlock can't deny is in the list as well.
"""

import errno
import fcntl
import os
import stat
import termios
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..cache import SHARED_FLAVORS, Places
from ..cage import landlock, seccomp
from ..cage.bpf import ALLOW, Rule, When
from ..cage.bpf import errno as fails_with
from ..cage.kernel import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_SET_NO_NEW_PRIVS, drop_capabilities, prctl
from ..cage.landlock import Access
from ..cage.parts import Lack, Part

_REFUSED: Final = fails_with(errno.EPERM)
_ABSENT: Final = fails_with(errno.ENOSYS)
_CLONE_THREAD: Final = 0x00010000
#: No network, no other program, no other process; nothing of the kernel that only an intruder would want.
_FORBIDDEN: Final = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("execve", "execveat", "fork", "vfork", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("pidfd_send_signal", "pidfd_getfd", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise"),
    *("setpriority", "ioprio_set", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
    *("migrate_pages", "move_pages"),
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv", "msgctl"),
    *("mq_open", "mq_unlink"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
    *("removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr", "truncate", "flock"),
    *("mount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsmount", "fsconfig"),
    *("fspick", "mount_setattr", "chroot", "unshare", "setns", "open_by_handle_at", "quotactl", "quotactl_fd"),
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups"),
    *("capset", "keyctl", "add_key", "request_key", "personality", "bpf", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "iopl", "ioperm", "syslog", "vhangup", "acct"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff"),
    *("clock_settime", "clock_adjtime", "settimeofday", "adjtimex", "sethostname", "setdomainname"),
)
#: What Python asks of descriptors. Others lock files or lease them, or name a process that is to get a signal.
_COMMANDS: Final = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL)
_TCGETS2: Final = 0x802C542A  # how newer C libraries find out whether it is a terminal
#: What Python asks of devices and sockets. Others change a file's attributes, or type into a terminal.
_DEVICE_COMMANDS: Final = (termios.TCGETS, _TCGETS2, termios.FIONBIO, termios.FIOCLEX, termios.FIONCLEX)
_Prospects = tuple[bytes, bool, bool, bool]
_DENIED: Final = landlock.CHANGING | Access.EXECUTE
#: What publishing needs below its places. Without MAKE_SYM no link can be renamed either, without REFER nothing moves
#: to another folder, without REMOVE_DIR no folder gets another name: a link is where its user made it.
_WRITING: Final = Access.WRITE_FILE | Access.REMOVE_FILE | Access.MAKE_REG | Access.MAKE_DIR
#: Folders of the thumbnails' place that a user may have put elsewhere by a link.
_FLAVORS: Final = tuple(name.encode() for name in sorted(SHARED_FLAVORS | {"fail"}))
#: As root it would have all of them.
_CAPABILITIES: Final = CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH


#: The places of a scout that writes nothing.
NOWHERE: Final = Places(b"", b"", b"")


class Outdated(Exception):
    """What this scout may write to is not what lies there any more: another scout must do it."""


class Confinement:
    """The cage of a scout that writes below `places`; one without these writes nowhere."""

    def __init__(self, places: Places = NOWHERE) -> None:
        self._thumbnails = places.thumbnails
        self._roots = [place for place in (places.thumbnails, places.previews, places.volatile) if place]
        self._troubles: dict[bytes, tuple[OSError, _Prospects]] = {}
        self._seen: dict[bytes, tuple[int, int] | None] | None = None

    def enter(self) -> list[Lack]:
        """Lock this process in; what can't be done is told."""
        lacks: list[Lack] = []

        def try_to(part: Part, do: Callable[[], None], in_words: Callable[[OSError], str]) -> None:
            try:
                do()
            except OSError as error:
                lacks.append((part, in_words(error)))

        try_to(Part.PRIVILEGES, _gain_nothing, _in_words)
        try_to(Part.LANDLOCK, self._forbid_writing, landlock.in_words)
        try_to(Part.SECCOMP, lambda: seccomp.install(rules(os.getpid()), ALLOW), _in_words)
        return lacks

    def judge(self, error: OSError, target: bytes) -> OSError:
        """Why `target` could not be written, where the cage had a part in it: the same error, or the one that kept its
        folder from being made. Raises Outdated when another scout may fare better."""
        if error.errno != errno.EACCES or self._seen is None:
            return error
        if self._look() != self._seen:
            raise Outdated
        for root in self._roots:
            if target.startswith(root + b"/") and root in self._troubles:
                trouble, prospects = self._troubles[root]
                if _prospects(root) != prospects:
                    raise Outdated
                return trouble
        return error

    def _forbid_writing(self) -> None:
        for root in self._roots:
            try:
                make_folder(root)
            except OSError as error:
                self._troubles[root] = error, _prospects(root)
        seen = self._look()
        landlock.restrict(_DENIED, [(folder, _WRITING) for folder, found in seen.items() if found is not None])
        self._seen = seen

    def _look(self) -> dict[bytes, tuple[int, int] | None]:
        """Which folders they are now. The kernel keeps those that a rule names from being forgotten, so no other can
        have their numbers."""
        return {folder: _identity(folder) for folder in (*self._roots, *self._links())}

    def _links(self) -> list[bytes]:
        """Folders of a flavor that their user has put elsewhere: a rule for the folder they are in does not hold there.
        No scout can make such a link, else it could send the next one anywhere."""
        if not self._thumbnails:
            return []
        flavors = [os.path.join(self._thumbnails, name) for name in _FLAVORS]
        return [flavor for flavor in flavors if os.path.islink(flavor)]


#: For a scout that is not locked in.
UNCONFINED: Final = Confinement()


def rules(pid: int) -> list[Rule]:
    """What the scout `pid` may not ask of the kernel; all else it may."""
    return [
        *(Rule(name, _REFUSED) for name in _FORBIDDEN),
        Rule("clone", ALLOW, (When(0, _CLONE_THREAD, _CLONE_THREAD),), _REFUSED),
        Rule("clone3", _ABSENT),
        Rule("tgkill", ALLOW, (When(0, pid),), _REFUSED),  # abort(3) is a signal to oneself
        Rule("prlimit64", ALLOW, (When(0, 0),), _REFUSED),  # a limit set for the daemon would end it like a signal
        # A file that is opened to be read can be cut to nothing by that, which Landlock denies only since Linux 6.2.
        Rule("open", _REFUSED, (When(1, os.O_TRUNC, os.O_TRUNC),), ALLOW),
        Rule("openat", _REFUSED, (When(2, os.O_TRUNC, os.O_TRUNC),), ALLOW),
        Rule("openat2", _ABSENT),  # its flags can't be seen
        # With O_ASYNC a terminal sends a signal to whatever runs in its foreground.
        Rule("fcntl", ALLOW, (When(1, fcntl.F_SETFL), When(2, 0, os.O_ASYNC)), None),
        *_only("fcntl", _COMMANDS),
        *_only("ioctl", _DEVICE_COMMANDS),
    ]


def _only(name: str, commands: Iterable[int]) -> Iterator[Rule]:
    """Of a call whose second argument is a command, these alone."""
    yield from (Rule(name, ALLOW, (When(1, command),), None) for command in commands)
    yield Rule(name, _REFUSED)


def _gain_nothing() -> None:
    """No privileges beyond those of its user, and of root's only what opens files: it reads what its user may read."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    drop_capabilities(keep=_CAPABILITIES)


def _in_words(error: OSError) -> str:
    return str(error.strerror)


def _identity(folder: bytes) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def make_folder(folder: bytes) -> None:
    """Make `folder` and what is missing above it, all of it 0700 (``os.makedirs`` would open those above to others)."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    if parent != folder:
        make_folder(parent)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise  # it is none: somebody was not just quicker


def _prospects(folder: bytes) -> _Prospects:
    """What decides whether `folder` can be made: the folder that is there already, whether something else stands in the
    way, whether one may write and whether there is room. While that is the same, another scout would fail as well."""
    missing = folder
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        missing, folder = folder, os.path.dirname(folder)
    return folder, os.path.lexists(missing), os.access(folder, os.W_OK | os.X_OK), _has_room(folder)


def _has_room(folder: bytes) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail > 0 and (disk.f_favail > 0 or disk.f_files == 0)  # some do not count files
