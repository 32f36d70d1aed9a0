"""A file system that stops answering: its own files wait and then fail, everything else goes on as if nothing happened."""

import time

import pytest
from PIL import Image

from hanging_mount import HangingMount
from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def paint(home: Home, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (1200, 900), (number, 50, 90)).save(home.pictures / f"{number}.jpg")


@pytest.mark.parametrize("how", ["stat", "read"])
def test_a_mount_that_hangs_costs_its_own_files_ten_seconds_and_others_nothing(
    home: Home, hanging: HangingMount, picture: bytes, how: str
) -> None:
    paint(home, 30)
    hanging.add(picture, f"stuck-{how}.jpg", "a.jpg", "b.jpg")
    daemon = home.daemon()
    hanging.hang()
    stuck = home.start("thumbd_client", "render", "--json", str(hanging.mount / f"stuck-{how}.jpg"))
    wait_for(lambda: "does not answer" in home.output(daemon)[1], "the daemon's noticing")
    # Another folder goes on while the stuck one is waited for.
    assert home.render(home.pictures).status == 0
    assert stuck.poll() is None
    health = home.ctl("health", "--json")
    assert health.status == 1
    assert health.object["reasons"] == [f"the file system at {hanging.mount} does not answer"]
    # What waits for the mount ends after ten seconds, with a sentence.
    waiting = home.render(hanging.mount / "a.jpg", hanging.mount / "b.jpg").objects
    assert stuck.wait(30) == 1
    out, _err = home.output(stuck)
    assert f"stuck-{how}.jpg: its file system does not answer; try again later" in out
    if how == "stat":  # the look's process can't even be killed: nobody else is sent there
        assert [item["error"] for item in waiting] == ["unreadable", "unreadable"]
        began = time.monotonic()
        assert home.render(hanging.mount / "b.jpg").objects[0]["error"] == "unreadable"
        assert time.monotonic() - began < 5, "it was waited for"
        assert home.ctl("health", "--json").object["lingering"] == 1
    hanging.answer()
    wait_for(lambda: home.ctl("health").status == 0, "the recovery")
    names = [hanging.mount / f"stuck-{how}.jpg", hanging.mount / "a.jpg", hanging.mount / "b.jpg"]
    assert [item["state"] for item in home.render(*names).objects] == ["ready"] * 3
    assert home.ctl("quarantine").out == "no file quarantined\n"


def test_a_folder_that_hangs_below_is_left_out_and_named(home: Home, hanging: HangingMount, picture: bytes) -> None:
    hanging.add(picture, "stuck-list/x.jpg")
    (home.pictures / "link-free").mkdir()
    paint(home, 5)
    below = home.pictures / "below"
    below.mkdir()
    hanging.hang()
    # Seen from above, the mount lies among folders that answer.
    run = home.render("--recursive", home.root / "pictures", hanging.mount / "stuck-list", timeout_s=60)
    assert run.summary["ready"] == 5
    assert run.status == 1
    assert f"{hanging.mount}/stuck-list: its file system does not answer" in " ".join(run.summary["problems"])


@pytest.mark.parametrize("how", ["stat", "read"])
def test_a_daemon_with_children_that_hang_ends_in_its_time(
    home: Home, hanging: HangingMount, picture: bytes, how: str
) -> None:
    hanging.add(picture, f"stuck-{how}.jpg")
    daemon = home.daemon()
    hanging.hang()
    command = home.start("thumbd_client", "render", str(hanging.mount / f"stuck-{how}.jpg"))
    wait_for(lambda: "does not answer" in home.output(daemon)[1], "the daemon's noticing")
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait(15) == 0
    # 5 s for what is under way, 1 to leave, 0.5 for SIGTERM, 2 for SIGKILL.
    assert time.monotonic() - began < 10
    assert not home.socket.exists()
    assert command.wait(10) == 1
