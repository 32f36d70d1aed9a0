"""What a caller of ``session`` and ``connection`` hears."""

from dataclasses import dataclass

from thumbd_protocol.requests import Message


@dataclass(frozen=True)
class Connected:
    """The daemon has said welcome; `fresh` when it is another start of the daemon than before."""

    epoch: bytes
    fresh: bool
    server_pid: int
    server_version: str


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
    """The daemon refused a batch for good; `message` is its sentence."""

    batch: str
    message: str


#: What a caller hears: the daemon's messages as they are, and the coming and going of the connection.
Event = Message | Connected | Disconnected | Refused | NotTaken
