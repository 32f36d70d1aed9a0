"""The short form of ``make durable``: a daemon killed again and again in the middle of a durable batch, and at instants
that matter; and that the account of it would notice what must not happen."""

import os
from pathlib import Path

import pytest

from durable_account import BATCH, Ledger, Report, Thumbnails
from durable_harness import instant, storm

pytestmark = pytest.mark.e2e


def whole(report: Report, items: int) -> bool:
    """Whether every item has one end, told and kept."""
    assert report.good, report
    return (report.ready + report.missing, report.lost) == (items, 0)


def test_a_durable_batch_survives_a_daemon_that_is_killed_again_and_again() -> None:
    report = storm(240, 4, seed=3)
    assert whole(report, 240)
    assert report.kills == 4
    assert report.lives >= 2, "nobody told anything before it was killed"


@pytest.mark.parametrize("name", ["after_accepted", "last_told", "paused"])
def test_a_durable_batch_goes_on_where_its_daemon_was_killed(name: str) -> None:
    assert whole(instant(name, 60), 60)


def test_a_durable_folder_is_listed_again_after_its_daemon_was_killed() -> None:
    assert whole(instant("folder_being_listed", 60), 60)


def test_a_batch_that_is_not_durable_is_submitted_again_and_ends_as_well() -> None:
    assert whole(storm(60, 2, seed=4, plain=True), 60)


def test_the_account_notices_what_is_told_twice_in_one_life_or_differently_in_two() -> None:
    ledger = Ledger()
    ready = {"path": b"/a.jpg", "flavor": "normal", "state": "ready", "thumbnail": b"/t.png"}
    ledger.take({"type": "update", "epoch": b"1", "items": [ready]})
    ledger.take({"type": "snapshot", "epoch": b"2", "items": [ready]})
    assert ledger.by_epoch[b"2"][b"/a.jpg"] == 1
    assert not ledger.contradictory
    ledger.take({"type": "update", "epoch": b"2", "items": [ready]})
    ledger.take({"type": "update", "epoch": b"3", "items": [ready | {"state": "failed"}]})
    assert ledger.by_epoch[b"2"][b"/a.jpg"] == 2
    assert ledger.contradictory == {b"/a.jpg"}
    ledger.take({"type": "snapshot", "epoch": b"3", "batches": [{"batch": BATCH, "state": "done", "progress": {}}]})
    assert ledger.end == {}


def test_the_account_notices_a_thumbnail_that_was_made_again_or_is_not_whole(tmp_path: Path) -> None:
    thumbnails = Thumbnails(tmp_path)
    for name in ("kept", "again"):
        (tmp_path / f"{name}.png").write_bytes(b"pixels IEND\xaeB`\x82")
    thumbnails.look()
    (tmp_path / "new").write_bytes(b"pixels IEND\xaeB`\x82")
    os.replace(tmp_path / "new", tmp_path / "again.png")
    (tmp_path / "half.png").write_bytes(b"pixels and no end")
    thumbnails.look()
    assert thumbnails.made_again == {"again.png"}
    assert thumbnails.broken == {"half.png"}
