"""Arithmetic of the figures, and how they are shown. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: What never came.
NEVER = math.inf


def percentile(values: Sequence[float], per_cent: float) -> float:
    """Nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(per_cent * len(ordered) / 100) - 1)] if ordered else math.nan


def ms(seconds: float) -> float | None:
    """Seconds as milliseconds for JSON; None for what never came."""
    return round(seconds * 1000, 2) if math.isfinite(seconds) else None


def latencies(seconds: Sequence[float]) -> dict[str, Any]:
    """p50, p95, p99 and the longest of those that came, in milliseconds; None for a percentile that was not reached."""
    came = [one for one in seconds if math.isfinite(one)]
    return {
        "count": len(seconds),
        "never": len(seconds) - len(came),
        "p50_ms": ms(percentile(seconds, 50)),
        "p95_ms": ms(percentile(seconds, 95)),
        "p99_ms": ms(percentile(seconds, 99)),
        "max_ms": ms(max(came, default=math.nan)),
    }


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all shares are equal, 1/n when one has all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def counts_by_second(times: Sequence[float], began: float, ended: float) -> list[int]:
    """How many of `times` fall into each whole second between the two."""
    counts = [0] * int(ended - began)
    for at in times:
        second = int(at - began)
        if 0 <= second < len(counts):
            counts[second] += 1
    return counts


def rate(times: Sequence[float], began: float, ended: float) -> float:
    """How many of `times` there are a second between the two."""
    return round(sum(began <= at < ended for at in times) / max(ended - began, 0.001), 1)


def table(title: str, found: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One measurement as lines: name and figure, nested ones with their path."""
    lines = [f"\n{title}"] if title else []
    for name, value in found.items():
        if isinstance(value, Mapping):
            lines += table("", value, f"{prefix}{name}.")
        else:
            shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
            lines.append(f"  {prefix + name:<44} {'never' if value is None else shown}")
    return lines
