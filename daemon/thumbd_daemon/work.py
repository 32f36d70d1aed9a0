"""One thumbnail's way through the children: look, open, decode, publish; and what to do when one of them is lost.

Each task has a number; an answer with a number that is no longer known is late and is dropped. A quick scout and a
renderer have one task at a time.
"""

import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.errors import PERMANENT_FAILURES, ItemCode
from thumbd_protocol.items import FLAVOR_EDGE, Source, State

from . import channel
from .batches import Outcome
from .channel import MAX_RECORD, Expect, Look, Mark, Open, Publish, Record, Rendered
from .crew import Crew
from .formats import mime_of
from .items import Item, Phase
from .jobs import Jobs
from .listings import Listings
from .pool import Kind, Pool, Worker
from .sentences import about
from .settings import Settings
from .verdicts import DEADLINE, Verdict, lie_in, of_death, of_kill, of_refusal
from .worker_handle import Exit

log = logging.getLogger(__name__)

#: Bytes of paths in one look, so that it fits a record with room for its other fields.
_LOOK_BYTES: Final = MAX_RECORD - 8192
#: A picture that so many scouts could not publish is given up, a failure that so many could not remember is told.
_MAX_PUBLISH: Final = 3


@dataclass(eq=False)
class _Looking:
    """A scout looks at some items; those that it has answered are removed."""

    items: dict[int, Item]


@dataclass(eq=False)
class _Making:
    """A renderer makes an item's picture; `answer` holds its numbers once it has.

    `opener` and `publisher` are the scouts that are at it now.
    """

    item: Item
    renderer: Worker
    patience_s: float
    opener: Worker | None = None
    publisher: Worker | None = None
    answer: Rendered | None = None
    published: int = 0


@dataclass(eq=False)
class _Marking:
    """A failure is being remembered before it is told."""

    item: Item
    verdict: Verdict
    tries: int = 0


_Task = _Looking | _Making | _Marking


@dataclass(eq=False)
class Work:
    """Gives free children the next thing to do and takes what they answer. `clock` gives monotonic seconds."""

    settings: Settings
    pool: Pool
    crew: Crew
    jobs: Jobs
    listings: Listings
    clock: Callable[[], float]
    _tasks: dict[int, _Task] = field(default_factory=dict)
    _publishing: deque[int] = field(default_factory=deque)
    _marking: deque[int] = field(default_factory=deque)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def under_way(self) -> int:
        """Items that a child works on, or that wait for a scout with their pixels made."""
        return len(self._tasks)

    def give(self, *, only_finish: bool = False) -> None:
        """Give every free child something to do; with `only_finish` nothing new is begun."""
        self.listings.feed()
        while (scout := self.pool.idle(Kind.QUICK)) is not None:
            if not (self._give_publish(scout) or self._give_mark(scout)) and (only_finish or not self._give_new(scout)):
                return

    def check_time(self) -> None:
        """Kill who is past its deadline."""
        now = self.clock()
        for worker in self.pool.overdue(now):
            self._kill(worker, "not ready in time" if worker.task is None else DEADLINE)
        oldest = self.listings.oldest()
        if oldest is not None and now - oldest >= self.settings.scout_patience_s:
            for worker in [w for w in self.pool.workers.values() if w.kind is Kind.LISTING and w.live]:
                self._kill(worker, DEADLINE)

    # -- giving -----------------------------------------------------------------------------------------------

    def _to_scout(self, scout: Worker, record: Record, number: int) -> None:
        now = self.clock()
        self.pool.give(scout, number, now + self.settings.scout_patience_s, now)
        self.crew.send(scout, record)

    def _give_publish(self, scout: Worker) -> bool:
        while self._publishing:
            number = self._publishing.popleft()
            task = self._tasks.get(number)
            if not isinstance(task, _Making) or task.answer is None:
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
            self._to_scout(scout, record, number)
            return True
        return False

    def _give_mark(self, scout: Worker) -> bool:
        while self._marking:
            number = self._marking.popleft()
            task = self._tasks.get(number)
            if isinstance(task, _Marking):
                item, verdict = task.item, task.verdict
                task.tries += 1
                self._to_scout(
                    scout, Mark(number, item.path, item.size, item.mtime_ns, verdict.code, verdict.cause), number
                )
                return True
        return False

    def _give_new(self, scout: Worker) -> bool:
        renderer = self.pool.idle(Kind.RENDERER)
        if renderer is not None and self.pool.busy(Kind.RENDERER) < self.settings.renderers:
            item = self.jobs.take_render()
            if item is not None:
                self._give_render(scout, renderer, item)
                return True
        settings = self.settings
        items = self.jobs.take_looks(settings.look_paths, settings.urgent_look_paths, _LOOK_BYTES)
        if items:
            number = next(self._numbers)
            self._tasks[number] = _Looking({item.number: item for item in items})
            self._to_scout(scout, Look(number, [(i.number, i.path, i.flavor) for i in items]), number)
        return bool(items)

    def _give_render(self, scout: Worker, renderer: Worker, item: Item) -> None:
        number, now = next(self._numbers), self.clock()
        patience = self.settings.task_base_s + self.settings.task_per_megabyte_s * item.size / 1e6
        self._tasks[number] = _Making(item, renderer, patience, opener=scout)
        self.pool.give(renderer, number, now + patience, now)
        # The renderer hears the number before the scout does: it takes no other source.
        self.crew.send(renderer, Expect(number))
        edge = FLAVOR_EDGE[item.flavor]
        self._to_scout(scout, Open(number, item.path, item.size, item.mtime_ns, renderer.serial, edge), number)

    # -- answers ----------------------------------------------------------------------------------------------

    def ready(self, worker: Worker) -> None:
        if worker.kind is Kind.LISTING:
            self.listings.scout_ready(lambda record: self.crew.send(worker, record))

    def answer(self, worker: Worker, record: Record) -> None:
        if isinstance(record, channel.Found | channel.Listed):
            self.listings.on_record(record)
            return
        number = getattr(record, "job", None)
        if worker.task is None or number != worker.task:
            log.warning("%s %d answered %r, which nobody asked: dropped", worker.kind, worker.serial, record)
            return
        task = self._tasks.get(number)
        if worker.kind is Kind.RENDERER:
            if isinstance(task, _Making) and isinstance(record, Rendered | channel.NotRendered):
                self._made(worker, number, task, record)
            return
        if isinstance(record, channel.Looked):
            self._looked(worker, record, task if isinstance(task, _Looking) else None)
            return
        self.pool.finished(worker, self.clock())
        if isinstance(task, _Making):
            self._scouted(number, task, record)
        elif isinstance(task, _Marking) and isinstance(record, channel.Marked):
            if record.message:
                log.warning("%s", record.message)
            del self._tasks[number]
            self._fail(task.item, task.verdict)

    def _looked(self, scout: Worker, record: channel.Looked, task: _Looking | None) -> None:
        now = self.clock()
        scout.deadline = now + self.settings.scout_patience_s
        for result in record.results if task is not None else ():
            assert task is not None
            item = task.items.pop(result.task, None)
            if item is not None and item.phase is Phase.LOOKING:
                self._judge_look(item, result, now)
        if record.left == 0:
            self.pool.finished(scout, now)
            self._tasks.pop(record.job, None)

    def _judge_look(self, item: Item, result: channel.Hit | channel.Miss | channel.NoUse, now: float) -> None:
        if isinstance(result, channel.Miss):
            self.jobs.needs_render(item, result.size, result.mtime_ns)
            return
        item.size = result.size
        if isinstance(result, channel.NoUse):
            source = Source.CACHE if result.remembered else None
            code = ItemCode(result.code) if result.code in set(ItemCode) else ItemCode.INTERNAL
            self.jobs.fail(item, code, result.message, now, source=source)
            return
        outcome = Outcome(
            State.READY,
            thumbnail=result.thumbnail,
            width=result.width or None,
            height=result.height or None,
            source=Source.CACHE,
            size=result.size,
        )
        self.jobs.finish(item, outcome, now)

    def _made(self, renderer: Worker, number: int, task: _Making, record: Rendered | channel.NotRendered) -> None:
        """A renderer has answered: publish the pixels, or remember the failure."""
        if task.answer is not None:
            log.warning("renderer %d answered twice: dropped", renderer.serial)
            return
        if isinstance(record, Rendered):
            lie = lie_in(record, FLAVOR_EDGE[task.item.flavor], self.settings.slot_bytes)
            if lie is not None:
                self._kill(renderer, f"it told of {lie}")
                return
            task.answer = record
            task.item.step(Phase.PUBLISHING)
            renderer.deadline = None
            self._publishing.append(number)
            return
        self.pool.finished(renderer, self.clock())
        verdict = of_refusal(record)
        del self._tasks[number]
        if verdict.code not in PERMANENT_FAILURES:
            self._fail(task.item, verdict)
            return
        task.item.step(Phase.PUBLISHING)
        number = next(self._numbers)
        self._tasks[number] = _Marking(task.item, verdict)
        self._marking.append(number)

    def _scouted(self, number: int, task: _Making, record: Record) -> None:
        """A scout has opened the source, or published the pixels, or could not."""
        now, item = self.clock(), task.item
        if isinstance(record, channel.Opened):
            task.opener = None
        elif isinstance(record, channel.OpenFailed) and task.answer is not None:
            task.opener = None
            self._kill(task.renderer, "it answered before it had its source")
        elif isinstance(record, channel.OpenFailed):
            del self._tasks[number]
            self.pool.finished(task.renderer, now)
            if record.code == ItemCode.STALE:
                self.jobs.look_again(item, now)
            elif record.changed:
                self.jobs.render_again(item)
            else:
                self._fail_in_words(item, record.code, record.message)
        elif isinstance(record, channel.Published) and task.answer is not None:
            del self._tasks[number]
            self.pool.finished(task.renderer, now)
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
            self.jobs.finish(item, outcome, now)
        elif isinstance(record, channel.PublishFailed):
            del self._tasks[number]
            self.pool.finished(task.renderer, now)
            self._fail_in_words(item, record.code, record.message)

    def _fail(self, item: Item, verdict: Verdict) -> None:
        self.jobs.fail(item, verdict.code, about(item.path, verdict.cause), self.clock(), source=Source.RENDER)

    def _fail_in_words(self, item: Item, code: str, message: str) -> None:
        known = ItemCode(code) if code in set(ItemCode) else ItemCode.INTERNAL
        self.jobs.fail(item, known, message, self.clock(), source=None)

    # -- losses -----------------------------------------------------------------------------------------------

    def lost(self, worker: Worker, end: Exit) -> None:
        # Whom we killed was given up at once: its process may linger in a file system that hangs.
        if worker.killed_for is None:
            self._lose(worker, end)

    def _kill(self, worker: Worker, why: str) -> None:
        self.crew.kill(worker, why)
        self._lose(worker, None)

    def _lose(self, worker: Worker, end: Exit | None) -> None:
        if worker.kind is Kind.LISTING:
            self.listings.scout_lost(self.settings.scout_patience_s)
            return
        task = self._tasks.get(worker.task) if worker.task is not None else None
        if worker.task is None or task is None:
            return
        if isinstance(task, _Looking):
            del self._tasks[worker.task]
            self._lost_look(worker, task)
        elif isinstance(task, _Marking):
            self._lost_mark(worker.task, task)
        elif worker is task.renderer:
            del self._tasks[worker.task]
            self._lost_render(worker, task, end)
        else:
            self._lost_scout(worker, task)

    def _lost_look(self, scout: Worker, task: _Looking) -> None:
        """The first unanswered path is what it was stuck in; those behind it go to another scout."""
        now = self.clock()
        left = [item for item in task.items.values() if item.phase is Phase.LOOKING]
        if scout.killed_for is not None and left:
            cause = "its file system does not answer; try again later"
            stuck = left.pop(0)
            self.jobs.fail(stuck, ItemCode.UNREADABLE, about(stuck.path, cause), now, source=None)
        for item in left:
            self.jobs.look_again(item, now)

    def _lost_mark(self, number: int, task: _Marking) -> None:
        """To remember a failure is good, to tell it is a duty."""
        if task.tries < _MAX_PUBLISH:
            self._marking.append(number)
            return
        del self._tasks[number]
        self._fail(task.item, task.verdict)

    def _lost_render(self, renderer: Worker, task: _Making, end: Exit | None) -> None:
        # Pixels that were made but not yet published went with it, and it counts all the same: a decoder may have
        # broken the renderer's memory in a way that shows only now.
        if end is None:
            verdict = of_kill(renderer.killed_for or DEADLINE, task.patience_s)
        else:
            verdict = of_death(end.code, end.signal, end.last_words)
        again = self.jobs.died(task.item, verdict.code, verdict.cause, self.clock(), outside=verdict.outside)
        then = "tried once more" if again else "given up"
        log.warning("%s; %s", about(task.item.path, verdict.cause), then)

    def _lost_scout(self, scout: Worker, task: _Making) -> None:
        number = scout.task
        assert number is not None
        if scout is task.publisher:
            task.publisher = None
            if task.published < _MAX_PUBLISH:
                self._publishing.append(number)
                return
            self._give_up(number, task)
            cause = f"{task.published} scouts died over its thumbnail; see the log"
            self._fail_in_words(task.item, ItemCode.INTERNAL, about(task.item.path, cause))
            return
        task.opener = None
        if task.answer is not None:
            return  # the source had reached its renderer, and the picture waits for another scout
        self._give_up(number, task)
        if scout.killed_for is not None:
            cause = "its file system does not answer; try again later"
            self._fail_in_words(task.item, ItemCode.UNREADABLE, about(task.item.path, cause))
        else:
            # Whether the source reached the renderer is not known; a new number makes it drop it if it did.
            self.jobs.render_again(task.item)

    def _give_up(self, number: int, task: _Making) -> None:
        del self._tasks[number]
        if task.renderer.live:
            self.pool.finished(task.renderer, self.clock())
