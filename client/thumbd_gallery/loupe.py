"""One picture over the whole window, with its neighbours asked for before they are needed.

Shows the daemon's `preview`; until that has come the grid's thumbnail, scaled up. No chrome but a strip with the name
and the index, which fades when nothing moves.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from PyQt6.QtCore import QEvent, QRect, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QWheelEvent
from PyQt6.QtWidgets import QWidget

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import EntryKind, Flavor, ItemUpdate, State

from .delegate import CORNER, fitted
from .icons import sign
from .model import Entries
from .order import Row
from .pictures import Pictures, Wanted
from .strip import Strip
from .theme import Theme

#: Bytes of previews kept: a full one takes 16 MiB.
KEPT_BYTES: Final = 160 << 20
#: What the daemon told is remembered of so many pictures.
_TOLD: Final = 256

_STEPS: Final = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_PageUp: -1,
    Qt.Key.Key_Backspace: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageDown: 1,
    Qt.Key.Key_Space: 1,
}


class Loupe(QWidget):
    """The picture. `moved` tells that another one is shown, `closed` that the grid is wanted again."""

    moved = pyqtSignal(bytes)
    closed = pyqtSignal()
    #: Other previews are wanted than before.
    seen = pyqtSignal()

    def __init__(
        self, entries: Entries, thumbnails: Pictures, theme: Theme, parent: QWidget, previews: Pictures | None = None
    ) -> None:
        super().__init__(parent)
        self._entries, self._thumbnails, self._theme = entries, thumbnails, theme
        self.previews = previews or Pictures(self, kept_bytes=KEPT_BYTES)
        self._told: OrderedDict[bytes, ItemUpdate] = OrderedDict()
        self._lost: dict[bytes, int] = {}
        self._outdated: set[bytes] = set()
        self._stood_at = 0
        self._direction = 1
        self.path: bytes | None = None
        self._scaled: tuple[int, QPixmap] | None = None
        self._strip = Strip(self, theme)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Loupe")
        self.previews.loaded.connect(self.update)
        self.previews.unreadable.connect(self._unreadable)
        thumbnails.loaded.connect(self.update)
        entries.renamed.connect(self._follow)
        entries.moved.connect(self._stay)
        theme.changed.connect(self.update)
        self.hide()

    # -- what is shown ----------------------------------------------------------------------------------------

    def open(self, path: bytes) -> None:
        """Show the picture at `path`, over everything else in the window."""
        holder = self.parentWidget()
        assert holder is not None
        self.setGeometry(holder.rect())
        self._show(path)
        self.show()
        self.raise_()
        self.setFocus()

    def close_loupe(self) -> None:
        if self.isHidden():
            return
        self.hide()
        self.path = None
        self._strip.rest()
        self.seen.emit()
        self.closed.emit()

    def look(self) -> tuple[Flavor, Sequence[Row], Sequence[Row]]:
        """The picture and its neighbours, the next ones in the direction of travel first; for `focus`."""
        number = self._number()
        if number is None:
            self.previews.want([])
            return Flavor.PREVIEW, [], []
        here = [self._entries.row(number)]
        steps = (1, -1, 2) if self._direction > 0 else (-1, 1, -2)
        near = [self._entries.row(n) for n in (self._neighbour(number, step) for step in steps) if n is not None]
        wanted = [Wanted(row.path, file) for row in [*here, *near] if (file := self._file(row.path)) is not None]
        self.previews.want(wanted)
        return Flavor.PREVIEW, here, near

    def tell(self, updates: Iterable[ItemUpdate]) -> None:
        """The daemon's word about previews; of other flavors nothing is heard here."""
        heard = False
        for update in updates:
            if update.flavor is not Flavor.PREVIEW or update.state not in (State.READY, State.FAILED, State.RENDERING):
                continue
            if update.error == ItemCode.SHUTDOWN:
                continue
            if update.path in self._outdated and update.state.final:
                self._outdated.discard(update.path)
                if update.thumbnail is not None:
                    self.previews.renew(update.thumbnail)
            self._told[update.path] = update
            self._told.move_to_end(update.path)
            heard = True
        while len(self._told) > _TOLD:
            self._told.popitem(last=False)
        if heard:
            self.seen.emit()
            self.update()

    def outdate(self, paths: Iterable[bytes]) -> None:
        """The files of these have changed: what is told of them next is another picture."""
        self._outdated.update(path for path in paths if path in self._told)

    def step(self, step: int) -> None:
        """To the neighbour that is `step` pictures away, if there is one."""
        number = self._number()
        target = None if number is None else self._neighbour(number, step)
        if target is not None:
            self._direction = 1 if step > 0 else -1
            self._show(self._entries.row(target).path)

    def _follow(self, renamed: list[tuple[bytes, bytes]]) -> None:
        """The picture may have another name now."""
        names = dict(renamed)
        if self.path in names:
            self._show(names[self.path])

    def _stay(self) -> None:
        """Pictures have come and gone: if this one has, the one in its place is shown."""
        if self.path is None:
            return
        number = self._number()
        if number is not None:
            self._stood_at = number
            self.seen.emit()  # it may have other neighbours
            return
        number = min(self._stood_at, self._entries.rowCount() - 1)
        if number >= 0 and self._entries.row(number).kind is EntryKind.IMAGE:
            self._show(self._entries.row(number).path)
        else:
            self.close_loupe()

    def _show(self, path: bytes) -> None:
        self.path = path
        self._scaled = None
        number = self._number()
        if number is not None:
            self._stood_at = number
            self.setAccessibleDescription(self._entries.row(number).name)
        self._strip.wake()
        self.update()
        self.moved.emit(path)
        self.seen.emit()

    def _number(self) -> int | None:
        return None if self.path is None else self._entries.find(self.path)

    def _neighbour(self, number: int, step: int) -> int | None:
        """The picture `step` away from row `number`; folders are none, and come before all pictures."""
        target = number + step
        if not 0 <= target < self._entries.rowCount():
            return None
        return target if self._entries.row(target).kind is EntryKind.IMAGE else None

    def shown_preview(self) -> QPixmap | None:
        """The daemon's preview of the picture, once it has been read."""
        return self.previews.get(self._file(self.path)) if self.path is not None else None

    def _file(self, path: bytes) -> bytes | None:
        update = self._told.get(path)
        return (update.thumbnail or update.volatile) if update is not None else None

    def _unreadable(self, path: bytes, file: bytes) -> None:
        """A preview was evicted: forgotten here, so it is asked for when it is next looked at, and a few times now."""
        self._told.pop(path, None)
        self._lost[path] = self._lost.get(path, 0) + 1
        if self._lost[path] <= 3:
            self.seen.emit()

    # -- paint ------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), self._theme.colour("stage"))
        number = self._number()
        if number is not None:
            row = self._entries.row(number)
            self._picture(painter, row)
            index = number - self._entries.folders + 1, self._entries.pictures()
            self._strip.paint(painter, self.rect(), row, index)
        painter.end()

    def _picture(self, painter: QPainter, row: Row) -> None:
        update = self._told.get(row.path)
        pixmap = self.previews.get(self._file(row.path))
        if pixmap is None:
            pixmap = self._thumbnails.get(row.thumbnail) or self._thumbnails.get(row.before)
        width = (update.width if update else None) or row.width or (pixmap.width() if pixmap else 0)
        height = (update.height if update else None) or row.height or (pixmap.height() if pixmap else 0)
        failed = update is not None and update.state is State.FAILED
        if pixmap is None and (failed or row.reason):
            self._failed(painter, (update.message if update is not None else None) or row.reason or "")
            return
        if not (width and height):
            return
        target = self._target(width, height)
        if pixmap is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("placeholder"))
            painter.drawRoundedRect(QRectF(target), CORNER, CORNER)
            return
        if pixmap.hasAlpha():
            painter.fillRect(target, self._theme.colour("card"))
        painter.drawPixmap(target, self._fitting(pixmap, target))

    def _target(self, width: int, height: int) -> QRect:
        """The picture's place: all of it to be seen, never enlarged, in the middle."""
        scale = min(1.0, self.width() / width, self.height() / height)
        size = fitted(width * scale, height * scale, max(self.width(), self.height()))
        target = QRect(0, 0, round(size[0]), round(size[1]))
        target.moveCenter(self.rect().center())
        return target

    def _fitting(self, pixmap: QPixmap, target: QRect) -> QPixmap:
        """`pixmap` in the size it is shown in, made once: shrinking well takes longer than a frame."""
        ratio = self.devicePixelRatioF()
        wanted = target.size() * ratio
        if wanted.width() >= pixmap.width():
            return pixmap
        if self._scaled is None or self._scaled[0] != pixmap.cacheKey() or self._scaled[1].size() != wanted:
            scaled = pixmap.scaled(
                wanted, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            self._scaled = pixmap.cacheKey(), scaled
        return self._scaled[1]

    def _failed(self, painter: QPainter, reason: str) -> None:
        middle = self.rect().center()
        pixmap = sign("broken", self._theme.palette.warn, 64, self.devicePixelRatioF())
        painter.drawPixmap(middle.x() - 32, middle.y() - 72, pixmap)
        painter.setPen(self._theme.colour("text"))
        area = QRect(0, 0, min(640, self.width() - 64), 120)
        area.moveCenter(middle)
        area.moveTop(middle.y() + 8)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(area, flags, reason)

    # -- keys and pointer -------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        key = Qt.Key(event.key())
        if event.modifiers() & Qt.KeyboardModifier.AltModifier:
            event.ignore()
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.close_loupe()
        elif key in _STEPS:
            self.step(_STEPS[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            count = self._entries.rowCount()
            self._direction = 1 if key == Qt.Key.Key_Home else -1
            self._show(self._entries.row(self._entries.folders if key == Qt.Key.Key_Home else count - 1).path)
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        if event.angleDelta().y():
            self.step(-1 if event.angleDelta().y() > 0 else 1)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        self._strip.wake()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.close_loupe()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self.update()
