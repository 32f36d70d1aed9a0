"""What the gallery's tests share: no screen, rows and entries, a daemon of a few lines, a whole window."""

import os

# Before anything of Qt is loaded: tests need no screen.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QLocale
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from thumbd_gallery.link import Link
from thumbd_gallery.order import Naming, Row
from thumbd_gallery.theme import Mode, Theme
from thumbd_gallery.window import Window
from thumbd_protocol.items import Entry, EntryKind

from .fake_daemon import FakeDaemon

Rows = Callable[..., list[Row]]
Png = Callable[..., bytes]


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    return ["thumbgallery"]


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    qapp.setStyle("Fusion")
    made = Theme(qapp, Mode.DARK)
    yield made
    made.setParent(None)


@pytest.fixture
def link(qtbot: QtBot, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """The link to the `daemon` that a test module has."""
    monkeypatch.setenv("THUMBD_ENDPOINT", daemon.endpoint)
    made = Link()
    made.start()
    yield made
    made.close()


@pytest.fixture
def window(qtbot: QtBot, link: Link, theme: Theme) -> Iterator[Window]:
    """A window that shows the daemon's folder "/pics", and knows all of its names."""
    made = Window(link, theme, b"/pics")
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    qtbot.waitUntil(lambda: made.entries.listed, timeout=10_000)
    yield made
    made.work.close()


@pytest.fixture
def rows(qtbot: QtBot) -> Rows:
    """Rows of a folder by their names; a name that ends with ``/`` is a subfolder's."""

    def make(*names: str | bytes, folder: bytes = b"/f") -> list[Row]:
        raw = [name if isinstance(name, bytes) else name.encode() for name in names]
        entries = [Entry(n.rstrip(b"/"), EntryKind.FOLDER if n.endswith(b"/") else EntryKind.IMAGE) for n in raw]
        return Naming(QLocale("en_US")).rows(folder, entries)[0]

    return make


@pytest.fixture
def png(tmp_path: Path) -> Png:
    """A PNG of one colour; its path."""

    def make(name: str = "a.png", width: int = 32, height: int = 24, colour: str = "#3366cc") -> bytes:
        image = QImage(width, height, QImage.Format.Format_ARGB32)
        image.fill(QColor(colour))
        path = tmp_path / name
        assert image.save(str(path), "PNG")
        return os.fsencode(path)

    return make
