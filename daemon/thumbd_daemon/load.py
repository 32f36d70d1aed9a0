"""How many renderers there should be: as many as there is work for, fewer when the machine struggles. Pure.

Times are monotonic seconds, pressures per cent of the last ten seconds (the kernel's PSI).
"""

from dataclasses import dataclass
from typing import Final

#: The pool keeps its size for so long after it was last needed.
SHRINK_S: Final = 30.0
#: While the machine struggles a renderer goes every so often, and comes back as slowly.
STEP_S: Final = 5.0
#: Pressure that makes the pool smaller, and below which it grows again: memory stalls hurt everybody soon; waiting for
#: a disk is what reading pictures is, so only what is nearly a standstill counts. The processor's does not: as many
#: renderers as cores make it by themselves, and they are nice.
_MEMORY: Final = (10.0, 3.0)
_IO: Final = (60.0, 30.0)


@dataclass(frozen=True)
class Machine:
    """How the machine is: on battery, share of memory that is free (0..1), pressures; None where it does not say."""

    on_battery: bool = False
    free: float = 1.0
    memory: float | None = None
    io: float | None = None

    def struggles(self) -> str | None:
        """What it struggles with."""
        for name, value, (limit, _calm) in self._pressures():
            if value is not None and value >= limit:
                return f"{name} pressure of {value:.0f} %"
        return None

    def calm(self) -> bool:
        """Whether it has recovered."""
        return all(value is None or value < calm for _name, value, (_limit, calm) in self._pressures())

    def _pressures(self) -> tuple[tuple[str, float | None, tuple[float, float]], ...]:
        return ("memory", self.memory, _MEMORY), ("disk", self.io, _IO)


class Sizer:
    """The number of renderers that may work, between `least` and `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self._target = least
        self._peak = 0
        self._window = 0.0
        self._cap = most
        self._stepped = 0.0
        self._machine = Machine()
        self._struggle: str | None = None
        #: While memory is short one at a time must do.
        self.memory_short = False

    def bounds(self, least: int | None, most: int | None) -> None:
        """Set new bounds; None keeps one. Raises ValueError when the least is more than the most."""
        low = self.least if least is None else least
        high = self.most if most is None else most
        if low > high:
            raise ValueError(f"the least ({low}) is more than the most ({high})")
        self.least, self.most, self._cap = low, high, high

    def machine(self, machine: Machine, now: float) -> None:
        """How the machine is now."""
        self._machine = machine
        struggle = machine.struggles()
        if now - self._stepped < STEP_S:
            return
        if struggle is not None and self._cap > 1:
            self._cap, self._stepped, self._struggle = self._cap - 1, now, struggle
        elif struggle is None and machine.calm() and self._cap < self.most:
            self._cap, self._stepped = self._cap + 1, now
        if self._cap >= self.most:
            self._struggle = None

    @property
    def reason(self) -> str | None:
        """Why there may be fewer than the most; None when there may be as many."""
        if self.memory_short:
            return "memory is short"
        return "the machine runs on battery" if self._machine.on_battery and self.most > 1 else self._struggle

    @property
    def limit(self) -> int:
        """How many may work at most at present."""
        if self.memory_short:
            return 1
        limit = min(self._cap, self.most)
        return max(1, min(limit, -(-self.most // 2))) if self._machine.on_battery else max(1, limit)

    def target(self, load: int, now: float) -> int:
        """How many should be there for `load` things that are being or wait to be rendered."""
        self._peak = max(self._peak, load)
        if load >= self._target:
            self._target, self._window, self._peak = load, now, load
        elif now - self._window >= SHRINK_S:
            self._target, self._window, self._peak = self._peak, now, load
        self._target = min(self._target, max(self.most, 1))
        return max(min(self.least, self.limit), min(self._target, self.limit))

    def next_deadline(self) -> float | None:
        """When `target` may become smaller by the passing of time alone."""
        return self._window + SHRINK_S if self._target > self.least else None
