"""A process and its descendants as the kernel tells of them: their CPU time, which of them are workers, killing one."""

import os
import random
import signal

import psutil

from thumbd_daemon.renderer.limits import NICE


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def cpu_s(pid: int) -> float:
    """Seconds of CPU, user and system, of `pid` and all its descendants, those included that have been waited for.

    To 10 ms for each process; one that ends in the middle of the count may be counted twice.
    """
    total = 0.0
    for process in [*_descendants(pid), psutil.Process(pid)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def workers(pid: int) -> list[int]:
    """The pids of the workers below `pid` that are ready or busy: those that made themselves nice.

    Whoever still starts, and whoever only looks after others, is as nice as the benchmark.
    """
    wanted = min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19)
    found: list[int] = []
    for process in _descendants(pid):
        try:
            if process.nice() == wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return sorted(found)


def kill_one(pid: int, chance: random.Random) -> bool:
    """SIGKILL one worker below `pid`; False when there is none just now."""
    ready = workers(pid)
    if not ready:
        return False
    victim = chance.choice(ready)
    try:
        handle = os.pidfd_open(victim)
    except ProcessLookupError:
        return False
    try:
        # The number might have become a stranger's between the two looks; after this one the handle is that worker's.
        if victim not in workers(pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def end(pid: int) -> None:
    """Kill all descendants of `pid`."""
    for process in _descendants(pid):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
