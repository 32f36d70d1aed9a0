"""The daemon's side of a child, with real scouts as children."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from thumbd_daemon import records
from thumbd_daemon.records import FromScout, List, Listed, Look, Looked, Ping, Pong, Ready, Record, Setup
from thumbd_daemon.worker_handle import Exit, WorkerHandle


class Child:
    """A scout, and everything that its handle told."""

    def __init__(self, module: str = "thumbd_daemon.scout", kinds: object = FromScout) -> None:
        self.records: list[Record] = []
        self.exits: list[Exit] = []
        self.nonsense: list[str] = []
        self._news = asyncio.Event()
        self.handle = WorkerHandle(module, kinds, (), on_record=self._record, on_exit=self._exit, on_nonsense=self._mad)

    def _record(self, handle: WorkerHandle, record: Record) -> None:
        assert handle is self.handle
        assert not self.exits, "a record after the end"
        self.records.append(record)
        self._news.set()

    def _exit(self, handle: WorkerHandle, end: Exit) -> None:
        assert handle is self.handle
        self.exits.append(end)
        self._news.set()

    def _mad(self, handle: WorkerHandle, why: str) -> None:
        assert handle is self.handle
        self.nonsense.append(why)
        self._news.set()

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not what():
                assert not self.exits, f"it ended before that: {self.exits[0]}"
                self._news.clear()
                await self._news.wait()

    async def ready(self) -> None:
        self.handle.send(Setup(b"/nowhere/t", b"/nowhere/p", b"/nowhere/v"))
        await self.until(lambda: bool(self.records))
        assert self.records.pop(0) == Ready()

    async def ended(self) -> Exit:
        await self.until(lambda: bool(self.exits))
        await asyncio.sleep(0)
        (end,) = self.exits
        return end


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        before = len(os.listdir("/proc/self/fd"))
        await what()
        assert len(os.listdir("/proc/self/fd")) == before, "descriptors are left"

    asyncio.run(whole())


def test_records_go_in_and_out_and_end_of_file_ends_it(tmp_path: Path) -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        child.handle.send(Look(7, [(3, os.fsencode(tmp_path / "missing"), "large")]))
        child.handle.send(Ping(9))
        await child.until(lambda: len(child.records) == 2)
        looked, pong = child.records
        assert isinstance(looked, Looked)
        assert looked.job == 7
        assert pong == Pong(9)
        child.handle.close_socket()
        end = await child.ended()
        assert (end.pid, end.code, end.signal) == (child.handle.pid, 0, None)
        assert end.rss_peak > 1 << 20
        assert end.seconds > 0

    run(what)


def test_what_it_still_said_is_heard_before_its_end() -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        for number in range(200):
            child.handle.send(Ping(number))
        await child.until(lambda: Pong(199) in child.records)
        child.handle.signal(signal.SIGKILL)
        end = await child.ended()
        assert (end.code, end.signal) == (None, signal.SIGKILL)
        assert child.records == [Pong(number) for number in range(200)]

    run(what)


def test_what_is_said_to_the_dead_is_harmless() -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        child.handle.signal(signal.SIGKILL)
        for number in range(50):  # before its end is known
            child.handle.send(Ping(number))
        await child.ended()
        child.handle.send(Ping(1))
        child.handle.signal(signal.SIGTERM)
        child.handle.close_socket()
        assert len(child.exits) == 1

    run(what)


def test_a_child_that_says_what_is_not_understood_is_told_of_once_and_heard_no_more() -> None:
    async def what() -> None:
        child = Child(kinds=Listed)  # whoever expects nothing but this understands no Ready
        child.handle.send(Setup(b"/t", b"/p", b"/v"))
        child.handle.send(Ping(1))
        await child.until(lambda: bool(child.nonsense))
        child.handle.kill()  # which is for those to do who have been told
        end = await child.ended()
        assert end.signal == signal.SIGKILL
        (why,) = child.nonsense
        assert "not understood" in why
        assert child.records == []

    run(what)


def test_a_child_that_does_not_understand_us_ends_with_its_reason_as_last_words() -> None:
    async def what() -> None:
        child = Child()
        child.handle.send(records.Rendered(1, "RGB", 1, 1, 3, 1, 1, "PNG"))
        end = await child.ended()
        assert end.code == 1
        assert "ValidationError" in end.last_words
        assert "\n" not in end.last_words

    run(what)


def test_a_program_that_is_not_there_is_an_end_with_words_not_a_fault() -> None:
    async def what() -> None:
        end = await Child(module="thumbd_daemon.no_such_module").ended()
        assert end.code == 1
        assert "no_such_module" in end.last_words

    run(what)


def test_more_than_a_socket_holds_waits_for_its_turn_and_comes_in_order(tmp_path: Path) -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        child.handle.signal(signal.SIGSTOP)
        path = os.fsencode(tmp_path) + b"/" + b"x" * 4000
        for number in range(300):
            child.handle.send(List(number, path, False, False, True))
        child.handle.send(Ping(1))
        child.handle.signal(signal.SIGCONT)
        await child.until(lambda: len(child.records) == 301)
        jobs = [record.job for record in child.records if isinstance(record, Listed)]
        assert jobs == list(range(300))
        child.handle.close_socket()
        await child.ended()

    run(what)


def test_what_waits_for_a_stopped_child_is_let_go_with_it() -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        child.handle.signal(signal.SIGSTOP)
        with open("/dev/null", "rb") as file:
            for number in range(300):
                fds = (file.fileno(),) if number % 50 == 0 else ()
                child.handle.send(List(number, b"/" + b"x" * 4000, False, False, True), fds)
        child.handle.signal(signal.SIGKILL)
        await child.ended()

    run(what)


def test_a_record_that_is_too_long_is_refused_before_it_is_said() -> None:
    async def what() -> None:
        child = Child()
        await child.ready()
        with pytest.raises(ValueError, match="longer than"):
            child.handle.send(Look(1, [(n, b"/" + b"x" * 4000, "large") for n in range(20)]))
        child.handle.send(Ping(1))
        await child.until(lambda: child.records == [Pong(1)])
        child.handle.close_socket()
        await child.ended()

    run(what)
