"""The parts of a cage and what remains without them: states, sentences, and what is told of all children together."""

import logging

import pytest

from thumbd_daemon.cage.parts import SWITCHED_OFF, Lack, Part, State, breaches, in_words, state
from thumbd_daemon.pool import Kind
from thumbd_daemon.walls import Walls

NO_SECCOMP = (Part.SECCOMP.value, "the kernel has none")
NO_LANDLOCK = (Part.LANDLOCK.value, "the kernel has none")
NO_NAMESPACES = (Part.NAMESPACES.value, "not on this system")
NO_PRIVILEGES = (Part.PRIVILEGES.value, "not on this system")


@pytest.mark.parametrize(
    ("lacks", "remains"),
    [
        ([], State.FULL),
        ([NO_NAMESPACES], State.PARTIAL),
        ([NO_NAMESPACES, NO_PRIVILEGES], State.PARTIAL),
        ([NO_SECCOMP], State.PARTIAL),
        ([NO_LANDLOCK], State.PARTIAL),
        ([NO_LANDLOCK, NO_NAMESPACES], State.PARTIAL),
        ([NO_SECCOMP, NO_LANDLOCK], State.OFF),
        ([NO_NAMESPACES, NO_LANDLOCK, NO_SECCOMP], State.OFF),
        (SWITCHED_OFF, State.OFF),
    ],
)
def test_what_a_cage_is_worth_without_some_of_its_parts(lacks: list[Lack], remains: State) -> None:
    assert state(lacks) is remains


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ([], ""),
        ([NO_NAMESPACES], "without namespaces: not on this system"),
        ([NO_SECCOMP, NO_LANDLOCK], "without seccomp and Landlock: the kernel has none"),
        (
            [NO_SECCOMP, NO_NAMESPACES, NO_LANDLOCK],
            "without seccomp and Landlock: the kernel has none; without namespaces: not on this system",
        ),
        (SWITCHED_OFF, "without Landlock and seccomp: it is switched off (--no-sandbox)"),
    ],
)
def test_what_is_missing_is_said_with_its_reason_once(lacks: list[Lack], words: str) -> None:
    assert in_words(lacks) == words


def test_only_what_makes_the_wall_is_required() -> None:
    assert breaches([NO_NAMESPACES, NO_PRIVILEGES]) == []
    assert breaches([NO_NAMESPACES, NO_LANDLOCK]) == [NO_LANDLOCK]
    assert breaches(SWITCHED_OFF) == SWITCHED_OFF


def test_before_the_first_renderer_there_is_no_wall_to_speak_of() -> None:
    walls = Walls()
    assert walls.state() == (State.OFF, "no renderer has said so far that it is locked in")
    walls.told(Kind.QUICK, [])
    assert walls.state()[0] is State.OFF


def test_the_youngest_renderer_speaks_for_all() -> None:
    walls = Walls()
    walls.told(Kind.RENDERER, [NO_SECCOMP, NO_LANDLOCK])
    assert walls.state() == (State.OFF, "without seccomp and Landlock: the kernel has none")
    walls.told(Kind.RENDERER, [NO_NAMESPACES])
    assert walls.state() == (State.PARTIAL, "without namespaces: not on this system")
    walls.told(Kind.RENDERER, [])
    assert walls.state() == (State.FULL, "")


@pytest.mark.parametrize("kind", [Kind.QUICK, Kind.LISTING, Kind.WATCHING])
def test_a_scout_without_walls_makes_the_whole_partial_at_best(kind: Kind) -> None:
    walls = Walls()
    walls.told(Kind.RENDERER, [])
    walls.told(kind, [NO_SECCOMP, NO_LANDLOCK])
    assert walls.state() == (State.PARTIAL, "scouts without seccomp and Landlock: the kernel has none")
    walls.told(Kind.RENDERER, SWITCHED_OFF)
    assert walls.state()[0] is State.OFF
    walls.told(kind, [])
    walls.told(Kind.RENDERER, [])
    assert walls.state() == (State.FULL, "")


def test_all_kinds_that_lack_the_same_are_said_to_lack_it_once() -> None:
    walls = Walls()
    for kind in (Kind.RENDERER, Kind.QUICK, Kind.LISTING, Kind.WATCHING):
        walls.told(kind, [NO_LANDLOCK])
    assert walls.state() == (
        State.PARTIAL,
        "without Landlock: the kernel has none; scouts without Landlock: the kernel has none",
    )


def test_the_sentinel_is_no_wall() -> None:
    walls = Walls()
    walls.told(Kind.RENDERER, [])
    walls.told(Kind.SENTINEL, SWITCHED_OFF)
    assert walls.state() == (State.FULL, "")


def test_what_is_told_is_logged_once_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    walls = Walls()
    for lacks in ([NO_NAMESPACES], [NO_NAMESPACES], [], []):
        walls.told(Kind.RENDERER, lacks)
    walls.told(Kind.LISTING, [])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "renderers are not wholly locked in (partial): without namespaces: not on this system"),
        ("INFO", "renderers are locked in"),
        ("INFO", "listing scouts are locked in"),
    ]
