"""The client library with a real daemon: what is on screen comes first, folders are told in parts."""

import os
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from thumbd_client.connection import Connection
from thumbd_client.events import Event
from thumbd_client.session import new_id
from thumbd_home import Home, wait_for
from thumbd_protocol.items import EntryKind, Flavor, Folder, ItemUpdate, Priority, State
from thumbd_protocol.replies import Done, Error, Ok, Snapshot, StatusReply, Update
from thumbd_protocol.requests import Cancel, Explain, Status

pytestmark = pytest.mark.e2e


@pytest.fixture
def connection(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection of this process to a daemon of the home."""
    home.daemon()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.runtime))
    monkeypatch.delenv("THUMBD_ENDPOINT", raising=False)
    with Connection("a test", autostart=False) as made:
        yield made


def hear(connection: Connection, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """Everything that is told until it is `enough`."""
    heard: list[Event] = []

    def more() -> bool:
        for event in connection.poll(0.1):
            heard.append(event)
            if isinstance(event, Update | Snapshot):
                connection.session.processed()
        return enough(heard)

    wait_for(more, "what the daemon was asked for")
    return heard


def items(heard: list[Event]) -> list[ItemUpdate]:
    return [item for event in heard if isinstance(event, Update) for item in event.items]


def paint(home: Home, count: int, size: tuple[int, int] = (1200, 900)) -> list[bytes]:
    """`count` names of one picture that takes a moment to decode."""
    first = home.pictures / "0000.jpg"
    Image.effect_noise(size, 60).convert("RGB").save(first, quality=92)
    for number in range(1, count):
        os.link(first, home.pictures / f"{number:04}.jpg")
    return [os.fsencode(home.pictures / f"{number:04}.jpg") for number in range(count)]


def test_what_is_on_screen_comes_before_a_batch_that_was_asked_for_first(home: Home, connection: Connection) -> None:
    paths = paint(home, 600)
    folder = Folder(os.fsencode(home.pictures), Flavor.LARGE)
    connection.session.submit_folder(folder, Priority.NORMAL, "all")
    hear(connection, lambda heard: any(item.state is State.READY for item in items(heard)))
    visible = paths[-20:]
    connection.session.focus("view", 1, Flavor.LARGE, visible, [])
    heard = hear(connection, lambda heard: {i.path for i in items(heard) if i.state is State.READY} >= set(visible))
    before = [item for item in items(heard) if item.state is State.READY and item.path not in visible]
    # Those that were under way or already told about when the focus came; by turns it would be hundreds.
    assert len(before) < 60
    heard = hear(connection, lambda heard: any(isinstance(event, Done) for event in heard))
    (done,) = [event for event in heard if isinstance(event, Done)]
    assert (done.ready, done.failed) == (600, 0)


def test_what_left_the_screen_is_not_rendered_unless_a_batch_wants_it(home: Home, connection: Connection) -> None:
    paths = paint(home, 300)
    connection.session.focus("view", 1, Flavor.LARGE, paths[:280], [])
    hear(connection, lambda heard: any(item.state is State.READY for item in items(heard)))
    connection.session.focus("view", 2, Flavor.LARGE, paths[280:], [])
    hear(connection, lambda heard: {i.path for i in items(heard) if i.state is State.READY} >= set(paths[280:]))
    made = len(list(home.cache.glob("thumbnails/large/*.png")))
    assert 20 <= made < 150


def test_a_large_folder_is_told_in_parts_each_name_once(home: Home, connection: Connection) -> None:
    (home.pictures / "below").mkdir()
    (home.pictures / "notes.txt").touch()
    for number in range(3000):
        (home.pictures / f"{number}.jpg").touch()
    topic = b"folder:" + os.fsencode(home.pictures)
    connection.session.subscribe(topic)
    heard = hear(connection, lambda heard: any(isinstance(event, Snapshot) and event.last for event in heard))
    parts = [event for event in heard if isinstance(event, Snapshot)]
    assert [part.part for part in parts] == list(range(len(parts)))
    assert len(parts) >= 3
    assert all(len(part.entries) <= 1000 for part in parts)
    entries = {entry.name: entry for part in parts for entry in part.entries}
    assert sum(len(part.entries) for part in parts) == len(entries) == 3002
    assert entries[b"below"].kind is EntryKind.FOLDER
    assert entries[b"notes.txt"].kind is EntryKind.OTHER
    assert entries[b"7.jpg"].kind is EntryKind.IMAGE


def test_a_folder_that_is_not_there_ends_its_snapshot_with_the_reason(home: Home, connection: Connection) -> None:
    connection.session.subscribe(b"folder:" + os.fsencode(home.pictures / "nowhere"))
    heard = hear(connection, lambda heard: any(isinstance(event, Snapshot) for event in heard))
    (part,) = [event for event in heard if isinstance(event, Snapshot)]
    assert (part.last, part.error, part.entries) == (True, "not_found", [])
    assert part.message is not None
    assert "nowhere: there is no such file or folder" in part.message


def test_a_cancelled_batch_ends_with_every_item_in_a_final_state(home: Home, connection: Connection) -> None:
    paint(home, 400)
    folder = Folder(os.fsencode(home.pictures), Flavor.LARGE)
    connection.session.submit_folder(folder, Priority.NORMAL, "all")
    hear(connection, lambda heard: any(item.state is State.READY for item in items(heard)))
    asked = connection.session.request(Status(id=new_id(), batch="all"))
    heard = hear(connection, lambda heard: any(isinstance(e, StatusReply) and e.reply_to == asked for e in heard))
    (status,) = [event for event in heard if isinstance(event, StatusReply)]
    assert {item.state for item in status.items} <= {State.QUEUED, State.RENDERING}
    connection.session.request(Cancel(id=new_id(), batch="all"))
    heard = hear(connection, lambda heard: any(isinstance(event, Done) for event in heard))
    (done,) = [event for event in heard if isinstance(event, Done)]
    (answer,) = [event for event in heard if isinstance(event, Ok)]
    assert done.ready + done.cancelled == 400
    assert done.cancelled == (answer.dropped or 0) + (answer.running or 0) + (answer.shared or 0) > 0


def test_what_is_not_built_yet_says_so(home: Home, connection: Connection) -> None:
    connection.session.request(Explain(id=new_id(), path=b"/x", flavor=Flavor.LARGE))
    heard = hear(connection, lambda heard: any(isinstance(event, Error) for event in heard))
    (error,) = [event for event in heard if isinstance(event, Error)]
    assert error.code == "not_supported"
    assert "explain" in error.message
