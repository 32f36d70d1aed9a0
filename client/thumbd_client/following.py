"""A run from its beginning to the command's exit status: for ``thumbctl render`` and ``attach``."""

import sys
from collections.abc import Callable

import typer

from .events import NoDaemon
from .exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NO_DAEMON, fail
from .render import Run, Show
from .show import Json, Plain


def show_for(as_json: bool) -> Show:
    """Where the run is shown: a bar on a terminal, else lines."""
    if as_json:
        return Json()
    if sys.stdout.isatty():
        from .live import Live

        return Live()
    return Plain()


def follow(run: Run, show: Show, begin: Callable[[], object], give_up: Callable[[], object]) -> None:
    """Begin, follow, show what it came to; ends the command where all is not well. `give_up` is what Ctrl+C does."""
    interrupted = False
    try:
        begin()
        run.follow()
    except KeyboardInterrupt:
        interrupted = True
        give_up()
    except NoDaemon as error:
        show.break_off(run.summary)
        fail(str(error), EXIT_NO_DAEMON)
    show.close(run.summary)
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not run.summary.good:
        raise typer.Exit(EXIT_FAILED)
