"""The pictures being made, by number: a renderer is busy with one from the order until its pixels are published."""

from collections.abc import Iterator
from dataclasses import dataclass

from thumbd_protocol.errors import ItemCode

from .hands import Hands
from .items import Item
from .pool import Worker
from .records import Rendered


@dataclass(eq=False)
class Making:
    """A renderer makes an item's picture; `opened` when a scout has sent it the source, `asked_back` when there is no
    memory for it now, `answer` holds its numbers once it has it.

    `publisher` is the scout that is at it now.
    """

    item: Item
    renderer: Worker
    opener: Worker
    patience_s: float
    allowance: int
    need: int = 0
    opened: bool = False
    asked_back: bool = False
    publisher: Worker | None = None
    answer: Rendered | None = None
    published: int = 0
    outdated: int = 0
    #: Whether those who wait for it have given it less time than pictures have.
    hurried: bool = False


class Makings:
    """All of them."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._tasks: dict[int, Making] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Making]:
        return iter(self._tasks.values())

    def get(self, number: int) -> Making | None:
        """The one with this number; None when it is not known any more."""
        return self._tasks.get(number)

    def add(self, number: int, making: Making) -> None:
        self._tasks[number] = making

    def end(self, number: int) -> None:
        """It is done, or will never be."""
        del self._tasks[number]
        self._hands.budget.end(number)

    def give_up(self, number: int) -> None:
        """It is done with, and its renderer is free."""
        renderer = self._tasks[number].renderer
        self.end(number)
        if renderer.live:
            self._hands.pool.finished(renderer, self._hands.clock())

    def fail(self, item: Item, code: str, message: str) -> None:
        """Tell a failure in a scout's words."""
        known = ItemCode(code) if code in set(ItemCode) else ItemCode.INTERNAL
        self._hands.jobs.fail(item, known, message, self._hands.clock(), source=None)

    def abandon(self) -> None:
        """Forget every one."""
        self._tasks.clear()
