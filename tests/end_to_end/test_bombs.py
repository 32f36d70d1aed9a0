"""Pictures that are far more work than they look: each ends by itself, and nobody near it notices."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bomb_jpegs import HONEST
from bombs import BOMBS, fallen, peak, renderers, write
from lone_renderer import LoneRenderer, settings
from thumbd_daemon.settings import Sandbox
from thumbd_home import Home

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

#: What a renderer may have, in bytes: ``settings.renderer_memory``.
LIMIT = 1536 << 20
#: What a file may take of a processor, in seconds: twice what the worst of them takes, or nearly. Time by the clock would
#: tell of the machine's other work as well.
MOST_CPU_S = 10.0
#: How a file may fail that its renderer itself has refused; not `timeout`, `crashed` or `quarantined`.
REFUSED = {"too_big", "decode_error", "unsupported", "memory"}
#: Those that are pictures all the same, and small enough to be made.
MADE: tuple[str, ...] = (
    "144-megapixels.png",
    "64-megapixels.webp",
    "87-megapixels.tif",
    "progressive-80-megapixels.jpg",
    "5000-frames.gif",
)
MADE += ("225-megapixels.j2k", "100000-directories.tif", "exif-loop.jpg", "exif-entries.jpg", "xmp-deep.jpg")


def paint(folder: Path, count: int) -> list[Path]:
    """So many good pictures."""
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (640 + number, 480), "teal").save(folder / f"good-{number}.jpg")
    return sorted(folder.iterdir())


def among(bombs: list[Path], good: list[Path]) -> list[Path]:
    """Every bomb with a good picture behind it."""
    return [path for pair in zip(bombs, good, strict=True) for path in pair]


@pytest.fixture
def well(home: Home) -> Home:
    """A home with a daemon that has patience: how long a file takes is measured elsewhere (``bombs.py --measure``)."""
    home.daemon("--renderers", "2", "--task-timeout", "90")
    return home


def test_each_bomb_ends_by_itself_and_its_neighbours_are_made(well: Home) -> None:
    bombs = write(well.pictures, BOMBS)
    good = paint(well.root / "good", len(bombs))
    result = well.render(*among(bombs, good), timeout_s=380)
    ends = {item["path"]: item for item in result.objects}
    assert len(result.objects) == len(ends) == 2 * len(bombs)
    assert {ends[str(path)]["state"] for path in good} == {"ready"}
    for bomb in bombs:
        end = ends[str(bomb)]
        assert end["state"] == "ready" or (end["error"] in REFUSED and bomb.name in end["message"]), end
    assert {ends[str(well.pictures / name)]["state"] for name in MADE} == {"ready"}

    assert [peak_ for peak_ in fallen(well) if peak_ > LIMIT] == []
    assert all(0 < peak(pid) <= LIMIT for pid in renderers(well))
    health = well.ctl("health", "--json").object
    assert (health["verdict"], health["quarantined"], health["crash_loop"]) == ("ok", 0, False)
    assert not [failure for failure in health["failures"] if failure["kind"] == "renderer"]


def processor_s(pid: int) -> float:
    """Seconds that a process has had of a processor."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_no_bomb_keeps_a_processor_busy_for_long(tmp_path: Path) -> None:
    took: dict[str, float] = {}
    renderer = LoneRenderer(settings(Sandbox.AUTO))
    try:
        for path in write(tmp_path, BOMBS):
            before = processor_s(renderer.pid)
            outcome = renderer.render(os.fsencode(path), 256, 90.0)
            assert not outcome.died, f"{path.name}: {outcome}"
            took[path.name] = processor_s(renderer.pid) - before
    finally:
        renderer.close()
    assert {name: seconds for name, seconds in took.items() if seconds > MOST_CPU_S} == {}


def test_what_is_refused_for_its_size_is_remembered(well: Home) -> None:
    names = (
        "claims.png",
        "passes-1000.jpg",
        "inside.ico",
        "75-megapixels-whole.j2k",
        "large-tile.tif",
        "empty-gzip.fits",
    )
    bombs = write(well.pictures, {name: BOMBS[name] for name in names})
    first = well.render(*bombs)
    assert {item["error"] for item in first.objects} == {"too_big"}
    assert all("at most" in item["message"] or "more than" in item["message"] for item in first.objects)
    second = well.render(*bombs)
    assert second.summary["rendered"] == 0
    assert {item["error"] for item in second.objects} == {"too_big"}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_a_large_picture_that_is_honest_has_its_thumbnail(well: Home, name: str) -> None:
    makers: dict[str, Callable[[], bytes]] = {name: HONEST[name]}
    result = well.render(*write(well.pictures, makers), timeout_s=120)
    (item,) = result.objects
    assert item["state"] == "ready", item["message"]
    assert all(peak(pid) <= LIMIT for pid in renderers(well))
