"""The daemon's side of one child: started by exec, spoken to over a private pair, watched by its pidfd.

Whatever ends a child, what it still said is read first, and then its end is told once, as an ``Exit``. Each child leads
a session and a process group of its own, and whoever is left of that group goes with it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from .channel import MAX_RECORD, encode
from .records import Record
from .sentences import printable

#: So much of a child's last words on stderr is kept, in bytes.
_LAST_WORDS: Final = 2048
#: A child that floods stderr is read so much at once, then not for so long (bytes, seconds): it waits, not we.
_FLOOD: Final = 1 << 16
_FLOOD_PAUSE_S: Final = 0.05


@dataclass(frozen=True)
class Exit:
    """How a child ended: exit `code` or `signal` number, its last words, its peak of resident memory in bytes.

    The kernel counts what the daemon itself took when it started the child (getrusage(2)), so no peak is below that.
    """

    pid: int
    code: int | None
    signal: int | None
    last_words: str
    rss_peak: int
    seconds: float


class WorkerHandle:
    """One child. `on_record(handle, record)` and then, once, `on_exit(handle, exit)` are called in the loop;
    `on_nonsense(handle, why)` when it says what is not understood, after which nothing more is heard of it."""

    def __init__(
        self,
        module: str,
        kinds: object,
        fds: Sequence[int],
        *arguments: str,
        on_record: Callable[["WorkerHandle", Record], None],
        on_exit: Callable[["WorkerHandle", Exit], None],
        on_nonsense: Callable[["WorkerHandle", str], None],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``python -m MODULE CONTROL FDS... PID ARGUMENTS...``. Raises OSError when the system refuses.

        `kinds` is the union of records it may say; `fds` are descriptors that it inherits under their numbers,
        `environ` is its environment (None: ours).
        """
        self._loop = asyncio.get_running_loop()
        self._decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(kinds)
        self._on_record = on_record
        self._on_exit = on_exit
        self._on_nonsense = on_nonsense
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._words = b""
        self._mute = False
        self._flood: asyncio.TimerHandle | None = None
        self._born = self._loop.time()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stderr, stderr = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(stderr, True)
            command = [sys.executable, "-m", module, *map(str, (theirs.fileno(), *fds, os.getpid())), *arguments]
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(), *fds),
                cwd="/",
                env=environ,
                start_new_session=True,
            )
            self._pidfd = self._open_pidfd()
        except OSError:
            self._socket.close()
            os.close(self._stderr)
            raise
        finally:
            theirs.close()
            os.close(stderr)
        self.pid = self._popen.pid
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._read)
        self._loop.add_reader(self._stderr, self._read_words)
        self._loop.add_reader(self._pidfd, self._ended)

    def send(self, record: Record, fds: Sequence[int] = ()) -> None:
        """Say `record`, with copies of `fds`; never blocks. A child that is gone hears nothing."""
        raw = encode(record)
        if self._socket.fileno() < 0:
            return
        if self._waiting or not self._try_send(raw, fds):
            if not self._waiting:
                self._loop.add_writer(self._socket, self._flush)
            self._waiting.append((raw, [os.dup(fd) for fd in fds]))

    def close_socket(self) -> None:
        """Ask it to end: end-of-file is the last thing a child hears."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        while self._waiting:
            self._close(self._waiting.popleft()[1])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child itself (never to a pid that may be another's by now)."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End the child and whoever it has started."""
        self.signal(signal.SIGKILL)
        self._kill_group()

    # -- inside -----------------------------------------------------------------------------------------------

    def _try_send(self, raw: bytes, fds: Sequence[int]) -> bool:
        try:
            if fds:
                socket.send_fds(self._socket, [raw], list(fds))
            else:
                self._socket.send(raw)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True  # the pidfd tells what happened
        return True

    def _flush(self) -> None:
        while self._waiting and self._try_send(*self._waiting[0]):
            self._close(self._waiting.popleft()[1])
        if not self._waiting:
            self._loop.remove_writer(self._socket)

    @staticmethod
    def _close(fds: Sequence[int]) -> None:
        for fd in fds:
            os.close(fd)

    def _read(self) -> None:
        for _ in range(64):
            if not self._read_one():
                return

    def _read_one(self) -> bool:
        """Hand over one thing it said. No room for descriptors: what a child sends of those, the kernel drops."""
        if self._socket.fileno() < 0 or self._mute:
            return False
        try:
            raw = self._socket.recv(MAX_RECORD)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            raw = b""
        if not raw:
            self._loop.remove_reader(self._socket)
            return False
        try:
            record = self._decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            self._loop.remove_reader(self._socket)
            self._mute = True
            self._on_nonsense(self, f"it said what is not understood: {error}")
            return False
        self._on_record(self, record)
        return True

    def _read_words(self) -> None:
        try:
            words = os.read(self._stderr, _FLOOD)
        except BlockingIOError:
            return
        if not words:
            self._loop.remove_reader(self._stderr)
            return
        self._words = (self._words + words)[-_LAST_WORDS:]
        if len(words) == _FLOOD and self._flood is None:
            self._loop.remove_reader(self._stderr)
            self._flood = self._loop.call_later(_FLOOD_PAUSE_S, self._listen_again)

    def _listen_again(self) -> None:
        self._flood = None
        self._loop.add_reader(self._stderr, self._read_words)

    def _open_pidfd(self) -> int:
        try:
            return os.pidfd_open(self._popen.pid)
        except OSError:
            self._popen.kill()  # out of descriptors: a child that can't be watched may not live
            self._popen.wait()
            raise

    def _kill_group(self) -> None:
        """Until it has been waited for, its pid (which is its group's number) can't be another's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or it became another user
            os.killpg(self.pid, signal.SIGKILL)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        while self._read_one():
            pass
        self.close_socket()
        self._read_words()
        if self._flood is not None:
            self._flood.cancel()
        self._loop.remove_reader(self._stderr)
        os.close(self._stderr)
        self._kill_group()
        _pid, status, usage = os.wait4(self.pid, 0)  # it is dead: this returns at once
        code = os.waitstatus_to_exitcode(status)
        self._popen.returncode = code
        os.close(self._pidfd)
        self._pidfd = -1
        words = self._words.decode("utf-8", "replace").strip().splitlines()
        # The last lines say what it was; the marks below a line of code say nothing without it.
        told = [line.strip() for line in words if line.strip(" ^~\t")]
        last = printable(" | ".join(told[-3:]))
        seconds = self._loop.time() - self._born
        self._on_exit(
            self,
            Exit(
                self.pid, code if code >= 0 else None, -code if code < 0 else None, last, usage.ru_maxrss << 10, seconds
            ),
        )
