"""The connection for asyncio: the same session and socket, kept up by one task. No thread, no Qt, no polling.

ZeroMQ's descriptors tell edges: one becomes readable when something *may* have changed, once. So the task does all that
can be done, asks the sockets whether something is left, and only then waits for an edge, for a call of `Session.ring`,
or for the next time that something is due.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from thumbd_protocol.replies import Reply
from thumbd_protocol.requests import Request

from .connection import check_askable, outcome
from .events import Event, NoDaemon, Refused, Trouble
from .line import Line, Told
from .session import Session


class AsyncConnection:
    """A conversation with the daemon, for one event loop: ``async with AsyncConnection("name") as thumbd``.

    What is to be said is said through `session`, at any time; it leaves with the loop's next turn. `ask` may be awaited
    by many tasks at once; the events are for one reader at a time. Cancelling a wait loses nothing.
    """

    def __init__(self, name: str, *, autostart: bool = True) -> None:
        self._line = Line(name, autostart=autostart, context=None)
        self._told: deque[Told] = deque()
        self._in_hand: Told | None = None
        self._asked: dict[bytes, asyncio.Future[Reply]] = {}
        self._bell = asyncio.Event()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session:
        """What may be said: see ``thumbd_client.session``."""
        return self._line.session

    async def __aenter__(self) -> Self:
        self.session.ring = self._bell.set
        self._task = asyncio.create_task(self._run(), name="thumbd connection")
        self._task.add_done_callback(lambda _task: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Say bye and close; whoever still waits for an answer is told that there is none. The loop stands still for at
        most 100 ms, while the last word leaves."""
        try:
            if self._task is not None:
                self._task.cancel()
                (ended,) = await asyncio.gather(self._task, return_exceptions=True)
                if isinstance(ended, Exception):
                    raise ended
        finally:
            self._fail(NoDaemon("the connection was closed"))
            self._line.close()

    # -- hearing ----------------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    def events(self, timeout: float | None = None) -> AsyncIterator[Event]:
        """What happens, one by one; ends when nothing has come for `timeout` seconds. Raises NoDaemon.

        An event counts as processed when the next one is asked for: its credit is given back then.
        """
        return _Events(self, timeout)

    async def ask(self, request: Request, timeout: float | None = None) -> Reply:
        """The answer to `request`. Raises NoDaemon, NotDone, and TimeoutError after `timeout` seconds. A request whose
        wait was cancelled may have been done all the same."""
        check_askable(request)
        self._look_again()
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[request.id] = answer
        self.session.request(request)
        self._bell.set()
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except BaseException:
            self.session.withdraw(request.id)
            raise
        finally:
            del self._asked[request.id]

    async def next(self, timeout: float | None) -> Event | None:
        """The next event; None when nothing has come for `timeout` seconds. The one before is processed now."""
        if self._in_hand is not None:
            self._line.give_back(self._in_hand)
            self._in_hand = None
        if not self._told:
            self._look_again()
        try:
            async with asyncio.timeout(timeout):
                while not self._told:
                    self._news.clear()
                    self._check()
                    await self._news.wait()
        except TimeoutError:
            return None
        told = self._told.popleft()
        if isinstance(told.event, Refused):
            raise NoDaemon(told.event.reason)
        self._in_hand = told
        return told.event

    # -- inside -----------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        """Whoever asks or listens anew wants a daemon, even where none could be had before."""
        self._check()
        self._line.try_again()
        self._bell.set()

    def _check(self) -> None:
        """Raise where nothing can come any more: the connection is not open, or its task has failed."""
        if self._task is None:
            raise RuntimeError("the connection is not open: use `async with`")
        if self._task.done():
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
            raise NoDaemon("the connection was closed")

    async def _run(self) -> None:
        try:
            while True:
                self._bell.clear()
                for told in self._line.turn():
                    self._hand_on(told)
                await self._wait()
        except Exception as error:
            self._fail(error)
            raise

    def _hand_on(self, told: Told) -> None:
        event = told.event
        if isinstance(event, Refused):
            self._fail(NoDaemon(event.reason))
        reply_to = getattr(event, "reply_to", None)
        answer = self._asked.get(reply_to) if isinstance(reply_to, bytes) else None
        found = outcome(event, reply_to) if answer is not None and reply_to is not None else None
        if answer is None or found is None:
            self._told.append(told)
            self._news.set()
        elif answer.done():
            pass  # whoever asked has stopped waiting in this very turn of the loop
        elif isinstance(found, Trouble):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def _fail(self, error: Exception) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)

    async def _wait(self) -> None:
        """Until there is something to do."""
        loop = asyncio.get_running_loop()
        dealer = self._line.dealer
        if dealer is not None and dealer.ready(to_send=self._line.to_send):
            await asyncio.sleep(0)  # others have their turn
            return
        # For this wait alone: the line closes its sockets in its own turns, and their numbers are used again.
        descriptors = dealer.descriptors() if dealer is not None else []
        for descriptor in descriptors:
            loop.add_reader(descriptor, self._bell.set)
        try:
            async with asyncio.timeout(self._line.due_s()):
                await self._bell.wait()
        except TimeoutError:
            pass  # something is due
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)


class _Events(AsyncIterator[Event]):
    """An iterator that a cancelled wait does not end, as it would end an async generator."""

    def __init__(self, connection: AsyncConnection, timeout: float | None) -> None:
        self._connection, self._timeout = connection, timeout

    async def __anext__(self) -> Event:
        event = await self._connection.next(self._timeout)
        if event is None:
            raise StopAsyncIteration
        return event
