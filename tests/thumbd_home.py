"""A user's home for end-to-end tests: private XDG folders, real daemons and commands as processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: Nothing in a test takes longer, in seconds.
DEADLINE_S = 60.0


def corpus_folder() -> Path | None:
    """The folder that ``$THUMBD_CORPUS`` names, if there is one."""
    name = os.environ.get("THUMBD_CORPUS", "")
    return Path(name) if name and Path(name).is_dir() else None


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Wait until `condition` holds; fail with `what` when it never does."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain: {what}")
        time.sleep(0.01)


def accepts(path: Path) -> bool:
    """Whether somebody listens at a socket's file."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The items of a run with ``--json``."""
        return [json.loads(line) for line in self.out.splitlines()][:-1]

    @property
    def object(self) -> dict[str, Any]:
        """What a command with ``--json`` that prints one object has told."""
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def summary(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return value


class Home:
    """XDG folders below a short temporary one (a socket's path must fit 107 bytes), and the processes started there.

    `user` is the number of an ordinary user whose home it is, for tests that are run as root; `descriptors` is how many
    of them each process may have.
    """

    def __init__(self, user: int | None = None, descriptors: int | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="thumbd-"))
        self.pictures = self.root / "pictures"
        self.runtime = self.root / "run"
        self.cache = self.root / "cache"
        self.state = self.root / "state"
        for folder in (self.pictures, self.cache, self.state):
            folder.mkdir()
        self.runtime.mkdir(mode=0o700)
        self.environ = os.environ | {
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_STATE_HOME": str(self.state),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            # Renderers are told of no other variable than Python's and the loader's.
            "PYTHON_TEST_HOME": str(self.root),
        }
        self.environ.pop("THUMBD_ENDPOINT", None)
        self._as_user: list[str] = []
        if user is not None:
            self._as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            for folder in (self.root, self.pictures, self.cache, self.state, self.runtime):
                os.chown(folder, user, user)
        if descriptors is not None:
            self._as_user += ["prlimit", f"--nofile={descriptors}:{descriptors}", "--"]
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def socket(self) -> Path:
        return self.runtime / "thumbd" / "v1.sock"

    @property
    def log(self) -> str:
        """What daemons that clients started have written."""
        path = self.state / "thumbd" / "thumbd.log"
        return path.read_text() if path.exists() else ""

    @property
    def largest_log(self) -> int:
        """Bytes of the longest that a process started here has written to stderr."""
        return max(path.stat().st_size for path in self.root.glob("*.err"))

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start ``python -m ARGUMENTS`` here, its output going to files in the home."""
        name = f"{arguments[0]}-{len(self._started)}"
        with (self.root / f"{name}.out").open("wb") as out, (self.root / f"{name}.err").open("wb") as err:
            process = subprocess.Popen(
                [*self._as_user, sys.executable, "-m", *arguments],
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._started.append(process)
        return process

    def output(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        """What a process that was started here has written: stdout and stderr."""
        index = self._started.index(process)
        arguments = process.args
        assert isinstance(arguments, list)
        name = f"{arguments[len(self._as_user) + 2]}-{index}"
        return (self.root / f"{name}.out").read_text(), (self.root / f"{name}.err").read_text()

    def daemon(self, *options: str) -> subprocess.Popen[bytes]:
        """A daemon that accepts."""
        process = self.start("thumbd_daemon", *options)
        wait_for(lambda: accepts(self.socket) or process.poll() is not None, "the daemon's socket")
        assert process.poll() is None, self.output(process)[1]
        return process

    def ctl(self, *arguments: str | bytes, timeout_s: float = DEADLINE_S, **environ: str) -> Result:
        """Run ``thumbctl`` to its end."""
        done = subprocess.run(
            [*self._as_user, sys.executable, "-m", "thumbd_client", *arguments],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def render(self, *arguments: str | bytes | Path, timeout_s: float = DEADLINE_S) -> Result:
        """``thumbctl render --json`` of some folders or files."""
        given = [str(a) if isinstance(a, Path) else a for a in arguments]
        return self.ctl("render", "--json", *given, timeout_s=timeout_s)

    def daemon_pids(self) -> list[int]:
        """Daemons that live in this home, whoever started them."""
        return [pid for pid, command in self.processes() if "thumbd_daemon" in command]

    def workers(self, kind: str) -> list[int]:
        """Children of this home's daemons: ``renderer`` or ``scout``."""
        return [pid for pid, command in self.processes() if f"thumbd_daemon.{kind}" in command]

    def processes(self) -> list[tuple[int, list[str]]]:
        """Every process that has this home in its environment: (pid, command line)."""
        mark = f"PYTHON_TEST_HOME={self.root}".encode()
        found: list[tuple[int, list[str]]] = []
        for process in psutil.process_iter():
            try:
                if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append((process.pid, process.cmdline()))
            except (OSError, psutil.Error):
                continue  # it has ended, or is another user's
        return found

    def close(self) -> None:
        """End whatever runs here (by pid), and take the folders away."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        for pid in self.daemon_pids():
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self.processes(), "the end of every process of this home", 20)
        shutil.rmtree(self.root)
