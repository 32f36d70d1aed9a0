"""The children as processes: starting them, connecting renderers with scouts, telling their words and their ends.

``pool`` says which children there should be; here they are made. A renderer is born with a slot (memory for pixels,
its size sealed) and an intake (a socket that sources come by); both are handed to every quick scout.
"""

import errno
import fcntl
import itertools
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from . import records
from .cache import Places
from .orphans import Orphans, groups_below
from .pool import Kind, Pool, State, Worker
from .records import Attach, Detach, Guard, Record, Release, Setup
from .rehearsal import terms
from .sentences import cause_of as cause_of_error
from .settings import Sandbox, Settings
from .stats import Stats
from .verdicts import Cause, Death, cause_of
from .walls import Walls
from .worker_handle import Exit, WorkerHandle

log = logging.getLogger(__name__)

#: For a child that writes nothing.
_NOWHERE: Final = Places(b"", b"", b"")
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_REMEDIES: Final = {
    errno.EMFILE: " (raise the limit: ulimit -n, or LimitNOFILE= of the service)",
    errno.EAGAIN: " (too many processes of this user: ulimit -u, or TasksMax= of the service)",
    errno.ENOMEM: " (memory is short)",
    errno.ENOENT: " (was Python, or thumbd's environment, moved or upgraded? then start the daemon again)",
}
#: Beginnings of the names of variables that a renderer gets.
_TOLD: Final = ("PATH", "LANG", "LC_", "PYTHON", "LD_", "MALLOC_", "GLIBC_", "FAKETIME", "NO_FAKE")
_MODULES: Final = {
    Kind.RENDERER: ("thumbd_daemon.renderer", records.FromRenderer),
    Kind.QUICK: ("thumbd_daemon.scout", records.FromScout),
    Kind.LISTING: ("thumbd_daemon.scout", records.FromScout),
    Kind.WATCHING: ("thumbd_daemon.scout.watcher", records.FromWatcher),
    Kind.SENTINEL: ("thumbd_daemon.sentinel", records.FromSentinel),
}


def _bare(environ: Mapping[str, str]) -> dict[str, str]:
    """What a renderer is told of its user's environment: what Python and the loader want, and nothing else."""
    return {name: value for name, value in environ.items() if name.startswith(_TOLD)}


class Foreman(Protocol):
    """Who gives the children work and takes their answers."""

    def answer(self, worker: Worker, record: Record) -> None:
        """A child said something."""

    def faulty(self, worker: Worker, why: str) -> None:
        """A child can't be worked with and is to be killed."""

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
    """All children. `clock` gives monotonic seconds; the `foreman` is told what they say and when they end, `stats`
    keeps their deaths, and `changed` is called after it."""

    def __init__(
        self, pool: Pool, places: Places, settings: Settings, stats: Stats, clock: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._places = places
        self._slot_bytes = settings.slot_bytes
        self._confined = settings.sandbox != Sandbox.OFF
        self._terms = terms(settings)
        self._stats = stats
        self._clock = clock
        self._handles: dict[int, WorkerHandle] = {}
        self._slots: dict[int, _Slot] = {}
        self._serials = itertools.count(1)
        self._orphans = Orphans(self._changed)
        self._closing = False
        self.walls = Walls()
        self._strays: set[int] = set()
        self.foreman: Foreman | None = None
        self.changed: Callable[[], None] = lambda: None

    @property
    def children(self) -> int:
        """How many processes live (or linger)."""
        return len(self._handles) + len(self._orphans)

    def fill(self) -> None:
        """Start the children that are missing, let those go that are too many."""
        now = self._clock()
        for worker in self._pool.surplus(now):
            self.retire(worker, "it is not needed any more")
        failed: set[Kind] = set()
        for kind in self._pool.missing(now):
            if kind not in failed and not self._start(kind):
                failed.add(kind)

    def send(self, worker: Worker, record: Record) -> None:
        """Say something to a child; one that has gone hears nothing."""
        handle = self._handles.get(worker.serial)
        if handle is not None:
            handle.send(record)

    def kill(self, worker: Worker, why: str) -> None:
        """End a child by our hand; its end is told when it has come. Its place is free at once."""
        self._pool.kill(worker, why, self._clock())
        self._handles[worker.serial].kill()

    def retire(self, worker: Worker, why: str) -> None:
        """Let a child that works on nothing leave by itself."""
        self._pool.retire(worker, why, self._clock())
        self._handles[worker.serial].close_socket()

    def sweep(self) -> None:
        """End whoever the children have left behind; tell the sentinel of groups that they have started."""
        own = {handle.pid for handle in self._handles.values()}
        self._orphans.sweep(own)
        strays = groups_below(own) - own
        for group in strays - self._strays:
            self._tell_sentinels(Guard(group))
        for group in self._strays - strays:
            self._tell_sentinels(Release(group))
        self._strays = strays

    def close_sockets(self) -> None:
        """Ask all children to end; the sentinel when there is nobody left to watch."""
        self._closing = True
        for handle in self._but_sentinels():
            handle.close_socket()
        self._dismiss_sentinel()

    def terminate_all(self) -> None:
        """SIGTERM for all; the sentinel watches until they have gone."""
        for handle in self._but_sentinels():
            handle.signal(signal.SIGTERM)

    def kill_all(self) -> None:
        for handle in self._handles.values():
            handle.kill()

    def _but_sentinels(self) -> Iterator[WorkerHandle]:
        for serial, handle in list(self._handles.items()):
            if self._pool.workers[serial].kind is not Kind.SENTINEL:
                yield handle

    def _dismiss_sentinel(self) -> None:
        if self._closing and not any(True for _ in self._but_sentinels()):
            for handle in self._handles.values():
                handle.close_socket()

    # -- starting ---------------------------------------------------------------------------------------------

    def _start(self, kind: Kind) -> bool:
        """Start a child; False when the system refuses."""
        serial = next(self._serials)
        try:
            handle = self._start_renderer(serial) if kind is Kind.RENDERER else self._handle(kind, ())
        except OSError as error:
            self._pool.could_not_spawn(serial, kind, self._clock())
            why = cause_of_error(error) + _REMEDIES.get(error.errno or 0, "")
            self._died(Death(self._clock(), kind, 0, Cause.UNBORN, why, "", 0, 0.0, None))
            return False
        self._handles[serial] = handle
        worker = self._pool.spawned(serial, kind, self._clock(), handle.pid)
        log.debug("started %s %d (pid %d)", kind, serial, handle.pid)
        self._introduce(worker)
        return True

    def _introduce(self, worker: Worker) -> None:
        """Tell a newborn what it needs, and others of it."""
        match worker.kind:
            case Kind.RENDERER:
                for scout in list(self._pool.of(Kind.QUICK)):
                    self._attach(scout, worker.serial)
            case Kind.SENTINEL:
                for group in {handle.pid for handle in self._but_sentinels()} | self._strays:
                    self.send(worker, Guard(group))
            case _:
                # Others than quick scouts write nowhere.
                where = self._places if worker.kind is Kind.QUICK else _NOWHERE
                self.send(worker, Setup(where.thumbnails, where.previews, where.volatile, self._confined))
        if worker.kind is Kind.QUICK:
            for renderer in list(self._slots):
                self._attach(worker, renderer)
        if worker.kind is not Kind.SENTINEL:
            self._tell_sentinels(Guard(worker.pid))

    def _tell_sentinels(self, record: Record) -> None:
        for sentinel in self._pool.of(Kind.SENTINEL):
            self.send(sentinel, record)

    def _handle(self, kind: Kind, fds: tuple[int, ...], *arguments: str) -> WorkerHandle:
        module, kinds = _MODULES[kind]
        return WorkerHandle(
            module,
            kinds,
            fds,
            *arguments,
            environ=_bare(os.environ) if kind is Kind.RENDERER else None,
            on_record=self._on_record,
            on_exit=self._on_exit,
            on_nonsense=self._on_nonsense,
        )

    def _start_renderer(self, serial: int) -> WorkerHandle:
        memory = os.memfd_create("thumbd-slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            os.close(memory)
            raise
        slot = _Slot(memory, far)
        try:
            os.ftruncate(memory, self._slot_bytes)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            handle = self._handle(Kind.RENDERER, (near.fileno(), memory), self._terms)
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
            assert self.foreman is not None
            self.foreman.faulty(scout, f"it can't be handed renderer {renderer}: {error}")

    def _changed(self) -> None:
        self.changed()

    # -- what they say, how they end --------------------------------------------------------------------------

    def _worker(self, handle: WorkerHandle) -> Worker:
        serial = next(serial for serial, known in self._handles.items() if known is handle)
        return self._pool.workers[serial]

    def _on_record(self, handle: WorkerHandle, record: Record) -> None:
        assert self.foreman is not None
        worker = self._worker(handle)
        if isinstance(record, records.Ready) and worker.state is State.STARTING:
            self._pool.ready(worker, self._clock())
            self.walls.told(worker.kind, record.lacks)
        elif isinstance(record, records.Pong) and worker.owed:
            self._pool.answered_ping(worker, self._clock())
        elif worker.live:
            self.foreman.answer(worker, record)
        self.changed()

    def _on_nonsense(self, handle: WorkerHandle, why: str) -> None:
        assert self.foreman is not None
        worker = self._worker(handle)
        if worker.live:
            self.foreman.faulty(worker, why)
        self.changed()

    def _on_exit(self, handle: WorkerHandle, end: Exit) -> None:
        assert self.foreman is not None
        worker = self._worker(handle)
        del self._handles[worker.serial]
        slot = self._slots.pop(worker.serial, None)
        if slot is not None:
            slot.close()
            for scout in self._pool.of(Kind.QUICK):
                self.send(scout, Detach(worker.serial))
        self._tell_sentinels(Release(end.pid))
        killed = worker.state is State.KILLED
        asked = "the daemon ends" if self._closing else worker.killed_for
        cause, detail = cause_of(asked, killed, end.code, end.signal)
        now = self._clock()
        self._died(
            Death(now, worker.kind, end.pid, cause, detail, end.last_words, end.rss_peak, end.seconds, worker.file),
            early=worker.state is State.STARTING,
        )
        self._pool.died(worker, now, outside=cause is Cause.SOMEBODY_ELSE)
        self.foreman.lost(worker, end)
        self.sweep()
        self._dismiss_sentinel()
        self.changed()

    def _died(self, death: Death, *, early: bool = False) -> None:
        if death.cause is Cause.LEFT:
            log.debug("%s", death)
            return
        self._stats.deaths.append(death)
        log.warning("%s%s", death, " before it was ready" if early else "")
