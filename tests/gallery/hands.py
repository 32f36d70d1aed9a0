"""Keys and a pointer for tests, with types: QTest's stubs take its functions for methods."""

from typing import Any

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

_test: Any = QTest
_NONE = Qt.KeyboardModifier.NoModifier
_LEFT = Qt.MouseButton.LeftButton


def key(widget: QWidget, which: Qt.Key, modifier: Qt.KeyboardModifier = _NONE) -> None:
    _test.keyClick(widget, which, modifier)


def type_text(widget: QWidget, text: str) -> None:
    _test.keyClicks(widget, text)


def click(widget: QWidget | None, at: QPoint | None = None, modifier: Qt.KeyboardModifier = _NONE) -> None:
    _test.mouseClick(widget, _LEFT, modifier, *([] if at is None else [at]))


def double_click(widget: QWidget | None, at: QPoint) -> None:
    _test.mouseDClick(widget, _LEFT, _NONE, at)


def drag(widget: QWidget | None, *way: QPoint) -> None:
    """Press at the first point and move along the others, without letting go."""
    _test.mousePress(widget, _LEFT, _NONE, way[0])
    for point in way[1:]:
        _test.mouseMove(widget, point)


def let_go(widget: QWidget | None, at: QPoint) -> None:
    _test.mouseRelease(widget, _LEFT, _NONE, at)
