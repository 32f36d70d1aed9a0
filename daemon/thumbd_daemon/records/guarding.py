"""What the daemon says to its sentinel."""

from .record import Record


class Guard(Record):
    """Daemon to sentinel: when I die, end this process group."""

    group: int


class Release(Record):
    """Daemon to sentinel: this group has ended; its number may be another's."""

    group: int
