"""Work for the children: who is free gets the next thing to do, what is answered finds its task, who is late is killed.

A quick scout and a renderer have one task at a time, and each task has a number: an answer with one that its child does
not work on is late and is dropped. What a task is about is the business of ``looks``, ``renders`` and ``listings``.
"""

import logging
from collections.abc import Callable

from . import records
from .crew import Crew
from .hands import Hands
from .jobs import Jobs
from .listings import Listings
from .looks import Looks
from .pool import Kind, Pool, Worker
from .records import Record
from .renders import Renders
from .settings import Settings
from .verdicts import DEADLINE
from .worker_handle import Exit

log = logging.getLogger(__name__)


class Work:
    """The foreman: gives work and takes answers. `clock` gives monotonic seconds."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        crew: Crew,
        jobs: Jobs,
        listings: Listings,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._crew = crew
        self._listings = listings
        self._clock = clock
        hands = Hands(settings, pool, crew, jobs, clock)
        self._looks = Looks(hands)
        self._renders = Renders(hands, self._kill)

    @property
    def under_way(self) -> int:
        """Tasks that a child works on, or whose last step waits for a scout."""
        return len(self._looks) + len(self._renders)

    def give(self, *, only_finish: bool = False) -> None:
        """Give every free child something to do; with `only_finish` nothing new is begun."""
        self._listings.feed()
        while (scout := self._pool.idle(Kind.QUICK)) is not None:
            if self._renders.give_last_step(scout):
                continue
            if only_finish or not (self._renders.give_first_step(scout) or self._looks.give(scout)):
                return

    def abandon(self) -> None:
        """The end has come: what children still say or suffer concerns nobody any more."""
        self._looks.abandon()
        self._renders.abandon()

    def check_time(self) -> None:
        """Kill who is past its deadline."""
        now = self._clock()
        for worker in self._pool.overdue(now):
            self._kill(worker, "not ready in time" if worker.task is None else DEADLINE)
        oldest = self._listings.oldest()
        if oldest is not None and now - oldest >= self._settings.scout_patience_s:
            for worker in [w for w in self._pool.workers.values() if w.kind is Kind.LISTING and w.live]:
                self._kill(worker, DEADLINE)

    def ready(self, worker: Worker) -> None:
        """A child is set up."""
        if worker.kind is Kind.LISTING:
            self._listings.scout_ready(lambda record: self._crew.send(worker, record))

    def answer(self, worker: Worker, record: Record) -> None:
        """A child said something."""
        if isinstance(record, records.Found | records.Listed):
            self._listings.on_record(record)
            return
        number = getattr(record, "job", None)
        if worker.task is None or number != worker.task:
            log.warning("%s %d answered %r, which nobody asked: dropped", worker.kind, worker.serial, record)
        elif worker.kind is Kind.RENDERER:
            self._renders.rendered(worker, number, record)
        elif isinstance(record, records.Looked):
            self._looks.answer(worker, record)
        else:
            self._pool.finished(worker, self._clock())
            self._renders.scouted(number, record)

    def lost(self, worker: Worker, end: Exit) -> None:
        """A child is gone, with what it worked on."""
        # Whom we killed was given up at once: its process may linger in a file system that hangs.
        if worker.killed_for is None:
            self._lose(worker, end)

    def _kill(self, worker: Worker, why: str) -> None:
        self._crew.kill(worker, why)
        self._lose(worker, None)

    def _lose(self, worker: Worker, end: Exit | None) -> None:
        if worker.kind is Kind.LISTING:
            self._listings.scout_lost(self._settings.scout_patience_s)
        elif worker.task is not None and not self._looks.lost(worker, worker.task):
            self._renders.lost(worker, worker.task, end)
