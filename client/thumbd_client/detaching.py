"""``thumbctl render --detach``: batches that the daemon's journal keeps, and that go on when nobody waits for them."""

import os
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.limits import MAX_PATH_BYTES
from thumbd_protocol.requests import Cancel, Submit

from .chunks import split_items
from .connection import Connection
from .events import NoDaemon, Trouble
from .session import new_id

#: Nobody waits for it: whoever does has precedence.
_PRIORITY: Final = Priority.LOW
#: How long the daemon is waited for when a batch that was interrupted is to be taken back, in seconds.
_PATIENCE_S: Final = 2.0
_MAX_WORD: Final = 24


@dataclass(frozen=True)
class Detached:
    """A batch that was taken: all pictures of `folder`, or so many `files`."""

    batch: str
    folder: bytes | None
    files: int


def short_name(path: bytes | None) -> str:
    """A name for a batch that a person can read and type: the end of `path` in plain letters, and six of chance."""
    text = os.fsdecode(os.path.basename(path)) if path is not None else "files"
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_WORD].strip("-")
    return f"{word or 'batch'}-{secrets.token_hex(3)}"


def detach(
    connection: Connection, asked: Mapping[bytes, bool], flavor: Flavor, *, recursive: bool, hidden: bool
) -> Iterator[Detached]:
    """Have every path made: a batch for each folder, and one for all files (True). Raises NoDaemon, NotDone; what was
    told before stays."""
    for path in asked:
        if len(path) > MAX_PATH_BYTES:
            raise Trouble(f"{os.fsdecode(path[:60])}...: this path is too long for a file")
    for path in (path for path, is_file in asked.items() if not is_file):
        batch = short_name(path)
        folder = Folder(path, flavor, recursive=recursive, hidden=hidden)
        whole = Submit(id=new_id(), folder=folder, priority=_PRIORITY, batch=batch, durable=True)
        _hand_over(connection, batch, [whole])
        yield Detached(batch, path, 0)
    files = [path for path, is_file in asked.items() if is_file]
    if files:
        batch = short_name(files[0] if len(files) == 1 else None)
        chunks = list(split_items(Item(path, flavor) for path in files))
        last = len(chunks) - 1
        submits = [
            Submit(id=new_id(), items=chunk, priority=_PRIORITY, batch=batch, more=place < last, durable=True)
            for place, chunk in enumerate(chunks)
        ]
        _hand_over(connection, batch, submits)
        yield Detached(batch, None, len(files))


def _hand_over(connection: Connection, batch: str, submits: list[Submit]) -> None:
    """Have all of a batch accepted, or nothing: a part of one would wait for its rest for ever."""
    try:
        for submit in submits:
            connection.ask(submit)
    except BaseException as error:
        if not isinstance(error, NoDaemon):
            # It may never have come to be; that it could not be taken back is less than why.
            with suppress(Trouble, TimeoutError):
                connection.ask(Cancel(id=new_id(), batch=batch), _PATIENCE_S)
        raise
