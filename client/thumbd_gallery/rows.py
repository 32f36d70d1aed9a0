"""Rows of a folder as Qt's list model has them: what can be asked of them, and how they come, go and change places.

Found by path, never by number. What the daemon tells of them, and so what is done to them, is in ``model``.
"""

from collections.abc import Iterable
from enum import IntEnum

from PyQt6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, pyqtSignal

from thumbd_protocol.items import EntryKind

from .order import Row, Shown
from .words import describe


class Role(IntEnum):
    """What `data` knows besides Qt's own roles."""

    ROW = Qt.ItemDataRole.UserRole
    PATH = Qt.ItemDataRole.UserRole + 1
    SHOWN = Qt.ItemDataRole.UserRole + 2
    REASON = Qt.ItemDataRole.UserRole + 3


class Rows(QAbstractListModel):
    """The rows, and how many of them are folders or have failed."""

    #: list[int]: rows, by number, that have something new to show.
    renewed = pyqtSignal(list)
    #: Rows have come, gone or changed their places: all of what has happened at once.
    moved = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folders = self.failed = 0
        self._rows: list[Row] = []
        self._at: dict[bytes, int] = {}

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

    # -- how they change --------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.beginResetModel()
        self.folders = self.failed = 0
        self._rows, self._at = [], {}
        self.endResetModel()

    def _renewed(self, changed: list[int]) -> None:
        for number in changed:
            index = self.index(number)
            self.dataChanged.emit(index, index)
        self.renewed.emit(changed)

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

    def _remove(self, paths: Iterable[bytes]) -> None:
        """Those of `paths` that are here go, from the last to the first: the numbers before stay what they are."""
        for number in sorted((self._at[path] for path in paths if path in self._at), reverse=True):
            self._show(self._rows[number], Shown.PENDING)  # it is no longer one of those that failed
            self.beginRemoveRows(QModelIndex(), number, number)
            del self._rows[number]
            self.endRemoveRows()
        self._at = numbers(self._rows)
        self.folders = _folders(self._rows)

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
