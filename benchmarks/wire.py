"""The wire between thumbd and its clients, measured: shared work, windows beside a batch, fairness, focus, a client
that is stopped, a cache that is full.

usage: python benchmarks/wire.py [--pictures FOLDER] [--small] [--only NAME...] [--json FILE]

Prints a table and one JSON object for each measurement; the status is 1 when a goal is missed. Each has a daemon, a
cache and clients of its own; every client is a process with a ZeroMQ context of its own. Cold files are hard links to
the pictures of the folder (without one they are drawn), so there are as many as wanted. Latencies are from just before
the request is sent until its answer has been decoded.

    shared     two windows and a command ask for the same 3,000 cold files: each is rendered once, all are told all
    windows    two windows scroll to cold items while a batch of 20,000 runs: p95 from focus to final state <= 250 ms
    fairness   two equal clients submit 2,000 cold files each: Jain's index >= 0.95, in total and in each second
    focus      cached items come on screen with 20,000 queued: first final state, p50 <= 5 ms, p99 <= 20 ms
    stopped    a client is stopped for 10 s: another's focus ratio <= 1.1; it knows all <= 2 s after it goes on
    parked     the same with a client that was found silent and parked long before it goes on
    cached     20,000 cached items to a client that keeps up: 6,000 a second

``--small`` takes about two minutes, the whole a quarter of an hour where some hundred pictures a second are rendered.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from wiring import measures, waiting
from wiring.figures import table

_MEASURES: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "shared": measures.shared,
    "windows": measures.windows,
    "fairness": measures.fairness,
    "focus": waiting.focus,
    "stopped": waiting.stopping,
    "parked": waiting.parked,
    "cached": measures.cached,
}


def main() -> None:
    """Measure one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="JPEGs; without it they are drawn")
    parser.add_argument("--small", action="store_true", help="to see that it runs; its figures mean little")
    parser.add_argument("--only", nargs="+", choices=_MEASURES, default=list(_MEASURES), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that daemons and clients go with it
    found: dict[str, dict[str, Any]] = {}
    for name in asked.only:
        began = time.monotonic()
        found[name] = _MEASURES[name](asked.pictures, small=asked.small)
        found[name]["took_s"] = round(time.monotonic() - began, 1)
        print("\n".join(table(name, found[name])))
        print(json.dumps({name: found[name]}), flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2))
    missed = [name for name, one in found.items() if not one["good"]]
    print(f"\n{'all goals are met' if not missed else 'missed: ' + ', '.join(missed)}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
