"""What every record is, and those that all children hear and say."""

from msgspec import Struct


class Record(Struct, array_like=True, tag=True, forbid_unknown_fields=True):
    """One thing said; its class name is its tag."""


class Ping(Record):
    number: int


class Setup(Record):
    """The first record: where thumbnails, previews and volatile pictures live, the only places that a scout may write
    to; with `confined` it sees to that itself before it says that it is ready."""

    thumbnails: bytes
    previews: bytes
    volatile: bytes
    confined: bool = True


class Ready(Record):
    """A child is set up and waits for work; it `lacks` these parts of its cage: (part, why)."""

    lacks: list[tuple[str, str]] = []


class Pong(Record):
    number: int
