"""The children as processes: starting them, connecting renderers with scouts, telling their words and their ends.

``pool`` says which children there should be; here they are made. A renderer is born with a slot (memory for pixels,
its size sealed) and an intake (a socket that sources come by); both are handed to every quick scout.
"""

import fcntl
import itertools
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from . import records
from .cache import Places
from .pool import Kind, Pool, State, Worker
from .records import Attach, Detach, Record, Setup
from .worker_handle import Exit, WorkerHandle

log = logging.getLogger(__name__)

_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Foreman(Protocol):
    """Who gives the children work and takes their answers."""

    def ready(self, worker: Worker) -> None:
        """A child is set up."""

    def answer(self, worker: Worker, record: Record) -> None:
        """A child said something."""

    def lost(self, worker: Worker, end: Exit) -> None:
        """A child is gone, with what it worked on."""


@dataclass
class _Slot:
    """What belongs to a renderer and is handed to scouts: its pixels' memory, the far end of its intake."""

    memory: int
    intake: socket.socket

    def close(self) -> None:
        os.close(self.memory)
        self.intake.close()


class Crew:
    """All children. `clock` gives monotonic seconds; the `foreman` is told what they say and when they end, and
    `changed` is called after it."""

    def __init__(self, pool: Pool, places: Places, slot_bytes: int, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._places = places
        self._slot_bytes = slot_bytes
        self._clock = clock
        self._handles: dict[int, WorkerHandle] = {}
        self._slots: dict[int, _Slot] = {}
        self._serials = itertools.count(1)
        self.foreman: Foreman | None = None
        self.changed: Callable[[], None] = lambda: None

    @property
    def children(self) -> int:
        """How many processes live (or linger)."""
        return len(self._handles)

    def fill(self) -> None:
        """Start the children that are missing."""
        for kind in self._pool.missing(self._clock()):
            self._start(kind)

    def send(self, worker: Worker, record: Record) -> None:
        """Say something to a child; one that has gone hears nothing."""
        handle = self._handles.get(worker.serial)
        if handle is not None:
            handle.send(record)

    def kill(self, worker: Worker, why: str) -> None:
        """End a child by our hand; its end is told when it has come. Its place is free at once."""
        log.warning("killing %s %d (pid %d): %s", worker.kind, worker.serial, self._handles[worker.serial].pid, why)
        self._pool.kill(worker, why, self._clock())
        self._handles[worker.serial].signal(signal.SIGKILL)

    def close_sockets(self) -> None:
        """Ask all children to end."""
        for handle in self._handles.values():
            handle.close_socket()

    def signal_all(self, number: signal.Signals) -> None:
        for handle in self._handles.values():
            handle.signal(number)

    # -- inside -----------------------------------------------------------------------------------------------

    def _start(self, kind: Kind) -> None:
        serial = next(self._serials)
        try:
            handle = self._start_renderer(serial) if kind is Kind.RENDERER else self._start_scout()
        except OSError as error:
            self._pool.could_not_spawn(kind, self._clock())
            log.error("a %s can't be started: %s", kind, error)
            return
        self._handles[serial] = handle
        worker = self._pool.spawned(serial, kind, self._clock())
        log.debug("started %s %d (pid %d)", kind, serial, handle.pid)
        if kind is Kind.RENDERER:
            for scout in self._pool.workers.values():
                if scout.kind is Kind.QUICK and scout.live:
                    self._attach(scout, serial)
        else:
            self.send(worker, Setup(self._places.thumbnails, self._places.previews, self._places.volatile))
        if kind is Kind.QUICK:
            for renderer in self._slots:
                self._attach(worker, renderer)

    def _start_scout(self) -> WorkerHandle:
        return WorkerHandle(
            "thumbd_daemon.scout", records.FromScout, (), on_record=self._on_record, on_exit=self._on_exit
        )

    def _start_renderer(self, serial: int) -> WorkerHandle:
        memory = os.memfd_create("thumbd-slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        slot = _Slot(memory, far)
        try:
            os.ftruncate(memory, self._slot_bytes)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            handle = WorkerHandle(
                "thumbd_daemon.renderer",
                records.FromRenderer,
                (near.fileno(), memory),
                on_record=self._on_record,
                on_exit=self._on_exit,
            )
        except OSError:
            slot.close()
            raise
        finally:
            near.close()
        self._slots[serial] = slot
        return handle

    def _attach(self, scout: Worker, renderer: int) -> None:
        slot = self._slots[renderer]
        try:
            self._handles[scout.serial].send(Attach(renderer), (slot.memory, slot.intake.fileno()))
        except OSError as error:
            # Out of descriptors: without this renderer it is of no use; the next one may fare better.
            log.error("scout %d can't be handed renderer %d: %s", scout.serial, renderer, error)
            self._handles[scout.serial].signal(signal.SIGKILL)

    def _worker(self, handle: WorkerHandle) -> Worker:
        serial = next(serial for serial, known in self._handles.items() if known is handle)
        return self._pool.workers[serial]

    def _on_record(self, handle: WorkerHandle, record: Record) -> None:
        assert self.foreman is not None
        worker = self._worker(handle)
        if isinstance(record, records.Ready):
            if worker.state is State.STARTING:
                self._pool.ready(worker, self._clock())
                self.foreman.ready(worker)
        elif worker.live:
            self.foreman.answer(worker, record)
        self.changed()

    def _on_exit(self, handle: WorkerHandle, end: Exit) -> None:
        assert self.foreman is not None
        worker = self._worker(handle)
        del self._handles[worker.serial]
        slot = self._slots.pop(worker.serial, None)
        if slot is not None:
            slot.close()
            for scout in self._pool.workers.values():
                if scout.kind is Kind.QUICK and scout.live:
                    self.send(scout, Detach(worker.serial))
        before_ready = worker.state is State.STARTING
        self._pool.died(worker, self._clock())
        why = f" ({worker.killed_for})" if worker.killed_for else ""
        when = " before it was ready" if before_ready else ""
        log.info("%s %d (pid %d) %s%s%s", worker.kind, worker.serial, end.pid, end, when, why)
        self.foreman.lost(worker, end)
        self.changed()
