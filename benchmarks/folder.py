"""A folder through daemon and command, cold and warm: wall time, pictures a second, CPU of every process together.

usage: python benchmarks/folder.py FOLDER [--runs N]      prints one JSON object

Each run has a daemon and a cache of its own; "cold" means an empty cache (the pictures themselves are in the page cache
after the first run, which is not counted), "warm" that every thumbnail is there. CPU is what the kernel charges the
daemon with all its children, from start to end, and the command, in milliseconds a picture.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def _cpu_s(usage: Any) -> float:
    return float(usage.ru_utime + usage.ru_stime)


class Bench:
    """Private XDG folders, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = Path(tempfile.mkdtemp(prefix="thumbd-"))
        (self._root / "run").mkdir(mode=0o700)
        self._environ = os.environ | {
            "XDG_RUNTIME_DIR": str(self._root / "run"),
            "XDG_CACHE_HOME": str(self._root / "cache"),
            "XDG_STATE_HOME": str(self._root / "state"),
        }

    def run(self) -> dict[str, float]:
        """One daemon's life around one render; milliseconds of CPU a picture, pictures a second."""
        daemon = subprocess.Popen(
            [sys.executable, "-m", "thumbd_daemon"],
            env=self._environ,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        socket = self._root / "run" / "thumbd" / "v1.sock"
        while not socket.exists():
            time.sleep(0.01)
        time.sleep(1.0)  # every child is ready: a start is measured elsewhere
        command = subprocess.Popen(
            [sys.executable, "-m", "thumbd_client", "render", "--recursive", "--json", str(self._folder)],
            env=self._environ,
            stdout=subprocess.PIPE,
        )
        assert command.stdout is not None
        summary = json.loads(command.stdout.read().splitlines()[-1])
        _pid, _status, command_usage = os.wait4(command.pid, 0)
        command.returncode = 0
        daemon.terminate()
        _pid, _status, daemon_usage = os.wait4(daemon.pid, 0)
        daemon.returncode = 0
        total = summary["total"]
        return {
            "total": total,
            "ready": summary["ready"],
            "rendered": summary["rendered"],
            "wall_s": summary["elapsed_ms"] / 1000,
            "per_s": total / (summary["elapsed_ms"] / 1000),
            "cpu_ms_daemon_and_children": _cpu_s(daemon_usage) * 1000 / total,
            "cpu_ms_command": _cpu_s(command_usage) * 1000 / total,
        }

    def forget(self) -> None:
        """Empty the cache."""
        shutil.rmtree(self._root / "cache", ignore_errors=True)

    def close(self) -> None:
        shutil.rmtree(self._root)


def main() -> None:
    """Run cold and warm in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    bench = Bench(asked.folder.resolve())
    cold: list[dict[str, float]] = []
    warm: list[dict[str, float]] = []
    try:
        bench.run()
        for _ in range(asked.runs):
            bench.forget()
            cold.append(bench.run())
            warm.append(bench.run())
    finally:
        bench.close()
    report = {
        name: {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
        for name, runs in (("cold", cold), ("warm", warm))
    }
    print(json.dumps({"folder": asked.folder.name, "runs": asked.runs, "medians": report}, indent=2))


if __name__ == "__main__":
    main()
