"""The locked room: what a renderer gives up before it touches the first byte that a stranger has made.

An allow-list. What is left to it is to compute, to take memory that is not executable, to read the source it was handed
and to speak with the daemon; all else fails, for all its threads and for good. The order matters: a namespace of its
own can only have a process with one thread, and the filter comes last because it forbids what leads to it.
"""

import errno
import os
import resource
from collections.abc import Callable
from typing import Final

from ..cage import landlock, seccomp
from ..cage.bpf import ALLOW, Rule, When, is_null
from ..cage.bpf import errno as fails_with
from ..cage.kernel import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, drop_capabilities, prctl, unshare
from ..cage.parts import Lack, Part
from ..child import die_with

_NEW_IPC: Final = 0x08000000
_NEW_USER: Final = 0x10000000
_NEW_NET: Final = 0x40000000
#: What glibc asks of clone(2) for a thread, and (with one bit more) musl.
_A_THREAD: Final = 0x003D0F00
_MUSL_BIT: Final = 0x00400000
_PROT_EXEC: Final = 4
_MAP_SHARED: Final = 1
_MAP_ANONYMOUS: Final = 0x20
#: Threads that a renderer may have, where its own are counted apart from those of its user's other programs.
_THREADS: Final = 32

REFUSED: Final = fails_with(errno.EPERM)
_ABSENT: Final = fails_with(errno.ENOSYS)

_ALL_BITS: Final = 0xFFFFFFFF


def rules(pid: int) -> list[Rule]:
    """What the renderer `pid` may ask of the kernel; all else is `REFUSED`. fstat(2) is not among it, since glibc asks
    newfstatat(2) for it, which tells of paths: sources are read through a reader that needs neither."""
    free = (
        *("preadv", "preadv2", "recvmsg", "select", "pselect6", "close"),
        *("brk", "munmap", "mremap", "madvise", "futex", "sched_yield", "sched_getaffinity"),
        *("set_robust_list", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall"),
        *("exit", "exit_group", "getpid", "gettid", "getrandom", "clock_gettime", "gettimeofday", "clock_nanosleep"),
    )
    not_executable = When(2, 0, _PROT_EXEC)
    return [
        *(Rule(name, ALLOW) for name in free),
        # To the daemon, on sockets that are connected: no other address, no descriptors.
        Rule("sendto", ALLOW, is_null(4), REFUSED),
        # Its last words.
        Rule("write", ALLOW, (When(0, 2),), REFUSED),
        Rule("writev", ALLOW, (When(0, 2),), REFUSED),
        Rule("mmap", ALLOW, (not_executable, When(3, _MAP_ANONYMOUS, _MAP_ANONYMOUS | _MAP_SHARED)), REFUSED),
        Rule("mprotect", ALLOW, (not_executable,), REFUSED),
        # Threads, no processes; whoever asks by the newer call (whose flags a filter can't see) falls back to this one.
        Rule("clone", ALLOW, (When(0, _A_THREAD, _ALL_BITS & ~_MUSL_BIT),), REFUSED),
        Rule("clone3", _ABSENT),
        # abort(3) is a signal to oneself.
        Rule("tgkill", ALLOW, (When(0, pid),), REFUSED),
    ]


def lock(parent_pid: int) -> list[Lack]:
    """Lock this process in, with all its threads; what can't be done is told. Ends the process when its parent has
    gone in the meantime."""
    lacks: list[Lack] = []

    def try_to(part: Part, do: Callable[[], None], in_words: Callable[[OSError], str] = _in_words) -> None:
        try:
            do()
        except OSError as error:
            lacks.append((part, in_words(error)))

    try_to(Part.NAMESPACES, _leave_namespaces, _why_no_namespaces)
    die_with(parent_pid)  # a change of privileges may have undone it
    try_to(Part.PRIVILEGES, lambda: prctl(PR_SET_NO_NEW_PRIVS, 1))
    try_to(Part.CAPABILITIES, drop_capabilities)
    # Nobody of the same user may look into it, nor it into itself.
    try_to(Part.SECRECY, lambda: prctl(PR_SET_DUMPABLE, 0))
    try_to(Part.LANDLOCK, _deny_files, _why_no_landlock)
    try_to(Part.SECCOMP, lambda: seccomp.install(rules(os.getpid()), REFUSED))
    return lacks


def _leave_namespaces() -> None:
    """Go where there is no network and nobody else's shared memory. Where that takes a user namespace of its own, its
    threads are counted there; elsewhere it can't have any."""
    most = 0
    try:
        unshare(_NEW_USER | _NEW_NET | _NEW_IPC)
        most = _THREADS
    except OSError:
        unshare(_NEW_NET | _NEW_IPC)
    finally:
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _deny_files() -> None:
    """For this thread and those that it starts; the filter alone is for threads that run already."""
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError(errno.EBUSY, "busy")
    landlock.restrict(landlock.EVERYTHING)


def _why_no_landlock(error: OSError) -> str:
    return "other threads were running already" if error.errno == errno.EBUSY else landlock.in_words(error)


def _in_words(error: OSError) -> str:
    return str(error.strerror)


def _why_no_namespaces(error: OSError) -> str:
    """What is lost with them is little: the filter denies sockets and shared memory all the same."""
    if error.errno == errno.EPERM:
        return "this system does not let programs make user namespaces (the filter denies the network all the same)"
    return f"{error.strerror} (the filter denies the network all the same)"
