"""Scouts in their cage, as users meet it: caches that are deleted, made anew, put elsewhere while the daemon runs."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from thumbd_home import Home

pytestmark = pytest.mark.e2e


def paint(folder: Path, count: int, shade: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (320, 240), (shade, number, 99)).save(folder / f"{shade}-{number}.jpg")


def failed_scouts(home: Home) -> list[dict[str, object]]:
    return [death for death in home.ctl("health", "--json").object["failures"] if death["kind"] != "renderer"]


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_cache_that_is_deleted_while_the_daemon_runs_costs_no_file(home: Home, made_anew: bool) -> None:
    paint(home.pictures / "first", 4, 10)
    home.daemon("--verbose")
    assert home.render(home.pictures / "first").summary["ready"] == 4
    shutil.rmtree(home.cache / "thumbnails")
    if made_anew:
        (home.cache / "thumbnails").mkdir()
    paint(home.pictures / "second", 12, 20)
    result = home.render(home.pictures / "second")
    assert result.summary["ready"] == 12
    for item in result.objects:
        assert Path(item["thumbnail"]).is_relative_to(home.cache / "thumbnails"), item
        assert item["message"] is None
    assert failed_scouts(home) == [], "they were asked to leave"
    # And a failure is remembered there.
    (home.pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    shutil.rmtree(home.cache / "thumbnails")
    home.render(home.pictures / "broken.jpg")
    assert len(list((home.cache / "thumbnails" / "fail").rglob("*.png"))) == 1
    assert home.ctl("health", "--json").object["verdict"] == "ok"


def test_a_flavor_that_was_put_elsewhere_by_a_link_is_written_there(home: Home) -> None:
    elsewhere = home.root / "large disk"
    elsewhere.mkdir()
    (home.cache / "thumbnails").mkdir()
    paint(home.pictures, 4, 30)
    (home.cache / "thumbnails" / "large").symlink_to(elsewhere)
    home.daemon()
    assert home.render(home.pictures).summary["ready"] == 4
    assert len(list(elsewhere.glob("*.png"))) == 4


def test_a_flavor_that_is_put_elsewhere_while_the_daemon_runs_is_written_there_too(home: Home) -> None:
    elsewhere = home.root / "large disk"
    elsewhere.mkdir()
    paint(home.pictures, 2, 40)
    home.daemon()
    assert home.render(home.pictures).summary["ready"] == 2
    shutil.rmtree(home.cache / "thumbnails" / "large")
    (home.cache / "thumbnails" / "large").symlink_to(elsewhere)
    paint(home.pictures, 4, 50)
    assert home.render(home.pictures).summary["ready"] == 6
    assert len(list(elsewhere.glob("*.png"))) == 6
    assert failed_scouts(home) == []
