"""A client written from the specification's page alone: pyzmq and msgpack, nothing of thumbd.

It is plain on purpose. Whatever arrives is checked against the page (fields, types, `seq` without holes, `done` being the
sum of its parts, never more messages than credit), so each test checks all of that too, whatever else it is about.
"""

import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgpack
import zmq

from conformance.page_checks import COSTS_CREDIT, FINAL, PUSHED, Deviation, Message, check, need

Key = tuple[bytes, str]

#: The machine may be slow; nothing that is waited for takes nearly as long, in seconds.
DEADLINE_S = 40.0

#: A client that waits says so by a ping this often, in seconds.
HEARTBEAT_S = 2.0


class Refused(Exception):
    """The daemon answered a request with `error`."""

    def __init__(self, answer: Message) -> None:
        super().__init__(f"{answer['code']}: {answer['message']}")
        self.code: str = answer["code"]
        self.answer = answer


def new_id() -> bytes:
    """An id for a request: 16 bytes, made by the client."""
    return uuid.uuid4().bytes


class Client:
    """One DEALER with one session: requests, and a record of all that is pushed.

    With `gives_back` each update and snapshot part is credited as soon as it has been looked at, as a live window does;
    with `beats` a ping goes out whenever nothing has come for a while.
    """

    def __init__(self, socket: Path, *, context: zmq.Context[zmq.Socket[bytes]] | None = None) -> None:
        self._own_context = context is None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context() if context is None else context
        self._endpoint = f"ipc://{socket}"
        self.epoch = b""
        self.session = b""
        self.welcome: Message = {}
        self.seq = 0
        self.credit = 0
        self.gives_back = True
        self.beats = True
        self._offered = 0
        self._beaten: set[bytes] = set()
        self.pushed: list[Message] = []
        self.strays: list[Message] = []
        self.answers: dict[bytes, Message] = {}
        self._dealer = self._dial()

    def _dial(self) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IMMEDIATE, 1),
            (zmq.LINGER, 0),
            (zmq.RECONNECT_IVL, 100),
            (zmq.RECONNECT_IVL_MAX, 2000),
            (zmq.SNDTIMEO, int(DEADLINE_S * 1000)),
        ):
            dealer.setsockopt(option, value)
        dealer.connect(self._endpoint)
        return dealer

    def close(self) -> None:
        """Hang up without a word."""
        self._dealer.close(linger=0)
        if self._own_context:
            self._context.term()

    def redial(self) -> None:
        """Hang up without a word and dial again, as a program does whose connection broke; the record stays."""
        self._dealer.close(linger=0)
        self._dealer = self._dial()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sending

    def send_frames(self, *frames: bytes) -> None:
        """Send whatever frames, right or wrong."""
        self._dealer.send_multipart(frames)

    def send(self, request_type: str, /, **fields: object) -> None:
        """Send a message that gets no answer, or whose answer is taken later."""
        packed: bytes = msgpack.packb({"type": request_type, **fields}, use_bin_type=True)
        self.send_frames(b"TH1", packed)

    def post(self, request_type: str, /, *, id: bytes | None = None, **fields: object) -> bytes:
        """Send a request without waiting for its answer; its id."""
        request = new_id() if id is None else id
        self.send(request_type, id=request, **fields)
        return request

    def ask(self, request_type: str, /, *, id: bytes | None = None, **fields: object) -> Message:
        """Send a request and take its answer; an `error` is raised."""
        return self.answer(self.post(request_type, id=id, **fields))

    def refusal(self, request_type: str, /, *, id: bytes | None = None, **fields: Any) -> Message:
        """Send a request that must be refused: the `error`."""
        request = self.post(request_type, id=id, **fields)
        try:
            answer = self.answer(request)
        except Refused as refused:
            return refused.answer
        raise Deviation(f"`{request_type}` had to be refused, and got {answer!r:.600}")

    def answer(self, request: bytes) -> Message:
        """Wait for the answer to a request that was posted."""
        self.until(lambda: request in self.answers, f"an answer to request {request.hex()}")
        message = self.answers.pop(request)
        if message["type"] == "error":
            raise Refused(message)
        return message

    def stray(self) -> Message:
        """Wait for the next answer that answers no request of ours (an `error` about a frame)."""
        self.until(lambda: bool(self.strays), "an error about a frame")
        return self.strays.pop(0)

    # The session

    def hello(self, *, credit: int = 32, session: bytes | None = None, **fields: object) -> Message:
        """Say hello and take the welcome."""
        given: Message = {
            "protocol": [1, 1],
            "client": {"name": "independent", "version": "1", "pid": 4242},
            "capabilities": [],
            "credit": credit,
            "heartbeat_ms": 5000,
        }
        if session is not None:
            given["session"] = session
        self._offered = credit
        return self.ask("hello", **(given | fields))

    def until_session_is_lost(self) -> None:
        """Learn of a restart as any client does: by `no_session` to a request."""
        need(self.refusal("ping")["code"] == "no_session", "a restarted daemon knows no session", self.session)

    def ping(self) -> Message:
        """A round trip: all that the daemon sent before it has been received."""
        return self.ask("ping")

    def give(self, n: int) -> None:
        """Grant credit; what is outstanding never passes 32."""
        self.credit = min(32, self.credit + n)
        self.send("credit", n=n)

    # Receiving

    def receive(self, timeout_s: float) -> Message | None:
        """Take one message, hold it against the page and keep the books; None if none came in time."""
        if not self._dealer.poll(int(max(0.0, timeout_s) * 1000)):
            return None
        frames = self._dealer.recv_multipart()
        need(frames[0] == b"TH1", "frame 0 is TH1", frames)
        need(len(frames) == 2, "blobs come only where inline was granted", [len(frame) for frame in frames])
        message: Message = msgpack.unpackb(frames[1], raw=False, strict_map_key=True)
        check(message)
        self._book(message)
        return message

    def _book(self, message: Message) -> None:
        kind = message["type"]
        if kind == "welcome":
            self.epoch, self.session, self.welcome = message["epoch"], message["session"], message
            self.seq = 0
            self.credit = self._offered
        if kind in PUSHED:
            need(message["epoch"] == self.epoch, "the epoch is the welcome's", message)
            need(message["seq"] == self.seq + 1, f"seq has no holes (the last was {self.seq})", message)
            self.seq = message["seq"]
            self.pushed.append(message)
        if kind in COSTS_CREDIT:
            self.credit -= 1
            need(self.credit >= 0, "never more messages than credit", message)
            if self.gives_back:
                self.give(1)
        if kind == "pong":
            need(message["seq"] == self.seq, f"pong.seq is the last sent (got {self.seq})", message)
        if kind not in PUSHED:
            reply_to = message.get("reply_to")
            if reply_to in self._beaten:
                self._beaten.discard(reply_to)
            elif isinstance(reply_to, bytes) and len(reply_to) == 16:
                need(reply_to not in self.answers, "one answer for each request", message)
                self.answers[reply_to] = message
            else:
                self.strays.append(message)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
        """Receive until `condition` holds; fail with `what` when it doesn't in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left = deadline - time.monotonic()
            if left > 0:
                if self.receive(min(left, HEARTBEAT_S)) is None and self.beats:
                    self._beaten.add(self.post("ping"))
            else:
                tail = [dict(list(m.items())[:8]) for m in self.pushed[-3:]]
                raise Deviation(f"waited {timeout_s:.0f} s in vain for {what}; last pushed: {tail!r:.1500}")

    # What has been told

    def mark(self) -> int:
        """A place in the record, for `since`."""
        return len(self.pushed)

    def updates(self, since: int = 0) -> list[Message]:
        return [message for message in self.pushed[since:] if message["type"] == "update"]

    def items(self, since: int = 0) -> list[Message]:
        """Items that updates told, oldest first."""
        return [item for update in self.updates(since) for item in update.get("items") or []]

    def finals(self, since: int = 0) -> dict[Key, list[Message]]:
        """Final states that updates told, by key."""
        told: dict[Key, list[Message]] = {}
        for item in self.items(since):
            if item["state"] in FINAL:
                told.setdefault((item["path"], item["flavor"]), []).append(item)
        return told

    def progress(self, batch: str, since: int = 0) -> list[Message]:
        entries = (entry for update in self.updates(since) for entry in update.get("progress") or [])
        return [entry for entry in entries if entry["batch"] == batch]

    def dones(self, batch: str, since: int = 0) -> list[Message]:
        return [m for m in self.pushed[since:] if m["type"] == "done" and m["batch"] == batch]

    def notices(self, kind: str, since: int = 0) -> list[Message]:
        return [m for m in self.pushed[since:] if m["type"] == "notice" and m["kind"] == kind]

    def changes(self, folder: bytes, since: int = 0) -> list[Message]:
        entries = (entry for update in self.updates(since) for entry in update.get("entries") or [])
        return [entry for entry in entries if entry["folder"] == folder]

    def wait_done(self, batch: str, since: int = 0) -> Message:
        """Wait for a batch's `done`."""
        self.until(lambda: bool(self.dones(batch, since)), f"done of {batch}")
        return self.dones(batch, since)[-1]

    def wait_final(self, keys: Iterable[Key], since: int = 0) -> dict[Key, Message]:
        """Wait until each key has a final state; the last one of each."""
        wanted = set(keys)
        self.until(lambda: wanted <= self.finals(since).keys(), f"final states of {len(wanted)} items")
        return {key: told[-1] for key, told in self.finals(since).items() if key in wanted}

    # Requests that many tests make

    def submit(self, paths: Iterable[bytes], flavor: str = "normal", **fields: object) -> Message:
        """Submit paths in one flavor; `accepted`."""
        given: Message = {"priority": "normal", "items": [{"path": path, "flavor": flavor} for path in paths]}
        return self.ask("submit", **(given | fields))

    def submit_folder(
        self, folder: bytes, flavor: str = "normal", *, recursive: bool = False, **fields: object
    ) -> Message:
        """Submit a folder; `accepted`. `hidden` and what else is the folder's own goes in by `fields`."""
        wanted: Message = {"path": folder, "recursive": recursive, "flavor": flavor}
        if "hidden" in fields:
            wanted["hidden"] = fields.pop("hidden")
        given: Message = {"priority": "normal", "folder": wanted}
        return self.ask("submit", **(given | fields))

    def focus(self, visible: Iterable[bytes], near: Iterable[bytes] = (), *, generation: int, view: str = "w") -> None:
        self.send("focus", view=view, generation=generation, flavor="normal", visible=list(visible), near=list(near))

    def parts(self, request: bytes) -> list[Message]:
        """Snapshot parts that answer a request and have come so far."""
        return [m for m in self.pushed if m["type"] == "snapshot" and m["reply_to"] == request]

    def pushed_snapshots(self) -> list[Message]:
        """All snapshot parts that have come."""
        return [m for m in self.pushed if m["type"] == "snapshot"]

    def wait_snapshots(self, request: bytes, topics: int = 1) -> list[Message]:
        """Wait for the last part of each of so many topics' snapshots; all parts in their order."""
        self.until(lambda: sum(p["last"] for p in self.parts(request)) >= topics, "a snapshot's last part")
        return self.parts(request)

    def subscribe(self, *topics: str | bytes) -> list[Message]:
        """Subscribe; all parts of the snapshots that answer it."""
        request = self.post("subscribe", topics=list(topics))
        need(self.answer(request)["type"] == "ok", "subscribe is answered by ok", topics)
        return self.wait_snapshots(request, len(topics))

    def snapshot(self, *topics: str | bytes) -> list[Message]:
        """Ask for snapshots; all parts."""
        request = self.post("snapshot", topics=list(topics))
        try:
            self.until(
                lambda: request in self.answers or sum(p["last"] for p in self.parts(request)) >= len(topics),
                "a snapshot, or its refusal",
            )
        finally:
            refused = self.answers.pop(request, None)
        if refused is not None:
            raise Refused(refused)
        return self.parts(request)


def entry_names(parts: Iterable[Message]) -> set[bytes]:
    """Names in the entries of snapshot parts."""
    return {entry["name"] for part in parts for entry in part.get("entries") or []}


def snapshot_items(parts: Iterable[Message]) -> dict[Key, Message]:
    """Items of snapshot parts, by key."""
    return {(i["path"], i["flavor"]): i for part in parts for i in part.get("items") or []}


def snapshot_batches(parts: Iterable[Message]) -> dict[str, Message]:
    """Batches of snapshot parts, by id."""
    return {entry["batch"]: entry for part in parts for entry in part.get("batches") or []}
