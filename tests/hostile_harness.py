"""Clients that are broken or mean no good, and what a well-behaved one notices of them.

Used in a short form by the tests and in the long one by ``make hostile`` (``python tests/hostile_harness.py --help``).
Whoever attacks is a process of its own, so that the well-behaved client's times are not its own fault.
"""

import argparse
import json
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import psutil
import zmq

sys.path.insert(0, str(Path(__file__).parent))

from thumbd_home import Home, wait_for
from thumbd_protocol.codec import decode_reply, encode
from thumbd_protocol.items import Flavor, Item, Priority
from thumbd_protocol.replies import Pong, Welcome
from thumbd_protocol.requests import ClientInfo, Credit, Focus, Hello, Message, Ping, StatsRequest, Submit, Subscribe

#: A well-behaved client is answered within so many milliseconds, whatever others do.
_ANSWER_MS: Final = 100
#: Megabytes that may be left of an attack when it is over.
_LEFT_MB: Final = 5
#: Megabytes that a message without end may cost, and how soon it is ended, in seconds.
_FLOOD_MB: Final = 600
_FLOOD_S: Final = 3.0
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)
_READY: Final = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"


# -- what they say ---------------------------------------------------------------------------------------------------


def ident(number: int) -> bytes:
    return number.to_bytes(16, "big")


def hello(name: str, heartbeat_ms: int = 60_000) -> Hello:
    return Hello(
        id=ident(1),
        protocol=(1, 1),
        client=ClientInfo(name, "1", os.getpid()),
        capabilities=[],
        credit=16,
        heartbeat_ms=heartbeat_ms,
    )


def honest() -> list[Message]:
    """What mutations are made of; nothing that ends the daemon or changes its pool."""
    paths = [os.fsencode(f"/nowhere/{number}.jpg") for number in range(20)]
    return [
        hello("mutant", 1000),
        Submit(id=ident(2), items=[Item(p, Flavor.LARGE) for p in paths], priority=Priority.HIGH, batch="b"),
        Subscribe(id=ident(3), topics=["mine", "system"]),
        Focus(view="v", generation=3, flavor=Flavor.NORMAL, visible=paths[:5], near=paths[5:]),
        Credit(n=1),
        Ping(id=ident(4)),
        StatsRequest(id=ident(5)),
    ]


def mutated(frames: list[bytes], rng: random.Random) -> list[bytes]:
    """Some frames with a few things wrong."""
    frames = list(frames)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(frames))
        frame = bytearray(frames[at])
        match rng.randrange(7):
            case 0 if frame:
                frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
            case 1:
                del frame[rng.randint(0, len(frame)) :]
            case 2:
                frame[(here := rng.randint(0, len(frame))) : here] = rng.randbytes(rng.randint(1, 40))
            case 3 if frame:
                frame[rng.randrange(len(frame))] = rng.choice(b"\x00\xc1\xdf\xdd\xc6\xdb\xff\xc9")
            case 4:
                frames.insert(at, rng.randbytes(rng.randint(0, 300)))
            case 5:
                frame += frame[rng.randint(0, len(frame)) :] * rng.randint(1, 4)
            case _:
                frame = bytearray(rng.randbytes(rng.randint(0, 2000)))
        frames[at] = bytes(frame)
    return frames


# -- attacks, each in a process of its own -----------------------------------------------------------------------------


def connected(path: str) -> socket.socket:
    plain = socket.socket(socket.AF_UNIX)
    try:
        plain.connect(path)  # before the time-out: where the queue is full it waits
    except OSError:
        plain.close()
        raise
    plain.settimeout(10)
    return plain


def greeted(path: str) -> socket.socket:
    """A connection that has done ZeroMQ's handshake by hand."""
    plain = connected(path)
    try:
        plain.sendall(_GREETING + b"\x04" + bytes([len(_READY)]) + _READY)
        got = b""
        while len(got) < len(_GREETING):
            more = plain.recv(1000)
            if not more:
                raise ConnectionResetError("turned away")
            got += more
    except OSError:
        plain.close()
        raise
    return plain


def part(content: bytes) -> bytes:
    """A message part in ZeroMQ's framing, with more to come (ZMTP 3.0, "traffic")."""
    if len(content) < 256:
        return b"\x01" + bytes([len(content)]) + content
    return b"\x03" + struct.pack(">Q", len(content)) + content


def _idle(path: str, plain: int, half: int, dealers: int) -> list[object]:
    """So many connections that say nothing: without handshake, with one, real DEALERs."""
    kept: list[object] = []
    for count, make in ((plain, connected), (half, greeted)):
        for _ in range(count):
            try:
                kept.append(make(path))
            except OSError:
                continue  # turned away
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, dealers + 10)
    kept.append(context)
    for _ in range(dealers):
        dealer = context.socket(zmq.DEALER)
        dealer.connect(f"ipc://{path}")
        kept.append(dealer)
    return kept


def _nonsense(path: str, messages: int, connections: int, seed: int) -> None:
    """Mutated messages by real DEALERs, some of which have said hello, and connections that break the handshake."""
    rng = random.Random(seed)
    real = [encode(message) for message in honest()]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sent = 0
    for number in range(connections):
        _break_in(path, rng)
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 5000)
        dealer.connect(f"ipc://{path}")
        if number % 2:
            dealer.send_multipart(encode(hello("mutant", 1000)))
        while sent < messages * (number + 1) // connections:
            dealer.send_multipart(mutated(rng.choice(real), rng))
            sent += 1
            while dealer.poll(0):
                dealer.recv_multipart()
        _hear_the_last(dealer)
        dealer.close()
    context.term()


def _hear_the_last(dealer: "zmq.Socket[bytes]") -> None:
    """Wait until all that was sent has been read: the answer to a last ping, whatever it is. Said more than once, for
    who has not said hello may be left without an answer."""
    last_ping = Ping(id=ident(99))
    for _ in range(20):
        dealer.send_multipart(encode(last_ping))
        while dealer.poll(1000):
            if last_ping.id in dealer.recv_multipart()[-1]:
                return
    raise AssertionError("a client that sends nonsense is not answered any more")


def _break_in(path: str, rng: random.Random) -> None:
    """One connection that breaks ZeroMQ's framing."""
    try:
        with connected(path) if rng.random() < 0.5 else greeted(path) as plain:
            match rng.randrange(4):
                case 0:
                    plain.sendall(rng.randbytes(rng.randint(1, 3000)))
                case 1:
                    plain.sendall(_GREETING[: rng.randint(1, 64)])
                case 2:
                    plain.sendall(b"\x02" + struct.pack(">Q", rng.getrandbits(63)) + rng.randbytes(1000))
                case _:
                    plain.sendall(part(rng.randbytes(1000)) * 3)
    except OSError:
        return  # what it deserves


def _endless(path: str, size: int, pause_s: float) -> None:
    """A message whose last part never comes; how long it could go on, on stdout."""
    plain = greeted(path)
    piece = part(bytes(size))
    piece *= max(1, 100_000 // len(piece))
    began = time.monotonic()
    sent = 0
    try:
        while time.monotonic() - began < 60:
            plain.sendall(piece)
            sent += len(piece)
            if pause_s:
                time.sleep(pause_s)
    except OSError:
        pass  # somebody has had enough
    print(json.dumps({"seconds": round(time.monotonic() - began, 2), "sent_mb": sent >> 20}), flush=True)  # noqa: T201


def _large(path: str, size: int, seconds: float, *, said_hello: bool) -> None:
    """Complete messages of `size` bytes, one after the other; how many, on stdout, and whether it was cut off."""
    plain = greeted(path)
    plain.settimeout(30)
    if said_hello:
        plain.sendall(b"".join(part(frame) for frame in encode(hello("large"))[:-1]) + last(encode(hello("large"))[-1]))
    piece = part(b"TH1") + last(bytes(size))
    began = time.monotonic()
    sent, ended = 0, 0
    try:
        while time.monotonic() - began < seconds:
            plain.sendall(piece)
            sent += 1
    except OSError:
        ended = 1
    print(json.dumps({"sent": sent, "cut_off": ended}), flush=True)  # noqa: T201


def last(content: bytes) -> bytes:
    """The last part of a message."""
    whole = part(content)
    return bytes([whole[0] & ~1]) + whole[1:]


def attack(words: list[str]) -> None:
    """One attack, in this process: its name, the socket, numbers."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name, path, *numbers = words
    match name:
        case "idle":
            kept = _idle(path, *map(int, numbers))
            print(json.dumps({"there": len(kept) - 1}), flush=True)  # noqa: T201
            sys.stdin.read()
            os._exit(0)  # at once, as a process that is killed
        case "nonsense":
            _nonsense(path, *map(int, numbers))
        case "endless":
            _endless(path, int(numbers[0]), float(numbers[1]))
        case "large":
            _large(path, int(numbers[0]), float(numbers[1]), said_hello=True)
        case _:
            raise ValueError(name)


@contextmanager
def attacking(*words: object) -> Iterator["subprocess.Popen[bytes]"]:
    """An attack that goes on; its process, to be waited for or read from."""
    command = [sys.executable, __file__, "--attack", *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


# -- the well-behaved one ------------------------------------------------------------------------------------------------


class Guest(threading.Thread):
    """Says hello, and then ping again and again: how long each answer took, in milliseconds."""

    def __init__(self, path: Path, every_s: float = 0.02) -> None:
        super().__init__()
        self._path = path
        self._every_s = every_s
        self._ended = threading.Event()
        self.times: list[float] = []
        self.trouble: str | None = None

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(f"ipc://{self._path}")
            number = 1
            dealer.send_multipart(encode(hello("guest")))
            while self.trouble is None:
                began = time.monotonic()
                if not dealer.poll(20_000):
                    self.trouble = f"no answer to its message {number}"
                    return
                message = decode_reply(dealer.recv_multipart())
                if not isinstance(message, Welcome if number == 1 else Pong):
                    self.trouble = f"its message {number} was answered {message!r}"
                if number > 1:
                    self.times.append(round((time.monotonic() - began) * 1000, 2))
                if self._ended.wait(self._every_s):
                    return
                number += 1
                dealer.send_multipart(encode(Ping(id=ident(number))))

    def __enter__(self) -> "Guest":
        self.start()
        wait_for(lambda: bool(self.times) or self.trouble is not None, "the guest's first answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def worst(self) -> float:
        return max(self.times)


@dataclass
class Report:
    """What an attack has cost. Memory in megabytes, times in milliseconds; `good` is for the long form's bounds."""

    attack: str
    seconds: float = 0.0
    rss_before: float = 0.0
    rss_most: float = 0.0
    rss_after: float = 0.0
    descriptors: tuple[int, int, int] = (0, 0, 0)
    guest_ms: dict[str, float] = field(default_factory=dict)
    trouble: str | None = None
    told: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        calm = self.trouble is None and self.guest_ms["p99"] <= _ANSWER_MS
        return calm and self.rss_after - self.rss_before <= _LEFT_MB and self.descriptors[2] <= self.descriptors[0] + 3


class _Gauge(threading.Thread):
    """The most memory and descriptors that a process has while it is watched."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self.rss = self.descriptors = 0

    def run(self) -> None:
        while not self._ended.wait(0.01):
            self.rss = max(self.rss, self._process.memory_info().rss)
            self.descriptors = max(self.descriptors, self._process.num_fds())

    def stop(self) -> None:
        self._ended.set()
        self.join()


def under(home: Home, what: str, act: Callable[[], dict[str, float]], settle_s: float = 3.0) -> Report:
    """What `act` costs the daemon of `home`, and a guest of it."""
    report = Report(what)
    daemon = home.daemon()
    process = psutil.Process(daemon.pid)
    wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
    with Guest(home.socket) as guest:
        time.sleep(0.5)
        report.rss_before = _mb(process.memory_info().rss)
        descriptors = process.num_fds()
        gauge = _Gauge(daemon.pid)
        gauge.start()
        began = time.monotonic()
        report.told = act()
        report.seconds = round(time.monotonic() - began, 1)
        gauge.stop()
        time.sleep(settle_s)
    assert daemon.poll() is None, f"the daemon has ended: {home.output(daemon)[1][-2000:]}"
    ordered = sorted(guest.times)
    report.guest_ms = {
        "n": len(ordered),
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[len(ordered) * 99 // 100],
        "max": ordered[-1],
    }
    report.trouble = guest.trouble
    if "Traceback" in home.output(daemon)[1]:
        report.trouble = report.trouble or "a fault of the daemon's own is in its log"
    report.rss_most, report.rss_after = _mb(gauge.rss), _mb(process.memory_info().rss)
    report.descriptors = (descriptors, gauge.descriptors, process.num_fds())
    return report


def _mb(count: int) -> float:
    return round(count / (1 << 20), 1)


def idle(plain: int, half: int, dealers: int, stay_s: float) -> Report:
    """Connections that say nothing, and leave."""
    home = Home()

    def act() -> dict[str, float]:
        with attacking("idle", home.socket, plain, half, dealers) as process:
            assert process.stdout is not None
            told: dict[str, float] = json.loads(process.stdout.readline())
            time.sleep(stay_s)
        return told

    try:
        return under(home, f"{plain} + {half} + {dealers} idle", act)
    finally:
        home.close()


def nonsense(messages: int, connections: int, seed: int, settle_s: float = 3.0) -> Report:
    """Mutated messages, and connections that break the handshake; sessions that it began live on for a minute."""
    home = Home()

    def act() -> dict[str, float]:
        with attacking("nonsense", home.socket, messages, connections, seed) as process:
            return {"status": process.wait(3600)}

    try:
        return under(home, f"{messages} mutated, seed {seed}", act, settle_s)
    finally:
        home.close()


def endless(size: int, pause_s: float = 0.0) -> Report:
    """A message without end, in parts of `size` bytes."""
    home = Home()

    def act() -> dict[str, float]:
        with attacking("endless", home.socket, size, pause_s) as process:
            told: dict[str, float] = json.loads(process.communicate(timeout=90)[0])
        return told

    try:
        return under(home, f"endless, {size} bytes a part, {pause_s} s apart", act)
    finally:
        home.close()


def large(size: int, seconds: float) -> Report:
    """Complete messages of `size` bytes as fast as they go, by a client with a session."""
    home = Home()

    def act() -> dict[str, float]:
        with attacking("large", home.socket, size, seconds) as process:
            told: dict[str, float] = json.loads(process.communicate(timeout=90)[0])
        return told

    try:
        return under(home, f"complete messages of {size} bytes", act)
    finally:
        home.close()


def main() -> None:
    """The long form; one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attack", nargs="+", help="be the attacker: a name, the socket, numbers")
    parser.add_argument("--connections", type=int, default=2_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    given = parser.parse_args()
    if given.attack:
        attack(given.attack)
        return
    good = True
    third = given.connections // 3
    runs: list[Callable[[], Report]] = [
        lambda: idle(given.connections, 0, 0, 5),
        lambda: idle(0, given.connections, 0, 5),
        lambda: idle(0, 0, given.connections, 5),
        lambda: idle(third, third, third, 40),
    ]
    runs += [lambda seed=seed: nonsense(given.messages, given.messages // 100, seed, 75.0) for seed in given.seeds]  # type: ignore[misc]
    for run in runs:
        report = run()
        good = good and report.good
        print(json.dumps(asdict(report) | {"good": report.good}), flush=True)  # noqa: T201
    for size, pause_s in ((1, 0.0), (100_000, 0.0), (2_000_000, 0.0), (200_000, 0.01)):
        report = endless(size, pause_s)
        bounded = report.good and report.rss_most <= report.rss_before + _FLOOD_MB
        bounded = bounded and (bool(pause_s) or report.told["seconds"] <= _FLOOD_S)
        good = good and bounded
        print(json.dumps(asdict(report) | {"good": bounded}), flush=True)  # noqa: T201
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
