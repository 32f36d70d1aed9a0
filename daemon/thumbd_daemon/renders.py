"""Making pictures: a source to a renderer, pixels to the cache, failures remembered; and what a loss in between means.

Each task has a number; a renderer is busy with it from the order until its pixels have been published.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from thumbd_protocol.errors import PERMANENT_FAILURES, ItemCode
from thumbd_protocol.items import FLAVOR_EDGE, Source, State

from . import records
from .batches import Outcome
from .formats import mime_of
from .hands import Hands
from .items import Item, Phase
from .pool import Kind, Worker
from .records import Expect, Mark, Open, Publish, Record, Rendered
from .sentences import about
from .verdicts import DEADLINE, Verdict, lie_in, of_death, of_kill, of_refusal
from .worker_handle import Exit

log = logging.getLogger(__name__)

#: A picture that so many scouts could not publish is given up, a failure that so many could not remember is told.
_MAX_PUBLISH: Final = 3


@dataclass(eq=False)
class Making:
    """A renderer makes an item's picture; `answer` holds its numbers once it has.

    `publisher` is the scout that is at it now.
    """

    item: Item
    renderer: Worker
    patience_s: float
    publisher: Worker | None = None
    answer: Rendered | None = None
    published: int = 0


@dataclass(eq=False)
class Marking:
    """A failure is being remembered before it is told."""

    item: Item
    verdict: Verdict
    tries: int = 0


class Renders:
    """Pictures being made. `kill(worker, why)` ends a child and says so to whoever it worked for."""

    def __init__(self, hands: Hands, kill: Callable[[Worker, str], None]) -> None:
        self._hands = hands
        self._kill = kill
        self._tasks: dict[int, Making | Marking] = {}
        self._publishing: deque[int] = deque()
        self._marking: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def abandon(self) -> None:
        """Forget every task."""
        self._tasks.clear()

    # -- giving -----------------------------------------------------------------------------------------------

    def give_last_step(self, scout: Worker) -> bool:
        """Let a free scout publish pixels that are made, or remember a failure; False when none waits."""
        return self._give_publish(scout) or self._give_mark(scout)

    def give_first_step(self, scout: Worker) -> bool:
        """Let a free scout open the next source for a free renderer; False when there is none of either."""
        renderer = self._hands.pool.idle(Kind.RENDERER)
        if renderer is None or self._hands.pool.busy(Kind.RENDERER) >= self._hands.settings.renderers:
            return False
        item = self._hands.jobs.take_render()
        if item is None:
            return False
        self._give_render(scout, renderer, item)
        return True

    def _give_publish(self, scout: Worker) -> bool:
        while self._publishing:
            number = self._publishing.popleft()
            task = self._tasks.get(number)
            if not isinstance(task, Making) or task.answer is None:
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
            self._hands.to_scout(scout, record, number)
            return True
        return False

    def _give_mark(self, scout: Worker) -> bool:
        while self._marking:
            number = self._marking.popleft()
            task = self._tasks.get(number)
            if isinstance(task, Marking):
                item, verdict = task.item, task.verdict
                task.tries += 1
                self._hands.to_scout(
                    scout, Mark(number, item.path, item.size, item.mtime_ns, verdict.code, verdict.cause), number
                )
                return True
        return False

    def _give_render(self, scout: Worker, renderer: Worker, item: Item) -> None:
        number, now = self._hands.number(), self._hands.clock()
        settings = self._hands.settings
        patience = min(settings.task_base_s + settings.task_per_megabyte_s * item.size / 1e6, settings.task_most_s)
        self._tasks[number] = Making(item, renderer, patience)
        self._hands.pool.give(renderer, number, now + patience, now)
        # The renderer hears the number before the scout does: it takes no other source.
        self._hands.crew.send(renderer, Expect(number))
        edge = FLAVOR_EDGE[item.flavor]
        self._hands.to_scout(scout, Open(number, item.path, item.size, item.mtime_ns, renderer.serial, edge), number)

    # -- answers ----------------------------------------------------------------------------------------------

    def rendered(self, renderer: Worker, number: int, record: Record) -> None:
        """A renderer has answered."""
        task = self._tasks.get(number)
        if isinstance(task, Making) and isinstance(record, Rendered | records.NotRendered):
            self._made(renderer, number, task, record)

    def scouted(self, number: int, record: Record) -> None:
        """A scout (free again) has done its part, or could not."""
        task = self._tasks.get(number)
        if isinstance(task, Making):
            self._scouted(number, task, record)
        elif isinstance(task, Marking) and isinstance(record, records.Marked):
            if record.message:
                log.warning("%s", record.message)
            del self._tasks[number]
            self._fail(task.item, task.verdict)

    def _made(self, renderer: Worker, number: int, task: Making, record: Rendered | records.NotRendered) -> None:
        """A renderer has answered: publish the pixels, or remember the failure."""
        if task.answer is not None:
            log.warning("renderer %d answered twice: dropped", renderer.serial)
            return
        if isinstance(record, Rendered):
            lie = lie_in(record, FLAVOR_EDGE[task.item.flavor], self._hands.settings.slot_bytes)
            if lie is not None:
                self._kill(renderer, f"it told of {lie}")
                return
            task.answer = record
            task.item.step(Phase.PUBLISHING)
            renderer.deadline = None
            self._publishing.append(number)
            return
        self._hands.pool.finished(renderer, self._hands.clock())
        verdict = of_refusal(record)
        del self._tasks[number]
        if verdict.code not in PERMANENT_FAILURES:
            self._fail(task.item, verdict)
            return
        task.item.step(Phase.PUBLISHING)
        number = self._hands.number()
        self._tasks[number] = Marking(task.item, verdict)
        self._marking.append(number)

    def _scouted(self, number: int, task: Making, record: Record) -> None:
        """A scout has opened the source, or published the pixels, or could not."""
        now, item = self._hands.clock(), task.item
        if isinstance(record, records.OpenFailed) and task.answer is not None:
            self._kill(task.renderer, "it answered before it had its source")
        elif isinstance(record, records.OpenFailed):
            del self._tasks[number]
            self._hands.pool.finished(task.renderer, now)
            if record.code == ItemCode.STALE:
                self._hands.jobs.changed(item, now)
            elif record.changed:
                self._hands.jobs.render_again(item, now)
            else:
                self._fail_in_words(item, record.code, record.message)
        elif isinstance(record, records.Published) and task.answer is not None:
            del self._tasks[number]
            self._hands.pool.finished(task.renderer, now)
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
        elif isinstance(record, records.PublishFailed):
            del self._tasks[number]
            self._hands.pool.finished(task.renderer, now)
            self._fail_in_words(item, record.code, record.message)

    def _fail(self, item: Item, verdict: Verdict) -> None:
        self._hands.jobs.fail(
            item, verdict.code, about(item.path, verdict.cause), self._hands.clock(), source=Source.RENDER
        )

    def _fail_in_words(self, item: Item, code: str, message: str) -> None:
        known = ItemCode(code) if code in set(ItemCode) else ItemCode.INTERNAL
        self._hands.jobs.fail(item, known, message, self._hands.clock(), source=None)

    # -- losses -----------------------------------------------------------------------------------------------

    def lost(self, worker: Worker, number: int, end: Exit | None) -> None:
        """A child is gone (`end` None: killed by us) with what it did for task `number`."""
        task = self._tasks.get(number)
        if isinstance(task, Marking):
            self._lost_mark(number, task)
        elif isinstance(task, Making) and worker is task.renderer:
            del self._tasks[number]
            self._lost_render(worker, task, end)
        elif isinstance(task, Making):
            self._lost_scout(worker, number, task)

    def _lost_mark(self, number: int, task: Marking) -> None:
        """To remember a failure is good, to tell it is a duty."""
        if task.tries < _MAX_PUBLISH:
            self._marking.append(number)
            return
        del self._tasks[number]
        self._fail(task.item, task.verdict)

    def _lost_render(self, renderer: Worker, task: Making, end: Exit | None) -> None:
        # Pixels that were made but not yet published went with it, and it counts all the same: a decoder may have
        # broken the renderer's memory in a way that shows only now.
        if end is None:
            verdict = of_kill(renderer.killed_for or DEADLINE, task.patience_s)
        else:
            verdict = of_death(end.code, end.signal, end.last_words)
        again = self._hands.jobs.died(
            task.item, verdict.code, verdict.cause, self._hands.clock(), outside=verdict.outside
        )
        then = "tried once more" if again else "given up"
        log.warning("%s; %s", about(task.item.path, verdict.cause), then)

    def _lost_scout(self, scout: Worker, number: int, task: Making) -> None:
        if scout is task.publisher:
            task.publisher = None
            if task.published < _MAX_PUBLISH:
                self._publishing.append(number)
                return
            self._give_up(number, task)
            cause = f"{task.published} scouts died over its thumbnail; see the log"
            self._fail_in_words(task.item, ItemCode.INTERNAL, about(task.item.path, cause))
            return
        if task.answer is not None:
            return  # the source had reached its renderer, and the picture waits for another scout
        self._give_up(number, task)
        if scout.killed_for is not None:
            cause = "its file system does not answer; try again later"
            self._fail_in_words(task.item, ItemCode.UNREADABLE, about(task.item.path, cause))
        else:
            # Whether the source reached the renderer is not known; a new number makes it drop it if it did.
            self._hands.jobs.render_again(task.item, self._hands.clock())

    def _give_up(self, number: int, task: Making) -> None:
        del self._tasks[number]
        if task.renderer.live:
            self._hands.pool.finished(task.renderer, self._hands.clock())
