"""Where the window has been: back and forward, with the place that was looked at in each folder."""

from dataclasses import dataclass


@dataclass
class Place:
    """A folder, and how it was left: the current picture and the scroll."""

    folder: bytes
    current: bytes | None = None
    scroll: int = 0


class History:
    """A trail of places; going somewhere new forgets what lay ahead."""

    def __init__(self) -> None:
        self._trail: list[Place] = []
        self._now = -1

    @property
    def now(self) -> Place | None:
        return self._trail[self._now] if self._trail else None

    @property
    def can_go_back(self) -> bool:
        return self._now > 0

    @property
    def can_go_forward(self) -> bool:
        return self._now + 1 < len(self._trail)

    def go(self, folder: bytes) -> Place:
        """Somewhere new."""
        del self._trail[self._now + 1 :]
        self._trail.append(Place(folder))
        self._now = len(self._trail) - 1
        return self._trail[self._now]

    def back(self) -> Place | None:
        if not self.can_go_back:
            return None
        self._now -= 1
        return self.now

    def forward(self) -> Place | None:
        if not self.can_go_forward:
            return None
        self._now += 1
        return self.now
