"""What the folder holds, as a list model: rows are found by path, never by their number.

Parts of a listing are shown as they come; the natural order of the whole is made when the last has come, in a pool
thread if there are many. A listing of a folder that is already here (the daemon came back, F5) changes only what
differs; what happens in the folder later is done to the rows it is about. The daemon's word about a picture finds its
row by path, wherever that stands by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from PyQt6.QtCore import QObject, QRunnable, QThreadPool, pyqtSignal

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import EntryKind, Flavor, ItemUpdate, Source, State

from .order import Row, Shown, merged, placed
from .rows import Role, Rows, numbers
from .words import reason

__all__ = ["Change", "Entries", "Listing", "Role"]

#: Up to so many rows are put in order at once (some 20 ms); more go to a pool thread.
_AT_ONCE = 4000


@dataclass(frozen=True)
class Listing:
    """A piece of a folder's listing, as `link` hands it over: `rows` are in order among themselves."""

    folder: bytes
    snapshot: bytes
    rows: list[Row]
    others: int
    last: bool
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Change:
    """What has happened in a folder, as `link` hands it over; done in this order. `renamed` has the path before and the
    name now; rows that are neither picture nor folder stand for what is no tile (any more)."""

    folder: bytes
    removed: list[bytes] = field(default_factory=list)
    renamed: list[tuple[bytes, Row]] = field(default_factory=list)
    added: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)


class _Merger(QObject):
    #: For which turn, the rows in order, the number of each path.
    done = pyqtSignal(int, object, object)


class _Merge(QRunnable):
    def __init__(self, merger: _Merger, turn: int, parts: list[list[Row]]) -> None:
        super().__init__()
        self._merger, self._turn, self._parts = merger, turn, parts

    def run(self) -> None:
        rows = merged(self._parts)
        self._merger.done.emit(self._turn, rows, numbers(rows))


class Entries(Rows):
    """The rows of one folder."""

    #: How many there are has changed.
    counted = pyqtSignal()
    #: The listing is complete and in order.
    settled = pyqtSignal()
    #: list[bytes]: pictures whose file is another than before, or has another name.
    outdated = pyqtSignal(list)
    #: list[tuple[bytes, bytes]]: paths before and now.
    renamed = pyqtSignal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = b""
        self.others = 0
        self.listed = False
        self._parts: list[list[Row]] = []
        self._snapshot: bytes | None = None
        self._part_others = 0
        self._again = False
        self._turn = 0
        self._merging = False
        self._later: list[Change] = []
        self._merger = _Merger(self)
        self._merger.done.connect(self._merged)

    # -- what the daemon tells --------------------------------------------------------------------------------

    def open(self, folder: bytes) -> None:
        """Be about `folder`, of which nothing is known yet."""
        self.folder, self.others, self.listed = folder, 0, False
        self._parts, self._snapshot, self._again = [], None, False
        self._begin_turn()
        self._clear()
        self.counted.emit()

    def add(self, listing: Listing) -> None:
        """A piece of this folder's listing; pieces of another folder's are not for us."""
        if listing.folder != self.folder:
            return
        if listing.snapshot != self._snapshot:
            # Another snapshot begins: the first, or the whole told again. What is shown stays meanwhile.
            self._snapshot, self._parts, self._part_others = listing.snapshot, [], 0
            self._again = bool(self._rows)
            self._begin_turn()
        self._parts.append(listing.rows)
        self._part_others += listing.others
        if not self._again:
            self.others = self._part_others
            self._append(listing.rows)
            self.counted.emit()
        if listing.last:
            self._complete()

    def change(self, change: Change) -> None:
        """Something has happened in the folder since it was listed."""
        if change.folder != self.folder:
            return
        if self._merging:
            self._later.append(change)
        elif self.listed:  # else its listing is on its way, and newer
            self._change(change)

    def tell(self, updates: Iterable[ItemUpdate], flavor: Flavor) -> None:
        """The daemon's word about items; `flavor` is the one that is shown at present."""
        renewed = []
        for update in updates:
            number = self._at.get(update.path)
            if update.flavor is Flavor.PREVIEW:
                continue  # the loupe's
            if number is not None and self._take(self._rows[number], update, flavor):
                renewed.append(number)
        if renewed:
            self._renewed(renewed)

    def lost(self, path: bytes, file: bytes, reason: str | None = None) -> bool:
        """The thumbnail `file` of `path` could not be read: it is awaited again, or failed for `reason`.

        False when `file` is no longer the one to show.
        """
        number = self._at.get(path)
        if number is None or self._rows[number].thumbnail != file:
            return False
        row = self._rows[number]
        self._show(row, Shown.PENDING if reason is None else Shown.FAILED)
        row.thumbnail, row.reason = None, reason
        self._renewed([number])
        return True

    # -- inside -----------------------------------------------------------------------------------------------

    def _take(self, row: Row, update: ItemUpdate, flavor: Flavor) -> bool:
        """Change `row` by what was told. False when there is nothing new to see."""
        if update.flavor is not flavor and not (row.shown is Shown.PENDING and row.thumbnail is None):
            return False  # of a size that is no longer shown; better than nothing, else not wanted
        row.width, row.height = update.width or row.width, update.height or row.height
        picture = update.thumbnail or update.volatile
        if picture is not None:
            row.before = row.thumbnail if row.thumbnail != picture else row.before
            row.thumbnail, row.flavor, row.volatile = picture, update.flavor, update.thumbnail is None
            self._show(row, Shown.READY)
            row.reason = None
            row.cached = update.source is Source.CACHE
            return True
        if update.state is State.FAILED and update.error != ItemCode.SHUTDOWN:
            self._show(row, Shown.FAILED)
            row.thumbnail = None
            message = update.message or f"no thumbnail could be made ({update.error or 'no reason given'})"
            row.reason = reason(message, row.path)
            return True
        # Queued, rendering, cancelled, or the daemon is leaving: it still comes.
        return update.width is not None

    def _begin_turn(self) -> None:
        """What was under way of another listing counts no more."""
        self._turn += 1
        self._merging, self._later = False, []

    def _complete(self) -> None:
        self._merging = True
        if sum(map(len, self._parts)) <= _AT_ONCE:
            rows = merged(self._parts)
            self._merged(self._turn, rows, numbers(rows))
        else:
            pool = QThreadPool.globalInstance()
            assert pool is not None
            pool.start(_Merge(self._merger, self._turn, self._parts))

    def _merged(self, turn: int, rows: list[Row], at: dict[bytes, int]) -> None:
        if turn != self._turn:
            return
        self._parts = []
        self.others = self._part_others
        if self._again or len(rows) != len(self._rows):
            self._reconcile(rows)
            # A row that was here already keeps what is known of it.
            rows = [self._rows[self._at[path]] for path in at]
            at = numbers(rows)
        self._reorder(rows, at)
        self._again = self._merging = False
        self.listed = True
        self.counted.emit()
        self.settled.emit()
        later, self._later = self._later, []
        for change in later:
            self._change(change)

    def _reconcile(self, rows: list[Row]) -> None:
        """Remove what is gone and append what is new, before all is put in order."""
        # Sizes and times, which a listing does not tell, stay what they were: if another is told, the file has changed.
        fresh = {row.path for row in rows}
        self._remove([row.path for row in self._rows if row.path not in fresh])
        self._append(rows)

    def _change(self, change: Change) -> None:
        here = [path for path in change.removed if path in self._at]
        self.others -= len(change.removed) - len(here)
        self._remove(here)
        renamed = self._rename(change.renamed)
        outdated = [new for _old, new in renamed]
        fresh, gone = self._sort_out(change, outdated)
        self._remove(gone)
        self._append(fresh)
        paths = {*(row.path for row in fresh), *(new for _old, new in renamed)} & self._at.keys()
        few = [self._rows[self._at[path]] for path in paths]
        rows = placed([row for row in self._rows if row.path not in paths], few)
        self._reorder(rows, numbers(rows))
        if renamed:
            self.renamed.emit(renamed)
        self.moved.emit()
        self.counted.emit()
        outdated = [path for path in outdated if path in self._at]
        if outdated:
            for path in outdated:
                index = self.index(self._at[path])
                self.dataChanged.emit(index, index)
            self.outdated.emit(outdated)

    def _rename(self, renamed: list[tuple[bytes, Row]]) -> list[tuple[bytes, bytes]]:
        """Give rows their new names, where they are; those that were no tiles have none here."""
        pairs = []
        for old, new in renamed:
            number = self._at.pop(old, None)
            if number is not None:
                row = self._rows[number]
                row.path, row.name, row.key = new.path, new.name, new.key
                self._at[row.path] = number
                self._await(row)
                pairs.append((old, new.path))
        return pairs

    def _sort_out(self, change: Change, outdated: list[bytes]) -> tuple[list[Row], list[bytes]]:
        """What of a change is a new tile, and which ones are none any more; the rest is done, `outdated` gets those of
        which another picture is to be shown."""
        fresh: list[Row] = []
        gone: list[bytes] = []
        for row in change.added:
            self.others += row.kind is EntryKind.OTHER
            if row.kind is not EntryKind.OTHER:
                fresh.append(row)
        for row in change.changed:
            number = self._at.get(row.path)
            before = self._rows[number].kind if number is not None else EntryKind.OTHER
            if number is not None and row.kind is before:
                if self._update(self._rows[number], row):
                    outdated.append(row.path)
                continue
            self.others += (row.kind is EntryKind.OTHER) - (before is EntryKind.OTHER)
            if number is not None:
                gone.append(row.path)
            if row.kind is not EntryKind.OTHER:
                fresh.append(row)
        return fresh, gone

    def _update(self, row: Row, new: Row) -> bool:
        """Whether its file is another than before; the first that is told of size and time is no change."""
        before, after = (row.size, row.mtime_ns), (new.size, new.mtime_ns)
        row.size, row.mtime_ns = after
        if before in ((None, None), after):
            return False
        self._await(row)
        return True

    def _await(self, row: Row) -> None:
        """Another answer is to come; until then what there is is shown."""
        if row.shown is Shown.FAILED:
            self._show(row, Shown.PENDING)
            row.reason = None
