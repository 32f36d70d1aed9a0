"""Renderers and scouts that misbehave, started by the very exec of the real ones: Python imports this file first. They
are not locked in (``--no-sandbox``), or most of it could not be done.

A picture whose first line is ``FAULT <name>`` makes its renderer do what `RENDERER` says under that name, one whose path
contains ``scout-<name>`` makes its scout do what `SCOUT` says, a folder ``list-<name>`` the scout that lists it. A name that ends in ``-once`` does so only the first time
(a file beside the picture remembers). Everything else is rendered by the real code.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import IO, Any


def _control() -> int:
    return int(sys.orig_argv[3])


def _segv() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    time.sleep(1000)


def _spin() -> None:
    while True:
        pass


def _half() -> None:
    os.write(_control(), b"\x96\xa8Rend")
    os._exit(1)


def _garbage() -> None:
    os.write(_control(), bytes(range(256)) * 16)


def _flood() -> None:
    for _ in range(64):
        os.write(2, b"a decoder has much to say\n" * 4096)


def _fork() -> None:
    if os.fork() == 0:
        time.sleep(1000)


def _fork_session() -> None:
    """A grandchild in a session of its own, whose parent lives on."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)


def _wait() -> None:
    """A decoder that waits for what never comes: nobody else's concern."""
    if os.fork() == 0:
        time.sleep(1000)
    os.wait()


def _escape() -> None:
    os.write(2, b"\x1b]0;OWNED\x07\x1b[2J \xe2\x80\xae words\n")
    os._exit(1)


def _chatter() -> None:
    """Answers to nothing, without end."""
    from thumbd_daemon.channel import encode
    from thumbd_daemon.records import NotRendered

    while True:
        os.write(_control(), encode(NotRendered(10**9, "internal", "x" * 1000)))


def _fork_away() -> None:
    """A grandchild that leaves the group and is orphaned."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)


def _fork_and_die() -> None:
    _fork()
    _fork_away()
    _segv()


def _eat() -> None:
    """Native memory, touched; below the limit on address space, above what a renderer may use."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    for _ in range(29):
        block = libc.malloc(64 << 20)
        if not block:
            os.abort()
        ctypes.memset(block, 1, 64 << 20)
    time.sleep(1000)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


FAULTS: dict[str, Callable[[], None]] = {
    "segv": _segv,
    "abort": os.abort,
    "hang": _hang,
    "spin": _spin,
    "exit0": lambda: os._exit(0),
    "exit7": lambda: os._exit(7),
    "half": _half,
    "garbage": _garbage,
    "flood": _flood,
    "fork": _fork,
    "forkaway": _fork_away,
    "forkdie": _fork_and_die,
    "forksession": _fork_session,
    "wait": _wait,
    "escape": _escape,
    "chatter": _chatter,
    "eat": _eat,
    "stop": _stop,
    "sigterm": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def _do(name: str, where: str) -> None:
    """Misbehave, unless it was to be once and has been."""
    once = name.removesuffix("-once")
    if once != name:
        mark = os.path.join(os.environ["PYTHON_TEST_MARKS"], f"{where}-{once}")
        if os.path.exists(mark):
            return
        with open(mark, "w", encoding="ascii"):
            pass
    FAULTS[once]()


def _renderer() -> None:
    from thumbd_daemon.channel import encode
    from thumbd_daemon.records import Rendered
    from thumbd_daemon.renderer import recipe

    render = recipe.render

    def faulty(source: IO[bytes], edge: int, *rest: Any, **named: Any) -> recipe.Picture:
        first = source.readline(100)
        source.seek(0)
        if not first.startswith(b"FAULT "):
            return render(source, edge, *rest, **named)
        name = first.split()[1].decode()
        if name == "big":
            return recipe.Picture("RGBA", 100_000, 100_000, b"", 1, 1, "PNG")
        if name == "twice":
            number = recipe_job()
            os.write(_control(), encode(Rendered(number, "L", 1, 1, 1, 1, 1, "PNG")))
        else:
            _do(name, "renderer")
        return recipe.Picture("L", 1, 1, b"\x80", 1, 1, "PNG")

    def recipe_job() -> int:
        """The number of the task, out of the renderer's own frame."""
        frame = sys._getframe()
        while "task" not in frame.f_locals:
            assert frame.f_back is not None
            frame = frame.f_back
        number: int = frame.f_locals["task"].job
        return number

    recipe.render = faulty


def _scout() -> None:
    from thumbd_daemon.scout import looking

    look = looking.look

    def faulty(places: Any, task: int, path: bytes, flavor: str, *, again: bool = False) -> Any:
        name = os.path.basename(path).decode("utf-8", "replace")
        if name.startswith("scout-"):
            _do(name.removeprefix("scout-").partition(".")[0], "scout")
        return look(places, task, path, flavor, again=again)

    looking.look = faulty
    _lister()


def _lister() -> None:
    """A folder named ``list-<name>`` makes the scout that lists it do what `FAULTS` says, or one of these."""
    from thumbd_daemon.channel import encode
    from thumbd_daemon.records import Found
    from thumbd_daemon.scout import listing

    step = listing.Listing.step

    def faulty(self: listing.Listing) -> Any:
        name = os.path.basename(self._task.path).decode("utf-8", "replace")
        if name == "list-endless":
            return Found(self._task.job, [])
        if name == "list-stranger":
            os.write(_control(), encode(Found(10**9, [(b"nobody asked.jpg", "image", "image/jpeg")])))
        elif name.startswith("list-"):
            _do(name.removeprefix("list-"), "lister")
        return step(self)

    listing.Listing.step = faulty  # type: ignore[method-assign]


if "thumbd_daemon.renderer" in sys.orig_argv:
    _renderer()
elif "thumbd_daemon.scout" in sys.orig_argv:
    _scout()
