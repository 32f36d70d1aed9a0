"""What has been told of the names below a topic: which there are, and the state of each. Pure.

Compact, since a tree may have very many: names lie by folder, each without its way, and a state is a few bytes. A
hundred thousand pictures take some 20 MiB.
"""

import struct
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from thumbd_protocol.items import Entry, EntryKind

#: So many names of all topics together are remembered; what changes among more is not told.
MAX_NAMES: Final = 400_000

_BARE: Final = struct.Struct("<H")
_FULL: Final = struct.Struct("<Hqq")


class Novelty(Enum):
    """What a state is beside the one that was told."""

    NEW = auto()
    CHANGED = auto()
    SAME = auto()


class _Kinds:
    """Every kind with every type that was seen, by number: there are few."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[EntryKind, str | None], int] = {}
        self._kinds: list[tuple[EntryKind, str | None]] = []

    def pack(self, entry: Entry) -> bytes:
        kind = (entry.kind, entry.mime)
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self._kinds)
            self._kinds.append(kind)
        if entry.size is None or entry.mtime_ns is None:
            return _BARE.pack(number)
        return _FULL.pack(number, entry.size, entry.mtime_ns)

    def unpack(self, name: bytes, state: bytes) -> Entry:
        if len(state) == _BARE.size:
            kind, mime = self._kinds[_BARE.unpack(state)[0]]
            return Entry(name, kind, None, None, mime)
        number, size, mtime_ns = _FULL.unpack(state)
        kind, mime = self._kinds[number]
        return Entry(name, kind, size, mtime_ns, mime)


def _parts(name: bytes) -> tuple[bytes, bytes]:
    folder, _slash, last = name.rpartition(b"/")
    return folder, last


def _under(folder: bytes, last: bytes) -> bytes:
    return folder + b"/" + last if folder else last


class Known:
    """Names relative to a topic, and the state of each. The size and time of an entry are told both or neither."""

    def __init__(self) -> None:
        self._kinds = _Kinds()
        self._folders: dict[bytes, dict[bytes, bytes]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for folder, names in self._folders.items():
            for last in names:
                yield _under(folder, last)

    def __contains__(self, name: bytes) -> bool:
        folder, last = _parts(name)
        return last in self._folders.get(folder, ())

    def get(self, name: bytes) -> Entry | None:
        folder, last = _parts(name)
        state = self._folders.get(folder, {}).get(last)
        return self._kinds.unpack(name, state) if state is not None else None

    def put(self, entry: Entry) -> Novelty:
        """This is told now; whether it is news."""
        folder, last = _parts(entry.name)
        names = self._folders.setdefault(folder, {})
        state, before = self._kinds.pack(entry), names.get(last)
        if state == before:
            return Novelty.SAME
        names[last] = state
        self._count += before is None
        return Novelty.NEW if before is None else Novelty.CHANGED

    def pop(self, name: bytes) -> list[bytes]:
        """A name is there no more, nor is what was below it; all of these, empty if it was not there."""
        return [gone for gone, _state in self._take(name)]

    def forget(self, name: bytes) -> None:
        """A name is there no more; of what was below it nothing is said."""
        folder, last = _parts(name)
        if self._folders.get(folder, {}).pop(last, None) is not None:
            self._count -= 1
            if not self._folders[folder]:
                del self._folders[folder]

    def rename(self, old: bytes, new: bytes) -> list[tuple[bytes, Entry]]:
        """A name is now `new` (which is free), and what was below it lies below that: the old name of each that has
        another, and how it is now."""
        moved = [(name, new + name[len(old) :], state) for name, state in self._take(old)]
        for _old, name, state in moved:
            folder, last = _parts(name)
            self._folders.setdefault(folder, {})[last] = state
        self._count += len(moved)
        return [(name, self._kinds.unpack(now, state)) for name, now, state in moved]

    def _take(self, name: bytes) -> list[tuple[bytes, bytes]]:
        """Take out a name and all below it: with the state of each, folders before what was in them."""
        folder, last = _parts(name)
        names = self._folders.get(folder, {})
        taken: list[tuple[bytes, bytes]] = []
        if last in names:
            taken.append((name, names.pop(last)))
            if not names:
                del self._folders[folder]
        above = [name]
        for path in above:  # it grows meanwhile
            inside = [(_under(path, below), state) for below, state in self._folders.pop(path, {}).items()]
            taken += inside
            above += [below for below, _state in inside]
        self._count -= len(taken)
        return taken
