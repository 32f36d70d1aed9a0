"""The grid's geometry: where tiles are on screen, scroll, zoom, and what stays in place when something changes.

The half of the view that knows nothing of pictures, colours or keys; `grid` is the other.
"""

from collections.abc import Iterable
from typing import Final

from PyQt6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QRegion, QResizeEvent
from PyQt6.QtWidgets import QAbstractItemView, QFrame, QWidget

from .layout import MAX_EDGE, MIN_EDGE, Anchor, Box, Layout, anchor_at
from .model import Entries

#: Tiles of a new window, in logical pixels.
START_EDGE: Final = 192
#: One step of zoom by key or wheel: four of them double the tile.
_STEP: Final = 2 ** (1 / 4)


class Tiles(QAbstractItemView):
    """A view of equal tiles over `entries`; `caption` is the height of a name.

    `seen` tells that other tiles are on screen than before, or the same in another size.
    """

    seen = pyqtSignal()
    zoomed = pyqtSignal(int)
    #: Enter or a double click on the row of this path.
    opened = pyqtSignal(bytes)

    def __init__(self, entries: Entries, caption: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        port, bar = self.viewport(), self.verticalScrollBar()
        assert port is not None
        assert bar is not None
        self._entries, self._port, self._bar = entries, port, bar
        self._caption = caption
        self._layout = Layout(self.width(), 0, START_EDGE, caption)
        self._scrolled_to = 0
        #: 1 when it was last scrolled down, -1 up.
        self._direction = 0
        self._zooming: Anchor | None = None
        # Persistent: the tile may have another number by then, and another name.
        self._held: tuple[Anchor, QPersistentModelIndex] | None = None
        #: Whether the user has done anything here since the folder was opened.
        self._touched = False
        self.setModel(entries)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Always there, so that the columns need not move when the content outgrows the view.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        bar.valueChanged.connect(self._scrolled)
        entries.layoutAboutToBeChanged.connect(self._hold)
        entries.layoutChanged.connect(self._restore)
        entries.rowsAboutToBeRemoved.connect(self._hold)
        entries.rowsRemoved.connect(self._restore)
        entries.modelReset.connect(self._reset)

    @property
    def layout_now(self) -> Layout:
        return self._layout

    @property
    def entries(self) -> Entries:
        return self._entries

    @property
    def edge(self) -> int:
        """The tiles' pictures, in logical pixels."""
        return self._layout.edge

    @property
    def scrolled(self) -> int:
        return self._bar.value()

    def set_scroll(self, value: int) -> None:
        self._bar.setValue(self._layout.bounded(value, self._port.height()))

    @property
    def current(self) -> int:
        return self.currentIndex().row()

    def current_path(self) -> bytes | None:
        return self._entries.row(self.current).path if self.current >= 0 else None

    def shown(self) -> range:
        """The tiles on screen."""
        return self._layout.span(self.scrolled, self.scrolled + self._port.height())

    def set_caption(self, caption: int) -> None:
        """Names have another height."""
        self._caption = caption
        self._relayout()
        self._port.update()

    def zoom(self, edge: float, at: QPoint | None = None) -> None:
        """Tiles of `edge` pixels; the tile at the point, else the current one, else the middle's, stays in place."""
        edge = min(max(round(edge), MIN_EDGE), MAX_EDGE)
        if edge == self._layout.edge:
            return
        if self._zooming is None:
            # The same tile holds for the whole movement, though others come under the pointer.
            self._zooming = self._anchor(at)
        anchor = self._zooming
        self._relayout(edge=edge)
        if anchor is not None:
            self.set_scroll(anchor.scroll(self._layout, self._port.height()))
            self._zooming = anchor  # scrolling by hand would have ended it
        self._port.update()
        self.zoomed.emit(edge)
        self.seen.emit()

    def zoom_by(self, steps: float, at: QPoint | None = None) -> None:
        self.zoom(self._layout.edge * _STEP**steps, at)

    # -- geometry ---------------------------------------------------------------------------------------------

    def _anchor(self, at: QPoint | None = None) -> Anchor | None:
        height = self._port.height()
        if at is not None:
            under = self._layout.nearest(at.x(), at.y() + self.scrolled)
            return None if under is None else anchor_at(self._layout, under, self.scrolled, at.y())
        if self.current in self.shown():
            return anchor_at(self._layout, self.current, self.scrolled)
        middle = self._layout.nearest(self._port.width() // 2, self.scrolled + height // 2)
        return None if middle is None else anchor_at(self._layout, middle, self.scrolled)

    def _relayout(self, edge: int | None = None) -> None:
        self._layout = Layout(self._port.width(), self._entries.rowCount(), edge or self._layout.edge, self._caption)
        self.updateGeometries()

    def updateGeometries(self) -> None:
        height = self._port.height()
        self._bar.setRange(0, max(0, self._layout.height - height))
        self._bar.setPageStep(height)
        self._bar.setSingleStep(max(24, self._layout.pitch // 3))
        super().updateGeometries()

    def box(self, number: int) -> QRect:
        """The cell of tile `number`, in the view."""
        cell = self._layout.rect(number)
        return QRect(cell.x, cell.y - self.scrolled, cell.width, cell.height)

    def tiles_in(self, area: QRect) -> list[range]:
        """The tiles that meet `area` of the view, as ranges."""
        return self._layout.touching(Box(area.x(), area.y() + self.scrolled, area.width(), area.height()))

    def visualRect(self, index: QModelIndex) -> QRect:
        return self.box(index.row()) if index.isValid() and index.row() < self._layout.count else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        number = self._layout.at(point.x(), point.y() + self.scrolled)
        return QModelIndex() if number is None else self._entries.index(number)

    def scrollTo(
        self, index: QModelIndex, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        if index.isValid() and index.row() < self._layout.count:
            self.set_scroll(self._layout.scroll_into_view(index.row(), self.scrolled, self._port.height()))

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.scrolled

    def isIndexHidden(self, index: QModelIndex) -> bool:
        return False

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        return self.currentIndex()  # keys are handled in `choosing`

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        selection = self.selectionModel()
        assert selection is not None
        chosen = QItemSelection()
        for tiles in self.tiles_in(rect.normalized()):
            chosen.select(self._entries.index(tiles.start), self._entries.index(tiles.stop - 1))
        selection.select(chosen, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        region = QRegion()
        shown = self.shown()
        for part in parts(selection):
            for number in range(max(part.top(), shown.start), min(part.bottom() + 1, shown.stop)):
                region += self.box(number)
        return region

    # -- what changes -----------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        anchor = self._anchor() if self.scrolled else None
        self._relayout()
        if anchor is not None and anchor.index < self._layout.count:
            self.set_scroll(anchor.scroll(self._layout, self._port.height()))
        super().resizeEvent(event)
        self.seen.emit()

    def rowsInserted(self, parent: QModelIndex, start: int, end: int) -> None:
        super().rowsInserted(parent, start, end)
        self._relayout()
        if start < self.shown().stop:
            self._port.update()
        self.seen.emit()

    def dataChanged(self, top: QModelIndex, bottom: QModelIndex, roles: Iterable[int] = ()) -> None:
        for number in range(max(top.row(), self.shown().start), min(bottom.row() + 1, self.shown().stop)):
            self._port.update(self.box(number))

    def _reset(self) -> None:
        self._zooming = self._held = None
        self._touched = False
        self._relayout()
        self._bar.setValue(0)
        self._port.update()
        self.seen.emit()

    def _hold(self) -> None:
        """Before the order changes: what is looked at is to stay where it is.

        Whoever has not scrolled, chosen or pointed at anything since the folder was opened looks at its beginning.
        """
        if not self._touched and self.scrolled == 0 and self.current < 0:
            return
        anchor = self._anchor()
        if anchor is not None and anchor.index < self._entries.rowCount() and self._held is None:
            self._held = anchor, QPersistentModelIndex(self._entries.index(anchor.index))

    def _restore(self) -> None:
        self._relayout()
        if self._held is not None:
            anchor, tile = self._held
            if tile.isValid():
                self.set_scroll(Anchor(tile.row(), anchor.across, anchor.y).scroll(self._layout, self._port.height()))
            self._held = None
        self._port.update()
        self.seen.emit()

    def _scrolled(self, value: int) -> None:
        self._direction = 1 if value > self._scrolled_to else -1
        self._zooming = None
        self._scrolled_to = value
        self.seen.emit()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self._port.scroll(0, dy)


def parts(selection: QItemSelection) -> list[QItemSelectionRange]:
    """The ranges of `selection`."""
    return [selection[number] for number in range(len(selection))]
