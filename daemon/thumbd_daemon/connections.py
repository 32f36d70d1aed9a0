"""Who is connected: how many may be, who has said hello, and who keeps the door for nothing. Pure.

A connection is known by the number of its descriptor (libzmq's, told by its monitor) and by its inode, which tells it
from the next one with that number (0 where there was no descriptor free to look).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

#: Connections, at most; whatever the limit of descriptors is.
MOST: Final = 4096
#: Descriptors that are not for connections: our own, and those of each renderer (slot, intake, socket, pidfd, stderr).
_OWN: Final = 64
_RENDERER: Final = 8
#: So many are served however few descriptors there are.
_LEAST: Final = 16
#: Who has not said a valid hello goes after so many seconds, and after the second where others wait outside.
_PATIENCE_S: Final = 30.0
_PATIENCE_FULL_S: Final = 3.0


def most_connections(descriptors: int, renderers: int) -> int:
    """How many connections fit below a limit of `descriptors`, with `renderers` at most beside them."""
    return max(_LEAST, min(MOST, descriptors - _OWN - _RENDERER * (renderers + 1)))


@dataclass(eq=False)
class Connection:
    """One connection. `heard` is when its last complete message came (or itself), `since` when it came, or when it
    was last seen with a session; `stuffed` counts looks that found bytes on their way and no complete message since."""

    fd: int
    inode: int
    uid: int | None
    pid: int | None
    since: float
    heard: float
    stuffed: int = 0
    #: Told to go; it is counted until libzmq has let go of it.
    shut: bool = False
    #: ZeroMQ's name of it, once a message has come.
    routing: bytes | None = None

    @property
    def name(self) -> str:
        """For the log."""
        return f"connection {self.fd} (pid {self.pid}, uid {self.uid})"


class Connections:
    """All connections, at most `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._by_fd: dict[int, Connection] = {}
        self._full = False

    def __len__(self) -> int:
        return len(self._by_fd)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_fd.values()))

    def get(self, fd: int) -> Connection | None:
        return self._by_fd.get(fd)

    def add(self, connection: Connection) -> None:
        self._by_fd[connection.fd] = connection

    def remove(self, fd: int) -> Connection | None:
        return self._by_fd.pop(fd, None)

    @property
    def full(self) -> bool:
        """Whether nobody else may come. It stays so until a sixteenth has gone: a door that opens for each single one
        only rattles."""
        self._full = len(self) >= (self.most - self.most // 16 if self._full else self.most)
        return self._full

    def strangers(self, has_session: Callable[[bytes], bool], now: float) -> list[Connection]:
        """Who had the time to say hello, and did not."""
        patience = _PATIENCE_FULL_S if self._full else _PATIENCE_S
        found: list[Connection] = []
        for connection in self:
            if connection.routing is not None and has_session(connection.routing):
                connection.since = now
            elif not connection.shut and now - connection.since >= patience:
                found.append(connection)
        return found

    def shift(self, gap: float) -> None:
        """For so many seconds we could hear nobody."""
        for connection in self:
            connection.since += gap
            connection.heard += gap
