"""The short form of ``make chaos``: children killed while they work, daemons killed, started and stopped again."""

import os

import pytest

from chaos_harness import NOBODY, cycles, orphans, replacement, storm, usable_by

pytestmark = pytest.mark.e2e


def other_user() -> int | None:
    """An ordinary user to run as besides root; skips the test where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else; the other test has run as an ordinary user")
    if not usable_by(NOBODY):
        pytest.skip("this Python lies where an ordinary user can't read it")
    return NOBODY


@pytest.mark.parametrize("who", ["me", "nobody"])
def test_items_end_once_and_well_while_children_are_killed(who: str) -> None:
    report = storm(600, seed=7, user=None if who == "me" else other_user())
    assert report.kills, "nobody was killed"
    assert (report.ready, report.failed, report.twice, report.lost) == (600, {}, 0, 0), report
    assert not report.crash_loop, "kills from outside were taken for a crash loop"
    assert report.restarts >= sum(report.kills.values())
    assert report.zombies == 0
    # Five descriptors for each renderer more than at the beginning (there are three instead of two), none kept.
    assert report.descriptors[1] - report.descriptors[0] <= 8, report
    assert report.rss_mb[1] - report.rss_mb[0] <= 20, report


def test_the_spare_takes_over_from_a_renderer_that_is_killed() -> None:
    assert replacement(3)["p50_ms"] < 500, "it waited for a start"


def test_no_descendant_outlives_a_daemon_that_is_killed() -> None:
    assert orphans(2)["max_ms"] < 1000


def test_daemons_that_come_and_go_leave_no_process_no_socket_and_no_file() -> None:
    left = cycles(4)
    assert (left["processes"], left["sockets"], left["files"]) == (0, 0, [])
