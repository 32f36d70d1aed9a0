"""The file that decoders are given: bytes like any other file's, and no descriptor."""

import errno
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.renderer.source import Source, opened


def source_of(content: bytes) -> io.BufferedReader:
    fd = os.memfd_create("source")
    os.write(fd, content)
    return opened(fd, len(content))


#: Longer than what is read ahead now and then.
_CONTENT = st.one_of(st.binary(max_size=64), st.binary(min_size=1, max_size=64).map(lambda some: some * 3000))
_STEP = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 200_000)),
    st.tuples(st.just("peek"), st.just(0)),
    st.tuples(st.just("set"), st.integers(-3, 250_000)),
    st.tuples(st.just("current"), st.integers(-200_000, 200_000)),
    st.tuples(st.just("end"), st.integers(-200_000, 1000)),
)


def _take(file: io.BufferedReader, step: tuple[str, int]) -> object:
    """What one step gives, a refusal included."""
    do, number = step
    try:
        match do:
            case "read":
                return file.read(number)
            case "peek":
                return file.peek(1)[:1]
            case _:
                return file.seek(number, ("set", "current", "end").index(do))
    except OSError as error:
        return error.errno


@given(content=_CONTENT, steps=st.lists(_STEP, max_size=20))
def test_it_reads_and_seeks_like_a_file_of_the_same_content(content: bytes, steps: list[tuple[str, int]]) -> None:
    with source_of(content) as ours, open(os.memfd_create("plain"), "wb+", buffering=0) as written:
        written.write(content)
        with open(os.dup(written.fileno()), "rb") as plain:
            plain.seek(0)
            for step in steps:
                assert _take(ours, step) == _take(plain, step)
                assert ours.tell() == plain.tell()


@given(content=_CONTENT, pieces=st.lists(st.integers(0, 100_000), max_size=10))
def test_it_reads_what_memory_holds(content: bytes, pieces: list[int]) -> None:
    memory = io.BytesIO(content)
    with source_of(content) as file:
        for piece in pieces:
            assert file.read(piece) == memory.read(piece)
            assert file.tell() == memory.tell()
        assert file.read() == memory.read()


def test_no_descriptor_can_be_had_from_it() -> None:
    with source_of(b"content") as file:
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        assert isinstance(file.raw, Source)
        with pytest.raises(io.UnsupportedOperation):
            file.raw.fileno()
        assert not file.isatty()
        assert not file.writable()
        assert file.seekable()


def test_the_place_of_the_descriptor_itself_is_left_alone() -> None:
    fd = os.memfd_create("source")
    os.write(fd, b"content")
    shared = os.dup(fd)
    try:
        with opened(fd, 7) as file:
            file.seek(2)
            assert file.read() == b"ntent"
            assert os.lseek(shared, 0, os.SEEK_CUR) == 7
    finally:
        os.close(shared)


def test_behind_the_end_there_is_nothing() -> None:
    with source_of(b"content") as file:
        assert file.seek(100) == 100
        assert file.read(5) == b""
        assert file.seek(-3, os.SEEK_END) == 4
        assert file.read() == b"ent"


def test_a_place_before_the_beginning_is_refused_and_changes_nothing() -> None:
    with source_of(b"content") as file:
        file.seek(3)
        for offset, whence in ((-1, os.SEEK_SET), (-8, os.SEEK_END), (-4, os.SEEK_CUR)):
            with pytest.raises(OSError, match="before the file's beginning") as refusal:
                file.seek(offset, whence)
            assert refusal.value.errno == errno.EINVAL
        assert file.read() == b"tent"


def test_a_file_that_shrinks_ends_earlier_and_one_that_grows_is_read_on() -> None:
    fd = os.memfd_create("source")
    os.write(fd, b"x" * 100_000)
    with opened(fd, 100_000) as file:
        file.read(10)
        os.ftruncate(fd, 70_000)
        assert len(file.read()) == 70_000 - 10
        os.pwrite(fd, b"y", 70_000)
        assert file.read() == b"y"


def test_the_kernels_error_comes_through(tmp_path: Path) -> None:
    with opened(os.open(tmp_path, os.O_RDONLY), 10) as file, pytest.raises(OSError, match="directory"):
        file.read(1)
    writable = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    with opened(writable, 10) as file, pytest.raises(OSError, match="Bad file descriptor") as refusal:
        file.read(1)
    assert refusal.value.errno == errno.EBADF


def test_an_error_of_the_disk_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with source_of(b"content") as file:
        monkeypatch.setattr(os, "preadv", torn)
        with pytest.raises(OSError, match="Input/output error") as refusal:
            file.read()
        assert refusal.value.errno == errno.EIO


def test_the_descriptor_is_closed_in_the_end_and_once() -> None:
    fd = os.memfd_create("source")
    with opened(fd, 0) as file:
        raw = file.raw
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    another = os.memfd_create("another")
    try:
        assert another == fd  # the number is taken again at once
        raw.close()
        file.close()
        os.fstat(another)
    finally:
        os.close(another)


def test_one_that_is_forgotten_is_closed_as_well() -> None:
    fd = os.memfd_create("source")
    forgotten = Source(fd, 0)
    del forgotten
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
