"""One renderer without a daemon: started as ``crew`` starts it, handed sources as a scout hands them over, one at a time.

Whatever becomes of a file is an outcome: the numbers and pixels of its thumbnail, a failure, the renderer's death or
its silence. Used by ``sandbox_diff`` and by ``benchmarks/sandbox.py``.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec

from thumbd_daemon import records
from thumbd_daemon.channel import MAX_RECORD, encode
from thumbd_daemon.records import Expect, GivenBack, Header, NotRendered, Pong, Ready, Rendered, Source
from thumbd_daemon.rehearsal import terms
from thumbd_daemon.settings import Sandbox, Settings

_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
#: More than any picture takes: none waits for leave.
_ALL_THE_MEMORY: Final = 1 << 50
#: A start takes a quarter of a second, where nobody looks over its shoulder.
_START_S: Final = 60.0
_Told = TypeVar("_Told", Header, Rendered | NotRendered | GivenBack)
_decoder: Final[msgspec.msgpack.Decoder[records.Record]] = msgspec.msgpack.Decoder(records.FromRenderer)


class Gone(Exception):
    """The renderer has died, or was silent for too long and was killed; the text says which."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file: what its header said, how it ended, a hash of its pixels. Equal ones are alike to the
    last word and pixel."""

    header: Header | None
    end: Rendered | NotRendered | GivenBack | str
    pixels: str = ""

    @property
    def died(self) -> bool:
        return isinstance(self.end, str)

    def __str__(self) -> str:
        match self.end:
            case Rendered() as told:
                original = f"{told.original_width} x {told.original_height} {told.format}"
                return f"ready: {told.width} x {told.height} {told.mode} of {original}, pixels {self.pixels[:12]}"
            case NotRendered(_job, code, cause):
                return f"{code}: {cause}"
            case GivenBack():
                return "given back"
            case words:
                return words


def settings(sandbox: Sandbox) -> Settings:
    """A daemon's own, with the cage as it is wanted. Nothing is listened at or written to."""
    return replace(Settings(), sandbox=sandbox)


class LoneRenderer:
    """A renderer at work, in a cage or without one."""

    def __init__(
        self, given: Settings, *, wrapper: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        """Start it and wait until it is ready; `wrapper` is a command that starts it as its own process. Raises Gone
        with its last words where it does not become ready."""
        self.job = 0
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the renderer
        self._heard = 0
        memory = os.memfd_create("thumbd-slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(memory, given.slot_bytes)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        self._slot = mmap.mmap(memory, given.slot_bytes)
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        intake, self._intake = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs = (control.fileno(), intake.fileno(), memory)
        self.started = time.perf_counter()
        self._popen = subprocess.Popen(
            [
                *(*wrapper, sys.executable, "-m", "thumbd_daemon.renderer"),
                *(*map(str, theirs), str(os.getpid()), terms(given)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._words,
            pass_fds=theirs,
            cwd="/",
            env=os.environ | (environ or {}),
            start_new_session=True,
        )
        control.close()
        intake.close()
        os.close(memory)
        self.pid = self._popen.pid
        try:
            told = self._hear(time.monotonic() + _START_S)
        except Gone:
            self.close()
            raise
        self.ready_s = time.perf_counter() - self.started
        assert isinstance(told, Ready), told
        self.lacks = told.lacks

    def render(self, path: bytes, edge: int, patience_s: float) -> Outcome:
        """Have it render one file. Raises OSError where the file can't be opened."""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            return self.render_opened(fd, edge, patience_s)
        finally:
            os.close(fd)

    def render_opened(self, fd: int, edge: int, patience_s: float) -> Outcome:
        """Have it render what is open as `fd` (which remains the caller's)."""
        self.job += 1
        header: Header | None = None
        until = time.monotonic() + patience_s
        try:
            self._control.send(encode(Expect(self.job, _ALL_THE_MEMORY)))
            socket.send_fds(self._intake, [encode(Source(self.job, os.fstat(fd).st_size, edge))], [fd])
            while isinstance(told := self._hear(until), Header):
                header = _without_number(told)
        except (BrokenPipeError, ConnectionResetError):
            return Outcome(header, self._end())
        except Gone as gone:
            return Outcome(header, str(gone))
        if not isinstance(told, Rendered | NotRendered | GivenBack) or told.job != self.job:
            self._kill()
            return Outcome(header, f"it said what nobody asked for: {told!r}")
        return Outcome(header, _without_number(told), self._taken(told) if isinstance(told, Rendered) else "")

    def rest(self) -> None:
        """Ask for a sign of life, as the daemon does of renderers at rest."""
        self._control.send(encode(records.Ping(1)))
        answer = self._hear(time.monotonic() + 10)
        assert isinstance(answer, Pong), answer

    def words(self) -> str:
        """What it has written to stderr since this was asked last."""
        length = os.fstat(self._words.fileno()).st_size
        new = os.pread(self._words.fileno(), length - self._heard, self._heard)
        self._heard = length
        return new.decode("utf-8", "replace")

    def close(self) -> None:
        """Let it leave by itself; end it where it does not."""
        self._control.close()
        self._intake.close()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._kill()
        self._words.close()
        self._slot.close()

    def _taken(self, told: Rendered) -> str:
        """A hash of the pixels in the slot, which is empty afterwards: nobody's pixels are taken for another's."""
        assert told.length == told.width * told.height * len(told.mode), told
        found = hashlib.sha256(self._slot[: told.length]).hexdigest()
        self._slot[: told.length] = bytes(told.length)
        return found

    def _hear(self, until: float) -> records.Record:
        self._control.settimeout(max(0.001, until - time.monotonic()))
        try:
            raw = self._control.recv(MAX_RECORD)
        except TimeoutError:
            self._kill()
            raise Gone("it was silent for too long") from None
        except ConnectionResetError:
            raw = b""
        if not raw:
            raise Gone(self._end())
        return _decoder.decode(raw)

    def _end(self) -> str:
        """How it died."""
        try:
            code = self._popen.wait(30)
        except subprocess.TimeoutExpired:
            self._kill()
            return "it closed its socket and lived on"
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        said = self.words().strip().splitlines()
        return f"it ended with status {code}{f': {said[-1]}' if said else ''}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


def _without_number(told: _Told) -> _Told:
    """The same without its job, so that the outcomes of two renderers can be compared."""
    return msgspec.structs.replace(told, job=0)
