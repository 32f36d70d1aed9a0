"""``thumbd``: the daemon in the foreground, its log on stderr."""

import asyncio
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from thumbd_protocol.endpoints import EndpointError, check_socket_path, ensure_private

from . import __version__
from .lock import Lock, Locked
from .service import Service
from .settings import Settings

#: Exit status when another daemon serves the same socket.
EXIT_LOCKED = 3
#: Exit status when the socket's folder can't be used.
EXIT_PLACE = 4
_CLIENT_IDLE_S = 60.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"thumbd {__version__}")  # noqa: T201
        raise typer.Exit


@app.command()
def serve(
    socket: Annotated[Path | None, typer.Option(help="The socket's file; its folder must be yours alone.")] = None,
    renderers: Annotated[int | None, typer.Option(min=1, max=256, help="Renderers that work at the same time.")] = None,
    idle_exit: Annotated[float | None, typer.Option(min=0.1, help="Leave after so many seconds without work.")] = None,
    task_timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds that a file may take to decode.")] = None,
    started_by_client: Annotated[bool, typer.Option("--started-by-client", hidden=True)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every child's coming and going.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Keep a supervised pool of thumbnail renderers and serve it to this user's programs, in the foreground."""
    del version
    _log_to_stderr(verbose)
    try:
        settings = _settings(socket, renderers, idle_exit, task_timeout, started_by_client)
        ensure_private(settings.socket.parent)
        lock = Lock(settings.socket)
    except EndpointError as error:
        print(f"thumbd: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_PLACE) from error
    except OSError as error:
        print(f"thumbd: {error.filename} can't be used: {error.strerror}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_PLACE) from error
    except Locked as error:
        print(f"thumbd: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_LOCKED) from error
    try:
        asyncio.run(_run(settings))
    finally:
        lock.release()


async def _run(settings: Settings) -> None:
    await Service(settings).run()


def _settings(
    socket: Path | None,
    renderers: int | None,
    idle_exit: float | None,
    task_timeout: float | None,
    started_by_client: bool,
) -> Settings:
    settings = Settings() if socket is None else Settings(socket=check_socket_path(socket.absolute()))
    if renderers is not None:
        settings = replace(settings, renderers=renderers)
    if task_timeout is not None:
        settings = replace(settings, task_base_s=task_timeout)
    if idle_exit is None and started_by_client:
        idle_exit = _CLIENT_IDLE_S
    return replace(settings, idle_exit_s=idle_exit)


def main() -> None:
    app()
