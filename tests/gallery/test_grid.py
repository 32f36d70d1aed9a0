"""The grid under keys, pointer and wheel."""

from collections.abc import Callable

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from thumbd_gallery.grid import Grid
from thumbd_gallery.model import Entries, Listing
from thumbd_gallery.order import Row, Shown
from thumbd_gallery.pictures import Pictures
from thumbd_gallery.theme import Theme
from thumbd_gallery.tiles import parts
from thumbd_protocol.items import Flavor, ItemUpdate, Source, State

from .hands import click, double_click, drag, key, let_go, type_text

Rows = Callable[..., list[Row]]
Key = Qt.Key
SHIFT, CTRL, NONE = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.NoModifier,
)


@pytest.fixture
def grid(qtbot: QtBot, theme: Theme, rows: Rows) -> Grid:
    """A hundred pictures in a grid of five columns."""
    entries, pictures = Entries(), Pictures()
    made = Grid(entries, pictures, theme)
    entries.setParent(made)
    pictures.setParent(made)
    made.resize(5 * (192 + 16) + 4 * 20 + 2 * 16 + 12, 800)
    qtbot.addWidget(made)
    made.show()
    entries.open(b"/f")
    entries.add(Listing(b"/f", b"1", rows(*(f"p{number}.jpg" for number in range(100))), 0, True))
    made.setFocus()
    assert made.layout_now.columns == 5
    return made


def chosen(grid: Grid) -> list[int]:
    selection = grid.selectionModel()
    assert selection is not None
    return sorted(n for part in parts(selection.selection()) for n in range(part.top(), part.bottom() + 1))


def press(qtbot: QtBot, grid: Grid, *keys: tuple[Qt.Key, Qt.KeyboardModifier]) -> None:
    for which, modifier in keys:
        key(grid, which, modifier)


def middle(grid: Grid, number: int) -> QPoint:
    return grid.box(number).center()


def test_arrows_move_and_choose_one(qtbot: QtBot, grid: Grid) -> None:
    press(qtbot, grid, (Key.Key_Right, NONE))
    assert grid.current == 0
    press(qtbot, grid, (Key.Key_Right, NONE), (Key.Key_Down, NONE))
    assert grid.current == 6
    assert chosen(grid) == [6]


def test_shift_chooses_a_range_in_reading_order_and_gives_it_back(qtbot: QtBot, grid: Grid) -> None:
    press(qtbot, grid, (Key.Key_Home, NONE), (Key.Key_Right, NONE), (Key.Key_Down, SHIFT))
    assert chosen(grid) == [1, 2, 3, 4, 5, 6]
    press(qtbot, grid, (Key.Key_Up, SHIFT), (Key.Key_Right, SHIFT))
    assert chosen(grid) == [1, 2]


def test_ctrl_moves_without_choosing_and_space_adds(qtbot: QtBot, grid: Grid) -> None:
    press(qtbot, grid, (Key.Key_Home, NONE), (Key.Key_Right, CTRL), (Key.Key_Right, CTRL))
    assert (grid.current, chosen(grid)) == (2, [0])
    press(qtbot, grid, (Key.Key_Space, CTRL))
    assert chosen(grid) == [0, 2]


def test_end_and_pages_show_what_they_go_to(qtbot: QtBot, grid: Grid) -> None:
    press(qtbot, grid, (Key.Key_Home, NONE), (Key.Key_End, NONE))
    assert grid.current == 99
    port = grid.viewport()
    assert port is not None
    assert port.rect().contains(grid.box(99))
    press(qtbot, grid, (Key.Key_PageUp, NONE))
    assert 80 < grid.current < 99
    assert port.rect().contains(grid.box(grid.current))
    press(qtbot, grid, (Key.Key_Home, SHIFT))
    assert len(chosen(grid)) > 80


def test_typing_a_name_goes_to_it(qtbot: QtBot, grid: Grid) -> None:
    type_text(grid, "p42")
    assert grid.current == 42
    assert chosen(grid) == [42]


def test_the_same_letter_again_goes_to_the_next_name(qtbot: QtBot, grid: Grid) -> None:
    type_text(grid, "ppp")
    assert grid.current == 2


def test_everything_is_chosen_and_escape_lets_go(qtbot: QtBot, grid: Grid) -> None:
    press(qtbot, grid, (Key.Key_A, CTRL))
    assert len(chosen(grid)) == 100
    press(qtbot, grid, (Key.Key_Escape, NONE))
    assert chosen(grid) == []


def test_clicks_choose_toggle_and_extend(qtbot: QtBot, grid: Grid) -> None:
    port = grid.viewport()
    click(port, middle(grid, 1))
    click(port, middle(grid, 3), CTRL)
    assert chosen(grid) == [1, 3]
    click(port, middle(grid, 1), CTRL)
    assert chosen(grid) == [3]
    click(port, middle(grid, 1))
    click(port, middle(grid, 7), SHIFT)
    assert chosen(grid) == [1, 2, 3, 4, 5, 6, 7]


def test_the_rubber_band_takes_what_it_touches(qtbot: QtBot, grid: Grid) -> None:
    port = grid.viewport()
    drag(port, QPoint(2, 2), QPoint(40, 40), middle(grid, 6))
    assert chosen(grid) == [0, 1, 5, 6]
    let_go(port, middle(grid, 6))
    click(port, QPoint(2, 2), NONE)
    assert chosen(grid) == []


def test_enter_and_double_click_open(qtbot: QtBot, grid: Grid) -> None:
    opened: list[bytes] = []
    grid.opened.connect(opened.append)
    press(qtbot, grid, (Key.Key_Home, NONE), (Key.Key_Return, NONE))
    double_click(grid.viewport(), middle(grid, 3))
    assert opened == [b"/f/p0.jpg", b"/f/p3.jpg"]


def wheel(grid: Grid, at: QPoint, steps: int) -> None:
    port = grid.viewport()
    event = QWheelEvent(
        QPointF(at), QPointF(at), QPoint(), QPoint(0, 120 * steps), Qt.MouseButton.NoButton, CTRL,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(port, event)


def test_zooming_at_the_pointer_keeps_the_tile_under_it_and_comes_back(qtbot: QtBot, grid: Grid) -> None:
    grid.set_scroll(2000)
    at = next(point for y in range(300, 500) if grid.indexAt(point := QPoint(1000, y)).isValid())
    under = grid.indexAt(at).row()
    before = grid.box(under).center().y()
    for _ in range(3):
        wheel(grid, at, -1)
    assert grid.edge == pytest.approx(192 / 2**0.75, abs=2)
    cell = grid.box(under)
    assert cell.top() <= at.y() <= cell.bottom()
    for _ in range(3):
        wheel(grid, at, 1)
    assert grid.edge == pytest.approx(192, abs=3)
    assert abs(grid.box(under).center().y() - before) <= 6


def test_zoom_ends_at_its_bounds(grid: Grid) -> None:
    grid.zoom(10_000)
    assert grid.edge == 512
    grid.zoom(1)
    assert grid.edge == 96


def test_zooming_by_key_keeps_the_current_tile_in_place(qtbot: QtBot, grid: Grid) -> None:
    grid.go_to(47)
    before = grid.box(47).center().y()
    grid.zoom_by(-1)
    assert abs(grid.box(47).center().y() - before) <= 1


def test_a_late_name_does_not_shift_what_is_looked_at(qtbot: QtBot, grid: Grid, rows: Rows) -> None:
    grid.go_to(50)
    grid.set_scroll(grid.box(50).y() + grid.scrolled - 300)
    before = grid.box(50).y()
    again = rows(*(f"a{number}.jpg" for number in range(13)), *(f"p{number}.jpg" for number in range(100)))
    grid.entries.add(Listing(b"/f", b"2", again, 0, True))
    number = grid.entries.find(b"/f/p50.jpg")
    assert number == 63
    assert grid.current == number
    assert grid.box(number).y() == before


def test_whoever_only_looks_at_the_beginning_keeps_the_beginning(theme: Theme, qtbot: QtBot, rows: Rows) -> None:
    entries, pictures = Entries(), Pictures()
    grid = Grid(entries, pictures, theme)
    qtbot.addWidget(grid)
    grid.resize(1000, 500)
    grid.show()
    entries.open(b"/f")
    entries.add(Listing(b"/f", b"1", rows(*(f"p{n}.jpg" for n in range(200))), 0, False))
    entries.add(Listing(b"/f", b"1", rows(*(f"a{n}.jpg" for n in range(200))), 0, True))
    assert grid.scrolled == 0
    assert entries.row(0).name == "a0.jpg"


def test_only_what_is_on_screen_is_looked_at_however_many_there_are(grid: Grid, rows: Rows) -> None:
    flavor, visible, near = grid.look()
    assert flavor is Flavor.LARGE
    assert [row.name for row in visible] == [f"p{n}.jpg" for n in range(len(visible))]
    assert 15 <= len(visible) <= 25
    assert near[0].name == f"p{len(visible)}.jpg"


def test_a_picture_that_failed_is_painted_again_at_once(qtbot: QtBot, grid: Grid) -> None:
    before = grid.grab().toImage()
    grid.entries.tell(
        [ItemUpdate(b"/f/p0.jpg", Flavor.LARGE, State.FAILED, error="decode_error", message="cut off")], Flavor.LARGE
    )
    assert grid.entries.row(0).shown is Shown.FAILED
    assert grid.grab().toImage() != before


def test_a_picture_that_was_just_made_fades_in_and_one_from_the_cache_is_there(
    qtbot: QtBot, grid: Grid, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fading: list[bytes] = []
    monkeypatch.setattr(grid.fading, "begin", fading.append)
    for name, source in ((b"/f/p0.jpg", Source.RENDER), (b"/f/p1.jpg", Source.CACHE)):
        file = png(f"{source}.png")
        grid.entries.tell([ItemUpdate(name, Flavor.LARGE, State.READY, thumbnail=file, source=source)], Flavor.LARGE)
        with qtbot.waitSignal(grid.pictures.loaded, timeout=5000):
            grid.look()
    assert fading == [b"/f/p0.jpg"]
