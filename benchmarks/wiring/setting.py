"""How a measurement begins: people at work, and files whose thumbnails are in the cache."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from .clients import submitter
from .people import Person
from .place import Place

#: No batch of a measurement takes longer, in seconds.
BATCH_S: Final = 1800.0
#: Items on screen.
VISIBLE: Final = 12


def started(stack: ExitStack, work: Callable[..., dict[str, Any]], *arguments: Any) -> Person:
    return stack.enter_context(Person(work, *arguments))


def go(*people: Person) -> None:
    for person in people:
        person.wait_ready()
    for person in people:
        person.go()


def warm(place: Place, count: int) -> list[bytes]:
    """`count` files whose thumbnails are in the cache."""
    paths = place.names(count, tiny=True)
    with Person(submitter, place.socket, "warming", paths, place.flavor, "normal") as warming:
        go(warming)
        found = warming.result(BATCH_S)
    if found["ready"] < count:
        raise RuntimeError(f"only {found['ready']} of {count} pictures could be rendered: use a folder of good ones")
    return paths
