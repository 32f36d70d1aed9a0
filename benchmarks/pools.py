"""thumbd's pool beside ProcessPoolExecutor, loky and pebble: the same tasks, with and without workers being killed.

usage: python benchmarks/pools.py [--pictures FOLDER] [--tasks N] [--rounds N] [--kill-rounds N] [--svg FILE]
                                  [--json FILE] [--only NAME...]        prints markdown tables

A task makes the picture of 256 pixels of one JPEG and writes it. Each contender gets all tasks at once, in a fresh
process for each round, the rounds interleaved; its workers (as many as cores, as nice as thumbd's) are started and
warm before the clock starts. CPU is user and system time of the contender's process and all its descendants, the dead
ones included, between the first task asked for and the last result. Empty tasks, run after that, say what a pool itself
costs.

Then workers are killed with SIGKILL: one, in the middle, and one every quarter of a second (``--kill-every``), up to
``--kills``. Who has not told all results after three times its undisturbed time is ended; those were never resolved.
"""

import argparse
import dataclasses
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pooling import family
from pooling.contenders import CONTENDERS, WORKERS, Contender
from pooling.report import STEADY, Figures, Run, markdown, svg

#: A contender that nobody disturbs may take so long, in seconds.
_UNDISTURBED_S: Final = 1800.0
#: Beyond the time for results: starting, and being ended.
_GRACE_S: Final = 90.0
#: One that is disturbed has so many times its undisturbed time.
_PATIENCE: Final = 3.0
#: Pictures to warm up with, beyond those of the tasks.
_WARM: Final = 8 * WORKERS


# -- one contender, in a process of its own -----------------------------------------------------------------------


def one(name: str, files: Sequence[bytes], folder: Path, patience_s: float, *, with_empty: bool) -> Run:
    """One contender's life; says "started" on stdout when the clock starts."""
    contender = CONTENDERS[name](folder)
    tasks = [(file, os.fsencode(folder / "out" / f"{n}.png")) for n, file in enumerate(files[_WARM:])]
    contender.start(files[:_WARM])
    before = family.cpu_s(os.getpid())
    print("started", flush=True)
    began = time.monotonic()
    outcome = contender.run(tasks, patience_s)
    wall_s = time.monotonic() - began
    after = family.cpu_s(os.getpid())
    lost = sum(not os.path.exists(file) for file in outcome.done)
    if lost:
        raise RuntimeError(f"{name}: {lost} pictures are told as done and are not there")
    empty_cpu_ms = _empty(contender, 4 * len(tasks)) if with_empty and contender.takes_empty else None
    contender.stop()
    return Run(
        tasks=len(tasks),
        done=len(outcome.done),
        failed=outcome.failed,
        never=len(tasks) - len(outcome.done) - outcome.failed,
        wall_s=wall_s,
        last_s=outcome.last_s,
        cpu_s=after - before,
        start_cpu_s=before,
        empty_cpu_ms=empty_cpu_ms,
        how=contender.how(),
        errors=dict(outcome.errors),
    )


def _empty(contender: Contender, count: int) -> float:
    """CPU milliseconds of an empty task."""
    before = family.cpu_s(os.getpid())
    outcome = contender.run([(b"", b"")] * count, _UNDISTURBED_S)
    if len(outcome.done) < count:
        raise RuntimeError(f"only {len(outcome.done)} of {count} empty tasks were done: {outcome.errors}")
    return (family.cpu_s(os.getpid()) - before) * 1000 / count


def _be_one(name: str, folder: Path, patience_s: float, with_empty: bool) -> None:
    """What the process of one contender does; its result is a file."""
    files = (folder / "files").read_bytes().split(b"\0")
    try:
        run = one(name, files, folder, patience_s, with_empty=with_empty)
        (folder / "run.json").write_text(json.dumps(dataclasses.asdict(run)))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        family.end(os.getpid())
        sys.stderr.flush()
        os._exit(0)  # a pool that has lost its workers may never end by itself


# -- all of them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """When workers are killed: `first` and then `every` so many seconds after the clock's start, `most` in all."""

    first: float = 0.0
    every: float = 0.0
    most: int = 0


class Bench:
    """Runs contenders one after the other on `files`; what was seen is in `figures`."""

    def __init__(self, root: Path, files: Sequence[Path], names: Sequence[str]) -> None:
        self._root = root
        self._files = files
        self._names = names
        self.figures = Figures(os.cpu_count() or 0, sys.version.split()[0], {name: [] for name in names}, {})

    def undisturbed(self, rounds: int) -> None:
        """Run each contender `rounds` times, in turn."""
        for number in range(rounds):
            for name in self._names:
                run = self._run(name, _UNDISTURBED_S, Plan(), number)
                if run.done < run.tasks:
                    raise RuntimeError(f"{name} did only {run.done} of {run.tasks} undisturbed: {run.errors}")
                self.figures.clean[name].append(run)

    def disturbed(self, rounds: int, every: float, kills: int) -> None:
        """The same with workers killed; needs the undisturbed times."""
        walls = {name: statistics.median(run.wall_s for run in self.figures.clean[name]) for name in self._names}
        for case in ("one kill", STEADY.format(every)):
            self.figures.killed[case] = {name: [] for name in self._names}
        for number in range(rounds):
            for case, runs in self.figures.killed.items():
                for name in self._names:
                    once = Plan(walls[name] / 2, 0.0, 1)
                    plan = once if case == "one kill" else Plan(every, every, kills)
                    runs[name].append(self._run_killed(name, _PATIENCE * walls[name], plan, number))

    def _run_killed(self, name: str, patience_s: float, plan: Plan, seed: int) -> Run:
        """A run that has lost a worker: one that was over before is made again, with an earlier kill."""
        for share in (1.0, 0.5, 0.25):
            run = self._run(name, patience_s, dataclasses.replace(plan, first=plan.first * share), seed)
            if run.kills:
                return run
        raise RuntimeError(f"{name} is always done before a worker can be killed: more --tasks")

    def _run(self, name: str, patience_s: float, plan: Plan, seed: int) -> Run:
        folder = Path(tempfile.mkdtemp(dir=self._root))
        (folder / "files").write_bytes(b"\0".join(map(os.fsencode, self._files)))
        command = [sys.executable, __file__, "--one", name, "--folder", str(folder), "--patience", str(patience_s)]
        command += [] if plan.most else ["--with-empty"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            process.stdout.readline()
            kills = _kill(process, plan, random.Random(seed))
            process.wait(patience_s + _GRACE_S)
            result = folder / "run.json"
            if not result.exists():
                raise RuntimeError(f"{name} gave no result:\n{(folder / 'log').read_text()[-2000:]}")
            run = Run(**json.loads(result.read_text()) | {"kills": kills})
        finally:
            family.end(process.pid)
            process.kill()
            process.stdout.close()
            shutil.rmtree(folder)
        print(f"{name}: {run}", file=sys.stderr)
        return run


def _kill(process: "subprocess.Popen[bytes]", plan: Plan, chance: random.Random) -> int:
    """Kill workers of a contender by `plan` until it ends; how many were killed."""
    began, killed = time.monotonic(), 0
    at = plan.first
    while killed < plan.most:
        try:
            process.wait(max(0.0, began + at - time.monotonic()))
            break
        except subprocess.TimeoutExpired:
            pass
        killing = family.kill_one(process.pid, chance)
        killed += killing
        # From now, not from the plan: on a busy machine a late kill must not bring the next one forward. Where there is
        # nobody to kill, all of them start just now.
        at = time.monotonic() - began + (plan.every if killing else 0.02)
    return killed


# -- pictures -------------------------------------------------------------------------------------------------------


def draw_pictures(folder: Path, count: int) -> list[Path]:
    """Make `count` JPEGs such as a gallery has, 500 to 2,000 pixels wide: smooth shapes with some grain."""
    from PIL import Image

    chance = random.Random(1)
    files: list[Path] = []
    for number in range(count):
        width = chance.randrange(500, 2000)
        size = (width, round(width * chance.choice((0.56, 0.67, 0.75, 1.0, 1.33))))
        shapes = Image.frombytes("RGB", (12, 8), chance.randbytes(288)).resize(size, Image.Resampling.BICUBIC)
        grain = Image.frombytes("L", (256, 256), chance.randbytes(65536)).resize(size).convert("RGB")
        files.append(folder / f"{number:05}.jpg")
        Image.blend(shapes, grain, 0.08).save(files[-1], quality=85)
    return files


def choose_pictures(folder: Path, count: int) -> list[Path]:
    """`count` JPEGs of `folder`, always the same ones."""
    files = sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    if len(files) < count:
        sys.exit(f"{folder} has {len(files)} JPEGs, {count} are needed: fewer --tasks, or another folder")
    random.Random(1).shuffle(files)
    return files[:count]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="JPEGs; without it they are made")
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kill-rounds", type=int, default=3)
    parser.add_argument("--kill-every", type=float, default=0.25, metavar="SECONDS")
    parser.add_argument("--kills", type=int, default=40, help="at most, in a round with one every --kill-every")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run's figures")
    parser.add_argument("--redraw", type=Path, metavar="FILE", help="measure nothing: report figures of --json")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    for internal, kind in (("--one", str), ("--folder", Path), ("--patience", float)):
        parser.add_argument(internal, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--with-empty", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(asked: argparse.Namespace) -> Figures:
    """All rounds of all contenders."""
    root = Path(tempfile.mkdtemp(prefix="thumbd-"))
    try:
        count = asked.tasks + _WARM
        pictures = root / "pictures"
        pictures.mkdir()
        files = choose_pictures(asked.pictures, count) if asked.pictures else draw_pictures(pictures, count)
        for file in files:
            file.read_bytes()  # into the page cache: disks are measured elsewhere
        bench = Bench(root, files, asked.only)
        bench.undisturbed(asked.rounds)
        if asked.kill_rounds:
            bench.disturbed(asked.kill_rounds, asked.kill_every, asked.kills)
        return bench.figures
    finally:
        shutil.rmtree(root)


def main() -> None:
    """Measure, or be one contender."""
    asked = _arguments()
    if asked.one:
        _be_one(asked.one, asked.folder, asked.patience, asked.with_empty)
    figures = Figures.read(asked.redraw.read_text()) if asked.redraw else measure(asked)
    if asked.json:
        asked.json.write_text(json.dumps(dataclasses.asdict(figures), indent=1))
    if asked.svg:
        asked.svg.write_text(svg(figures))
    print(markdown(figures))


if __name__ == "__main__":
    main()
