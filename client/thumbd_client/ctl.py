"""``thumbctl``: renders, asks, steers. Exit status 0 all well, 1 something failed, 2 wrong usage, 3 no daemon."""

import json
import os
from typing import Annotated

import typer

from thumbd_protocol.items import Flavor
from thumbd_protocol.replies import Error, Ok
from thumbd_protocol.requests import Batches, Shutdown

from . import __version__, batches, steer
from .batches import troubles_end_the_command
from .connection import Connection
from .detaching import detach
from .doctor import examine
from .events import Connected, Disconnected, Refused
from .exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NO_DAEMON, complain, fail
from .files import are_files
from .following import follow, show_for
from .render import Run
from .session import new_id
from .show import in_words
from .steer import plain

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Thumbnails through thumbd.")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"thumbctl {__version__}")
        raise typer.Exit


def _absolute(path: str) -> bytes:
    """`path` from the root, as it is written: links are not followed. Ends the command where that is not possible."""
    if not path:
        raise typer.BadParameter("an empty path names nothing; '.' is the folder that you are in")
    try:
        return os.path.abspath(os.fsencode(path))
    except FileNotFoundError as error:
        raise typer.BadParameter("the folder that you are in has been deleted: go to another") from error


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Thumbnails through thumbd: one cache for every window, and no picture can do harm."""
    del version


@app.command()
def render(
    paths: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="Folders (or single files).", show_default=False)
    ],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="The folders below as well.")] = False,
    flavor: Annotated[Flavor, typer.Option(help="How large: 128, 256, 512, 1024 or 2048 pixels.")] = Flavor.LARGE,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden files and folders as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    detached: Annotated[
        bool, typer.Option("--detach", help="Leave as soon as it is asked for; see `thumbctl attach`.")
    ] = False,
) -> None:
    """Make the thumbnails that the cache lacks."""
    absolute = [_absolute(path) for path in paths]
    asked = dict(zip(absolute, are_files(absolute), strict=True))
    if detached:
        _detach(asked, flavor, recursive=recursive, hidden=hidden, as_json=as_json)
        return
    show = show_for(as_json)
    with Connection("thumbctl") as connection:
        run = Run(connection, show)
        follow(run, show, lambda: run.ask(asked, flavor, recursive=recursive, hidden=hidden), run.cancel)


def _detach(asked: dict[bytes, bool], flavor: Flavor, *, recursive: bool, hidden: bool, as_json: bool) -> None:
    names: list[str] = []
    try:
        with Connection("thumbctl") as connection, troubles_end_the_command():
            for one in detach(connection, asked, flavor, recursive=recursive, hidden=hidden):
                names.append(one.batch)
                value = {"batch": one.batch, "folder": plain(one.folder), "files": one.files}
                print(json.dumps(value, ensure_ascii=False) if as_json else one.batch, flush=True)
    except KeyboardInterrupt:
        fail("interrupted; what was named goes on", EXIT_INTERRUPTED)
    if not as_json:
        complain(f"it goes on without you; to follow it: thumbctl attach {' '.join(names)}")


@app.command()
def status() -> None:
    """Which daemon answers, and what it is doing."""
    with Connection("thumbctl", autostart=False) as connection:
        asked = connection.session.request(Batches(id=new_id()))
        while True:
            for event in connection.poll(1.0):
                match event:
                    case Connected():
                        print(f"thumbd {event.server_version} answers (pid {event.server_pid})")
                    case Ok(reply_to=reply, batches=known) if reply == asked:
                        for batch in known or []:
                            print(f"{batch.batch}: {batch.state}, {in_words(batch.progress)}")
                        if not known:
                            print("no batch is open")
                        return
                    case Refused(reason):
                        complain(reason)
                        raise typer.Exit(EXIT_NO_DAEMON)
                    case Error(message=message):
                        complain(message)
                        raise typer.Exit(EXIT_FAILED)
                    case _:
                        pass


@app.command()
def stop(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for what is being rendered.")] = False,
) -> None:
    """End the daemon, in stages: nothing new, what is under way is finished, no child is left behind."""
    with Connection("thumbctl", autostart=False) as connection:
        connection.session.request(Shutdown(id=new_id(), mode="now" if now else "drain"))
        told = False
        while True:
            for event in connection.poll(1.0):
                match event:
                    case Ok():
                        told = True
                    case Disconnected():
                        print("the daemon has ended")
                        return
                    case Refused(reason):
                        if not told:
                            print(f"nothing to stop: {reason}")
                        return
                    case Error(message=message):
                        complain(message)
                        raise typer.Exit(EXIT_FAILED)
                    case _:
                        pass


for _name, _command in (batches.COMMANDS | steer.COMMANDS).items():
    app.command(_name)(_command)


@app.command()
def top(
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One look, then leave; so too without a terminal.")] = False,
) -> None:
    """Watch the daemon: its children, queues, rates and last failures. Ctrl+C leaves."""
    from .top import top as watch

    watch(interval, once=once)


@app.command()
def doctor() -> None:
    """What this machine has and lacks, and what to do about it."""
    findings = examine()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.good else "FAIL" if finding.fatal else "note"
        print(f"{mark}  {finding.name:<{width}}  {finding.text}")
    if any(finding.fatal for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def main() -> None:
    app()
