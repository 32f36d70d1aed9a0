"""The signs: one family of 16 x 16 line drawings, coloured when they are asked for."""

from functools import lru_cache
from typing import Final

from PyQt6.QtCore import QByteArray, QRectF, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

_SHAPES: Final = {
    "back": '<path d="M10 3 5 8l5 5"/>',
    "forward": '<path d="m6 3 5 5-5 5"/>',
    "up": '<path d="M8 13V3.5M3.5 8 8 3.5 12.5 8"/>',
    "small": '<rect x="5" y="5" width="6" height="6" rx="1"/>',
    "large": '<rect x="2.5" y="2.5" width="11" height="11" rx="1.5"/>',
    "folder": '<path d="M1.75 12.2V3.8c0-.6.4-1 1-1h3.1l1.6 1.8h5.8c.6 0 1 .4 1 1v6.6'
    'c0 .6-.4 1-1 1H2.75c-.6 0-1-.4-1-1Z"/>',
    "broken": '<path d="M13.5 8.6v3.9c0 .6-.4 1-1 1h-9c-.6 0-1-.4-1-1v-9c0-.6.4-1 1-1h4.2"/>'
    '<path d="M2.9 12.9 6.4 9l2 2.1 1.5-1.5 3 3"/>'
    '<path d="M10.4 2.4l3.2 3.2M13.6 2.4l-3.2 3.2"/>',
    "pictures": '<rect x="2.5" y="2.5" width="11" height="11" rx="1.5"/>'
    '<path d="m3 12.6 3.4-3.9 2.2 2.3 1.5-1.4 3 2.9"/>'
    '<circle cx="10.4" cy="5.8" r="1.1"/>',
    "locked": '<rect x="3.5" y="7" width="9" height="6.5" rx="1.2"/><path d="M5.5 7V5.2a2.5 2.5 0 0 1 5 0V7"/>',
    "away": '<path d="M6 2.5v3M10 2.5v3M4 5.5h8v2.3A4 4 0 0 1 8 11.8a4 4 0 0 1-4-4ZM8 11.8v2"/>',
}
_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="{colour}" '
    'stroke-width="{stroke}" stroke-linecap="round" stroke-linejoin="round">{shape}</svg>'
)


@lru_cache(maxsize=256)
def sign(name: str, colour: str, edge: int, ratio: float) -> QPixmap:
    """The sign `name` in `colour`, `edge` logical pixels wide, for a screen of `ratio` device pixels each."""
    # Large signs keep thin lines: a pixel and a half at 16, two and a half at 96.
    stroke = 1.3 if edge <= 20 else max(0.35, 1.3 * (20 / edge) ** 0.7)
    svg = _SVG.format(colour=colour, stroke=f"{stroke:.2f}", shape=_SHAPES[name])
    pixels = max(1, round(edge * ratio))
    pixmap = QPixmap(pixels, pixels)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def icon(name: str, colour: str, faint: str, ratio: float) -> QIcon:
    """A button's icon: `colour`, and `faint` where the button can't be pressed."""
    result = QIcon(sign(name, colour, 16, ratio))
    result.addPixmap(sign(name, faint, 16, ratio), QIcon.Mode.Disabled)
    return result
