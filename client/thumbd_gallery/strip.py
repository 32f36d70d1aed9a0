"""The loupe's only chrome: a strip with name, index and dimensions, which goes when nothing moves."""

from typing import Final

from PyQt6.QtCore import QRect, QRectF, Qt, QTimer, QVariantAnimation
from PyQt6.QtGui import QPainter
from PyQt6.QtWidgets import QWidget

from .delegate import CORNER
from .order import Row
from .theme import Theme, animated

#: It stays so long after something moved, and takes so long to go.
STAY_MS: Final = 2000
FADE_MS: Final = 300


class Strip:
    """The strip at the foot of `widget`."""

    def __init__(self, widget: QWidget, theme: Theme) -> None:
        self._widget, self._theme = widget, theme
        self.opacity = 1.0
        self._stay = QTimer(widget)
        self._stay.setSingleShot(True)
        self._stay.setInterval(STAY_MS)
        self._stay.timeout.connect(self._go)
        self._fading = QVariantAnimation(widget)
        self._fading.setDuration(FADE_MS)
        self._fading.setStartValue(1.0)
        self._fading.setEndValue(0.0)
        self._fading.valueChanged.connect(self._set)

    def wake(self) -> None:
        """Something moved: be seen."""
        self._fading.stop()
        self._set(1.0)
        self._stay.start()

    def rest(self) -> None:
        """Nobody looks."""
        self._stay.stop()
        self._fading.stop()

    def _go(self) -> None:
        if animated(self._widget):
            self._fading.start()
        else:
            self._set(0.0)

    def _set(self, opacity: float) -> None:
        self.opacity = opacity
        self._widget.update()

    def paint(self, painter: QPainter, area: QRect, row: Row, index: tuple[int, int]) -> None:
        """Paint it over the foot of `area`, about `row`, the picture `index[0]` of `index[1]`."""
        if self.opacity <= 0:
            return
        facts = [f"{index[0]:,} of {index[1]:,}"]
        if row.width and row.height:
            facts.append(f"{row.width} × {row.height}")  # noqa: RUF001 - the sign for dimensions
        about = " · ".join(facts)
        metrics = painter.fontMetrics()
        name = metrics.elidedText(row.name, Qt.TextElideMode.ElideMiddle, max(80, area.width() // 2))
        strip = QRect(
            0, 0, metrics.horizontalAdvance(name) + metrics.horizontalAdvance(about) + 48, metrics.height() + 16
        )
        strip.moveCenter(area.center())
        strip.moveBottom(area.bottom() - 24)
        painter.setOpacity(self.opacity)
        painter.setPen(self._theme.colour("line"))
        painter.setBrush(self._theme.colour("raised"))
        painter.drawRoundedRect(QRectF(strip).adjusted(0.5, 0.5, -0.5, -0.5), CORNER, CORNER)
        inside = strip.adjusted(16, 0, -16, 0)
        painter.setPen(self._theme.colour("text"))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        painter.setPen(self._theme.colour("muted"))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, about)
        painter.setOpacity(1)
