"""Handing sources to renderers: never waiting, never for another file than the one that was looked at."""

import os
import socket
from pathlib import Path

from thumbd_daemon.channel import Channel
from thumbd_daemon.records import Open, Opened, OpenFailed, Source
from thumbd_daemon.scout.opening import open_source


def order(path: Path, size: int = 0, mtime_ns: int = 0) -> Open:
    return Open(7, os.fsencode(path), size, mtime_ns, 1, 256)


def test_a_pipe_that_took_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "a.jpg"
    os.mkfifo(pipe)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        # A plain open would hang here until somebody writes.
        answer = open_source(order(pipe), far)
    assert isinstance(answer, OpenFailed)
    assert (answer.code, "a named pipe" in answer.message) == ("unreadable", True)


def test_the_renderer_gets_the_descriptor_and_numbers_and_no_name(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"pixels")
    found = picture.stat()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        assert open_source(order(picture, found.st_size, found.st_mtime_ns), far) == Opened(7)
        received = Channel(near, Source).receive()
    assert received is not None
    record, (fd,) = received
    assert record == Source(7, 6, 256)
    with os.fdopen(fd, "rb") as source:
        assert source.read() == b"pixels"


def test_a_file_that_changed_since_the_look_is_not_handed_over(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"pixels")
    found = picture.stat()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        for size, mtime_ns in ((5, found.st_mtime_ns), (6, found.st_mtime_ns + 1)):
            answer = open_source(order(picture, size, mtime_ns), far)
            assert isinstance(answer, OpenFailed)
            assert (answer.code, answer.changed) == ("stale", True)
        near.setblocking(False)
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        try:
            near.recv(1)
        except BlockingIOError:
            return
    raise AssertionError("something was sent")
