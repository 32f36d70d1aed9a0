"""Where the tiles are: pure arithmetic, no Qt, so that 100,000 tiles cost as much as ten.

Coordinates are logical pixels of the whole content; the view subtracts how far it is scrolled. A cell holds the
picture's square (`edge`), 8 pixels around it and one line for the name; cells are 12 apart.
"""

from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final, NamedTuple

GAP: Final = 12
#: Between columns, where the width leaves more room than the gap takes.
MAX_GAP: Final = 36
PADDING: Final = 8
MARGIN: Final = 16
#: Between the picture's square and the name.
NAME_GAP: Final = 4
MIN_EDGE: Final = 96
MAX_EDGE: Final = 512


class Box(NamedTuple):
    """A rectangle: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def right(self) -> int:
        return self.x + self.width


class Move(Enum):
    """Where a key takes the current tile."""

    LEFT = auto()
    RIGHT = auto()
    UP = auto()
    DOWN = auto()
    HOME = auto()
    END = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()


@dataclass(frozen=True)
class Layout:
    """`count` tiles with pictures of `edge` pixels in a view `width` wide; `caption` is the height of a name."""

    width: int
    count: int
    edge: int
    caption: int

    @cached_property
    def cell_width(self) -> int:
        return self.edge + 2 * PADDING

    @cached_property
    def cell_height(self) -> int:
        return self.edge + 2 * PADDING + NAME_GAP + self.caption

    @cached_property
    def columns(self) -> int:
        return max(1, (self.width - 2 * MARGIN + GAP) // (self.cell_width + GAP))

    @cached_property
    def step(self) -> int:
        """From one column to the next: what is left of the width goes between the columns, up to a point."""
        if self.columns == 1:
            return self.cell_width + GAP
        free = self.width - 2 * MARGIN - self.columns * self.cell_width
        return self.cell_width + min(max(free // (self.columns - 1), GAP), MAX_GAP)

    @cached_property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @cached_property
    def left(self) -> int:
        """Where the first column begins: the columns stand in the middle."""
        used = (self.columns - 1) * self.step + self.cell_width
        return max(0, (self.width - used) // 2)

    @property
    def pitch(self) -> int:
        """From one row of tiles to the next."""
        return self.cell_height + GAP

    @cached_property
    def height(self) -> int:
        return 2 * MARGIN + self.rows * self.pitch - GAP if self.count else 0

    def rect(self, index: int) -> Box:
        """The cell of tile `index`."""
        row, column = divmod(index, self.columns)
        return Box(self.left + column * self.step, MARGIN + row * self.pitch, self.cell_width, self.cell_height)

    def at(self, x: int, y: int) -> int | None:
        """The tile whose cell holds the point; None between and beside the cells."""
        column, in_column = divmod(x - self.left, self.step)
        row, in_row = divmod(y - MARGIN, self.pitch)
        if not 0 <= column < self.columns or row < 0 or in_column >= self.cell_width or in_row >= self.cell_height:
            return None
        index = row * self.columns + column
        return index if index < self.count else None

    def nearest(self, x: int, y: int) -> int | None:
        """The tile whose cell is nearest to the point; None only if there is none at all."""
        if not self.count:
            return None
        column = min(max((x - self.left) // self.step, 0), self.columns - 1)
        row = min(max((y - MARGIN) // self.pitch, 0), self.rows - 1)
        return min(row * self.columns + column, self.count - 1)

    def span(self, top: int, bottom: int) -> range:
        """The tiles with a pixel in ``top <= y < bottom``."""
        first_row = max(0, (top - MARGIN + GAP) // self.pitch)
        last_row = (bottom - 1 - MARGIN) // self.pitch
        first, last = first_row * self.columns, min((last_row + 1) * self.columns, self.count)
        return range(first, last) if first < last else range(0)

    def touching(self, area: Box) -> list[range]:
        """The tiles that meet `area`, as ranges in order: one for each row of tiles."""
        if area.width <= 0 or area.height <= 0 or not self.count:
            return []
        first = max(0, (area.x - self.left + self.step - self.cell_width) // self.step)
        last = min(self.columns - 1, (area.right - 1 - self.left) // self.step)
        if first > last:
            return []
        tiles = self.span(area.y, area.bottom)
        starts = range(tiles.start, tiles.stop, self.columns)
        found = (range(start + first, min(start + last + 1, self.count)) for start in starts)
        return [tiles for tiles in found if tiles]

    def moved(self, index: int, move: Move, page: int) -> int:
        """Where `move` takes the current tile from `index`; `page` is the view's height. Never outside."""
        end = self.count - 1
        if end < 0:
            return -1
        page_rows = max(1, page // self.pitch)
        if move is Move.HOME:
            return 0
        if move is Move.END:
            return end
        steps = {
            Move.LEFT: -1,
            Move.RIGHT: 1,
            Move.UP: -self.columns,
            Move.DOWN: self.columns,
            Move.PAGE_UP: -page_rows * self.columns,
            Move.PAGE_DOWN: page_rows * self.columns,
        }
        target = index + steps[move]
        if move in (Move.UP, Move.PAGE_UP) and target < 0:
            # As far up as the column goes, not to another column.
            return index % self.columns
        if move in (Move.DOWN, Move.PAGE_DOWN) and target > end:
            # Below may be a shorter last row: its end is meant. In the last row there is nothing below.
            in_last_row = index // self.columns == self.rows - 1
            column = (self.rows - 1) * self.columns + index % self.columns
            return index if in_last_row else min(column, end)
        return min(max(target, 0), end)

    def scroll_into_view(self, index: int, scroll: int, height: int) -> int:
        """The scroll nearest to `scroll` that shows all of tile `index` and the gap around it."""
        cell = self.rect(index)
        top, bottom = cell.y - MARGIN, cell.bottom + MARGIN
        if top < scroll or bottom - top > height:
            return self.bounded(top, height)
        return self.bounded(max(scroll, bottom - height), height)

    def bounded(self, scroll: int, height: int) -> int:
        """`scroll`, but not beyond the content's ends."""
        return min(max(scroll, 0), max(0, self.height - height))


@dataclass(frozen=True)
class Anchor:
    """A point of a tile that stays where it is on the screen: `across` of the cell's height, `y` in the view."""

    index: int
    across: float
    y: int

    def scroll(self, layout: Layout, height: int) -> int:
        """The scroll that puts the anchor's point back to where it was, as far as the content's ends allow."""
        cell = layout.rect(self.index)
        return layout.bounded(round(cell.y + self.across * cell.height - self.y), height)


def anchor_at(layout: Layout, index: int, scroll: int, y: int | None = None) -> Anchor:
    """The anchor of tile `index` at `y` of the view, or at the middle of the tile."""
    cell = layout.rect(index)
    if y is None:
        # A whole pixel: a half one would be rounded one way now and the other way then, and the view would creep.
        half = cell.height // 2
        return Anchor(index, half / cell.height, cell.y + half - scroll)
    return Anchor(index, (y + scroll - cell.y) / cell.height, y)
