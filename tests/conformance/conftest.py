"""A daemon for each module, and clients that know the specification's page alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.independent_client import Client
from thumbd_home import Home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A private home in which one daemon serves a whole module."""
    place = Home()
    try:
        place.daemon("--renderers", "2")
        yield place
    finally:
        place.close()


@pytest.fixture
def own_home() -> Iterator[Home]:
    """A private home without a daemon, for a test that starts and ends its own."""
    place = Home()
    try:
        yield place
    finally:
        place.close()


@pytest.fixture
def dial() -> Iterator[Callable[[Path], Client]]:
    """Clients that haven't said hello yet, each with a context of its own."""
    met: list[Client] = []

    def dial_one(socket: Path) -> Client:
        met.append(Client(socket))
        return met[-1]

    yield dial_one
    for client in met:
        client.close()


@pytest.fixture
def meet(home: Home, dial: Callable[[Path], Client]) -> Callable[[], Client]:
    """Clients of the module's daemon that have said hello."""

    def meet_one() -> Client:
        client = dial(home.socket)
        client.hello()
        return client

    return meet_one


@pytest.fixture
def client(meet: Callable[[], Client]) -> Client:
    """A client of the module's daemon that has said hello."""
    return meet()


@pytest.fixture
def folder(home: Home, request: pytest.FixtureRequest) -> Path:
    """An empty folder of this test's own, in the module's home."""
    name = request.node.name.replace("/", "_").replace("[", "-").replace("]", "")[:80]
    path: Path = home.pictures / name
    path.mkdir()
    return path
