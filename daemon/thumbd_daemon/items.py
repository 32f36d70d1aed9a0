"""One thumbnail in the making: its phases, and the table of what may follow what. Pure."""

from enum import Enum, auto
from typing import Final

from thumbd_protocol.items import Flavor, Rank

from .lanes import Lane, Stage
from .sentences import about

Key = tuple[bytes, Flavor]


class Phase(Enum):
    """How far an item is."""

    LOOK = auto()  # waits for a scout's look
    LOOKING = auto()
    RENDER = auto()  # waits for a renderer
    RENDERING = auto()  # its source is being opened or decoded
    PUBLISHING = auto()  # its pixels wait for, or are with, a scout
    DONE = auto()


_NEXT: Final[dict[Phase, set[Phase]]] = {
    Phase.LOOK: {Phase.LOOKING, Phase.DONE},
    Phase.LOOKING: {Phase.LOOK, Phase.RENDER, Phase.DONE},
    Phase.RENDER: {Phase.RENDERING, Phase.DONE},
    Phase.RENDERING: {Phase.LOOK, Phase.RENDER, Phase.PUBLISHING, Phase.DONE},
    Phase.PUBLISHING: {Phase.RENDER, Phase.DONE},
    Phase.DONE: set(),
}
#: The queue that an item of a phase stands in.
STAGE: Final = {Phase.LOOK: Stage.LOOK, Phase.RENDER: Stage.RENDER}


class IllegalStep(Exception):
    """An item was asked to do what its phase does not allow: a fault of ours, told with its story."""


class Item:
    """One thumbnail in the making. `size` and `mtime_ns` are the original's, known after the look. It was `asked` for,
    and work on it has `begun` (the latest step), in monotonic seconds. `again`: an earlier failure, as remembered,
    does not count."""

    __slots__ = (
        "again",
        "asked",
        "begun",
        "changes",
        "deaths",
        "flavor",
        "lanes",
        "lost_scouts",
        "mtime_ns",
        "number",
        "outside_deaths",
        "path",
        "phase",
        "size",
    )

    def __init__(self, number: int, path: bytes, flavor: Flavor, asked: float) -> None:
        self.number = number
        self.path = path
        self.flavor = flavor
        self.asked = asked
        self.begun: float | None = None
        self.phase = Phase.LOOK
        self.again = False
        self.lanes: list[Lane[Item]] = []
        self.size = 0
        self.mtime_ns = 0
        self.changes = self.lost_scouts = self.deaths = self.outside_deaths = 0

    @property
    def key(self) -> Key:
        return self.path, self.flavor

    @property
    def rank(self) -> Rank:
        return min((lane.rank for lane in self.lanes if not lane.paused), default=Rank.BACKGROUND)

    @property
    def paused(self) -> bool:
        """Whether all who want it have told it to wait."""
        return bool(self.lanes) and all(lane.paused for lane in self.lanes)

    def step(self, phase: Phase) -> None:
        """Go to `phase`. Raises IllegalStep where the table does not allow it."""
        if phase not in _NEXT[self.phase]:
            raise IllegalStep(
                f"item {self.number} ({about(self.path, self.flavor)}): {self.phase.name} to {phase.name} is no step: "
                f"{self.changes} changes, {self.deaths} deaths, {len(self.lanes)} wishes"
            )
        self.phase = phase
