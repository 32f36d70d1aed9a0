"""Memory while pictures are made: what their headers ask for, who waits, who is shed, what a renderer may keep."""

import pytest

from thumbd_daemon import records
from thumbd_daemon.lanes import Client
from thumbd_daemon.pool import Kind, State, Worker
from thumbd_daemon.verdicts import MEMORY, SHED
from thumbd_protocol.items import Flavor
from thumbd_protocol.items import State as ItemState
from thumbd_protocol.requests import Focus

from .workshop import KILLED, MB, SESSION, Workshop, honest, signs


def decoding(count: int, memory: int = 1024 * MB) -> tuple[Workshop, list[Worker]]:
    """So many renderers that have their sources, the most urgent picture first."""
    shop = Workshop(renderers=count, memory=memory)
    shop.submit(*(f"{n}" for n in range(count)))
    shop.miss()
    while shop.all_busy_with(records.Open):
        shop.opened()
    workers = sorted(shop.all_busy_with(records.Expect), key=lambda w: w.file or b"")
    assert len(workers) == count
    return shop, workers


def said(shop: Workshop, worker: Worker) -> list[records.Record]:
    """What a renderer was told, pings aside."""
    return [record for record in shop.crew.said[worker.serial] if not isinstance(record, records.Ping)]


def tell(shop: Workshop, worker: Worker, need: int) -> int:
    """A renderer tells of its picture's header; returns its task."""
    assert worker.task is not None
    job = worker.task
    shop.answer(worker, records.Header(job, 100, 100, need))
    return job


def uses(shop: Workshop, worker: Worker, rss: int) -> None:
    """A renderer computes, and takes so much memory."""
    shop.ground.signs[worker.serial] = signs(cpu=shop.now, rss=rss)


# -- headers ------------------------------------------------------------------------------------------------------


def test_a_header_within_the_allowance_needs_no_answer() -> None:
    shop, (worker,) = decoding(1)
    job = tell(shop, worker, shop.budget.allowance)
    assert said(shop, worker) == [records.Expect(job, shop.budget.allowance)]
    shop.to_the_end()
    shop.nothing_is_left()


def test_a_header_beyond_it_is_told_to_go_while_there_is_room() -> None:
    shop, (worker, other) = decoding(2)
    job = tell(shop, worker, 800 * MB)
    assert said(shop, worker)[1:] == [records.Go(job)]
    assert shop.budget.used == 800 * MB + shop.budget.allowance
    shop.answer(worker, honest(job))
    assert shop.budget.used == shop.budget.allowance, "what is made gives its memory back before it is published"
    assert other.state is State.BUSY
    shop.to_the_end()
    shop.nothing_is_left()


def test_without_room_a_picture_is_given_back_and_is_begun_first_when_there_is() -> None:
    shop, (first, second) = decoding(2)
    big = tell(shop, first, 800 * MB)
    shop.submit("small", batch="later")
    shop.miss()
    job = tell(shop, second, 900 * MB)
    assert said(shop, second)[1:] == [records.GiveBack(job)]
    shop.answer(second, records.GivenBack(job))
    assert second.state is State.READY, "what waits holds no renderer"
    assert len(shop.budget) == 1
    assert shop.all_busy_with(records.Open) == [], "a small one must not take what the big one waits for"
    shop.answer(first, honest(big))
    order = shop.order(shop.all_busy_with(records.Expect)[-1])
    assert isinstance(order, records.Expect)
    assert order.allowance == 900 * MB
    assert shop.opening()[1].path == b"/1"
    shop.to_the_end()
    assert sorted(shop.states()) == [(name, ItemState.READY, None) for name in ("0", "1", "small")]
    assert shop.stats.retries == 0


def test_a_picture_larger_than_all_there_is_waits_until_it_is_alone() -> None:
    shop, (first, second) = decoding(2)
    job = tell(shop, second, 1400 * MB)
    assert isinstance(said(shop, second)[-1], records.GiveBack)
    shop.answer(second, records.GivenBack(job))
    assert first.task is not None
    shop.answer(first, honest(first.task))
    assert shop.budget.used == 1400 * MB
    shop.to_the_end()
    assert [state for _name, state, _error in shop.states()] == [ItemState.READY] * 2


def test_a_picture_that_waits_for_memory_and_that_nobody_wants_any_more_is_never_begun() -> None:
    shop, (first, second) = decoding(2)
    big = tell(shop, first, 800 * MB)
    shop.answer(second, records.GivenBack(tell(shop, second, 900 * MB)))
    shop.steering.cancel(shop.wishes.batches["b"], shop.now)
    shop.answer(first, honest(big))
    assert shop.all_busy_with(records.Open) == []
    shop.to_the_end()
    assert not shop.wishes.items


def without_room() -> tuple[Workshop, Worker]:
    """/0 takes most of the memory, which its renderer has; /1 waits for what is not left."""
    shop, (first, second) = decoding(2)
    tell(shop, first, 800 * MB)
    shop.answer(second, records.GivenBack(tell(shop, second, 900 * MB)))
    assert len(shop.budget) == 1
    return shop, first


def looks_at(shop: Workshop, *names: str, generation: int = 1) -> None:
    """A window shows these."""
    visible = [b"/" + name.encode() for name in names]
    focus = Focus(view="v", generation=generation, flavor=Flavor.LARGE, visible=visible, near=[])
    shop.wishes.views.focus(Client(0, SESSION), focus, shop.now)
    shop.give()


def test_a_picture_that_waits_for_memory_and_that_nobody_wants_any_more_keeps_nobody_waiting() -> None:
    shop, _first = without_room()
    shop.steering.cancel_items(SESSION, [(b"/1", Flavor.LARGE)], shop.now)
    shop.submit("small", batch="later")
    shop.miss()
    assert shop.opening()[1].path == b"/small"


def test_what_is_on_screen_passes_a_big_picture_that_waits_while_there_is_room_for_both_that_are_made() -> None:
    shop, _first = without_room()
    shop.submit("small", batch="later")
    shop.miss()
    looks_at(shop, "urgent")
    shop.miss()
    assert shop.opening()[1].path == b"/urgent"
    shop.opened()
    urgent = shop.all_busy_with(records.Expect)[-1]
    job = tell(shop, urgent, 150 * MB)
    assert said(shop, urgent)[-1] == records.Go(job)
    assert shop.budget.used == 950 * MB
    shop.to_the_end()
    assert sorted(name for name, _state, _error in shop.states()) == ["0", "1", "small", "urgent"]


def test_a_picture_that_waits_for_memory_and_comes_on_screen_is_passed_no_more() -> None:
    shop, first = without_room()
    looks_at(shop, "1")
    looks_at(shop, "1", "urgent", generation=2)
    shop.miss()
    assert shop.all_busy_with(records.Open) == []
    assert first.task is not None
    shop.answer(first, honest(first.task))
    assert shop.opening()[1].path == b"/1"


def test_of_two_that_wait_for_memory_the_one_that_came_on_screen_meanwhile_is_begun_first() -> None:
    shop, (first, second, third) = decoding(3)
    tell(shop, first, 800 * MB)
    for worker in (second, third):
        shop.answer(worker, records.GivenBack(tell(shop, worker, 900 * MB)))
    looks_at(shop, "2")
    assert first.task is not None
    shop.answer(first, honest(first.task))
    assert shop.opening()[1].path == b"/2"
    shop.to_the_end()
    assert [name for name, _state, _error in shop.states()] == ["0", "2", "1"]


def test_a_renderer_that_tells_of_two_headers_is_killed() -> None:
    shop, (worker,) = decoding(1)
    tell(shop, worker, MB)
    tell(shop, worker, MB)
    assert shop.crew.killed == [worker]
    assert worker.killed_for == "it told of two headers"


def test_a_large_picture_is_given_more_time_by_its_header() -> None:
    shop, (worker,) = decoding(1)
    assert worker.task is not None
    shop.answer(worker, records.Header(worker.task, 10_000, 4_000, MB))
    shop.passes(shop.settings.task_base_s + 19.9)
    assert shop.crew.killed == []
    shop.passes(0.2)
    assert shop.crew.killed == [worker]


# -- what they really take ----------------------------------------------------------------------------------------


def test_a_renderer_that_takes_more_than_one_may_is_stopped_and_its_file_quarantined_the_second_time() -> None:
    shop, (worker,) = decoding(1)
    for _ in range(2):
        worker, _job = shop.renderer()
        uses(shop, worker, shop.settings.renderer_memory + 1)
        shop.passes(0.3)
        assert worker.killed_for == MEMORY
        if shop.all_busy_with(records.Open):
            shop.opened()
    (told,) = shop.finals()
    assert told.error == "quarantined"
    assert told.message is not None
    assert "more than 1536 MB" in told.message


def test_when_all_together_take_too_much_the_least_urgent_is_shed_and_that_is_nobodys_fault() -> None:
    shop, (first, second) = decoding(2, memory=512 * MB)
    for worker in (first, second):
        uses(shop, worker, 300 * MB)
    shop.passes(0.3)
    assert shop.crew.killed == [second]
    assert second.killed_for == SHED
    assert "600 of 512 MB" in (shop.care.memory or "")
    assert (shop.stats.retries, len(shop.quarantine)) == (0, 0)
    shop.dies(second, KILLED)
    (item,) = [item for item in shop.wishes.items.values() if item.path == b"/1"]
    assert (item.deaths, item.outside_deaths) == (0, 0)
    uses(shop, first, 10 * MB)
    shop.passes(0.3)
    assert shop.care.memory is None
    shop.to_the_end()
    assert [state for _name, state, _error in shop.states()] == [ItemState.READY] * 2


def test_the_last_one_at_work_is_never_shed() -> None:
    shop, (worker,) = decoding(1, memory=512 * MB)
    uses(shop, worker, 1000 * MB)
    shop.passes(3.0)
    assert shop.crew.killed == []
    assert shop.care.memory is not None


def test_a_renderer_at_rest_that_keeps_much_leaves_before_anybody_at_work_is_shed() -> None:
    shop, (first, second) = decoding(2, memory=512 * MB)
    spare = shop.pool.idle(Kind.RENDERER)
    assert spare is not None
    for worker in (first, second, spare):
        uses(shop, worker, 200 * MB)
    shop.passes(0.3)
    assert shop.crew.retired == [spare]
    assert shop.crew.killed == []


# -- what they keep -----------------------------------------------------------------------------------------------


def test_a_renderer_that_keeps_too_much_after_its_task_is_replaced() -> None:
    shop, (worker,) = decoding(1)
    uses(shop, worker, shop.settings.renderer_keeps + MB)
    shop.passes(0.3)
    shop.to_the_end()
    shop.turn()
    assert worker in shop.crew.retired
    assert shop.pool.idle(Kind.RENDERER) is not None


def test_one_that_has_given_back_what_its_task_took_stays() -> None:
    shop, (worker,) = decoding(1)
    uses(shop, worker, shop.settings.renderer_keeps + MB)
    shop.passes(0.3)
    uses(shop, worker, MB)
    shop.to_the_end()
    shop.turn()
    assert shop.crew.retired == []


@pytest.mark.parametrize("why", ["worn out", "old"])
def test_a_renderer_that_is_worn_out_or_old_is_replaced_when_it_rests(why: str) -> None:
    shop, (worker,) = decoding(1)
    if why == "old":
        worker.born -= shop.settings.renderer_age_s
    else:
        worker.tasks = shop.settings.renderer_tasks
    shop.turn()
    assert shop.crew.retired == [], "not in the middle of its task"
    shop.to_the_end()
    shop.turn()
    assert shop.crew.retired == [worker]
    assert len(list(shop.pool.of(Kind.RENDERER))) == 2
