"""Work for the children: who is free gets the next thing to do, what is answered finds its task, who fails is killed.

A child has one task at a time, and each task has a number: an answer with one that its child does not work on is late
and is dropped. What a task is about is the business of ``looks``, ``renders`` and ``listings``; the watching scout has
no task: what it tells is for ``watches``. Who is late, silent or too big is found by ``care``.
"""

import logging

from . import records
from .hands import Hands
from .listings import Listings
from .looks import Looks
from .marks import Marks
from .pool import Kind, State, Worker
from .records import Record
from .renders import Renders
from .sentences import shown
from .verdicts import SHED, STOPPED, Blame, of_death
from .watches import Watches
from .worker_handle import Exit

log = logging.getLogger(__name__)

#: Late answers come one by one; a child that says more than so many of them is broken.
_MAX_UNASKED = 20


class Work:
    """The foreman: gives work and takes answers."""

    def __init__(self, hands: Hands, listings: Listings) -> None:
        self._hands = hands
        self.listings = listings
        self.watches = Watches(hands)
        self.looks = Looks(hands)
        self.marks = Marks(hands)
        self.renders = Renders(hands, self.marks, self.kill)

    @property
    def under_way(self) -> int:
        """Tasks that a child works on, or whose last step waits for a scout."""
        return len(self.looks) + len(self.renders) + len(self.marks)

    def give(self, *, only_finish: bool = False) -> None:
        """Give every free child something to do; with `only_finish` nothing new is begun."""
        if not only_finish:
            self.listings.give()
            self.watches.give()
        while (scout := self._hands.pool.idle(Kind.QUICK)) is not None:
            if self.renders.prints.give(scout) or self.marks.give(scout):
                continue
            if only_finish or not (self.renders.give_first_step(scout) or self._look(scout)):
                return

    def _look(self, scout: Worker) -> bool:
        """Have a scout look at files; the last one that is free is kept for what is on or near somebody's screen."""
        scouts = [one for one in self._hands.pool.of(Kind.QUICK) if one.stuck is None]
        free = sum(one.state is State.READY for one in scouts)
        watched = len(self._hands.jobs.views) > 0
        return self.looks.give(scout, urgent_alone=watched and free < 2 <= len(scouts), short=watched)

    def abandon(self) -> None:
        """The end has come: what children still say or suffer concerns nobody any more."""
        self.looks.abandon()
        self.renders.abandon()
        self.marks.abandon()

    def answer(self, worker: Worker, record: Record) -> None:
        """A child said something."""
        if isinstance(record, records.Ready | records.Pong):
            self._unasked(worker, record)
            return
        if worker.kind is Kind.WATCHING:
            self.watches.on_record(worker, record)
            return
        number = getattr(record, "job", None)
        if worker.task is None or number != worker.task:
            self._unasked(worker, record)
            return
        self.moves(worker)
        if worker.kind is Kind.RENDERER:
            self.renders.rendered(worker, number, record)
        elif isinstance(record, records.Found | records.Listed):
            self.listings.on_record(worker, record)
        elif isinstance(record, records.Looked):
            self.looks.answer(worker, record)
        else:
            self._hands.pool.finished(worker, self._hands.clock())
            if isinstance(record, records.Outdated):
                self._outdated(worker, number)
            elif isinstance(record, records.Marked) and self.marks.has(number):
                self.marks.marked(record)
            else:
                self.renders.scouted(number, record)

    def _outdated(self, scout: Worker, number: int) -> None:
        """A scout may not write to a folder that was made anew: another one, born since, does it."""
        self._hands.crew.retire(scout, "a folder of the cache was made anew, and this scout may not write to it")
        if self.marks.has(number):
            self.marks.lost(number)
        else:
            self.renders.prints.outdated(number)

    def _unasked(self, worker: Worker, record: Record) -> None:
        """An answer with a number that nobody waits for: late, if there are few of them."""
        worker.unasked += 1
        if worker.unasked > _MAX_UNASKED:
            self.faulty(worker, "it says again and again what nobody has asked")
        else:
            name = type(record).__name__
            log.warning("%s %d said %s, which nobody has asked: dropped", worker.kind, worker.serial, name)

    def moves(self, worker: Worker) -> None:
        """A child that was stuck gets on again, and with it whoever waits for the same mount."""
        if worker.stuck is not None:
            worker.stuck = None
            self._hands.jobs.freed(self._hands.mounts.back(worker.serial, answered=True))

    def slow(self, worker: Worker) -> bytes | None:
        """A scout does not get on: a path on the mount that it is stuck on, None when that is nobody's mount."""
        if worker.task is None:
            return None
        if worker.kind is Kind.LISTING:
            return self.listings.slow(worker.task)
        return self.looks.slow(worker.task) or self.renders.slow(worker, worker.task)

    def publishes(self, scout: Worker) -> bool:
        """Whether a scout works on the cache, not on a user's file."""
        return scout.task is not None and (
            self.marks.has(scout.task) or self.renders.prints.with_scout(scout, scout.task)
        )

    def kill(self, worker: Worker, why: str) -> None:
        """End a child and give up what it worked on: its process may linger in a file system that hangs."""
        log_kill = log.info if why == SHED else log.warning
        what = f" over {shown(worker.file)}" if worker.file is not None else ""
        log_kill("killing %s %d (pid %d)%s: %s", worker.kind, worker.serial, worker.pid, what, why)
        self._hands.crew.kill(worker, why)
        self._lose(worker, None)

    def faulty(self, worker: Worker, why: str) -> None:
        """A child can't be worked with."""
        if worker.state in (State.STARTING, State.READY, State.BUSY):
            self.kill(worker, why)

    def lost(self, worker: Worker, end: Exit) -> None:
        """A child is gone, with what it worked on."""
        self._hands.jobs.freed(self._hands.mounts.back(worker.serial, answered=False))
        # Whom we killed was given up at once.
        if worker.killed_for is None:
            self._lose(worker, end)

    def _lose(self, worker: Worker, end: Exit | None) -> None:
        if worker.kind is Kind.LISTING:
            outside = worker.killed_for == STOPPED
            if end is not None:
                outside = of_death(end.code, end.signal, "").blame is Blame.OUTSIDE
            self.listings.lost(worker, outside=outside)
        elif worker.kind is Kind.WATCHING:
            self.watches.lost(worker)
        elif worker.task is not None and self.marks.has(worker.task):
            self.marks.lost(worker.task)
        elif worker.task is not None and not self.looks.lost(worker, worker.task):
            self.renders.lost(worker, worker.task, end)
