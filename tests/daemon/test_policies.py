"""What renderers and scouts may ask of the kernel, as facts: a call, its arguments, what becomes of it."""

import errno
import fcntl
import mmap
import os
import signal
from collections.abc import Callable

import pytest

from thumbd_daemon.cage import bpf
from thumbd_daemon.cage.bpf import ALLOW, assemble
from thumbd_daemon.cage.syscalls import AARCH64, X86_64, Architecture
from thumbd_daemon.renderer import sandbox
from thumbd_daemon.scout import confinement

from .bpf_machine import Call, Program
from .kernel_headers import numbers_of

Policy = Callable[[Architecture], Program]

PID = 4321
EPERM, ENOSYS = bpf.errno(errno.EPERM), bpf.errno(errno.ENOSYS)
BOTH = pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=lambda one: one.name)

READ, WRITE, EXEC = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC
PRIVATE, SHARED, ANONYMOUS = mmap.MAP_PRIVATE, mmap.MAP_SHARED, mmap.MAP_ANONYMOUS
GLIBC_THREAD, MUSL_THREAD = 0x3D0F00, 0x7D0F00
O_TMPFILE = 0o20000000
CLONE_VM, CLONE_VFORK, CLONE_THREAD = 0x100, 0x4000, 0x10000
#: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


def _names(text: str) -> list[str]:
    return text.split()


#: Whatever the arguments: files, sockets, programs, processes, the kernel's machinery.
RENDERER_NEVER = _names("""
    open openat openat2 creat stat lstat newfstatat fstat statx statfs access faccessat faccessat2 readlink readlinkat
    getdents64 getcwd chdir rename renameat2 link linkat symlinkat unlink unlinkat mkdir mkdirat rmdir mknodat truncate
    ftruncate chmod fchmod fchmodat chown fchown fchownat utimensat setxattr getxattr inotify_init1 fanotify_init
    read pread64 readv pwrite64 pwritev pwritev2 sendfile splice tee vmsplice copy_file_range lseek
    socket socketpair connect bind listen accept accept4 sendmsg sendmmsg recvfrom recvmmsg shutdown setsockopt
    getsockopt getsockname
    execve execveat fork vfork wait4 waitid setsid setpgid kill tkill rt_sigqueueinfo rt_tgsigqueueinfo ptrace
    pidfd_open pidfd_getfd pidfd_send_signal process_vm_readv process_vm_writev process_madvise kcmp
    memfd_create memfd_secret shmget shmat mq_open msgget semget pkey_mprotect remap_file_pages mlock mincore
    pipe pipe2 dup dup2 dup3 fcntl ioctl eventfd2 epoll_create1 poll ppoll timer_create timerfd_create signalfd4
    prctl arch_prctl seccomp landlock_create_ruleset landlock_restrict_self setrlimit prlimit64 setpriority
    sched_setaffinity sched_setscheduler nice personality capset setuid setgid setresuid setgroups
    unshare setns mount umount2 pivot_root chroot open_tree move_mount fsopen open_by_handle_at name_to_handle_at
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter keyctl add_key request_key init_module reboot
    syslog kexec_load swapon acct settimeofday clock_settime adjtimex uname sysinfo
""")
RENDERER_ALWAYS = _names("""
    preadv preadv2 recvmsg pselect6 select close brk munmap mremap madvise futex sched_yield rt_sigreturn exit
    exit_group getpid gettid getrandom clock_gettime
""")
SCOUT_NEVER = _names("""
    socket socketpair connect bind listen accept4 execve execveat fork vfork kill tkill ptrace process_vm_readv
    process_vm_writev pidfd_getfd pidfd_send_signal chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat
    utimensat setxattr removexattr mount umount2 move_mount pivot_root chroot unshare setns open_by_handle_at bpf
    perf_event_open userfaultfd io_uring_setup io_uring_enter keyctl add_key request_key personality kexec_load
    truncate flock file_setattr setpriority ioprio_set sched_setaffinity sched_setscheduler sched_setparam sched_setattr
    migrate_pages move_pages shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open
    mq_unlink kexec_file_load init_module finit_module delete_module reboot clock_settime clock_adjtime settimeofday
    adjtimex sethostname setdomainname iopl ioperm quotactl quotactl_fd open_tree_attr swapon swapoff syslog vhangup
    acct setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
""")
SCOUT_ALWAYS = _names("""
    newfstatat statx read pread64 write pwrite64 getdents64 mkdir mkdirat rename link linkat unlink mmap
    mprotect munmap sendto sendmsg recvmsg close poll select pselect6 ppoll epoll_wait inotify_init1 inotify_add_watch
    inotify_rm_watch dup futex getpid statfs lseek ftruncate getsockopt sched_getaffinity
""")

#: Of both: threads, but no processes; a signal to oneself, to nobody else.
SHARED_FACTS = [
    ("clone", (GLIBC_THREAD,), ALLOW),
    ("clone", (MUSL_THREAD,), ALLOW),
    ("clone", (signal.SIGCHLD,), EPERM),  # fork
    ("clone", (0,), EPERM),
    ("clone", (CLONE_VM | CLONE_VFORK | signal.SIGCHLD,), EPERM),  # vfork
    ("clone3", (0x1000, 88), ENOSYS),
    ("tgkill", (PID, PID, signal.SIGABRT), ALLOW),
    ("tgkill", (PID, PID + 1, signal.SIGABRT), ALLOW),  # another thread
    ("tgkill", (1, 1, signal.SIGKILL), EPERM),
    ("tgkill", (PID + 1, PID, signal.SIGKILL), EPERM),
]
RENDERER_FACTS = [
    *SHARED_FACTS,
    *(("clone", (GLIBC_THREAD | bit,), EPERM) for bit in NAMESPACES),
    ("clone", (GLIBC_THREAD | CLONE_VFORK,), EPERM),
    ("clone", (GLIBC_THREAD & ~CLONE_THREAD,), EPERM),
    ("clone", (GLIBC_THREAD & ~CLONE_VM,), EPERM),
    ("clone", (GLIBC_THREAD | signal.SIGCHLD,), EPERM),
    ("mmap", (0, 4096, READ | WRITE, PRIVATE | ANONYMOUS, -1), ALLOW),
    ("mmap", (0, 4096, 0, PRIVATE | ANONYMOUS | 0x4000, -1), ALLOW),  # MAP_NORESERVE: the heap of a thread
    ("mmap", (0, 4096, READ | EXEC, PRIVATE | ANONYMOUS, -1), EPERM),
    ("mmap", (0, 4096, READ | WRITE | EXEC, PRIVATE | ANONYMOUS, -1), EPERM),
    ("mmap", (0, 4096, READ, PRIVATE, 3), EPERM),  # a file
    ("mmap", (0, 4096, READ | WRITE, SHARED, 3), EPERM),
    ("mmap", (0, 4096, READ | WRITE, SHARED | ANONYMOUS, -1), EPERM),
    ("mmap", (0, 4096, READ | WRITE, 3 | ANONYMOUS, -1), EPERM),  # MAP_SHARED_VALIDATE
    ("mprotect", (0x1000, 4096, READ | WRITE), ALLOW),
    ("mprotect", (0x1000, 4096, 0), ALLOW),
    ("mprotect", (0x1000, 4096, READ | EXEC), EPERM),
    *(("write", (fd, 0x1000, 1), ALLOW if fd == 2 else EPERM) for fd in (0, 1, 2, 3, 4, 17)),
    *(("writev", (fd, 0x1000, 1), ALLOW if fd == 2 else EPERM) for fd in (0, 1, 2, 3, 4, 17)),
    ("sendto", (3, 0x1000, 8, 0, 0, 0), ALLOW),
    ("sendto", (3, 0x1000, 8, 0, 0x7FFF12345678, 16), EPERM),
    ("sendto", (3, 0x1000, 8, 0, 0x7FFF00000000, 16), EPERM),  # its lower half is zero
    ("sendto", (3, 0x1000, 8, 0, 0x1000, 16), EPERM),
]
SCOUT_FACTS = [
    *SHARED_FACTS,
    ("clone", (GLIBC_THREAD & ~CLONE_THREAD,), EPERM),
    ("mprotect", (0x1000, 4096, READ | WRITE), ALLOW),
    ("write", (1, 0x1000, 1), ALLOW),
    ("prlimit64", (0, 7, 0, 0x1000), ALLOW),  # its own limits
    ("prlimit64", (PID + 1, 0, 0x1000, 0), EPERM),
    ("openat", (-100, 0x1000, os.O_RDONLY | os.O_CLOEXEC), ALLOW),
    ("openat", (-100, 0x1000, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), ALLOW),
    ("openat", (os.O_TRUNC, 0x1000, os.O_WRONLY | O_TMPFILE, 0o600), ALLOW),  # a descriptor that looks like the flag
    *(("openat", (-100, 0x1000, os.O_TRUNC | mode), EPERM) for mode in (0, 1, 2, 3, os.O_CREAT | os.O_WRONLY)),
    ("openat2", (-100, 0x1000, 0x2000, 24), ENOSYS),
    *(("fcntl", (5, command, 0), ALLOW) for command in (0, 1, 2, 3, 4, 1030)),
    ("fcntl", (5, fcntl.F_SETFL, os.O_NONBLOCK), ALLOW),
    ("fcntl", (5, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC), EPERM),
    *(("fcntl", (5, command, PID + 1), EPERM) for command in (5, 6, 7, 8, 9, 10, 11, 15, 36, 37, 38, 1024, 1026, 1031)),
    ("fcntl", (4, fcntl.F_SETOWN, 0), EPERM),
    *(("ioctl", (5, command, 0x1000), ALLOW) for command in (0x5401, 0x802C542A, 0x5421, 0x5450, 0x5451)),
    # TIOCSTI, TIOCLINUX, FIOASYNC, FIOSETOWN, SIOCSPGRP, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FICLONE
    *(
        ("ioctl", (5, command, 0x1000), EPERM)
        for command in (0x5412, 0x541C, 0x5452, 0x8901, 0x8902, 0x40086602, 0x401C5820, 0x40049409)
    ),
]


def judged(architecture: Architecture, program: Program, name: str, arguments: tuple[int, ...]) -> int | None:
    """What becomes of a call; None where the architecture does not have it."""
    number = (numbers_of(architecture.name) | architecture.numbers).get(name)
    whole = tuple(argument % (1 << 64) for argument in arguments)
    return None if number is None else program.verdict(Call(number, architecture.audit, whole))


def renderers(architecture: Architecture) -> Program:
    return Program(assemble(architecture, sandbox.rules(PID), sandbox.REFUSED))


def scouts(architecture: Architecture) -> Program:
    return Program(assemble(architecture, confinement.rules(PID), ALLOW))


@BOTH
@pytest.mark.parametrize(("name", "arguments", "verdict"), RENDERER_FACTS)
def test_what_a_renderer_is_told(
    architecture: Architecture, name: str, arguments: tuple[int, ...], verdict: int
) -> None:
    assert judged(architecture, renderers(architecture), name, arguments) == verdict


@BOTH
@pytest.mark.parametrize(("name", "arguments", "verdict"), SCOUT_FACTS)
def test_what_a_scout_is_told(architecture: Architecture, name: str, arguments: tuple[int, ...], verdict: int) -> None:
    assert judged(architecture, scouts(architecture), name, arguments) == verdict


@pytest.mark.parametrize(("flags", "verdict"), [(os.O_RDONLY, ALLOW), (os.O_TRUNC, EPERM), (os.O_TRUNC | 3, EPERM)])
def test_what_a_scout_is_told_when_it_opens_by_the_older_call(flags: int, verdict: int) -> None:
    assert judged(X86_64, scouts(X86_64), "open", (0x1000, flags)) == verdict


@BOTH
@pytest.mark.parametrize(
    ("policy", "names", "verdict"),
    [
        (renderers, RENDERER_NEVER, EPERM),
        (renderers, RENDERER_ALWAYS, ALLOW),
        (scouts, SCOUT_NEVER, EPERM),
        (scouts, SCOUT_ALWAYS, ALLOW),
    ],
    ids=["a renderer never", "a renderer always", "a scout never", "a scout always"],
)
@pytest.mark.parametrize("argument", [0, 2, PID, 0xFFFFFFFFFFFFFFFF], ids=hex)
def test_what_does_not_depend_on_arguments(
    architecture: Architecture, policy: Policy, names: list[str], verdict: int, argument: int
) -> None:
    program = policy(architecture)
    verdicts = {name: judged(architecture, program, name, (argument,) * 6) for name in names}
    assert {name: found for name, found in verdicts.items() if found not in (None, verdict)} == {}
    assert sum(found is not None for found in verdicts.values()) > 0.6 * len(names)


@BOTH
def test_a_renderer_may_make_no_call_that_is_not_named_here(architecture: Architecture) -> None:
    named = {*RENDERER_ALWAYS, *(name for name, _arguments, _verdict in RENDERER_FACTS)}
    named |= {"set_robust_list", "rseq", "rt_sigaction", "rt_sigprocmask", "restart_syscall", "sched_getaffinity"}
    named |= {"gettimeofday", "clock_nanosleep"}
    assert {rule.name for rule in sandbox.rules(PID)} == named
    numbers = {architecture.numbers[name] for name in named if name in architecture.numbers}
    program = renderers(architecture)
    others = [number for number in range(1000) if number not in numbers]
    assert {program.verdict(Call(number, architecture.audit, (2,) * 6)) for number in others} == {EPERM}
