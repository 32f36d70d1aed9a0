"""Paints a tile: placeholder, picture or sign; the name; selection and keyboard focus. All colours from the palette."""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QFont, QFontMetrics, QPainter, QPen, QPixmap

from thumbd_protocol.items import FLAVOR_EDGE, EntryKind

from .icons import sign
from .layout import NAME_GAP, PADDING
from .order import Row, Shown
from .theme import Theme

CORNER: Final = 6
#: From this ratio of its sides on, a picture is shown by its middle; that middle has this ratio.
WIDE: Final = 4.0


@dataclass(frozen=True)
class Look:
    """How a tile stands: chosen, the keyboard's, under the pointer; `opacity` of a picture that is just fading in."""

    selected: bool = False
    current: bool = False
    hovered: bool = False
    opacity: float = 1.0


def fitted(width: float, height: float, edge: float) -> tuple[float, float]:
    """The size of a `width` x `height` picture inside a square of `edge`: never enlarged, at least a pixel wide."""
    scale = min(1.0, edge / max(width, height, 1))
    return max(1.0, width * scale), max(1.0, height * scale)


def is_wide(row: Row) -> bool:
    """Whether the picture is so long or so high that only its middle is shown."""
    return bool(row.width and row.height) and max(row.width or 1, row.height or 1) > WIDE * min(
        row.width or 1, row.height or 1
    )


def picture_size(row: Row, pixmap: QPixmap | None, edge: int) -> QSize | None:
    """How large the picture of `row` is shown in a square of `edge`; None while nothing is known of it."""
    width, height = row.width or 0, row.height or 0
    if not (width and height):
        if pixmap is None:
            return None
        width, height = pixmap.width(), pixmap.height()
        if row.flavor is not None and max(width, height) >= FLAVOR_EDGE[row.flavor]:
            width, height = width * edge, height * edge  # it fills its flavor, so the original is larger
    if is_wide(row):
        # Its middle, in a 4 : 1 strip, but never more of it than there is.
        long, short = max(width, height), min(width, height)
        across, along = (min(edge, short), min(edge, long)) if short * WIDE < edge else (edge / WIDE, edge)
        size: tuple[float, float] = (along, across) if width > height else (across, along)
    else:
        size = fitted(width, height, edge)
    return QSize(max(1, round(size[0])), max(1, round(size[1])))


class Delegate:
    """Paints tiles in the colours of `theme`; `font` is the view's."""

    def __init__(self, theme: Theme, font: QFont) -> None:
        self._theme = theme
        self._elided: dict[tuple[str, int], str] = {}
        self.set_font(font)

    def set_font(self, font: QFont) -> None:
        """Names are a little smaller than the desktop's text, but 11 pixels at least."""
        self.font = QFont(font)
        self.font.setPixelSize(max(11, QFontMetrics(font).ascent()))
        self._metrics = QFontMetrics(self.font)
        self._elided.clear()

    @property
    def caption(self) -> int:
        """The height of a name."""
        return self._metrics.height()

    def paint(self, painter: QPainter, cell: QRect, row: Row, pixmap: QPixmap | None, look: Look) -> None:
        """Paint `row` into `cell`; `pixmap` is its picture if there is one."""
        self._ground(painter, cell, look)
        edge = cell.width() - 2 * PADDING
        square = QRect(cell.x() + PADDING, cell.y() + PADDING, edge, edge)
        if row.kind is EntryKind.FOLDER:
            self._sign(painter, square, "folder", "muted", 0.62)
        elif row.shown is Shown.FAILED:
            self._failed(painter, square)
        else:
            self._picture(painter, square, row, pixmap, look.opacity)
        self._name(painter, cell, square.bottom() + 1 + NAME_GAP, row, look)

    def _ground(self, painter: QPainter, cell: QRect, look: Look) -> None:
        """Behind the cell: tint and ring when selected; a thin dashed line, apart from the ring, for the keyboard."""
        area = QRectF(cell)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if look.selected:
            painter.setPen(QPen(self._theme.colour("accent"), 2))
            painter.setBrush(self._theme.colour("tint"))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), CORNER, CORNER)
        elif look.hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("placeholder", 160))
            painter.drawRoundedRect(area, CORNER, CORNER)
        if look.current:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            pen = QPen(self._theme.colour("text"), 1)
            pen.setDashPattern([2, 2])
            painter.setPen(pen)
            inset = 3.5 if look.selected else 0.5
            painter.drawRoundedRect(area.adjusted(inset, inset, -inset, -inset), CORNER - 2, CORNER - 2)

    def _picture(self, painter: QPainter, square: QRect, row: Row, pixmap: QPixmap | None, opacity: float) -> None:
        size = picture_size(row, pixmap, square.width())
        if size is None:
            # Nothing is known yet: a calm shape of a common ratio.
            size = QSize(square.width(), square.width() * 3 // 4)
        target = QRect(0, 0, size.width(), size.height())
        target.moveCenter(square.center())
        if pixmap is None or opacity < 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("placeholder"))
            corner = min(CORNER, size.width() / 4, size.height() / 4)
            painter.drawRoundedRect(QRectF(target), corner, corner)
        if pixmap is not None:
            painter.setOpacity(opacity)
            if pixmap.hasAlpha():
                painter.fillRect(target, self._theme.colour("card"))
            painter.drawPixmap(QRectF(target), pixmap, source_rect(pixmap, target if is_wide(row) else None))
            painter.setOpacity(1)
        if is_wide(row):
            self._wide(painter, target)

    def _wide(self, painter: QPainter, target: QRect) -> None:
        """The mark of a picture of which only the middle is shown."""
        metrics = self._metrics
        lying = target.width() > target.height()
        word = "wide" if lying else "tall"
        label = QRectF(0, 0, metrics.horizontalAdvance(word) + 8, metrics.height())
        # Beside the strip, where there is room, not over what little there is of it.
        if lying:
            label.moveTopRight(QPointF(target.right() + 1, target.bottom() + 4))
        else:
            label.moveBottomLeft(QPointF(target.right() + 4, target.bottom() + 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("placeholder"))
        painter.drawRoundedRect(label, 4, 4)
        painter.setPen(self._theme.colour("muted"))
        painter.setFont(self.font)
        painter.drawText(label, Qt.AlignmentFlag.AlignCenter, word)

    def _failed(self, painter: QPainter, square: QRect) -> None:
        """A frame with a sign in it: other than a placeholder, and no louder."""
        frame = QRectF(0, 0, square.width(), square.width() * 3 // 4)
        frame.moveCenter(QRectF(square).center())
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(frame.adjusted(0.5, 0.5, -0.5, -0.5), CORNER, CORNER)
        self._sign(painter, square, "broken", "muted", 0.26)

    def _sign(self, painter: QPainter, square: QRect, name: str, role: str, share: float) -> None:
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        edge = max(24, round(square.width() * share))
        pixmap = sign(name, getattr(self._theme.palette, role), edge, ratio)
        centre = square.center()
        painter.drawPixmap(centre.x() - edge // 2, centre.y() - edge // 2, pixmap)

    def _name(self, painter: QPainter, cell: QRect, top: int, row: Row, look: Look) -> None:
        width = cell.width() - 2 * PADDING
        painter.setFont(self.font)
        strong = look.selected or look.current or row.kind is EntryKind.FOLDER
        painter.setPen(self._theme.colour("text" if strong else "muted"))
        area = QRect(cell.x() + PADDING, top, width, self.caption)
        painter.drawText(
            area, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, self._elide(row.name, width)
        )

    def _elide(self, name: str, width: int) -> str:
        key = (name, width)
        found = self._elided.get(key)
        if found is None:
            if len(self._elided) > 20_000:
                self._elided.clear()
            # A line break in a name must not make two lines of it.
            plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
            found = self._elided[key] = self._metrics.elidedText(plain, Qt.TextElideMode.ElideMiddle, width)
        return found


def source_rect(pixmap: QPixmap, target: QRect | None) -> QRectF:
    """The middle of `pixmap` that has the ratio of `target`; all of it when there is none."""
    whole = QRectF(0, 0, pixmap.width(), pixmap.height())
    if target is None:
        return whole
    wanted = target.width() / max(1, target.height())
    if whole.width() / whole.height() > wanted:
        width = whole.height() * wanted
        return QRectF((whole.width() - width) / 2, 0, width, whole.height())
    height = whole.width() / wanted
    return QRectF(0, (whole.height() - height) / 2, whole.width(), height)
