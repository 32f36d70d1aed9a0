"""Whose doing a renderer's death is: the file's, somebody's outside, the place's, nobody's; and what follows."""

import pytest

from thumbd_daemon import records
from thumbd_daemon.batches import MAX_RETRIES
from thumbd_daemon.news import Ended
from thumbd_daemon.pool import Kind
from thumbd_daemon.quarantine import Quarantined
from thumbd_daemon.verdicts import STOPPED
from thumbd_daemon.worker_handle import Exit
from thumbd_protocol.items import Source
from thumbd_protocol.items import State as ItemState

from .workshop import KILLED, SEGV, Workshop, signs

KNOWN = Quarantined(b"/x", 5, 1000, "r1", "crashed the renderer (SIGSEGV), 2 times", 2, 1)


def dies_over_x(shop: Workshop, end: Exit) -> None:
    """The renderer dies in the middle of /x."""
    if shop.all_busy_with(records.Look):
        shop.miss()
    shop.opened()
    shop.dies(shop.renderer()[0], end)


# -- the file's ---------------------------------------------------------------------------------------------------


def test_two_deaths_of_its_own_quarantine_a_file_and_the_store_is_told() -> None:
    shop = Workshop()
    shop.submit("x")
    dies_over_x(shop, SEGV)
    assert shop.finals() == []
    assert shop.stats.retries == 1
    dies_over_x(shop, SEGV)
    (told,) = shop.finals()
    assert (told.state, told.error, told.source) == (ItemState.FAILED, "quarantined", Source.RENDER)
    (kept,) = shop.store.kept
    assert (kept.path, kept.size, kept.mtime_ns, kept.renderer, kept.deaths) == (b"/x", 1000, 5, "r1", 2)
    assert kept.since_ms == shop.wall_ms()
    assert "SIGSEGV" in kept.reason
    assert shop.stats.failed == {"quarantined": 1}
    (end,) = [one.end for one in shop.wishes.news if isinstance(one, Ended)]
    assert (end.failed, end.quarantined) == (1, 1)
    shop.nothing_is_left()


def test_a_quarantined_file_that_is_asked_for_again_is_told_from_the_cache_without_a_renderer() -> None:
    shop = Workshop(known=[KNOWN])
    shop.submit("x")
    shop.miss()
    (told,) = shop.finals()
    assert (told.error, told.source, told.retryable) == ("quarantined", Source.CACHE, False)
    assert told.message is not None
    assert told.message.startswith("/x: is quarantined: crashed the renderer (SIGSEGV), 2 times")
    assert "thumbctl quarantine" in told.message
    assert all(worker.tasks == 0 for worker in shop.pool.of(Kind.RENDERER))
    shop.nothing_is_left()


@pytest.mark.parametrize(("size", "mtime_ns"), [(1001, 5), (1000, 6)])
def test_a_quarantined_file_that_has_changed_is_rendered(size: int, mtime_ns: int) -> None:
    shop = Workshop(known=[KNOWN])
    shop.submit("x")
    shop.miss(size, mtime_ns)
    shop.to_the_end()
    assert shop.states() == [("x", ItemState.READY, None)]
    assert shop.store.forgotten == [b"/x"]


def test_one_death_between_others_that_others_caused_is_not_enough() -> None:
    shop = Workshop()
    shop.submit("x")
    for end in (SEGV, KILLED, KILLED):
        dies_over_x(shop, end)
    assert shop.finals() == []
    shop.to_the_end()
    assert shop.states() == [("x", ItemState.READY, None)]
    assert shop.store.kept == []


# -- somebody's outside -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [None, 0, 2, 9])
def test_a_file_whose_renderers_others_kill_is_tried_as_often_as_its_batch_asks_for(asked: int | None) -> None:
    shop = Workshop()
    shop.submit("x", max_retries=asked)
    for _ in range(MAX_RETRIES if asked is None else asked):
        dies_over_x(shop, KILLED)
        assert shop.finals() == []
    dies_over_x(shop, KILLED)
    (told,) = shop.finals()
    assert (told.error, told.retryable) == ("crashed", True)
    assert told.message is not None
    assert "killed from outside (SIGKILL)" in told.message
    assert (len(shop.quarantine), shop.store.kept) == (0, [])
    shop.nothing_is_left()


def test_of_two_batches_that_want_a_file_the_one_that_asks_for_more_tries_counts() -> None:
    shop = Workshop()
    shop.submit("x", max_retries=0)
    shop.submit("x", batch="patient", max_retries=3)
    for _ in range(3):
        dies_over_x(shop, KILLED)
        assert shop.finals() == []
    dies_over_x(shop, KILLED)
    assert shop.states() == [("x", ItemState.FAILED, "crashed")]


def test_a_renderer_that_somebody_has_stopped_is_killed_and_that_is_not_the_files_fault() -> None:
    shop = Workshop()
    shop.submit("x")
    shop.miss()
    shop.opened()
    renderer, _job = shop.renderer()
    shop.ground.signs[renderer.serial] = signs(stopped=True)
    shop.passes(0.3)
    assert renderer.killed_for == STOPPED
    (item,) = shop.wishes.items.values()
    assert (item.deaths, item.outside_deaths) == (0, 1)
    shop.to_the_end()
    assert shop.states() == [("x", ItemState.READY, None)]


def test_a_scout_that_somebody_has_stopped_is_killed_and_blames_no_mount() -> None:
    shop = Workshop()
    shop.submit("x")
    scout, _look = shop.looking()
    shop.ground.signs[scout.serial] = signs(stopped=True)
    shop.passes(0.3)
    assert scout.killed_for == STOPPED
    assert shop.mounts.in_trouble(shop.now) == []
    shop.to_the_end()
    assert shop.states() == [("x", ItemState.READY, None)]


# -- retries, priorities ------------------------------------------------------------------------------------------


def test_another_try_comes_behind_what_was_asked_for_with_the_same_priority() -> None:
    shop = Workshop()
    shop.submit("x", "y")
    dies_over_x(shop, SEGV)
    assert shop.opening()[1].path == b"/y"
    shop.to_the_end()
    assert [name for name, _state, _error in shop.states()] == ["y", "x"]


def test_status_tells_how_often_an_item_was_tried() -> None:
    shop = Workshop()
    shop.submit("x")
    for end in (SEGV, KILLED):
        dies_over_x(shop, end)
    (status,) = shop.jobs.status(list(shop.wishes.items.values()))
    assert status.attempts == 2


# -- children at rest ---------------------------------------------------------------------------------------------


def test_a_child_that_gives_no_sign_of_life_is_replaced_and_one_that_does_stays() -> None:
    shop = Workshop()
    deaf, *others = list(shop.pool.of(Kind.QUICK))
    shop.crew.deaf.add(deaf.serial)
    shop.passes(11.0)
    assert shop.crew.killed == [deaf]
    assert deaf.killed_for == "it did not answer a ping"
    assert set(others) < set(shop.pool.of(Kind.QUICK))
    assert len(list(shop.pool.of(Kind.QUICK))) == 2


def test_a_child_that_is_not_ready_in_time_is_killed_and_another_is_started() -> None:
    shop = Workshop()
    shop.crew.born_ready = False
    lost = next(shop.pool.of(Kind.LISTING))
    shop.dies(lost)
    (late,) = shop.pool.of(Kind.LISTING)
    shop.passes(10.0)
    assert late in shop.crew.killed
    assert late.killed_for == "it was not ready in time"
    shop.passes(0.2)
    assert [w for w in shop.pool.of(Kind.LISTING) if w is not late] != []


def test_a_house_that_starts_nobody_any_more_is_not_woken_for_those_that_could_not_start() -> None:
    shop = Workshop()
    shop.crew.born_ready = False
    shop.dies(next(shop.pool.of(Kind.LISTING)))
    shop.dies(next(shop.pool.of(Kind.LISTING)))
    assert list(shop.pool.of(Kind.LISTING)) == []
    shop.now += 1.0
    shop.care.check(refill=False)
    due = shop.care.next_deadline(shop.now)
    assert due is not None
    assert due > shop.now


def test_a_house_at_rest_has_few_turns() -> None:
    shop = Workshop()
    shop.passes(60.0)
    assert shop.turns < 60
    assert shop.crew.killed == []
