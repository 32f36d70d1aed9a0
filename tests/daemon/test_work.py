"""One thumbnail's way through the children, and what is done when one of them is lost or lies."""

import pytest

from thumbd_daemon import records
from thumbd_daemon.pool import Kind, State
from thumbd_protocol.items import Source
from thumbd_protocol.items import State as ItemState

from .workshop import KILLED, Workshop, honest

READY = [("x", ItemState.READY, None)]


def at(stage: str, *, scouts: int = 2) -> Workshop:
    """A workshop with the item `x` brought as far as `stage`."""
    shop = Workshop(scouts=scouts)
    shop.submit("x")
    for step in ("looking", "opening", "rendering", "publishing"):
        if step == stage:
            break
        {"looking": shop.miss, "opening": shop.opened, "rendering": shop.rendered}[step]()
    return shop


def test_a_thumbnail_that_is_there_costs_no_renderer() -> None:
    shop = at("looking")
    scout, look = shop.looking()
    shop.answer(scout, records.Looked(look.job, [records.Hit(look.files[0][0], b"/t.png", 40, 30, 9)], 0))
    (told,) = shop.finals()
    assert (told.thumbnail, told.width, told.height, told.source) == (b"/t.png", 40, 30, Source.CACHE)
    shop.nothing_is_left()


def test_one_that_is_not_is_opened_rendered_and_published() -> None:
    shop = at("publishing")
    renderer, _job = shop.renderer()
    _scout, order = shop.publishing()
    assert (order.renderer, order.mime, order.path) == (renderer.serial, "image/jpeg", b"/x")
    shop.published()
    (told,) = shop.finals()
    assert (told.thumbnail, told.width, told.height, told.source) == (b"/cache/x.png", 4000, 3000, Source.RENDER)
    shop.nothing_is_left()


def test_the_renderer_hears_the_number_before_the_scout_does() -> None:
    shop = at("opening")
    _renderer, job = shop.renderer()
    _scout, order = shop.opening()
    assert order.job == job
    assert (order.size, order.mtime_ns, order.edge) == (1000, 5, 256)


def test_what_could_not_be_kept_is_told_as_volatile_with_its_sentence() -> None:
    shop = at("publishing")
    scout, order = shop.publishing()
    shop.answer(scout, records.Published(order.job, b"/run/x.png", True, "/x: the cache is full"))
    (told,) = shop.finals()
    assert (told.thumbnail, told.volatile, told.message) == (None, b"/run/x.png", "/x: the cache is full")


def test_a_permanent_failure_is_remembered_before_it_is_told() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    shop.answer(renderer, records.NotRendered(job, "unsupported", "is a text"))
    assert shop.finals() == []
    scout, mark = shop.busy_with(records.Mark)
    assert isinstance(mark, records.Mark)
    assert (mark.path, mark.code, mark.cause) == (b"/x", "unsupported", "is a text")
    shop.answer(scout, records.Marked(mark.job, "the cache is full"))
    (told,) = shop.finals()
    assert (told.error, told.message, told.retryable) == ("unsupported", "/x: is a text", False)
    shop.nothing_is_left()


def test_a_failure_that_may_pass_is_not_remembered() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    shop.answer(renderer, records.NotRendered(job, "memory", "too much"))
    assert shop.states() == [("x", ItemState.FAILED, "memory")]
    shop.nothing_is_left()


# -- answers that nobody waits for ------------------------------------------------------------------------------


def test_a_renderer_that_answers_twice_is_heard_once() -> None:
    shop = at("publishing")
    renderer, job = shop.renderer()
    shop.answer(renderer, honest(job))
    shop.answer(renderer, records.NotRendered(job, "memory", "no, I could not"))
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_an_answer_for_another_number_is_dropped() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    for number in (0, -1, job + 1, 1 << 62):
        shop.answer(renderer, honest(number))
    assert shop.finals() == []
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_an_answer_of_a_child_that_has_nothing_to_do_is_dropped() -> None:
    shop = Workshop()
    renderer = shop.pool.idle(Kind.RENDERER)
    scout = shop.pool.idle(Kind.QUICK)
    assert renderer is not None
    assert scout is not None
    shop.answer(renderer, honest(1))
    shop.answer(scout, records.Looked(1, [records.Hit(1, b"/t", 0, 0, 1)], 0))
    shop.answer(scout, records.Published(1, b"/t", False, ""))
    assert renderer.state is scout.state is State.READY


def test_a_scout_that_answers_with_another_number_still_owes_its_answer() -> None:
    shop = at("opening")
    scout, order = shop.opening()
    for late in (records.Opened(order.job + 1), records.OpenFailed(order.job - 1, "stale", "/x: changed", True)):
        shop.answer(scout, late)
    assert shop.opening() == (scout, order)
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_renderer_that_speaks_like_a_scout_changes_nothing() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    for record in (
        records.Published(job, b"/etc/passwd", False, ""),
        records.OpenFailed(job, "stale", "x", True),
        records.Looked(job, [records.Hit(1, b"/etc/passwd", 1, 1, 1)], 0),
        records.Marked(job, ""),
        records.Opened(job),
    ):
        shop.answer(renderer, record)
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_results_of_a_look_for_items_nobody_asked_about_are_dropped() -> None:
    shop = at("looking")
    scout, look = shop.looking()
    shop.answer(scout, records.Looked(look.job, [records.Hit(999, b"/t", 0, 0, 1)], 1))
    assert shop.finals() == []
    shop.miss()
    shop.to_the_end()
    assert shop.states() == READY


@pytest.mark.parametrize(
    "lie",
    [
        records.Rendered(0, "RGB", 257, 1, 771, 9, 9, "JPEG"),
        records.Rendered(0, "RGB", 0, 1, 0, 9, 9, "JPEG"),
        records.Rendered(0, "CMYK", 1, 1, 4, 9, 9, "JPEG"),
        records.Rendered(0, "RGB", 1, 1, 4, 9, 9, "JPEG"),
        records.Rendered(0, "RGB", 1, 1, 3, -9, 9, "JPEG"),
        records.Rendered(0, "RGB", 1, 1, 3, 9, 9, "../../etc"),
    ],
)
def test_a_renderer_that_lies_is_killed_and_its_file_tried_once_more(lie: records.Rendered) -> None:
    shop = at("rendering")
    for _ in range(2):
        renderer, lie.job = shop.renderer()
        shop.answer(renderer, lie)
        assert shop.crew.killed[-1] is renderer
        shop.dies(renderer, KILLED)
        if not shop.finals():
            shop.opened()
    assert shop.states() == [("x", ItemState.FAILED, "quarantined")]
    shop.to_the_end()
    shop.nothing_is_left()


def test_a_renderer_that_answers_before_it_has_its_source_is_found_out() -> None:
    shop = at("opening")
    scout, order = shop.opening()
    renderer, job = shop.renderer()
    shop.answer(renderer, honest(job))
    shop.answer(scout, records.OpenFailed(order.job, "stale", "/x: changed", True))
    assert renderer in shop.crew.killed
    shop.dies(renderer, KILLED)
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_renderer_may_answer_before_the_scout_says_that_it_has_opened() -> None:
    shop = at("opening")
    scout, order = shop.opening()
    renderer, job = shop.renderer()
    shop.answer(renderer, honest(job))
    shop.answer(scout, records.Opened(order.job))
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


# -- children that are lost -------------------------------------------------------------------------------------


def test_a_renderer_lost_while_its_source_is_opened_is_replaced_and_nothing_is_lost() -> None:
    shop = at("opening")
    renderer, _job = shop.renderer()
    scout, order = shop.opening()
    shop.dies(renderer)
    shop.answer(scout, records.OpenFailed(order.job, "internal", "/x: its renderer is gone", True))
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_file_that_takes_two_renderers_down_is_quarantined_with_the_reason() -> None:
    shop = at("rendering")
    shop.dies(shop.renderer()[0])
    shop.opened()
    shop.dies(shop.renderer()[0])
    (told,) = shop.finals()
    assert (told.error, told.source, told.retryable) == ("quarantined", Source.RENDER, False)
    assert told.message is not None
    assert told.message.startswith("/x: ")
    assert "SIGSEGV" in told.message
    assert "last words" in told.message
    shop.nothing_is_left()


def test_a_renderer_lost_before_its_picture_was_published_makes_it_again() -> None:
    shop = at("publishing")
    renderer, _job = shop.renderer()
    scout, order = shop.publishing()
    shop.dies(renderer, KILLED)
    shop.answer(scout, records.PublishFailed(order.job, "internal", "/x: its pixels are gone"))  # late
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_file_whose_renderers_always_die_after_their_answer_is_not_tried_for_ever() -> None:
    shop = at("publishing")
    for _ in range(10):
        renderer, _job = shop.renderer()
        scout, order = shop.publishing()
        shop.dies(renderer)
        shop.answer(scout, records.PublishFailed(order.job, "internal", "/x: its pixels are gone"))
        if shop.finals():
            break
        shop.opened()
        shop.rendered()
    assert shop.states() == [("x", ItemState.FAILED, "quarantined")]
    shop.nothing_is_left()


def test_a_scout_lost_in_a_look_costs_nobody_a_thumbnail() -> None:
    shop = at("looking")
    shop.dies(shop.busy_with(records.Look)[0])
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_scout_stuck_in_a_look_costs_the_file_it_is_stuck_in_alone() -> None:
    shop = Workshop(scouts=1)
    shop.submit("answered", "hangs", "behind")
    scout, look = shop.looking()
    first = look.files[0][0]
    shop.now += shop.settings.scout_patience_s / 2
    shop.answer(scout, records.Looked(look.job, [records.Hit(first, b"/t", 0, 0, 1)], 2))
    shop.passes(shop.settings.scout_patience_s / 2)
    assert shop.crew.killed == []  # it has just said something
    shop.passes(shop.settings.scout_patience_s / 2)
    assert shop.crew.killed == [scout]
    shop.dies(scout, KILLED)
    shop.to_the_end()
    assert sorted(shop.states()) == [
        ("answered", ItemState.READY, None),
        ("behind", ItemState.READY, None),
        ("hangs", ItemState.FAILED, "unreadable"),
    ]
    shop.nothing_is_left()


def test_a_scout_lost_while_it_opens_gives_the_file_to_another() -> None:
    shop = at("opening")
    renderer, job = shop.renderer()
    shop.dies(shop.opening()[0])
    assert shop.opening()[1].job != job
    shop.answer(renderer, honest(job))  # the source had reached it after all
    assert shop.finals() == []
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_scout_stuck_while_it_opens_frees_the_renderer_and_the_file_has_failed() -> None:
    shop = at("opening")
    scout, _order = shop.opening()
    renderer, _job = shop.renderer()
    shop.passes(shop.settings.slow_s)
    assert renderer.state is State.READY
    assert shop.finals() == []  # most file systems that are slow answer soon
    shop.passes(shop.settings.scout_patience_s)
    assert shop.crew.killed == [scout]
    assert shop.states() == [("x", ItemState.FAILED, "unreadable")]
    shop.nothing_is_left()


def test_a_scout_lost_while_it_publishes_leaves_it_to_another_a_few_times() -> None:
    shop = at("publishing")
    shop.dies(shop.publishing()[0])
    shop.published()
    assert shop.states() == READY
    shop.nothing_is_left()


def test_a_picture_that_no_scout_can_publish_is_given_up() -> None:
    shop = at("publishing")
    for _ in range(5):
        assert shop.finals() == []
        shop.passes(shop.settings.scout_patience_s)
    assert shop.states() == [("x", ItemState.FAILED, "internal")]
    shop.nothing_is_left()


def test_a_failure_that_no_scout_can_remember_is_told_all_the_same() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    shop.answer(renderer, records.NotRendered(job, "decode_error", "is broken"))
    for _ in range(5):
        if shop.finals():
            break
        shop.busy_with(records.Mark)
        shop.passes(shop.settings.scout_patience_s)
    assert shop.states() == [("x", ItemState.FAILED, "decode_error")]
    shop.nothing_is_left()


def test_a_renderer_past_its_deadline_is_killed_and_the_second_time_it_is_quarantined() -> None:
    shop = at("rendering")
    shop.passes(shop.settings.task_base_s - 1)
    assert shop.crew.killed == []
    shop.passes(1.1)
    assert [worker.kind for worker in shop.crew.killed] == [Kind.RENDERER]
    shop.opened()
    shop.passes(shop.settings.task_base_s + 1)
    (told,) = shop.finals()
    assert told.error == "quarantined"
    assert told.message is not None
    assert "took longer than 10 s" in told.message
    shop.nothing_is_left()


def test_a_large_file_is_given_more_time() -> None:
    shop = Workshop()
    shop.submit("x")
    scout, look = shop.looking()
    shop.answer(scout, records.Looked(look.job, [records.Miss(look.files[0][0], 100_000_000, 5)], 0))
    shop.opened()
    shop.passes(shop.settings.task_base_s + 49)
    assert shop.crew.killed == []
    shop.passes(1.1)
    assert len(shop.crew.killed) == 1


def test_the_late_end_of_a_child_that_was_killed_takes_nothing_from_its_successor() -> None:
    shop = at("rendering")
    renderer, job = shop.renderer()
    shop.passes(shop.settings.task_base_s + 0.1)
    shop.dies(renderer, KILLED)  # its process ends only now
    shop.to_the_end()
    assert shop.states() == READY
    shop.nothing_is_left()
    tasks = [record for record in shop.crew.said[renderer.serial] if not isinstance(record, records.Ping)]
    assert tasks == [records.Expect(job, shop.budget.allowance)]


def test_a_file_that_changed_is_looked_at_again_and_one_that_is_gone_is_told() -> None:
    shop = at("opening")
    scout, order = shop.opening()
    shop.answer(scout, records.OpenFailed(order.job, "stale", "/x: changed", True))
    shop.miss()
    scout, order = shop.opening()
    shop.answer(scout, records.OpenFailed(order.job, "not_found", "/x: gone", False))
    assert shop.states() == [("x", ItemState.FAILED, "not_found")]
    shop.nothing_is_left()


def test_when_the_end_is_near_nothing_new_is_begun_but_what_is_made_is_published() -> None:
    shop = at("rendering", scouts=1)
    shop.submit("y", batch="other")
    renderer, job = shop.renderer()
    shop.work.answer(renderer, honest(job))
    scout = shop.pool.idle(Kind.QUICK)
    if scout is None:
        shop.miss()
    shop.work.give(only_finish=True)
    assert shop.publishing()[1].job == job
    shop.work.answer(shop.publishing()[0], records.Published(job, b"/t", False, ""))
    shop.work.give(only_finish=True)
    assert [w for w in shop.pool.workers.values() if w.state is State.BUSY] == []
    assert len(shop.wishes.items) == 1


def test_no_more_renderers_work_than_settings_allow_and_one_stays_spare() -> None:
    shop = Workshop(scouts=4, renderers=2)
    assert len(list(shop.pool.of(Kind.RENDERER))) == 3
    shop.submit(*"abcdef")
    shop.miss()
    while shop.all_busy_with(records.Open):
        shop.opened()
    assert shop.pool.busy(Kind.RENDERER) == 2
    assert shop.pool.idle(Kind.RENDERER) is not None


def test_after_a_scout_was_lost_over_several_files_each_is_looked_at_alone() -> None:
    shop = Workshop(scouts=1)
    shop.submit(*"abc")
    scout, look = shop.looking()
    assert len(look.files) == 3
    shop.dies(scout)
    while shop.all_busy_with(records.Look):
        _scout, look = shop.looking()
        assert len(look.files) == 1
        shop.miss()
    shop.to_the_end()
    assert sorted(shop.states()) == [(name, ItemState.READY, None) for name in "abc"]
