"""What is to be told to sessions, and written to the journal, as ``wishes`` leaves it. Pure."""

from dataclasses import dataclass

from thumbd_protocol.items import ItemUpdate

from .batches import BatchEnd, Outcome, Terms
from .items import Key


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


@dataclass(frozen=True)
class Opened:
    """For the journal: a durable batch was asked for, or is asked for otherwise; `listing` while its folder is listed,
    `more` while chunks of it are to come."""

    batch: str
    terms: Terms
    listing: bool
    more: bool
    paused: bool


@dataclass(frozen=True)
class Added:
    """For the journal: these are among its items and have no final state."""

    batch: str
    keys: list[Key]


@dataclass(frozen=True)
class Settled:
    """For the journal: one of its items has its final state. When that is written, it is told."""

    batch: str
    key: Key
    outcome: Outcome


@dataclass(frozen=True)
class Closed:
    """For the journal: the batch has ended, `ended_ms` in Unix time; what there is to say of its folder."""

    batch: str
    ended_ms: int
    error: str | None
    message: str | None


@dataclass(frozen=True)
class Released:
    """For the journal: everybody has dealt with all of it; of what is ready the counts are enough."""

    batch: str
    ready: int
    cancelled: int
    cached: int
    bytes: int


@dataclass(frozen=True)
class Forgotten:
    """For the journal: nothing of a batch is kept any more."""

    batch: str


Entry = Opened | Added | Settled | Closed | Released | Forgotten
