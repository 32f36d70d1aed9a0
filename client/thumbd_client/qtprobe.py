"""Can a window be opened here? Qt aborts the process when its system libraries are missing, so we look first.

No Qt is imported into this process: what the platform plugin needs is asked of the dynamic linker, and a whole try is
made in a child.
"""

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Shared objects that PyQt6's wheels expect of the system, with the Debian package of each.
_ALWAYS: Final = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
_X11: Final = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}


def missing_packages(*, x11: bool) -> list[str]:
    """Debian packages whose libraries the dynamic linker does not find."""
    wanted = _ALWAYS | (_X11 if x11 else {})
    return sorted(package for library, package in wanted.items() if not _loads(library))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def install_line(packages: list[str]) -> str:
    """The command that gets them on Debian and its kin."""
    return f"sudo apt-get install {' '.join(packages)}"


def why_no_window(environ: Mapping[str, str] = os.environ) -> str | None:
    """A sentence when Qt could not open a window here; None when nothing speaks against it."""
    if importlib.util.find_spec("PyQt6") is None:
        return "PyQt6 is not installed; install it with: pip install 'thumbd[gallery]'"
    platform = environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform in ("offscreen", "minimal", "vnc", "linuxfb", "eglfs"):
        packages = missing_packages(x11=False)
    else:
        wayland = bool(environ.get("WAYLAND_DISPLAY")) and platform != "xcb"
        if not wayland and not environ.get("DISPLAY"):
            return (
                "there is no display: neither WAYLAND_DISPLAY nor DISPLAY is set; `thumbctl render DIR` works without"
            )
        packages = missing_packages(x11=not wayland)
    if packages:
        return f"Qt's system libraries are missing; get them with: {install_line(packages)}"
    return None


def try_window(timeout_s: float = 20.0) -> str | None:
    """Open Qt in a child process; a sentence when it fails. Slower than `why_no_window`, but the whole truth."""
    why = why_no_window()
    if why is not None:
        return why
    script = "from PyQt6.QtGui import QGuiApplication; QGuiApplication(['probe'])"
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=Path("/"),
        )
    except subprocess.TimeoutExpired:
        return f"Qt did not start within {timeout_s:.0f} s: the display does not answer"
    except OSError as error:
        return f"it can't be tried: {sys.executable}: {error.strerror}"
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return f"Qt can't open the display: {said[0].strip() if said else f'status {done.returncode}'}"
    return None
