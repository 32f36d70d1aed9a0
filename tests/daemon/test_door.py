"""The door with a real ROUTER: who is let in, whose messages they are, who is shut out."""

import asyncio
import ctypes
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import zmq

from thumbd_daemon import heap, turnstile
from thumbd_daemon.connections import Connection
from thumbd_daemon.door import Door
from thumbd_daemon.peers import listen


class Entrance:
    """A door with its router, and clients before it."""

    def __init__(self, folder: Path, most: int) -> None:
        self.path = str(folder / "s")
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.router: zmq.Socket[bytes] = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.door = Door(listen(self.path), self.router, most, lambda _: False)
        self._dealers: list[zmq.Socket[bytes]] = []
        self.plain: list[socket.socket] = []

    def dealer(self) -> "zmq.Socket[bytes]":
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(f"ipc://{self.path}")
        self._dealers.append(dealer)
        return dealer

    def connect(self) -> socket.socket:
        plain = socket.socket(socket.AF_UNIX)
        plain.connect(self.path)
        plain.setblocking(False)
        self.plain.append(plain)
        return plain

    async def message(self) -> tuple[bytes, zmq.Frame]:
        """The routing id of the next message, and its first frame."""
        await until(lambda: bool(self.router.poll(0)))
        first = self.router.recv(copy=False)
        self.router.recv_multipart()
        return first.bytes, first

    def close(self) -> None:
        self.door.close()
        for one in [*self._dealers, self.router]:
            one.close(linger=0)
        for plain in self.plain:
            plain.close()
        self.context.term()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


def at(folder: Path, what: Callable[[Entrance], Coroutine[None, None, None]], most: int = 100) -> None:
    async def scene() -> None:
        entrance = Entrance(folder, most)
        try:
            await what(entrance)
        finally:
            entrance.close()

    asyncio.run(scene())


def greeting(plain: socket.socket) -> bytes | None:
    """What ZeroMQ says to whoever is let in; None where nothing has come yet, empty when it has closed."""
    try:
        return plain.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def test_a_message_tells_whose_process_has_sent_it(tmp_path: Path) -> None:
    async def what(entrance: Entrance) -> None:
        entrance.dealer().send(b"x")
        routing, frame = await entrance.message()
        entrance.door.heard(routing, frame)
        assert entrance.door.uid_of(routing, frame) == os.getuid()
        (connection,) = entrance.door.connections
        assert (connection.pid, connection.uid, connection.routing) == (os.getpid(), os.getuid(), routing)

    at(tmp_path, what)


def test_a_message_by_a_protocol_that_names_no_sender_is_taken_as_our_own_users(tmp_path: Path) -> None:
    async def what(entrance: Entrance) -> None:
        entrance.connect().sendall(b"\x01\x00\x02\x00x")  # ZMTP 1.0: no name, and a message of one byte
        routing, frame = await entrance.message()
        with pytest.raises(zmq.ZMQError):
            frame.get(zmq.SRCFD)
        entrance.door.heard(routing, frame)
        assert entrance.door.uid_of(routing, frame) == os.getuid()
        (connection,) = entrance.door.connections
        assert connection.routing is None, "so it is shut out as one that says no hello"

    at(tmp_path, what)


def test_memory_that_ended_sessions_leave_is_given_back_though_their_connections_have_gone_long_ago(
    tmp_path: Path,
) -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p

    async def what(entrance: Entrance) -> None:
        blocks = [ctypes.c_void_p(libc.malloc(1000)) for _ in range(10_000)]
        last = ctypes.c_void_p(libc.malloc(1000))  # so that the C library can't give back the others by itself
        for block in blocks:
            libc.free(block)
        held = heap.resident()
        for _ in range(40):
            entrance.door.forgotten()
        await until(lambda: heap.resident() < held - (7 << 20))
        libc.free(last)

    at(tmp_path, what)


def test_libzmq_accepts_nobody_whom_the_door_does_not_let_in(tmp_path: Path) -> None:
    async def what(entrance: Entrance) -> None:
        inside = [entrance.connect() for _ in range(3)]
        await until(lambda: all(greeting(plain) for plain in inside))
        await until(lambda: len(entrance.door.connections) == 3)
        surplus = [entrance.connect() for _ in range(10)]
        await until(lambda: all(greeting(plain) == b"" for plain in surplus))
        assert len(entrance.door.connections) == 3
        assert all(greeting(plain) == b"\xff" for plain in inside)
        inside[0].close()
        await until(lambda: len(entrance.door.connections) == 2)
        newcomer = entrance.connect()
        await until(lambda: greeting(newcomer) == b"\xff")

    at(tmp_path, what, most=3)


def test_a_loop_that_is_busy_lets_nobody_in_meanwhile(tmp_path: Path) -> None:
    """Or libzmq might take the last descriptor while nobody looks."""

    async def what(entrance: Entrance) -> None:
        before = len(os.listdir("/proc/self/fd"))
        waiting = [entrance.connect() for _ in range(50)]
        # This loop does nothing else until here: libzmq had all the time to accept them.
        assert entrance.router.poll(200) == 0
        assert len(os.listdir("/proc/self/fd")) == before + 50
        await until(lambda: all(greeting(plain) for plain in waiting))
        assert len(os.listdir("/proc/self/fd")) == before + 100

    at(tmp_path, what)


def test_where_libzmq_can_not_be_held_back_who_is_too_many_is_shut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "find", lambda _: None)

    async def what(entrance: Entrance) -> None:
        inside = [entrance.connect() for _ in range(3)]
        await until(lambda: len(entrance.door.connections) == 3)
        surplus = entrance.connect()
        await until(lambda: greeting(surplus) == b"\xff")
        surplus.recv(1000)
        await until(lambda: greeting(surplus) == b"")
        assert all(greeting(plain) == b"\xff" for plain in inside)

    at(tmp_path, what, most=3)


def test_shutting_somebody_out_never_hits_who_has_its_descriptor_by_now(tmp_path: Path) -> None:
    async def what(entrance: Entrance) -> None:
        first = entrance.connect()
        await until(lambda: greeting(first) == b"\xff")
        (connection,) = entrance.door.connections
        ours, theirs = socket.socketpair()
        with ours, theirs, open(os.devnull, "rb") as file:
            for fd, inode in ((ours.fileno(), os.fstat(ours.fileno()).st_ino), (file.fileno(), 1), (9999, 1)):
                entrance.door.shut_out(Connection(fd, inode, 0, 1, 0.0, 0.0), "is somebody else")
            assert ours.send(b"x") == 1
        entrance.door.shut_out(Connection(connection.fd, connection.inode + 1, 0, 1, 0.0, 0.0), "was there before")
        first.recv(1000)
        assert greeting(first) is None, "it has ended"
        entrance.door.shut_out(connection, "is meant")
        await until(lambda: greeting(first) == b"")

    at(tmp_path, what)


def test_closing_leaves_no_descriptor_and_the_file(tmp_path: Path) -> None:
    async def what() -> None:
        before = len(os.listdir("/proc/self/fd"))
        entrance = Entrance(tmp_path, 10)
        plain = entrance.connect()
        await until(lambda: greeting(plain) == b"\xff")
        entrance.close()
        assert len(os.listdir("/proc/self/fd")) == before
        assert Path(entrance.path).is_socket(), "it may be another's by now: whoever made it takes it away"

    asyncio.run(what())
