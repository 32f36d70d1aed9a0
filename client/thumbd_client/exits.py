"""How a command ends: its exit status, and a sentence on stderr where something is wrong."""

import sys
from typing import Final, NoReturn

import typer

EXIT_FAILED: Final = 1
EXIT_NO_DAEMON: Final = 3
EXIT_INTERRUPTED: Final = 130


def complain(text: str) -> None:
    print(f"thumbctl: {text}", file=sys.stderr)


def fail(text: str, status: int) -> NoReturn:
    """End the command with a sentence on stderr."""
    complain(text)
    raise typer.Exit(status)
