"""``thumbd``: the daemon in the foreground, its log on stderr."""

import asyncio
import gc
import logging
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from thumbd_protocol.endpoints import EndpointError, check_socket_path, ensure_private

from . import __version__
from .cage.parts import breaches, in_words, state
from .lock import Lock, Locked
from .orphans import become_subreaper
from .rehearsal import rehearse
from .service import Service
from .settings import Sandbox, Settings

#: New objects before Python looks for cyclic rubbish among the youngest, and how seldom it looks among the others.
_COLLECT = (20_000, 20, 100)
#: Exit status when another daemon serves the same socket.
EXIT_LOCKED = 3
#: Exit status when the socket's folder can't be used.
EXIT_PLACE = 4
#: Exit status when renderers can't be locked in and must be.
EXIT_SANDBOX = 5
_CLIENT_IDLE_S = 60.0
_DESCRIPTORS = 65_536

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
    renderers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Renderers that work at the same time, at most.")
    ] = None,
    min_renderers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Renderers that are kept while there is nothing to do.")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=64, help="Megabytes that pictures being decoded may take together.")
    ] = None,
    journal: Annotated[Path | None, typer.Option(help="The file of what outlives the daemon.")] = None,
    idle_exit: Annotated[float | None, typer.Option(min=0.1, help="Leave after so many seconds without work.")] = None,
    task_timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds that a file may take to decode.")] = None,
    max_megapixels: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Megapixels that a picture may have when it is decoded.")
    ] = None,
    renderer_memory: Annotated[int | None, typer.Option(min=64, help="Megabytes that one renderer may take.")] = None,
    require_sandbox: Annotated[
        bool, typer.Option("--require-sandbox", help="Refuse to work where renderers can't be locked in.")
    ] = False,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Do not lock renderers and scouts in: a hostile picture is dangerous.")
    ] = False,
    check_sandbox: Annotated[
        bool, typer.Option("--check-sandbox", help="Tell how well renderers can be locked in here, and leave.")
    ] = False,
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
        settings = _settings(socket, idle_exit, started_by_client)
        settings = _sized(settings, renderers, min_renderers, memory)
        settings = _bounded(settings, max_megapixels, renderer_memory)
        settings = replace(settings, sandbox=_sandbox(require_sandbox, no_sandbox))
        settings = settings if task_timeout is None else replace(settings, task_base_s=task_timeout)
        settings = settings if journal is None else replace(settings, journal=journal.absolute())
        if check_sandbox or require_sandbox:
            _check_sandbox(settings, leave=check_sandbox)
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
    raise_descriptor_limit()
    collect_seldom()
    become_subreaper()
    await Service(settings).run()


def collect_seldom() -> None:
    """Have Python look for cyclic rubbish less often: we make little of it, and with a hundred thousand open items each
    full look takes as long as a frame on somebody's screen."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def raise_descriptor_limit() -> None:
    """Take as many descriptors as may be had (each renderer costs the daemon five), within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _settings(socket: Path | None, idle_exit: float | None, started_by_client: bool) -> Settings:
    settings = Settings() if socket is None else Settings(socket=check_socket_path(socket.absolute()))
    if idle_exit is None and started_by_client:
        idle_exit = _CLIENT_IDLE_S
    return replace(settings, idle_exit_s=idle_exit)


def _sized(settings: Settings, most: int | None, least: int | None, memory: int | None) -> Settings:
    most = settings.most_renderers if most is None else most
    least = min(settings.least_renderers, most) if least is None else least
    if least > most:
        raise typer.BadParameter(f"--min-renderers {least} is more than --renderers {most}")
    budget = settings.memory_budget if memory is None else memory << 20
    return replace(settings, most_renderers=most, least_renderers=least, memory_budget=budget)


def _bounded(settings: Settings, megapixels: int | None, renderer_memory: int | None) -> Settings:
    pixels = settings.most_pixels if megapixels is None else megapixels * 1_000_000
    memory = settings.renderer_memory if renderer_memory is None else renderer_memory << 20
    return replace(settings, most_pixels=pixels, renderer_memory=memory)


def _sandbox(required: bool, unwanted: bool) -> Sandbox:
    if required and unwanted:
        raise typer.BadParameter("--require-sandbox and --no-sandbox contradict each other")
    return Sandbox.REQUIRE if required else Sandbox.OFF if unwanted else Sandbox.AUTO


def _check_sandbox(settings: Settings, *, leave: bool) -> None:
    """Have a renderer lock itself in, as a trial; end the command where it can't and must, or when that was all."""
    try:
        lacks = rehearse(settings)
    except OSError as error:
        print(f"thumbd: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_SANDBOX) from error
    if settings.sandbox is Sandbox.REQUIRE and breaches(lacks):
        why = f"renderers can't be locked in here ({in_words(breaches(lacks))}), and --require-sandbox asks for it"
        print(f"thumbd: {why}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_SANDBOX)
    if leave:
        print(f"{state(lacks)}{': ' if lacks else ''}{in_words(lacks)}")  # noqa: T201
        raise typer.Exit(EXIT_SANDBOX if breaches(lacks) else 0)


def main() -> None:
    app()
