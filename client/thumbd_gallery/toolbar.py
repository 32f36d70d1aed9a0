"""The line above the pictures: back, forward, up, where we are, and how large the tiles are."""

import os
from typing import Final

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QToolButton, QWidget

from .icons import icon, sign
from .layout import MAX_EDGE, MIN_EDGE
from .order import join
from .theme import Theme

HEIGHT: Final = 40


def crumbs(folder: bytes, home: bytes) -> list[tuple[str, bytes]]:
    """The parts of `folder`, each with its path; what lies in the home folder begins with *Home*."""
    inside = folder == home or folder.startswith(home.rstrip(b"/") + b"/")
    path, label, rest = (home, "Home", folder[len(home) :]) if inside and home != b"/" else (b"/", "/", folder)
    found = [(label, path)]
    for part in rest.split(b"/"):
        if part:
            path = join(path, part)
            found.append((part.decode("utf-8", "replace"), path))
    return found


class Separator(QWidget):
    """The sign between two parts."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setFixedSize(12, 28)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        pixmap = sign("forward", self._theme.palette.muted, 10, self.devicePixelRatioF())
        painter.drawPixmap(1, 9, pixmap)
        painter.end()


class Breadcrumb(QWidget):
    """The folder's parts, each a button; where they don't fit, the first ones give way to an ellipsis."""

    chosen = pyqtSignal(bytes)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._parts: list[tuple[str, bytes]] = []
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_folder(self, folder: bytes) -> None:
        self._parts = crumbs(folder, os.fsencode(os.path.expanduser("~")))
        self._fill()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fill()

    def _fill(self) -> None:
        while (item := self._line.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        metrics = self.fontMetrics()
        widths = [min(metrics.horizontalAdvance(label), 260) + 32 for label, _ in self._parts]
        first = 0
        while first < len(widths) - 1 and sum(widths[first:]) + (32 if first else 0) > max(self.width(), 120):
            first += 1
        shown = self._parts[first:]
        if first:
            shown = [("…", self._parts[first - 1][1]), *shown]
        for number, (label, path) in enumerate(shown):
            if number:
                self._line.addWidget(Separator(self._theme, self))
            self._line.addWidget(self._button(label, path, here=number == len(shown) - 1))
        self._line.addStretch(1)

    def _button(self, label: str, path: bytes, *, here: bool) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName("here" if here else "crumb")
        text = self.fontMetrics().elidedText(label, Qt.TextElideMode.ElideMiddle, 260)
        button.setText(text.replace("&", "&&"))
        button.setToolTip(path.decode("utf-8", "replace"))
        button.setFixedHeight(28)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.chosen.emit(path))
        return button


class Toolbar(QWidget):
    """The whole line."""

    back = pyqtSignal()
    forward = pyqtSignal()
    up = pyqtSignal()
    chosen = pyqtSignal(bytes)
    zoomed = pyqtSignal(int)

    def __init__(self, theme: Theme, edge: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("toolbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 0, 16, 0)
        line.setSpacing(4)
        self._icons: list[tuple[QToolButton, str]] = []
        self.back_button = self._button("back", "Back (Alt+Left)")
        self.forward_button = self._button("forward", "Forward (Alt+Right)")
        self.up_button = self._button("up", "To the folder above (Alt+Up)")
        self.back_button.clicked.connect(self.back)
        self.forward_button.clicked.connect(self.forward)
        self.up_button.clicked.connect(self.up)
        self.breadcrumb = Breadcrumb(theme, self)
        self.breadcrumb.chosen.connect(self.chosen)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(MIN_EDGE, MAX_EDGE)
        self.slider.setValue(edge)
        self.slider.setSingleStep(8)
        self.slider.setPageStep(32)
        self.slider.setFixedWidth(144)
        self.slider.setAccessibleName("Size of the tiles")
        self.slider.setToolTip("Size of the tiles (Ctrl+wheel, Ctrl + and −)")  # noqa: RUF001 - a minus
        self.slider.valueChanged.connect(self.zoomed)
        smaller = self._button("small", "Smaller tiles (Ctrl −)")  # noqa: RUF001 - a minus
        larger = self._button("large", "Larger tiles (Ctrl +)")
        smaller.clicked.connect(lambda: self.slider.setValue(self.slider.value() - 32))
        larger.clicked.connect(lambda: self.slider.setValue(self.slider.value() + 32))
        for widget in (self.back_button, self.forward_button, self.up_button):
            line.addWidget(widget)
        line.addSpacing(4)
        line.addWidget(self.breadcrumb, 1)
        line.addSpacing(16)
        line.addWidget(smaller)
        line.addWidget(self.slider)
        line.addWidget(larger)
        theme.changed.connect(self._recolour)
        self._recolour()

    def show_edge(self, edge: int) -> None:
        """The tiles have another size; telling it back would be a loop."""
        self.slider.blockSignals(True)
        self.slider.setValue(edge)
        self.slider.blockSignals(False)

    def _button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setFixedSize(28, 28)
        button.setIconSize(QSize(16, 16))
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition(" (")[0])
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._icons.append((button, name))
        return button

    def _recolour(self) -> None:
        palette = self._theme.palette
        for button, name in self._icons:
            button.setIcon(icon(name, palette.text, palette.line, self.devicePixelRatioF()))
