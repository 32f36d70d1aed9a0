"""One question to a daemon that is there, and its answer: for commands that ask or steer and then end."""

from thumbd_protocol.replies import Error, Reply
from thumbd_protocol.requests import Message, Request

from .connection import Connection
from .events import Refused


class NoDaemonThere(Exception):
    """No daemon answers; the text says why."""


class NotDone(Exception):
    """The daemon refused; the text is its sentence."""


def ask(connection: Connection, request: Request) -> Reply:
    """The answer to `request`. Raises NoDaemonThere, NotDone."""
    asked = connection.session.request(request)
    while True:
        for event in connection.poll(1.0):
            match event:
                case Error(reply_to=reply, message=message) if reply == asked:
                    raise NotDone(message)
                case Reply(reply_to=reply) if reply == asked:
                    return event
                case Refused(reason):
                    raise NoDaemonThere(reason)
                case _:
                    pass


def ask_once(request: Request) -> Message:
    """The same over a connection of its own; a daemon is not started for it."""
    with Connection("thumbctl", autostart=False) as connection:
        return ask(connection, request)
