"""One question to a daemon that is there, and its answer: for commands that ask or steer and then end."""

from thumbd_protocol.replies import Reply
from thumbd_protocol.requests import Request

from .connection import Connection


def ask(connection: Connection, request: Request) -> Reply:
    """The answer to `request`. Raises NoDaemon, NotDone."""
    return connection.ask(request)


def ask_once(request: Request, *, autostart: bool = False) -> Reply:
    """The same over a connection of its own; a daemon is started for it only with `autostart`."""
    with Connection("thumbctl", autostart=autostart) as connection:
        return connection.ask(request)
