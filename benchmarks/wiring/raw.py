"""The smallest client: one DEALER, msgpack maps, credit. Written against the specification, not with the library.

What it costs is little and known, and what changes in the library does not change what is measured with it.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgpack
import zmq

#: A message as it is on the wire.
Map = dict[str, Any]

FINAL: Final = frozenset({"ready", "failed", "cancelled"})
#: Items in a submit, and bytes of paths, with room for the rest of the request.
_MOST_ITEMS: Final = 4096
_MOST_BYTES: Final = 900_000
#: Nobody waits longer for an answer, in seconds.
_ANSWER_S: Final = 30.0
#: Credit goes back in lots: as soon as nothing more has come, or after so many messages.
_LOT: Final = 8
_PUSHED: Final = frozenset({"update", "snapshot", "done", "notice"})
_COSTS_CREDIT: Final = frozenset({"update", "snapshot"})


class Gone(Exception):
    """The conversation can't go on: the daemon has gone, or knows this session no more."""


class Refused(Exception):
    """The daemon said no; `code` says why."""

    def __init__(self, code: str, message: str, room: int | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.room = room


class Raw:
    """A conversation with the daemon at `socket`. Has said hello when it is made. Raises Gone."""

    def __init__(self, socket: Path, name: str, *, heartbeat_ms: int = 10_000, session: bytes | None = None) -> None:
        self.name = name
        self.epoch = b""
        self.session = b""
        self.resumed = False
        #: Holes in the daemon's numbers; must stay 0.
        self.gaps = 0
        #: Bytes and messages received.
        self.bytes = self.messages = 0
        self._seq = 0
        self._owed = 0
        self._heartbeat_s = heartbeat_ms / 1000
        self._said = time.monotonic()
        self._waiting: deque[Map] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        for option, value in ((zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, 100)):
            self._socket.setsockopt(option, value)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED)
        self._socket.connect(f"ipc://{socket}")
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        try:
            self.hello(heartbeat_ms, session)
        except BaseException:
            self.close()
            raise

    def hello(self, heartbeat_ms: int, session: bytes | None) -> None:
        """Begin a session, or take `session` up again."""
        fields: Map = {} if session is None else {"session": session}
        client = {"name": self.name, "version": "0", "pid": os.getpid()}
        self._seq = self._owed = 0
        welcome = self.ask(
            "hello", protocol=[1, 1], client=client, capabilities=[], credit=32, heartbeat_ms=heartbeat_ms, **fields
        )
        self.epoch, self.session, self.resumed = welcome["epoch"], welcome["session"], welcome["resumed"]

    def close(self) -> None:
        """Leave without a word."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)
        self._context.term()

    def bye(self) -> None:
        """End the session, and all its interest, and leave."""
        self.say("bye")
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=200)
        self._context.term()

    # -- out ------------------------------------------------------------------------------------------------------

    def say(self, kind: str, **fields: Any) -> None:
        """Send what nobody answers."""
        self._send({"type": kind, **fields})

    def ask(self, kind: str, **fields: Any) -> Map:
        """The answer to a request; what else comes meanwhile is heard afterwards. Raises Refused, Gone."""
        ident = fields.setdefault("id", os.urandom(16))
        self._send({"type": kind, **fields})
        until = time.monotonic() + _ANSWER_S
        others: list[Map] = []
        try:
            while True:
                left = until - time.monotonic()
                message = self._receive(left) if left > 0 else None
                if message is None:
                    if left <= 0:
                        raise Gone(f"{kind} was not answered for {_ANSWER_S:.0f} s")
                elif message.get("reply_to") == ident and message["type"] != "snapshot":
                    return _checked(message)
                else:
                    others.append(message)
        finally:
            self._waiting.extend(others)

    def focus(self, view: str, generation: int, flavor: str, visible: Sequence[bytes], near: Sequence[bytes]) -> None:
        """What a view shows now."""
        self.say("focus", view=view, generation=generation, flavor=flavor, visible=list(visible), near=list(near))

    def _send(self, message: Map) -> None:
        until = time.monotonic() + _ANSWER_S
        frame = msgpack.packb(message)
        while True:
            try:
                self._socket.send_multipart([b"TH1", frame], zmq.DONTWAIT)
                self._said = time.monotonic()
                return
            except zmq.Again:
                # Not connected yet, or the daemon reads slowly.
                if self._monitor.poll(0) or time.monotonic() > until:
                    raise Gone("the daemon does not take messages") from None
                self._socket.poll(5, zmq.POLLOUT)

    # -- in -------------------------------------------------------------------------------------------------------

    def hear(self, timeout_s: float) -> Map | None:
        """The next message, None when none comes in time. The one before it has been processed. Raises Gone."""
        message = self._waiting.popleft() if self._waiting else self._receive(timeout_s)
        if message is not None and message["type"] in _COSTS_CREDIT:
            self._owed += 1
        return message

    def _receive(self, timeout_s: float) -> Map | None:
        try:
            frames = self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            self._pay()
            if time.monotonic() - self._said > self._heartbeat_s / 2:
                self.say("ping", id=os.urandom(16))
            found = dict(self._poller.poll(max(0, round(timeout_s * 1000))))
            if self._socket not in found:
                if self._monitor in found:
                    raise Gone("the daemon has gone") from None
                return None
            frames = self._socket.recv_multipart(zmq.DONTWAIT)
        if self._owed >= _LOT:
            self._pay()
        self.bytes += len(frames[1])
        self.messages += 1
        message: Map = msgpack.unpackb(frames[1])
        if message["type"] in _PUSHED:
            self.gaps += message["seq"] != self._seq + 1
            self._seq = message["seq"]
        elif message["type"] == "error" and message["code"] == "no_session":
            raise Gone("the daemon knows this session no more")
        return message

    def _pay(self) -> None:
        if self._owed:
            owed, self._owed = self._owed, 0
            self.say("credit", n=owed)


def _checked(answer: Map) -> Map:
    if answer["type"] == "error":
        raise Refused(answer["code"], answer["message"], answer.get("room"))
    return answer


def chunks(paths: Sequence[bytes]) -> list[list[bytes]]:
    """`paths` as one submit can carry them."""
    found: list[list[bytes]] = [[]]
    size = 0
    for path in paths:
        size += len(path) + 40
        if len(found[-1]) == _MOST_ITEMS or size > _MOST_BYTES:
            found.append([])
            size = len(path) + 40
        found[-1].append(path)
    return found


def finals(message: Map) -> list[Map]:
    """The final states that a message tells."""
    if message["type"] not in _COSTS_CREDIT:
        return []
    return [item for item in message.get("items", ()) if item["state"] in FINAL]
