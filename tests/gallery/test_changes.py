"""A window whose folder changes while it is looked at, with a daemon of a few lines behind a real socket."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from thumbd_gallery.link import Link
from thumbd_gallery.model import Change
from thumbd_gallery.order import Shown
from thumbd_gallery.voice import MAX_LIST
from thumbd_gallery.window import Window
from thumbd_protocol.items import Entry, EntryKind, Flavor, FolderChange, ItemUpdate, Source, State

from .fake_daemon import FakeDaemon
from .hands import key

Png = Callable[..., bytes]
Key = Qt.Key
SLOW = 10_000  # ms
COUNT = 200


def image(name: str, size: int | None = None) -> Entry:
    return Entry(name.encode(), EntryKind.IMAGE, size, size)


def path(name: str) -> bytes:
    return b"/pics/" + name.encode()


@pytest.fixture
def colours(png: Png) -> dict[str, bytes]:
    """What the daemon answers for every picture: a test may change it."""
    return {"now": png("thumb.png", 256, 192)}


@pytest.fixture
def daemon(tmp_path: Path, colours: dict[str, bytes]) -> Iterator[FakeDaemon]:
    def answer(path: bytes, flavor: Flavor) -> ItemUpdate | None:
        return ItemUpdate(
            path, flavor, State.READY, thumbnail=colours["now"], width=800, height=600, source=Source.CACHE
        )

    pictures = [image(f"p{number:03}.jpg") for number in range(COUNT)]
    with FakeDaemon(tmp_path / "s", {b"/pics": pictures, b"/later": ("not_found", "it is not there")}, answer) as made:
        yield made


@pytest.fixture
def window(qtbot: QtBot, window: Window) -> Window:
    """One in which the first picture is seen."""
    qtbot.waitUntil(lambda: shown(window, "p000.jpg") is Shown.READY, timeout=SLOW)
    return window


def shown(window: Window, name: str) -> Shown | None:
    number = window.entries.find(path(name))
    return None if number is None else window.entries.row(number).shown


def test_a_picture_that_comes_is_shown_and_one_that_goes_is_not(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    credits_before = daemon.credits
    daemon.change(FolderChange(b"/pics", added=[image("p000a.jpg", 5)], removed=[b"p001.jpg"]))
    qtbot.waitUntil(lambda: shown(window, "p000a.jpg") is Shown.READY, timeout=SLOW)
    assert window.entries.find(path("p000a.jpg")) == 1
    assert window.entries.find(path("p001.jpg")) is None
    assert window.status.words.said == f"{COUNT} pictures"
    qtbot.waitUntil(lambda: daemon.credits > credits_before, timeout=SLOW)


def test_a_picture_that_changes_is_asked_for_again_and_its_new_thumbnail_is_read(
    qtbot: QtBot, window: Window, daemon: FakeDaemon, png: Png
) -> None:
    def colour() -> str | None:
        row = window.entries.row(0)
        pixmap = window.pictures.get(row.thumbnail)
        return None if pixmap is None else pixmap.toImage().pixelColor(5, 5).name()

    qtbot.waitUntil(lambda: colour() == "#3366cc", timeout=SLOW)
    daemon.change(FolderChange(b"/pics", changed=[image("p000.jpg", 5), image("p001.jpg", 5)]))
    qtbot.waitUntil(lambda: window.entries.row(0).size == 5, timeout=SLOW)
    asked = len(daemon.focuses())
    png("thumb.png", 256, 192, "#cc3300")  # the daemon writes it anew, in the same file
    daemon.change(FolderChange(b"/pics", changed=[image("p000.jpg", 6)]))
    qtbot.waitUntil(lambda: colour() == "#cc3300", timeout=SLOW)
    left, back = daemon.focuses()[asked : asked + 2]
    assert path("p000.jpg") not in left.visible
    assert path("p001.jpg") in left.visible
    assert path("p000.jpg") in back.visible


def test_what_is_looked_at_stays_where_it_is_when_pictures_come_and_go_above(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    grid = window.grid
    grid.go_to(120)
    assert grid.current_path() == path("p120.jpg")
    assert grid.scrolled > 0
    before = grid.box(grid.current).top()
    daemon.change(
        FolderChange(
            b"/pics",
            removed=[b"p%03d.jpg" % number for number in range(0, 60, 4)],
            renamed=[(b"p120.jpg", b"p121a.jpg")],
            added=[image(f"a{number}.jpg") for number in range(40)],
        )
    )
    qtbot.waitUntil(lambda: window.entries.rowCount() == COUNT + 25, timeout=SLOW)
    assert grid.current_path() == path("p121a.jpg")
    assert {window.entries.row(index.row()).path for index in grid.selectedIndexes()} == {path("p121a.jpg")}
    daemon.change(FolderChange(b"/pics", removed=[b"a%d.jpg" % number for number in range(3, 30)]))
    qtbot.waitUntil(lambda: window.entries.rowCount() == COUNT - 2, timeout=SLOW)
    assert grid.box(grid.current).top() == before


def test_the_loupe_follows_a_rename_and_goes_on_to_the_next_when_its_picture_goes(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    window.grid.go_to(5)
    key(window.grid, Key.Key_Return)
    assert window.loupe.path == path("p005.jpg")
    daemon.change(FolderChange(b"/pics", renamed=[(b"p005.jpg", b"p150a.jpg")]))
    qtbot.waitUntil(lambda: window.loupe.path == path("p150a.jpg"), timeout=SLOW)
    daemon.change(FolderChange(b"/pics", removed=[b"p000.jpg"]))
    daemon.change(FolderChange(b"/pics", removed=[b"p150a.jpg"]))
    qtbot.waitUntil(lambda: window.loupe.path == path("p151.jpg"), timeout=SLOW)
    assert window.loupe.isVisible()
    daemon.change(FolderChange(b"/pics", removed=[b"p%03d.jpg" % number for number in range(COUNT)][6:]))
    qtbot.waitUntil(lambda: window.loupe.path == path("p004.jpg"), timeout=SLOW)
    daemon.change(FolderChange(b"/pics", removed=[b"p%03d.jpg" % number for number in range(1, 5)]))
    qtbot.waitUntil(lambda: not window.loupe.isVisible(), timeout=SLOW)


def test_the_loupes_picture_is_asked_for_again_when_it_changes(
    qtbot: QtBot, window: Window, daemon: FakeDaemon, png: Png
) -> None:
    def colour() -> str | None:
        pixmap = window.loupe.shown_preview()
        return None if pixmap is None else pixmap.toImage().pixelColor(5, 5).name()

    daemon.change(FolderChange(b"/pics", changed=[image("p005.jpg", 5)]))
    window.grid.go_to(5)
    key(window.grid, Key.Key_Return)
    qtbot.waitUntil(lambda: colour() == "#3366cc", timeout=SLOW)
    png("thumb.png", 256, 192, "#cc3300")
    daemon.change(FolderChange(b"/pics", changed=[image("p005.jpg", 6)]))
    qtbot.waitUntil(lambda: colour() == "#cc3300", timeout=SLOW)


def test_a_long_change_comes_to_the_window_in_short_lists_in_order(
    qtbot: QtBot, window: Window, link: Link, daemon: FakeDaemon
) -> None:
    heard: list[Change] = []
    link.changed.connect(heard.append)
    daemon.change(
        FolderChange(
            b"/pics",
            removed=[b"p%03d.jpg" % number for number in range(100)],
            renamed=[(b"p150.jpg", b"p000.jpg")],
            added=[image(f"n{number}.jpg") for number in range(899)],
        )
    )
    qtbot.waitUntil(lambda: window.entries.rowCount() == COUNT - 100 + 899, timeout=SLOW)
    assert [(len(c.removed), len(c.renamed), len(c.added)) for c in heard] == [
        (100, 0, 0),
        (0, 1, 0),
        (0, 0, MAX_LIST),
        (0, 0, 899 - MAX_LIST),
    ]


def test_a_folder_that_comes_later_replaces_the_word_that_it_is_not_there(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    window.go(b"/later")
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.placard, timeout=SLOW)
    qtbot.waitUntil(lambda: window.entries.listed, timeout=SLOW)
    daemon.change(FolderChange(b"/later", added=[image("a.jpg")]))
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.grid, timeout=SLOW)
    daemon.change(FolderChange(b"/later", removed=[b"a.jpg"]))
    qtbot.waitUntil(lambda: window.entries.rowCount() == 0, timeout=SLOW)
    assert window.placard.notice is not None
    assert "not there" not in window.placard.notice.title + window.placard.notice.why
