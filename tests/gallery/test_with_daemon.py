"""The window with the real daemon, in folders of its own: pictures come, and come though the daemon is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from thumbd_gallery.link import Daemon, Link
from thumbd_gallery.order import Shown
from thumbd_gallery.theme import Theme
from thumbd_gallery.window import Window
from thumbd_home import Home

pytestmark = [
    pytest.mark.e2e,
    # The daemon is meant to outlive who started it; Python warns of a child that is not waited for.
    pytest.mark.filterwarnings("ignore:.*Popen.__del__.*:pytest.PytestUnraisableExceptionWarning"),
]
SLOW = 30_000  # ms


@pytest.fixture
def runtime(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home's folders are this process' own: the window starts its daemon there."""
    for name, value in home.environ.items():
        if name.startswith(("XDG_", "PYTHON_TEST_")):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("THUMBD_ENDPOINT", raising=False)
    return home


@pytest.fixture
def folder(tmp_path: Path) -> bytes:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(60):
        image = QImage(640, 480, QImage.Format.Format_RGB32)
        image.fill(QColor.fromHsv(number * 6, 200, 200))
        assert image.save(str(pictures / f"p{number}.jpg"))
    (pictures / "broken.jpg").write_bytes((pictures / "p0.jpg").read_bytes()[:200])
    (pictures / "notes.txt").write_text("not a picture")
    return os.fsencode(pictures)


@pytest.fixture
def window(qtbot: QtBot, runtime: Home, folder: bytes, theme: Theme) -> Iterator[Window]:
    link = Link()
    link.start()
    made = Window(link, theme, folder)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    yield made
    made.work.close()
    link.close()


def standing(window: Window) -> dict[Shown, int]:
    rows = [window.entries.row(number) for number in range(window.entries.rowCount())]
    return {shown: sum(1 for row in rows if row.shown is shown) for shown in Shown}


def test_a_newcomer_sees_every_picture_and_why_one_is_missing(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: standing(window)[Shown.READY] == 60, timeout=SLOW)
    qtbot.waitUntil(lambda: standing(window)[Shown.FAILED] == 1, timeout=SLOW)
    row = window.entries.row(window.entries.find(window.entries.folder + b"/broken.jpg") or 0)
    assert row.reason is not None
    assert "can't be decoded" in row.reason
    assert window.entries.others == 1
    ready = window.entries.row(window.entries.find(window.entries.folder + b"/p1.jpg") or 0)
    assert (ready.width, ready.height) == (640, 480)
    qtbot.waitUntil(lambda: window.pictures.get(ready.thumbnail) is not None, timeout=SLOW)


def test_all_tiles_come_though_renderers_and_the_daemon_are_killed_in_mid_scroll(
    qtbot: QtBot, window: Window, runtime: Home
) -> None:
    qtbot.waitUntil(lambda: window.entries.listed, timeout=SLOW)
    qtbot.waitUntil(lambda: len(runtime.workers("renderer")) >= 2, timeout=SLOW)
    for pid in runtime.workers("renderer"):
        os.kill(pid, signal.SIGKILL)
    window.grid.set_scroll(window.grid.layout_now.height)
    killed = runtime.daemon_pids()
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    window.grid.set_scroll(0)
    window.grid.set_scroll(window.grid.layout_now.height // 2)
    qtbot.waitUntil(lambda: standing(window)[Shown.PENDING] == 0, timeout=SLOW)
    assert standing(window) == {Shown.PENDING: 0, Shown.READY: 60, Shown.FAILED: 1}
    assert window.status.dot.standing.daemon is Daemon.OK


def test_the_loupe_gets_a_preview_that_is_larger_than_the_thumbnail(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: standing(window)[Shown.READY] == 60, timeout=SLOW)
    path = window.entries.folder + b"/p5.jpg"
    window.grid.opened.emit(path)

    def larger() -> bool:
        pixmap = window.loupe.shown_preview()
        return pixmap is not None and pixmap.width() == 640

    qtbot.waitUntil(larger, timeout=SLOW)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "thumbd_gallery", *words]


def test_ctrl_c_in_the_terminal_closes_the_window_cleanly(runtime: Home, folder: bytes, qtbot: QtBot) -> None:
    with subprocess.Popen(command(os.fsdecode(folder)), stderr=subprocess.PIPE) as gallery:
        # The daemon it starts tells that its loop runs.
        qtbot.waitUntil(lambda: bool(runtime.daemon_pids()) and runtime.socket.exists(), timeout=SLOW)
        gallery.send_signal(signal.SIGINT)
        _, said = gallery.communicate(timeout=20)
    assert gallery.returncode == 0
    assert b"Traceback" not in said


def test_the_folder_changes_and_so_does_the_window(qtbot: QtBot, window: Window, folder: bytes) -> None:
    def paint(name: str, colour: str) -> None:
        image = QImage(640, 480, QImage.Format.Format_RGB32)
        image.fill(QColor(colour))
        assert image.save(os.fsdecode(folder) + f"/{name}")

    def colour(name: str) -> str | None:
        number = window.entries.find(folder + b"/" + name.encode())
        pixmap = None if number is None else window.pictures.get(window.entries.row(number).thumbnail)
        return None if pixmap is None else pixmap.toImage().pixelColor(20, 20).name()

    qtbot.waitUntil(lambda: window.entries.listed and window.entries.row(5).size is not None, timeout=SLOW)
    paint("aaa.png", "#ff0000")
    qtbot.waitUntil(lambda: colour("aaa.png") == "#ff0000", timeout=SLOW)
    assert window.entries.find(folder + b"/aaa.png") == 0
    paint("aaa.png", "#00ff00")
    os.utime(folder + b"/aaa.png", (1, 1))  # the time in a thumbnail has whole seconds
    qtbot.waitUntil(lambda: colour("aaa.png") == "#00ff00", timeout=SLOW)
    os.rename(folder + b"/aaa.png", folder + b"/zzz.png")
    qtbot.waitUntil(lambda: colour("zzz.png") == "#00ff00", timeout=SLOW)
    os.unlink(folder + b"/zzz.png")
    qtbot.waitUntil(lambda: window.entries.find(folder + b"/zzz.png") is None, timeout=SLOW)
    assert window.entries.rowCount() == 61
