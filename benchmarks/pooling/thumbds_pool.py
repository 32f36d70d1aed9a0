"""thumbd's pool with a worker of the benchmark's own: of the daemon, the state machine and the process handles alone.

Children are started by exec, spoken to over private pairs, watched by their pidfds; each has one task in flight, one
more than may work is kept warm, and what was killed is given to the next, before all others.
"""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Final

from thumbd_daemon.batches import MAX_RETRIES
from thumbd_daemon.pool import Kind, Pool, State, Worker
from thumbd_daemon.records import Ping, Pong, Ready, Record
from thumbd_daemon.worker_handle import Exit, WorkerHandle

from .said import FromWorker, Made, Make, NotMade

#: A task may take so long, in seconds.
_PATIENCE_S: Final = 10.0


class NotDone(Exception):
    """A task has no result; the text says why."""


@dataclass(eq=False)
class _Task:
    record: Make
    future: "asyncio.Future[bytes]"
    deaths: int = 0


class ThumbdsPool:
    """Lives in the running loop; `at_work` children work at the same time."""

    def __init__(self, at_work: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._at_work = at_work
        self._pool = Pool({Kind.RENDERER: at_work + 1})
        self._serials = itertools.count(1)
        self._numbers = itertools.count(1)
        self._handles: dict[int, WorkerHandle] = {}
        self._workers: dict[WorkerHandle, Worker] = {}
        self._waiting: deque[_Task] = deque()
        self._given: dict[int, _Task] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turn_set = False
        self._soon()

    def submit(self, source: bytes, target: bytes) -> "asyncio.Future[bytes]":
        """Ask for the picture of `source` in `target`; the future's result is `target`, or it raises NotDone."""
        task = _Task(Make(next(self._numbers), source, target), self._loop.create_future())
        self._waiting.append(task)
        self._soon()
        return task.future

    # -- turning: the same as in the daemon, after all that has happened together -------------------------------

    def _soon(self) -> None:
        if not self._turn_set:
            self._turn_set = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_set = False
        now = self._clock()
        for worker in self._pool.overdue(now):
            self._kill(worker, "deadline", now)
        for worker in self._pool.to_ping(now):
            self._handles[worker.serial].send(Ping(worker.serial))
        for kind in self._pool.missing(now):
            self._start(kind, now)
        while self._waiting and self._pool.busy(Kind.RENDERER) < self._at_work:
            idle = self._pool.idle(Kind.RENDERER)
            if idle is None:
                break
            self._give(idle, self._waiting.popleft(), now)
        self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = self._pool.next_deadline(now)
        self._timer = self._loop.call_at(at, self._soon) if at is not None else None

    def _start(self, kind: Kind, now: float) -> None:
        handle = WorkerHandle(
            "pooling.task",
            FromWorker,
            (),
            on_record=self._on_record,
            on_exit=self._on_exit,
            on_nonsense=lambda handle, why: self._kill(self._workers[handle], why, self._clock()),
        )
        worker = self._pool.spawned(next(self._serials), kind, now, handle.pid)
        self._handles[worker.serial] = handle
        self._workers[handle] = worker

    def _give(self, worker: Worker, task: _Task, now: float) -> None:
        number = task.record.job
        self._given[number] = task
        self._pool.give(worker, number, now + _PATIENCE_S, now, task.record.source)
        self._handles[worker.serial].send(task.record)

    def _kill(self, worker: Worker, why: str, now: float) -> None:
        if worker.state is not State.KILLED:
            self._pool.kill(worker, why, now)
            self._handles[worker.serial].kill()

    # -- what they say, how they end ----------------------------------------------------------------------------

    def _on_record(self, handle: WorkerHandle, record: Record) -> None:
        worker, now = self._workers[handle], self._clock()
        match record:
            case Ready():
                self._pool.ready(worker, now)
            case Pong():
                self._pool.answered_ping(worker, now)
            case Made(number) | NotMade(number) if number == worker.task:
                self._pool.finished(worker, now)
                task = self._given.pop(number)
                if isinstance(record, NotMade):
                    task.future.set_exception(NotDone(record.why))
                else:
                    task.future.set_result(task.record.target)
        self._soon()

    def _on_exit(self, handle: WorkerHandle, end: Exit) -> None:
        worker = self._workers.pop(handle)
        del self._handles[worker.serial]
        number = worker.task
        self._pool.died(worker, self._clock(), outside=end.signal is not None and worker.killed_for is None)
        if number is not None:
            self._again(self._given.pop(number), end)
        self._soon()

    def _again(self, task: _Task, end: Exit) -> None:
        """A task has lost its child: it is the next to be given, until it has lost too many."""
        task.deaths += 1
        if task.deaths > MAX_RETRIES:
            task.future.set_exception(NotDone(f"its workers were {end}"))
        else:
            self._waiting.appendleft(task)
