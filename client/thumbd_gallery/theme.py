"""Two palettes of twelve roles each, and the one that is on: everything is painted from `Theme.palette`.

Follows the system's light or dark (QStyleHints) unless one is chosen on the command line.
"""

from enum import StrEnum

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication, QStyle, QWidget

from .palette import DARK, LIGHT, Palette
from .stylesheet import stylesheet


class Mode(StrEnum):
    """Which palette is wanted."""

    SYSTEM = "system"
    DARK = "dark"
    LIGHT = "light"


def contrast(first: str, second: str) -> float:
    """The contrast of two colours after WCAG 2, between 1 and 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


class Theme(QObject):
    """The palette that is on. `changed` is told after the application's own palette has been set."""

    changed = pyqtSignal()

    def __init__(self, app: QApplication, mode: Mode = Mode.SYSTEM) -> None:
        super().__init__(app)
        self._app = app
        self.mode = mode
        self.palette = DARK
        hints = app.styleHints()
        assert hints is not None
        self._hints = hints
        hints.colorSchemeChanged.connect(self._system_changed)
        self._apply()

    def colour(self, role: str, alpha: int = 255) -> QColor:
        """The colour of `role`, a field of Palette; `alpha` 0-255."""
        colour = QColor(getattr(self.palette, role))
        colour.setAlpha(alpha)
        return colour

    def _system_changed(self) -> None:
        if self.mode is Mode.SYSTEM:
            self._apply()

    def _apply(self) -> None:
        if self.mode is Mode.SYSTEM:
            # Unknown (no desktop tells it) is light, as toolkits without a setting are.
            dark = self._hints.colorScheme() == Qt.ColorScheme.Dark
        else:
            dark = self.mode is Mode.DARK
        self.palette = DARK if dark else LIGHT
        self._app.setPalette(qt_palette(self.palette))
        self._app.setStyleSheet(stylesheet(self.palette))
        self.changed.emit()


def qt_palette(palette: Palette) -> QPalette:
    """The same colours under Qt's names, for what Qt paints itself (tips, menus, fields)."""
    result = QPalette()
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Window, palette.surface),
        (roles.Base, palette.surface),
        (roles.AlternateBase, palette.raised),
        (roles.Button, palette.raised),
        (roles.ToolTipBase, palette.raised),
        (roles.WindowText, palette.text),
        (roles.Text, palette.text),
        (roles.ButtonText, palette.text),
        (roles.ToolTipText, palette.text),
        (roles.PlaceholderText, palette.muted),
        (roles.Highlight, palette.accent),
        (roles.HighlightedText, palette.raised),
        (roles.Link, palette.accent),
        (roles.Mid, palette.line),
    ):
        result.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(palette.muted))
    return result


def animated(widget: QWidget) -> bool:
    """Whether things may move: not where the desktop asks for less motion."""
    style = widget.style()
    return style is None or style.styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, widget) > 0
