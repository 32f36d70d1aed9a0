"""The connection: what callers use to hear the daemon and to ask it. The loop behind it is in ``line``.

A thread calls `poll` again and again, or iterates over `events`; nothing waits longer than it was told to.
"""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import zmq

from thumbd_protocol.replies import Error, Reply
from thumbd_protocol.requests import Request, SnapshotRequest

from .events import Event, NoDaemon, NotDone, NotTaken, Refused, Trouble
from .line import LONG_S, Line, Phase, Told

__all__ = ["Connection", "Phase", "check_askable", "outcome"]


def outcome(event: Event, asked: bytes) -> Reply | NotDone | None:
    """What `event` says to the request `asked`: its answer, or why it was not done; None when it says nothing."""
    match event:
        case Error(reply_to=reply) | NotTaken(reply_to=reply) if reply == asked:
            return NotDone(event.message, event.code)
        case Reply(reply_to=reply) if reply == asked:
            return event
        case _:
            return None


def check_askable(request: Request) -> None:
    """Raise TypeError for a request whose answer is no single message."""
    if isinstance(request, SnapshotRequest):
        raise TypeError("a snapshot comes in parts: say it with `session.request`, and hear them among the events")


class Connection(Line):
    """A conversation with the daemon over a socket of its own. Not thread-safe: one thread makes, uses and closes it.

    `name` says who calls; `autostart` whether a daemon is started when none answers. What is to be said is said through
    `session`. Use either `events` (which gives credit back by itself) or `poll` (whose caller does it).
    """

    def __init__(
        self, name: str, *, autostart: bool = True, context: zmq.Context[zmq.Socket[bytes]] | None = None
    ) -> None:
        super().__init__(name, autostart=autostart, context=context)
        self._in_hand: Told | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def poll(self, timeout_s: float, also: "zmq.Socket[bytes] | None" = None) -> list[Event]:
        """What has happened, after at most `timeout_s` seconds; earlier when something has, or `also` is readable.

        For each `Update` and `Snapshot` the caller says ``session.processed()``, once it has dealt with it.
        """
        self._step(0.0 if self._told else timeout_s, also)
        events = [told.event for told in self._told]
        self._told.clear()
        return events

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """What happens, one by one; ends when nothing has come for `timeout` seconds. Raises NoDaemon.

        An event counts as processed when the next one is asked for: its credit is given back then.
        """
        while (told := self._next(timeout)) is not None:
            self._in_hand = told
            yield told.event

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        """The answer to `request`; what else comes meanwhile is kept for `events`. Raises NoDaemon, NotDone, and
        TimeoutError when there is no answer within `timeout` seconds."""
        check_askable(request)
        self.try_again()
        asked = self.session.request(request)
        until = time.monotonic() + (LONG_S if timeout is None else timeout)
        try:
            while (found := self._answer(asked, until)) is None:
                if timeout is not None and time.monotonic() >= until:
                    raise TimeoutError(f"the daemon has not answered within {timeout:g} s")
        except BaseException:
            self.session.withdraw(asked)
            raise
        return found

    def _answer(self, asked: bytes, until: float) -> Reply | None:
        """One turn, and what it says to the request `asked`."""
        before = len(self._told)
        self._step(max(0.0, until - time.monotonic()))
        for place in range(before, len(self._told)):
            event = self._told[place].event
            found = NoDaemon(event.reason) if isinstance(event, Refused) else outcome(event, asked)
            if found is None:
                continue
            del self._told[place]
            if isinstance(found, Trouble):
                raise found
            return found
        return None

    def _next(self, timeout: float | None) -> Told | None:
        if self._in_hand is not None:
            self.give_back(self._in_hand)
            self._in_hand = None
        if not self._told:
            self.try_again()
        until = None if timeout is None else time.monotonic() + timeout
        while not self._told:
            left = LONG_S if until is None else until - time.monotonic()
            self._step(max(0.0, left))
            if left <= 0 and not self._told:
                return None
        told = self._told.popleft()
        if isinstance(told.event, Refused):
            raise NoDaemon(told.event.reason)
        return told
