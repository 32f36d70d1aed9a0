"""``thumbctl doctor``: what this machine has and lacks, each finding with what to do about it."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from thumbd_protocol.endpoints import EndpointError, candidates, ensure_private, runtime_dir

from .autostart import accepts, log_path
from .qtprobe import install_line, missing_packages, try_window

_LIBRARIES = ("Pillow", "pyzmq", "msgpack", "msgspec", "psutil", "isal", "PyQt6")


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
    """The daemon's own trial of it, as a process."""
    command = [sys.executable, "-m", "thumbd_daemon", "--check-sandbox"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("sandbox", f"can't be tried: {error}", False)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    text = said[-1] if said else f"can't be tried: status {done.returncode}"
    if text == "full":
        return Finding("sandbox", "full: a picture that takes its renderer over can do nothing", True)
    return Finding("sandbox", f"{text}; in a container, allow it these system calls", False)


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
