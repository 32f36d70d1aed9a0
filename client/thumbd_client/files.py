"""Which of some paths are files, asked in a process of its own: a file system that hangs must not hang the command."""

import os
import select
import signal
import stat
import time
from collections.abc import Sequence
from typing import Final, NoReturn

#: So long is waited for the answers, in seconds; what has not been answered then is the daemon's to find out.
_PATIENCE_S: Final = 2.0


def are_files(paths: Sequence[bytes], patience_s: float = _PATIENCE_S) -> list[bool]:
    """For each path whether it is there and no folder (links followed); what does not answer is taken for a file.

    Call it before anything starts a thread: it forks.
    """
    near, far = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(near)
        _tell(paths, far)
    os.close(far)
    try:
        answers = _hear(near, len(paths), time.monotonic() + patience_s)
    finally:
        os.close(near)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, os.WNOHANG if len(answers) < len(paths) else 0)  # one that hangs is left to the system
    return [answer == 1 for answer in answers.ljust(len(paths), b"\1")]


def _hear(fd: int, count: int, until: float) -> bytes:
    answers = b""
    while len(answers) < count and select.select([fd], [], [], max(0.0, until - time.monotonic()))[0]:
        more = os.read(fd, 1 << 16)
        if not more:
            break
        answers += more
    return answers


def _tell(paths: Sequence[bytes], fd: int) -> NoReturn:
    """In the child: a byte for each path. Nothing of the parent's is cleaned up here."""
    try:
        # One that hangs outlives the command, and must not keep whoever reads its output waiting.
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        for path in paths:
            os.write(fd, b"\1" if _is_file(path) else b"\0")
    finally:
        os._exit(0)


def _is_file(path: bytes) -> bool:
    """What is missing is none; the daemon says what is wrong with it."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False
