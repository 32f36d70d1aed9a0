"""What is chosen in the grid, by keys and by pointer: ranges, toggles, the rubber band, names typed ahead."""

import time
from typing import Final

from PyQt6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    QTimer,
)
from PyQt6.QtGui import QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import QApplication

from .layout import Move
from .tiles import Tiles

_MOVES: Final = {
    Qt.Key.Key_Left: Move.LEFT,
    Qt.Key.Key_Right: Move.RIGHT,
    Qt.Key.Key_Up: Move.UP,
    Qt.Key.Key_Down: Move.DOWN,
    Qt.Key.Key_Home: Move.HOME,
    Qt.Key.Key_End: Move.END,
    Qt.Key.Key_PageUp: Move.PAGE_UP,
    Qt.Key.Key_PageDown: Move.PAGE_DOWN,
}
_SHIFT: Final = Qt.KeyboardModifier.ShiftModifier
_CONTROL: Final = Qt.KeyboardModifier.ControlModifier
_ALT: Final = Qt.KeyboardModifier.AltModifier
_Flag = QItemSelectionModel.SelectionFlag
#: A pause of so many seconds begins a new name.
_TYPING_S: Final = 1.0


class Choosing:
    """The selection of one grid."""

    def __init__(self, grid: Tiles) -> None:
        self._grid = grid
        # Persistent: the range goes on from the same picture, wherever it stands by then.
        self._from = QPersistentModelIndex()
        self._typed = ""
        self._typed_at = 0.0
        #: Where the band began (in the content) and where the pointer is (in the view).
        self._band_from: QPoint | None = None
        self._pointer = QPoint()
        self._banding = False
        self._before = QItemSelection()
        self._edge_scroll = QTimer(grid)
        self._edge_scroll.setInterval(16)
        self._edge_scroll.timeout.connect(self._scroll_at_edge)

    @property
    def _selection(self) -> QItemSelectionModel:
        selection = self._grid.selectionModel()
        assert selection is not None
        return selection

    def anchor(self, number: int) -> None:
        """Ranges begin at tile `number` from now on."""
        self._from = QPersistentModelIndex(self._grid.entries.index(number))

    # -- keys -------------------------------------------------------------------------------------------------

    def key(self, event: QKeyEvent) -> bool:
        """Whether the key was for the grid."""
        grid, modifiers = self._grid, event.modifiers()
        if modifiers & _ALT:
            return False
        move = _MOVES.get(Qt.Key(event.key()))
        if move is not None:
            self._move(move, modifiers)
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            path = grid.current_path()
            if path is not None:
                grid.opened.emit(path)
            return True
        if event.key() == Qt.Key.Key_A and modifiers & _CONTROL:
            self._range(0, grid.entries.rowCount() - 1)
            return True
        if event.key() == Qt.Key.Key_Space and modifiers & _CONTROL and grid.current >= 0:
            self._selection.select(grid.currentIndex(), _Flag.Toggle)
            self.anchor(grid.current)
            return True
        if event.key() == Qt.Key.Key_Escape and self._selection.hasSelection():
            self._selection.clearSelection()
            return True
        text = event.text()
        if text and text.isprintable() and not modifiers & _CONTROL:
            return self._type(text)
        return False

    def _move(self, move: Move, modifiers: Qt.KeyboardModifier) -> None:
        grid = self._grid
        port = grid.viewport()
        assert port is not None
        if not grid.entries.rowCount():
            return
        if grid.current < 0:
            # The first key goes to the first tile on screen, not past it.
            visible = grid.layout_now.span(grid.scrolled, grid.scrolled + port.height())
            start = visible.start
            target = grid.layout_now.moved(start, move, port.height()) if move in (Move.HOME, Move.END) else start
        else:
            target = grid.layout_now.moved(grid.current, move, port.height())
        self._go(target, modifiers)

    def _go(self, target: int, modifiers: Qt.KeyboardModifier) -> None:
        """Make `target` current: alone, as the end of a range (Shift), or without choosing it (Ctrl)."""
        grid = self._grid
        index = grid.entries.index(target)
        if modifiers & _SHIFT:
            start = self._from.row() if self._from.isValid() else max(grid.current, 0)
            if not self._from.isValid():
                self.anchor(start)
            self._selection.setCurrentIndex(index, _Flag.NoUpdate)
            self._range(start, target, keep=bool(modifiers & _CONTROL))
        elif modifiers & _CONTROL:
            self._selection.setCurrentIndex(index, _Flag.NoUpdate)
        else:
            self._selection.setCurrentIndex(index, _Flag.ClearAndSelect)
            self.anchor(target)
        grid.scrollTo(index)

    def _range(self, first: int, last: int, *, keep: bool = False) -> None:
        first, last = sorted((first, last))
        entries = self._grid.entries
        if first >= 0 and last < entries.rowCount():
            chosen = QItemSelection(entries.index(first), entries.index(last))
            self._selection.select(chosen, _Flag.Select if keep else _Flag.ClearAndSelect)

    def _type(self, text: str) -> bool:
        """Go to the name that begins with what was typed; the same letter again goes to the next."""
        now = time.monotonic()
        if now - self._typed_at > _TYPING_S:
            self._typed = ""
        if not self._typed and text.isspace():
            return False
        self._typed_at = now
        repeated = self._typed == text
        self._typed = text if repeated else self._typed + text
        start = max(self._grid.current, 0) + (1 if len(self._typed) == 1 and self._grid.current >= 0 else 0)
        found = self._grid.entries.starting_with(self._typed, start)
        if found is not None:
            self._go(found, Qt.KeyboardModifier.NoModifier)
        return True

    # -- pointer ----------------------------------------------------------------------------------------------

    def pressed(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = event.position().toPoint()
        index = self._grid.indexAt(point)
        if index.isValid():
            if event.modifiers() & _CONTROL and not event.modifiers() & _SHIFT:
                self._selection.setCurrentIndex(index, _Flag.Toggle)
                self.anchor(index.row())
            else:
                self._go(index.row(), event.modifiers())
            return
        keep = bool(event.modifiers() & (_CONTROL | _SHIFT))
        if not keep:
            self._selection.clearSelection()
        self._before = self._selection.selection()
        self._pointer = point
        self._band_from = point + QPoint(0, self._grid.scrolled)

    def dragged(self, event: QMouseEvent) -> None:
        if self._band_from is None:
            return
        self._pointer = event.position().toPoint()
        far = (self._pointer + QPoint(0, self._grid.scrolled) - self._band_from).manhattanLength()
        if self._banding or far >= QApplication.startDragDistance():
            self._banding = True
            self._choose_band()
            self._edge_scroll.start()

    def released(self) -> None:
        self._band_from, self._banding = None, False
        self._edge_scroll.stop()
        self._update()

    def band(self) -> QRect | None:
        """The rubber band in the view, while there is one."""
        if self._band_from is None or not self._banding:
            return None
        start = self._band_from - QPoint(0, self._grid.scrolled)
        return QRect(start, self._pointer).normalized()

    def _choose_band(self) -> None:
        band = self.band()
        if band is None:
            return
        entries = self._grid.entries
        chosen = QItemSelection(self._before)
        for tiles in self._grid.tiles_in(band):
            chosen.select(entries.index(tiles.start), entries.index(tiles.stop - 1))
        self._selection.select(chosen, _Flag.ClearAndSelect)
        self._update()

    def _scroll_at_edge(self) -> None:
        """The band goes on beyond what is on screen: the faster, the farther the pointer is out."""
        port = self._grid.viewport()
        assert port is not None
        beyond = min(self._pointer.y(), 0) + max(self._pointer.y() - port.height(), 0)
        if beyond:
            self._grid.set_scroll(self._grid.scrolled + beyond // 2)
            self._choose_band()

    def _update(self) -> None:
        port = self._grid.viewport()
        assert port is not None
        port.update()
