"""The ladder that the daemon ends by, one rung after the other, each with a deadline. Pure; times in seconds.

A rung is left when what it waits for has happened, or when its time is over; a second signal skips ahead.
"""

from enum import IntEnum
from typing import Final


class Rung(IntEnum):
    """How far the end has come."""

    RUNNING = 0
    REFUSING = 1  # nothing new is taken; what waits is told that it will not be done
    DRAINING = 2  # what is under way is finished, what is to be told is told
    ASKING = 3  # the children's sockets are closed: they end by themselves
    TERMINATING = 4  # SIGTERM
    KILLING = 5  # SIGKILL
    VERIFIED = 6  # no child is left, or the last deadline has passed: see the report


#: How long each rung may last.
PATIENCE_S: Final[dict[Rung, float]] = {
    Rung.REFUSING: 0.0,
    Rung.DRAINING: 5.0,
    Rung.ASKING: 1.0,
    Rung.TERMINATING: 0.5,
    Rung.KILLING: 2.0,
}


class Ladder:
    """Where the end stands."""

    def __init__(self) -> None:
        self.rung = Rung.RUNNING
        self._until: float | None = None

    @property
    def ending(self) -> bool:
        return self.rung is not Rung.RUNNING

    @property
    def deadline(self) -> float | None:
        """When the present rung is left at the latest."""
        return self._until

    def begin(self, now: float, *, drain: bool) -> list[Rung]:
        """Start to end; the rungs to act upon, in order. Without `drain`, what is under way is not waited for."""
        if self.ending:
            return self.skip(now)
        rungs = [self._climb(Rung.REFUSING, now), self._climb(Rung.DRAINING, now)]
        if not drain:
            rungs.append(self._climb(Rung.ASKING, now))
        return rungs

    def skip(self, now: float) -> list[Rung]:
        """Somebody is in a hurry: the next rung now."""
        if self.rung in (Rung.RUNNING, Rung.VERIFIED):
            return []
        return [self._climb(Rung(self.rung + 1), now)]

    def step(self, now: float, *, idle: bool, told: bool, children: int) -> list[Rung]:
        """What to do now: `idle` when nothing is under way, `told` when every session knows all; `children` live."""
        rungs: list[Rung] = []
        while self.rung not in (Rung.RUNNING, Rung.VERIFIED) and self._may_leave(now, idle, told, children):
            if self.rung >= Rung.ASKING and not children:
                rungs.append(self._climb(Rung.VERIFIED, now))
            else:
                rungs.append(self._climb(Rung(self.rung + 1), now))
        return rungs

    def _may_leave(self, now: float, idle: bool, told: bool, children: int) -> bool:
        if self._until is not None and now >= self._until:
            return True
        if self.rung is Rung.DRAINING:
            return idle and told
        return self.rung >= Rung.ASKING and not children and told

    def _climb(self, rung: Rung, now: float) -> Rung:
        self.rung = rung
        self._until = now + PATIENCE_S[rung] if rung in PATIENCE_S else None
        return rung
