"""Making pictures: a source to a renderer, pixels to the cache; and what a loss in between means.

Each task has a number; a renderer is busy with it from the order until its pixels have been published.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from thumbd_protocol.errors import PERMANENT_FAILURES, ItemCode
from thumbd_protocol.items import FLAVOR_EDGE, Source

from . import records
from .demands import patience
from .hands import Hands
from .items import Item, Phase
from .making import Making, Makings
from .marks import Marks
from .pool import Kind, Worker
from .prints import Prints
from .records import Expect, Open, Record, Rendered
from .sentences import about
from .verdicts import DEADLINE, SHED, STALLED, Blame, Verdict, lie_in, lie_in_header, of_death, of_kill, of_refusal
from .worker_handle import Exit

log = logging.getLogger(__name__)


class Renders:
    """Pictures being made. `kill(worker, why)` ends a child and says so to whoever it worked for."""

    def __init__(self, hands: Hands, marks: Marks, kill: Callable[[Worker, str], None]) -> None:
        self._hands = hands
        self._marks = marks
        self._kill = kill
        self._makings = Makings(hands)
        self.prints = Prints(hands, self._makings)

    def __len__(self) -> int:
        return len(self._makings)

    def abandon(self) -> None:
        """Forget every task."""
        self._makings.abandon()

    # -- giving -----------------------------------------------------------------------------------------------

    def give_first_step(self, scout: Worker) -> bool:
        """Let a free scout open the next source for a free renderer; False when there is none of either."""
        renderer = self._hands.pool.idle(Kind.RENDERER)
        if renderer is None or self._hands.pool.busy(Kind.RENDERER) >= self._hands.sizer.limit:
            return False
        turn = self._hands.jobs.take_render(self._hands.clock())
        if turn is None:
            return False
        self._give_render(scout, renderer, *turn)
        return True

    def decoding(self) -> Iterator[Making]:
        """The pictures that renderers are at just now."""
        return (task for task in self._makings if task.opened and not task.answer)

    def least_urgent(self) -> Worker | None:
        """The renderer at the picture that can wait most, of at least two."""
        tasks = list(self.decoding())
        return max(tasks, key=lambda task: (task.item.rank, task.item.number)).renderer if len(tasks) > 1 else None

    def _give_render(self, scout: Worker, renderer: Worker, item: Item, need: int) -> None:
        number, now = self._hands.number(), self._hands.clock()
        settings = self._hands.settings
        usual = min(settings.task_base_s + settings.task_per_megabyte_s * item.size / 1e6, settings.task_most_s)
        allowed = patience(item, usual)
        allowance = self._hands.budget.begin(number, need)
        self._makings.add(number, Making(item, renderer, scout, allowed, allowance, hurried=allowed < usual))
        self._hands.pool.give(renderer, number, now + allowed, now, item.path)
        # The renderer hears the number before the scout does: it takes no other source.
        self._hands.crew.send(renderer, Expect(number, allowance))
        edge = FLAVOR_EDGE[item.flavor]
        order = Open(number, item.path, item.size, item.mtime_ns, renderer.serial, edge)
        self._hands.to_scout(scout, order, number, item.path)

    # -- answers ----------------------------------------------------------------------------------------------

    def rendered(self, renderer: Worker, number: int, record: Record) -> None:
        """A renderer has answered."""
        task = self._makings.get(number)
        if task is None:
            return
        renderer.heard = self._hands.clock()
        match record:
            case records.Header():
                self._header(renderer, number, task, record)
            case records.GivenBack() if not task.asked_back:
                self._kill(renderer, "it gave a picture back that nobody had asked for")
            case records.GivenBack():
                self._makings.end(number)
                self._hands.pool.finished(renderer, renderer.heard)
                self._hands.jobs.render_later(task.item, task.need)
            case Rendered() | records.NotRendered():
                self._made(renderer, number, task, record)

    def _header(self, renderer: Worker, number: int, task: Making, header: records.Header) -> None:
        """The picture's size is known: how long it may take, and whether there is memory for it now."""
        if task.need or task.answer is not None:
            self._kill(renderer, "it told of two headers")
            return
        settings = self._hands.settings
        lie = lie_in_header(header, settings.memory_of_one)
        if lie is not None:
            self._kill(renderer, f"it told of {lie}")
            return
        task.opened, task.need = True, header.need
        pixels = min(header.width * header.height, settings.most_pixels)  # more are never decoded
        allowed = settings.task_per_megapixel_s * pixels / 1e6
        usual = min(task.patience_s + allowed, settings.task_most_s)
        task.patience_s = patience(task.item, usual)
        renderer.deadline = renderer.since + task.patience_s
        go = self._hands.budget.ask(number, header.need, task.item.rank)
        if header.need > task.allowance:
            task.asked_back = not go
            self._hands.crew.send(renderer, records.Go(number) if go else records.GiveBack(number))

    def scouted(self, number: int, record: Record) -> None:
        """A scout (free again) has done its part, or could not."""
        task = self._makings.get(number)
        if task is not None:
            self._scouted(number, task, record)

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
            self._hands.budget.end(number)
            renderer.deadline = None
            self.prints.add(number)
            return
        self._hands.pool.finished(renderer, self._hands.clock())
        verdict = of_refusal(record)
        self._makings.end(number)
        if verdict.code not in PERMANENT_FAILURES:
            self._fail(task.item, verdict)
            return
        self._marks.begin(task.item, verdict)

    def _scouted(self, number: int, task: Making, record: Record) -> None:
        """A scout has opened the source, or published the pixels, or could not."""
        now, item = self._hands.clock(), task.item
        if isinstance(record, records.Opened):
            task.opened = True
        elif isinstance(record, records.OpenFailed) and task.answer is not None:
            self._kill(task.renderer, "it answered before it had its source")
        elif isinstance(record, records.OpenFailed):
            self._makings.end(number)
            self._hands.pool.finished(task.renderer, now)
            if record.code == ItemCode.STALE:
                self._hands.jobs.changed(item, now)
            elif record.changed:
                self._hands.jobs.render_again(item, now)
                if record.not_taken and task.renderer.live:
                    self._kill(task.renderer, "it takes no source")
            else:
                self._makings.fail(item, record.code, record.message)
        elif isinstance(record, records.Published | records.PublishFailed) and task.answer is not None:
            self.prints.answer(number, task, record)

    def _fail(self, item: Item, verdict: Verdict) -> None:
        self._hands.jobs.fail(
            item, verdict.code, about(item.path, verdict.cause), self._hands.clock(), source=Source.RENDER
        )

    # -- losses -----------------------------------------------------------------------------------------------

    def slow(self, scout: Worker, number: int) -> bytes | None:
        """A scout does not get on: the file whose mount that is; None when it is about the cache. A renderer waits for
        no source: its task is over, and the item goes where its mount lets it."""
        task = self._makings.get(number)
        if task is None or scout is not task.opener or task.opened:
            return None
        self._makings.give_up(number)
        self._hands.jobs.set_aside(task.item, Phase.RENDER)
        return task.item.path

    def lost(self, worker: Worker, number: int, end: Exit | None) -> None:
        """A child is gone (`end` None: killed by us) with what it did for task `number`."""
        task = self._makings.get(number)
        if task is None:
            return
        if worker is task.renderer:
            self._makings.end(number)
            self._lost_render(worker, task, end)
        else:
            self._lost_scout(worker, number, task)

    def _lost_render(self, renderer: Worker, task: Making, end: Exit | None) -> None:
        if renderer.killed_for == SHED:
            self._hands.jobs.render_later(task.item, task.need or None)
            return
        # Pixels that were made but not yet published went with it, and it counts all the same: a decoder may have
        # broken the renderer's memory in a way that shows only now.
        if end is None:
            limit = self._hands.settings.renderer_memory
            verdict = of_kill(renderer.killed_for or DEADLINE, task.patience_s, limit)
            if task.hurried and renderer.killed_for == DEADLINE:
                verdict = replace(verdict, blame=Blame.PLACE)  # the file may be all right
        else:
            verdict = of_death(end.code, end.signal, end.last_words)
        again = self._hands.jobs.died(task.item, verdict, self._hands.clock())
        then = "tried once more" if again else "given up"
        log.warning("%s; %s", about(task.item.path, verdict.cause), then)

    def _lost_scout(self, scout: Worker, number: int, task: Making) -> None:
        if scout is task.publisher:
            self.prints.lost(number, task)
            return
        if task.opened:
            return  # the source had reached its renderer, or the picture waits for another scout
        self._makings.give_up(number)
        if scout.killed_for == DEADLINE:
            self._makings.fail(task.item, ItemCode.UNREADABLE, about(task.item.path, f"{STALLED}; try again later"))
        else:
            # Whether the source reached the renderer is not known; a new number makes it drop it if it did.
            self._hands.jobs.render_again(task.item, self._hands.clock())
