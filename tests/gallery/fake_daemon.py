"""A daemon of a few lines for tests: a ROUTER in a thread that answers what the gallery asks, as it is told to.

What it lists and what it says of each picture are given by the test. It speaks the real wire (codec and messages), so
that link and connection are tried with it, but renders nothing.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from thumbd_protocol.codec import decode_request, encode
from thumbd_protocol.items import Entry, Flavor, FolderChange, ItemUpdate
from thumbd_protocol.limits import MAX_SNAPSHOT_ENTRIES, PROTOCOL
from thumbd_protocol.replies import Accepted, Notice, Ok, ServerInfo, Snapshot, Update, Welcome
from thumbd_protocol.requests import Credit, Focus, Hello, Message, Request, Submit, Subscribe

Answer = Callable[[bytes, Flavor], ItemUpdate | None]


class FakeDaemon:
    """`folders` says what is in a folder (or the error and message of one that can't be listed)."""

    def __init__(self, socket: Path, folders: dict[bytes, Sequence[Entry] | tuple[str, str]], answer: Answer) -> None:
        self.endpoint = f"ipc://{socket}"
        self.folders, self.answer = folders, answer
        self.heard: list[Message] = []
        self.credits = 0
        self.silent = False
        self._stop = threading.Event()
        self._say: list[tuple[str, str]] = []
        self._changes: list[FolderChange] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._epoch = os.urandom(8)
        self._seq: dict[bytes, int] = {}
        self._focus: dict[bytes, set[tuple[bytes, Flavor]]] = {}

    def __enter__(self) -> Self:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(self.endpoint)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close(linger=0)
        self._context.term()

    def notice(self, kind: str, message: str) -> None:
        self._say.append((kind, message))

    def change(self, change: FolderChange) -> None:
        """Tell everybody what has happened in a folder."""
        self._changes.append(change)

    def focuses(self) -> list[Focus]:
        return [message for message in list(self.heard) if isinstance(message, Focus)]

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(10):
                peer, *frames = self._socket.recv_multipart()
                message = decode_request(frames)
                self.heard.append(message)
                if not self.silent:
                    self._reply(peer, message)
            while self._say:
                kind, text = self._say.pop()
                for peer in self._seq:
                    self._send(peer, Notice(epoch=self._epoch, seq=self._next(peer), kind=kind, message=text))
            while self._changes:
                change = self._changes.pop(0)
                for peer in self._seq:
                    self._send(peer, Update(epoch=self._epoch, seq=self._next(peer), entries=[change]))

    def _next(self, peer: bytes) -> int:
        self._seq[peer] += 1
        return self._seq[peer]

    def _send(self, peer: bytes, message: Message) -> None:
        self._socket.send_multipart([peer, *encode(message)])

    def _reply(self, peer: bytes, message: Message) -> None:
        match message:
            case Hello():
                self._seq[peer] = 0
                self._focus[peer] = set()
                self._send(
                    peer,
                    Welcome(
                        reply_to=message.id,
                        protocol=PROTOCOL,
                        epoch=self._epoch,
                        session=b"s" * 16,
                        resumed=False,
                        capabilities=[],
                        limits={},
                        heartbeat_ms=message.heartbeat_ms,
                        server=ServerInfo("fake", "0", 1),
                    ),
                )
            case Subscribe():
                self._send(peer, Ok(reply_to=message.id))
                for topic in message.topics:
                    self._snapshot(peer, message.id, topic)
            case Focus():
                self._focused(peer, message)
            case Submit():
                self._send(peer, Accepted(reply_to=message.id, batch=message.batch or "b", total=None))
                self._tell(peer, [(item.path, item.flavor) for item in message.items or []])
            case Credit():
                self.credits += message.n
            case Request():
                self._send(peer, Ok(reply_to=message.id))

    def _focused(self, peer: bytes, focus: Focus) -> None:
        wanted = {(path, focus.flavor) for path in [*focus.visible, *focus.near]}
        others = {item for item in self._focus[peer] if (item[1] is Flavor.PREVIEW) != (focus.flavor is Flavor.PREVIEW)}
        entered = [
            (path, focus.flavor)
            for path in [*focus.visible, *focus.near]
            if (path, focus.flavor) not in self._focus[peer]
        ]
        self._focus[peer] = wanted | others
        self._tell(peer, entered)

    def _tell(self, peer: bytes, items: list[tuple[bytes, Flavor]]) -> None:
        for start in range(0, len(items), 200):
            told = [self.answer(path, flavor) for path, flavor in items[start : start + 200]]
            updates = [update for update in told if update is not None]
            if updates:
                self._send(peer, Update(epoch=self._epoch, seq=self._next(peer), items=updates))

    def _snapshot(self, peer: bytes, ident: bytes, topic: str | bytes) -> None:
        raw = topic if isinstance(topic, bytes) else topic.encode()
        content = self.folders.get(raw.removeprefix(b"folder:"), ("not_found", "there is no such folder"))
        if isinstance(content, tuple) and len(content) == 2 and isinstance(content[0], str):
            error, message = content
            entries: Sequence[Entry] = []
        else:
            error, message = None, None
            entries = [entry for entry in content if isinstance(entry, Entry)]
        starts = range(0, max(1, len(entries)), MAX_SNAPSHOT_ENTRIES)
        for part, start in enumerate(starts):
            last = start == starts[-1]
            self._send(
                peer,
                Snapshot(
                    reply_to=ident,
                    epoch=self._epoch,
                    seq=self._next(peer),
                    topic=topic,
                    part=part,
                    last=last,
                    entries=list(entries[start : start + MAX_SNAPSHOT_ENTRIES]),
                    error=str(error) if last and error else None,
                    message=str(message) if last and message else None,
                ),
            )
