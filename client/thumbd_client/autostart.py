"""Finding a daemon that accepts, and starting one where none does.

The daemon is started as a program of its own (never imported): detached, in a session of its own, its log in the XDG
state folder. Two clients may start one at the same time: the lock lets one through, the other ends with status 3, and
both clients find the socket of the first.
"""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from thumbd_protocol.endpoints import EndpointError, candidates, socket_path

#: How long a started daemon may take until its socket accepts, in seconds (a predecessor may just be leaving).
START_TIMEOUT_S = 10.0
#: The daemon's exit status when another one holds the lock.
EXIT_LOCKED = 3
#: A log longer than this (bytes) is put aside as ``thumbd.log.1`` before a new daemon writes.
MAX_LOG_BYTES = 1 << 20


def accepts(endpoint: str, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections at `endpoint` now."""
    path = socket_path(endpoint)
    try:
        if path is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(timeout_s)
                probe.connect(os.fsencode(path))
            return True
        address = urlsplit(endpoint)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=timeout_s):
            return True
    except (OSError, ValueError):
        return False


def log_path() -> Path:
    """Where a daemon that a client started writes its log."""
    return Path(platformdirs.user_state_path("thumbd")) / "thumbd.log"


def last_words() -> str:
    """What the log of the daemon that was started ends with, and where it is."""
    try:
        lines = log_path().read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    said = f"it said: {lines[-1]}; " if lines else ""
    return f"{said}its log is {log_path()}"


#: Daemons that this process has started and that live on: kept, since they are to outlive whoever started them, and
#: looked after at the next start.
_started: list["subprocess.Popen[bytes]"] = []


def start_daemon() -> subprocess.Popen[bytes]:
    """Start a daemon that leaves again after idling. Raises OSError when it can't be started."""
    log = log_path()
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name("thumbd.log.1"))
    _started[:] = [child for child in _started if child.poll() is None]
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "thumbd_daemon", "--started-by-client"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
        )
    _started.append(child)
    return child


class Finder:
    """Looks for a daemon step by step, so that nobody need wait in a call.

    `autostart` says whether one may be started; where ``$THUMBD_ENDPOINT`` names a daemon, none ever is.
    """

    def __init__(
        self,
        *,
        autostart: bool,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[], subprocess.Popen[bytes]] = start_daemon,
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._start = start
        self._named = bool(environ.get("THUMBD_ENDPOINT", "").strip())
        self.autostart = autostart and not self._named
        self._child: subprocess.Popen[bytes] | None = None
        self._former: list[subprocess.Popen[bytes]] = []
        self._since: float | None = None
        self.failure: str | None = None

    def reset(self) -> None:
        """Begin a new search (the daemon went away, or the user wants another try)."""
        self._since = None
        self.failure = None
        # How a daemon of an earlier search ended says nothing about whether one can be started now.
        if self._child is not None:
            self._former.append(self._child)
            self._child = None

    def step(self) -> str | None:
        """The endpoint that accepts, or None: not yet, or never when `failure` says why."""
        try:
            endpoints = candidates(self._environ)
        except EndpointError as error:
            self.failure = str(error)
            return None
        for endpoint in endpoints:
            if accepts(endpoint):
                return endpoint
        if not self.autostart:
            where = " or ".join(endpoints)
            hint = ", which THUMBD_ENDPOINT names" if self._named else "; start one with: thumbd"
            self.failure = f"no daemon answers at {where}{hint}"
            return None
        self._keep_starting()
        return None

    def _keep_starting(self) -> None:
        now = self._clock()
        self._former = [child for child in self._former if child.poll() is None]
        if self._since is None:
            self._since = now
        status = self._child.poll() if self._child is not None else None
        if now - self._since > START_TIMEOUT_S:
            said = f"it ended with status {status}" if status is not None else "its socket does not accept"
            self.failure = f"a daemon was started but {said} after {START_TIMEOUT_S:.0f} s; {last_words()}"
            return
        if self._child is not None and status is None:
            return
        if status not in (None, 0, EXIT_LOCKED) and now - self._since < START_TIMEOUT_S:
            self._child = None
            self.failure = f"the daemon could not start (status {status}); {last_words()}"
            return
        try:
            self._child = self._start()
        except OSError as error:
            cause = os.strerror(error.errno) if error.errno else str(error)
            where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            hint = "; free some space" if error.errno == errno.ENOSPC else ""
            self.failure = f"the daemon could not be started: {cause}{where}{hint}"
