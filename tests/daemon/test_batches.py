"""Counting a batch: its progress, its rate and its end."""

import pytest

from thumbd_daemon.batches import Batch, Outcome, Terms
from thumbd_daemon.items import Key
from thumbd_daemon.lanes import Client, Lane
from thumbd_protocol.items import Flavor, Rank, Source, State

READY = Outcome(State.READY, source=Source.RENDER, size=10)


def keys(count: int) -> list[Key]:
    return [(b"/%d" % n, Flavor.LARGE) for n in range(count)]


def batch_of(count: int) -> Batch:
    batch = Batch("b", Terms(), Lane(Client(0, b"c"), Rank.NORMAL), started=100.0)
    for key in keys(count):
        batch.add(key)
    return batch


def test_each_state_is_counted_where_it_belongs() -> None:
    batch = batch_of(5)
    outcomes = [
        READY,
        Outcome(State.READY, source=Source.CACHE, size=5),
        Outcome(State.FAILED, error="crashed"),
        Outcome(State.FAILED, error="quarantined", source=Source.CACHE),
        Outcome(State.CANCELLED),
    ]
    for key, outcome in zip(keys(5), outcomes, strict=True):
        assert not batch.complete
        batch.settle(key, outcome, 101.0)
    assert batch.complete
    progress = batch.progress(101.0)
    assert (progress.done, progress.ready, progress.failed, progress.cancelled) == (5, 2, 2, 1)
    assert (progress.cached, progress.bytes, progress.total, batch.quarantined) == (2, 15, 5, 1)


def test_an_item_is_settled_once_and_never_a_strangers() -> None:
    batch = batch_of(1)
    batch.settle(keys(1)[0], READY, 101.0)
    with pytest.raises(KeyError):
        batch.settle(keys(1)[0], READY, 101.0)
    with pytest.raises(KeyError):
        batch.settle((b"/strange", Flavor.LARGE), READY, 101.0)
    assert batch.done == 1


@pytest.mark.parametrize("still", ["listing", "more"])
def test_while_more_may_come_there_is_no_end_and_of_a_folder_no_total(still: str) -> None:
    batch = batch_of(1)
    setattr(batch, still, True)
    batch.settle(keys(1)[0], READY, 101.0)
    assert [batch.complete, batch.progress(101.0).total] == [False, None if still == "listing" else 1]
    setattr(batch, still, False)
    assert batch.complete
    assert batch.progress(101.0).total == 1


def test_an_empty_batch_is_complete() -> None:
    assert batch_of(0).complete


def test_the_rate_is_the_one_of_late_not_of_the_whole_run() -> None:
    batch = batch_of(200)
    for n, key in enumerate(keys(100)):  # ten a second for ten seconds
        batch.settle(key, READY, 100.0 + n / 10)
    assert batch.progress(110.0).rate == pytest.approx(10, rel=0.1)
    assert batch.progress(110.0).eta_ms == pytest.approx(10_000, rel=0.1)
    assert batch.progress(140.0).rate < 3  # then nothing for half a minute


def test_the_rate_of_a_batch_that_has_just_begun_is_finite() -> None:
    batch = batch_of(3)
    batch.settle(keys(1)[0], READY, 100.0)
    assert 0 < batch.progress(100.0).rate <= 1000
    assert batch_of(1).progress(100.0).eta_ms is None


def test_what_it_came_to_is_told_with_the_time_it_took() -> None:
    batch = batch_of(1)
    batch.settle(keys(1)[0], READY, 101.0)
    batch.ended = 101.5
    batch.error, batch.message = "not_found", "no such folder"
    end = batch.end()
    assert (end.ready, end.failed, end.elapsed_ms, end.error, end.message) == (
        1,
        0,
        1500,
        "not_found",
        "no such folder",
    )
    assert batch.info(102.0).state == "done"
    assert batch.info(102.0).age_ms == 2000


def test_an_update_tells_all_of_an_outcome() -> None:
    outcome = Outcome(State.FAILED, None, b"/v", 1, 2, Source.RENDER, "crashed", "why", True, 7)
    update = outcome.update((b"/a", Flavor.NORMAL))
    for name in ("state", "thumbnail", "volatile", "width", "height", "source", "error", "message", "retryable"):
        assert getattr(update, name) == getattr(outcome, name)
    assert (update.path, update.flavor) == (b"/a", Flavor.NORMAL)
