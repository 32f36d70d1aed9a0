"""A watched folder whose file system stops answering: the others are watched on, by another scout."""

import os
from collections.abc import Callable

import pytest

from hanging_mount import HangingMount
from thumbd_client.connection import Connection
from thumbd_home import Home, wait_for
from thumbd_protocol.replies import Snapshot, Update

pytestmark = pytest.mark.e2e


class Reader:
    """What is told of folders: their snapshots' ends, and the names that came since."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended: set[bytes] = set()
        self.sized: set[bytes] = set()
        self.came: set[bytes] = set()

    def poll(self) -> None:
        for event in self.connection.poll(0.05):
            if isinstance(event, Snapshot) and event.last:
                assert isinstance(event.topic, bytes)
                self.ended.add(event.topic)
            if isinstance(event, Update):
                for change in event.entries:
                    self.came |= {entry.name for entry in change.added}
                    self.sized |= {entry.name for entry in change.changed}
            if isinstance(event, Snapshot | Update):
                self.connection.session.processed()

    def until(self, *names: bytes, sized: bool = False) -> None:
        self.wait(lambda: set(names) <= (self.sized if sized else self.came), f"the news of {names}")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait, without falling silent for the daemon."""

        def heard() -> bool:
            self.poll()
            return condition()

        wait_for(heard, what)


def test_folders_elsewhere_are_watched_on_when_one_hangs_and_it_is_when_it_answers(
    home: Home, hanging: HangingMount, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging.add(picture, "stuck-stat/a.jpg")
    (home.pictures / "b.jpg").touch()
    daemon = home.daemon()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.runtime))
    with Connection("a test", autostart=False) as connection:
        reader = Reader(connection)
        for folder in (hanging.mount / "stuck-stat", home.pictures):
            connection.session.subscribe(b"folder:" + os.fsencode(folder))
        # With sizes and times both have been scanned.
        reader.until(b"a.jpg", b"b.jpg", sized=True)
        (hung,) = home.workers("scout.watcher")
        hanging.hang()
        reader.wait(lambda: "is not watched for 30 s" in home.output(daemon)[1], "the scout's being given up")
        (home.pictures / "new.jpg").touch()
        reader.until(b"new.jpg")
        # The one that hangs may not be gone: not even SIGKILL ends a wait for such a file system.
        assert set(home.workers("scout.watcher")) - {hung}
        hanging.add(picture, "stuck-stat/c.jpg")
        hanging.answer()
        reader.until(b"c.jpg")
