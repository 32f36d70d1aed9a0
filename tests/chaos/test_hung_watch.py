"""A watched folder whose file system stops answering: the others are watched on, by another scout."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from thumbd_client.connection import Connection
from thumbd_home import Home, wait_for
from thumbd_protocol.replies import Snapshot, Update

from .test_hung_mount import Hanging

pytestmark = pytest.mark.e2e


@pytest.fixture
def mount(home: Home) -> Iterator[Hanging]:
    if not os.path.exists("/dev/fuse") or not os.access("/dev/fuse", os.W_OK) or shutil.which("fusermount3") is None:
        pytest.skip("there is no FUSE here")
    pytest.importorskip("mfusepy")
    made = Hanging(home)
    try:
        yield made
    finally:
        made.close()


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
    home: Home, mount: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount.add("stuck-stat/a.jpg")
    (home.pictures / "b.jpg").touch()
    daemon = home.daemon()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.runtime))
    with Connection("a test", autostart=False) as connection:
        reader = Reader(connection)
        for folder in (mount.mount / "stuck-stat", home.pictures):
            connection.session.subscribe(b"folder:" + os.fsencode(folder))
        # With sizes and times both have been scanned.
        reader.until(b"a.jpg", b"b.jpg", sized=True)
        (hung,) = home.workers("scout.watcher")
        mount.hang()
        reader.wait(lambda: "is not watched for 30 s" in home.output(daemon)[1], "the scout's being given up")
        (home.pictures / "new.jpg").touch()
        reader.until(b"new.jpg")
        # The one that hangs may not be gone: not even SIGKILL ends a wait for such a file system.
        assert set(home.workers("scout.watcher")) - {hung}
        mount.add("stuck-stat/c.jpg")
        mount.answer()
        reader.until(b"c.jpg")
