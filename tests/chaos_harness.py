"""Killing what a daemon lives of while it works, and counting what became of every item.

Used in a short form by the tests and in the long one by ``make chaos`` (``python tests/chaos_harness.py --help``).
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from thumbd_client.asking import ask
from thumbd_client.connection import Connection
from thumbd_client.session import new_id
from thumbd_home import Home, wait_for
from thumbd_protocol.items import Flavor, Item, Priority
from thumbd_protocol.replies import Done, Health, Snapshot, Stats, Update
from thumbd_protocol.requests import HealthRequest, StatsRequest

NOBODY = 65_534
#: What the long form's figures may be at most.
_BOUNDS: dict[str, dict[str, float]] = {
    "replacement": {"p50_ms": 15, "p95_ms": 80},
    "orphans": {"max_ms": 50},
    "cycles": {"processes": 0, "sockets": 0, "files_left": 0},
}
#: A run that makes no progress for so long has failed, in seconds.
_STILL_S = 60.0


@dataclass
class Report:
    """What became of a run. `twice` and `lost` must be 0; `failed` counts by code."""

    items: int
    seed: int
    user: int
    ready: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    twice: int = 0
    lost: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    restarts: int = 0
    crash_loop: bool = False
    seconds: float = 0.0
    start_ms: float = 0.0
    zombies: int = 0
    descriptors: tuple[int, int] = (0, 0)
    rss_mb: tuple[int, int] = (0, 0)

    @property
    def good(self) -> bool:
        """Every item ready, once; nobody left behind, nothing kept: five descriptors for the third renderer, and about a
        kilobyte for each name of the batch that has just ended."""
        whole = self.ready == self.items and not (self.twice or self.lost or self.failed)
        flat = self.descriptors[1] - self.descriptors[0] <= 8
        flat = flat and self.rss_mb[1] - self.rss_mb[0] <= 8 + self.items // 1000
        return whole and flat and not self.zombies and not self.crash_loop


@contextmanager
def talk(home: Home, name: str) -> Iterator[Connection]:
    """A conversation with the home's daemon from this process."""
    before = os.environ.get("THUMBD_ENDPOINT")
    os.environ["THUMBD_ENDPOINT"] = f"ipc://{home.socket}"
    try:
        with Connection(name, autostart=False) as connection:
            yield connection
    finally:
        if before is None:
            del os.environ["THUMBD_ENDPOINT"]
        else:
            os.environ["THUMBD_ENDPOINT"] = before


def usable_by(user: int) -> bool:
    """Whether an ordinary user can run this very Python and thumbd in it (not, where they lie in root's home)."""
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--", "sh", "-c"]
    test = f'"{sys.executable}" -c "import thumbd_daemon.service, thumbd_client.ctl"'
    return subprocess.run([*command, test], capture_output=True, check=False, cwd="/").returncode == 0


def health(connection: Connection) -> Health:
    found = ask(connection, HealthRequest(id=new_id()))
    assert isinstance(found, Health)
    return found


def all_ready(found: Health) -> bool:
    """Whether every child is set up; in a daemon's first moments there is nobody yet who would end the others."""
    return len(found.workers) >= 6 and all(worker["state"] == "ready" for worker in found.workers)


def settled(found: Health, kind: str) -> list[int]:
    """The pids of renderers or scouts that have said ready, and live."""
    return [int(w["pid"]) for w in found.workers if w["kind"] == kind and w["state"] in ("ready", "busy")]


def start_time(connection: Connection) -> float:
    """How long a renderer's replacement takes to be ready, in seconds: the median of three."""
    times: list[float] = []
    for _ in range(3):
        before = settled(health(connection), "renderer")
        os.kill(before[-1], signal.SIGKILL)
        began = time.monotonic()
        while not set(settled(health(connection), "renderer")) - set(before):
            if time.monotonic() - began > _STILL_S:
                raise AssertionError("a killed renderer is not replaced")
        times.append(time.monotonic() - began)
    return statistics.median(times)


class Killer(threading.Thread):
    """Kills a random ready renderer or scout every `every_s` seconds, over a connection of its own."""

    def __init__(self, home: Home, every_s: float, rng: random.Random) -> None:
        super().__init__()
        self._home, self._every_s, self._rng = home, every_s, rng
        self._stop_it = threading.Event()
        self.kills: Counter[str] = Counter()

    def run(self) -> None:
        with talk(self._home, "killer") as connection:
            while not self._stop_it.wait(self._every_s):
                found = health(connection)
                workers = [(kind, pid) for kind in ("renderer", "scout") for pid in settled(found, kind)]
                if workers:
                    kind, pid = self._rng.choice(workers)
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    self.kills[kind] += 1

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def paint(home: Home, count: int) -> list[bytes]:
    """`count` names of a few small pictures, as files of their own."""
    rng = random.Random(1)
    firsts: list[Path] = []
    for number in range(8):
        first = home.pictures / f"first{number}.jpg"
        noise = Image.effect_noise((rng.randrange(200, 400), rng.randrange(150, 300)), 50).convert("RGB")
        noise.save(first, quality=85)
        first.chmod(0o644)
        firsts.append(first)
    names = [home.pictures / f"{number:05}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        os.link(firsts[number % len(firsts)], name)
    return [os.fsencode(name) for name in names]


def zombies(pid: int) -> int:
    return sum(child.status() == psutil.STATUS_ZOMBIE for child in psutil.Process(pid).children(recursive=True))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def follow(connection: Connection, told: Counter[bytes], failed: Counter[str]) -> None:
    """Hear the batch to its end: how often each item's final state was told, and failures by code."""
    still = time.monotonic()
    while True:
        for event in connection.poll(1.0):
            still = time.monotonic()
            match event:
                case Update(items=items):
                    for item in items:
                        if item.state.final:
                            told[item.path] += 1
                            if item.error is not None:
                                failed[item.error] += 1
                    connection.session.processed()
                case Snapshot():
                    connection.session.processed()
                case Done():
                    return
                case _:
                    pass
        if time.monotonic() - still > _STILL_S:
            return  # what is missing is counted as lost


def storm(items: int, seed: int, user: int | None = None) -> Report:
    """Render `items` small pictures while children are killed; what became of each."""
    home = Home(user)
    report = Report(items, seed, os.geteuid() if user is None else user)
    try:
        paths = paint(home, items)
        daemon = home.daemon()
        with talk(home, "chaos") as connection:
            wait_for(lambda: len(settled(health(connection), "renderer")) >= 2, "renderers")
            start_s = start_time(connection)
            report.start_ms = round(start_s * 1000, 1)
            before = (descriptors(daemon.pid), psutil.Process(daemon.pid).memory_info().rss)
            killer = Killer(home, max(0.05, 2 * start_s), random.Random(seed))
            began = time.monotonic()
            connection.session.submit_items([Item(p, Flavor.NORMAL) for p in paths], Priority.NORMAL, "chaos")
            killer.start()
            told: Counter[bytes] = Counter()
            failed: Counter[str] = Counter()
            follow(connection, told, failed)
            report.seconds = round(time.monotonic() - began, 1)
            killer.stop()
            wait_for(lambda: len(settled(health(connection), "renderer")) >= 2, "renderers afterwards")
            _fill(report, connection, daemon.pid, before, told, failed, killer.kills)
    finally:
        home.close()
    return report


def _fill(
    report: Report,
    connection: Connection,
    pid: int,
    before: tuple[int, int],
    told: Counter[bytes],
    failed: Counter[str],
    kills: Counter[str],
) -> None:
    stats = ask(connection, StatsRequest(id=new_id()))
    assert isinstance(stats, Stats)
    found = health(connection)
    report.failed = dict(failed)
    report.ready = len(told) - sum(failed.values())
    report.twice = sum(count > 1 for count in told.values())
    report.lost = report.items - len(told)
    report.kills = dict(kills)
    report.retries, report.restarts, report.crash_loop = stats.retries, found.restarts, found.crash_loop
    report.zombies = zombies(pid)
    report.descriptors = (before[0], descriptors(pid))
    report.rss_mb = (before[1] >> 20, psutil.Process(pid).memory_info().rss >> 20)


def percentile(values: Sequence[float], per_cent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * per_cent // 100)]


def bytes_read(pid: int) -> int:
    """What a process has read so far (proc(5), ``io``)."""
    with open(f"/proc/{pid}/io", "rb") as file:
        return int(file.readline().split()[1])


def replacement(kills: int) -> dict[str, Any]:
    """From the kill of the one renderer at work until the spare reads the next picture, in milliseconds."""
    home = Home()
    times: list[float] = []
    try:
        noise = Image.effect_noise((3000, 2000), 50).convert("RGB")
        noise.save(home.pictures / "first.jpg", quality=90)
        paths = [home.pictures / f"{number:05}.jpg" for number in range(kills * 25)]
        for path in paths:
            os.link(home.pictures / "first.jpg", path)
        home.daemon("--renderers", "1")
        with talk(home, "latency") as connection:
            wait_for(lambda: len(settled(health(connection), "renderer")) >= 2, "a renderer and a spare")
            items = [Item(os.fsencode(path), Flavor.NORMAL) for path in paths]
            connection.session.submit_items(items, Priority.NORMAL, "latency")
            while len(times) < kills:
                drain(connection, 0.4)
                found = health(connection)
                states = {str(w["state"]): int(w["pid"]) for w in found.workers if w["kind"] == "renderer"}
                if "busy" in states and "ready" in states:
                    times.append(one_replacement(states["busy"], states["ready"]))
    finally:
        home.close()
    ms = [round(one * 1000, 2) for one in times]
    return {"kills": kills, "p50_ms": percentile(ms, 50), "p95_ms": percentile(ms, 95), "max_ms": max(ms)}


def drain(connection: Connection, seconds: float) -> None:
    """Hear what comes for a while, and give the credit back."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for event in connection.poll(left):
            if isinstance(event, Update | Snapshot):
                connection.session.processed()


def one_replacement(busy: int, spare: int) -> float:
    before = bytes_read(spare)
    began = time.monotonic()
    os.kill(busy, signal.SIGKILL)
    while bytes_read(spare) < before + 4096:
        time.sleep(0.0002)
        if time.monotonic() - began > _STILL_S:
            raise AssertionError("the spare does not take over")
    return time.monotonic() - began


def orphans(rounds: int) -> dict[str, Any]:
    """From the daemon's SIGKILL until every descendant has gone, in milliseconds."""
    times: list[float] = []
    for _ in range(rounds):
        home = Home()
        try:
            daemon = home.daemon()
            with talk(home, "looker") as connection:
                wait_for(lambda talk=connection: all_ready(health(talk)), "all children")  # type: ignore[misc]
            below = psutil.Process(daemon.pid).children(recursive=True)
            assert len(below) >= 5
            began = time.monotonic()
            daemon.kill()
            while any(alive(child) for child in below):
                time.sleep(0.0005)
                if time.monotonic() - began > _STILL_S:
                    raise AssertionError(f"orphans live on: {[c for c in below if alive(c)]}")
            times.append((time.monotonic() - began) * 1000)
            daemon.wait()
        finally:
            home.close()
    return {"rounds": rounds, "p50_ms": round(percentile(times, 50), 1), "max_ms": round(max(times), 1)}


def alive(process: psutil.Process) -> bool:
    """Whether it still does anything: a zombie waits for init's reading of its status alone."""
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def cycles(count: int) -> dict[str, Any]:
    """Start and stop a daemon again and again in one home: what is left afterwards."""
    home = Home()
    try:
        began = time.monotonic()
        for number in range(count):
            daemon = home.daemon()
            if number % 2:
                wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
            daemon.send_signal(signal.SIGTERM if number % 3 else signal.SIGINT)
            status = daemon.wait(20)
            assert status == 0, f"cycle {number} ended with status {status}: {home.output(daemon)[1]}"
        left = [
            str(path.relative_to(home.root)) for path in home.runtime.rglob("*") if path.is_file() or path.is_socket()
        ]
        return {
            "cycles": count,
            "seconds": round(time.monotonic() - began, 1),
            "processes": len(home.processes()),
            "sockets": int(home.socket.exists()),
            "files": (files := [name for name in left if not name.endswith("/lock")]),
            "files_left": len(files),
        }
    finally:
        home.close()


def main() -> None:
    """The long form; one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--user", type=int, help="also as this ordinary user (needs root)")
    parser.add_argument("--kills", type=int, default=200, help="for the time of a replacement")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--orphans", type=int, default=20)
    given = parser.parse_args()
    good = True
    if given.user is None and os.geteuid() == 0 and usable_by(NOBODY):
        given.user = NOBODY
    users: list[int | None] = [None] if given.user is None else [None, given.user]
    for user in users:
        for seed in given.seeds:
            report = storm(given.items, seed, user)
            good = good and report.good
            print(json.dumps({"storm": asdict(report)}), flush=True)  # noqa: T201
    for name, what in (("replacement", replacement), ("orphans", orphans), ("cycles", cycles)):
        count = given.kills if name == "replacement" else getattr(given, name)
        if count:
            found = what(count)
            good = good and all(found[key] <= most for key, most in _BOUNDS[name].items())
            print(json.dumps({name: found}), flush=True)  # noqa: T201
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
