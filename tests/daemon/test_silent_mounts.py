"""A file system that does not answer: who waits for it, for how long, and that everybody else goes on."""

import pytest

from thumbd_daemon import records
from thumbd_daemon.mounts import Road
from thumbd_daemon.pool import Kind, State, Worker
from thumbd_protocol.items import State as ItemState

from .workshop import KILLED, Workshop, honest, mountinfo, signs


def shop() -> Workshop:
    """A workshop on a machine with two network mounts."""
    made = Workshop(scouts=2)
    made.ground.mounts = mountinfo("/net", "/usb")
    return made


def looked_at(workshop: Workshop) -> list[bytes]:
    """The files that scouts who are not stuck look at."""
    looks = [workshop.order(w) for w in workshop.all_busy_with(records.Look) if w.stuck is None]
    return [path for look in looks if isinstance(look, records.Look) for _n, path, _f in look.files]


def stuck_in_a_look() -> tuple[Workshop, Worker]:
    """A scout got no answer about /net/a; /net/b and /home/c were behind it."""
    workshop = shop()
    workshop.submit("net/a", "net/b", "home/c")
    scout, _look = workshop.looking()
    workshop.passes(workshop.settings.slow_s)
    return workshop, scout


def stuck_in_a_decoder() -> tuple[Workshop, Worker]:
    """A renderer neither computes nor reads over /net/a."""
    workshop = shop()
    workshop.submit("net/a")
    workshop.miss()
    workshop.opened()
    renderer, _job = workshop.renderer()
    workshop.ground.signs[renderer.serial] = signs(waits=True, cpu=1.0, sleeps=5)
    workshop.passes(1.0)
    return workshop, renderer


# -- looks --------------------------------------------------------------------------------------------------------


def test_a_slow_look_frees_the_files_behind_it() -> None:
    workshop, _scout = stuck_in_a_look()
    assert looked_at(workshop) == [b"/home/c"]
    workshop.to_the_end_but_the_stuck()
    assert workshop.states() == [("home/c", ItemState.READY, None)]


def test_items_of_a_slow_mount_wait_and_go_on_when_it_answers() -> None:
    workshop, scout = stuck_in_a_look()
    workshop.to_the_end_but_the_stuck()
    workshop.submit("net/d", batch="later")
    assert looked_at(workshop) == []
    workshop.passes(5.0)
    look = workshop.order(scout)
    assert isinstance(look, records.Look)
    first, *behind = look.files
    workshop.answer(scout, records.Looked(look.job, [records.Miss(first[0], 1000, 5)], len(behind)))
    assert {b"/net/b", b"/net/d"} <= set(looked_at(workshop))
    assert workshop.mounts.road(b"/net") is Road.CLEAR
    workshop.answer(scout, records.Looked(look.job, [records.Miss(n, 1000, 5) for n, _p, _f in behind], 0))
    workshop.to_the_end()
    assert sorted(workshop.states()) == [
        (name, ItemState.READY, None) for name in ("home/c", "net/a", "net/b", "net/d")
    ]
    assert workshop.crew.killed == []


def test_what_the_slow_scout_says_later_of_files_that_went_to_another_is_dropped() -> None:
    workshop, scout = stuck_in_a_look()
    look = workshop.order(scout)
    assert isinstance(look, records.Look)
    hits = [records.Hit(n, b"/late.png", 1, 1, 1) for n, _path, _flavor in look.files]
    workshop.answer(scout, records.Looked(look.job, list(hits), 0))
    finals = {one.path: one.thumbnail for one in workshop.finals()}
    assert finals == {b"/net/a": b"/late.png"}
    workshop.to_the_end()
    workshop.nothing_is_left()


def test_after_the_patience_what_waits_ends_as_unreadable_and_new_files_do_at_once() -> None:
    workshop, scout = stuck_in_a_look()
    workshop.to_the_end_but_the_stuck()
    workshop.passes(workshop.settings.scout_patience_s + 1.0)
    assert workshop.crew.killed == [scout]
    states = {name: (state, error) for name, state, error in workshop.states()}
    assert states["net/a"] == states["net/b"] == (ItemState.FAILED, "unreadable")
    for told in workshop.finals()[1:]:
        assert told.message is not None
        assert "does not answer; try again later" in told.message
        assert told.retryable
    workshop.submit("net/new", batch="later")
    assert workshop.states()[-1] == ("net/new", ItemState.FAILED, "unreadable")
    assert not workshop.wishes.items
    assert len(workshop.quarantine) == 0


def test_when_the_stuck_scout_is_gone_its_mount_is_tried_again_with_little_patience() -> None:
    workshop, scout = stuck_in_a_look()
    workshop.to_the_end_but_the_stuck()
    workshop.passes(workshop.settings.scout_patience_s + 1.0)
    workshop.dies(scout, KILLED)
    workshop.submit("net/new", batch="later")
    assert looked_at(workshop) == [b"/net/new"]
    workshop.passes(workshop.settings.slow_s)
    workshop.submit("net/newer", batch="later still")
    workshop.passes(workshop.settings.suspect_patience_s + 0.1)
    assert workshop.states()[-1] == ("net/newer", ItemState.FAILED, "unreadable")


def test_a_mount_that_has_answered_in_time_again_has_its_whole_patience_again() -> None:
    workshop, scout = stuck_in_a_look()
    workshop.to_the_end_but_the_stuck()
    workshop.passes(workshop.settings.scout_patience_s + 1.0)
    workshop.dies(scout, KILLED)
    workshop.submit("net/fine", batch="fine")
    workshop.to_the_end()
    workshop.submit("net/slow", batch="slow")
    workshop.passes(workshop.settings.slow_s + workshop.settings.suspect_patience_s + 0.1)
    assert workshop.mounts.road(b"/net") is Road.SLOW


def test_very_many_files_of_a_slow_mount_keep_no_other_file_waiting() -> None:
    workshop = shop()
    workshop.submit("net/first")
    workshop.passes(workshop.settings.slow_s)
    workshop.submit(*(f"net/{n}" for n in range(800)), "home/c", batch="many")
    assert looked_at(workshop) == [b"/home/c"]


def test_very_many_files_of_a_mount_that_hangs_end_at_once() -> None:
    workshop = shop()
    workshop.submit("net/first")
    workshop.passes(workshop.settings.scout_patience_s + 1.0)
    assert workshop.mounts.road(b"/net") is Road.HUNG
    workshop.submit(*(f"net/{n}" for n in range(800)), batch="many")
    assert not workshop.wishes.items
    assert len(workshop.finals()) == 801


def test_another_mount_goes_on_as_if_nothing_were() -> None:
    workshop, _scout = stuck_in_a_look()
    workshop.to_the_end_but_the_stuck()
    workshop.submit("usb/a", "usb/b", batch="usb")
    workshop.to_the_end_but_the_stuck()
    assert workshop.states()[1:] == [("usb/a", ItemState.READY, None), ("usb/b", ItemState.READY, None)]


def test_with_every_scout_stuck_others_take_their_places_after_a_while() -> None:
    workshop = shop()
    workshop.submit("net/a")
    workshop.submit("usb/b", batch="usb")
    workshop.passes(1.5)
    assert len([w for w in workshop.pool.of(Kind.QUICK) if w.stuck is not None]) == 2
    workshop.submit("home/c", batch="home")
    workshop.to_the_end_but_the_stuck()
    assert workshop.states() == [("home/c", ItemState.READY, None)]


def test_a_scout_that_computes_is_not_slow_however_silent_it_is() -> None:
    workshop = shop()
    workshop.submit("net/a", "home/c")
    scout, _look = workshop.looking()
    workshop.ground.signs[scout.serial] = signs(cpu=1.0)
    workshop.passes(5.0)
    assert scout.stuck is None
    assert workshop.mounts.road(b"/net") is Road.CLEAR


# -- opening ------------------------------------------------------------------------------------------------------


def test_a_slow_opening_gives_its_renderer_back_and_what_comes_late_is_dropped() -> None:
    workshop = shop()
    workshop.submit("net/a")
    workshop.miss()
    scout, order = workshop.opening()
    renderer, job = workshop.renderer()
    workshop.passes(workshop.settings.slow_s)
    assert renderer.state is State.READY
    assert workshop.budget.used == 0
    workshop.submit("home/c", batch="home")
    workshop.miss()
    assert workshop.renderer()[0] is renderer
    assert workshop.renderer()[1] != job
    for late in (records.Header(job, 9, 9, 1 << 40), honest(job), records.GivenBack(job)):
        workshop.answer(renderer, late)
    assert workshop.finals() == []
    assert workshop.renderer()[0] is renderer
    workshop.answer(scout, records.Opened(order.job))  # it answers at last: the file goes on
    workshop.to_the_end()
    assert sorted(workshop.states()) == [("home/c", ItemState.READY, None), ("net/a", ItemState.READY, None)]
    assert workshop.crew.killed == []


def test_a_file_whose_opening_hangs_ends_as_unreadable_and_costs_no_renderer() -> None:
    workshop = shop()
    workshop.submit("net/a")
    workshop.miss()
    scout, _order = workshop.opening()
    workshop.passes(workshop.settings.scout_patience_s + 1.0)
    assert workshop.crew.killed == [scout]
    assert workshop.states() == [("net/a", ItemState.FAILED, "unreadable")]
    workshop.nothing_is_left()


def test_a_slow_publishing_keeps_nobody_from_the_mount_of_the_picture() -> None:
    workshop = shop()
    workshop.submit("net/a")
    workshop.miss()
    workshop.opened()
    workshop.rendered()
    scout, _order = workshop.publishing()
    workshop.passes(2.0)
    assert scout.stuck is not None
    assert workshop.mounts.road(b"/net") is Road.CLEAR
    workshop.submit("net/b", batch="other")
    assert looked_at(workshop) == [b"/net/b"]


# -- decoding -----------------------------------------------------------------------------------------------------


def test_a_renderer_that_waits_for_its_file_slows_its_mount_alone() -> None:
    workshop, renderer = stuck_in_a_decoder()
    assert renderer.stuck is not None
    assert workshop.mounts.road(b"/net") is Road.SLOW
    workshop.submit("net/b", "home/c", batch="other")
    assert looked_at(workshop) == [b"/home/c"]
    workshop.miss()
    assert workshop.opening()[1].path == b"/home/c", "it has a renderer, for the stuck one works on nothing"


@pytest.mark.parametrize("sign", [{"cpu": 1.5, "sleeps": 5}, {"cpu": 1.0, "sleeps": 6}])
def test_a_renderer_that_computes_or_reads_again_frees_its_mount(sign: dict[str, float]) -> None:
    workshop, renderer = stuck_in_a_decoder()
    workshop.submit("net/b", batch="other")
    workshop.ground.signs[renderer.serial] = signs(waits=True, cpu=sign["cpu"], sleeps=int(sign["sleeps"]))
    workshop.passes(0.25)
    assert workshop.mounts.road(b"/net") is Road.CLEAR
    assert renderer.stuck is None
    assert looked_at(workshop) == [b"/net/b"]


def test_a_renderer_that_never_gets_on_is_killed_and_the_file_is_unreadable_not_quarantined() -> None:
    workshop, renderer = stuck_in_a_decoder()
    workshop.passes(workshop.settings.task_base_s)
    assert workshop.crew.killed == [renderer]
    assert workshop.states() == [("net/a", ItemState.FAILED, "unreadable")]
    assert len(workshop.quarantine) == 0
    assert workshop.stats.retries == 0
    workshop.nothing_is_left()
