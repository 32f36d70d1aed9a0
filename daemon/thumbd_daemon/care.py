"""Watching over the children: who is late, stuck, silent, stopped, too big, worn out; and how many there should be.

Everything here is found by the passing of time. Renderers at work are looked at four times a second (processor, sleeps,
memory); one that neither computes nor reads is stuck in the file system that its source lies on.
"""

import logging
from typing import Final

from . import machine
from .hands import Hands
from .load import Machine
from .mounts import Road
from .pool import Kind, State, Worker
from .records import Ping
from .sentences import cause_of
from .verdicts import DEADLINE, MEMORY, SHED, STALLED, STOPPED
from .work import Work

log = logging.getLogger(__name__)

#: How often renderers at work are looked at, everything else, and the list of mounts, in seconds.
_SAMPLE_S: Final = 0.25
_MACHINE_S: Final = 5.0
#: How often the machine's memory is looked at while it is short, in seconds.
_MACHINE_SHORT_S: Final = 0.5
_MOUNTS_S: Final = 1.0
#: A publishing scout may take so long before another is started in its place: disks are slower than looks.
_PUBLISH_SLOW_S: Final = 1.0
#: A renderer that has used so many processor seconds since its last picture is not at rest.
_RESTLESS_S: Final = 1.0
#: Of the budget in use by renderers: told, and shed.
_MEMORY_HIGH: Final = 0.9
_MEMORY_CALM: Final = 0.75
#: Of the machine's memory that is still free: below it renderers are shed, whatever the budget says.
_FREE_LOW: Final = 0.05


class Care:
    """Looks after all children."""

    def __init__(self, hands: Hands, work: Work) -> None:
        self._hands = hands
        self._work = work
        self._pings = 0
        self._sampled = self._asked_machine = self._read_mounts = float("-inf")
        self._moved: dict[int, machine.Vitals] = {}
        # Of renderers at rest: since when, and the processor seconds that they had used then.
        self._resting: dict[int, tuple[float, float]] = {}
        # When a scout that has been silent for long was last looked at.
        self._looked: dict[int, float] = {}
        self._machine = Machine()
        #: What is to be told of memory: a sentence while it is short.
        self.memory: str | None = None

    def check(self, *, refill: bool = True) -> None:
        """Do what time asks for; with `refill`, see that there are as many children as there should be."""
        now = self._hands.clock()
        load = self._hands.pool.busy(Kind.RENDERER) + self._hands.jobs.waiting_renders(self._hands.sizer.most)
        if now - self._read_mounts >= _MOUNTS_S and (load or len(self._work.listings) or self._work.under_way):
            self._read_mounts = now
            try:
                self._hands.mounts.update(machine.MOUNTINFO.read_bytes())
            except OSError as error:  # out of descriptors: what was known must do
                log.warning("%s can't be read: %s", machine.MOUNTINFO, cause_of(error))
        self._look_for_slow(now)
        for worker in self._hands.pool.overdue(now):
            self._overdue(worker)
        for worker in self._hands.pool.to_ping(now):
            self._pings += 1
            self._hands.crew.send(worker, Ping(self._pings))
        self._sample(now)
        self._hands.jobs.given_up(self._hands.mounts.give_up(now))
        self._retire_worn_out(now)
        self._hands.pool.rest(now)
        if refill:
            self._hands.pool.wanted[Kind.RENDERER] = self._hands.sizer.target(load, now) + 1
            self._hands.crew.fill()

    def next_deadline(self, now: float) -> float | None:
        """When `check` should be called at the latest."""
        hands = self._hands
        times = [hands.pool.next_deadline(now), hands.mounts.next_deadline(), hands.sizer.next_deadline()]
        busy = [w for w in self._hands.pool.workers.values() if w.state is State.BUSY]
        if any(w.kind is Kind.RENDERER for w in busy):
            times.append(self._sampled + _SAMPLE_S)
        scouts = [w for w in busy if w.kind in (Kind.QUICK, Kind.LISTING) and w.stuck is None]
        times += [max(w.heard, self._looked.get(w.serial, 0.0)) + self._slow_after(w) for w in scouts]
        known = [at for at in times if at is not None]
        return min(known, default=None)

    def shift(self, gap: float) -> None:
        """Nobody was looked after for so many seconds: no one is late because of it."""
        self._hands.pool.shift(gap)
        self._hands.mounts.shift(gap)
        self._looked.clear()
        self._moved.clear()
        self._sampled = self._hands.clock()

    # -- late -------------------------------------------------------------------------------------------------

    def _overdue(self, worker: Worker) -> None:
        """A child is past its deadline."""
        match worker.state:
            case State.STARTING:
                self._work.kill(worker, "it was not ready in time")
            case State.READY:
                self._work.kill(worker, "it did not answer a ping")
            case State.RETIRING:
                self._hands.crew.kill(worker, "it did not leave when asked")
            case _ if self._stopped(worker):
                self._work.kill(worker, STOPPED)
            case _:
                self._work.kill(worker, STALLED if self._stalled(worker) else DEADLINE)

    def _stalled(self, worker: Worker) -> bool:
        """Whether a renderer is late because of the file system that its source lies on. That it sleeps is no proof:
        one that was taken over may do so to blame others. A scout's word, or the kernel's, is."""
        if worker.kind is not Kind.RENDERER or worker.stuck is None or worker.file is None:
            return False
        mounts = self._hands.mounts
        return mounts.road(mounts.of(worker.file)) is not Road.CLEAR

    @staticmethod
    def _stopped(worker: Worker) -> bool:
        found = machine.vitals(worker.pid)
        return found is not None and found.stopped

    def _slow_after(self, worker: Worker) -> float:
        """How long a scout may be silent before others are kept away from where it is."""
        publishes = worker.kind is Kind.QUICK and self._work.publishes(worker)
        return _PUBLISH_SLOW_S if publishes else self._hands.settings.slow_s

    def _look_for_slow(self, now: float) -> None:
        self._looked = {serial: at for serial, at in self._looked.items() if serial in self._hands.pool.workers}
        for worker in list(self._hands.pool.workers.values()):
            scout = worker.kind in (Kind.QUICK, Kind.LISTING)
            if not scout or worker.state is not State.BUSY or worker.stuck is not None:
                continue
            if now < max(worker.heard, self._looked.get(worker.serial, 0.0)) + self._slow_after(worker):
                continue
            self._looked[worker.serial] = now
            found = machine.vitals(worker.pid)
            if found is None or not (found.stopped or found.kept_waiting):
                continue  # it computes, or its answer is on its way
            if found.stopped:
                self._work.kill(worker, STOPPED)
                continue
            worker.stuck = now
            path = self._work.slow(worker)
            if path is not None:
                self._hands.mounts.stuck(self._hands.mounts.of(path), worker.serial, now)

    # -- stuck, stopped, too big ------------------------------------------------------------------------------

    def _sample(self, now: float) -> None:
        if now - self._sampled < _SAMPLE_S:
            return
        self._sampled = now
        decoding = {making.renderer.serial: making.item.path for making in self._work.renders.decoding()}
        seen: dict[int, machine.Vitals] = {}
        resting: dict[int, tuple[float, float]] = {}
        for worker in list(self._hands.pool.of(Kind.RENDERER)):
            found = machine.vitals(worker.pid)
            if found is None:
                continue
            worker.rss = found.rss
            if found.stopped and worker.state is State.BUSY:
                self._work.kill(worker, STOPPED)
            elif found.rss > self._hands.settings.renderer_memory:
                self._work.kill(worker, MEMORY)
            elif worker.serial in decoding:
                seen[worker.serial] = found
                self._judge(worker, decoding[worker.serial], found, now)
            elif worker.state is State.READY:
                since, cpu = resting[worker.serial] = self._resting.get(worker.serial, (worker.since, found.cpu))
                if since != worker.since:
                    resting[worker.serial] = worker.since, found.cpu
                elif found.cpu - cpu > _RESTLESS_S:
                    self._work.kill(worker, "it computes though it has nothing to do")
        self._moved, self._resting = seen, resting
        self._hands.crew.sweep()
        self._mind_memory(now)

    def _judge(self, worker: Worker, path: bytes, found: machine.Vitals, now: float) -> None:
        """Whether a renderer gets on with a file."""
        before = self._moved.get(worker.serial)
        if before is None or worker.since > now - _SAMPLE_S:
            return
        if found.idle_since(before):
            if worker.stuck is None:
                worker.stuck = now  # another one takes its place
                if found.kept_waiting:
                    self._hands.mounts.stuck(self._hands.mounts.of(path), worker.serial, now)
        else:
            self._work.moves(worker)

    def _mind_memory(self, now: float) -> None:
        """Tell when memory is short, and shed what is least urgent."""
        renderers = list(self._hands.pool.of(Kind.RENDERER))
        total = sum(worker.rss for worker in renderers)
        budget = self._hands.budget.total
        if now - self._asked_machine >= (_MACHINE_S if self.memory is None else _MACHINE_SHORT_S):
            self._asked_machine = now
            self._machine = machine.machine()
            self._hands.sizer.machine(self._machine, now)
        free = self._machine.free
        if total >= _MEMORY_HIGH * budget or free < _FREE_LOW:
            self.memory = (
                f"memory is short: renderers use {total >> 20} of {budget >> 20} MB,"
                f" {free:.0%} of the machine's is free; the least urgent pictures wait"
            )
        elif total <= _MEMORY_CALM * budget and free > 2 * _FREE_LOW:
            self.memory = None
        self._hands.sizer.memory_short = self.memory is not None
        # On a figure that is new: what was shed before must show first.
        if total > budget or (free < _FREE_LOW and self._asked_machine == now):
            self._shed()

    def _shed(self) -> None:
        """Give memory back: first of whom nobody needs now, then of the least urgent work, but never of the last."""
        idle = [w for w in self._hands.pool.of(Kind.RENDERER) if w.state is State.READY]
        fat = max(idle, key=lambda w: w.rss, default=None)
        if fat is not None and fat.rss > self._hands.settings.renderer_keeps // 2:
            self._hands.crew.retire(fat, "memory is short")
            return
        worker = self._work.renders.least_urgent()
        if worker is not None:
            self._work.kill(worker, SHED)

    # -- worn out ---------------------------------------------------------------------------------------------

    def _retire_worn_out(self, now: float) -> None:
        settings = self._hands.settings
        for worker in list(self._hands.pool.of(Kind.RENDERER)):
            if worker.state is not State.READY:
                continue
            if worker.tasks >= settings.renderer_tasks:
                self._hands.crew.retire(worker, f"it has done {worker.tasks} tasks")
            elif worker.rss > settings.renderer_keeps and self._keeps(worker) > settings.renderer_keeps:
                self._hands.crew.retire(worker, f"it keeps {worker.rss >> 20} MB")
            elif now - worker.born >= settings.renderer_age_s:
                self._hands.crew.retire(worker, "it is old")

    @staticmethod
    def _keeps(worker: Worker) -> int:
        """The memory of a renderer at rest; what was seen last may be from the middle of a task."""
        found = machine.vitals(worker.pid)
        worker.rss = found.rss if found is not None else 0
        return worker.rss
