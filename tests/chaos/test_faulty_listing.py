"""Scouts that misbehave while they list a folder: its snapshot ends, those of other folders are complete."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_client.connection import Connection
from thumbd_home import Home, wait_for
from thumbd_protocol.replies import Snapshot, Update

pytestmark = pytest.mark.e2e

FAULTY = Path(__file__).with_name("faulty")
NAMES = {b"%d.jpg" % number for number in range(500)}


class Reader:
    """What is told of folders by their snapshots."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.names: dict[bytes, list[bytes]] = {}
        self.ended: dict[bytes, Snapshot] = {}

    def ask(self, folder: Path) -> bytes:
        path = os.fsencode(folder)
        self.names[path] = []
        self.connection.session.subscribe(b"folder:" + path)
        return path

    def poll(self) -> None:
        for event in self.connection.poll(0.05):
            if isinstance(event, Snapshot):
                assert isinstance(event.topic, bytes)
                path = event.topic.removeprefix(b"folder:")
                self.names[path] += [entry.name for entry in event.entries]
                if event.last:
                    self.ended[path] = event
            if isinstance(event, Snapshot | Update):
                self.connection.session.processed()

    def until_ended(self, path: bytes) -> Snapshot:
        def heard() -> bool:
            self.poll()
            return path in self.ended

        wait_for(heard, f"the end of {path!r}")
        return self.ended[path]


@pytest.fixture
def reader(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    path = os.environ.get("PYTHONPATH", "")
    home.environ["PYTHONPATH"] = f"{FAULTY}{os.pathsep}{path}" if path else str(FAULTY)
    home.environ["PYTHON_TEST_MARKS"] = str(home.root)
    home.daemon("--no-sandbox")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.runtime))
    monkeypatch.delenv("THUMBD_ENDPOINT", raising=False)
    with Connection("a test", autostart=False) as connection:
        yield Reader(connection)


def filled(home: Home, name: str) -> Path:
    folder = home.pictures / name
    folder.mkdir()
    for number in range(500):
        (folder / f"{number}.jpg").touch()
    return folder


@pytest.mark.parametrize("fault", ["segv", "exit0", "garbage", "half"])
def test_a_folder_that_takes_down_every_scout_has_failed_and_no_other(home: Home, reader: Reader, fault: str) -> None:
    bad, good = reader.ask(filled(home, f"list-{fault}")), reader.ask(filled(home, "good"))
    end = reader.until_ended(bad)
    assert end.error == "internal"
    assert end.message is not None
    assert f"list-{fault}: 3 scouts were lost over it" in end.message
    assert reader.until_ended(good).error is None
    assert set(reader.names[good]) == NAMES
    assert len(reader.names[good]) == len(NAMES)


@pytest.mark.parametrize("fault", ["segv-once", "garbage-once", "stranger"])
def test_a_scout_that_misbehaves_once_or_says_what_nobody_asked_costs_no_name(
    home: Home, reader: Reader, fault: str
) -> None:
    folder = reader.ask(filled(home, f"list-{fault}"))
    assert reader.until_ended(folder).error is None
    assert sorted(reader.names[folder]) == sorted(NAMES)


def test_a_listing_that_never_ends_keeps_nobody_from_another_folder(home: Home, reader: Reader) -> None:
    endless, good = reader.ask(filled(home, "list-endless")), reader.ask(filled(home, "good"))
    assert reader.until_ended(good).error is None
    assert set(reader.names[good]) == NAMES
    assert endless not in reader.ended
    # Nobody looks any more: it is listed no further.
    reader.connection.session.unsubscribe(b"folder:" + endless)
    another = reader.ask(filled(home, "another"))
    assert reader.until_ended(another).error is None
