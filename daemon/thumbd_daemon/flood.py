"""Whose message never ends. Pure: (memory in use, who has bytes on the way, now) in, who is to go out.

libzmq keeps a message's parts until the last one has come, and bounds the size of each part only. So a client that
never sends a last part makes this process grow, and nothing of it reaches the server. What can be seen from outside:
memory grows, and of all connections with bytes on the way there is one that no complete message comes from.
"""

from collections.abc import Callable, Iterable
from typing import Final

from .connections import Connection

#: So much more than at rest is looked into, in bytes; so much is not borne, whoever it is.
NOTICED: Final = 32 << 20
BORNE: Final = 256 << 20
#: Bytes on the way at so many looks, and no complete message: it is this one.
_STUFFED: Final = 3
#: How often memory is looked at, and while there is too much of it, in seconds.
_CALM_S: Final = 0.25
_PRESSED_S: Final = 0.02
#: If nobody is found within so many seconds, it can be anybody.
_UNKNOWN_S: Final = 0.5
#: Who was shut out has gone after so long at the latest, with all that it had sent, in seconds.
_FALLING_S: Final = 5.0
#: Memory that has grown by less than the first in so many seconds is what the work needs: the new rest.
_FLAT: Final = 1 << 20
_FLAT_S: Final = 60.0


class Flood:
    """Watches memory, and finds who fills it."""

    def __init__(self) -> None:
        self._rest: int | None = None
        self._before = 0
        # Since when there is too much, and the last time when it had grown: (when, how much).
        self._since: float | None = None
        self._grown = (0.0, 0)
        self._blamed_at = float("-inf")
        self._silent_blamed = False

    @property
    def pressed(self) -> bool:
        """Whether there is more than at rest, by an amount that is looked into."""
        return self._since is not None

    @property
    def pause(self) -> float:
        """When to look again, in seconds."""
        return _PRESSED_S if self.pressed else _CALM_S

    def look(
        self,
        held: int,
        connections: Iterable[Connection],
        on_the_way: Callable[[Connection], int],
        now: float,
        *,
        behind: bool,
    ) -> list[Connection]:
        """Who is to be shut out, with `held` bytes in use. `on_the_way` tells the bytes that wait in a connection;
        `behind` whether complete messages wait too, that the server has not come to."""
        self._rest = held if self._rest is None else min(self._rest, held)
        grows, self._before = held > self._before, held
        known = list(connections)
        if held - self._rest <= NOTICED or self._is_flat(held, now):
            self._since = None
            self._silent_blamed = False
            for connection in known:
                connection.stuffed = 0
            return []
        if self._since is None:
            self._since = now
            self._grown = (now, held)
        if now - self._blamed_at < _FALLING_S and (not grows or any(connection.shut for connection in known)):
            # libzmq is busy throwing away what it had: meanwhile it takes nothing from anybody.
            return []
        known = [connection for connection in known if not connection.shut]
        if grows:
            for connection in known:
                connection.stuffed += on_the_way(connection) > 0
        found = sorted((c for c in known if c.stuffed >= _STUFFED), key=lambda c: c.stuffed, reverse=True)
        if held - self._rest <= 2 * BORNE:
            # One at a time: who only waits beside it is served when it has gone.
            found = found[:1]
        if not found and not behind and held - self._rest > BORNE and now - self._since >= _UNKNOWN_S:
            found = self._whoever(known)
        if found:
            self._blamed_at = now
            for connection in known:
                connection.stuffed = 0
        return found

    def _is_flat(self, held: int, now: float) -> bool:
        """Whether it grows no more: then this is what the work needs."""
        if self._since is None:
            return False
        when, before = self._grown
        if held > before + _FLAT or held < before - _FLAT:
            self._grown = (now, held)
        elif now - when >= _FLAT_S:
            self._rest = held
            return True
        return False

    def _whoever(self, known: list[Connection]) -> list[Connection]:
        """Nobody was seen at it and there is too much: who has been silent since it began, and at last everybody.
        They connect anew by themselves."""
        assert self._since is not None
        silent = [connection for connection in known if connection.heard <= self._since]
        if silent and not self._silent_blamed:
            self._silent_blamed = True
            return silent
        return known
