"""What the cage costs, measured: an image, locking, a renderer's start, its memory.

usage: python benchmarks/sandbox.py [--pictures FOLDER] [--rounds N] [--starts N] [--json FILE]

Prints a table; the status is 1 when a goal is missed. Two renderers, one locked in and one not, take turns with each
picture (small JPEGs; without a folder 600 are drawn, always the same), and whose turn comes first changes with each; so
what else the machine does falls on both. Wall time is from before the source is handed over until the answer is there,
CPU time what the kernel charges the renderer between the two.

    image    the cage's cost an image: of each picture the median of its rounds, then the median of all: <= 1 ms
    lock     ``sandbox.lock`` in fresh processes that have decoded the samples, and its parts: median <= 2 ms
    start    from before the process is started until it is ready: median <= 250 ms
    memory   resident, when it is ready and when it has rendered all pictures once: <= 40 MB

`spread` is from the 10th to the 90th percentile, `least` what others' work can't make better. "noisy" is written where
the machine's other work took more than a quarter of a core meanwhile: then CPU times mean something, wall times little.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lone_renderer import LoneRenderer, settings
from thumbd_daemon.rehearsal import terms
from thumbd_daemon.settings import Sandbox
from wiring.figures import percentile, table

_PICTURES: Final = 600
_EDGE: Final = 256
_PATIENCE_S: Final = 60.0
_KINDS: Final = {"caged": Sandbox.REQUIRE, "free": Sandbox.OFF}
#: Milliseconds and megabytes.
_GOALS: Final = {"image_ms": 1.0, "lock_ms": 2.0, "start_ms": 250.0, "memory_mb": 40.0}
#: Seconds of others' work a second of measuring that make it noisy.
_NOISE: Final = 0.25

#: What a renderer does until it is locked in, with a clock beside each part; argv is the terms.
_LOCKING: Final = """
import json, os, sys, time
import msgspec
from thumbd_daemon.records import Terms
from thumbd_daemon.renderer import sandbox
from thumbd_daemon.renderer.limits import become_humble
from thumbd_daemon.renderer.warming import Warmth

terms = msgspec.json.decode(sys.argv[1], type=Terms)
os.dup2(1, 2)
become_humble(terms.address_space, terms.cpu_s)
warmth = Warmth(terms.pixels)
took = {}

def timed(name, do):
    def run(*arguments):
        began, charged = time.perf_counter(), time.thread_time()
        result = do(*arguments)
        took[name] = time.perf_counter() - began, time.thread_time() - charged
        return result
    return run

for module, function, name in (
    (sandbox, "_leave_namespaces", "namespaces"),
    (sandbox, "_give_up_privileges", "privileges"),
    (sandbox, "_deny_files", "landlock"),
    (sandbox.seccomp, "install", "seccomp"),
):
    setattr(module, function, timed(name, getattr(module, function)))
lacks = timed("lock", sandbox.lock)(os.getppid())
warmth_again = timed("samples_again", warmth.check)
warmth_again()
os.write(2, json.dumps({"took": took, "lacks": lacks}).encode())
"""


def drawn(folder: Path) -> None:
    """Small JPEGs, the same ones each time."""
    from PIL import Image

    rng = random.Random(1)
    for number in range(_PICTURES):
        noise = Image.frombytes("RGB", (40, 30), rng.randbytes(3600))
        size = rng.choice([(640, 480), (480, 640), (800, 600)])
        noise.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number:04}.jpg", quality=85)


class Noise:
    """How busy others are while something is measured."""

    def __enter__(self) -> "Noise":
        self._began = time.monotonic()
        self._before = self._others()
        return self

    def __exit__(self, *_: object) -> None:
        self.cores = max(0.0, self._others() - self._before) / (time.monotonic() - self._began)

    @staticmethod
    def _others() -> float:
        """Seconds that all processors worked, less our own, our children's and (while they live) their children's."""
        busy = psutil.cpu_times()
        mine = os.times()
        living = sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children())
        own = mine.user + mine.system + mine.children_user + mine.children_system + living
        return float(busy.user + busy.nice + busy.system + busy.irq + busy.softirq + busy.steal) - own

    def told(self) -> dict[str, Any]:
        return {"others_cores": round(self.cores, 2)} | ({"noisy": True} if self.cores > _NOISE else {})


def cpu_s(pid: int) -> float:
    """What the kernel has charged all threads of a process that is at rest. Not by its processor clock: that of a
    process with a limit on its processor time goes by ticks of milliseconds."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def spread(values: Sequence[float], digits: int = 3) -> dict[str, Any]:
    """Median, where most of them are, and the least, which is what others' work can't make better."""
    return {
        "least": round(min(values), digits),
        "p50": round(statistics.median(values), digits),
        "spread": [round(percentile(values, 10), digits), round(percentile(values, 90), digits)],
    }


def image(pictures: Sequence[Path], rounds: int) -> dict[str, Any]:
    """The cost an image, and the memory of the two renderers."""
    renderers = {kind: LoneRenderer(settings(sandbox)) for kind, sandbox in _KINDS.items()}
    wall: dict[str, list[list[float]]] = {kind: [[] for _ in pictures] for kind in _KINDS}
    cpu: dict[str, list[list[float]]] = {kind: [[] for _ in pictures] for kind in _KINDS}
    memory = {kind: {"ready_mb": _rss_mb(renderer)} for kind, renderer in renderers.items()}
    order = list(_KINDS)
    with Noise() as noise:
        for turn in range(rounds):
            for number, picture in enumerate(pictures):
                order.reverse()
                for kind in order:
                    took, charged = _one(renderers[kind], picture)
                    wall[kind][number].append(took * 1000)
                    cpu[kind][number].append(charged * 1000)
            if turn == 0:
                for kind, renderer in renderers.items():
                    memory[kind][f"after_{len(pictures)}_mb"] = _rss_mb(renderer)
                    renderer.rest()
                    memory[kind]["then_at_rest_mb"] = _rss_mb(renderer)
    for renderer in renderers.values():
        renderer.close()
    found = {"wall_ms": _compared(wall, rounds), "cpu_ms": _compared(cpu, rounds)}
    return {"pictures": len(pictures), "rounds": rounds} | found | {"memory": memory} | noise.told()


def _one(renderer: LoneRenderer, picture: Path) -> tuple[float, float]:
    """Seconds of wall and CPU time for one picture."""
    fd = os.open(picture, os.O_RDONLY | os.O_CLOEXEC)
    try:
        charged, began = cpu_s(renderer.pid), time.perf_counter()
        outcome = renderer.render_opened(fd, _EDGE, _PATIENCE_S)
        took, charged = time.perf_counter() - began, cpu_s(renderer.pid) - charged
    finally:
        os.close(fd)
    assert not outcome.died, f"{picture}: {outcome}"
    return took, charged


def _compared(times: dict[str, list[list[float]]], rounds: int) -> dict[str, Any]:
    """Median of each picture's rounds, then of all pictures; the ratio of each round's sums."""
    typical = {kind: [statistics.median(of_one) for of_one in of_all] for kind, of_all in times.items()}
    costs = [caged - free for caged, free in zip(typical["caged"], typical["free"], strict=True)]
    by_round = {kind: [statistics.median(one[turn] for one in times[kind]) for turn in range(rounds)] for kind in times}
    ratios = [caged / free for caged, free in zip(by_round["caged"], by_round["free"], strict=True)]
    return {
        "caged": spread(typical["caged"]),
        "free": spread(typical["free"]),
        "cost": {name: value for name, value in spread(costs).items() if name != "least"},
        "ratio": {"p50": round(statistics.median(ratios), 3), "rounds": [round(min(ratios), 3), round(max(ratios), 3)]},
    }


def lock(times: int) -> dict[str, Any]:
    """Locking in fresh processes: all of it, and its parts."""
    wall: dict[str, list[float]] = {}
    charged: dict[str, list[float]] = {}
    lacks: list[object] = []
    with Noise() as noise:
        for _ in range(times):
            command = [sys.executable, "-c", _LOCKING, terms(settings(Sandbox.REQUIRE))]
            done = subprocess.run(command, capture_output=True, cwd="/", check=True, timeout=60)
            told = json.loads(done.stdout)
            lacks = told["lacks"]
            for name, (wall_s, cpu) in told["took"].items():
                wall.setdefault(name, []).append(wall_s * 1000)
                charged.setdefault(name, []).append(cpu * 1000)
    return {
        "processes": times,
        "lacks": lacks,
        "lock_ms": spread(wall["lock"]) | {"p95": round(percentile(wall.pop("lock"), 95), 3)},
        "lock_cpu_ms": spread(charged.pop("lock")),
        "parts_ms": {name: spread(values) for name, values in wall.items()},
        "parts_cpu_ms": {name: round(statistics.median(values), 3) for name, values in charged.items()},
    } | noise.told()


def start(times: int) -> dict[str, Any]:
    """From nothing to ready, and what it weighs then; with and without in turn."""
    took: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    charged: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    weight: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    order = list(_KINDS)
    with Noise() as noise:
        for turn in range(times + 1):
            order.reverse()
            for kind in order:
                renderer = LoneRenderer(settings(_KINDS[kind]))
                if turn:  # the first pays for cold files
                    took[kind].append(renderer.ready_s * 1000)
                    charged[kind].append(cpu_s(renderer.pid) * 1000)
                    weight[kind].append(_rss_mb(renderer))
                renderer.close()
    found: dict[str, Any] = {
        kind: {"wall_ms": spread(took[kind], 1), "cpu_ms": spread(charged[kind], 1), "rss_mb": spread(weight[kind], 1)}
        for kind in _KINDS
    }
    return {"starts": times} | found | noise.told()


def _rss_mb(renderer: LoneRenderer) -> float:
    rss: int = psutil.Process(renderer.pid).memory_info().rss
    return round(rss / (1 << 20), 1)


def reached(found: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """Which goals are."""
    memory = found["image"]["memory"]["caged"]
    return {
        "image_ms": found["image"]["wall_ms"]["cost"]["p50"] <= _GOALS["image_ms"],
        "lock_ms": found["lock"]["lock_ms"]["p50"] <= _GOALS["lock_ms"],
        "start_ms": found["start"]["caged"]["wall_ms"]["p50"] <= _GOALS["start_ms"],
        "memory_mb": max(memory.values()) <= _GOALS["memory_mb"],
    }


def measured(folder: Path, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    pictures = sorted(path for path in folder.iterdir() if path.is_file())[:_PICTURES]
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        "lock": lambda: lock(given.starts),
        "start": lambda: start(given.starts),
        "image": lambda: image(pictures, given.rounds),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, run in runs.items():
        found[name] = run()
        print("\n".join(table(name, found[name])), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="small JPEGs; without it they are drawn")
    parser.add_argument("--rounds", type=int, default=5, help="of all pictures (5)")
    parser.add_argument("--starts", type=int, default=50, help="of renderers, with and without each (50)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thumbd-") as own:
        if given.pictures is None:
            drawn(Path(own))
        found = measured(given.pictures or Path(own), given)
    goals = reached(found)
    if given.json is not None:
        given.json.write_text(json.dumps(found | {"goals": goals}, indent=2))
    missed = [name for name, good in goals.items() if not good]
    print(f"\n{'all goals are met' if not missed else 'missed: ' + ', '.join(missed)}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
