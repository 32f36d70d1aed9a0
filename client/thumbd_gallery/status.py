"""The line below the pictures: counts, what runs and how long it still takes, and how the daemon does."""

from typing import Final

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QFont, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from thumbd_protocol.items import Progress

from .link import Daemon, Standing
from .theme import Theme
from .words import running

HEIGHT: Final = 24


_SAID: Final = {
    Daemon.STARTING: ("muted", "starting"),
    Daemon.OK: ("good", "ok"),
    Daemon.DEGRADED: ("warn", "degraded"),
    Daemon.AWAY: ("warn", "away"),
    Daemon.STOPPED: ("warn", "stopped"),
    Daemon.REFUSED: ("warn", "not running"),
}


class Bar(QWidget):
    """A thin bar of how far things are; a moving piece is not needed, the numbers beside it move."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._share = 0.0
        self.setFixedSize(160, 8)

    def set_share(self, share: float) -> None:
        self._share = min(1.0, max(0.0, share))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("line"))
        painter.drawRoundedRect(QRectF(0, 2, self.width(), 4), 2, 2)
        if self._share:
            painter.setBrush(self._theme.colour("accent"))
            painter.drawRoundedRect(QRectF(0, 2, max(4.0, self.width() * self._share), 4), 2, 2)
        painter.end()


class Dot(QWidget):
    """How the daemon does, as a dot and a word; a click tells more."""

    pressed = pyqtSignal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.standing = Standing(Daemon.STARTING)
        self.show_standing(self.standing)

    def show_standing(self, standing: Standing) -> None:
        self.standing = standing
        word = _SAID[standing.daemon][1]
        self.setFixedSize(self.fontMetrics().horizontalAdvance(word) + 18, HEIGHT - 1)
        tip = f"The thumbnail daemon: {word}"
        self.setToolTip(f"{tip}\n{standing.reason}" if standing.reason else tip)
        self.setAccessibleName(tip)
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self.pressed.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        role, word = _SAID[self.standing.daemon]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(role))
        painter.drawEllipse(QRectF(1, self.height() / 2 - 4, 8, 8))
        painter.setPen(self._theme.colour("muted"))
        painter.setFont(self.font())
        painter.drawText(self.rect().adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, word)
        painter.end()


class Words(QLabel):
    """A line of text that gives way in its middle when there is little room."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        self._whole = text
        self.setAccessibleName(text)
        self.setToolTip(text if self.fontMetrics().horizontalAdvance(text) > self.width() else "")
        self.update()

    @property
    def said(self) -> str:
        return self._whole

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        text = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()


class StatusLine(QWidget):
    """The whole line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        font = QFont(self.font())
        font.setPixelSize(max(11, self.fontMetrics().ascent()))
        # Figures of one width: a number that counts must not make its neighbours tremble.
        if hasattr(font, "setFeature"):
            font.setFeature(QFont.Tag("tnum"), 1)
        self.setFont(font)
        self.words = Words(self)
        self.bar = Bar(theme, self)
        self.running = QLabel(self)
        self.running.setObjectName("quiet")
        self.dot = Dot(theme, self)
        line = QHBoxLayout(self)
        line.setContentsMargins(16, 1, 16, 0)
        line.setSpacing(12)
        line.addWidget(self.words, 1)
        line.addWidget(self.bar)
        line.addWidget(self.running)
        line.addWidget(self.dot)
        self.show_progress(None)

    def show_progress(self, progress: Progress | None) -> None:
        """How far the folder's batch is; None hides it."""
        under_way = progress is not None and progress.done != progress.total
        self.bar.setVisible(under_way and progress is not None and bool(progress.total))
        self.running.setVisible(under_way)
        if progress is not None and under_way:
            self.bar.set_share(progress.done / progress.total if progress.total else 0.0)
            self.running.setText(running(progress))
