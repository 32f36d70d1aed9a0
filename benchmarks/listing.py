"""How soon a window sees something of a large folder: from ``subscribe`` to the first and to the last part.

usage: python benchmarks/listing.py [--files N] [--folders N] [--runs N] [--bare]       prints one JSON object

A daemon of its own lists a folder of `files` empty files: by a bare DEALER, which sends ``subscribe`` and takes
``snapshot`` parts, giving each part's credit back at once. With ``--folders`` they lie in so many folders below and are
asked for as a tree. ``--bare`` files have no extension, so each is opened to see what it is. The scouts are at work
already; the folder's names are in the kernel's memory.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import zmq

_TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(_TESTS))

from thumbd_home import Home, wait_for  # noqa: E402
from thumbd_protocol.codec import decode_reply, encode  # noqa: E402
from thumbd_protocol.replies import Snapshot, Update, Welcome  # noqa: E402
from thumbd_protocol.requests import ClientInfo, Credit, Hello, Message, Subscribe, Unsubscribe  # noqa: E402

_CREDIT = 16


class Bare:
    """A client that is nothing but a socket."""

    def __init__(self, endpoint: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)
        hello = Hello(
            id=os.urandom(16),
            protocol=(1, 1),
            client=ClientInfo("benchmark", "1", os.getpid()),
            capabilities=[],
            credit=_CREDIT,
            heartbeat_ms=600_000,
        )
        self.say(hello)
        assert isinstance(self.hear(), Welcome)

    def say(self, message: Message) -> None:
        self._socket.send_multipart(encode(message))

    def hear(self, timeout_s: float = 60.0) -> Message | None:
        """The next message; its credit is given back at once. None when there is none for so long."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return None
        message = decode_reply(self._socket.recv_multipart())
        if isinstance(message, Snapshot | Update):
            self.say(Credit(n=1))
        return message

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def fill(root: Path, files: int, folders: int, ending: str) -> None:
    for below in range(max(1, folders)):
        place = root / f"{below:05}" if folders else root
        place.mkdir(exist_ok=True)
        for number in range(below, files, max(1, folders)):
            (place / f"IMG_{number:06}{ending}").touch()


def one(client: Bare, topic: bytes, names: int) -> tuple[float, float]:
    """Milliseconds to the first part and to the last."""
    first = 0.0
    told = 0
    began = time.perf_counter()
    client.say(Subscribe(id=os.urandom(16), topics=[topic]))
    while True:
        message = client.hear()
        assert message is not None, "the daemon is silent"
        if isinstance(message, Snapshot):
            told += len(message.entries)
            first = first or (time.perf_counter() - began) * 1000
            if message.last:
                break
    last = (time.perf_counter() - began) * 1000
    assert told == names, (told, message)
    return first, last


def rest(client: Bare, topic: bytes, seconds: float) -> None:
    """Nobody looks any more; what was on its way comes, and the scouts come to rest."""
    client.say(Unsubscribe(id=os.urandom(16), topics=[topic]))
    while client.hear(seconds) is not None:
        pass


def until_quiet(client: Bare, seconds: float) -> tuple[int, float]:
    """How many names are told as changed (their sizes and times), and how long that takes, in milliseconds."""
    began = last = time.perf_counter()
    changed = 0
    while (message := client.hear(seconds)) is not None:
        if isinstance(message, Update):
            changed += sum(len(change.changed) for change in message.entries)
            last = time.perf_counter()
    return changed, (last - began) * 1000


def figures(times: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(times), 1), "max": round(max(times), 1)}


def measured(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    home = Home()
    try:
        daemon = home.daemon()
        wait_for(lambda: len(home.workers("scout")) >= 2, "scouts")
        client = Bare(f"ipc://{home.socket}")
        topic = (b"tree:" if given.folders else b"folder:") + os.fsencode(folder)
        names = given.files + given.folders
        one(client, topic, names)  # the names are in memory from now on
        rest(client, topic, 1.0)
        before = psutil.Process(daemon.pid).memory_info().rss
        times: list[tuple[float, float]] = []
        for _ in range(given.runs):
            times.append(one(client, topic, names))
            rest(client, topic, 0.3)
        one(client, topic, names)
        changed, sized_ms = until_quiet(client, 3.0)
        watched = psutil.Process(daemon.pid).memory_info().rss
        client.close()
        return {
            "files": given.files,
            "folders": given.folders,
            "runs": given.runs,
            "first_ms": figures([first for first, _last in times]),
            "all_ms": figures([last for _first, last in times]),
            "sizes_after_ms": round(sized_ms),
            "sizes": changed,
            "daemon_mib": {"before": before >> 20, "watched": watched >> 20},
        }
    finally:
        home.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=0)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--bare", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="thumbd-"))
    try:
        fill(folder, given.files, given.folders, "" if given.bare else ".jpg")
        print(json.dumps(measured(given, folder)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
