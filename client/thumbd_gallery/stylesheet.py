"""How the few ready-made widgets look (buttons, slider, scroll bars, tips), filled from a palette by `theme`."""

from dataclasses import asdict
from string import Template
from typing import Final

from .palette import Palette

_TEMPLATE: Final = Template("""
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 6px 8px; }
#toolbar { background: $raised; border-bottom: 1px solid $line; }
#status { background: $raised; border-top: 1px solid $line; }
#banner { background: $raised; border-bottom: 1px solid $line; }
#quiet { color: $muted; }
#title { color: $text; font-size: 18px; }
QToolButton { background: transparent; color: $text; border: none; border-radius: 6px; padding: 4px 6px; }
QToolButton:hover { background: $line; }
QToolButton:pressed { background: $tint; }
QToolButton:disabled { color: $muted; }
QToolButton:focus { border: 1px solid $accent; padding: 3px 5px; }
QToolButton#crumb { color: $muted; }
QToolButton#crumb:hover { color: $text; }
QToolButton#here { color: $text; font-weight: 600; }
QPushButton { background: $raised; color: $text; border: 1px solid $line; border-radius: 6px; padding: 6px 16px; }
QPushButton:hover { border-color: $muted; }
QPushButton:pressed { background: $tint; }
QPushButton:focus { border-color: $accent; }
QSlider::groove:horizontal { height: 2px; background: $line; border-radius: 1px; }
QSlider::sub-page:horizontal { height: 2px; background: $muted; border-radius: 1px; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -5px 0; border-radius: 6px; background: $muted; }
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus { background: $accent; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar::handle:vertical { background: $line; min-height: 32px; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical:hover, QScrollBar::handle:vertical:pressed { background: $muted; }
QScrollBar::add-line:vertical, QScrollBar::sub-line:vertical { height: 0; }
QScrollBar::add-page:vertical, QScrollBar::sub-page:vertical { background: transparent; }
""")


def stylesheet(palette: Palette) -> str:
    """Qt's style sheet for `palette`."""
    return _TEMPLATE.substitute(asdict(palette))
