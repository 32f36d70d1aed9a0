"""Clients as processes: each has a ZeroMQ context, an interpreter and a scheduler's turn of its own.

Two clients in one process share a context, and with it what one of them has missed is easily taken for told.
"""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

_spawn = multiprocessing.get_context("spawn")


class Stage:
    """What a client's process sees of the measurement."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self._cpu_s = 0.0
        self._stopped = False

    def ready(self) -> None:
        """Everything is set up: wait for the others. What the processor is charged from here on counts."""
        self._pipe.send(("ready", None))
        self._pipe.recv()
        self._cpu_s = time.process_time()

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu_s

    def note(self, what: Any) -> None:
        """Tell the measurement that something has happened."""
        self._pipe.send(("note", what))

    @property
    def stopped(self) -> bool:
        """Whether it has been asked to come to an end."""
        if not self._stopped and self._pipe.poll():
            self._stopped = self._pipe.recv() == "stop"
        return self._stopped


def _live(pipe: "Connection[Any, Any]", work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    stage = Stage(pipe)
    try:
        result = work(stage, *arguments)
        pipe.send(("result", result | {"cpu_s": round(stage.cpu_s, 3)}))
    except BaseException:  # noqa: BLE001 - told to whoever waits for the result, and raised there
        pipe.send(("failed", traceback.format_exc()))


class Person:
    """A client in a process of its own: ``work(stage, *arguments)`` gives its result, a dictionary."""

    def __init__(self, work: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_live, args=(theirs, work, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()

    def wait_ready(self) -> Self:
        self._hear("ready", 60.0)
        return self

    def go(self) -> None:
        self._pipe.send("go")

    def stop(self) -> None:
        """Ask it to come to an end; its result follows."""
        try:
            self._pipe.send("stop")
        except BrokenPipeError:
            return  # it has ended by itself, its result lies in the pipe

    def note(self, timeout_s: float) -> Any:
        """What it notes next."""
        return self._hear("note", timeout_s)

    def result(self, timeout_s: float) -> dict[str, Any]:
        """What it came to."""
        found: dict[str, Any] = self._hear("result", timeout_s)
        return found

    def pause(self) -> None:
        """Have the kernel stop it."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process.is_alive():
            self.resume()
            self._process.kill()
        self._process.join(10)
        self._pipe.close()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def _hear(self, wanted: str, timeout_s: float) -> Any:
        until = time.monotonic() + timeout_s
        while True:
            if not self._pipe.poll(max(0.0, until - time.monotonic())):
                raise TimeoutError(f"a client has not told its {wanted} within {timeout_s:.0f} s")
            try:
                kind, what = self._pipe.recv()
            except EOFError as error:
                raise RuntimeError("a client's process has died") from error
            if kind == "failed":
                raise RuntimeError(f"a client failed:\n{what}")
            if kind == wanted:
                return what
