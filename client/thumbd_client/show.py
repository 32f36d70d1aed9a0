"""How a run of ``thumbctl render`` is shown where there is no terminal: plain lines, or JSON for programs.

The bar for terminals is in ``live``, which is imported only there: rich takes longer to load than a small run takes.
"""

import json
import sys
import time
from typing import Any, TextIO
from urllib.parse import quote

from thumbd_protocol.items import ItemUpdate, Progress

from .summary import Summary

#: Pause between two plain lines of progress, in seconds.
_LINE_S = 2.0
#: Failures named one by one in the summary of a run.
_NAMED = 200


def shown(path: bytes) -> str:
    """`path` for a person to read: what is not UTF-8, and control characters, as escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def uri(path: bytes) -> str:
    """The exact URI of an absolute path, percent-encoded as GLib does it."""
    return "file://" + quote(path, safe="!$&'()*+,=:@/")


def span(seconds: float) -> str:
    """A length of time in a few characters."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def in_words(progress: Progress) -> str:
    """One line of progress."""
    total = "?" if progress.total is None else f"{progress.total:,}"
    failed = f" · {progress.failed:,} failed" if progress.failed else ""
    eta = f" · {span(progress.eta_ms / 1000)} left" if progress.eta_ms and progress.done != progress.total else ""
    return f"{progress.done:,} of {total}{failed} · {progress.rate:.0f}/s{eta}"


def summary_lines(summary: Summary) -> list[str]:
    """What a run came to, failures by name and reason."""
    lines = [*summary.problems]
    if summary.volatile:
        lines.append(f"{summary.volatile:,} thumbnails could not be kept in the cache: {summary.not_kept}")
    lines += [item.message or f"{shown(item.path)}: {item.error}" for item in summary.failures[:_NAMED]]
    if len(summary.failures) > _NAMED:
        lines.append(f"... and {len(summary.failures) - _NAMED:,} more failed; --json names each")
    parts = [f"{summary.ready:,} ready"]
    if summary.failed:
        parts.append(f"{summary.failed:,} failed")
    if summary.cancelled:
        parts.append(f"{summary.cancelled:,} cancelled")
    cost = f"{summary.cached:,} from the cache, {summary.rendered:,} rendered"
    what = "picture" if summary.total == 1 else "pictures"
    if not summary.total and summary.good:
        lines.append("there are no pictures here (--recursive looks into the folders below)")
        return lines
    lines.append(f"{summary.total:,} {what}: {', '.join(parts)} ({cost}) in {summary.elapsed_ms / 1000:.1f} s")
    return lines


class Plain:
    """Lines on a stream that is no terminal: how far it is every two seconds, and what is worth telling."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._next = time.monotonic() + _LINE_S

    def item(self, item: ItemUpdate) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_S
            print(in_words(progress), file=self._stream, flush=True)

    def note(self, text: str) -> None:
        print(f"thumbctl: {text}", file=sys.stderr, flush=True)

    def close(self, summary: Summary) -> None:
        for line in summary_lines(summary):
            print(line, file=self._stream)
        self._stream.flush()

    def break_off(self, summary: Summary) -> None:
        if summary.total:
            self.close(summary)


class Json:
    """One JSON object a line: each item's final state, and last a summary."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream

    def item(self, item: ItemUpdate) -> None:
        self._write(
            {
                "path": item.path.decode("utf-8", "replace"),
                "uri": uri(item.path),
                "flavor": item.flavor,
                "state": item.state,
                "thumbnail": _text(item.thumbnail or item.volatile),
                "source": item.source,
                "error": item.error,
                "message": item.message,
            }
        )

    def progress(self, progress: Progress) -> None:
        pass

    def note(self, text: str) -> None:
        print(f"thumbctl: {text}", file=sys.stderr, flush=True)

    def close(self, summary: Summary) -> None:
        names = ("total", "ready", "failed", "cancelled", "cached", "rendered", "volatile", "elapsed_ms", "problems")
        self._write({"summary": True} | {name: getattr(summary, name) for name in names})

    def break_off(self, summary: Summary) -> None:
        self.close(summary)

    def _write(self, value: dict[str, Any]) -> None:
        print(json.dumps(value, ensure_ascii=False), file=self._stream, flush=True)


def _text(path: bytes | None) -> str | None:
    return None if path is None else path.decode("utf-8", "replace")
