"""What it takes to give a child something to do: who there is, a number for the task, a deadline."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from .budget import Budget
from .crew import Crew
from .items import Item
from .jobs import Jobs
from .load import Sizer
from .mounts import Mounts
from .pool import Pool, Worker
from .quarantine import Quarantine
from .records import Record
from .settings import Settings


@dataclass(eq=False)
class Hands:
    """Shared by all kinds of work. `clock` gives monotonic seconds, `wall_ms` Unix time in milliseconds (for what is
    shown, never for a decision)."""

    settings: Settings
    pool: Pool
    crew: Crew
    jobs: Jobs
    mounts: Mounts[Item]
    sizer: Sizer
    budget: Budget[Item]
    quarantine: Quarantine
    clock: Callable[[], float]
    wall_ms: Callable[[], int]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """A number for a task, never given before."""
        return next(self._numbers)

    def to_scout(self, scout: Worker, record: Record, number: int, file: bytes) -> None:
        """Give a free scout the task `number`, which begins with `file`."""
        now = self.clock()
        self.pool.give(scout, number, now + self.settings.scout_patience_s, now, file)
        self.crew.send(scout, record)
