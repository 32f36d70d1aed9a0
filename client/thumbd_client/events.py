"""What a caller of ``session`` and ``connection`` hears, and what is raised where there is no answer.

Trouble
├── NoDaemon   no daemon answers, or this one can't be talked to
└── NotDone    the daemon refused a request
"""

from dataclasses import dataclass

from thumbd_protocol.errors import RequestCode
from thumbd_protocol.requests import Message


@dataclass(frozen=True)
class Connected:
    """The daemon has said welcome; `fresh` when it is another start of the daemon than before, `resumed` when it still
    knew this session."""

    epoch: bytes
    fresh: bool
    server_pid: int
    server_version: str
    resumed: bool = False


@dataclass(frozen=True)
class Disconnected:
    """The daemon is away; what was asked stays asked. `reason` is a sentence."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """No daemon can be had, or this one can't be talked to; `reason` is a sentence."""

    reason: str


@dataclass(frozen=True)
class NotTaken:
    """The daemon refused a batch for good: to take it, or to tell of it. `message` is its sentence; `reply_to` the
    request that it answers."""

    batch: str
    message: str
    code: str = RequestCode.INTERNAL
    reply_to: bytes | None = None


#: What a caller hears: the daemon's messages as they are, and the coming and going of the connection.
Event = Message | Connected | Disconnected | Refused | NotTaken


class Trouble(Exception):
    """There is no answer; the text is a sentence that says why."""


class NoDaemon(Trouble):
    """No daemon answers, none could be started, or this one can't be talked to."""


class NotDone(Trouble):
    """The daemon refused a request; `code` is one of ``thumbd_protocol.errors.RequestCode``."""

    def __init__(self, message: str, code: str = RequestCode.INTERNAL) -> None:
        super().__init__(message)
        self.code = code
