"""The status line's words."""

import pytest
from pytestqt.qtbot import QtBot

from thumbd_gallery.link import Daemon, Standing
from thumbd_gallery.status import StatusLine
from thumbd_gallery.theme import Theme
from thumbd_gallery.words import counts, duration, running, size
from thumbd_protocol.items import Progress


def progress(done: int, total: int | None, rate: float = 51.2, eta_ms: int | None = 35_000) -> Progress:
    return Progress("b", done, done, 0, 0, 0, 0, total, 0, rate, eta_ms)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((3012, 0, 0, 0, 4, "38 MB"), "3,012 pictures · 4 selected (38 MB)"),
        ((1, 2, 3, 0, 0, None), "2 folders · 1 picture + 3 other files"),
        ((0, 0, 1, 0, 0, None), "no pictures + 1 other file"),
        ((62, 0, 5, 51, 0, None), "62 pictures (51 without a thumbnail) + 5 other files"),
    ],
)
def test_counts_are_told_as_a_person_would(numbers: tuple[int, int, int, int, int, str | None], text: str) -> None:
    assert counts(*numbers) == text


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (progress(1204, 3012), "1,204 of 3,012 · 51/s · 35 s"),
        (progress(7, None), "7 so far"),
        (progress(1, 10, 0.5, 18_000), "1 of 10 · 30 a minute · 18 s"),
        (progress(0, 10, 0.0, None), "0 of 10"),
    ],
)
def test_progress_is_told_with_rate_and_time_left(told: Progress, text: str) -> None:
    assert running(told) == text


@pytest.mark.parametrize(("ms", "text"), [(1, "1 s"), (89_000, "89 s"), (180_000, "3 min"), (7_200_000, "2 h")])
def test_spans_get_coarser(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 B"), (1500, "1.5 kB"), (38_000_000, "38 MB"), (5_000_000_000_000, "5.0 TB")]
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert size(count) == text


def test_the_bar_shows_while_something_runs_and_goes_at_its_end(qtbot: QtBot, theme: Theme) -> None:
    line = StatusLine(theme)
    qtbot.addWidget(line)
    line.show()
    assert not line.bar.isVisible()
    line.show_progress(progress(5, 10))
    assert line.bar.isVisible()
    assert "5 of 10" in line.running.text()
    line.show_progress(progress(10, 10))
    assert not line.bar.isVisible()


def test_the_dot_says_why_the_daemon_is_away(qtbot: QtBot, theme: Theme) -> None:
    line = StatusLine(theme)
    qtbot.addWidget(line)
    line.dot.show_standing(Standing(Daemon.AWAY, "the daemon has gone"))
    assert "away" in line.dot.toolTip()
    assert "the daemon has gone" in line.dot.toolTip()
