"""Durable batches: what is written outlives the daemon, in a real SQLite file; what goes on is what was not done."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thumbd_daemon.audience import Audience
from thumbd_daemon.batches import Outcome, Terms
from thumbd_daemon.items import Key, Phase
from thumbd_daemon.journal import Heard, Journal
from thumbd_daemon.keeping import UNHEARD_S
from thumbd_daemon.ledger import Ledger
from thumbd_daemon.news import Added, Closed, Entry, Forgotten, Opened, Released, Settled, Told
from thumbd_daemon.restoring import Kept, restore
from thumbd_daemon.steering import Steering
from thumbd_daemon.wishes import Wishes
from thumbd_protocol.items import Flavor, Folder, Priority, Source, State

X: Key = (b"/x\xff\n.png", Flavor.LARGE)
Y: Key = (b"/y.png", Flavor.PREVIEW)
Z: Key = (b"/z.png", Flavor.LARGE)
READY = Outcome(State.READY, thumbnail=b"/t\xff.png", width=3, height=4, source=Source.RENDER, size=9)
FAILED = Outcome(State.FAILED, error="timeout", message="/y.png: too slow", retryable=True)
TERMS = Terms(
    user=7,
    priority=Priority.LOW,
    durable=True,
    ttl_s=60,
    max_retries=2,
    timeout_s=1.5,
    folders=(Folder(b"/f\xff", Flavor.LARGE, recursive=True),),
    created_ms=1_000_000,
)


class Committed:
    """The numbers of the writes that are on disk, told in the journal's thread."""

    def __init__(self) -> None:
        self.last = 0
        self._news = threading.Condition()

    def __call__(self, number: int) -> None:
        with self._news:
            self.last = number
            self._news.notify_all()

    def until(self, number: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.last >= number, 30), self.last


@contextmanager
def opened(path: Path) -> Iterator[tuple[Journal, list[Kept], Committed]]:
    """A journal, the batches that it held at its start, and what it has committed since."""
    committed = Committed()
    journal = Journal(path, Heard(trouble=lambda _trouble: None, committed=committed))
    try:
        yield journal, journal.load(30.0)[1], committed
    finally:
        journal.close()


def kept_after(path: Path, *entries: Entry) -> list[Kept]:
    """What the next daemon finds when the last one has written these."""
    with opened(path) as (journal, _kept, committed):
        journal.write(1, list(entries))
        committed.until(1)
    with opened(path) as (_journal, kept, _committed):
        return kept


OPENED = Opened("b", TERMS, listing=True, more=False, paused=False)


# -- on disk ----------------------------------------------------------------------------------------------------


def test_a_batch_is_found_as_it_was_asked_for_with_its_items_in_their_order(tmp_path: Path) -> None:
    (kept,) = kept_after(tmp_path / "j.db", OPENED, Added("b", [Z, X]), Added("b", [Y]))
    assert (kept.batch, kept.terms, kept.listing, kept.more, kept.paused) == ("b", TERMS, True, False, False)
    assert kept.pending == [Z, X, Y]
    assert kept.finals == []


def test_final_states_are_found_to_the_letter(tmp_path: Path) -> None:
    entries: list[Entry] = [OPENED, Added("b", [X, Y, Z]), Settled("b", Y, FAILED), Settled("b", X, READY)]
    (kept,) = kept_after(tmp_path / "j.db", *entries)
    assert kept.finals == [(X, READY), (Y, FAILED)]
    assert kept.pending == [Z]


def test_what_is_written_twice_is_there_once(tmp_path: Path) -> None:
    entries: list[Entry] = [OPENED, Added("b", [X]), Settled("b", X, READY), Closed("b", 5, "not_found", "why")]
    (kept,) = kept_after(tmp_path / "j.db", *entries, *entries)
    assert kept.finals == [(X, READY)]
    assert (kept.ended_ms, kept.error, kept.message) == (5, "not_found", "why")


def test_of_a_batch_that_all_have_dealt_with_counts_and_failures_are_left(tmp_path: Path) -> None:
    entries: list[Entry] = [
        OPENED,
        Added("b", [X, Y]),
        Settled("b", X, READY),
        Settled("b", Y, FAILED),
        Closed("b", 5, None, None),
    ]
    (kept,) = kept_after(tmp_path / "j.db", *entries, Released("b", 1, 0, 0, 9))
    assert (kept.released, kept.ready, kept.bytes) == (True, 1, 9)
    assert kept.finals == [(Y, FAILED)]


def test_a_failure_that_is_asked_for_again_is_open_again(tmp_path: Path) -> None:
    entries: list[Entry] = [
        OPENED,
        Added("b", [Y]),
        Settled("b", Y, FAILED),
        Closed("b", 5, None, None),
        Added("b", [Y]),
    ]
    (kept,) = kept_after(tmp_path / "j.db", *entries)
    assert (kept.pending, kept.finals, kept.ended_ms) == ([Y], [], None)


def test_what_is_forgotten_leaves_nothing_behind(tmp_path: Path) -> None:
    assert kept_after(tmp_path / "j.db", OPENED, Added("b", [X]), Forgotten("b")) == []
    with closing(sqlite3.connect(tmp_path / "j.db")) as database:
        assert database.execute("SELECT count(*) FROM items").fetchone() == (0,)


def test_two_daemons_with_one_journal_do_not_both_go_on_with_its_batches(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with opened(path) as (first, _kept, committed):
        first.write(1, [OPENED, Added("b", [X])])
        committed.until(1)
        with opened(path) as (second, kept, _committed):
            assert kept == []
            assert second.taken is not None
            assert "another daemon" in second.taken
    with opened(path) as (third, kept, _committed):
        assert third.taken is None
        assert [one.batch for one in kept] == ["b"]


def test_a_journal_that_is_deleted_is_told_all_of_it_again(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    anew = threading.Event()
    committed = Committed()
    journal = Journal(path, Heard(trouble=lambda _trouble: None, committed=committed, anew=anew.set))
    try:
        assert journal.load(30.0) == ([], [])
        wishes = Wishes(100, 10)
        ledger = Ledger(wishes, journal, lambda: 50.0, lambda: 1_000_000)
        wishes.submit(b"a", "b", [X, Y], TERMS, 50.0, more=False, listing=False)
        ledger.flush()
        committed.until(1)
        path.unlink()
        Steering(wishes).pause(wishes.batches["b"], 50.0)
        ledger.flush()
        assert anew.wait(30)
        ledger.begin_anew()
        committed.until(3)
    finally:
        journal.close()
    with opened(path) as (_journal, kept, _committed):
        (one,) = kept
        assert (one.terms, one.paused, one.pending) == (TERMS, True, [X, Y])


# -- the next daemon --------------------------------------------------------------------------------------------


def test_a_batch_goes_on_at_what_has_no_final_state_and_counts_what_has() -> None:
    wishes = Wishes(100, 10)
    kept = Kept("b", TERMS, pending=[Z], finals=[(X, READY), (Y, FAILED)])
    batch = restore(wishes, kept, 1_002_000, 50.0)
    assert batch is not None
    assert list(wishes.items) == [Z]
    assert (batch.ready, batch.failed, batch.total, batch.ended) == (1, 1, 3, None)
    assert batch.info(50.0).age_ms == 2000
    assert wishes.unfinished


def test_a_batch_that_was_complete_ends_with_the_next_daemon_if_that_was_not_written() -> None:
    wishes = Wishes(100, 10)
    batch = restore(wishes, Kept("b", TERMS, finals=[(X, READY)]), 1_002_000, 50.0)
    assert batch is not None
    assert batch.ended == 50.0
    assert any(isinstance(entry, Closed) for entry in wishes.take_entries())


def test_an_end_is_not_told_to_anybody_before_he_looks_and_then_once() -> None:
    wishes = Wishes(100, 10)
    batch = restore(wishes, Kept("b", TERMS, ended_ms=1_001_000, finals=[(Y, FAILED)]), 1_002_000, 50.0)
    assert batch is not None
    assert batch.ended == pytest.approx(49.0)
    assert wishes.take_news() == []
    assert Audience(wishes).watch(b"a", batch)


def test_what_a_batch_came_to_while_its_client_was_away_is_kept_for_it_for_a_while() -> None:
    wishes = Wishes(100, 10)
    batch = restore(wishes, Kept("b", TERMS, pending=[X]), 1_002_000, 50.0)
    assert batch is not None
    wishes.items[X].step(Phase.LOOKING)
    wishes.settle(wishes.items[X], READY, 51.0)
    for entry in wishes.take_entries():
        if isinstance(entry, Settled):
            wishes.written(entry, 51.0)
    assert [one.path for one in batch.finals()] == [X[0]]
    wishes.expire(51.0 + UNHEARD_S - 1)
    assert batch.finals()
    wishes.expire(51.0 + UNHEARD_S)
    assert not batch.finals()
    wishes.expire(51.0 + UNHEARD_S + TERMS.ttl_s)
    assert not wishes.batches


def test_counts_of_what_was_released_are_kept_when_failures_are_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    entries: list[Entry] = [OPENED, Added("b", [X, Y]), Settled("b", X, READY), Settled("b", Y, FAILED)]
    entries += [Closed("b", 5, None, None), Released("b", 1, 0, 0, 9), Added("b", [Y])]
    (kept,) = kept_after(path, *entries)
    batch = restore(Wishes(100, 10), kept, 1_002_000, 50.0)
    assert batch is not None
    assert (batch.ready, batch.failed, batch.size, batch.ended) == (1, 0, 2, None)


def test_a_new_file_has_the_final_states_that_were_on_their_way_to_the_old_one() -> None:
    wishes, books = Wishes(100, 10), Slow()
    ledger = Ledger(wishes, books, lambda: 50.0, lambda: 0)
    wishes.submit(b"a", "b", [X, Y], TERMS, 50.0, more=False, listing=False)
    Steering(wishes).cancel(wishes.batches["b"], 50.0)
    ledger.flush()
    before = len(books.written)
    ledger.begin_anew()
    anew = [entry for _number, entries in books.written[before:] for entry in entries]
    last = {entry.key: entry.outcome.state for entry in anew if isinstance(entry, Settled)}
    assert last == {X: State.CANCELLED, Y: State.CANCELLED}
    assert not isinstance(anew[-1], Added)


def test_who_waits_for_a_journal_that_fails_is_told_so_at_once() -> None:
    wishes, books = Wishes(100, 10), Slow()
    ledger = Ledger(wishes, books, lambda: 50.0, lambda: 0)
    answered: list[str] = []
    wishes.submit(b"a", "one", [X], TERMS, 50.0, more=False, listing=False)
    ledger.after(lambda: answered.append("kept"), lambda: answered.append("not kept"))
    ledger.failed()
    ledger.written(1)
    assert answered == ["not kept"]


def test_a_paused_batch_stays_paused_and_does_not_keep_the_daemon() -> None:
    wishes = Wishes(100, 10)
    batch = restore(wishes, Kept("b", TERMS, paused=True, pending=[X]), 1_002_000, 50.0)
    assert batch is not None
    assert batch.lane.paused
    assert not wishes.unfinished


def test_who_asks_again_for_a_batch_of_the_last_daemon_is_told_what_was_done_there() -> None:
    wishes = Wishes(100, 10)
    restore(wishes, Kept("b", TERMS, pending=[Z], finals=[(X, READY)]), 1_002_000, 50.0)
    wishes.submit(b"a", "b", [X, Z], TERMS, 50.0, more=False, listing=False)
    told = [one.update.path for one in wishes.take_news() if isinstance(one, Told)]
    assert told == [X[0]]
    assert list(wishes.items) == [Z]


# -- between the two --------------------------------------------------------------------------------------------


class Slow:
    """A journal that commits when it is told to."""

    def __init__(self) -> None:
        self.written: list[tuple[int, list[Entry]]] = []

    def write(self, number: int, entries: list[Entry]) -> None:
        self.written.append((number, entries))


def never() -> None:
    raise AssertionError("the journal has not failed")


def test_an_answer_waits_for_all_that_was_said_before_it_and_for_nothing_else() -> None:
    wishes, books = Wishes(100, 10), Slow()
    ledger = Ledger(wishes, books, lambda: 50.0, lambda: 0)
    answered: list[str] = []
    ledger.after(lambda: answered.append("nothing to wait for"), never)
    wishes.submit(b"a", "one", [X], TERMS, 50.0, more=False, listing=False)
    ledger.after(lambda: answered.append("one"), never)
    wishes.submit(b"a", "two", [Y], TERMS, 50.0, more=False, listing=False)
    ledger.after(lambda: answered.append("two"), never)
    assert answered == ["nothing to wait for"]
    ledger.written(1)
    assert answered == ["nothing to wait for", "one"]
    ledger.written(2)
    assert answered == ["nothing to wait for", "one", "two"]


steps = st.lists(st.sampled_from(["submit", "do", "fail", "commit", "credit", "crash"]), max_size=40)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_whatever_the_moment_of_the_crash_each_item_has_one_final_state_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, todo: list[str]
) -> None:
    path = tmp_path_factory.mktemp("crash") / "j.db"
    keys: list[Key] = [(b"/%d" % n, Flavor.LARGE) for n in range(6)]
    told: dict[Key, set[State]] = {}
    submitted = False
    wishes, books = Wishes(100, 10), Slow()
    ledger = Ledger(wishes, books, lambda: 50.0, lambda: 1_000_000)

    def commit() -> None:
        ledger.flush()
        if books.written:
            with opened(path) as (journal, _kept, committed):
                for number, entries in books.written:
                    journal.write(number, entries)
                committed.until(books.written[-1][0])
            ledger.written(books.written[-1][0])
            books.written.clear()
        for one in wishes.take_news():
            if isinstance(one, Told):
                told.setdefault((one.update.path, one.update.flavor), set()).add(one.update.state)

    def work(outcome: Outcome) -> None:
        item = next((item for item in wishes.items.values() if item.phase is Phase.LOOK), None)
        if item is not None:
            item.step(Phase.LOOKING)
            wishes.settle(item, outcome, 50.0)

    for step in [*todo, "submit", *["do"] * 6, "commit"]:
        match step:
            case "submit":
                wishes.submit(b"a", "b", keys, TERMS, 50.0, more=False, listing=False)
                commit()
                submitted = True
            case "do":
                work(READY)
            case "fail":
                work(FAILED)
            case "commit":
                commit()
            case "credit":
                wishes.credited(b"a", "b", 50.0)
            case "crash" if submitted:
                wishes, books = Wishes(100, 10), Slow()
                ledger = Ledger(wishes, books, lambda: 50.0, lambda: 1_000_000)
                with opened(path) as (_journal, kept, _committed):
                    ledger.restore(kept)
                wishes.submit(b"a", "b", keys, TERMS, 50.0, more=False, listing=False)
    while wishes.items:
        work(READY)
    commit()
    assert set(told) == set(keys)
    assert all(state.final for states in told.values() for state in states)
    assert "credit" in todo or all(len(states) == 1 for states in told.values())
    batch = wishes.batches["b"]
    assert batch.ended is not None
    assert batch.done == batch.size
