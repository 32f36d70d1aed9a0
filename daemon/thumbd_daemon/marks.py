"""Failures being remembered: a scout writes the fail mark before the failure is told.

To remember it is good, to tell it is a duty.
"""

import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from thumbd_protocol.items import Source

from .hands import Hands
from .items import Item, Phase
from .pool import Worker
from .records import Mark, Marked
from .sentences import about
from .verdicts import Verdict

log = logging.getLogger(__name__)

#: A failure that so many scouts could not remember is told all the same.
_MAX_TRIES: Final = 5


@dataclass(eq=False)
class _Marking:
    item: Item
    verdict: Verdict
    tries: int = 0


class Marks:
    """Marks that wait for a scout, or are with one."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._tasks: dict[int, _Marking] = {}
        self._waiting: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def has(self, number: int) -> bool:
        """Whether a task is one of these."""
        return number in self._tasks

    def abandon(self) -> None:
        """Forget every task."""
        self._tasks.clear()

    def begin(self, item: Item, verdict: Verdict) -> None:
        """An item has failed for good."""
        item.step(Phase.PUBLISHING)
        number = self._hands.number()
        self._tasks[number] = _Marking(item, verdict)
        self._waiting.append(number)

    def give(self, scout: Worker) -> bool:
        """Let a free scout remember a failure; False when none waits."""
        while self._waiting:
            number = self._waiting.popleft()
            task = self._tasks.get(number)
            if task is not None:
                item, verdict = task.item, task.verdict
                task.tries += 1
                mark = Mark(number, item.path, item.size, item.mtime_ns, verdict.code, verdict.cause)
                self._hands.to_scout(scout, mark, number, item.path)
                return True
        return False

    def marked(self, record: Marked) -> None:
        """A scout has done so, or could not."""
        if record.message:
            log.warning("%s", record.message)
        self._tell(record.job)

    def lost(self, number: int) -> None:
        """A scout is gone with it."""
        if self._tasks[number].tries < _MAX_TRIES:
            self._waiting.append(number)
        else:
            self._tell(number)

    def _tell(self, number: int) -> None:
        task = self._tasks.pop(number)
        message = about(task.item.path, task.verdict.cause)
        self._hands.jobs.fail(task.item, task.verdict.code, message, self._hands.clock(), source=Source.RENDER)
