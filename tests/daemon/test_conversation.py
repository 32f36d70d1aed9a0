"""The ROUTER with a real DEALER: what a client is told by a real desk, without children."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
import zmq

from thumbd_daemon.desk import Desk
from thumbd_daemon.pool import Kind
from thumbd_daemon.reports import Reports
from thumbd_daemon.server import Server
from thumbd_daemon.sessions import Session
from thumbd_daemon.verdicts import Cause, Death
from thumbd_protocol.codec import decode_reply, encode
from thumbd_protocol.errors import RequestCode
from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.replies import Accepted, Error, Health, Ok, Pong, Stats, Welcome
from thumbd_protocol.requests import (
    ClientInfo,
    HealthRequest,
    Hello,
    Message,
    Ping,
    Pool,
    Quarantine,
    StatsRequest,
    Submit,
    Subscribe,
)

from .workshop import Workshop

T = TypeVar("T")


def ident(number: int) -> bytes:
    return number.to_bytes(16, "big")


def hello(session: bytes | None = None, protocol: tuple[int, int] = (1, 1)) -> Hello:
    return Hello(
        id=ident(1),
        protocol=protocol,
        client=ClientInfo("test", "1", 1),
        capabilities=[],
        credit=16,
        heartbeat_ms=60_000,
        session=session,
    )


def submit(number: int, *names: bytes, batch: str = "b") -> Submit:
    return Submit(
        id=ident(number), items=[Item(name, Flavor.LARGE) for name in names], priority=Priority.NORMAL, batch=batch
    )


class Line:
    """A server at a socket, and clients that speak with it in turns."""

    def __init__(self, folder: Path, capacity: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.shop = Workshop(capacity=capacity, reserve=0)
        self.wishes, self.listings = self.shop.wishes, self.shop.listings
        self.journal: str | None = None
        shop = self.shop
        reports = Reports(
            shop.hands, shop.work, shop.care, shop.wishes, self._sessions, lambda: self.journal, b"8 bytes!"
        )
        desk = Desk(shop.wishes, shop.hands, shop.listings, shop.work.watches, reports, lambda: False)
        self.endpoint = f"ipc://{folder}/s"
        self.server = Server(self.endpoint, desk, self._flush)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealers: list[zmq.Socket[bytes]] = []

    def _sessions(self) -> list[Session]:
        return list(self.server.sessions.values())

    def _flush(self) -> None:
        self.loop.call_soon(lambda: self.server.flush(self.loop.time()))

    def client(self) -> "zmq.Socket[bytes]":
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(self.endpoint)
        self._dealers.append(dealer)
        return dealer

    async def ask(self, dealer: "zmq.Socket[bytes]", message: Message | list[bytes]) -> Message:
        """Say something and wait for what is answered."""
        dealer.send_multipart(encode(message) if isinstance(message, Message) else message)
        readable = asyncio.Event()
        self.loop.add_reader(dealer.FD, readable.set)
        try:
            async with asyncio.timeout(30):
                while not dealer.poll(0):
                    readable.clear()
                    await readable.wait()
        finally:
            self.loop.remove_reader(dealer.FD)
        return decode_reply(dealer.recv_multipart())

    def close(self) -> None:
        self.server.close()
        for dealer in self._dealers:
            dealer.close(linger=0)
        self.context.term()


def talk(folder: Path, what: Callable[[Line], Coroutine[None, None, T]], capacity: int = 100) -> T:
    async def conversation() -> T:
        line = Line(folder, capacity)
        try:
            return await what(line)
        finally:
            line.close()

    return asyncio.run(conversation())


def code(message: Message) -> str:
    assert isinstance(message, Error)
    return message.code


def test_nothing_is_done_before_hello_and_a_broken_message_costs_nobody_their_session(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        assert code(await line.ask(dealer, Ping(id=ident(2)))) == "no_session"
        assert code(await line.ask(dealer, [b"TH2", b"\x80"])) == "bad_version"
        assert code(await line.ask(dealer, hello(protocol=(2, 3)))) == "bad_version"
        assert isinstance(await line.ask(dealer, hello()), Welcome)
        assert code(await line.ask(dealer, [b"TH1", b"\xc1"])) == "bad_frame"
        assert code(await line.ask(dealer, [b"TH1"])) == "bad_frame"
        assert isinstance(await line.ask(dealer, Ping(id=ident(2))), Pong)

    talk(tmp_path, what)


def test_a_chunk_that_was_refused_for_want_of_room_is_taken_when_it_is_said_again(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        assert isinstance(await line.ask(dealer, submit(2, b"/a", b"/b")), Accepted)
        refused = await line.ask(dealer, submit(3, b"/c", batch="c"))
        assert isinstance(refused, Error)
        assert (refused.code, refused.retryable, refused.room) == (RequestCode.QUEUE_FULL, True, 0)
        assert refused.retry_after_ms is not None
        line.wishes.cancel("b", line.loop.time())
        assert isinstance(await line.ask(dealer, submit(3, b"/c", batch="c")), Accepted)

    talk(tmp_path, what, capacity=2)


def test_the_same_request_said_twice_has_one_effect_and_the_same_answer(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        unnamed = Submit(id=ident(2), items=[Item(b"/a", Flavor.LARGE)], priority=Priority.NORMAL)
        first = await line.ask(dealer, unnamed)
        assert isinstance(first, Accepted)
        assert await line.ask(dealer, unnamed) == first
        assert list(line.wishes.batches) == [first.batch]

    talk(tmp_path, what)


def test_a_topic_is_subscribed_by_text_and_by_bytes(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        topics: list[str | bytes] = ["folder:/f", b"folder:/\xff"]
        for number, topic in enumerate(topics):
            assert isinstance(await line.ask(dealer, Subscribe(id=ident(9 + number), topics=[topic])), Ok)
        assert len(line.listings) == 2
        assert code(await line.ask(dealer, Subscribe(id=ident(20), topics=["folder:relative"]))) == "bad_field"
        assert code(await line.ask(dealer, Subscribe(id=ident(21), topics=["mine"]))) == "not_supported"

    talk(tmp_path, what)


def test_a_client_that_says_hello_again_while_its_folder_is_listed_gets_all_of_it(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        welcome = await line.ask(dealer, hello())
        assert isinstance(welcome, Welcome)
        folder = Submit(id=ident(2), folder=Folder(b"/f", Flavor.LARGE), priority=Priority.NORMAL, batch="b")
        await line.ask(dealer, folder)
        await line.ask(dealer, hello(welcome.session))
        accepted = await line.ask(dealer, folder)
        assert isinstance(accepted, Accepted)
        assert accepted.total is None
        assert line.wishes.batches["b"].listing
        assert len(line.listings) == 1

    talk(tmp_path, what)


def test_another_client_with_the_session_of_one_that_is_gone_takes_its_place(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        first, second = line.client(), line.client()
        welcome = await line.ask(first, hello())
        assert isinstance(welcome, Welcome)
        await line.ask(first, submit(2, b"/a"))
        assert isinstance(await line.ask(second, hello(welcome.session)), Welcome)
        assert len(line.server.sessions) == 1
        assert not line.wishes.items
        assert code(await line.ask(first, Ping(id=ident(3)))) == "no_session"

    talk(tmp_path, what)


def test_a_submit_replaces_another_batch_once_it_is_taken_itself(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        await line.ask(dealer, submit(2, b"/a", b"/b", batch="old"))
        too_many = msgspec.structs.replace(submit(3, *(b"/%d" % n for n in range(9)), batch="new"), replace="old")
        assert code(await line.ask(dealer, too_many)) == "queue_full"
        assert line.wishes.batches["old"].ended is None, "a refused submit must not replace anything"
        one = msgspec.structs.replace(submit(4, b"/c", batch="new"), replace="old")
        assert isinstance(await line.ask(dealer, one), Accepted)
        assert line.wishes.batches["old"].cancelled == 2
        assert {path for path, _flavor in line.wishes.items} == {b"/c"}

    talk(tmp_path, what, capacity=5)


# -- how the daemon is, and its switches --------------------------------------------------------------------------


def test_stats_and_health_tell_of_a_daemon_that_is_well(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        await line.ask(dealer, submit(2, b"/a", b"/b"))
        stats = await line.ask(dealer, StatsRequest(id=ident(3)))
        assert isinstance(stats, Stats)
        assert (stats.queue["total"], stats.queue["by_class"]["normal"]) == (2, 2)
        assert stats.queue["by_client"] == {line.server.sessions[next(iter(line.server.sessions))].name: 2}
        assert stats.batches["open"] == 1
        assert stats.memory["budget"] == line.shop.budget.total
        health = await line.ask(dealer, HealthRequest(id=ident(4)))
        assert isinstance(health, Health)
        assert (health.verdict, health.reasons, health.crash_loop) == ("ok", [], False)
        assert {worker["role"] for worker in health.workers} == {"renderer", "quick", "listing"}

    talk(tmp_path, what)


def test_health_tells_what_is_wrong_and_which_children_were_lost(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        line.journal = "the journal can't be written"
        line.shop.mounts.stuck(b"/net", 1, line.shop.now - 2.0)
        line.shop.mounts.stuck(b"/usb", 2, line.shop.now)  # it may answer yet
        death = Death(line.shop.now, "renderer", 7, Cause.SIGNAL, "SIGSEGV", "last words", 1 << 20, 1.5, b"/x")
        line.shop.stats.deaths.append(death)
        health = await line.ask(dealer, HealthRequest(id=ident(4)))
        assert isinstance(health, Health)
        assert health.verdict == "degraded"
        assert health.reasons == ["the file system at /net does not answer", "the journal can't be written"]
        assert not health.journal_writable
        (failure,) = health.failures
        assert (failure["cause"], failure["detail"], failure["file"]) == ("signal", "SIGSEGV", b"/x")

    talk(tmp_path, what)


def test_the_number_of_renderers_may_be_changed_within_reason(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        done = await line.ask(dealer, Pool(id=ident(2), min=2, max=3))
        assert isinstance(done, Ok)
        assert (done.min, done.max) == (2, 3)
        assert (line.shop.sizer.least, line.shop.sizer.most, line.shop.budget.renderers) == (2, 3, 3)
        assert code(await line.ask(dealer, Pool(id=ident(3), min=9))) == "bad_field"
        line.shop.turn()
        assert len(list(line.shop.pool.of(Kind.RENDERER))) == 3

    talk(tmp_path, what)


def test_quarantined_files_are_shown_and_released(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        quarantine = line.shop.quarantine
        for number, path in enumerate((b"/a", b"/b", b"/c")):
            quarantine.add(path, 1, 1, "boom", 2, line.shop.wall_ms() - 1000 * number)
        shown = await line.ask(dealer, Quarantine(id=ident(2), action="list"))
        assert isinstance(shown, Ok)
        assert [(one["path"], one["since_ms"]) for one in shown.items or []] == [
            (b"/c", 2000),
            (b"/b", 1000),
            (b"/a", 0),
        ]
        one = [Item(b"/b", Flavor.LARGE), Item(b"/unknown", Flavor.LARGE)]
        released = await line.ask(dealer, Quarantine(id=ident(3), action="release", items=one))
        assert isinstance(released, Ok)
        assert [told["path"] for told in released.items or []] == [b"/b"]
        assert code(await line.ask(dealer, Quarantine(id=ident(4), action="release"))) == "bad_field"
        await line.ask(dealer, Quarantine(id=ident(5), action="clear"))
        assert len(quarantine) == 0
        assert line.shop.store.forgotten == [b"/b", b"/c", b"/a"]

    talk(tmp_path, what)
