"""What a tile looks like: pending, ready, failed, chosen and current are told apart, and pictures are kept honest."""

from collections.abc import Callable

import pytest
from PyQt6.QtCore import QRect, QSize
from PyQt6.QtGui import QColor, QFont, QImage, QPainter, QPixmap
from pytestqt.qtbot import QtBot

from thumbd_gallery.delegate import Delegate, Look, is_wide, picture_size, source_rect
from thumbd_gallery.layout import PADDING
from thumbd_gallery.order import Row, Shown
from thumbd_gallery.theme import Theme
from thumbd_protocol.items import Flavor

Rows = Callable[..., list[Row]]
EDGE = 128
CELL = QRect(0, 0, EDGE + 2 * PADDING, EDGE + 2 * PADDING + 20)


@pytest.fixture
def row(rows: Rows) -> Row:
    return rows("a.jpg")[0]


def pixmap(width: int = 128, height: int = 96, colour: str = "#ff0000") -> QPixmap:
    made = QPixmap(width, height)
    made.fill(QColor(colour))
    return made


@pytest.fixture
def paint(theme: Theme, qtbot: QtBot) -> Callable[..., QImage]:
    delegate = Delegate(theme, QFont())

    def painted(row: Row, picture: QPixmap | None = None, look: Look | None = None) -> QImage:
        image = QImage(CELL.size(), QImage.Format.Format_RGB32)
        image.fill(QColor(theme.palette.surface))
        painter = QPainter(image)
        delegate.paint(painter, CELL, row, picture, look or Look())
        painter.end()
        return image

    return painted


def test_pending_failed_ready_and_a_folder_look_different(paint: Callable[..., QImage], rows: Rows) -> None:
    row, folder = rows("a.jpg")[0], rows("a.jpg/")[0]
    pending = paint(row)
    row.shown = Shown.FAILED
    failed = paint(row)
    row.shown = Shown.READY
    ready = paint(row, pixmap())
    images = [pending, failed, ready, paint(folder)]
    assert all(one != other for step, one in enumerate(images) for other in images[step + 1 :])


def test_selection_and_keyboard_focus_are_seen_apart_and_never_over_the_picture(
    paint: Callable[..., QImage], row: Row
) -> None:
    row.shown, row.width, row.height = Shown.READY, 1280, 1280
    picture = pixmap(128, 128)
    square = QRect(PADDING, PADDING, EDGE, EDGE)
    looks = [Look(), Look(selected=True), Look(current=True), Look(selected=True, current=True)]
    images = [paint(row, picture, look) for look in looks]
    assert all(one != other for step, one in enumerate(images) for other in images[step + 1 :])
    assert all(image.copy(square) == images[0].copy(square) for image in images)


def test_a_placeholder_has_the_pictures_own_ratio_once_it_is_known(row: Row) -> None:
    assert picture_size(row, None, EDGE) is None
    row.width, row.height = 2000, 1000
    assert picture_size(row, None, EDGE) == QSize(128, 64)


def test_a_tiny_picture_is_not_enlarged(row: Row) -> None:
    row.width, row.height = 16, 12
    assert picture_size(row, pixmap(16, 12), EDGE) == QSize(16, 12)
    row.width = row.height = None
    row.flavor = Flavor.LARGE
    assert picture_size(row, pixmap(16, 12), EDGE) == QSize(16, 12)


def test_a_smaller_thumbnail_stands_in_at_full_size_after_zooming_in(row: Row) -> None:
    row.width, row.height, row.flavor = 4000, 3000, Flavor.NORMAL
    assert picture_size(row, pixmap(128, 96), 512) == QSize(512, 384)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(4000, 200, QSize(128, 32)), (200, 4000, QSize(32, 128)), (2000, 10, QSize(128, 10))],
)
def test_a_panorama_is_shown_by_its_middle(row: Row, width: int, height: int, size: QSize) -> None:
    row.width, row.height = width, height
    assert is_wide(row)
    assert picture_size(row, None, EDGE) == size
    source = source_rect(pixmap(256, 256 * height // width or 1), QRect(0, 0, size.width(), size.height()))
    assert source.center().x() == pytest.approx(128)
    assert source.width() < 256 or width < height


def test_four_to_one_is_still_shown_whole(row: Row) -> None:
    row.width, row.height = 4000, 1000
    assert not is_wide(row)


def test_black_art_on_transparent_ground_is_seen(paint: Callable[..., QImage], row: Row, theme: Theme) -> None:
    art = QPixmap(128, 128)
    art.fill(QColor(0, 0, 0, 0))
    row.shown, row.width, row.height = Shown.READY, 128, 128
    assert paint(row, art).pixelColor(CELL.width() // 2, 70).name() == theme.palette.card


def test_a_picture_that_is_coming_in_is_between_placeholder_and_picture(paint: Callable[..., QImage], row: Row) -> None:
    row.shown, row.width, row.height = Shown.READY, 128, 128
    half = paint(row, pixmap(128, 128, "#ffffff"), Look(opacity=0.5)).pixelColor(72, 72).lightness()
    whole = paint(row, pixmap(128, 128, "#ffffff")).pixelColor(72, 72).lightness()
    assert 60 < half < whole


def test_names_have_eleven_pixels_at_least_and_keep_both_ends(theme: Theme, qtbot: QtBot) -> None:
    font = QFont()
    font.setPixelSize(6)
    delegate = Delegate(theme, font)
    assert delegate.font.pixelSize() >= 11
    elided = delegate._elide("a very long name of a picture 0001.jpg", 100)
    assert elided.startswith("a v")
    assert elided.endswith("jpg")
    assert "\n" not in delegate._elide("two\nlines", 500)
