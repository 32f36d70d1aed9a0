"""Batches by name: short names, unique beginnings, what is told of each; and what leaves them behind whole or not at all."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_client import Connection, NotDone
from thumbd_client.batches import as_object, line, resolve
from thumbd_client.detaching import detach, short_name
from thumbd_client.events import Trouble
from thumbd_protocol.items import BatchInfo, Flavor, Progress
from thumbd_protocol.limits import MAX_SUBMIT_ITEMS
from thumbd_protocol.replies import Accepted, Error, Ok
from thumbd_protocol.requests import Batches, Cancel, Message, Submit

from .fake_wire import Wire


@pytest.fixture
def wire(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(tmp_path_factory.mktemp("w") / "s") as wire:
        monkeypatch.setenv("THUMBD_ENDPOINT", wire.endpoint)
        yield wire


def info(name: str, *, durable: bool = True, folder: bytes | None = None) -> BatchInfo:
    progress = Progress(name, 120, 118, 2, 0, 7, 0, 3000, 1, 40.0, 72_000)
    return BatchInfo(name, "open", progress, durable=durable, age_ms=3_600_000, folder=folder)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (b"/home/me/Holiday", "holiday"),
        ("/Été à la mer 2023".encode(), "ete-a-la-mer-2023"),
        (b"/" + b"very long " * 9, "very-long-very-long-very"),
        (b"/", "batch"),
        ("/日本".encode(), "batch"),
        (b"/\xff\xfe", "batch"),
        (None, "files"),
    ],
)
def test_a_batch_is_named_after_what_it_is_made_of(path: bytes | None, word: str) -> None:
    assert re.fullmatch(re.escape(word) + "-[0-9a-f]{6}", short_name(path))


@given(st.binary(max_size=300))
def test_any_path_gives_a_name_that_can_be_typed(path: bytes) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,31}", short_name(b"/" + path))


def test_a_batch_is_meant_by_its_name_or_by_a_beginning_that_no_other_has(wire: Wire) -> None:
    names = ["holiday-1a", "holiday-2b", "cats-3c", "cats"]

    def answer(message: Message) -> Iterator[Message]:
        if isinstance(message, Batches):
            yield Ok(reply_to=message.id, batches=[info(name) for name in names])

    wire.answer = answer
    with Connection("test") as connection:
        assert resolve(connection, "holiday-1") == "holiday-1a"
        assert resolve(connection, "cats") == "cats"
        assert resolve(connection, "dogs") == "dogs"  # for the daemon to say that there is none
        with pytest.raises(NotDone, match="several batches begin with 'hol': holiday-1a, holiday-2b"):
            resolve(connection, "hol")
        with pytest.raises(NotDone, match="several"):
            resolve(connection, "")


def test_a_batch_in_a_line_and_for_programs() -> None:
    told = line(info("b-1", folder=b"/home/me\n"), 5)
    assert (
        told
        == "b-1    open     120 of 3,000 · 2 failed · 40/s · 1 min 12 s left  /home/me\\n  (asked for 1 h 00 min ago)"
    )
    assert "ends with its client" in line(info("b", durable=False), 1)
    found = as_object(info("b", folder=b"/f"))
    assert (found["batch"], found["folder"], found["durable"], found["failed"], found["total"]) == (
        "b",
        "/f",
        True,
        2,
        3000,
    )


def accept(message: Message) -> Iterator[Message]:
    if isinstance(message, Submit):
        yield Accepted(reply_to=message.id, batch=message.batch or "", total=None)
    elif isinstance(message, Cancel):
        yield Ok(reply_to=message.id)


def everything(wire: Wire) -> list[Message]:
    found: list[Message] = []
    while not wire.heard.empty():
        found.append(wire.heard.get())
    return found


def test_each_folder_is_a_durable_batch_of_its_own_and_all_files_are_one(wire: Wire) -> None:
    wire.answer = accept
    with Connection("test") as connection:
        asked = {b"/a": False, b"/x.jpg": True, b"/b": False, b"/y.jpg": True}
        taken = list(detach(connection, asked, Flavor.LARGE, recursive=True, hidden=False))
        submits = [message for message in everything(wire) if isinstance(message, Submit)]
    assert [(one.folder, one.files) for one in taken] == [(b"/a", 0), (b"/b", 0), (None, 2)]
    assert [submit.batch for submit in submits] == [one.batch for one in taken]
    assert all(submit.durable for submit in submits)
    assert [submit.folder.recursive for submit in submits if submit.folder is not None] == [True, True]


def test_a_batch_of_many_files_that_is_refused_in_the_middle_is_taken_back(wire: Wire) -> None:
    def answer(message: Message) -> Iterator[Message]:
        if isinstance(message, Submit) and not message.more:
            yield Error(reply_to=message.id, code="internal", message="the journal can't be written", retryable=True)
        else:
            yield from accept(message)

    wire.answer = answer
    with Connection("test") as connection:
        files = {b"/%d.jpg" % number: True for number in range(MAX_SUBMIT_ITEMS + 1)}
        with pytest.raises(NotDone, match="the journal can't be written"):
            list(detach(connection, files, Flavor.LARGE, recursive=False, hidden=False))
        first, second, cancel = (message for message in everything(wire) if isinstance(message, Submit | Cancel))
        assert isinstance(first, Submit)
        assert isinstance(second, Submit)
        assert isinstance(cancel, Cancel)
        assert first.batch == second.batch == cancel.batch


def test_a_path_that_is_too_long_is_told_before_anything_is_asked_for(wire: Wire) -> None:
    with Connection("test") as connection, pytest.raises(Trouble, match="too long for a file"):
        list(detach(connection, {b"/a": False, b"/" + b"x" * 5000: True}, Flavor.LARGE, recursive=False, hidden=False))
    assert wire.heard.empty()


def test_a_name_of_a_file_is_that_of_a_single_one(wire: Wire, tmp_path: Path) -> None:
    wire.answer = accept
    with Connection("test") as connection:
        (one,) = detach(
            connection, {os.fsencode(tmp_path / "Cat.JPG"): True}, Flavor.LARGE, recursive=False, hidden=False
        )
    assert one.batch.startswith("cat-jpg-")
