"""What somebody would try who can run code in a renderer: raw system calls, and Python's ways to them.

Each is told by the kernel's answer. Where success would do harm in a renderer that is not locked in, the arguments are
nonsense: a filter refuses the call before the kernel looks at them (EPERM), the kernel itself complains of them (EFAULT,
EINVAL, EBADF).
"""

import ctypes
import errno
import mmap
import os
import posix
import sys
from collections.abc import Callable
from typing import IO, Any

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

PARENT = int(sys.orig_argv[-2]) if sys.orig_argv[-2].isdigit() else 0
AT_FDCWD = -100
O_PATH = 0x200000
BAD = -1  # no address, no descriptor
PATH = ctypes.create_string_buffer(b"/etc/passwd")
FOLDER = ctypes.create_string_buffer(b"/tmp")
NEW = ctypes.create_string_buffer(b"/tmp/a-renderer-was-here")
OWN_MEMORY = ctypes.create_string_buffer(b"/proc/self/mem")
PARENTS_MEMORY = ctypes.create_string_buffer(b"/proc/%d/mem" % PARENT)
SHELL = ctypes.create_string_buffer(b"/bin/true")
EMPTY = ctypes.create_string_buffer(b"")
ROOM = ctypes.create_string_buffer(4096)
ZEROS = ctypes.create_string_buffer(256)
PAGE = mmap.mmap(-1, 4096)

#: Calls by number (x86-64) with arguments; SOURCE stands for the descriptor of the picture.
SOURCE = "source"
CALLS: dict[str, tuple[Any, ...]] = {
    # -- files by name
    "open": (2, PATH, 0),
    "openat": (257, AT_FDCWD, PATH, 0),
    "openat2": (437, AT_FDCWD, PATH, ZEROS, 24),
    "O_PATH": (257, AT_FDCWD, PATH, O_PATH),
    "creat": (85, NEW, 0o600),
    "stat": (4, PATH, ROOM),
    "lstat": (6, PATH, ROOM),
    "newfstatat": (262, AT_FDCWD, PATH, ROOM, 0),
    "statx": (332, AT_FDCWD, PATH, 0, 0xFFF, ROOM),
    "access": (21, PATH, 4),
    "faccessat2": (439, AT_FDCWD, PATH, 4, 0),
    "readlink": (89, OWN_MEMORY, ROOM, 100),
    "statfs": (137, FOLDER, ROOM),
    "getcwd": (79, ROOM, 4096),
    "chdir": (80, FOLDER),
    "mkdir": (83, NEW, 0o700),
    "mknod": (133, NEW, 0o600, 0),
    "symlink": (88, PATH, NEW),
    "link": (86, NEW, NEW),
    "rename": (82, NEW, NEW),
    "unlink": (87, NEW),
    "unlinkat": (263, AT_FDCWD, NEW, 0),
    "truncate": (76, NEW, 0),
    "chmod": (90, NEW, 0o777),
    "utime": (132, NEW, 0),
    "setxattr": (188, NEW, NEW, ROOM, 1, 0),
    "name_to_handle_at": (303, AT_FDCWD, PATH, BAD, BAD, 0),
    "open_by_handle_at": (304, BAD, BAD, 0),
    "inotify_add_watch": (254, BAD, FOLDER, 2),
    "own memory by /proc": (2, OWN_MEMORY, 2),
    "parent's memory by /proc": (2, PARENTS_MEMORY, 0),
    # -- the picture that it was handed
    "fchmod on the source": (91, SOURCE, 0o777),
    "fchown on the source": (93, SOURCE, -1, -1),
    "utimensat on the source": (280, SOURCE, 0, 0, 0),
    "write on the source": (1, SOURCE, ROOM, 1),
    "pwrite on the source": (18, SOURCE, ROOM, 1, 0),
    "ftruncate on the source": (77, SOURCE, 0),
    "fallocate on the source": (285, SOURCE, 0, 0, 1),
    "fsetxattr on the source": (190, SOURCE, NEW, ROOM, 1, 0),
    "fgetxattr on the source": (193, SOURCE, NEW, ROOM, 1),
    "fstat on the source": (5, SOURCE, ROOM),
    "ioctl on the source": (16, SOURCE, 0x80086601, ROOM),
    "fcntl on the source": (72, SOURCE, 3, 0),
    "flock on the source": (73, SOURCE, 2 | 4),
    "dup of the source": (32, SOURCE),
    "map the source": (9, 0, 4096, 1, 2, SOURCE, 0),
    "map the source, shared": (9, 0, 4096, 1, 1, SOURCE, 0),
    "fchdir on the source": (81, SOURCE),
    "getdents64 on the source": (217, SOURCE, ROOM, 4096),
    "sendfile": (40, 2, SOURCE, 0, 1),
    "splice": (275, SOURCE, 0, 2, 0, 1, 0),
    # -- others to talk to
    "socket inet": (41, 2, 1, 0),
    "socket inet6": (41, 10, 2, 0),
    "socket unix": (41, 1, 1, 0),
    "socket netlink": (41, 16, 3, 0),
    "socket packet": (41, 17, 3, 0),
    "socketpair": (53, 1, 1, 0, ROOM),
    "connect": (42, BAD, ZEROS, 16),
    "bind": (49, BAD, ZEROS, 16),
    "listen": (50, BAD, 1),
    "accept4": (288, BAD, 0, 0, 0),
    "sendmsg": (46, BAD, ZEROS, 0),
    "sendmmsg": (307, BAD, ZEROS, 1, 0),
    "sendto an address": (44, BAD, ROOM, 1, 0, ZEROS, 16),
    "pipe": (22, ROOM),
    "pipe2": (293, ROOM, 0),
    "memfd_create": (319, NEW, 0),
    "memfd_secret": (447, 0),
    "eventfd2": (290, 0, 0),
    "epoll_create1": (291, 0),
    "timerfd_create": (283, 1, 0),
    "signalfd4": (289, BAD, ZEROS, 8, 0),
    "inotify_init1": (294, 0),
    "fanotify_init": (300, 0, 0),
    "mq_open": (240, NEW, 0o100, 0o600, 0),
    "shmget": (29, 0, 4096, 0o1600),
    "semget": (64, 0, 1, 0o1600),
    "msgget": (68, 0, 0o1600),
    # -- other processes
    "fork": (57,),
    "vfork": (58,),
    "clone as fork": (56, 17, 0, 0, 0, 0),
    "clone into a namespace": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": (435, ZEROS, 88),
    "execve": (59, SHELL, 0, 0),
    "execveat": (322, SOURCE, EMPTY, 0, 0, 0x1000),
    "kill the parent": (62, PARENT, 0),
    "kill everybody": (62, -1, 0),
    "tkill the parent": (200, PARENT, 0),
    "tgkill the parent": (234, PARENT, PARENT, 0),
    "rt_sigqueueinfo": (129, PARENT, 0, ZEROS),
    "pidfd_open": (434, PARENT, 0),
    "pidfd_send_signal": (424, BAD, 0, 0, 0),
    "pidfd_getfd": (438, BAD, 0, 0),
    "ptrace the parent": (101, 16, PARENT, 0, 0),
    "be traced": (101, 0, 0, 0, 0),
    "process_vm_readv": (310, PARENT, BAD, 1, BAD, 1, 0),
    "process_vm_writev": (311, PARENT, BAD, 1, BAD, 1, 0),
    "prlimit the parent": (302, PARENT, 7, 0, ROOM),
    "sched_setaffinity of the parent": (203, PARENT, 8, ZEROS),
    "setpriority of the parent": (141, 0, PARENT, 19),
    "kcmp": (312, PARENT, PARENT, 0, 0, 0),
    "setsid": (112,),
    # -- privileges
    "setuid": (105, 0),
    "setgid": (106, 0),
    "setresuid": (117, -1, -1, -1),
    "setgroups": (116, 1 << 20, BAD),
    "capset": (126, BAD, BAD),
    "unshare": (272, 0x10000000 | 0x00020000),
    "setns": (308, BAD, 0),
    "chroot": (161, BAD),
    "mount": (165, BAD, BAD, BAD, 0, 0),
    "umount2": (166, BAD, 0),
    "pivot_root": (155, BAD, BAD),
    "fsopen": (430, BAD, 0),
    "open_tree": (428, BAD, BAD, 0),
    "raise a limit": (160, 7, ZEROS),
    "raise a limit by prlimit": (302, 0, 7, ZEROS, 0),
    "prctl DUMPABLE": (157, 4, 1, 0, 0, 0),
    "prctl PDEATHSIG": (157, 1, 0, 0, 0, 0),
    "prctl NAME": (157, 15, PATH, 0, 0, 0),
    "seccomp": (317, 0, 0, BAD),
    "landlock_create_ruleset": (444, 0, 0, 1),
    # -- memory that runs, and the kernel's own machines
    "mmap to run": (9, 0, 4096, 1 | 2 | 4, 0x22, -1, 0),
    "mmap a file to run": (9, 0, 4096, 1 | 4, 2, SOURCE, 0),
    "mprotect to run": (10, ctypes.addressof(ctypes.c_char.from_buffer(PAGE)), 4096, 1 | 4),
    "pkey_mprotect to run": (329, ctypes.addressof(ctypes.c_char.from_buffer(PAGE)), 4096, 1 | 4, -1),
    "shmat": (30, BAD, 0, 0),
    "remap_file_pages": (216, BAD, 0, 0, 0, 0),
    "io_uring_setup": (425, 8, ZEROS),
    "io_setup": (206, 1, BAD),
    "bpf": (321, 0, BAD, 0),
    "userfaultfd": (323, 1),
    "perf_event_open": (298, BAD, 0, -1, -1, 0),
    "keyctl": (250, 0, -3, 0, 0, 0),
    "add_key": (248, BAD, BAD, BAD, 0, 0),
    "personality": (135, 0xFFFFFFFF),
    "modify_ldt": (154, 0, ROOM, 0),
    "arch_prctl": (158, 0x1004, ROOM),
    "iopl": (172, 4),
    "init_module": (175, BAD, 0, BAD),
    "kexec_load": (246, BAD, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "syslog": (103, 3, ROOM, 100),
    "clock_settime": (227, BAD, BAD),
    "sethostname": (170, BAD, -1),
    "setitimer": (38, 0, ZEROS, 0),
    "getppid": (110,),
    "uname": (63, ROOM),
}


def _list_a_folder(_source: IO[bytes]) -> object:
    return os.listdir("/")


def _spawn(_source: IO[bytes]) -> object:
    return posix.posix_spawn("/bin/true", ["/bin/true"], {})


def _import(_source: IO[bytes]) -> object:
    import sqlite3

    return sqlite3


def _take_memory(_source: IO[bytes]) -> object:
    return len(bytearray(4 << 30))


def _open_by_python(_source: IO[bytes]) -> object:
    with open("/etc/passwd", "rb") as file:
        return file.read()


def _write_to_the_source(source: IO[bytes]) -> object:
    return source.write(b"x")


def _ask_for_the_number(source: IO[bytes]) -> object:
    return source.fileno()


#: The same by what Python has for it, and what is no single call.
WAYS: dict[str, Callable[[IO[bytes]], object]] = {
    "listdir": _list_a_folder,
    "posix_spawn": _spawn,
    "a lazy import": _import,
    "4 GiB of memory": _take_memory,
    "open by Python": _open_by_python,
    "the reader's write": _write_to_the_source,
    "the reader's fileno": _ask_for_the_number,
}
NAMES = (*CALLS, *WAYS)


def attempt(name: str, source: IO[bytes]) -> str:
    """Try it: ``refused (EPERM)`` with the kernel's reason, or ``done`` with what it brought."""
    if name in WAYS:
        try:
            return f"done ({type(WAYS[name](source)).__name__})"
        except (OSError, ImportError, MemoryError, ValueError) as error:
            return f"refused ({_in_words(error)})"
    number, *given = CALLS[name]
    fd = source.raw._fd  # type: ignore[attr-defined]
    arguments = [fd if one is SOURCE else one for one in given]
    result = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if name in ("fork", "clone as fork", "clone into a namespace") and result == 0:
        os._exit(0)
    return "done" if result >= 0 else f"refused ({errno.errorcode.get(ctypes.get_errno(), 'unknown')})"


def _in_words(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode[number] if number is not None else type(error).__name__
