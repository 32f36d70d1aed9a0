"""The parts of a cage, and what it is worth without some of them. Pure; the daemon and its children share it."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final


class Part(StrEnum):
    """What a child is locked in by, each by its name."""

    SECCOMP = "seccomp"
    LANDLOCK = "Landlock"
    PRIVILEGES = "no_new_privs"
    CAPABILITIES = "dropped capabilities"
    SECRECY = "secrecy"
    NAMESPACES = "namespaces"


class State(StrEnum):
    """What ``health`` calls the sandbox."""

    FULL = "full"
    PARTIAL = "partial"
    OFF = "off"


#: A part that is missing, and why.
Lack = tuple[str, str]

#: Without these there is no wall; the others are walls behind the wall.
ESSENTIAL: Final = frozenset({Part.SECCOMP, Part.LANDLOCK})

#: Told by children that were started without a cage.
SWITCHED_OFF: Final[list[Lack]] = [(part, "it is switched off (--no-sandbox)") for part in sorted(ESSENTIAL)]


def state(lacks: Collection[Lack]) -> State:
    """What remains when these parts are missing."""
    missing = {part for part, _why in lacks}
    if missing >= ESSENTIAL:
        return State.OFF
    return State.PARTIAL if missing else State.FULL


def in_words(lacks: Collection[Lack]) -> str:
    """One sentence: what is missing and why; empty when nothing is."""
    parts: dict[str, list[str]] = {}
    for part, why in lacks:
        parts.setdefault(why, []).append(part)
    return "; ".join(f"without {' and '.join(names)}: {why}" for why, names in parts.items())


def breaches(lacks: Collection[Lack]) -> list[Lack]:
    """Those that ``--require-sandbox`` does not put up with."""
    return [(part, why) for part, why in lacks if part in ESSENTIAL]
