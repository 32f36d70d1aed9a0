"""Who wants what, and what becomes of it: situations."""

import gc
import weakref

import pytest

from thumbd_daemon.audience import Audience
from thumbd_daemon.batches import MAX_RETRIES, TTL_S, Outcome, Terms
from thumbd_daemon.budget import Budget
from thumbd_daemon.items import IllegalStep, Item, Key, Phase
from thumbd_daemon.jobs import MAX_CHANGES, MAX_DEATHS, MAX_LOST_SCOUTS, Jobs, urgency
from thumbd_daemon.keeping import UNHEARD_S
from thumbd_daemon.lanes import Client, Stage
from thumbd_daemon.mounts import Mounts
from thumbd_daemon.news import Added, Closed, Ended, Entry, Opened, Released, Settled, Told
from thumbd_daemon.quarantine import Quarantine
from thumbd_daemon.stats import Stats
from thumbd_daemon.steering import Counts, Steering
from thumbd_daemon.verdicts import Blame, Verdict
from thumbd_daemon.wishes import QueueFull, Wishes
from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import Flavor, Priority, Source, State
from thumbd_protocol.requests import Focus

from .workshop import Store

A, B = b"session a", b"session b"
NOW = 50.0
READY = Outcome(State.READY, thumbnail=b"/t.png", source=Source.RENDER)
CRASH = Verdict(ItemCode.CRASHED, "SIGSEGV", Blame.FILE)
SHOT = Verdict(ItemCode.CRASHED, "SIGKILL", Blame.OUTSIDE)


def key(name: str) -> Key:
    return (b"/" + name.encode(), Flavor.LARGE)


def keys(names: str) -> list[Key]:
    return [key(name) for name in names]


class House:
    """Wishes and jobs, with the words for what happens in a test."""

    def __init__(self, capacity: int = 1000, reserve: int = 100) -> None:
        self.wishes = Wishes(capacity, reserve)
        self.stats = Stats()
        quarantine = Quarantine([], Store(), "r1")
        budget: Budget[Item] = Budget(1 << 30, 4, urgency)
        self.steering = Steering(self.wishes)
        self.jobs = Jobs(self.wishes, Mounts(10.0, 1.0), budget, quarantine, self.stats, lambda: 0)

    def submit(self, session: bytes, names: str, ident: str = "b", **rest: bool | Priority) -> None:
        priority = rest.get("priority", Priority.NORMAL)
        assert isinstance(priority, Priority)
        self.wishes.submit(
            session,
            ident,
            keys(names),
            Terms(priority=priority, durable=bool(rest.get("durable"))),
            NOW,
            more=bool(rest.get("more")),
            listing=bool(rest.get("listing")),
        )

    def focus(self, session: bytes, generation: int, visible: str, near: str = "", view: str = "v") -> None:
        self.wishes.views.focus(
            Client(0, session),
            Focus(
                view=view,
                generation=generation,
                flavor=Flavor.LARGE,
                visible=[path for path, _ in keys(visible)],
                near=[path for path, _ in keys(near)],
            ),
            NOW,
        )

    def cancel(self, ident: str) -> Counts:
        return self.steering.cancel(self.wishes.batches[ident], NOW)

    def close(self, session: bytes) -> None:
        Audience(self.wishes).close_session(Client(0, session), NOW)

    def looks(self, most: int = 100) -> list[Item]:
        return self.jobs.take_looks(most, most, 1 << 20, NOW)

    def names(self, items: list[Item]) -> str:
        return "".join(item.path[1:].decode() for item in items)

    def render(self) -> Item:
        """The next item, looked at and missed, in a renderer."""
        for item in self.looks():
            self.jobs.needs_render(item, 10, 20, NOW)
        found = self.jobs.take_render(NOW)
        assert found is not None
        return found[0]

    def finish(self, item: Item) -> None:
        if item.phase is Phase.RENDERING:
            item.step(Phase.PUBLISHING)
        self.jobs.finish(item, READY, NOW)

    def finish_all(self) -> None:
        while self.wishes.items:
            self.finish(self.render())

    def told(self, session: bytes) -> list[tuple[str, State]]:
        """Final states told to a session, in order."""
        return [
            (one.update.path[1:].decode(), one.update.state)
            for one in self.wishes.news
            if isinstance(one, Told) and one.session == session and one.update.state.final
        ]

    def ended(self, session: bytes) -> list[str]:
        return [one.end.batch for one in self.wishes.news if isinstance(one, Ended) and one.session == session]


# -- batches ----------------------------------------------------------------------------------------------------


def test_a_batch_is_told_item_by_item_and_then_its_end() -> None:
    house = House()
    house.submit(A, "xy")
    house.finish_all()
    assert house.told(A) == [("x", State.READY), ("y", State.READY)]
    assert house.ended(A) == ["b"]
    assert isinstance(house.wishes.news[-1], Ended)
    assert not house.wishes.items


def test_an_empty_batch_ends_at_once() -> None:
    house = House()
    house.submit(A, "")
    assert house.ended(A) == ["b"]


def test_a_batch_is_a_set_said_again_it_adds_what_is_missing_alone() -> None:
    house = House()
    house.submit(A, "xx")
    house.submit(A, "xy")
    house.finish_all()
    assert house.told(A) == [("x", State.READY), ("y", State.READY)]
    assert house.ended(A) == ["b"]
    house.submit(A, "xy")
    assert house.ended(A) == ["b"]
    assert not house.wishes.items


def test_a_batch_with_more_to_come_does_not_end_before_its_last_chunk() -> None:
    house = House()
    house.submit(A, "x", more=True)
    house.finish_all()
    assert house.ended(A) == []
    house.submit(A, "y")
    house.finish_all()
    assert house.ended(A) == ["b"]


def test_a_folder_ends_when_it_is_listed_and_all_that_was_found_is_done() -> None:
    house = House()
    house.submit(A, "", listing=True)
    house.wishes.found("b", keys("xy"), NOW)
    house.finish_all()
    assert house.ended(A) == []
    house.wishes.listed("b", "unreadable", "half of it", NOW)
    (end,) = [one.end for one in house.wishes.news if isinstance(one, Ended)]
    assert (end.ready, end.error, end.message) == (2, "unreadable", "half of it")


def test_a_name_that_a_listing_tells_twice_is_one_item() -> None:
    # A folder that changes while it is read may do so, and so does one whose scout was lost.
    house = House()
    house.submit(A, "", listing=True)
    house.wishes.found("b", keys("xx"), NOW)
    house.wishes.found("b", keys("xy"), NOW)
    house.wishes.listed("b", None, None, NOW)
    house.finish_all()
    assert house.told(A) == [("x", State.READY), ("y", State.READY)]
    assert house.ended(A) == ["b"]


def test_work_is_shared_and_each_session_is_told() -> None:
    house = House()
    house.submit(A, "x", "one")
    house.submit(B, "x", "two")
    item = house.render()
    assert house.jobs.take_render(NOW) is None
    house.finish(item)
    assert house.told(A) == house.told(B) == [("x", State.READY)]
    assert (house.ended(A), house.ended(B)) == (["one"], ["two"])
    assert house.wishes.batches["two"].joined == 1


def test_a_session_with_an_item_in_two_batches_is_told_of_it_once_and_of_both_ends() -> None:
    house = House()
    house.submit(A, "x", "one")
    house.submit(A, "x", "two")
    house.finish_all()
    assert house.told(A) == [("x", State.READY)]
    assert house.ended(A) == ["one", "two"]


def test_a_batch_that_was_told_in_full_begins_again_for_a_session_that_was_not_told() -> None:
    house = House()
    house.submit(A, "x")
    house.finish_all()
    house.wishes.credited(A, "b", NOW)
    house.submit(B, "x")
    house.finish_all()
    assert house.told(B) == [("x", State.READY)]
    assert house.ended(B) == ["b"]
    assert house.ended(A) == ["b"]


def test_a_session_that_joins_an_open_batch_is_told_of_what_was_done_before() -> None:
    house = House()
    house.submit(A, "xy")
    house.finish(house.render())
    house.submit(B, "xy")
    house.finish_all()
    assert sorted(house.told(B)) == [("x", State.READY), ("y", State.READY)]
    assert sorted(house.told(A)) == sorted(house.told(B))
    assert (house.ended(A), house.ended(B)) == (["b"], ["b"])


def test_a_session_that_joins_a_batch_whose_end_was_not_dealt_with_is_told_all_of_it() -> None:
    house = House()
    house.submit(A, "x")
    house.finish_all()
    house.submit(B, "x")
    assert house.told(B) == [("x", State.READY)]
    assert house.ended(B) == ["b"]
    assert not house.wishes.items


def test_a_chunk_that_is_said_again_does_not_keep_a_batch_open_whose_last_chunk_was_taken() -> None:
    house = House()
    house.submit(A, "x", more=True)
    house.submit(A, "y")
    house.submit(A, "x", more=True)  # its answer was forgotten: it is taken again
    house.finish_all()
    assert house.ended(A) == []
    house.wishes.said_again(A, "b", NOW, more=False)  # the last one's was not
    assert house.ended(A) == ["b"]


def test_an_ended_batch_that_is_extended_in_chunks_ends_behind_the_last_of_them() -> None:
    house = House()
    house.submit(A, "x")
    house.finish_all()
    house.submit(B, "x", more=True)
    assert house.ended(B) == []
    house.submit(B, "y")
    house.finish_all()
    assert sorted(house.told(B)) == [("x", State.READY), ("y", State.READY)]
    assert house.ended(B) == ["b"]


def test_two_folders_of_a_batch_are_both_waited_for() -> None:
    house = House()
    house.submit(A, "", listing=True)
    house.submit(A, "", listing=True)
    house.wishes.listed("b", "not_found", "no such folder", NOW)
    assert house.ended(A) == []
    house.wishes.found("b", keys("x"), NOW)
    house.wishes.listed("b", None, None, NOW)
    house.finish_all()
    (end,) = [one.end for one in house.wishes.news if isinstance(one, Ended)]
    assert (end.ready, end.error) == (1, "not_found")


def test_a_batch_that_was_paused_when_it_ended_goes_on_when_it_is_asked_for_again() -> None:
    house = House()
    house.submit(A, "x")
    house.steering.pause(house.wishes.batches["b"], NOW)
    house.cancel("b")
    house.submit(A, "y")
    house.finish_all()
    assert house.told(A)[-1] == ("y", State.READY)


def test_who_looks_on_at_a_batch_looks_on_when_its_name_is_asked_for_anew() -> None:
    house = House()
    house.submit(A, "x")
    Audience(house.wishes).watch(B, house.wishes.batches["b"])
    house.finish_all()
    for session in (A, B):
        house.wishes.credited(session, "b", NOW)
    house.close(A)
    house.submit(b"session c", "x")
    house.finish_all()
    assert house.ended(B) == ["b", "b"]


def test_what_a_session_leaves_is_gone_at_once_without_python_looking_for_rubbish() -> None:
    house = House()
    house.focus(A, 1, "x", "y")
    house.submit(B, "z")
    (view,), batch = house.wishes.views._views[A].values(), house.wishes.batches["b"]
    left = [weakref.ref(one) for one in (view, view.visible, view.near, batch, batch.lane)]
    gc.disable()
    try:
        house.close(A)
        house.finish_all()
        house.wishes.credited(B, "b", NOW)
        house.wishes.expire(NOW + TTL_S)
        del view, batch
        assert [one() for one in left] == [None] * 5
    finally:
        gc.enable()


def test_a_chunk_without_room_is_refused_whole_and_what_is_found_never_is() -> None:
    house = House(capacity=5, reserve=2)
    house.submit(A, "x")
    with pytest.raises(QueueFull) as full:
        house.submit(A, "yzw", "c")
    assert full.value.room == 2
    assert "c" not in house.wishes.batches
    assert len(house.wishes.items) == 1
    house.submit(B, "", "folder", listing=True)
    house.wishes.found("folder", keys("1234567"), NOW)
    assert len(house.wishes.items) == 8
    assert house.wishes.room() == 0
    house.focus(B, 1, "f")  # what is on screen is never refused
    assert key("f") in house.wishes.items


def test_a_cancelled_batch_tells_each_item_and_its_end_and_drops_what_nobody_else_wants() -> None:
    house = House()
    house.submit(A, "xyz", "one")
    running = house.render()
    house.submit(B, "y", "two")
    assert house.cancel("one") == Counts(1, 1, 1)
    assert sorted(house.told(A)) == [(name, State.CANCELLED) for name in "xyz"]
    assert house.ended(A) == ["one"]
    assert set(house.wishes.items) == {running.key, key("y")}
    house.finish(running)  # its result is good for the cache, and told to nobody
    house.finish_all()
    assert house.told(B) == [("y", State.READY)]
    assert len(house.told(A)) == 3


def test_a_very_large_batch_ends_bit_by_bit_and_nothing_more_of_it_is_begun() -> None:
    house = House(capacity=10_000)
    names = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    house.submit(A, names)
    assert house.cancel("b") == Counts(dropped=5000)
    assert 0 < len(house.told(A)) < 5000
    assert house.looks() == []
    house.submit(B, names[:10])  # a batch of this name begins again when that one has ended
    assert len(house.told(A)) >= 5000
    house.finish_all()
    assert house.ended(B) == ["b"]
    assert [state for _name, state in house.told(B)].count(State.READY) == 0, "what was cancelled is told, not made"


def test_what_a_session_leaves_behind_goes_bit_by_bit_and_leaves_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thumbd_daemon.wishes._AT_ONCE", 2)
    house = House()
    house.submit(A, "abcde")
    house.close(A)
    assert "b" not in house.wishes.batches
    assert house.looks() == []
    while house.wishes.work_off(NOW):
        pass
    assert not house.wishes.items
    assert house.wishes.schedule.counts(Stage.LOOK) == []


def test_a_folder_that_is_cancelled_while_it_is_listed_ends() -> None:
    house = House()
    house.submit(A, "", listing=True)
    house.wishes.found("b", keys("x"), NOW)
    house.cancel("b")
    assert house.ended(A) == ["b"]
    house.wishes.found("b", keys("y"), NOW)  # the scout had it on its tongue
    house.wishes.listed("b", None, None, NOW)
    assert not house.wishes.items
    assert house.ended(A) == ["b"]


def test_items_cancelled_by_name_leave_the_batches_of_this_session_alone() -> None:
    house = House()
    house.submit(A, "xy", "one")
    house.submit(B, "x", "two")
    assert house.steering.cancel_items(A, [key("x"), key("nobody's")], NOW) == Counts(shared=1)
    assert house.told(A) == [("x", State.CANCELLED)]
    house.finish_all()
    assert house.told(B) == [("x", State.READY)]
    assert house.told(A) == [("x", State.CANCELLED), ("y", State.READY)]
    assert house.ended(A) == ["one"]


def test_what_a_session_alone_wanted_goes_with_it() -> None:
    house = House()
    house.submit(A, "xy", "one")
    house.submit(B, "y", "two")
    house.focus(A, 1, "z")
    running = house.render()
    house.close(A)
    assert "one" not in house.wishes.batches
    house.finish_all() if running.key not in house.wishes.items else house.finish(running)
    house.finish_all()
    assert house.told(B) == [("y", State.READY)]
    assert not house.wishes.items


def test_a_batch_of_two_sessions_lives_on_when_one_goes() -> None:
    house = House()
    house.submit(A, "x")
    house.submit(B, "x")
    house.close(A)
    house.finish_all()
    assert house.told(A) == []
    assert house.ended(B) == ["b"]


def test_only_so_many_batches_are_remembered_that_were_told_in_full() -> None:
    house = House()
    for n in range(1100):
        house.submit(A, "x", f"b{n}")
        house.finish_all()
        house.wishes.credited(A, f"b{n}", NOW)
    assert len(house.wishes.batches) == 1000
    assert "b99" not in house.wishes.batches
    assert "b1099" in house.wishes.batches


def test_a_finished_batch_is_forgotten_when_its_time_is_over() -> None:
    house = House()
    house.submit(A, "x")
    house.finish_all()
    house.wishes.expire(NOW + TTL_S + 1)
    assert "b" in house.wishes.batches  # the session has not dealt with it
    house.wishes.credited(A, "b", NOW)
    house.wishes.expire(NOW + TTL_S - 1)
    assert "b" in house.wishes.batches
    house.wishes.expire(NOW + TTL_S)
    assert "b" not in house.wishes.batches


def test_what_everybody_has_dealt_with_is_kept_as_counts_and_failures() -> None:
    house = House()
    house.submit(A, "xy")
    house.finish(house.render())
    house.jobs.fail(house.render(), ItemCode.TIMEOUT, "/y: too slow", NOW, source=None)
    batch = house.wishes.batches["b"]
    house.wishes.credited(A, "b", NOW)
    assert [one.path for one in batch.finals()] == [b"/y"]
    assert (batch.ready, batch.failed, batch.total) == (1, 1, 2)
    house.submit(A, "xy")  # it still knows what it has: nothing is missing
    assert not house.wishes.items


# -- focus ------------------------------------------------------------------------------------------------------


def test_what_is_on_screen_comes_first_then_what_is_near_then_batches() -> None:
    house = House()
    house.submit(A, "b")
    house.focus(B, 1, "v", "n")
    assert house.names(house.looks()) == "vn"
    assert house.names(house.looks()) == "b"


def test_the_newest_generation_of_a_view_wins_and_older_ones_are_dropped() -> None:
    house = House()
    house.focus(A, 5, "new")
    house.focus(A, 5, "same")
    house.focus(A, 4, "old")
    assert house.names(house.looks()) == "new"


def test_what_left_the_screen_is_dropped_without_a_word_unless_a_batch_wants_it() -> None:
    house = House()
    house.submit(A, "y")
    house.focus(A, 1, "xy")
    house.focus(A, 2, "z")
    assert set(house.wishes.items) == set(keys("yz"))
    assert house.told(A) == []
    assert house.names(house.looks() + house.looks()) == "zy"


def test_an_item_scrolled_from_near_to_visible_becomes_critical() -> None:
    house = House()
    house.focus(A, 1, "", "x")
    house.focus(B, 1, "y")
    house.focus(A, 2, "x")
    house.finish_all()
    assert {one.critical for one in house.wishes.news if isinstance(one, Told)} == {True}


def test_a_result_is_told_each_time_its_item_enters_the_focus_and_not_while_it_stays() -> None:
    house = House()
    house.focus(A, 1, "x")
    house.finish_all()
    assert house.told(A) == [("x", State.READY)]
    house.focus(A, 2, "xy")
    assert set(house.wishes.items) == {key("y")}
    house.finish_all()
    house.focus(A, 3, "y")
    house.focus(A, 4, "xy")
    house.finish_all()
    assert house.told(A) == [("x", State.READY), ("y", State.READY), ("x", State.READY)]


def test_a_file_that_changes_while_it_is_shown_is_looked_at_again_and_told() -> None:
    house = House()
    house.focus(A, 1, "xy")
    house.finish_all()
    house.wishes.views.found(b"/", {b"x": (10, 20), b"y": (None, None)}, NOW)  # as it was told, and not known
    assert not house.wishes.items
    house.wishes.views.found(b"/", {b"x": (10, 21), b"elsewhere": (1, 1)}, NOW)
    assert set(house.wishes.items) == {key("x")}
    house.finish_all()
    assert [name for name, _state in house.told(A)] == ["x", "y", "x"]


def test_all_windows_that_show_a_file_that_changes_are_told() -> None:
    house = House()
    house.focus(A, 1, "x")
    house.focus(B, 1, "x")
    house.finish_all()
    house.wishes.views.found(b"/", {b"x": (11, 21)}, NOW)
    house.finish_all()
    assert house.told(A) == house.told(B) == [("x", State.READY)] * 2


def test_a_file_that_changes_while_it_is_rendered_is_looked_at_once_more() -> None:
    house = House()
    house.focus(A, 1, "x")
    item = house.render()
    house.wishes.views.found(b"/", {b"x": (11, 21)}, NOW)
    house.finish(item)
    assert set(house.wishes.items) == {key("x")}
    house.finish_all()
    assert not house.wishes.items


def test_a_view_that_shows_another_flavor_asks_for_all_again() -> None:
    house = House()
    house.focus(A, 1, "x")
    house.finish_all()
    house.wishes.views.focus(
        Client(0, A), Focus(view="v", generation=2, flavor=Flavor.NORMAL, visible=[b"/x"], near=[]), NOW
    )
    assert set(house.wishes.items) == {(b"/x", Flavor.NORMAL)}


def test_two_views_of_a_session_do_not_disturb_each_other() -> None:
    house = House()
    house.focus(A, 1, "xy", view="left")
    house.focus(A, 1, "xz", view="right")
    house.focus(A, 2, "", view="left")
    assert set(house.wishes.items) == set(keys("xz"))
    house.finish_all()
    assert sorted(house.told(A)) == [("x", State.READY), ("z", State.READY)]


def test_a_path_both_visible_and_near_is_visible() -> None:
    house = House()
    house.focus(A, 1, "x", "x")
    house.finish_all()
    assert [one.critical for one in house.wishes.news if isinstance(one, Told)] == [True, True]


def test_who_looks_at_an_item_hears_that_it_is_being_rendered_a_batch_does_not() -> None:
    house = House()
    house.focus(A, 1, "x")
    house.submit(B, "x")
    house.render()
    told = [(one.session, one.update.state) for one in house.wishes.news if isinstance(one, Told)]
    assert told == [(A, State.RENDERING)]


def test_a_session_whose_batch_item_is_on_its_screen_hears_of_it_once_and_urgently() -> None:
    house = House()
    house.submit(A, "x")
    house.focus(A, 1, "x")
    house.finish_all()
    finals = [one for one in house.wishes.news if isinstance(one, Told) and one.update.state.final]
    assert [(one.session, one.critical) for one in finals] == [(A, True)]


# -- looks, renders, deaths -------------------------------------------------------------------------------------


def test_a_look_takes_fewer_paths_when_the_first_is_on_screen_and_no_more_bytes_than_fit() -> None:
    house = House()
    house.submit(A, "".join(map(chr, range(0x100, 0x140))))
    assert len(house.jobs.take_looks(40, 3, 1 << 20, NOW)) == 40
    house.focus(A, 1, "abcdef")
    assert len(house.jobs.take_looks(40, 3, 1 << 20, NOW)) == 3
    assert len(house.jobs.take_looks(40, 40, 1, NOW)) == 1
    assert house.jobs.take_looks(40, 40, 0, NOW) == []


def test_a_file_that_always_changes_is_told_as_stale_after_several_looks() -> None:
    house = House()
    house.submit(A, "x")
    for _ in range(MAX_CHANGES):
        house.jobs.changed(house.render(), NOW)
    assert house.told(A) == [("x", State.FAILED)]
    assert house.stats.failed == {"stale": 1}


def test_scouts_that_are_killed_over_a_good_file_do_not_make_it_stale() -> None:
    house = House()
    house.submit(A, "x")
    for lost in range(MAX_LOST_SCOUTS):
        assert house.told(A) == [], lost
        (item,) = house.looks()
        house.jobs.look_again(item, NOW)
    assert house.told(A) == [("x", State.FAILED)]
    assert house.stats.failed == {"internal": 1}


def test_a_file_that_kills_two_renderers_is_quarantined() -> None:
    house = House()
    house.submit(A, "x")
    for death in range(MAX_DEATHS):
        again = house.jobs.died(house.render(), CRASH, NOW)
        assert again is (death + 1 < MAX_DEATHS)
    (told,) = [one.update for one in house.wishes.news if isinstance(one, Told)]
    assert (told.state, told.error, told.retryable) == (State.FAILED, "quarantined", False)
    assert told.message is not None
    assert told.message.startswith("/x: is quarantined: SIGSEGV, 2 times")
    assert house.stats.retries == MAX_DEATHS - 1


def test_a_file_whose_renderers_others_killed_gets_more_tries_and_is_not_quarantined() -> None:
    house = House()
    house.submit(A, "x")
    for _ in range(MAX_RETRIES):
        assert house.jobs.died(house.render(), SHOT, NOW)
    assert not house.jobs.died(house.render(), SHOT, NOW)
    (told,) = [one.update for one in house.wishes.news if isinstance(one, Told)]
    assert (told.error, told.retryable, told.message) == ("crashed", True, "/x: SIGKILL")


def test_a_second_try_comes_one_priority_later() -> None:
    house = House()
    house.submit(A, "x", "one", priority=Priority.HIGH)
    item = house.render()
    house.submit(B, "y", "two", priority=Priority.HIGH)
    house.submit(B, "z", "three", priority=Priority.LOW)
    house.jobs.died(item, CRASH, NOW)
    order = [house.render() for _ in range(3)]
    assert house.names(order) == "yxz"


def test_a_second_try_outlives_the_session_it_was_queued_for() -> None:
    house = House()
    house.submit(A, "x", "one", priority=Priority.HIGH)
    house.submit(B, "xy", "two")
    x, y = house.render(), house.render()
    assert house.names([x, y]) == "xy"
    house.jobs.died(x, CRASH, NOW)
    house.close(A)
    house.finish(y)
    house.finish(house.render())
    assert house.told(B) == [("y", State.READY), ("x", State.READY)]


def test_a_second_try_that_nobody_waits_for_any_more_is_not_made() -> None:
    house = House()
    house.submit(A, "x")
    item = house.render()
    house.cancel("b")
    house.jobs.died(item, CRASH, NOW)
    assert not house.wishes.items


def test_a_step_that_the_table_does_not_allow_tells_the_story() -> None:
    item = Item(7, b"/x", Flavor.LARGE, NOW)
    with pytest.raises(IllegalStep, match=r"item 7 .*/x.*LOOK to PUBLISHING"):
        item.step(Phase.PUBLISHING)


def test_status_says_how_many_wait_before_it() -> None:
    house = House()
    house.submit(A, "xyz")
    (status,) = house.jobs.status([house.wishes.items[key("z")]])
    assert (status.state, status.position, status.attempts) == (State.QUEUED, 2, 0)
    item = house.render()
    assert house.jobs.status([item])[0].state is State.RENDERING


# -- sessions that are away, or do not read -----------------------------------------------------------------------


def test_what_a_session_that_is_away_wants_comes_last_and_its_old_place_is_kept_for_it() -> None:
    house = House()
    house.submit(A, "a", "one", priority=Priority.HIGH)
    house.focus(A, 1, "s")
    house.submit(B, "b", "two", priority=Priority.LOW)
    Audience(house.wishes).park(A, parked=True)
    (first, *_rest) = house.looks(1)
    assert house.names([first]) == "b"
    Audience(house.wishes).park(A, parked=False)
    assert house.names(house.looks()) == "sa"


def test_a_durable_batch_keeps_its_place_while_its_session_is_away() -> None:
    house = House()
    house.submit(A, "d", "one", durable=True)
    house.submit(B, "b", "two", priority=Priority.LOW)
    Audience(house.wishes).park(A, parked=True)
    assert house.names(house.looks(1)) == "d"


def test_nothing_more_is_begun_for_a_session_alone_that_reads_nothing_of_very_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("thumbd_daemon.presence.UNREAD", 1)
    house = House()
    house.submit(A, "x", "one")
    house.submit(A, "y", "two")
    house.submit(B, "y", "two")
    house.submit(A, "1", "one")
    house.submit(A, "2", "two")
    Audience(house.wishes).behind(A, behind=True)
    for _ in "12":
        item = next(item for item in house.wishes.items.values() if item.path in (b"/1", b"/2"))
        item.step(Phase.LOOKING)
        house.jobs.finish(item, READY, NOW)
    assert house.names(house.looks()) == "y"
    Audience(house.wishes).behind(A, behind=False)
    assert house.names(house.looks()) == "x"


# -- pause, go on, try again --------------------------------------------------------------------------------------


def test_a_paused_batch_stands_still_and_then_goes_on_with_all_of_it() -> None:
    house = House()
    house.submit(A, "xyz", "one")
    running = house.render()
    house.submit(B, "z", "two")
    batch = house.wishes.batches["one"]
    assert house.steering.pause(batch, NOW) == Counts(dropped=1, running=1, shared=1)
    assert batch.info(NOW).state == "paused"
    house.finish(running)
    found = house.jobs.take_render(NOW)
    assert found is not None
    assert house.names([found[0]]) == "z"  # the other batch wants it
    assert house.jobs.take_render(NOW) is None
    house.finish(found[0])
    house.steering.resume(batch, NOW)
    house.finish_all()
    assert sorted(house.told(A)) == [(name, State.READY) for name in "xyz"]
    assert house.ended(A) == ["one"]


def test_items_that_are_held_back_wait_until_they_or_their_batch_goes_on() -> None:
    house = House()
    house.submit(A, "xyz", "one")
    assert house.steering.pause_items(A, keys("xy"), NOW) == Counts(dropped=2)
    assert house.names(house.looks()) == "z"
    house.steering.resume_items(A, keys("y"), NOW)
    assert house.names(house.looks()) == "y"
    house.steering.resume(house.wishes.batches["one"], NOW)
    assert house.names(house.looks()) == "x"


def test_failures_are_asked_for_again_whatever_is_remembered_of_them() -> None:
    house = House()
    house.submit(A, "xyz")
    for code in (ItemCode.TIMEOUT, ItemCode.DECODE_ERROR):
        house.jobs.fail(house.render(), code, "no", NOW, source=None)
    house.finish_all()
    batch = house.wishes.batches["b"]
    again = house.steering.retry(A, [batch], lambda _key, code: code == "timeout", NOW)
    assert again == keys("x")
    assert (batch.ended, batch.failed, batch.total) == (None, 1, 3)
    (item,) = house.looks()
    assert item.again
    house.jobs.needs_render(item, 10, 20, NOW)
    house.finish_all()
    assert house.told(A)[-1] == ("x", State.READY)
    assert house.ended(A) == ["b", "b"]
    assert (batch.ready, batch.failed) == (2, 1)


# -- durable batches ----------------------------------------------------------------------------------------------


def commit(house: House) -> list[Entry]:
    """The journal has written all that it was given."""
    entries = house.wishes.take_entries()
    for entry in entries:
        if isinstance(entry, Settled):
            house.wishes.written(entry, NOW)
    return entries


def test_a_final_state_of_a_durable_batch_is_told_when_the_journal_has_it() -> None:
    house = House()
    house.submit(A, "x", durable=True)
    opened, added = house.wishes.take_entries()
    assert isinstance(opened, Opened)
    assert added == Added("b", keys("x"))
    house.finish_all()
    assert house.told(A) == []
    assert house.wishes.batches["b"].progress(NOW).done == 0
    commit(house)
    assert house.told(A) == [("x", State.READY)]
    assert house.ended(A) == ["b"]


def test_what_else_wants_the_item_of_a_durable_batch_does_not_wait_for_the_journal() -> None:
    house = House()
    house.submit(A, "x", durable=True)
    house.focus(B, 1, "x")
    house.finish_all()
    assert house.told(B) == [("x", State.READY)]
    assert house.told(A) == []


def test_a_durable_batch_goes_on_without_its_session_and_is_kept_as_counts_at_its_end() -> None:
    house = House()
    house.submit(A, "xy", durable=True)
    house.close(A)
    house.finish_all()
    entries = commit(house)
    assert house.wishes.batches["b"].ended is not None
    house.wishes.expire(NOW + UNHEARD_S)
    assert Released("b", 2, 0, 0, 0) in house.wishes.take_entries() + entries


def test_the_daemons_end_is_no_final_state_for_a_durable_batch() -> None:
    house = House()
    house.submit(A, "x", "kept", durable=True)
    house.submit(B, "x", "told")
    item = house.wishes.items[key("x")]
    house.jobs.fail(item, ItemCode.SHUTDOWN, "over", NOW, source=None)
    assert house.told(B) == [("x", State.FAILED)]
    assert not any(isinstance(entry, Settled) for entry in house.wishes.take_entries())
    assert house.wishes.batches["kept"].pending() == keys("x")


def test_a_cancelled_durable_batch_is_over_for_the_next_daemon_too() -> None:
    house = House()
    house.submit(A, "x", durable=True)
    house.cancel("b")
    entries = commit(house)
    assert [entry.outcome.state for entry in entries if isinstance(entry, Settled)] == [State.CANCELLED]
    assert house.told(A) == [("x", State.CANCELLED)]
    assert any(isinstance(entry, Closed) for entry in house.wishes.take_entries())
