"""The contenders: each starts its workers and warms them up, then takes all tasks at once and gives what became of
each as it comes."""

import abc
import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import family
from .thumbds_pool import NotDone, ThumbdsPool

#: Workers of each contender: as many as thumbd has renderers at work.
WORKERS: Final = max(2, len(os.sched_getaffinity(0)))
#: A start takes no longer, in seconds.
_START_S: Final = 60.0

#: A file and where its picture goes.
Task = tuple[bytes, bytes]


@dataclass
class Outcome:
    """What became of the tasks: the files written by those that were `done`, how many raised, and which errors.

    `last_s` is when the last of them was told, in seconds after the first was asked for.
    """

    done: list[bytes] = field(default_factory=list)
    failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    last_s: float = 0.0

    def raised(self, error: BaseException) -> None:
        self.failed += 1
        self.errors[type(error).__name__] += 1


class Contender(abc.ABC):
    """`folder` is its own, and empty; `takes_empty` says whether it can be given empty tasks."""

    takes_empty = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abc.abstractmethod
    def start(self, warm: Sequence[bytes]) -> None:
        """Start the workers and have each make a picture of a file of `warm`."""

    @abc.abstractmethod
    def run(self, tasks: Sequence[Task], patience_s: float) -> Outcome:
        """Ask for all `tasks`, and take results for at most `patience_s` seconds."""

    def stop(self) -> None:
        """End what it has started."""
        family.end(os.getpid())

    def how(self) -> str:
        """How its workers are started."""
        return "exec"


def _wait_for_workers(count: int, meanwhile: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    until = time.monotonic() + _START_S
    while len(family.workers(os.getpid())) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{count} workers are not ready after {_START_S:.0f} s")
        meanwhile()


# -- those with futures of concurrent.futures -------------------------------------------------------------------


class _Futures(Contender):
    """Contenders whose `submit` gives a future that ``as_completed`` understands."""

    def start(self, warm: Sequence[bytes]) -> None:
        from .task import make, warm_up

        self._make = make
        target = os.fsencode(self.folder / "warm")
        self._open(warm_up, (warm[0], target))
        self._submit(make, warm[0], target).result(_START_S)  # loky and pebble start with the first task
        _wait_for_workers(WORKERS)

    def run(self, tasks: Sequence[Task], patience_s: float) -> Outcome:
        began, outcome = time.monotonic(), Outcome()
        futures: list[Future[bytes]] = []
        for task in tasks:
            try:
                futures.append(self._submit(self._make, *task))
            except RuntimeError as error:  # broken while it was still being asked
                outcome.raised(error)
        try:
            for future in concurrent.futures.as_completed(futures, timeout=patience_s):
                failure = future.exception()
                if failure is None:
                    outcome.done.append(future.result())
                else:
                    outcome.raised(failure)
                outcome.last_s = time.monotonic() - began
        except TimeoutError:
            pass  # what is left was never told
        return outcome

    @abc.abstractmethod
    def _open(self, initializer: Callable[..., None], arguments: tuple[bytes, bytes]) -> None: ...

    @abc.abstractmethod
    def _submit(self, function: Callable[[bytes, bytes], bytes], source: bytes, target: bytes) -> "Future[bytes]": ...


class Executor(_Futures):
    """concurrent.futures.ProcessPoolExecutor."""

    def _open(self, initializer: Callable[..., None], arguments: tuple[bytes, bytes]) -> None:
        self._pool = ProcessPoolExecutor(WORKERS, initializer=initializer, initargs=arguments)

    def _submit(self, function: Callable[[bytes, bytes], bytes], source: bytes, target: bytes) -> "Future[bytes]":
        return self._pool.submit(function, source, target)

    def how(self) -> str:
        return multiprocessing.get_context().get_start_method()


class Loky(_Futures):
    """loky's reusable executor."""

    def _open(self, initializer: Callable[..., None], arguments: tuple[bytes, bytes]) -> None:
        import loky

        self._pool: Any = loky.get_reusable_executor(WORKERS, initializer=initializer, initargs=arguments)

    def _submit(self, function: Callable[[bytes, bytes], bytes], source: bytes, target: bytes) -> "Future[bytes]":
        future: Future[bytes] = self._pool.submit(function, source, target)
        return future

    def how(self) -> str:
        return "loky (exec)"


class Pebble(_Futures):
    """pebble.ProcessPool."""

    def _open(self, initializer: Callable[..., None], arguments: tuple[bytes, bytes]) -> None:
        import pebble

        self._pool: Any = pebble.ProcessPool(WORKERS, initializer=initializer, initargs=arguments)

    def _submit(self, function: Callable[[bytes, bytes], bytes], source: bytes, target: bytes) -> "Future[bytes]":
        future: Future[bytes] = self._pool.schedule(function, args=(source, target))
        return future

    def how(self) -> str:
        return multiprocessing.get_context().get_start_method()


# -- thumbd -----------------------------------------------------------------------------------------------------


class Thumbd(Contender):
    """thumbd's pool alone."""

    def start(self, warm: Sequence[bytes]) -> None:
        os.environb[b"POOLS_WARM_SOURCE"] = warm[0]
        os.environb[b"POOLS_WARM_TARGET"] = os.fsencode(self.folder / "warm")
        # Its children are started by exec, in the folder "/": they find the benchmark where we have found it.
        os.environ["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._runner = asyncio.Runner()
        self._runner.run(self._start())

    async def _start(self) -> None:
        self._pool = ThumbdsPool(WORKERS)
        until = time.monotonic() + _START_S
        while len(family.workers(os.getpid())) <= WORKERS:
            if time.monotonic() > until:
                raise TimeoutError(f"thumbd's workers are not ready after {_START_S:.0f} s")
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)  # they are nice just before they say that they are ready

    def run(self, tasks: Sequence[Task], patience_s: float) -> Outcome:
        return self._runner.run(self._run(tasks, patience_s))

    async def _run(self, tasks: Sequence[Task], patience_s: float) -> Outcome:
        began, outcome = time.monotonic(), Outcome()
        futures = [self._pool.submit(*task) for task in tasks]
        try:
            for future in asyncio.as_completed(futures, timeout=patience_s):
                try:
                    outcome.done.append(await future)
                except NotDone as error:
                    outcome.raised(error)
                outcome.last_s = time.monotonic() - began
        except TimeoutError:
            pass  # what is left was never told
        return outcome


class Daemon(Contender):
    """All of thumbd: a daemon with a home of its own, asked over its socket for thumbnails in its cache."""

    takes_empty = False

    def start(self, warm: Sequence[bytes]) -> None:
        for name, folder in (("RUNTIME_DIR", "run"), ("CACHE_HOME", "cache"), ("STATE_HOME", "state")):
            (self.folder / folder).mkdir(mode=0o700)
            os.environ[f"XDG_{name}"] = str(self.folder / folder)
        os.environ.pop("THUMBD_ENDPOINT", None)
        from thumbd_client.connection import Connection

        self._daemon = subprocess.Popen([sys.executable, "-m", "thumbd_daemon"])
        self._connection = Connection("pools", autostart=False)
        until = time.monotonic() + _START_S
        while not self._connection.session.welcomed:
            if time.monotonic() > until or self._daemon.poll() is not None:
                raise TimeoutError("the daemon does not start")
            self._connection.try_again()  # it gives up at once where nothing accepts yet
            self._connection.poll(0.02)
        warmed = self._ask(warm, "warm", _START_S)
        if len(warmed.done) < len(warm):
            raise RuntimeError(f"the daemon could not warm up: {warmed.errors}")
        # Its connection must be heard in between: whoever is silent for long is closed. How many it keeps beyond those
        # that work is its own choice.
        _wait_for_workers(WORKERS, lambda: self._connection.poll(0.02))

    def run(self, tasks: Sequence[Task], patience_s: float) -> Outcome:
        return self._ask([source for source, _target in tasks], "pools", patience_s)

    def _ask(self, files: Sequence[bytes], batch: str, patience_s: float) -> Outcome:
        from thumbd_client.events import Refused
        from thumbd_protocol.items import Flavor, Item, Priority
        from thumbd_protocol.replies import Done, Update

        began, outcome, told = time.monotonic(), Outcome(), set[bytes]()
        items = [Item(file, Flavor.LARGE) for file in files]
        self._connection.session.submit_items(items, Priority.NORMAL, batch)
        while (left := began + patience_s - time.monotonic()) > 0:
            for event in self._connection.poll(min(left, 0.5)):
                match event:
                    case Update():
                        self._take(event, outcome, told)
                        self._connection.session.processed()
                        outcome.last_s = time.monotonic() - began
                    case Done():
                        return outcome
                    case Refused():
                        raise RuntimeError(event.reason)
        return outcome

    @staticmethod
    def _take(update: Any, outcome: Outcome, told: set[bytes]) -> None:
        from thumbd_protocol.items import State

        for item in update.items:
            if not item.state.final or item.path in told:
                continue
            told.add(item.path)
            if item.state is State.READY and item.thumbnail is not None:
                outcome.done.append(item.thumbnail)
            else:
                outcome.failed += 1
                outcome.errors[item.error or item.state.name] += 1

    def stop(self) -> None:
        self._connection.close()
        self._daemon.terminate()
        try:
            self._daemon.wait(15)
        finally:
            super().stop()


#: By the names that reports have.
CONTENDERS: Final[dict[str, type[Contender]]] = {
    "thumbd's pool": Thumbd,
    "thumbd, whole daemon": Daemon,
    "ProcessPoolExecutor": Executor,
    "loky": Loky,
    "pebble": Pebble,
}
