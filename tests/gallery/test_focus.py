"""What is looked at: once a frame, counted up, within bounds, ahead in the direction of travel."""

from collections.abc import Callable
from functools import partial

import pytest
from pytestqt.qtbot import QtBot

from thumbd_gallery.focus import MAX_BYTES, MAX_PATHS, Demand, Gaze, around, bounded, flavor_for
from thumbd_gallery.layout import Layout
from thumbd_gallery.order import Row
from thumbd_protocol.items import Flavor

Rows = Callable[..., list[Row]]


class Eye:
    """Looks where it is told and remembers what was said."""

    def __init__(self) -> None:
        self.on_screen: list[Row] = []
        self.ahead: list[Row] = []
        self.flavor = Flavor.LARGE
        self.said: list[Demand] = []
        self.gaze = Gaze("v", self.look, self.said.append)

    def look(self) -> tuple[Flavor, list[Row], list[Row]]:
        return self.flavor, self.on_screen, self.ahead


@pytest.fixture
def eye(qtbot: QtBot) -> Eye:
    return Eye()


def test_many_movements_in_one_frame_are_one_focus(qtbot: QtBot, eye: Eye, rows: Rows) -> None:
    for number in range(50):
        eye.on_screen = rows(f"{number}.jpg")
        eye.gaze.moved()
    assert eye.said == []
    eye.on_screen = rows("a.jpg")
    qtbot.waitUntil(lambda: bool(eye.said), timeout=5000)
    eye.on_screen = rows("b.jpg")
    eye.gaze.moved()
    qtbot.waitUntil(lambda: len(eye.said) > 1, timeout=5000)
    assert [demand.visible for demand in eye.said] == [[b"/f/a.jpg"], [b"/f/b.jpg"]]
    assert [demand.generation for demand in eye.said] == [1, 2]


def test_what_has_not_changed_is_not_said_again(qtbot: QtBot, eye: Eye, rows: Rows) -> None:
    looked = 0

    def look() -> tuple[Flavor, list[Row], list[Row]]:
        nonlocal looked
        looked += 1
        return Flavor.LARGE, eye.on_screen, []

    def reached(turn: int) -> bool:
        return looked == turn

    said: list[Demand] = []
    gaze = Gaze("v", look, said.append)
    for turn in (1, 2, 3):
        gaze.moved()
        qtbot.waitUntil(partial(reached, turn), timeout=5000)
    assert len(said) == 1


def test_looking_again_lets_everything_leave_and_enter(qtbot: QtBot, eye: Eye, rows: Rows) -> None:
    eye.on_screen = rows("a.jpg")
    eye.gaze.moved()
    qtbot.waitUntil(lambda: len(eye.said) == 1, timeout=5000)
    eye.gaze.again()
    qtbot.waitUntil(lambda: len(eye.said) == 3, timeout=5000)
    assert [demand.visible for demand in eye.said[1:]] == [[], [b"/f/a.jpg"]]


def test_another_size_is_another_focus(qtbot: QtBot, eye: Eye, rows: Rows) -> None:
    eye.on_screen = rows("a.jpg")
    eye.gaze.moved()
    qtbot.waitUntil(lambda: len(eye.said) == 1, timeout=5000)
    eye.flavor = Flavor.X_LARGE
    eye.gaze.moved()
    qtbot.waitUntil(lambda: len(eye.said) == 2, timeout=5000)
    assert eye.said[1].flavor is Flavor.X_LARGE


def test_folders_are_never_asked_for(rows: Rows) -> None:
    assert bounded(rows("sub/", "a.jpg"), 10, 1000) == [b"/f/a.jpg"]


def test_a_focus_stays_within_what_a_message_holds(rows: Rows) -> None:
    long = rows(*(f"{number:0200}.jpg" for number in range(5000)))
    paths = bounded(long, MAX_PATHS, MAX_BYTES)
    assert len(paths) <= MAX_PATHS
    assert sum(map(len, paths)) <= MAX_BYTES


@pytest.mark.parametrize("direction", [1, -1])
def test_near_is_further_ahead_than_behind(direction: int) -> None:
    layout = Layout(width=1000, count=10_000, edge=128, caption=14)
    visible, near = around(layout, 50_000, 800, direction)
    ahead = [index for index in near if (index >= visible.stop) == (direction > 0)]
    behind = [index for index in near if index not in set(ahead)]
    assert len(ahead) > len(behind) > 0
    assert near[0] == (visible.stop if direction > 0 else visible.start - 1)
    assert not set(near) & set(visible)


@pytest.mark.parametrize(
    ("edge", "ratio", "flavor"),
    [(96, 1, Flavor.NORMAL), (128, 1, Flavor.NORMAL), (129, 1, Flavor.LARGE), (128, 2, Flavor.LARGE),
     (512, 1, Flavor.X_LARGE), (512, 2, Flavor.XX_LARGE), (512, 3, Flavor.XX_LARGE)],
)  # fmt: skip
def test_the_smallest_size_that_fills_the_tile_is_asked_for(edge: int, ratio: float, flavor: Flavor) -> None:
    assert flavor_for(edge, ratio) is flavor
