"""``thumbctl doctor``: what this machine has and lacks, each finding with what to do about it."""

import errno
import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from thumbd_protocol.endpoints import EndpointError, candidates, ensure_private, runtime_dir
from thumbd_protocol.replies import Health
from thumbd_protocol.requests import HealthRequest

from .autostart import accepts, log_path
from .connection import Connection
from .events import NoDaemon, NotDone
from .qtprobe import install_line, missing_packages, try_window
from .session import new_id

_LIBRARIES = ("Pillow", "pyzmq", "msgpack", "msgspec", "psutil", "isal", "PyQt6")
#: A daemon that takes longer to tell how it is counts as one that does not answer, in seconds.
_PATIENCE_S: Final = 5.0
#: What the daemon says of a part that somebody keeps from it.
_DENIED: Final = (
    *(os.strerror(errno.EPERM), os.strerror(errno.ENOSYS)),
    *("the kernel has no Landlock", "does not let programs make user namespaces"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `fatal` when something of thumbd can't work without it being mended."""

    name: str
    text: str
    good: bool
    fatal: bool = False


def examine() -> list[Finding]:
    """Look at everything."""
    return [_python(), *_libraries(), *_qt(), _sandbox(), _runtime(), _cache(), _daemon()]


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding("Python", f"{platform.python_version()} ({sys.executable})", good, fatal=not good)


def _libraries() -> list[Finding]:
    found: list[Finding] = []
    for name in _LIBRARIES:
        try:
            found.append(Finding(name, importlib.metadata.version(name), True))
        except importlib.metadata.PackageNotFoundError:
            extra = "thumbd[gallery]" if name == "PyQt6" else "thumbd"
            found.append(Finding(name, f"missing; install it with: pip install '{extra}'", False, name != "PyQt6"))
    return found


def _qt() -> list[Finding]:
    packages = missing_packages(x11=True)
    if packages:
        libraries = Finding("Qt's libraries", f"missing; get them with: {install_line(packages)}", False)
    else:
        libraries = Finding("Qt's libraries", "all there (for X11 and Wayland)", True)
    why = try_window()
    return [libraries, Finding("a window", why or "can be opened", why is None)]


def _sandbox() -> Finding:
    """What the daemon that runs tells of its renderers; where it can't, or none answers, a trial of it as a process."""
    health = _health()
    if health is not None and any(_at_work(worker) for worker in health.workers):
        told = (health.sandbox.get("state", "?"), health.sandbox.get("reason"))
        return _sandbox_is(": ".join(filter(None, told)), "the daemon's renderers: ")
    whose = "" if health is None else "the daemon has no renderer yet; a trial: "
    command = [sys.executable, "-m", "thumbd_daemon", "--check-sandbox"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("sandbox", f"can't be tried: {error}", False)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return _sandbox_is(said[-1] if said else f"can't be tried: status {done.returncode}", whose)


def _at_work(worker: dict[str, Any]) -> bool:
    """Whether it is a renderer that has told how well it is locked in."""
    return worker["kind"] == "renderer" and worker["state"] not in ("starting", "backoff")


def _health() -> Health | None:
    """How the daemon is; None where none answers."""
    try:
        with Connection("thumbctl", autostart=False) as connection:
            health = connection.ask(HealthRequest(id=new_id()), _PATIENCE_S)
    except (NoDaemon, NotDone, TimeoutError):
        return None
    assert isinstance(health, Health)
    return health


def _sandbox_is(said: str, whose: str) -> Finding:
    """What is said of a sandbox, with what to do about it."""
    if said == "full":
        return Finding("sandbox", f"{whose}full: renderers can open, send and start nothing", True)
    remedy = "; in a container, allow it these system calls" if any(words in said for words in _DENIED) else ""
    return Finding("sandbox", f"{whose}{said}{remedy}", False)


def _runtime() -> Finding:
    try:
        folder = ensure_private(runtime_dir())
    except EndpointError as error:
        return Finding("runtime folder", str(error), False, fatal=True)
    return Finding("runtime folder", f"{folder} (yours alone)", True)


def _cache() -> Finding:
    chosen = os.environ.get("XDG_CACHE_HOME", "").strip()
    home = Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"
    folder = home / "thumbnails"
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(existing, os.W_OK):
        text = f"{folder} can't be written; thumbnails will not be kept: chmod u+w {existing}"
        return Finding("thumbnail cache", text, False)
    space = os.statvfs(existing)
    return Finding("thumbnail cache", f"{folder}, {space.f_bavail * space.f_frsize >> 20:,} MB free", True)


def _daemon() -> Finding:
    try:
        endpoints = candidates()
    except EndpointError as error:
        return Finding("daemon", str(error), False, fatal=True)
    for endpoint in endpoints:
        if accepts(endpoint):
            return Finding("daemon", f"answers at {endpoint}", True)
    return Finding("daemon", f"none runs; one is started when needed (its log: {log_path()})", True)
