"""The order of names as people have it: ``b9`` before ``b10``, folders before pictures.

The link's thread makes rows from what the daemon lists and sorts each part; here is also how sorted parts become one
list without holding up the window (`heapq.merge` runs as bytecode, so the window's thread gets its turn in between;
one long `list.sort` over Qt's keys would not let it).
"""

import bisect
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain

from PyQt6.QtCore import QCollator, QCollatorSortKey, QLocale

from thumbd_protocol.items import Entry, EntryKind, Flavor


class Shown(Enum):
    """What a tile shows."""

    PENDING = auto()
    READY = auto()
    FAILED = auto()


@dataclass(slots=True)
class Row:
    """A tile: a picture or a subfolder. `width` and `height` are the original's once they are known.

    `thumbnail` names the PNG to show, in flavor `flavor`; `before` the one shown until that is read; `cached` tells
    that it was not rendered just now. `reason` is a sentence, for a failed one.
    """

    path: bytes
    name: str
    kind: EntryKind
    key: QCollatorSortKey
    size: int | None = None
    mtime_ns: int | None = None
    shown: Shown = Shown.PENDING
    flavor: Flavor | None = None
    thumbnail: bytes | None = None
    before: bytes | None = None
    volatile: bool = False
    cached: bool = False
    width: int | None = None
    height: int | None = None
    reason: str | None = None


class Naming:
    """Makes rows of entries. Of one thread: QCollator is not to be shared."""

    def __init__(self, locale: QLocale | None = None) -> None:
        locale = locale or QLocale.system().collation()
        if locale.language() == QLocale.Language.C:
            # "C" compares bytes and knows no numbers; what people expect then is plain alphabetical order.
            locale = QLocale(QLocale.Language.English, QLocale.Country.UnitedStates)
        self._collator = QCollator(locale)
        self._collator.setNumericMode(True)

    def rows(self, folder: bytes, entries: Iterable[Entry]) -> tuple[list[Row], int]:
        """The tiles of `folder`, in order, and how many entries are none (neither picture nor folder)."""
        rows = []
        others = 0
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.kind is EntryKind.OTHER:
                others += 1
            else:
                rows.append(self.row(folder, entry))
        rows.sort(key=lambda row: row.key)
        rows.sort(key=lambda row: row.kind is not EntryKind.FOLDER)
        return rows, others

    def row(self, folder: bytes, entry: Entry) -> Row:
        """One entry of `folder`, whatever it is."""
        # A name need not be UTF-8: what can't be read shows as replacement signs, the path keeps the bytes.
        name = entry.name.decode("utf-8", "replace")
        key = self._collator.sortKey(name)
        return Row(join(folder, entry.name), name, entry.kind, key, entry.size, mtime_ns=entry.mtime_ns)


def join(folder: bytes, name: bytes) -> bytes:
    """The path of `name` in `folder`."""
    return folder + name if folder.endswith(b"/") else folder + b"/" + name


def parent(path: bytes) -> bytes:
    """The folder that holds `path`; ``/`` is its own."""
    return path.rstrip(b"/").rpartition(b"/")[0] or b"/"


def placed(rows: list[Row], few: Iterable[Row]) -> list[Row]:
    """The sorted `rows` with each of `few` put into its place."""
    for row in few:
        bisect.insort(rows, row, key=lambda one: (one.kind is not EntryKind.FOLDER, one.key))
    return rows


def merged(parts: Sequence[Sequence[Row]]) -> list[Row]:
    """The sorted `parts` as one list: folders first, each by name."""
    folders = ([row for row in part if row.kind is EntryKind.FOLDER] for part in parts)
    pictures = ([row for row in part if row.kind is not EntryKind.FOLDER] for part in parts)
    return list(
        chain(
            heapq.merge(*folders, key=lambda row: row.key),
            heapq.merge(*pictures, key=lambda row: row.key),
        )
    )
