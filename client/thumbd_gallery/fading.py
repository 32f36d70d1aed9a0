"""Which pictures are just coming in, and how far: 120 ms from nothing to all, where the desktop likes motion."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QWidget

from .theme import animated

DURATION_S: Final = 0.120


class Fading:
    """Opacities by path; `repaint` is called with those that have changed, until all have come in."""

    def __init__(
        self, widget: QWidget, repaint: Callable[[Iterable[bytes]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._widget, self._repaint, self._clock = widget, repaint, clock
        self._since: dict[bytes, float] = {}
        self._timer = QTimer(widget)
        self._timer.setInterval(16)
        self._timer.timeout.connect(self._turn)

    def begin(self, path: bytes) -> None:
        if animated(self._widget):
            self._since[path] = self._clock()
            self._timer.start()

    def opacity(self, path: bytes) -> float:
        since = self._since.get(path)
        return 1.0 if since is None else min(1.0, (self._clock() - since) / DURATION_S)

    def clear(self) -> None:
        self._since.clear()
        self._timer.stop()

    def _turn(self) -> None:
        moving = list(self._since)
        now = self._clock()
        self._since = {path: since for path, since in self._since.items() if now - since < DURATION_S}
        if not self._since:
            self._timer.stop()
        self._repaint(moving)
