"""What sessions are to hear, as ``wishes`` leaves it for the server. Pure."""

from dataclasses import dataclass

from thumbd_protocol.items import ItemUpdate

from .batches import BatchEnd


@dataclass(frozen=True)
class Told:
    """`session` is to hear of an item; `critical` when it is on its screen."""

    session: bytes
    update: ItemUpdate
    critical: bool


@dataclass(frozen=True)
class Moved:
    """A batch's counts have changed."""

    session: bytes
    batch: str


@dataclass(frozen=True)
class Ended:
    """A batch has ended."""

    session: bytes
    end: BatchEnd


News = Told | Moved | Ended
