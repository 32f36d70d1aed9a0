"""What the daemon knows of one client: who it is, where its answers go, what it is still to be told."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.requests import ClientInfo, Message

from .lanes import Client
from .outbox import Outbox

#: Answers kept for a request that is said twice.
_MAX_ANSWERS: Final = 1024
_ANSWER_S: Final = 600.0
#: A session whose client has gone, or is silent for three heartbeats, is kept for so long, in seconds.
PARKED_S: Final = 60.0


@dataclass(eq=False)
class Session:
    """One conversation. `routing` is ZeroMQ's name of its connection, `user` the number of who is at its other end,
    `topics` are its subscriptions, `once` the topics of which it has asked for a snapshot alone."""

    ident: bytes
    routing: bytes
    client: ClientInfo
    heartbeat_s: float
    heard: float
    outbox: Outbox
    user: int = 0
    topics: set[str | bytes] = field(default_factory=set)
    once: set[str | bytes] = field(default_factory=set)
    #: Since when it is away, if it is.
    parked_at: float | None = None
    #: Whether it was told that something was dropped, and how many times it was.
    behind: bool = False
    drops: int = 0
    #: Frames that could not be sent yet; nothing else leaves before them.
    unsent: deque[list[bytes]] = field(default_factory=deque)
    #: Requests whose answers wait for the journal.
    waiting: set[bytes] = field(default_factory=set)
    _of_connection: set[bytes] = field(default_factory=set)
    _answers: OrderedDict[bytes, tuple[float, Message]] = field(default_factory=OrderedDict)

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.client.name} (pid {self.client.pid})"

    @property
    def who(self) -> Client:
        """Whom its turns are counted for."""
        return Client(self.user, self.ident)

    @property
    def due(self) -> float:
        """When it is taken for silent, and parked; or, if it is, given up."""
        return self.heard + 3 * self.heartbeat_s if self.parked_at is None else self.parked_at + PARKED_S

    def answered(self, request: bytes, now: float) -> Message | None:
        """What was answered to this very request before."""
        found = self._answers.get(request)
        return found[1] if found is not None and now - found[0] <= _ANSWER_S else None

    def remember(self, request: bytes, answer: Message, now: float, *, of_connection: bool = False) -> None:
        """Answer the same if the request is said again; `of_connection`: on the same connection."""
        self._answers[request] = (now, answer)
        if of_connection:
            self._of_connection.add(request)
        if len(self._answers) > _MAX_ANSWERS:
            oldest, _answer = self._answers.popitem(last=False)
            self._of_connection.discard(oldest)

    def forget_connection(self) -> None:
        """It is on another connection, without topics: what was answered about those does not hold any more."""
        for request in self._of_connection:
            self._answers.pop(request, None)
        self._of_connection.clear()
