"""The measurements of several clients at work at the same time, and of one that reads as fast as it can."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from .clients import submitter, window
from .figures import NEVER, counts_by_second, jain, latencies, percentile, rate
from .place import Place, Published
from .setting import BATCH_S, VISIBLE, go, started, warm

#: What is near the screen, and how long a screen stays, in seconds.
_NEAR: Final = 24
_EVERY_S: Final = (0.3, 0.5)


def _screens(paths: Sequence[bytes], step: int) -> list[tuple[Sequence[bytes], Sequence[bytes]]]:
    """Screens over `paths`, each `step` further than the one before; near is what comes behind the screen."""
    return [
        (paths[at : at + VISIBLE], paths[at + VISIBLE : at + VISIBLE + _NEAR])
        for at in range(0, len(paths) - VISIBLE - _NEAR + 1, step)
    ]


def shared(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """Two windows and a command ask for the same cold files."""
    count = 240 if small else 3000
    with Place(pictures) as place, ExitStack() as stack:
        paths = place.names(count)
        published = Published(place.thumbnails)
        stack.callback(published.close)
        screens = _screens(paths, VISIBLE)
        windows = [
            started(stack, window, place.socket, name, order, place.flavor, _EVERY_S, paths)
            for name, order in (("window-1", screens), ("window-2", screens[::-1]))
        ]
        command = started(stack, submitter, place.socket, "command", paths, place.flavor, "normal")
        before = place.cpu()
        go(*windows, command)
        found = {"command": command.result(BATCH_S)}
        found |= {f"window-{number}": one.result(BATCH_S) for number, one in enumerate(windows, 1)}
        cpu = place.cpu_since(before)
        items = place.ask("stats")["items"]
        time.sleep(0.3)  # what the kernel has told of the cache is read
        often = Counter(published.times.values())
        rendered = set[bytes]().union(*(one["rendered_paths"] for one in found.values()))
        return {
            "files": count,
            "published_names": len(published.times),
            "published_more_than_once": sum(n for times, n in often.items() if times > 1),
            "watch_overflowed": published.overflowed,
            "told_as_rendered": len(rendered),
            "renders_by_stats": items["ready"] - items["cache_hits"],
            "stats": {name: items[name] for name in ("ready", "cache_hits", "joined", "cancelled")},
            "clients": {
                name: {key: one[key] for key in ("told", "ready", "contradictory", "gaps", "cpu_s")}
                for name, one in found.items()
            },
            "command_s": round(found["command"]["ended"] - found["command"]["began"], 2),
            "cpu_s": cpu,
            "good": len(published.times) == count == items["ready"] - items["cache_hits"]
            and set(often) == {1}
            and all(one["told"] == count and not one["contradictory"] for one in found.values()),
        }


def windows(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """Two windows scroll to cold items while a command's batch runs."""
    count = 3000 if small else 20_000
    screens_each = 15 if small else 75
    with Place(pictures) as place, ExitStack() as stack:
        paths = place.names(count)
        scrolling = [
            started(
                stack,
                window,
                place.socket,
                name,
                _screens(place.names(screens_each * (VISIBLE + _NEAR)), VISIBLE + _NEAR),
                place.flavor,
                _EVERY_S,
                (),
            )
            for name in ("window-1", "window-2")
        ]
        command = started(stack, submitter, place.socket, "command", paths, place.flavor, "normal")
        go(command)
        command.note(60.0)
        alone_s = 2 if small else 6
        time.sleep(alone_s)
        before = place.cpu()
        go(*scrolling)
        found = {f"window-{number}": one.result(BATCH_S) for number, one in enumerate(scrolling, 1)}
        cpu = place.cpu_since(before)
        command.stop()
        batch = command.result(60.0)
        began = min(one["began"] for one in found.values())
        ended = max(one["scrolled"] for one in found.values())
        return {
            "batch": count,
            "visible": VISIBLE,
            "near": _NEAR,
            **{
                name: latencies(one["latencies"])
                | {"screens": one["screens"], "near_told": one["near_share"], "cpu_s": one["cpu_s"]}
                for name, one in found.items()
            },
            "seconds": round(ended - began, 1),
            "batch_per_s_alone": rate(batch["times"], batch["accepted"] + alone_s / 2, began),
            "batch_per_s_beside": rate(batch["times"], began, ended),
            "batch_left": count - batch["told"],
            "windows_per_s": round(
                sum(t != NEVER for one in found.values() for t in one["latencies"]) / (ended - began), 1
            ),
            "cpu_s": cpu,
            "good": all(percentile(one["latencies"], 95) <= 0.25 for one in found.values()),
        }


def fairness(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """Two equal clients at the same time."""
    count = 400 if small else 2000
    with Place(pictures) as place, ExitStack() as stack:
        both = [
            started(stack, submitter, place.socket, name, place.names(count), place.flavor, "normal")
            for name in ("one", "other")
        ]
        go(*both)
        found = [one.result(BATCH_S) for one in both]
        began = max(one["accepted"] for one in found)
        ended = min(one["ended"] for one in found)
        seconds = list(zip(*(counts_by_second(one["times"], began, ended) for one in found), strict=True))
        indices = [jain(shares) for shares in seconds]
        totals = [sum(at <= ended for at in one["times"]) for one in found]
        return {
            "items_each": count,
            "seconds": round(ended - began, 1),
            "jain_totals": round(jain(totals), 4),
            "jain_1s_min": round(min(indices, default=1.0), 4),
            "jain_1s_p50": round(percentile(indices, 50), 4),
            "totals_when_the_first_ends": totals,
            "by_second": seconds,
            "good": jain(totals) >= 0.95 and min(indices, default=1.0) >= 0.95,
        }


def cached(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """A client that keeps up asks for what is all in the cache."""
    count = 1000 if small else 20_000
    runs = 2 if small else 5
    rounds: list[dict[str, Any]] = []
    with Place(pictures) as place, ExitStack() as stack:
        paths = warm(place, count)
        for number in range(runs):
            one = started(stack, submitter, place.socket, f"reader-{number}", paths, place.flavor, "normal")
            one.wait_ready()
            before = place.cpu()
            one.go()
            found = one.result(BATCH_S)
            seconds = found["ended"] - found["began"]
            cpu = place.cpu_since(before) | {"client": found["cpu_s"]}
            rounds.append(
                {
                    "per_s": round(count / seconds),
                    "seconds": round(seconds, 3),
                    "accepted_s": round(found["accepted"] - found["began"], 3),
                    "rendered": found["rendered"],
                    "messages": found["messages"],
                    "megabytes": round(found["bytes"] / (1 << 20), 2),
                    "us_of_cpu_each": {kind: round(spent / count * 1e6, 1) for kind, spent in cpu.items()},
                    "told": found["told"],
                }
            )
    rates = [one["per_s"] for one in rounds]
    return {
        "items": count,
        "per_s_median": percentile(rates, 50),
        "per_s": rates,
        "last_run": rounds[-1],
        "good": percentile(rates, 50) >= 6000 and all(one["told"] == count and not one["rendered"] for one in rounds),
    }
