"""Pictures that are made and wait for a scout to publish them, or are with one."""

from collections import deque
from typing import Final

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import Source, State

from .batches import Outcome
from .formats import mime_of
from .hands import Hands
from .making import Making, Makings
from .pool import Worker
from .records import Publish, Published, PublishFailed
from .sentences import about

#: A picture that so many scouts could not publish is given up, and one whose folder was so often made anew meanwhile.
_MAX_PUBLISH: Final = 5
_MAX_OUTDATED: Final = 20


class Prints:
    """Those of `makings` that have their pixels."""

    def __init__(self, hands: Hands, makings: Makings) -> None:
        self._hands = hands
        self._makings = makings
        self._waiting: deque[int] = deque()
        #: Why the cache could not be written lately; None when it could.
        self.trouble: str | None = None

    def add(self, number: int) -> None:
        """The pixels of this one are made."""
        self._waiting.append(number)

    def give(self, scout: Worker) -> bool:
        """Let a free scout publish the next; False when none waits."""
        while self._waiting:
            number = self._waiting.popleft()
            task = self._makings.get(number)
            if task is None or task.answer is None:
                continue
            task.published += 1
            task.publisher = scout
            item, answer = task.item, task.answer
            record = Publish(
                number,
                item.path,
                item.flavor,
                item.size,
                item.mtime_ns,
                task.renderer.serial,
                answer.mode,
                answer.width,
                answer.height,
                answer.original_width,
                answer.original_height,
                mime_of(answer.format),
            )
            self._hands.to_scout(scout, record, number, item.path)
            return True
        return False

    def with_scout(self, scout: Worker, number: int) -> bool:
        """Whether a scout writes to the cache for this one."""
        task = self._makings.get(number)
        return task is not None and scout is task.publisher

    def answer(self, number: int, task: Making, record: Published | PublishFailed) -> None:
        """A scout has published it, or could not."""
        assert task.answer is not None
        now, item = self._hands.clock(), task.item
        self._makings.end(number)
        self._hands.pool.finished(task.renderer, now)
        if isinstance(record, PublishFailed):
            self.trouble = record.message
            self._makings.fail(item, record.code, record.message)
            return
        self.trouble = record.message if record.refused else None
        outcome = Outcome(
            State.READY,
            thumbnail=None if record.volatile else record.path,
            volatile=record.path if record.volatile else None,
            width=task.answer.original_width,
            height=task.answer.original_height,
            source=Source.RENDER,
            message=record.message or None,
            size=item.size,
        )
        self._hands.jobs.finish(item, outcome, now)

    def lost(self, number: int, task: Making) -> None:
        """The scout that was at it is gone."""
        cause = f"{task.published} scouts died over its thumbnail; see the log"
        self._again(number, task, cause, last=task.published >= _MAX_PUBLISH)

    def outdated(self, number: int) -> None:
        """A scout may not write to where the pixels belong; another may."""
        task = self._makings.get(number)
        if task is not None and task.publisher is not None:
            task.outdated += 1
            task.published -= 1
            cause = "its thumbnail's folder is deleted and made anew again and again"
            self._again(number, task, cause, last=task.outdated >= _MAX_OUTDATED)

    def _again(self, number: int, task: Making, cause: str, *, last: bool) -> None:
        task.publisher = None
        if not last:
            self._waiting.append(number)
            return
        self._makings.give_up(number)
        self._makings.fail(task.item, ItemCode.INTERNAL, about(task.item.path, cause))
