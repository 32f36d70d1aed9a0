"""The connection for asyncio over a real socket: every message comes, nothing spins, and a cancelled wait loses nothing."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from thumbd_client import AsyncConnection, Connected, Disconnected, NoDaemon, NotDone, new_id
from thumbd_client.line import Line, Told
from thumbd_protocol.replies import Error, Ok, Update
from thumbd_protocol.requests import Batches, Credit, Message, Pool, Subscribe

from .fake_wire import Wire, ok, update

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def wire(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(tmp_path_factory.mktemp("w") / "s") as wire:
        monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
        yield wire


def within(seconds: float, situation: Coroutine[Any, Any, None]) -> None:
    """Run a situation to its end, or fail."""

    async def watched() -> None:
        async with asyncio.timeout(seconds):
            await situation

    asyncio.run(watched())


async def paths(connection: AsyncConnection, count: int) -> list[bytes]:
    """The first items of so many updates."""
    found: list[bytes] = []
    async for event in connection:
        if isinstance(event, Update):
            found.append(event.items[0].path)
        if len(found) == count:
            break
    return found


def test_thousands_of_messages_in_bursts_all_come_though_the_descriptor_tells_only_edges(wire: Wire) -> None:
    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            for burst in (1, 7, 2000, 3, 1000):
                wanted = [b"/%d" % number for number in range(burst)]
                for path in wanted:
                    wire.say(update(path))
                assert await paths(connection, burst) == wanted

    within(20, situation())


def test_a_message_whose_edge_was_used_up_by_something_else_is_not_slept_over(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Line.turn
    late: list[Update] = []

    def then_one_comes(self: Line) -> list[Told]:
        """Behind all that a turn does a message comes in, and the socket is looked at, as sending does too."""
        told = turn(self)
        if late and self.dealer is not None:
            wire.say(late.pop())
            while not self.dealer.ready(to_send=False):
                continue
        return told

    monkeypatch.setattr(Line, "turn", then_one_comes)

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            assert isinstance(await anext(connection.events()), Connected)
            late.append(update(b"/late"))
            connection.session.ring()
            async with asyncio.timeout(2):
                assert await paths(connection, 1) == [b"/late"]

    within(20, situation())


def test_credit_is_given_back_when_the_next_event_is_asked_for_and_not_before(wire: Wire) -> None:
    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            events = connection.events(10)
            assert isinstance(await anext(events), Connected)
            for number in range(3):
                wire.say(update(b"/%d" % number))
            await anext(events)
            await connection.ask(Batches(id=new_id()))
            assert wire.credit == 16 - 3
            await anext(events)
            await connection.ask(Pool(id=new_id()))
            await asyncio.to_thread(wire.hears, Credit)
            assert wire.credit == 16 - 2

    within(20, situation())


def test_many_ask_at_once_and_each_has_its_own_answer(wire: Wire) -> None:
    def answer(message: Message) -> Iterator[Message]:
        if isinstance(message, Pool) and message.min == 7:
            yield Error(reply_to=message.id, code="bad_field", message="no seven", retryable=False)
        elif isinstance(message, Pool):
            yield Ok(reply_to=message.id, min=message.min)

    wire.answer = answer

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            asked = [connection.ask(Pool(id=new_id(), min=number)) for number in range(1, 100)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for number, found in enumerate(answers, start=1):
                if number == 7:
                    assert isinstance(found, NotDone)
                    assert found.code == "bad_field"
                else:
                    assert isinstance(found, Ok)
                    assert found.min == number

    within(20, situation())


def test_a_wait_for_an_event_that_is_cancelled_loses_none(wire: Wire) -> None:
    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            events = connection.events()
            assert isinstance(await anext(events), Connected)
            for _ in range(20):
                waiting = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            for number in range(5):
                wire.say(update(b"/%d" % number))
            assert await paths(connection, 5) == [b"/%d" % number for number in range(5)]

    within(20, situation())


def test_a_question_that_is_cancelled_is_not_answered_to_anybody_else(wire: Wire) -> None:
    allowed = threading.Event()

    def answer(message: Message) -> Iterator[Message]:
        if isinstance(message, Batches):
            allowed.wait(10)
        yield from ok(message)

    wire.answer = answer

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            with pytest.raises(TimeoutError):
                await connection.ask(Batches(id=new_id()), 0.1)
            allowed.set()
            assert isinstance(await connection.ask(Pool(id=new_id())), Ok)
            assert [type(event) async for event in connection.events(0.05)] == [Connected]
            assert not connection.session.busy

    within(20, situation())


def test_what_is_said_while_nobody_waits_leaves_all_the_same(wire: Wire) -> None:
    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            assert isinstance(await anext(connection.events()), Connected)
            await asyncio.sleep(0.05)  # the task rests now
            connection.session.subscribe("system")
            async with asyncio.timeout(2):  # long before the next heartbeat would have taken it along
                assert isinstance(await asyncio.to_thread(wire.hears, Subscribe), Subscribe)

    within(20, situation())


def test_a_connection_at_rest_does_not_turn(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0
    turn = Line.turn

    def counted(self: Line) -> list[Told]:
        nonlocal turns
        turns += 1
        return turn(self)

    monkeypatch.setattr(Line, "turn", counted)

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            assert isinstance(await anext(connection.events()), Connected)
            assert [event async for event in connection.events(0.2)] == []
            before = turns
            assert [event async for event in connection.events(1.0)] == []
            assert turns - before <= 2

    within(20, situation())


def test_a_reader_that_is_busy_for_long_does_not_lose_the_daemon(wire: Wire) -> None:
    async def situation() -> None:
        connection = AsyncConnection("test")
        connection.session._pulse.heartbeat_s = 0.1
        async with connection:
            async for event in connection.events():
                assert isinstance(event, Connected)
                await asyncio.sleep(1.0)
                break
            assert [event async for event in connection.events(0.05)] == []
            assert len(wire.hellos) == 1

    within(20, situation())


def test_a_daemon_that_dies_and_another_that_comes_answer_the_same_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THUMBD_ENDPOINT", f"ipc://{tmp_path}/s")

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            with Wire(tmp_path / "s", lambda _message: iter(())) as wire:
                asking = asyncio.ensure_future(connection.ask(Batches(id=new_id())))
                said = await asyncio.to_thread(wire.hears, Batches)
            with Wire(tmp_path / "s") as wire:  # the loop has not turned between
                assert isinstance(await asking, Ok)
                assert await asyncio.to_thread(wire.hears, Batches) == said
                told = [type(event) async for event in connection.events(0.05)]
                assert told == [Connected, Disconnected, Connected]

    within(20, situation())


def test_without_a_daemon_everybody_who_waits_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUMBD_ENDPOINT", f"ipc://{tmp_path}/nobody")

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            with pytest.raises(NoDaemon, match="no daemon answers"):
                await anext(connection.events())
            with pytest.raises(NoDaemon, match="no daemon answers"):
                await connection.ask(Batches(id=new_id()))

    within(20, situation())


def test_closing_tells_whoever_still_waits(wire: Wire) -> None:
    wire.answer = lambda _message: iter(())

    async def situation() -> None:
        async with AsyncConnection("test") as connection:
            asking = asyncio.ensure_future(connection.ask(Batches(id=new_id())))
            listening = asyncio.ensure_future(paths(connection, 1))
            await asyncio.to_thread(wire.hears, Batches)
        for waiting in (asking, listening):
            with pytest.raises(NoDaemon, match="was closed"):
                await waiting

    within(20, situation())


def test_a_connection_that_was_not_entered_says_so(wire: Wire) -> None:
    async def situation() -> None:
        with pytest.raises(RuntimeError, match="async with"):
            await AsyncConnection("test").ask(Batches(id=new_id()))

    within(20, situation())


def test_a_defect_in_the_task_reaches_whoever_asks(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Line) -> list[Told]:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Line, "turn", broken)

    async def situation() -> None:
        connection = await AsyncConnection("test").__aenter__()
        with pytest.raises(ZeroDivisionError, match="a defect"):
            await connection.ask(Batches(id=new_id()))
        with pytest.raises(ZeroDivisionError, match="a defect"):
            await connection.close()

    within(20, situation())
