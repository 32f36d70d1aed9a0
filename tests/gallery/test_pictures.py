"""Reading thumbnails: in the background, the wanted ones, within a bound; unreadable ones are told."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from thumbd_gallery.pictures import Pictures, Wanted

Png = Callable[..., bytes]


@pytest.fixture
def pictures(qtbot: QtBot) -> Iterator[Pictures]:
    made = Pictures()
    yield made
    made.close()


def test_a_thumbnail_is_read_and_kept(qtbot: QtBot, pictures: Pictures, png: Png) -> None:
    file = png(width=40, height=30)
    assert pictures.get(file) is None
    with qtbot.waitSignal(pictures.loaded, timeout=5000) as told:
        pictures.want([Wanted(b"/f/a.jpg", file)])
    assert told.args == [b"/f/a.jpg", True]
    pixmap = pictures.get(file)
    assert pixmap is not None
    assert (pixmap.width(), pixmap.height()) == (40, 30)


@pytest.mark.parametrize("content", [None, b"", b"not a png"], ids=["evicted", "empty", "garbage"])
def test_a_thumbnail_that_cannot_be_read_is_told_with_its_file(
    qtbot: QtBot, pictures: Pictures, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "gone.png"
    if content is not None:
        path.write_bytes(content)
    with qtbot.waitSignal(pictures.unreadable, timeout=5000) as told:
        pictures.want([Wanted(b"/f/a.jpg", os.fsencode(path))])
    assert told.args == [b"/f/a.jpg", os.fsencode(path)]


def test_what_is_no_longer_wanted_is_not_read(qtbot: QtBot, pictures: Pictures, png: Png) -> None:
    read: list[bytes] = []
    pictures.loaded.connect(lambda path, first: read.append(path))
    many = [Wanted(b"/f/%d" % number, png(f"{number}.png")) for number in range(40)]
    last = Wanted(b"/f/last", png("last.png"))
    pictures.want(many)
    pictures.want([last])
    qtbot.waitUntil(lambda: b"/f/last" in read, timeout=5000)
    qtbot.waitUntil(lambda: pictures.idle, timeout=5000)
    assert len(read) < 10


def test_no_more_than_the_bound_is_kept_and_the_oldest_goes(qtbot: QtBot, png: Png) -> None:
    pictures = Pictures(kept_bytes=3 * 10 * 10 * 4)
    files = [png(f"{number}.png", 10, 10) for number in range(5)]
    for file in files:
        with qtbot.waitSignal(pictures.loaded, timeout=5000):
            pictures.want([Wanted(b"/f", file)])
    assert pictures.held <= 3 * 10 * 10 * 4
    assert [pictures.get(file) is not None for file in files] == [False, False, True, True, True]
    pictures.close()


def test_a_thumbnail_written_anew_shows_the_old_until_the_new_is_read(
    qtbot: QtBot, pictures: Pictures, png: Png
) -> None:
    file = png("a.png", 10, 10)
    with qtbot.waitSignal(pictures.loaded, timeout=5000):
        pictures.want([Wanted(b"/f", file)])
    png("a.png", 20, 20)
    pictures.renew(file)
    old = pictures.get(file)
    assert old is not None
    assert old.width() == 10
    with qtbot.waitSignal(pictures.loaded, timeout=5000) as told:
        pictures.want([Wanted(b"/f", file)])
    assert told.args == [b"/f", False]
    new = pictures.get(file)
    assert new is not None
    assert new.width() == 20
