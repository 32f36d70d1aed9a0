"""Pictures of the window for the documentation, made with the real program on a virtual screen.

usage: python tools/screenshots.py FOLDER      needs Xvfb, openbox, xdotool and ImageMagick (Debian packages)

Everything runs in private XDG folders; the pictures are the ones that ``make run`` draws.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from make_samples import make_samples

SIZE = "1280x800"


@contextmanager
def screen() -> Iterator[str]:
    """A virtual screen with a window manager; its name for ``$DISPLAY``."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE}x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        display = f":{numbers.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env=os.environ | {"DISPLAY": display}, stderr=subprocess.DEVNULL)
    try:
        yield display
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait()


class Window:
    """A running gallery, full screen, and what a person would do with it."""

    def __init__(self, folder: Path, theme: str, environ: dict[str, str]) -> None:
        self._environ = environ
        command = [sys.executable, "-m", "thumbd_gallery", str(folder), "--theme", theme]
        self._process = subprocess.Popen(command, env=environ)
        found = self._run("xdotool", "search", "--sync", "--onlyvisible", "--class", "thumbgallery")
        self._window = found.split()[0]
        self._run("xdotool", "windowsize", self._window, *SIZE.split("x"), "windowmove", self._window, "0", "0")
        self._run("xdotool", "key", "F11")
        time.sleep(5)

    def keys(self, *names: str) -> None:
        for name in names:
            self._run("xdotool", "key", "--window", self._window, name)
            time.sleep(0.15)
        time.sleep(2)

    def take(self, target: Path) -> None:
        self._run("import", "-window", "root", "-colors", "256", str(target))
        print(target)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _run(self, *command: str) -> str:
        return subprocess.run(command, env=self._environ, check=True, capture_output=True, text=True, timeout=60).stdout


def main() -> None:
    """Take all pictures into the folder that is named."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="thumbd-") as name, screen() as display:
        root = Path(name)
        pictures = root / "Pictures"
        make_samples(pictures)
        (root / "run").mkdir(mode=0o700)
        environ = os.environ | {
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "HOME": str(root),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_CONFIG_HOME": str(root / "config"),
        }
        for theme in ("dark", "light"):
            window = Window(pictures, theme, environ)
            window.keys("Right", "Right", "Right")  # the broken one: the status line says why
            window.take(target / f"gallery-{theme}.png")
            window.keys("Right", "Right", "Right", "Right", "Return")
            window.take(target / f"loupe-{theme}.png")
            window.keys("Escape")
            window.close()
        subprocess.run([sys.executable, "-m", "thumbd_client", "stop"], env=environ, check=True)


if __name__ == "__main__":
    main()
