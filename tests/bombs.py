"""Pictures that are far more work than their size tells: made here, written to a folder, and measured.

``python tests/bombs.py --measure DIR`` writes them to DIR and has a daemon render each alone; it prints what each took:
bytes on disk, seconds, the renderer's peak of resident memory, and what became of it.
"""

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

sys.path.insert(0, str(Path(__file__).parent))

from bomb_files import FILES
from bomb_headers import HEADERS
from bomb_jpegs import HONEST, JPEGS
from thumbd_home import Home

#: Every hostile file, by name.
BOMBS: Final[dict[str, Callable[[], bytes]]] = HEADERS | JPEGS | FILES


def write(folder: Path, makers: dict[str, Callable[[], bytes]]) -> list[Path]:
    """Make the files in `folder`; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in makers.items():
        (folder / name).write_bytes(make())
    return [folder / name for name in makers]


def renderers(home: Home) -> list[int]:
    """The pids of the renderers that ``thumbctl health`` lists."""
    told = home.ctl("health", "--json").object
    return [worker["pid"] for worker in told["workers"] if worker["kind"] == "renderer"]


def peak(pid: int) -> int:
    """A process's peak of resident memory in bytes; 0 when it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), default=0)


def fallen(home: Home) -> list[int]:
    """The peaks of resident memory of the renderers that have died, in bytes."""
    failures = home.ctl("health", "--json").object["failures"]
    return [failure["rss_peak"] for failure in failures if failure["kind"] == "renderer"]


class Watch:
    """The largest peak of some processes while something goes on; one that leaves has been looked at before."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = 0

    def __enter__(self) -> Self:
        for pid in self._pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # peaks are counted from now on: proc(5)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, *map(peak, self._pids))


def measure(files: list[Path]) -> None:
    """Render each file alone, and print a row for it."""
    print(f"{'file':40} {'bytes':>11} {'s':>6} {'MB':>5}  what became of it")  # noqa: T201
    home = Home()
    try:
        home.daemon("--renderers", "1")
        for file in files:
            dead = len(fallen(home))
            with Watch(renderers(home)) as watch:
                result = home.render(file, timeout_s=320)
            (item,) = result.objects
            most = max([watch.most, *fallen(home)[dead:]])
            end = "ready" if item["state"] == "ready" else f"{item['error']}: {item['message'].partition(file.name)[2]}"
            seconds = result.summary["elapsed_ms"] / 1000
            print(f"{file.name:40} {file.stat().st_size:11,} {seconds:6.2f} {most >> 20:5}  {end[:150]}", flush=True)  # noqa: T201
    finally:
        home.close()


def main() -> None:
    """Write the files to a folder, and have them measured if that is wanted."""
    parser = argparse.ArgumentParser(description="Write pictures that are far more work than their size tells.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those whose names have this in them")
    parser.add_argument("--measure", action="store_true", help="render each alone and print what it took")
    given = parser.parse_args()
    chosen = {n: m for n, m in (BOMBS | HONEST).items() if not given.names or any(part in n for part in given.names)}
    files = write(given.folder, chosen)
    if given.measure:
        measure(files)


if __name__ == "__main__":
    main()
