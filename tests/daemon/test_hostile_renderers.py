"""What a renderer that was taken over can do by its conduct alone, and what it costs others: nothing."""

import pytest

from thumbd_daemon import records
from thumbd_daemon.mounts import Road
from thumbd_daemon.pool import PING_EVERY_S, Kind, Worker
from thumbd_protocol.items import State as ItemState

from .workshop import MB, Workshop, signs


def at_rest(shop: Workshop) -> Worker:
    """A renderer with nothing to do."""
    worker = shop.pool.idle(Kind.RENDERER)
    assert worker is not None
    return worker


def asleep() -> tuple[Workshop, Worker]:
    """A renderer sleeps over a file, and the kernel tells nobody over what."""
    shop = Workshop(renderers=2)
    shop.submit("x")
    shop.miss()
    shop.opened()
    renderer, _job = shop.renderer()
    shop.ground.signs[renderer.serial] = signs(asleep=True, cpu=1.0, sleeps=5)
    shop.passes(1.0)
    return shop, renderer


def test_one_that_sleeps_loses_its_place_and_accuses_no_file_system() -> None:
    shop, renderer = asleep()
    assert renderer.stuck is not None, "others work in its place"
    assert shop.mounts.road(shop.mounts.of(b"/x")) is Road.CLEAR
    shop.submit("z", batch="other")
    assert [path for _number, path, _flavor in shop.looking()[1].files] == [b"/z"]


def test_one_that_sleeps_for_ever_is_late_and_that_is_its_files_fault() -> None:
    shop, renderer = asleep()
    shop.passes(shop.settings.task_base_s)
    assert renderer in shop.crew.killed
    assert renderer.killed_for == "deadline"


def test_one_that_takes_no_source_is_ended_and_the_file_goes_to_another() -> None:
    shop = Workshop(renderers=2)
    shop.submit("x")
    shop.miss()
    scout, order = shop.opening()
    deaf = shop.pool.workers[order.renderer]
    shop.answer(scout, records.OpenFailed(order.job, "internal", "/x: its renderer takes nothing", True, True))
    assert shop.crew.killed == [deaf]
    shop.to_the_end()
    assert shop.states() == [("x", ItemState.READY, None)]


@pytest.mark.parametrize("need", [1 << 49, 1536 * MB])
def test_one_that_wants_more_memory_than_a_picture_may_need_is_ended_at_once(need: int) -> None:
    shop = Workshop(renderers=2)
    shop.submit("x")
    shop.miss()
    shop.opened()
    renderer, job = shop.renderer()
    shop.answer(renderer, records.Header(job, 100, 100, need))
    assert shop.crew.killed == [renderer]
    assert shop.budget.used <= shop.budget.allowance, "of the second attempt"


def test_a_header_gives_no_more_time_than_the_largest_picture_needs() -> None:
    shop = Workshop(renderers=2)
    shop.submit("x")
    shop.miss()
    shop.opened()
    renderer, job = shop.renderer()
    shop.answer(renderer, records.Header(job, (1 << 31) - 1, (1 << 31) - 1, MB))
    assert renderer.deadline is not None
    longest = shop.settings.task_base_s + shop.settings.task_per_megapixel_s * shop.settings.most_pixels / 1e6
    assert renderer.deadline - shop.now <= longest + 1


def test_one_that_computes_though_it_has_nothing_to_do_is_replaced() -> None:
    shop = Workshop(renderers=2)
    renderer = at_rest(shop)
    for cpu in (0.1, 0.2, 1.0):
        shop.ground.signs[renderer.serial] = signs(cpu=cpu)
        shop.passes(1.0)
    assert shop.crew.killed == []
    shop.ground.signs[renderer.serial] = signs(cpu=1.3)
    shop.passes(1.0)
    assert shop.crew.killed == [renderer]


def test_signs_of_life_are_owed_one_by_one() -> None:
    shop = Workshop(renderers=2)
    renderer = at_rest(shop)
    assert renderer.owed == 0
    (asked, *_) = [w for w in shop.pool.to_ping(shop.now + PING_EVERY_S + 1) if w is renderer]
    assert asked.owed == 1
    shop.pool.answered_ping(renderer, shop.now + PING_EVERY_S + 1)
    assert renderer.owed == 0


@pytest.mark.parametrize("record", [records.Pong(1), records.Ready([])])
def test_a_flood_of_signs_of_life_that_nobody_asked_for_ends_it(record: records.Record) -> None:
    shop = Workshop(renderers=2)
    renderer = at_rest(shop)
    for _ in range(21):
        shop.work.answer(renderer, record)
    assert shop.crew.killed == [renderer]
