"""What is said to a person: a tile, sizes, counts, how far and how long."""

from thumbd_client.show import shown
from thumbd_protocol.items import EntryKind, Progress

from .order import Row, Shown


def describe(row: Row) -> str:
    """What there is to say about a tile, in words."""
    if row.kind is EntryKind.FOLDER:
        return "folder"
    parts = []
    if row.shown is Shown.FAILED:
        parts.append(row.reason or "no thumbnail")
    elif row.shown is Shown.PENDING:
        parts.append("thumbnail still to come")
    if row.width and row.height:
        parts.append(f"{row.width} × {row.height}")  # noqa: RUF001 - the sign for dimensions
    if row.size is not None:
        parts.append(size(row.size))
    return ", ".join(parts) or "picture"


def reason(message: str, path: bytes) -> str:
    """A sentence of the daemon's without the file's name at its beginning, for where the name stands beside it."""
    return message.removeprefix(f"{shown(path)}: ")


def size(count: int) -> str:
    """A number of bytes for a person."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counts(pictures: int, folders: int, others: int, failed: int, selected: int, selected_bytes: str | None) -> str:
    """How many there are, for a person."""
    parts = []
    if folders:
        parts.append(_many(folders, "folder"))
    parts.append(_many(pictures, "picture") if pictures else "no pictures")
    text = " · ".join(parts)
    if failed:
        text += f" ({failed:,} without a thumbnail)"
    if others:
        text += f" + {_many(others, 'other file')}"
    if selected:
        text += f" · {selected:,} selected"
        if selected_bytes:
            text += f" ({selected_bytes})"
    return text


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def running(progress: Progress) -> str:
    """How far a batch is, how fast, and how long it still takes."""
    if progress.total is None:
        return f"{progress.done:,} so far"
    text = f"{progress.done:,} of {progress.total:,}"
    if progress.rate > 0:
        text += f" · {progress.rate:.0f}/s" if progress.rate >= 1 else f" · {progress.rate * 60:.0f} a minute"
    if progress.eta_ms is not None:
        text += f" · {duration(progress.eta_ms)}"
    return text


def duration(ms: int) -> str:
    """A span for a person: seconds up to 90, minutes up to 90, then hours."""
    seconds = max(1, round(ms / 1000))
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
