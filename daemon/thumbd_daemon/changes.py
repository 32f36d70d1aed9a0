"""What a subscriber is still to be told of a folder's changes, coalesced. Pure.

Everything is relative to what has left already: a name that came and went since is not mentioned, of every other one
only the newest state is. What `take` gives is applied by the reader in this order: `removed`, `renamed` (one after the
other), `added`, `changed`; then a name that comes is never there already, and one that changes or goes always is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from thumbd_protocol.items import Entry, FolderChange
from thumbd_protocol.limits import MAX_FRAME_BYTES

#: Names in one update, as in one part of a snapshot, and their bytes: a frame of twice the size is refused by clients.
MAX_NAMES: Final = 1000
_MAX_BYTES: Final = MAX_FRAME_BYTES // 2
#: What an entry takes on the wire besides its name and type, at most.
_ENTRY_BYTES: Final = 80


@dataclass
class _Name:
    """A name that is there now, told as `base` (None: never told); `news` when more than the name differs from that."""

    base: bytes | None
    entry: Entry
    news: bool


class _Room:
    """What still fits into an update."""

    def __init__(self, names: int) -> None:
        self.names, self._bytes = names, _MAX_BYTES

    def fitting(self, names: Iterable[bytes]) -> list[bytes]:
        """The first of `names`, as many as fit."""
        taken: list[bytes] = []
        for name in islice(names, self.names):
            self._bytes -= 2 * len(name) + _ENTRY_BYTES
            if self._bytes < 0:
                self.names = 0
                return taken
            taken.append(name)
        self.names -= len(taken)
        return taken


class Changes:
    """The changes of one folder that wait for one session since `since` (monotonic seconds).

    The caller knows what is there: it adds what was not, and changes, renames and removes only what is. `rescanned` is
    told with it, and if there is nothing else to tell by `note_rescanned`.
    """

    def __init__(self, folder: bytes, since: float) -> None:
        self.folder = folder
        self.since = since
        # Names that were told and are there no more; names that are there, and not as they were told.
        self._gone: dict[bytes, None] = {}
        self._now: dict[bytes, _Name] = {}
        self.rescanned = False
        self._noted = False

    def __len__(self) -> int:
        return len(self._gone) + len(self._now) + self._noted

    # -- in ---------------------------------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """A name that was not there."""
        base = None
        if entry.name in self._gone:
            base = entry.name  # it went and came back: for the reader it has changed
            del self._gone[entry.name]
        self._now[entry.name] = _Name(base, entry, True)

    def change(self, entry: Entry) -> None:
        """The newest state of a name that is there."""
        known = self._now.setdefault(entry.name, _Name(entry.name, entry, True))
        known.entry, known.news = entry, True

    def remove(self, name: bytes) -> None:
        """A name that was there."""
        known = self._now.pop(name, None)
        base = name if known is None else known.base
        if base is not None:
            self._gone[base] = None

    def rename(self, old: bytes, entry: Entry) -> None:
        """What was called `old` is now called `entry.name`, which is free; nothing else about it is new."""
        known = self._now.pop(old, None)
        base, news = (old, False) if known is None else (known.base, known.news)
        if entry.name in self._gone:
            # It took the place of another: programs save like that. The reader keeps the name and has it changed.
            del self._gone[entry.name]
            if base is not None:
                self._gone[base] = None
            base, news = entry.name, True
        if base != entry.name or news:
            self._now[entry.name] = _Name(base, entry, news)

    def note_rescanned(self) -> None:
        """The reader is to know that the folder is rescanned, whether or not anything changes."""
        self.rescanned = self._noted = True

    # -- out --------------------------------------------------------------------------------------------------

    def take(self, most: int = MAX_NAMES) -> FolderChange:
        """What may leave now, at most `most` names; the rest stays."""
        room = _Room(most)
        removed = room.fitting(self._gone)
        for name in removed:
            del self._gone[name]
        # What comes may need the place of what goes: there is room for it when all that goes has been told.
        renamed = self._take_renamed(room)
        added = room.fitting([name for name, known in self._now.items() if known.base is None])
        changed = room.fitting([name for name, known in self._now.items() if known.base == name])
        self._noted = False
        return FolderChange(
            folder=self.folder,
            rescanned=self.rescanned,
            removed=removed,
            renamed=renamed,
            added=[self._now.pop(name).entry for name in added],
            changed=[self._now.pop(name).entry for name in changed],
        )

    def _take_renamed(self, room: _Room) -> list[tuple[bytes, bytes]]:
        order = self._in_order({k.base: name for name, k in self._now.items() if k.base is not None and k.base != name})
        taken = order[: len(room.fitting(base + name for base, name in order))]
        if len(taken) < len(order):
            room.names = 0
        for _base, name in taken:
            if self._now[name].news:
                self._now[name].base = name
            else:
                del self._now[name]
        return taken

    def _in_order(self, told: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """The renames (told name to present one) so that each finds its name free. Names that have changed places in a
        circle have none that could go first: they stay, and what is behind them has changed."""
        order: list[tuple[bytes, bytes]] = []
        while told:
            base = next(iter(told))
            way: dict[bytes, bytes] = {}
            while base in told:
                way[base] = told.pop(base)
                base = way[base]
            if base in way:
                for name in way.values():
                    self._now[name].base, self._now[name].news = name, True
            else:
                order += reversed(way.items())
        return order
