"""What the folder holds, as a list model: rows are found by path, never by their number.

Parts of a listing are shown as they come; the natural order of the whole is made when the last has come, in a pool
thread if there are many. A listing of a folder that is already here (the daemon came back, F5) changes only what
differs. The daemon's word about a picture finds its row by path, wherever that stands by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from PyQt6.QtCore import QAbstractListModel, QModelIndex, QObject, QRunnable, Qt, QThreadPool, pyqtSignal

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import EntryKind, Flavor, ItemUpdate, Source, State

from .order import Row, Shown, merged
from .words import describe, reason

#: Up to so many rows are put in order at once (some 20 ms); more go to a pool thread.
_AT_ONCE = 4000


class Role(IntEnum):
    """What `data` knows besides Qt's own roles."""

    ROW = Qt.ItemDataRole.UserRole
    PATH = Qt.ItemDataRole.UserRole + 1
    SHOWN = Qt.ItemDataRole.UserRole + 2
    REASON = Qt.ItemDataRole.UserRole + 3


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


class Entries(QAbstractListModel):
    """The rows of one folder."""

    #: How many there are has changed.
    counted = pyqtSignal()
    #: The listing is complete and in order.
    settled = pyqtSignal()
    #: list[int]: rows, by number, that have something new to show.
    renewed = pyqtSignal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = b""
        self.others = self.folders = self.failed = 0
        self.listed = False
        self._rows: list[Row] = []
        self._at: dict[bytes, int] = {}
        self._parts: list[list[Row]] = []
        self._snapshot: bytes | None = None
        self._part_others = 0
        self._again = False
        self._turn = 0
        self._merger = _Merger(self)
        self._merger.done.connect(self._merged)

    # -- Qt's questions ---------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.name
            case Qt.ItemDataRole.ToolTipRole:
                return f"{row.name}\n{describe(row)}"
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{row.name}, {describe(row)}"
            case Role.ROW:
                return row
            case Role.PATH:
                return row.path
            case Role.SHOWN:
                return row.shown
            case Role.REASON:
                return row.reason
        return None

    # -- looking things up ------------------------------------------------------------------------------------

    def row(self, number: int) -> Row:
        return self._rows[number]

    def find(self, path: bytes) -> int | None:
        """The number of the row of `path`, at present."""
        return self._at.get(path)

    def pictures(self) -> int:
        """How many pictures there are."""
        return len(self._rows) - self.folders

    def starting_with(self, prefix: str, after: int) -> int | None:
        """The first row at or after number `after`, round the end, whose name begins with `prefix`; case is equal."""
        wanted = prefix.casefold()
        count = len(self._rows)
        for step in range(count):
            number = (after + step) % count
            if self._rows[number].name.casefold().startswith(wanted):
                return number
        return None

    # -- what the daemon tells --------------------------------------------------------------------------------

    def open(self, folder: bytes) -> None:
        """Be about `folder`, of which nothing is known yet."""
        self.beginResetModel()
        self.folder, self.others, self.folders, self.failed, self.listed = folder, 0, 0, 0, False
        self._rows, self._at, self._parts = [], {}, []
        self._snapshot, self._again = None, False
        self._turn += 1
        self.endResetModel()
        self.counted.emit()

    def add(self, listing: Listing) -> None:
        """A piece of this folder's listing; pieces of another folder's are not for us."""
        if listing.folder != self.folder:
            return
        if listing.snapshot != self._snapshot:
            # Another snapshot begins: the first, or the whole told again. What is shown stays meanwhile.
            self._snapshot, self._parts, self._part_others = listing.snapshot, [], 0
            self._again = bool(self._rows)
            self._turn += 1
        self._parts.append(listing.rows)
        self._part_others += listing.others
        if not self._again:
            self.others = self._part_others
            self._append(listing.rows)
            self.counted.emit()
        if listing.last:
            self._complete()

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

    def _renewed(self, changed: list[int]) -> None:
        for number in changed:
            index = self.index(number)
            self.dataChanged.emit(index, index)
        self.renewed.emit(changed)

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

    def _show(self, row: Row, shown: Shown) -> None:
        """`row` is shown so from now on; those that failed are counted."""
        self.failed += (shown is Shown.FAILED) - (row.shown is Shown.FAILED)
        row.shown = shown

    def _append(self, rows: list[Row]) -> None:
        rows = [row for row in rows if row.path not in self._at]
        if not rows:
            return
        first = len(self._rows)
        self.beginInsertRows(QModelIndex(), first, first + len(rows) - 1)
        self._rows.extend(rows)
        self.folders += _folders(rows)
        self._at.update((row.path, first + step) for step, row in enumerate(rows))
        self.endInsertRows()

    def _complete(self) -> None:
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
        self._again = False
        self.listed = True
        self.counted.emit()
        self.settled.emit()

    def _reconcile(self, rows: list[Row]) -> None:
        """Remove what is gone and append what is new, before all is put in order."""
        fresh = {row.path: row for row in rows}
        for number in range(len(self._rows) - 1, -1, -1):
            row = self._rows[number]
            new = fresh.get(row.path)
            if new is None:
                self._show(row, Shown.PENDING)  # it is no longer one of those that failed
                self.beginRemoveRows(QModelIndex(), number, number)
                del self._rows[number]
                self.endRemoveRows()
            elif (new.size, new.mtime_ns) != (row.size, row.mtime_ns):
                row.size, row.mtime_ns = new.size, new.mtime_ns
        self._at = numbers(self._rows)
        self.folders = _folders(self._rows)
        self._append(rows)

    def _reorder(self, rows: list[Row], at: dict[bytes, int]) -> None:
        if all(here is there for here, there in zip(self._rows, rows, strict=True)):
            return
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        paths = [self._rows[index.row()].path for index in kept]
        self._rows, self._at = rows, at
        self.changePersistentIndexList(kept, [self.index(self._at[path]) for path in paths])
        self.layoutChanged.emit()


def _folders(rows: list[Row]) -> int:
    return sum(1 for row in rows if row.kind is EntryKind.FOLDER)


def numbers(rows: list[Row]) -> dict[bytes, int]:
    """Where each path stands."""
    return {row.path: number for number, row in enumerate(rows)}
