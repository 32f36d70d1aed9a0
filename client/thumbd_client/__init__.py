"""Talking to thumbd: for other programs (``docs/library.md``), and ``thumbctl``.

    from thumbd_client import AsyncConnection, Connection

The way of a request: ``connection`` or ``aio`` → ``line`` (the loop) → ``session`` (what is said; ``ledger``: what is
open, and must be said again) → ``dealer`` (the socket) → the daemon, and back as events. Nothing here imports Qt, and
nothing here opens or lists a user's pictures. The names below are loaded when they are first used, so that a command
that is interrupted while it starts ends quietly.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aio import AsyncConnection
    from .connection import Connection
    from .events import Connected, Disconnected, Event, NoDaemon, NotDone, NotTaken, Refused, Trouble
    from .session import Session, new_id

__version__ = "0.1.0"

__all__ = [
    "AsyncConnection",
    "Connected",
    "Connection",
    "Disconnected",
    "Event",
    "NoDaemon",
    "NotDone",
    "NotTaken",
    "Refused",
    "Session",
    "Trouble",
    "new_id",
]

_HOMES = {"AsyncConnection": "aio", "Connection": "connection", "Session": "session", "new_id": "session"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'events')}", __name__), name)
