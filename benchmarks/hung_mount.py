"""How much longer a folder takes while a file of another file system hangs: with and without, interleaved.

usage: python benchmarks/hung_mount.py FOLDER [--rounds N]      prints one JSON object; needs FUSE and fusermount3

Each run has a daemon and an empty cache of its own. "stat" hangs a scout's look (a process that can't be killed),
"read" a renderer in the middle of its source; both are asked for half a second before the folder is, and hang until it
is done.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hanging_mount import HangingMount
from thumbd_home import Home, wait_for


def one(folder: Path, hanging: HangingMount, how: str) -> float:
    """Seconds that the folder takes, while nothing, a ``stat`` or a ``read`` hangs elsewhere."""
    home = Home()
    try:
        home.daemon()
        wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
        home.render(home.pictures)  # the command's own files are in memory
        if how != "nothing":
            hanging.hang()
            home.start("thumbd_client", "render", str(hanging.mount / f"stuck-{how}.jpg"))
            time.sleep(0.5)
        began = time.monotonic()
        result = home.render(folder, timeout_s=600)
        took = time.monotonic() - began
        assert result.summary["ready"] > 0
        assert not result.summary["failed"]
        return took
    finally:
        hanging.answer()
        home.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    first = next(path for path in sorted(given.folder.iterdir()) if path.suffix == ".jpg")
    root = Path(tempfile.mkdtemp(prefix="thumbd-"))
    hanging = HangingMount(root)
    hanging.add(first.read_bytes(), "stuck-stat.jpg", "stuck-read.jpg")
    times: dict[str, list[float]] = {"nothing": [], "stat": [], "read": []}
    try:
        one(given.folder, hanging, "nothing")
        for _ in range(given.rounds):
            for how, seconds in times.items():
                seconds.append(one(given.folder, hanging, how))
    finally:
        hanging.close()
        shutil.rmtree(root)
    told: dict[str, Any] = {"pictures": len(list(given.folder.iterdir())), "rounds": given.rounds}
    for how, seconds in times.items():
        told[f"{how}_s"] = round(statistics.median(seconds), 2)
        if how != "nothing":
            ratios = [with_it / without for with_it, without in zip(seconds, times["nothing"], strict=True)]
            told[f"{how}_ratio"] = round(statistics.median(ratios), 3)
            told[f"{how}_ratios"] = [round(ratio, 3) for ratio in ratios]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
