"""What is looked at: from the grid's scroll to the daemon's `focus` and to the pictures that are read first.

However often something moves within one turn of the event loop, one focus is sent. Generations count up, so a late
one never wins. Near is what comes next in the direction of travel: two pages ahead, one behind.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QObject, QTimer

from thumbd_protocol.items import FLAVOR_EDGE, EntryKind, Flavor
from thumbd_protocol.limits import MAX_REQUEST_BYTES, MAX_SUBMIT_ITEMS

from .layout import Layout
from .order import Row

#: Milliseconds in which movements become one focus: a frame.
COALESCE_MS: Final = 16
#: Paths in one focus, both lists together, and their bytes (with room for the rest of the message).
MAX_PATHS: Final = MAX_SUBMIT_ITEMS
MAX_BYTES: Final = MAX_REQUEST_BYTES // 2

#: The flavors of a grid, smallest first; `preview` is the loupe's.
_GRID_FLAVORS: Final = (Flavor.NORMAL, Flavor.LARGE, Flavor.X_LARGE, Flavor.XX_LARGE)


@dataclass(frozen=True)
class Demand:
    """What a view wants: as the daemon's `focus` has it."""

    view: str
    generation: int
    flavor: Flavor
    visible: list[bytes]
    near: list[bytes]


def flavor_for(edge: int, ratio: float) -> Flavor:
    """The smallest flavor that fills a tile of `edge` logical pixels at `ratio` device pixels each."""
    need = edge * ratio
    return next((flavor for flavor in _GRID_FLAVORS if FLAVOR_EDGE[flavor] >= need), _GRID_FLAVORS[-1])


def around(layout: Layout, scroll: int, height: int, direction: int) -> tuple[range, list[int]]:
    """The tiles on screen, and those near, the next ones first; `direction` is 1 (down), -1 (up) or 0."""
    visible = layout.span(scroll, scroll + height)
    down = layout.span(scroll + height, scroll + height * (3 if direction >= 0 else 2))
    up = layout.span(scroll - height * (2 if direction < 0 else 1), scroll)
    below = [index for index in down if index >= visible.stop]
    above = [index for index in reversed(up) if index < visible.start]
    return visible, above + below if direction < 0 else below + above


def bounded(rows: Iterable[Row], room: int, room_bytes: int) -> list[bytes]:
    """The paths of the pictures among `rows`, as many as there is room for."""
    paths: list[bytes] = []
    for row in rows:
        if row.kind is not EntryKind.IMAGE:
            continue
        room_bytes -= len(row.path) + 5
        if len(paths) >= room or room_bytes < 0:
            break
        paths.append(row.path)
    return paths


class Gaze(QObject):
    """Says what a view wants, at most once a frame, and only when it has changed.

    `look` is asked when it is time: it gives the flavor, the rows on screen and the rows near.
    """

    def __init__(
        self,
        view: str,
        look: Callable[[], tuple[Flavor, Sequence[Row], Sequence[Row]]],
        say: Callable[[Demand], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._look, self._say = view, look, say
        self.generation = 0
        self._said: tuple[Flavor, list[bytes], list[bytes]] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(COALESCE_MS)
        self._timer.timeout.connect(self._now)

    def moved(self) -> None:
        """Something is seen that was not, or no longer; more of the same within the frame costs nothing."""
        if not self._timer.isActive():
            self._timer.start()

    def again(self) -> None:
        """Have everything told anew: what enters a focus is told, so all leaves it first."""
        if self._said is not None:
            self._send(self._said[0], [], [])
            self._said = None
        self.moved()

    def anew(self, paths: Iterable[bytes]) -> None:
        """Have these told anew, if they are looked at: they leave the focus, and enter it with the next."""
        if self._said is None:
            return
        flavor, visible, near = self._said
        changed = set(paths)
        if not changed.isdisjoint(visible) or not changed.isdisjoint(near):
            self._send(flavor, [p for p in visible if p not in changed], [p for p in near if p not in changed])
            self._said = None
            self.moved()

    def _send(self, flavor: Flavor, visible: list[bytes], near: list[bytes]) -> None:
        self.generation += 1
        self._say(Demand(self._view, self.generation, flavor, visible, near))

    def _now(self) -> None:
        flavor, on_screen, ahead = self._look()
        visible = bounded(on_screen, MAX_PATHS, MAX_BYTES)
        room = MAX_BYTES - sum(len(path) + 5 for path in visible)
        near = bounded(ahead, MAX_PATHS - len(visible), room)
        if (flavor, visible, near) == self._said:
            return
        self._said = (flavor, visible, near)
        self._send(flavor, visible, near)
