"""``thumbctl top``: children, queues, rates and the last failures, as they change."""

import sys
import time
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from thumbd_protocol.replies import Health, Stats
from thumbd_protocol.requests import HealthRequest, StatsRequest

from .asking import ask
from .connection import Connection
from .events import NoDaemon, NotDone
from .exits import EXIT_FAILED, EXIT_NO_DAEMON, fail
from .session import new_id
from .show import shown, span

_COLOURS = {"ok": "green", "degraded": "yellow", "failing": "red"}
_STATES = {"busy": "green", "stuck": "red", "killed": "red", "backoff": "red", "starting": "yellow"}
_CLASSES = ("critical", "high", "normal", "low", "background")
_MB = 1 << 20
_NAME = 40


def top(interval: float, *, once: bool) -> None:
    """Watch the daemon, a look every `interval` seconds; one look with `once`, or where there is no terminal."""
    console = Console(highlight=False, markup=False)  # a file's name may look like markup
    try:
        with Connection("thumbctl top", autostart=False) as connection:
            if once or not sys.stdout.isatty():
                console.print(look(connection))
                return
            with Live(look(connection), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    _wait(connection, interval)
                    live.update(look(connection), refresh=True)
    except NoDaemon as error:
        fail(str(error), EXIT_NO_DAEMON)
    except NotDone as error:
        fail(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        return


def _wait(connection: Connection, seconds: float) -> None:
    """Wait, and keep the conversation alive meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.poll(left)


def look(connection: Connection) -> RenderableType:
    """One look at the daemon, as a page."""
    stats = ask(connection, StatsRequest(id=new_id()))
    health = ask(connection, HealthRequest(id=new_id()))
    assert isinstance(stats, Stats)
    assert isinstance(health, Health)
    return Group(_head(stats, health), _workers(health), _queue(stats), _failures(health))


def _head(stats: Stats, health: Health) -> RenderableType:
    head = Text()
    head.append(health.verdict, _COLOURS.get(health.verdict, "red"))
    head.append(f" · up {span(stats.uptime_ms / 1000)} · {len(stats.sessions)} sessions")
    rates = stats.throughput
    head.append(f" · {rates['1s']:.0f}/s now, {rates['10s']:.0f}/s in 10 s, {rates['60s']:.0f}/s in 60 s\n")
    items = stats.items
    failed = sum(items["failed"].values())
    head.append(f"{items['ready']:,} ready ({items['cache_hits']:,} from the cache), {failed:,} failed, ")
    head.append(f"{items['cancelled']:,} cancelled · {stats.retries:,} retried, {health.restarts:,} children replaced")
    memory = stats.memory
    head.append(f"\nmemory: daemon {memory['daemon_rss'] // _MB} MB, children {memory['workers_rss'] // _MB} MB, ")
    granted = f"{memory['granted'] // _MB} of {memory['budget'] // _MB} MB granted"
    head.append(f"{granted}, {memory['waiting']} wait for more")
    for reason in health.reasons:
        head.append(f"\n! {reason}", "yellow")
    return head


def _workers(health: Health) -> RenderableType:
    table = _table("PID", "ROLE", "STATE", "MB", "AGE", "TASKS", "AT", "FILE")
    for worker in sorted(health.workers, key=lambda worker: (str(worker["kind"]), worker["age_ms"])):
        state = str(worker["state"])
        task = worker.get("task")
        table.add_row(
            str(worker["pid"] or "-"),
            str(worker.get("role", worker["kind"])),
            Text(state, _STATES.get(state, "")),
            str(worker["rss"] // _MB),
            span(worker["age_ms"] / 1000),
            str(worker["tasks"]),
            f"{worker['task_ms'] / 1000:.1f} s" if task is not None else "",
            _name(task),
        )
    return table


def _queue(stats: Stats) -> RenderableType:
    table = _table("CLASS", "WAITING", "WAIT p50", "p95", "p99 ms", "RENDER p50", "p95", "p99 ms")
    for name in _CLASSES:
        waiting = stats.queue["by_class"].get(name, 0)
        wait, render = stats.wait_ms.get(name), stats.render_ms.get(name)
        if waiting or wait or render:
            table.add_row(name, f"{waiting:,}", *_percentiles(wait), *_percentiles(render))
    return table


def _percentiles(found: dict[str, int] | None) -> list[str]:
    return [f"{found[p]:,}" if found else "" for p in ("p50", "p95", "p99")]


def _failures(health: Health) -> RenderableType:
    if not health.failures:
        return Text("no child has failed", "dim")
    table = _table("AGO", "CHILD", "HOW", "LIVED", "PEAK MB", "FILE")
    for failure in reversed(health.failures):
        table.add_row(
            span(failure["ago_ms"] / 1000),
            f"{failure['kind']} {failure['pid'] or ''}",
            _how(failure),
            f"{failure['seconds']:.1f} s",
            str(failure["rss_peak"] // _MB),
            _name(failure.get("file")),
        )
    return table


def _how(failure: dict[str, Any]) -> str:
    words = f": {failure['last_words']}" if failure["last_words"] else ""
    return f"{failure['cause']} ({failure['detail']}){words}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), expand=columns[-1] == "FILE")
    for place, column in enumerate(columns, 1):
        numbers = column in ("PID", "MB", "TASKS", "WAITING", "PEAK MB") or column.startswith(("WAIT ", "p", "RENDER"))
        # The last column takes what the others leave.
        table.add_column(
            column,
            justify="right" if numbers else "left",
            no_wrap=column != "HOW",
            min_width=None if column in ("HOW", "FILE") else len(column),
            ratio=1 if place == len(columns) and not numbers else None,
        )
    return table


def _name(path: bytes | None) -> str:
    """The end of a path, which says more than its beginning."""
    text = shown(path) if path is not None else ""
    return text if len(text) <= _NAME else f"…{text[1 - _NAME :]}"
