"""Every number that can be chosen, in one frozen place. Times in seconds, sizes in bytes unless named otherwise."""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import platformdirs
import psutil

from thumbd_protocol.endpoints import EndpointError, check_socket_path, own_socket, socket_path

#: Between these bounds, a quarter of the machine's memory is what pictures that are being decoded may take together.
_BUDGET: Final = (512 << 20, 16 << 30)
#: Memory that a renderer takes without a picture.
_AT_REST: Final = 36 << 20


def _cores() -> int:
    return max(2, len(os.sched_getaffinity(0)))


def _socket() -> Path:
    chosen = os.environ.get("THUMBD_ENDPOINT", "").strip()
    if not chosen:
        return own_socket()
    path = socket_path(chosen)
    if path is None:
        raise EndpointError(f"THUMBD_ENDPOINT is {chosen}: a daemon listens at ipc:// only")
    return check_socket_path(path)


def _memory() -> int:
    low, high = _BUDGET
    return min(max(psutil.virtual_memory().total // 4, low), high)


def _journal() -> Path:
    return platformdirs.user_state_path("thumbd") / "journal.db"


class Sandbox(StrEnum):
    """How children are locked in: as far as the kernel lets them, not at all, or not without."""

    AUTO = "auto"
    OFF = "off"
    REQUIRE = "require"


@dataclass(frozen=True)
class Settings:
    """How this daemon is to behave."""

    #: The socket's file; lock and volatile pictures lie beside it.
    socket: Path = field(default_factory=_socket)
    #: What outlives the daemon: quarantined files.
    journal: Path = field(default_factory=_journal)
    #: Renderers that work at the same time, at least and at most, as the load asks for. One more is kept warm, so that
    #: a crash costs nobody a start.
    least_renderers: int = 1
    most_renderers: int = field(default_factory=_cores)
    #: Scouts for looks, opening and publishing; so many that one slow file does not stop all others, and one is free
    #: for what comes on screen while the others publish.
    scouts: int = 3
    #: Open items that batches may have, and how much of it is kept for what is on screen.
    queue_capacity: int = 200_000
    queue_reserve: int = 10_000
    #: A renderer may take so long for a file, so much longer for each megabyte of it and each megapixel that it has to
    #: decode, and never longer than the last.
    task_base_s: float = 10.0
    task_per_megabyte_s: float = 0.5
    task_per_megapixel_s: float = 0.5
    task_most_s: float = 300.0
    #: Memory that pictures which are being decoded may take together, as their headers predict it.
    memory_budget: int = field(default_factory=_memory)
    #: Pixels that are decoded at most (a JPEG's after it was scaled); larger pictures are told as ``too_big``.
    most_pixels: int = 250_000_000
    #: Whether renderers and scouts are locked in.
    sandbox: Sandbox = Sandbox.AUTO
    #: A renderer that takes more than this is stopped (one picture may need as much, less what it has at rest); one
    #: that keeps more than the second after a task is replaced.
    renderer_memory: int = 1536 << 20
    renderer_keeps: int = 256 << 20
    #: A renderer is replaced after so many tasks (a leak's end; a start is 0.3 % of their work), and at this age.
    renderer_tasks: int = 5000
    renderer_age_s: float = 6 * 3600.0
    #: A scout that says nothing for the first is slow: nobody else is sent to that mount. After the second it is stuck
    #: in a file system: whoever waits for that mount waits no longer. A mount that had to be given up has the third.
    slow_s: float = 0.25
    scout_patience_s: float = 10.0
    suspect_patience_s: float = 1.0
    #: Paths in one look, and in one for what is on screen (shared out among the scouts).
    look_paths: int = 64
    urgent_look_paths: int = 16
    #: Bytes of a renderer's slot: a preview of 2048 x 2048 RGBA fits with room to spare.
    slot_bytes: int = 24 << 20
    #: A daemon that a client started leaves after so long without session and unfinished batch; None: it stays.
    idle_exit_s: float | None = None

    @property
    def memory_of_one(self) -> int:
        """Bytes that one picture may need: renderers refuse what needs more."""
        return max(self.renderer_memory - _AT_REST, _AT_REST)
