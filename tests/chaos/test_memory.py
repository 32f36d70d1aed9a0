"""Pictures that are large together: they wait for each other, none is refused, small ones go on meanwhile."""

import os
import threading
from pathlib import Path

import psutil
import pytest
from PIL import Image

from thumbd_home import Home

pytestmark = pytest.mark.e2e

BUDGET_MB = 320
#: A renderer's memory without a picture, and what sampling may see of a block that is just being given back.
BESIDE = 70 << 20


class Scales:
    """Weighs a home's renderers again and again, in a thread; `most` is the most that they took together."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._weigh)
        self.most = 0
        self.together = 0

    def __enter__(self) -> "Scales":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _weigh(self) -> None:
        while not self._stop.wait(0.02):
            sizes = [size for pid in self._home.workers("renderer") if (size := rss(pid)) > BESIDE]
            self.most = max(self.most, sum(sizes) - len(sizes) * (BESIDE // 2))
            self.together = max(self.together, len(sizes))


def rss(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def paint(folder: Path, name: str, size: tuple[int, int], copies: int) -> None:
    Image.new("RGB", size, "teal").save(folder / f"{name}0.png", compress_level=1)
    for number in range(1, copies):
        os.link(folder / f"{name}0.png", folder / f"{name}{number}.png")


def test_large_pictures_never_add_up_past_the_budget_and_small_ones_go_on(home: Home) -> None:
    paint(home.pictures, "large", (7500, 7000), 5)  # 226 MB each, decoded
    paint(home.pictures, "small", (1000, 800), 40)
    home.daemon("--memory", str(BUDGET_MB), "--renderers", "4")
    with Scales(home) as scales:
        result = home.render(home.pictures, timeout_s=110)
    assert result.status == 0
    assert result.summary["ready"] == 45
    assert 150 << 20 < scales.most < BUDGET_MB << 20
    assert scales.together == 1, "two of them were decoded at once"
    assert home.ctl("health").status == 0


def test_pictures_that_fit_are_decoded_together(home: Home) -> None:
    paint(home.pictures, "large", (7500, 7000), 6)
    home.daemon("--memory", "1000", "--renderers", "3")
    with Scales(home) as scales:
        assert home.render(home.pictures, timeout_s=110).summary["ready"] == 6
    assert scales.together >= 2


def test_a_picture_larger_than_the_whole_budget_is_decoded_alone(home: Home) -> None:
    paint(home.pictures, "large", (7500, 7000), 2)
    paint(home.pictures, "small", (1000, 800), 10)
    home.daemon("--memory", "64", "--renderers", "3")
    with Scales(home) as scales:
        assert home.render(home.pictures, timeout_s=110).summary["ready"] == 12
    assert scales.together == 1
