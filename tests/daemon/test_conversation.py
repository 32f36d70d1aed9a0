"""The ROUTER with a real DEALER: what a client is told by a real desk, without children."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
import zmq

from thumbd_daemon.batches import Terms
from thumbd_daemon.desk import Desk
from thumbd_daemon.ledger import Ledger
from thumbd_daemon.news import Entry
from thumbd_daemon.orders import Orders
from thumbd_daemon.pool import Kind
from thumbd_daemon.reports import Reports
from thumbd_daemon.server import Server
from thumbd_daemon.sessions import Session
from thumbd_daemon.topics import Topics
from thumbd_daemon.verdicts import Cause, Death
from thumbd_daemon.views import MAX_VIEWS
from thumbd_protocol.codec import decode_reply, encode
from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.replies import Accepted, Error, Health, Notice, Ok, Pong, Snapshot, Stats, Welcome
from thumbd_protocol.requests import (
    Batches,
    Cancel,
    ClientInfo,
    Focus,
    HealthRequest,
    Hello,
    Message,
    Pause,
    Ping,
    Pool,
    Quarantine,
    Resume,
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
        self.shop.now = self.loop.time()
        self.wishes, self.listings = self.shop.wishes, self.shop.listings
        self.journal: str | None = None
        self.no_durable: ProtocolError | None = None
        self.written: list[int] = []
        shop = self.shop
        reports = Reports(
            shop.hands, shop.work, shop.care, shop.wishes, self._sessions, lambda: self.journal, b"8 bytes!"
        )
        self.ledger = Ledger(shop.wishes, self, shop.hands.clock, shop.wall_ms)
        orders = Orders(shop.wishes, shop.hands, shop.listings, self.ledger, lambda: self.no_durable)
        topics = Topics(shop.wishes, shop.listings, shop.work.watches, reports, orders.batch_of, shop.hands.clock)
        desk = Desk(shop.wishes, shop.hands, orders, topics, reports, lambda: False)
        self.endpoint = f"ipc://{folder}/s"
        self.server = Server(self.endpoint, desk, self._flush)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealers: list[zmq.Socket[bytes]] = []

    def write(self, number: int, entries: list[Entry]) -> None:
        """A journal that commits when the test says so."""
        self.written.append(number)

    def commit(self) -> None:
        self.ledger.flush()
        self.ledger.written(self.written[-1])
        self._flush()

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
        return await self.hear(dealer)

    async def hear(self, dealer: "zmq.Socket[bytes]") -> Message:
        """Wait for what is said."""
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
        line.shop.steering.cancel(line.wishes.batches["b"], line.loop.time())
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
        assert code(await line.ask(dealer, Subscribe(id=ident(21), topics=["ours"]))) == "bad_field"
        assert code(await line.ask(dealer, Subscribe(id=ident(22), topics=["batch:none"]))) == "unknown_id"

    talk(tmp_path, what)


def test_a_client_that_says_hello_again_while_its_folder_is_listed_gets_all_of_it(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        welcome = await line.ask(dealer, hello())
        assert isinstance(welcome, Welcome)
        folder = Submit(id=ident(2), folder=Folder(b"/f", Flavor.LARGE), priority=Priority.NORMAL, batch="b")
        await line.ask(dealer, folder)
        again = await line.ask(dealer, hello(welcome.session))
        assert isinstance(again, Welcome)
        assert again.resumed
        accepted = await line.ask(dealer, folder)
        assert isinstance(accepted, Accepted)
        assert accepted.total is None
        assert line.wishes.batches["b"].listing
        assert len(line.listings) == 1

    talk(tmp_path, what)


def test_another_connection_goes_on_with_a_session_and_the_first_is_told_so(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        first, second = line.client(), line.client()
        welcome = await line.ask(first, hello())
        assert isinstance(welcome, Welcome)
        await line.ask(first, submit(2, b"/a"))
        again = await line.ask(second, hello(welcome.session))
        assert isinstance(again, Welcome)
        assert (again.resumed, again.session) == (True, welcome.session)
        assert len(line.server.sessions) == 1
        assert list(line.wishes.items) == [(b"/a", Flavor.LARGE)]
        notice = await line.ask(first, Ping(id=ident(3)))
        assert isinstance(notice, Notice)
        assert (notice.kind, notice.seq) == ("replaced", 1)
        assert isinstance(await line.ask(second, submit(2, b"/a")), Accepted)

    talk(tmp_path, what)


def test_a_durable_batch_is_accepted_when_the_journal_has_it_and_asked_twice_but_once(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        durable = msgspec.structs.replace(submit(2, b"/a"), durable=True)
        dealer.send_multipart(encode(durable))
        dealer.send_multipart(encode(durable))
        assert isinstance(await line.ask(dealer, Ping(id=ident(3))), Pong), "it was accepted before it was written"
        line.commit()
        accepted = await line.hear(dealer)
        assert isinstance(accepted, Accepted)
        assert await line.ask(dealer, durable) == accepted

    talk(tmp_path, what)


def test_what_is_done_to_a_durable_batch_is_answered_when_the_journal_has_it(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        dealer.send_multipart(encode(msgspec.structs.replace(submit(2, b"/a"), durable=True)))
        assert isinstance(await line.ask(dealer, Ping(id=ident(3))), Pong)
        line.commit()
        assert isinstance(await line.hear(dealer), Accepted)
        for number, request in enumerate((Pause, Resume, Cancel)):
            dealer.send_multipart(encode(request(id=ident(10 + number), batch="b")))
            assert isinstance(await line.ask(dealer, Ping(id=ident(20 + number))), Pong), request
            line.commit()
            assert isinstance(await line.hear(dealer), Ok)

    talk(tmp_path, what)


def test_a_durable_batch_that_can_not_be_kept_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        line.no_durable = ProtocolError(RequestCode.INTERNAL, "the disk is full")
        refused = await line.ask(dealer, msgspec.structs.replace(submit(5, b"/b", batch="c"), durable=True))
        assert code(refused) == "internal"
        assert "c" not in line.wishes.batches

    talk(tmp_path, what)


def test_another_users_batch_is_neither_joined_nor_looked_at_nor_ended(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        theirs = Terms(user=4242)
        line.wishes.submit(b"another", "b", [(b"/x", Flavor.LARGE)], theirs, 1.0, more=False, listing=False)
        assert code(await line.ask(dealer, submit(2, b"/a"))) == "forbidden"
        assert code(await line.ask(dealer, Subscribe(id=ident(3), topics=["batch:b"]))) == "forbidden"
        assert code(await line.ask(dealer, Cancel(id=ident(4), batch="b"))) == "forbidden"
        told = await line.ask(dealer, Batches(id=ident(5)))
        assert isinstance(told, Ok)
        assert told.batches == []

    talk(tmp_path, what)


def test_who_shows_more_than_may_be_is_told_so(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        for number in range(MAX_VIEWS):
            view = Focus(view=f"v{number}", generation=1, flavor=Flavor.LARGE, visible=[b"/a"], near=[])
            dealer.send_multipart(encode(view))
        one_more = Focus(view="one more", generation=1, flavor=Flavor.LARGE, visible=[b"/a"], near=[])
        assert code(await line.ask(dealer, one_more)) == "rate_limited"
        assert len(line.wishes.views) == MAX_VIEWS

    talk(tmp_path, what)


def test_a_topic_that_was_subscribed_before_the_connection_broke_is_told_when_it_is_said_again(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        first, second = line.client(), line.client()
        welcome = await line.ask(first, hello())
        assert isinstance(welcome, Welcome)
        subscribe = Subscribe(id=ident(2), topics=["mine"])
        assert isinstance(await line.ask(first, subscribe), Ok)
        await line.ask(second, hello(welcome.session))
        assert isinstance(await line.ask(second, subscribe), Ok)
        assert isinstance(await line.hear(second), Snapshot)

    talk(tmp_path, what)


def test_a_topic_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        assert code(await line.ask(dealer, Subscribe(id=ident(2), topics=[b"batch:\xff"]))) == "bad_field"

    talk(tmp_path, what)


def test_a_folder_whose_client_has_gone_is_listed_no_further_and_anew_for_the_next(tmp_path: Path) -> None:
    async def what(line: Line) -> None:
        dealer = line.client()
        await line.ask(dealer, hello())
        folder = Submit(id=ident(2), folder=Folder(b"/f", Flavor.LARGE), priority=Priority.NORMAL, batch="b")
        await line.ask(dealer, folder)
        await line.ask(dealer, hello())  # a session of its own: the first has ended
        assert len(line.listings) == 0
        accepted = await line.ask(dealer, folder)
        assert isinstance(accepted, Accepted)
        assert accepted.total is None
        assert len(line.listings) == 1

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
