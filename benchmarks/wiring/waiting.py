"""The measurements of one client that looks at what is in the cache, while others load the daemon or stand still."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .clients import prober, stopped, submitter
from .figures import latencies, ms, percentile, rate
from .people import Person
from .place import Memory, Place
from .raw import Raw
from .setting import BATCH_S, VISIBLE, go, started, warm


def focus(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """Items of the cache come on screen while many cold ones are queued."""
    count, in_cache, probes = (3000, 300, 60) if small else (20_000, 2000, 400)
    with Place(pictures) as place, ExitStack() as stack:
        cached = warm(place, in_cache)
        paths = place.names(count)
        quiet = started(stack, prober, place.socket, cached, place.flavor, VISIBLE, probes // 2, 0.05)
        go(quiet)
        idle = quiet.result(BATCH_S)
        command = started(stack, submitter, place.socket, "command", paths, place.flavor, "normal")
        asking = started(stack, prober, place.socket, cached, place.flavor, VISIBLE, probes, 0.05)
        go(command)
        command.note(60.0)
        time.sleep(1.0)
        before = place.cpu()
        go(asking)
        found = asking.result(BATCH_S)
        cpu = place.cpu_since(before)
        left = place.ask("stats")["queue"]["total"]
        command.stop()
        batch = command.result(60.0)
        first = [one for _at, one, _all in found["probes"]]
        span = (found["probes"][0][0], found["probes"][-1][0])
        return {
            "queued": count,
            "queued_at_the_end": left,
            "on_screen": VISIBLE,
            "first": latencies(first),
            "all": latencies([one for _at, _first, one in found["probes"]]),
            "first_without_batch": latencies([one for _at, one, _all in idle["probes"]]),
            "batch_per_s": rate(batch["times"], *span),
            "cpu_s": cpu | {"prober": found["cpu_s"]},
            "good": percentile(first, 50) <= 0.005 and percentile(first, 99) <= 0.020,
        }


def stopping(pictures: Path | None, *, small: bool, heartbeat_ms: int = 10_000) -> dict[str, Any]:
    """A client is stopped by the kernel in the middle of its batch; what another one notices, and how it comes back."""
    rounds, stop_s, count, in_cache = (1, 3.0, 500, 200) if small else (4, 10.0, 1200, 1000)
    with Place(pictures) as place, ExitStack() as stack:
        cached = warm(place, in_cache)
        asking = started(stack, prober, place.socket, cached, place.flavor, VISIBLE, 1_000_000, 0.05)
        memory = Memory(place.pid)
        stack.callback(memory.close)
        go(asking)
        spans: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        truths: list[float] = []
        beats: list[dict[str, Any]] = []
        for number in range(rounds):
            # The other way round each time: whatever drifts, drifts for both.
            for stops in (False, True) if number % 2 == 0 else (True, False):
                span, truth, found = _one_stop(place, number, stops, stop_s, count, heartbeat_ms)
                spans[stops].append(span)
                if stops:
                    truths.append(truth)
                beats.append(found)
        asking.stop()
        probes = asking.result(60.0)["probes"]
    by = {
        stops: [first for at, first, _all in probes if any(low <= at <= high for low, high in spans[stops])]
        for stops in (False, True)
    }
    ratios = {f"p{p}_ratio": round(percentile(by[True], p) / percentile(by[False], p), 3) for p in (50, 95)}
    return {
        "rounds": rounds,
        "stopped_s": stop_s,
        "batch": count,
        "heartbeat_ms": heartbeat_ms,
        "not_stopped": latencies(by[False]),
        "stopped": latencies(by[True]),
        **ratios,
        "daemon_mb_not_stopped": max(memory.most_mb(*span) for span in spans[False]),
        "daemon_mb_stopped": max(memory.most_mb(*span) for span in spans[True]),
        "whole_truth_after_ms": [ms(truth) for truth in truths],
        "began_again": sum(found["again"] for found in beats),
        "gaps": sum(found["gaps"] for found in beats),
        "good": max(ratios.values()) <= 1.1
        and max(truths) <= 2.0
        and all(found["told"] == count and not found["contradictory"] for found in beats),
    }


def parked(pictures: Path | None, *, small: bool) -> dict[str, Any]:
    """The same with a client whose heartbeat is so quick that it counts as silent long before it goes on."""
    return stopping(pictures, small=small, heartbeat_ms=500 if small else 2000)


def _one_stop(
    place: Place, number: int, stops: bool, stop_s: float, count: int, heartbeat_ms: int
) -> tuple[tuple[float, float], float, dict[str, Any]]:
    """One batch of a client that is stopped or not: the time to compare, how long the whole truth took after it went
    on, and what it came to. The batch is over before it goes on."""
    paths = place.names(count)
    batch = f"stopped-{number}-{stops}"
    topics: list[str | bytes] = ["mine", "system", b"folder:" + paths[0].rpartition(b"/")[0]]
    looking = Raw(place.socket, "looking")
    try:
        with Person(stopped, place.socket, paths, place.flavor, batch, topics, heartbeat_ms) as victim:
            go(victim)
            victim.note(60.0)
            time.sleep(0.3)
            began = time.monotonic()
            if stops:
                victim.pause()
            ended, over = began + stop_s, False
            until = began + BATCH_S
            while time.monotonic() < ended or not over:
                looking.hear(0.25)
                over = over or _is_over(looking, batch)
                if time.monotonic() > until:
                    raise TimeoutError(f"the batch of a stopped client has not ended within {BATCH_S:.0f} s")
            goes_on = time.monotonic()
            if stops:
                victim.resume()
            found = victim.result(60.0)
            return (began, ended), max(found["done"], found["last"]) - goes_on, found
    finally:
        looking.bye()


def _is_over(client: Raw, batch: str) -> bool:
    """Whether the daemon has ended the batch (or, without its client, has given it up)."""
    known: dict[str, str] = {one["batch"]: one["state"] for one in client.ask("batches")["batches"]}
    return known.get(batch, "done") == "done"
