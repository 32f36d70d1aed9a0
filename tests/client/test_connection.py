"""The blocking connection over a real socket: iterating gives credit back, asking waits for one answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_client import Connected, Connection, Disconnected, NoDaemon, NotDone, new_id
from thumbd_protocol.items import Flavor, Item, Priority
from thumbd_protocol.replies import Accepted, Error, Notice, Ok, Update
from thumbd_protocol.requests import Batches, Credit, Message, Pool, Request, SnapshotRequest, Submit, Subscribe

from .fake_wire import Wire, ok, update


@pytest.fixture
def wire(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(tmp_path_factory.mktemp("w") / "s") as wire:
        monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
        yield wire


def first(connection: Connection) -> None:
    """Wait for the welcome."""
    assert isinstance(next(connection.events(10)), Connected)


def test_credit_is_given_back_when_the_next_event_is_asked_for_and_not_before(wire: Wire) -> None:
    with Connection("test") as connection:
        first(connection)
        for number in range(3):
            wire.say(update(b"/%d" % number))
        events = connection.events(10)
        assert isinstance(next(events), Update)
        assert isinstance(connection.ask(Batches(id=new_id())), Ok)
        wire.hears(Batches)
        assert wire.credit == 16 - 3
        next(events)
        connection.ask(Pool(id=new_id()))
        wire.hears(Credit)
        assert wire.credit == 16 - 2


def test_a_loop_that_was_left_gives_back_its_last_event_when_the_next_loop_begins(wire: Wire) -> None:
    with Connection("test") as connection:
        first(connection)
        for number in range(40):
            wire.say(update(b"/%d" % number))
            for event in connection.events(10):
                assert isinstance(event, Update)
                break
        connection.ask(Batches(id=new_id()))
        assert wire.credit == 16 - 1


def test_credit_for_what_an_older_welcome_told_is_not_given_to_a_newer_one(wire: Wire) -> None:
    with Connection("test") as connection:
        first(connection)
        wire.say(update(b"/a"))
        events = connection.events(10)
        assert isinstance(next(events), Update)
        connection.session.connected(0.0)  # a hole in the numbers, say
        connection.ask(Batches(id=new_id()))
        assert isinstance(next(events), Connected)
        connection.ask(Batches(id=new_id()))
        connection.ask(Batches(id=new_id()))
        assert wire.credit == 16


def test_silence_ends_the_loop_and_a_later_one_goes_on(wire: Wire) -> None:
    with Connection("test") as connection:
        first(connection)
        assert list(connection.events(0.05)) == []
        wire.say(update(b"/a"))
        assert isinstance(next(connection.events(10)), Update)


def test_what_comes_while_an_answer_is_waited_for_is_kept_in_order(wire: Wire) -> None:
    def answer(message: Message) -> Iterator[Message]:
        yield update(b"/a")
        yield update(b"/b")
        yield from ok(message)

    wire.answer = answer
    with Connection("test") as connection:
        connection.ask(Batches(id=new_id()))
        events = connection.events(0.05)
        assert isinstance(next(events), Connected)
        assert [e.items[0].path for e in events if isinstance(e, Update)] == [b"/a", b"/b"]


def test_what_the_daemon_refuses_is_raised_with_its_sentence_and_code(wire: Wire) -> None:
    def answer(message: Message) -> Iterator[Message]:
        if isinstance(message, Request):
            yield Error(reply_to=message.id, code="forbidden", message="not yours", retryable=False)

    wire.answer = answer
    with Connection("test") as connection:
        for request in (
            Batches(id=new_id()),
            Subscribe(id=new_id(), topics=["batch:x"]),
            Submit(id=new_id(), items=[], priority=Priority.LOW, batch="x"),
        ):
            with pytest.raises(NotDone, match="not yours") as caught:
                connection.ask(request)
            assert caught.value.code == "forbidden"
        assert not connection.session.busy


def test_a_request_without_an_answer_in_time_is_given_up_and_not_said_to_the_next_daemon(wire: Wire) -> None:
    wire.answer = lambda _message: iter(())
    with Connection("test") as connection:
        with pytest.raises(TimeoutError, match=r"has not answered within 0\.1 s"):
            connection.ask(Submit(id=new_id(), items=[], priority=Priority.LOW, batch="x"), 0.1)
        assert not connection.session.busy


def test_a_snapshot_is_no_single_answer(wire: Wire) -> None:
    with Connection("test") as connection, pytest.raises(TypeError, match="comes in parts"):
        connection.ask(SnapshotRequest(id=new_id(), topics=["mine"]))


def test_without_a_daemon_asking_and_listening_say_so_and_a_later_try_finds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(tmp_path / "s")
    monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
    with Connection("test") as connection:
        with pytest.raises(NoDaemon, match="no daemon answers"):
            connection.ask(Batches(id=new_id()))
        with pytest.raises(NoDaemon, match="no daemon answers"):
            next(connection.events())
        with wire:
            assert isinstance(connection.ask(Pool(id=new_id())), Ok)
            # What could not be asked before was not kept for a daemon that comes by chance.
            assert isinstance(wire.hears(Pool), Pool)
            assert wire.heard.empty()


def test_a_daemon_that_dies_and_another_that_comes_are_told_and_what_was_open_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [Item(b"/a", Flavor.LARGE)]

    def accept(message: Message) -> Iterator[Message]:
        if isinstance(message, Submit):
            yield Accepted(reply_to=message.id, batch=message.batch or "", total=1)

    with Wire(tmp_path / "s", accept) as wire:
        monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
        connection = Connection("test")
        connection.session.submit_items(items, Priority.LOW, "b")
        events = connection.events(10)
        assert [type(next(events)) for _ in range(2)] == [Connected, Accepted]
        said = wire.hears(Submit)
    with connection, Wire(tmp_path / "s", accept) as wire:
        assert [type(next(events)) for _ in range(3)] == [Disconnected, Connected, Accepted]
        assert wire.hears(Submit) == said


def test_a_daemon_that_is_just_leaving_costs_a_request_nothing_but_the_wait_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving(message: Message) -> Iterator[Message]:
        if isinstance(message, Submit):
            yield Error(reply_to=message.id, code="shutting_down", message="the daemon leaves", retryable=True)

    with Wire(tmp_path / "s", leaving) as wire:
        monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
        connection = Connection("test")
        connection.session.submit_items([], Priority.LOW, "b")
        assert [type(event) for event in connection.events(0.2)] == [Connected]
        said = wire.hears(Submit)
    with connection, Wire(tmp_path / "s") as wire:
        events = connection.events(10)
        assert [type(next(events)) for _ in range(3)] == [Disconnected, Connected, Ok]
        assert wire.hears(Submit) == said


def test_who_is_replaced_is_told_and_does_not_fight_for_the_session(wire: Wire) -> None:
    with Connection("test") as connection:
        first(connection)
        wire.say(Notice(epoch=b"", seq=0, kind="replaced", message="another connection has come"))
        events = connection.events(10)
        assert isinstance(next(events), Notice)
        with pytest.raises(NoDaemon, match="taken over"):
            next(events)
        connection.poll(0.2)
        assert len(wire.hellos) == 1
        connection.ask(Batches(id=new_id()))
        assert wire.hellos[-1].session is None
