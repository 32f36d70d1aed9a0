"""Every number that can be chosen, in one frozen place. Times in seconds, sizes in bytes unless named otherwise."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from thumbd_protocol.endpoints import EndpointError, check_socket_path, own_socket, socket_path


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


@dataclass(frozen=True)
class Settings:
    """How this daemon is to behave."""

    #: The socket's file; lock and volatile pictures lie beside it.
    socket: Path = field(default_factory=_socket)
    #: Renderers that work at the same time. One more is kept warm, so that a crash costs nobody a start.
    renderers: int = field(default_factory=_cores)
    #: Scouts for looks, opening and publishing; two, so that one slow file does not stop all others.
    scouts: int = 2
    #: Open items that batches may have, and how much of it is kept for what is on screen.
    queue_capacity: int = 200_000
    queue_reserve: int = 10_000
    #: A renderer may take so long for a file, so much longer for each megabyte of it, and never longer than the third.
    task_base_s: float = 10.0
    task_per_megabyte_s: float = 0.5
    task_most_s: float = 300.0
    #: A scout that says nothing for so long is stuck in a file system.
    scout_patience_s: float = 10.0
    #: Paths in one look, and in one for what is on screen (shared out among the scouts).
    look_paths: int = 64
    urgent_look_paths: int = 16
    #: Bytes of a renderer's slot: a preview of 2048 x 2048 RGBA fits with room to spare.
    slot_bytes: int = 24 << 20
    #: A daemon that a client started leaves after so long without session and unfinished batch; None: it stays.
    idle_exit_s: float | None = None
