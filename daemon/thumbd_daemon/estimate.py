"""How long what is left of a batch will take: by its mix, not by its count. Pure; times are monotonic seconds.

A hit in the cache costs next to nothing, a picture costs more the larger it is; most of what has not been looked at yet
will be like what has been. So what is done and what is left are weighed, and the time left follows from the weight that
has been done a second lately.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

#: What things weigh: about the seconds that they take one core. A hit, a picture, each byte of it (a camera's JPEG of
#: 4 MB takes 80 ms, a small one 8; measured in docs/performance.md).
_HIT: Final = 0.0002
_PICTURE: Final = 0.008
_BYTE: Final = 18e-9
#: Rates are those of the last so many seconds, measured at most so often.
_WINDOW_S: Final = 5.0
_SAMPLE_S: Final = 0.25


def weight(size: int) -> float:
    """What a picture of so many bytes weighs that must be rendered."""
    return _PICTURE + _BYTE * size


@dataclass
class Estimate:
    """The weights of one batch, since `started`, when `before` of its items were done. `hits` and `misses` are what
    looks have found, `known` is the weight of those misses that are not done."""

    started: float
    before: int = 0
    hits: int = 0
    misses: int = 0
    known: float = 0.0
    _missed: float = 0.0
    _done: float = 0.0
    _samples: deque[tuple[float, int, float]] = field(default_factory=deque)

    def missed(self, size: int) -> float:
        """A look found that one of its items must be rendered; what it weighs."""
        found = weight(size)
        self.misses += 1
        self._missed += found
        self.known += found
        return found

    def settled(self, found: float, done: int, now: float) -> None:
        """An item has its final state: one that was known to weigh `found`, or (0) that needed no renderer. `done` are
        the batch's final states now."""
        if found:
            self.known = max(0.0, self.known - found)
        else:
            self.hits += 1
        self._done += found or _HIT
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, done, self._done))
            while now - self._samples[0][0] > _WINDOW_S:
                self._samples.popleft()

    def rate(self, done: int, now: float) -> float:
        """Items a second lately; since the start while that is not long ago."""
        return self._lately(done, now)[0]

    def eta_ms(self, unlooked: int, done: int, now: float) -> int | None:
        """How long the rest will take, of which so many items have not been looked at; None while nothing is known."""
        looked = self.hits + self.misses
        speed = self._lately(done, now)[1]
        if speed <= 0 or not looked:
            return None
        expected = (self._missed + self.hits * _HIT) / looked
        return round((self.known + unlooked * expected) / speed * 1000)

    def _lately(self, done: int, now: float) -> tuple[float, float]:
        """Items and weight a second."""
        since, before, weighed = self._samples[0] if self._samples else (self.started, self.before, 0.0)
        if now - self.started <= _WINDOW_S:
            since, before, weighed = self.started, self.before, 0.0
        span = max(now - since, 0.001)
        return (done - before) / span, (self._done - weighed) / span
