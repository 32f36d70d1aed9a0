"""What a child's end, or its answer, means for the file it worked on. Pure."""

import signal
from dataclasses import dataclass
from typing import Final

from thumbd_protocol.errors import ItemCode

from .formats import MIME
from .png import MODES
from .records import NotRendered, Rendered

#: Signals that a broken decoder brings upon its process; any other came from outside.
_FAULTS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
)
_MAX_ORIGINAL: Final = 1 << 31
_MAX_CAUSE: Final = 300
#: What a child is killed for when its time is over.
DEADLINE: Final = "deadline"


@dataclass(frozen=True)
class Verdict:
    """An item code, the cause in words (without the file's name), and whether somebody else did it."""

    code: ItemCode
    cause: str
    outside: bool


def signal_name(number: int) -> str:
    """A signal in words; real-time ones have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def of_kill(killed_for: str, patience_s: float) -> Verdict:
    """Why we ended a renderer over a file."""
    if killed_for == DEADLINE:
        cause = f"took longer than {patience_s:.0f} s to decode and was stopped"
        return Verdict(ItemCode.TIMEOUT, cause, False)
    return Verdict(ItemCode.CRASHED, f"its renderer was stopped: {killed_for}", False)


def of_death(code: int | None, number: int | None, words: str) -> Verdict:
    """Why a renderer died over a file, by itself or by somebody else's hand: exit code or signal, last words."""
    if number is not None:
        name = signal_name(number)
        if number in _FAULTS:
            return Verdict(ItemCode.CRASHED, f"crashed the renderer ({name}){_tail(words)}", False)
        return Verdict(ItemCode.CRASHED, f"its renderers were killed from outside ({name}); try again", True)
    return Verdict(ItemCode.CRASHED, f"ended the renderer with status {code}{_tail(words)}", False)


def _tail(words: str) -> str:
    return f": {words[-_MAX_CAUSE:]}" if words else ""


def of_refusal(answer: NotRendered) -> Verdict:
    """What a renderer said of a file it could not render; a code that does not exist becomes ``decode_error``."""
    known = answer.code in set(ItemCode)
    code = ItemCode(answer.code) if known else ItemCode.DECODE_ERROR
    cause = " ".join(answer.cause.split())[:_MAX_CAUSE] or "can't be decoded"
    return Verdict(code, cause, False)


def lie_in(answer: Rendered, edge: int, slot_bytes: int) -> str | None:
    """What can't be true in a renderer's answer; None for a plausible one. Checked before a scout touches a byte."""
    if answer.mode not in MODES:
        return f"pixels of the unknown mode {answer.mode[:20]!r}"
    if not (1 <= answer.width <= edge and 1 <= answer.height <= edge):
        return f"a thumbnail of {answer.width} x {answer.height} where at most {edge} x {edge} were asked for"
    if answer.width * answer.height * MODES[answer.mode][1] > slot_bytes:
        return "more pixels than its slot holds"
    if not (1 <= answer.original_width < _MAX_ORIGINAL and 1 <= answer.original_height < _MAX_ORIGINAL):
        return f"an original of {answer.original_width} x {answer.original_height}"
    if answer.format not in MIME:
        return f"the unknown format {answer.format[:20]!r}"
    return None
