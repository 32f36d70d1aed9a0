"""What a renderer that was taken over can still do: say what is not so, on the socket that it was given."""

import ctypes
import os
import sys
import time
from collections.abc import Callable

from thumbd_daemon.channel import encode
from thumbd_daemon.records import GivenBack, Header, NotRendered, Opened, Pong, Published, Ready, Record, Rendered
from thumbd_daemon.renderer.recipe import Picture

ANY = Picture("L", 1, 1, b"\x80", 1, 1, "PNG")


def _job() -> int:
    """The number of the task, out of the renderer's own frame."""
    frame = sys._getframe()
    while "task" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    number: int = frame.f_locals["task"].job
    return number


def _say(*all_of_it: Record) -> None:
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "_control"):
        assert frame.f_back is not None
        frame = frame.f_back
    for record in all_of_it:
        frame.f_locals["self"]._control.sock.send(encode(record))


def _larger_than_asked() -> Picture:
    return Picture("RGB", 4000, 4000, bytes(3), 4000, 4000, "JPEG")


def _negative() -> Picture:
    return Picture("RGB", -5, -5, bytes(75), 5, 5, "JPEG")


def _fewer_bytes_than_pixels() -> Picture:
    return Picture("RGBA", 256, 256, bytes(7), 5, 5, "JPEG")


def _for_others() -> Picture:
    """Answers to the tasks that others work on."""
    here = _job()
    _say(*(Rendered(here + step, "RGB", 8, 8, 192, 8, 8, "JPEG") for step in range(1, 9)))
    return ANY


def _as_a_scout() -> Picture:
    _say(Opened(_job()), Published(_job(), b"/etc/passwd", False, ""))
    return ANY


def _twice() -> Picture:
    _say(Rendered(_job(), "L", 1, 1, 1, 1, 1, "PNG"))
    return ANY


def _after_its_deadline() -> Picture:
    time.sleep(1000)
    return ANY


def _with_a_sentence_that_is_none() -> Picture:
    _say(NotRendered(_job(), "\x1b[2Jno such code", "\x1b]0;OWNED\x07" * 1000))
    return ANY


def _with_numbers_from_elsewhere() -> Picture:
    _say(Header(_job(), -1, 1 << 62, -(1 << 62)))
    return ANY


def _as_newborn() -> Picture:
    _say(Ready([("seccomp", "x" * 60_000)]), Pong(-1), GivenBack(_job()))
    return ANY


def _by_taking_no_source_any_more() -> Picture:
    """Its intake is closed: whoever sends to it is refused."""
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "_intake"):
        assert frame.f_back is not None
        frame = frame.f_back
    renderer = frame.f_locals["self"]
    renderer._intake.sock.close()
    renderer._intake.sock = renderer._control.sock  # its loop goes on
    return ANY


def _for_all_the_memory_there_is() -> Picture:
    _say(Header(_job(), (1 << 31) - 1, (1 << 31) - 1, 1 << 49))
    return ANY


def _with_signs_of_life_without_end() -> Picture:
    _say(*(Pong(number) for number in range(200)))
    return ANY


def _and_die() -> Picture:
    _say(Rendered(_job(), "L", 1, 1, 1, 1, 1, "PNG"))
    os._exit(0)


def _by_the_calls_of_x32() -> Picture:
    """The kernel's calls have other numbers there, which a careless filter lets pass."""
    ctypes.CDLL(None).syscall(0x40000000 | 39)
    return ANY


LIES: dict[str, Callable[[], Picture]] = {
    "larger than asked": _larger_than_asked,
    "negative": _negative,
    "fewer bytes than pixels": _fewer_bytes_than_pixels,
    "for others": _for_others,
    "as a scout": _as_a_scout,
    "twice": _twice,
    "after its deadline": _after_its_deadline,
    "with a sentence that is none": _with_a_sentence_that_is_none,
    "with numbers from elsewhere": _with_numbers_from_elsewhere,
    "as newborn": _as_newborn,
    "for all the memory there is": _for_all_the_memory_there_is,
    "with signs of life without end": _with_signs_of_life_without_end,
    "by taking no source any more": _by_taking_no_source_any_more,
    "and die": _and_die,
    "by the calls of x32": _by_the_calls_of_x32,
}
