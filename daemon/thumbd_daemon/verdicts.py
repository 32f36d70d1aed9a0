"""What a child's end, or its answer, means for the file it worked on. Pure."""

import signal
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from thumbd_protocol.errors import ItemCode

from .formats import MIME
from .png import MODES
from .records import Header, NotRendered, Rendered
from .sentences import printable, shown

#: Signals that a broken decoder brings upon its process; any other came from outside.
_FAULTS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
)
_MAX_ORIGINAL: Final = 1 << 31
_MAX_CAUSE: Final = 300

#: What a child is killed for: its time is over, it uses more memory than one may, others need the memory more, its
#: file does not answer, somebody has stopped it.
DEADLINE: Final = "deadline"
MEMORY: Final = "memory"
SHED: Final = "memory is short, and this was the least urgent"
STALLED: Final = "its file system does not answer"
STOPPED: Final = "somebody has stopped it (SIGSTOP)"


class Cause(StrEnum):
    """Who or what ended a child."""

    US = "killed by us"
    SIGNAL = "signal"
    EXIT = "exit code"
    SOMEBODY_ELSE = "killed by somebody else"
    LEFT = "left when asked"
    UNBORN = "can't be started"


class Blame(Enum):
    """Whose doing a death over a file is."""

    FILE = auto()  # counts towards quarantine
    OUTSIDE = auto()  # counts towards `max_retries`
    PLACE = auto()  # the file system's: the file is neither tried again now nor blamed


@dataclass(frozen=True)
class Verdict:
    """An item code, the cause in words (without the file's name), and whose doing it was."""

    code: ItemCode
    cause: str
    blame: Blame


@dataclass(frozen=True)
class Death:
    """One child's end: what it was, what ended it (`detail`: why we did it, the signal's name, the exit code), its last
    words, its peak of resident memory in bytes, how long it lived, and the file it worked on. `at` is monotonic."""

    at: float
    kind: str
    pid: int
    cause: Cause
    detail: str
    last_words: str
    rss_peak: int
    seconds: float
    file: bytes | None

    def __str__(self) -> str:
        if self.cause is Cause.UNBORN:
            return f"a {self.kind} {self.cause}: {self.detail}"
        words = f": {self.last_words}" if self.last_words else ""
        file = f" over {shown(self.file)}" if self.file is not None else ""
        return (
            f"{self.kind} (pid {self.pid}) {self.cause} ({self.detail}){file}"
            f" after {self.seconds:.1f} s, peak {self.rss_peak >> 20} MB{words}"
        )


def signal_name(number: int) -> str:
    """A signal in words; real-time ones have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def cause_of(killed_for: str | None, killed: bool, code: int | None, number: int | None) -> tuple[Cause, str]:
    """What ended a child that we killed or asked to leave for `killed_for`, or that ended without us."""
    if killed:
        return Cause.US, killed_for or ""
    if killed_for is not None and code == 0:
        return Cause.LEFT, killed_for
    if number is None:
        return Cause.EXIT, f"status {code}"
    return (Cause.SIGNAL if number in _FAULTS else Cause.SOMEBODY_ELSE), signal_name(number)


def of_kill(killed_for: str, patience_s: float, limit_bytes: int) -> Verdict:
    """Why we ended a renderer over a file that had `patience_s` and might use `limit_bytes`."""
    if killed_for == DEADLINE:
        cause = f"took longer than {patience_s:.0f} s to decode and was stopped"
        return Verdict(ItemCode.TIMEOUT, cause, Blame.FILE)
    if killed_for == MEMORY:
        cause = f"needed more than {limit_bytes >> 20} MB of memory and was stopped"
        return Verdict(ItemCode.MEMORY, cause, Blame.FILE)
    if killed_for == STALLED:
        return Verdict(ItemCode.UNREADABLE, f"{STALLED}; try again later", Blame.PLACE)
    if killed_for == STOPPED:
        return Verdict(ItemCode.CRASHED, f"its renderers were stopped: {STOPPED}; try again", Blame.OUTSIDE)
    return Verdict(ItemCode.CRASHED, f"its renderer was stopped: {killed_for}", Blame.FILE)


def of_death(code: int | None, number: int | None, words: str) -> Verdict:
    """Why a renderer died over a file, by itself or by somebody else's hand: exit code or signal, last words."""
    if number is not None:
        name = signal_name(number)
        if number in _FAULTS:
            return Verdict(ItemCode.CRASHED, f"crashed the renderer ({name}){_tail(words)}", Blame.FILE)
        cause = f"its renderers were killed from outside ({name}); try again"
        return Verdict(ItemCode.CRASHED, cause, Blame.OUTSIDE)
    return Verdict(ItemCode.CRASHED, f"ended the renderer with status {code}{_tail(words)}", Blame.FILE)


def _tail(words: str) -> str:
    return f": {words[-_MAX_CAUSE:]}" if words else ""


def of_refusal(answer: NotRendered) -> Verdict:
    """What a renderer said of a file it could not render; a code that does not exist becomes ``decode_error``."""
    known = answer.code in set(ItemCode)
    code = ItemCode(answer.code) if known else ItemCode.DECODE_ERROR
    cause = printable(" ".join(answer.cause.split()))[:_MAX_CAUSE] or "can't be decoded"
    return Verdict(code, cause, Blame.FILE)


def lie_in_header(header: Header, most: int) -> str | None:
    """What can't be true in what a renderer says of a picture's header (it refuses what needs more than `most` bytes
    itself); None for what is plausible."""
    if not (1 <= header.width < _MAX_ORIGINAL and 1 <= header.height < _MAX_ORIGINAL):
        return f"a picture of {header.width} x {header.height}"
    if not 0 < header.need <= most:
        return f"a picture that needs {header.need} bytes"
    return None


def lie_in(answer: Rendered, edge: int, slot_bytes: int) -> str | None:
    """What can't be true in a renderer's answer; None for a plausible one. Checked before a scout touches a byte."""
    if answer.mode not in MODES:
        return f"pixels of the unknown mode {answer.mode[:20]!r}"
    if not (1 <= answer.width <= edge and 1 <= answer.height <= edge):
        return f"a thumbnail of {answer.width} x {answer.height} where at most {edge} x {edge} were asked for"
    length = answer.width * answer.height * MODES[answer.mode][1]
    if answer.length != length:
        return f"{answer.length} bytes of pixels where {length} are needed"
    if length > slot_bytes:
        return "more pixels than its slot holds"
    if not (1 <= answer.original_width < _MAX_ORIGINAL and 1 <= answer.original_height < _MAX_ORIGINAL):
        return f"an original of {answer.original_width} x {answer.original_height}"
    if answer.format not in MIME:
        return f"the unknown format {answer.format[:20]!r}"
    return None
