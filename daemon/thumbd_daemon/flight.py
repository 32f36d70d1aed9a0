"""What has left for a session and was not credited yet: it may be lost with the connection. Pure.

Credit is given back in the order in which messages were sent, so counting is enough. The end of a batch costs none: it
is taken for dealt with when everything that left before it has been.
"""

from collections import deque

from thumbd_protocol.items import ItemUpdate

from .batches import BatchEnd


class Flight:
    """The messages under way to one session, and the ends of batches behind them."""

    def __init__(self) -> None:
        self._sent = self._credited = 0
        self._messages: deque[list[ItemUpdate]] = deque()
        self._ends: deque[tuple[int, BatchEnd]] = deque()

    def left(self, items: list[ItemUpdate]) -> None:
        """A message that costs credit has left, with these states."""
        self._sent += 1
        self._messages.append(items)

    def ended(self, end: BatchEnd) -> None:
        """The end of a batch has left."""
        self._ends.append((self._sent, end))

    def credited(self, count: int) -> list[str]:
        """So many messages have been dealt with. Which batches' ends have been with them."""
        for _ in range(min(count, len(self._messages))):
            self._messages.popleft()
            self._credited += 1
        ended: list[str] = []
        while self._ends and self._ends[0][0] <= self._credited:
            ended.append(self._ends.popleft()[1].batch)
        return ended

    def lost(self) -> tuple[list[ItemUpdate], list[BatchEnd]]:
        """The connection is gone: what was under way, in order. Nothing is from now on."""
        newest = {(one.path, one.flavor): one for items in self._messages for one in items}
        ends = [end for _sent, end in self._ends]
        self._messages.clear()
        self._ends.clear()
        self._sent = self._credited = 0
        return list(newest.values()), ends
