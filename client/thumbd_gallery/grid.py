"""The grid: pictures, painted and answering to keys and pointer.

Where its tiles are is in `tiles` (arithmetic, so nothing is laid out that is not shown); which of them are selected is
in `choosing`; how one looks in `delegate`.
"""

from collections.abc import Iterable, Sequence

from PyQt6.QtCore import QEvent, QItemSelectionModel, QPoint, Qt
from PyQt6.QtGui import (
    QColor,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PyQt6.QtWidgets import QToolTip, QWidget

from thumbd_protocol.items import Flavor

from .choosing import Choosing
from .delegate import Delegate, Look
from .fading import Fading
from .focus import around, flavor_for
from .model import Entries
from .order import Row
from .pictures import Pictures, Wanted
from .theme import Theme
from .tiles import Tiles


class Grid(Tiles):
    """The pictures, as the daemon has them: what is not there yet is a placeholder."""

    def __init__(self, entries: Entries, pictures: Pictures, theme: Theme, parent: QWidget | None = None) -> None:
        self._delegate = Delegate(theme, QFont() if parent is None else parent.font())
        super().__init__(entries, self._delegate.caption, parent)
        self.pictures, self._theme = pictures, theme
        self._hovered = -1
        self.fading = Fading(self, self._repaint_paths)
        self._choosing = Choosing(self)
        self.setMouseTracking(True)
        self.setAccessibleName("Pictures")
        self._bar.valueChanged.connect(self._unhover)
        entries.layoutChanged.connect(self._unhover)
        entries.rowsRemoved.connect(self._unhover)
        entries.modelReset.connect(self._unhover)
        entries.modelReset.connect(self.fading.clear)
        pictures.loaded.connect(self._loaded)
        theme.changed.connect(self._port.update)

    # -- what others ask --------------------------------------------------------------------------------------

    @property
    def flavor(self) -> Flavor:
        return flavor_for(self._layout.edge, self.devicePixelRatioF())

    def look(self) -> tuple[Flavor, Sequence[Row], Sequence[Row]]:
        """What is on screen and what is near, for `focus`; what there is of it is read on the way."""
        visible, near = around(self._layout, self.scrolled, self._port.height(), self._direction)
        on_screen = [self._entries.row(i) for i in visible]
        ahead = [self._entries.row(i) for i in near]
        self.pictures.want(
            [Wanted(row.path, row.thumbnail) for row in [*on_screen, *ahead] if row.thumbnail is not None]
        )
        return self.flavor, on_screen, ahead

    def go_to(self, number: int, *, select: bool = True) -> None:
        """Make tile `number` the current one and show it."""
        if not 0 <= number < self._entries.rowCount():
            return
        command = (
            QItemSelectionModel.SelectionFlag.ClearAndSelect if select else QItemSelectionModel.SelectionFlag.NoUpdate
        )
        selection = self.selectionModel()
        assert selection is not None
        selection.setCurrentIndex(self._entries.index(number), command)
        self._choosing.anchor(number)
        self.set_scroll(self._layout.scroll_into_view(number, self.scrolled, self._port.height()))

    # -- what changes -----------------------------------------------------------------------------------------

    def _loaded(self, path: bytes, first: bool) -> None:
        number = self._entries.find(path)
        if number is None:
            return
        row = self._entries.row(number)
        if first and not row.cached and row.before is None:
            self.fading.begin(path)
        self._repaint_paths([path])

    def _repaint_paths(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            number = self._entries.find(path)
            if number is not None:
                self._port.update(self.box(number))

    # -- paint ------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        assert event is not None
        painter = QPainter(self._port)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(event.rect(), self._theme.colour("surface"))
        selection = self.selectionModel()
        assert selection is not None
        focused = self.hasFocus()
        for tiles in self.tiles_in(event.rect()):
            for number in tiles:
                cell = self.box(number)
                if not event.region().intersects(cell):
                    continue
                row = self._entries.row(number)
                look = Look(
                    selected=selection.isSelected(self._entries.index(number)),
                    current=focused and number == self.current,
                    hovered=number == self._hovered,
                    opacity=self.fading.opacity(row.path),
                )
                pixmap = self.pictures.get(row.thumbnail) or self.pictures.get(row.before)
                self._delegate.paint(painter, cell, row, pixmap, look)
        band = self._choosing.band()
        if band is not None:
            painter.setPen(QPen(self._theme.colour("accent"), 1))
            painter.setBrush(QColor(self._theme.colour("accent", 40)))
            painter.drawRect(band)
        painter.end()

    # -- keys and pointer -------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        self._touched = True
        self._zooming = None
        if not self._choosing.key(event):
            # Not the base class': it would move and search in its own way.
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._touched = True
        self._choosing.pressed(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._zooming = None
        self._touched = True
        self._choosing.dragged(event)
        self._hover(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self._choosing.released()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(self._entries.row(index.row()).path)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_by(event.angleDelta().y() / 120, event.position().toPoint())
            event.accept()
        else:
            self._zooming = None
            super().wheelEvent(event)

    def _unhover(self) -> None:
        self._hovered = -1

    def _hover(self, point: QPoint) -> None:
        number = self.indexAt(point).row()
        if number != self._hovered:
            for changed in (self._hovered, number):
                if changed >= 0:
                    self._port.update(self.box(changed))
            self._hovered = number

    def viewportEvent(self, event: QEvent | None) -> bool:
        assert event is not None
        if event.type() == QEvent.Type.Leave:
            self._hover(QPoint(-1, -1))
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            text = str(index.data(Qt.ItemDataRole.ToolTipRole)) if index.isValid() else ""
            QToolTip.showText(event.globalPos(), text, self, self.visualRect(index))
            return True
        return super().viewportEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._delegate.set_font(self.font())
            self.set_caption(self._delegate.caption)

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.DevicePixelRatioChange:
            self.seen.emit()
        return super().event(event)
