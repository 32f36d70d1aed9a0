"""What has been done, how fast, and what went wrong lately: the figures behind ``stats`` and ``top``. Pure.

Times are monotonic seconds; the last `KEPT` durations of each class make its percentiles.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from thumbd_protocol.items import Rank

from .verdicts import Death

KEPT: Final = 1000
_WINDOWS_S: Final = {"1s": 1, "10s": 10, "60s": 60}
_DEATHS_KEPT: Final = 50


def percentiles(values: Sequence[float]) -> dict[str, int]:
    """p50, p95 and p99 of some seconds, in whole milliseconds (nearest rank)."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[-(-p * len(ordered) // 100) - 1] * 1000) for p in (50, 95, 99)}


class Durations:
    """Durations by priority class."""

    def __init__(self) -> None:
        self._by_rank: dict[Rank, deque[float]] = {}

    def add(self, rank: Rank, seconds: float) -> None:
        self._by_rank.setdefault(rank, deque(maxlen=KEPT)).append(seconds)

    def told(self) -> dict[str, dict[str, int]]:
        """Percentiles of each class that has any."""
        return {rank.name.lower(): percentiles(values) for rank, values in sorted(self._by_rank.items())}


class Throughput:
    """Final states for each of the last sixty whole seconds."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def add(self, now: float) -> None:
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))
            while self._seconds[0][0] < second - 60:
                self._seconds.popleft()

    def told(self, now: float) -> dict[str, float]:
        """Items a second, over the last 1, 10 and 60 whole seconds."""
        second = int(now)
        rates: dict[str, float] = {}
        for name, span in _WINDOWS_S.items():
            count = sum(n for at, n in self._seconds if second - span <= at < second)
            rates[name] = round(count / span, 1)
        return rates


class Stats:
    """Counts since the daemon's start. `failed` counts by code; `deaths` are the latest ends of children."""

    def __init__(self) -> None:
        self.ready = self.cache_hits = self.retries = 0
        self.failed: defaultdict[str, int] = defaultdict(int)
        self.wait = Durations()
        self.render = Durations()
        self.throughput = Throughput()
        self.deaths: deque[Death] = deque(maxlen=_DEATHS_KEPT)
