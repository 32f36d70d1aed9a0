"""What the daemon knows of one client: who it is, where its answers go, what it is still to be told."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.requests import ClientInfo, Message

from .outbox import Outbox

#: Answers kept for a request that is said twice.
_MAX_ANSWERS: Final = 1024
_ANSWER_S: Final = 600.0


@dataclass(eq=False)
class Session:
    """One conversation. `routing` is ZeroMQ's name of its connection, `topics` are its subscriptions."""

    ident: bytes
    routing: bytes
    client: ClientInfo
    heartbeat_s: float
    heard: float
    outbox: Outbox
    topics: set[str | bytes] = field(default_factory=set)
    #: Frames that could not be sent yet; nothing else leaves before them.
    unsent: deque[list[bytes]] = field(default_factory=deque)
    _answers: OrderedDict[bytes, tuple[float, Message]] = field(default_factory=OrderedDict)

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.client.name} (pid {self.client.pid})"

    @property
    def silent_at(self) -> float:
        """When it has been silent for three heartbeats."""
        return self.heard + 3 * self.heartbeat_s

    def answered(self, request: bytes, now: float) -> Message | None:
        """What was answered to this very request before."""
        found = self._answers.get(request)
        return found[1] if found is not None and now - found[0] <= _ANSWER_S else None

    def remember(self, request: bytes, answer: Message, now: float) -> None:
        self._answers[request] = (now, answer)
        if len(self._answers) > _MAX_ANSWERS:
            self._answers.popitem(last=False)
