"""A whole window with a daemon of a few lines behind a real socket."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from thumbd_gallery.link import Daemon, Link, Standing
from thumbd_gallery.order import Shown
from thumbd_gallery.theme import Theme
from thumbd_gallery.window import Window
from thumbd_protocol.items import Entry, EntryKind, Flavor, ItemUpdate, Source, State
from thumbd_protocol.requests import Submit, Unsubscribe

from .fake_daemon import FakeDaemon
from .hands import click, key

Png = Callable[..., bytes]
Key = Qt.Key
SLOW = 10_000  # ms


def image(name: str) -> Entry:
    return Entry(name.encode(), EntryKind.IMAGE)


@pytest.fixture
def thumbnails(png: Png) -> dict[Flavor, bytes]:
    return {Flavor.LARGE: png("large.png", 256, 192), Flavor.PREVIEW: png("preview.png", 800, 600, "#cc3366")}


@pytest.fixture
def daemon(tmp_path: Path, thumbnails: dict[Flavor, bytes]) -> Iterator[FakeDaemon]:
    def answer(path: bytes, flavor: Flavor) -> ItemUpdate | None:
        if path.endswith(b"broken.jpg"):
            return ItemUpdate(path, flavor, State.FAILED, error="decode_error", message="broken.jpg is cut off")
        if path.endswith(b"slow.jpg"):
            return None
        file = thumbnails.get(flavor, thumbnails[Flavor.LARGE])
        return ItemUpdate(path, flavor, State.READY, thumbnail=file, width=800, height=600, source=Source.CACHE)

    folders: dict[bytes, Sequence[Entry] | tuple[str, str]] = {
        b"/pics": [
            *(image(f"p{n}.jpg") for n in range(40)),
            image("broken.jpg"),
            image("slow.jpg"),
            Entry(b"trip", EntryKind.FOLDER),
            Entry(b"notes.txt", EntryKind.OTHER),
        ],
        b"/pics/trip": [image("t1.jpg")],
        b"/": [Entry(b"pics", EntryKind.FOLDER)],
        b"/empty": [Entry(b"a.txt", EntryKind.OTHER), Entry(b"b.txt", EntryKind.OTHER)],
        b"/locked": ("unreadable", "/locked can't be read: permission denied"),
    }
    with FakeDaemon(tmp_path / "s", folders, answer) as made:
        yield made


def shown(window: Window, path: bytes) -> Shown | None:
    number = window.entries.find(path)
    return None if number is None else window.entries.row(number).shown


def test_pictures_come_failed_ones_say_why_and_slow_ones_hold_up_nobody(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: shown(window, b"/pics/p0.jpg") is Shown.READY, timeout=SLOW)
    qtbot.waitUntil(lambda: shown(window, b"/pics/broken.jpg") is Shown.FAILED, timeout=SLOW)
    assert shown(window, b"/pics/slow.jpg") is Shown.PENDING
    file = window.entries.row(window.entries.find(b"/pics/p0.jpg") or 0).thumbnail
    qtbot.waitUntil(lambda: window.pictures.get(file) is not None, timeout=SLOW)
    assert window.status.words.said == "1 folder · 42 pictures (1 without a thumbnail) + 1 other file"
    window.grid.go_to(window.entries.find(b"/pics/broken.jpg") or 0)
    assert "broken.jpg is cut off" in window.status.words.said


def test_what_is_seen_is_asked_for_first_and_the_folder_behind_it(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    qtbot.waitUntil(lambda: any(focus.visible for focus in daemon.focuses()), timeout=SLOW)
    focus = next(focus for focus in daemon.focuses() if focus.visible)
    assert b"/pics/p0.jpg" in focus.visible
    assert b"/pics/p39.jpg" not in focus.visible
    assert b"/pics/trip" not in [*focus.visible, *focus.near]
    qtbot.waitUntil(lambda: any(isinstance(message, Submit) for message in daemon.heard), timeout=SLOW)
    submit = next(message for message in daemon.heard if isinstance(message, Submit))
    assert submit.folder is not None
    assert (submit.folder.path, submit.priority) == (b"/pics", "low")


def test_each_thing_told_is_credited_once_it_is_dealt_with(qtbot: QtBot, window: Window, daemon: FakeDaemon) -> None:
    qtbot.waitUntil(lambda: shown(window, b"/pics/p0.jpg") is Shown.READY, timeout=SLOW)
    qtbot.waitUntil(lambda: daemon.credits >= 2, timeout=SLOW)


def test_a_folder_is_entered_and_left_to_the_same_place(qtbot: QtBot, window: Window, daemon: FakeDaemon) -> None:
    key(window.grid, Key.Key_Home)
    key(window.grid, Key.Key_Return)
    qtbot.waitUntil(lambda: window.entries.listed and window.entries.folder == b"/pics/trip", timeout=SLOW)
    assert window.toolbar.back_button.isEnabled()
    qtbot.waitUntil(lambda: any(isinstance(message, Unsubscribe) for message in daemon.heard), timeout=SLOW)
    key(window.grid, Key.Key_Backspace)
    qtbot.waitUntil(lambda: window.entries.listed and window.entries.folder == b"/pics", timeout=SLOW)
    assert window.grid.current_path() == b"/pics/trip"
    window.back()
    assert window.entries.folder == b"/pics/trip"
    window.forward()
    qtbot.waitUntil(lambda: window.entries.listed, timeout=SLOW)
    assert window.entries.folder == b"/pics"


def test_the_loupe_opens_walks_and_leads_back_to_the_same_place(
    qtbot: QtBot, window: Window, daemon: FakeDaemon, thumbnails: dict[Flavor, bytes]
) -> None:
    window.resize(1000, 400)
    window.grid.go_to(window.entries.find(b"/pics/p10.jpg") or 0)
    scroll = window.grid.scrolled
    key(window.grid, Key.Key_Return)
    assert window.loupe.isVisible()
    assert window.loupe.path == b"/pics/p10.jpg"

    def asked() -> bool:
        previews = [focus for focus in daemon.focuses() if focus.flavor is Flavor.PREVIEW]
        return any(
            f.visible == [b"/pics/p10.jpg"] and f.near[:2] == [b"/pics/p11.jpg", b"/pics/p9.jpg"] for f in previews
        )

    qtbot.waitUntil(asked, timeout=SLOW)
    qtbot.waitUntil(lambda: window.loupe.previews.get(thumbnails[Flavor.PREVIEW]) is not None, timeout=SLOW)
    assert window.loupe.grab().toImage().pixelColor(500, 200).name() == "#cc3366"
    for _ in range(20):
        key(window.loupe, Key.Key_Right)
    assert window.loupe.path == b"/pics/p30.jpg"
    assert window.grid.scrolled != scroll
    for _ in range(20):
        key(window.loupe, Key.Key_Left)
    key(window.loupe, Key.Key_Escape)
    assert not window.loupe.isVisible()
    assert window.grid.current_path() == b"/pics/p10.jpg"
    assert window.grid.scrolled == scroll


def test_the_loupe_stops_at_the_first_and_the_last_picture(qtbot: QtBot, window: Window) -> None:
    window.grid.opened.emit(b"/pics/slow.jpg")
    key(window.loupe, Key.Key_Right)
    assert window.loupe.path == b"/pics/slow.jpg"
    key(window.loupe, Key.Key_Home)
    assert window.loupe.path == b"/pics/broken.jpg"
    key(window.loupe, Key.Key_Left)
    assert window.loupe.path == b"/pics/broken.jpg"  # before it is a folder


def test_the_loupe_shows_the_thumbnail_while_the_preview_is_coming(
    qtbot: QtBot, window: Window, daemon: FakeDaemon, thumbnails: dict[Flavor, bytes]
) -> None:
    file = thumbnails[Flavor.LARGE]
    qtbot.waitUntil(lambda: window.pictures.get(file) is not None, timeout=SLOW)
    qtbot.waitUntil(lambda: shown(window, b"/pics/p0.jpg") is Shown.READY, timeout=SLOW)
    daemon.silent = True
    window.grid.opened.emit(b"/pics/p0.jpg")
    assert window.loupe.grab().toImage().pixelColor(500, 300).name() == "#3366cc"


def test_an_empty_folder_says_so(qtbot: QtBot, window: Window) -> None:
    window.go(b"/empty")
    qtbot.waitUntil(lambda: window.placard.notice is not None, timeout=SLOW)
    qtbot.waitUntil(lambda: window.entries.listed, timeout=SLOW)
    assert window.placard.isVisible()
    assert window.placard.title.text() == "No pictures here"
    assert "2 files of another kind" in window.placard.why.text()


def test_a_folder_that_cannot_be_read_says_why_and_is_looked_at_again(
    qtbot: QtBot, window: Window, daemon: FakeDaemon
) -> None:
    window.go(b"/locked")
    qtbot.waitUntil(lambda: "permission denied" in window.placard.why.text(), timeout=SLOW)
    daemon.folders[b"/locked"] = [image("a.jpg")]
    click(window.placard.button)
    qtbot.waitUntil(lambda: window.entries.pictures() == 1, timeout=SLOW)
    assert window.grid.isVisible()


def test_a_thumbnail_that_vanished_is_asked_for_again_but_not_for_ever(
    qtbot: QtBot, window: Window, daemon: FakeDaemon, tmp_path: Path
) -> None:
    gone = os.fsencode(tmp_path / "gone.png")

    def answer(path: bytes, flavor: Flavor) -> ItemUpdate:
        return ItemUpdate(path, flavor, State.READY, thumbnail=gone, source=Source.CACHE)

    daemon.answer = answer
    window.go(b"/pics/trip")
    qtbot.waitUntil(lambda: shown(window, b"/pics/trip/t1.jpg") is Shown.FAILED, timeout=SLOW)
    again = [m for m in daemon.heard if isinstance(m, Submit) and m.items and m.items[0].path == b"/pics/trip/t1.jpg"]
    assert len(again) == 3


def test_f5_lists_again(qtbot: QtBot, window: Window, daemon: FakeDaemon) -> None:
    daemon.folders[b"/pics"] = [image("new.jpg"), image("p1.jpg")]
    window.look_again()
    qtbot.waitUntil(lambda: window.entries.rowCount() == 2, timeout=SLOW)
    assert window.entries.find(b"/pics/new.jpg") == 0


def test_a_daemon_told_to_leave_is_not_started_again_by_itself(
    qtbot: QtBot, window: Window, link: Link, daemon: FakeDaemon
) -> None:
    daemon.notice("draining", "the daemon is leaving")
    qtbot.waitUntil(lambda: link.standing.daemon is Daemon.STOPPED, timeout=SLOW)
    assert window.banner.isVisible()
    assert window.banner.button.text() == "Start again"
    assert window.grid.isVisible()


def test_a_daemon_that_is_not_well_is_told_by_the_dot_and_its_tooltip_until_it_is(
    qtbot: QtBot, window: Window, link: Link, daemon: FakeDaemon
) -> None:
    daemon.notice("degraded", "the file system at /nas does not answer")
    qtbot.waitUntil(lambda: window.status.dot.standing.daemon is Daemon.DEGRADED, timeout=SLOW)
    assert "degraded" in window.status.dot.toolTip()
    assert "the file system at /nas does not answer" in window.status.dot.toolTip()
    assert window.grid.isVisible()
    assert not window.banner.isVisible()
    daemon.notice("recovered", "all is well again")
    qtbot.waitUntil(lambda: link.standing.daemon is Daemon.OK, timeout=SLOW)


def test_two_windows_share_one_link_and_each_has_its_folder(
    qtbot: QtBot, window: Window, link: Link, theme: Theme, daemon: FakeDaemon
) -> None:
    other = Window(link, theme, b"/pics/trip")
    qtbot.addWidget(other)
    qtbot.waitUntil(lambda: other.entries.listed, timeout=SLOW)
    assert (window.entries.rowCount(), other.entries.rowCount()) == (43, 1)
    other.work.close()


def test_without_a_daemon_the_reason_and_a_button_are_shown(
    qtbot: QtBot, theme: Theme, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("THUMBD_ENDPOINT", f"ipc://{tmp_path}/nobody")
    link = Link()
    link.start()
    window = Window(link, theme, b"/pics")
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: link.standing.daemon is Daemon.REFUSED, timeout=SLOW)
    assert window.placard.isVisible()
    assert "nobody" in window.placard.accessibleName()
    # None was started, so there is no log to look into.
    assert "thumbd.log" not in window.placard.accessibleName()
    told: list[Standing] = []
    link.stood.connect(told.append)
    click(window.placard.button)
    qtbot.waitUntil(lambda: [s.daemon for s in told] == [Daemon.STARTING, Daemon.REFUSED], timeout=SLOW)
    window.work.close()
    link.close()


def test_the_link_closes_while_the_daemon_says_nothing(qtbot: QtBot, daemon: FakeDaemon, link: Link) -> None:
    qtbot.waitUntil(lambda: link.standing.daemon is Daemon.OK, timeout=SLOW)
    daemon.silent = True
    link.close()
    link.close()


def test_ctrl_plus_and_the_slider_agree(qtbot: QtBot, window: Window) -> None:
    edge = window.grid.edge
    key(window, Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    assert window.grid.edge > edge
    assert window.toolbar.slider.value() == window.grid.edge
    window.toolbar.slider.setValue(128)
    assert window.grid.edge == 128


def test_the_parts_of_the_path_lead_up(qtbot: QtBot, window: Window) -> None:
    crumb = window.toolbar.breadcrumb
    crumb.chosen.emit(b"/")
    qtbot.waitUntil(lambda: window.entries.find(b"/pics") is not None, timeout=SLOW)
    assert not window.toolbar.up_button.isEnabled()
    assert window.grid.current_path() == b"/pics"
    QApplication.sendPostedEvents()
    assert window.childAt(QPoint(20, 20)) is not None
