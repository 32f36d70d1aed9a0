"""How much memory the pictures that are being decoded may take together. Pure; sizes in bytes.

Each task is given an allowance at its start, which most pictures fit into; what its header says beyond that is granted
when there is room for it, and else the task is put back until there is. So pictures wait their turn and are never
refused, and what waits holds neither a renderer nor a descriptor.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

LEAST_URGENT: Final = 1_000

#: What a task may take without asking, as long as the budget has room for so much for each renderer.
ALLOWANCE: Final = 64 << 20


@dataclass(frozen=True)
class Waiting(Generic[T]):
    """Something that needs `need` bytes; `place` is its turn among those as urgent as it is."""

    thing: T
    need: int
    place: int


class Budget(Generic[T]):
    """`total` bytes for up to `renderers` tasks at a time. `rank` says how urgent something that waits is at present
    (smallest first), None when it waits no longer."""

    def __init__(self, total: int, renderers: int, rank: Callable[[T], int | None]) -> None:
        self.total = total
        self.renderers = renderers
        self._rank = rank
        self._granted: dict[int, int] = {}
        self._waiting: dict[T, Waiting[T]] = {}
        self._count = 0

    @property
    def allowance(self) -> int:
        """What each task may take without asking."""
        return min(ALLOWANCE, self.total // (2 * self.renderers))

    @property
    def used(self) -> int:
        """What is granted."""
        return sum(self._granted.values())

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self) -> tuple[Waiting[T], int] | None:
        """The first in turn and its rank; those that wait no longer are forgotten."""
        ranks = {thing: self._rank(thing) for thing in self._waiting}
        self._waiting = {thing: one for thing, one in self._waiting.items() if ranks[thing] is not None}
        turns = ((one, ranks[thing] or 0) for thing, one in self._waiting.items())
        return min(turns, key=lambda turn: (turn[1], turn[0].place), default=None)

    def may_begin(self) -> int | None:
        """How urgent a task must be (its rank at most) to begin now with the usual allowance; None when none may.

        What takes the room that the first in turn waits for must be more urgent than that.
        """
        if self._granted and self.used + self.allowance > self.total:
            return None
        first = self.first()
        if first is None:
            return LEAST_URGENT
        waiting, rank = first
        room = self.used + self.allowance + min(waiting.need, self.total) <= self.total
        return LEAST_URGENT if room or not self._granted else rank - 1

    def begin(self, task: int, need: int = 0) -> int:
        """A task begins; returns what it may take."""
        self._granted[task] = max(need, self.allowance)
        return self._granted[task]

    def ask(self, task: int, need: int, rank: int) -> bool:
        """A task that has begun, as urgent as `rank`, needs `need` bytes; True when it may take them. One alone may
        take all it wants."""
        have = self._granted.get(task, 0)
        others = self.used - have
        first = self.first()
        in_turn = first is None or rank < first[1]
        if need <= have or others == 0 or (in_turn and others + need <= self.total):
            self._granted[task] = max(need, have)
            return True
        return False

    def end(self, task: int) -> None:
        """A task is over, or was put back."""
        self._granted.pop(task, None)

    def wait(self, thing: T, need: int) -> None:
        """`thing` waits until there are `need` bytes."""
        self._count += 1
        self._waiting[thing] = Waiting(thing, need, self._count)

    def next(self) -> Waiting[T] | None:
        """The first in turn, if there is room for it now; it waits no longer."""
        first = self.first()
        if first is None:
            return None
        waiting = first[0]
        if self._granted and self.used + max(waiting.need, self.allowance) > self.total:
            return None
        return self._waiting.pop(waiting.thing)
