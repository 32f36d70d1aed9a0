"""What it takes to give a child something to do: who there is, a number for the task, a deadline."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from .crew import Crew
from .jobs import Jobs
from .pool import Pool, Worker
from .records import Record
from .settings import Settings


@dataclass(eq=False)
class Hands:
    """Shared by all kinds of work. `clock` gives monotonic seconds."""

    settings: Settings
    pool: Pool
    crew: Crew
    jobs: Jobs
    clock: Callable[[], float]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """A number for a task, never given before."""
        return next(self._numbers)

    def to_scout(self, scout: Worker, record: Record, number: int) -> None:
        """Give a free scout the task `number`."""
        now = self.clock()
        self.pool.give(scout, number, now + self.settings.scout_patience_s, now)
        self.crew.send(scout, record)
