"""``thumbgallery [DIR]``: from the command line to a window and back."""

import argparse
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from thumbd_client.qtprobe import why_no_window

from . import __version__

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication

#: Exit status where no window can be opened, or an argument is wrong.
EXIT_NO_WINDOW = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window and stay until it closes; the exit status."""
    asked = parse(arguments)
    folder = wanted_folder(asked.dir)
    reason = why_no_window()
    if reason is not None:
        print(f"thumbgallery: {reason}", file=sys.stderr)  # noqa: T201 - said where the command was given
        return EXIT_NO_WINDOW

    # Only now: loading Qt takes a while, and --help should not.
    from .link import Link
    from .theme import Mode, Theme
    from .window import Window

    # A folder of 100,000 makes a million objects, none of them in a cycle; looking through all of them for cycles
    # stops the window for a third of a second each time. The young ones are still looked through.
    gc.set_threshold(20_000, 20, 1000)
    app = make_app()
    sys.excepthook = tell_and_go_on
    theme = Theme(app, Mode(asked.theme))
    link = Link()
    quit_on_signals(app)
    link.start()
    window = Window(link, theme, folder)
    window.show()
    try:
        return app.exec()
    finally:
        window.work.close()
        link.close()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="thumbgallery",
        description="Show a folder's pictures. The thumbnail daemon is started if none is running.",
    )
    parser.add_argument(
        "dir", metavar="DIR", nargs="?", help="the folder to show (default: ~/Pictures, else your home)"
    )
    parser.add_argument(
        "--theme", choices=["system", "dark", "light"], default="system", help="colours (default: %(default)s)"
    )
    parser.add_argument("--version", action="version", version=f"thumbgallery {__version__}")
    return parser.parse_args(arguments)


def wanted_folder(asked: str | None) -> bytes:
    """The folder's absolute path. What was asked for is not looked at: the daemon says what is wrong with it."""
    if asked is not None:
        return os.path.abspath(os.fsencode(asked))
    home = os.path.expanduser("~")
    pictures = os.path.join(home, "Pictures")
    return os.fsencode(pictures if os.path.isdir(pictures) else home)


def make_app() -> "QApplication":
    from PyQt6.QtWidgets import QApplication

    # Qt takes its own options out of what it is given; ours are already read.
    app = QApplication(["thumbgallery"])
    app.setApplicationName("thumbgallery")
    app.setApplicationDisplayName("")
    app.setDesktopFileName("thumbgallery")
    app.setStyle("Fusion")
    return app


def quit_on_signals(app: "QApplication") -> None:
    """Ctrl+C in the terminal and a friendly kill close the window in the ordinary way."""
    from PyQt6.QtCore import QSocketNotifier
    from PyQt6.sip import voidptr

    # Python's handlers run between bytecodes, and Qt's loop runs none while it waits: a byte in a socket wakes it.
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
    notifier = QSocketNotifier(voidptr(near.fileno()), QSocketNotifier.Type.Read, app)

    def woken() -> None:
        near.recv(64)

    notifier.activated.connect(woken)
    # Kept as long as the application, for the descriptors' sake.
    app.setProperty("wakeup", (near, far))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: app.quit())


def tell_and_go_on(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error of ours in a reaction to an event: told on stderr; Qt would end the whole window for it."""
    traceback.print_exception(kind, error, trace)
