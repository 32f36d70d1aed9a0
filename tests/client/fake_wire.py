"""A daemon of a few lines on a real socket: it answers as the test says, and what it was told is written down."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import zmq

from thumbd_protocol.codec import decode_request, encode
from thumbd_protocol.items import Flavor, ItemUpdate, State
from thumbd_protocol.replies import Ok, Pong, Push, ServerInfo, Update, Welcome
from thumbd_protocol.requests import Credit, Hello, Message, Ping, Request

Answer = Callable[[Message], Iterator[Message]]


def ok(message: Message) -> Iterator[Message]:
    """All that is asked is done."""
    if isinstance(message, Request):
        yield Ok(reply_to=message.id)


def update(*paths: bytes) -> Update:
    return Update(epoch=b"", seq=0, items=[ItemUpdate(path, Flavor.LARGE, State.READY) for path in paths])


class Wire:
    """A ROUTER in a thread. `answer` says what follows a message; pushes get their epoch and number here."""

    def __init__(self, socket: Path, answer: Answer = ok) -> None:
        self.endpoint = f"ipc://{socket}"
        self.answer = answer
        self.epoch = os.urandom(8)
        self.heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.credit = 0
        self.hellos: list[Hello] = []
        self._seq = 0
        self._say: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._peer: bytes | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.bind(self.endpoint)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close(linger=0)
        self._context.term()

    def say(self, message: Message) -> None:
        """Tell the client something now."""
        self._say.put(message)

    def hears(self, kind: type[Message]) -> Message:
        """The next message of a kind; what came before it is passed over."""
        while True:
            message = self.heard.get(timeout=10)
            if isinstance(message, kind):
                return message

    def _run(self) -> None:
        while not self._stop.is_set():
            while self._peer is not None and not self._say.empty():
                self._send(self._say.get())
            if self._socket.poll(5):
                self._peer, *frames = self._socket.recv_multipart()
                message = decode_request(frames)
                if isinstance(message, Credit):
                    self.credit += message.n
                self.heard.put(message)  # before it is answered: who has the answer finds the question written down
                self._reply(message)

    def _reply(self, message: Message) -> None:
        match message:
            case Hello():
                self.hellos.append(message)
                self._seq, self.credit = 0, message.credit
                server = ServerInfo("fake", "1", os.getpid())
                self._send(
                    Welcome(
                        reply_to=message.id,
                        protocol=1,
                        epoch=self.epoch,
                        session=b"a session",
                        resumed=False,
                        capabilities=[],
                        limits={},
                        heartbeat_ms=message.heartbeat_ms,
                        server=server,
                    )
                )
            case Credit():
                pass
            case Ping():
                self._send(Pong(reply_to=message.id, epoch=self.epoch, seq=self._seq))
            case _:
                for answer in self.answer(message):
                    self._send(answer)

    def _send(self, message: Message) -> None:
        assert self._peer is not None
        if isinstance(message, Push):
            self._seq += 1
            message = msgspec.structs.replace(message, epoch=self.epoch, seq=self._seq)
            self.credit -= isinstance(message, Update)
        self._socket.send_multipart([self._peer, *encode(message)])
