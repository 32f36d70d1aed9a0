"""``thumbctl render`` from the outside: real commands, real daemons, real pictures."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def paint(path: Path | bytes, size: tuple[int, int] = (640, 480), colour: str = "teal") -> None:
    """A plain JPEG at `path`, whatever its name is."""
    with open(path, "wb") as out:
        Image.new("RGB", size, colour).save(out, "JPEG")


def test_a_folder_is_rendered_and_a_second_run_renders_nothing(home: Home) -> None:
    for number in range(20):
        paint(home.pictures / f"{number}.jpg")
    first = home.render(home.pictures)
    assert first.status == 0, first.err
    assert (first.summary["total"], first.summary["ready"], first.summary["rendered"]) == (20, 20, 20)
    for item in first.objects:
        assert item["source"] == "render"
        with Image.open(item["thumbnail"]) as thumbnail:
            assert thumbnail.size == (256, 192)
            assert thumbnail.info["Thumb::URI"] == item["uri"]
    second = home.render(home.pictures)
    assert (second.status, second.summary["cached"], second.summary["rendered"]) == (0, 20, 0)


def test_thumbnails_are_private_files_of_the_flavor_that_was_asked_for(home: Home) -> None:
    paint(home.pictures / "a.jpg", (3000, 1000))
    for flavor, edge in (("normal", 128), ("x-large", 512), ("preview", 2048)):
        result = home.render("--flavor", flavor, home.pictures)
        thumbnail = Path(result.objects[0]["thumbnail"])
        assert stat.S_IMODE(thumbnail.stat().st_mode) == 0o600
        assert stat.S_IMODE(thumbnail.parent.stat().st_mode) == 0o700
        with Image.open(thumbnail) as picture:
            assert max(picture.size) == edge


def test_every_kind_of_bad_input_ends_in_one_state_with_a_sentence(home: Home) -> None:
    paint(home.pictures / "good.jpg")
    whole = (home.pictures / "good.jpg").read_bytes()
    (home.pictures / "empty.png").touch()
    (home.pictures / "text.jpg").write_text("this is a text\n" * 50)
    (home.pictures / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(home.pictures / "pipe.png")
    (home.pictures / "loop.png").symlink_to("loop.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.pictures / "socket.png"))
        names = ["good.jpg", "empty.png", "text.jpg", "truncated.jpg", "pipe.png", "loop.png", "socket.png", "gone.png"]
        result = home.render(*(home.pictures / name for name in names if name not in ("loop.png", "gone.png")))
        folder = home.render(home.pictures)
    assert result.status == 1
    ends = {Path(item["path"]).name: item for item in result.objects}
    assert len(result.objects) == len(ends) == 6
    assert ends["good.jpg"]["state"] == "ready"
    expected = {
        "empty.png": ("decode_error", "is empty"),
        "text.jpg": ("unsupported", "not a picture"),
        "truncated.jpg": ("decode_error", "truncated"),
        "pipe.png": ("unreadable", "a named pipe"),
        "socket.png": ("unreadable", "a socket"),
    }
    for name, (code, words) in expected.items():
        assert ends[name]["state"] == "failed"
        assert ends[name]["error"] == code
        assert words in ends[name]["message"]
        assert name in ends[name]["message"]
    # In a folder an item is a regular file: the pipe, the socket and the loop are none.
    assert {Path(item["path"]).name for item in folder.objects} == {
        "good.jpg",
        "empty.png",
        "text.jpg",
        "truncated.jpg",
    }


def test_odd_names_are_rendered_under_their_exact_uri(home: Home) -> None:
    names = [b"with space.jpg", b"hash#.jpg", b"per%cent.jpg", "日本.jpg".encode(), b"latin-\xe9.jpg", b"new\nline.jpg"]
    for name in names:
        paint(os.path.join(os.fsencode(home.pictures), name))
    result = home.render(home.pictures)
    assert result.status == 0, result.err
    ends = {item["uri"].rpartition("/")[2]: item for item in result.objects}
    assert set(ends) == {
        "with%20space.jpg",
        "hash%23.jpg",
        "per%25cent.jpg",
        "%E6%97%A5%E6%9C%AC.jpg",
        "latin-%E9.jpg",
        "new%0Aline.jpg",
    }
    for item in ends.values():
        with Image.open(item["thumbnail"]) as thumbnail:
            assert thumbnail.info["Thumb::URI"] == item["uri"]
    assert home.render(home.pictures).summary["rendered"] == 0


def test_a_missing_folder_is_named_and_fails(home: Home) -> None:
    result = home.ctl("render", str(home.root / "nowhere"))
    assert result.status == 1
    assert "nowhere: there is no such file or folder" in result.out


def test_an_empty_folder_is_no_failure(home: Home) -> None:
    result = home.render(home.pictures)
    assert (result.status, result.summary["total"]) == (0, 0)


def test_folders_below_are_rendered_only_when_asked_for(home: Home) -> None:
    (home.pictures / "below" / "deeper").mkdir(parents=True)
    paint(home.pictures / "top.jpg")
    paint(home.pictures / "below" / "deeper" / "leaf.jpg")
    (home.pictures / "below" / "back").symlink_to(home.pictures)
    assert home.render(home.pictures).summary["total"] == 1
    assert home.render("--recursive", home.pictures).summary["total"] == 2


def test_a_failure_is_remembered_until_the_file_changes(home: Home) -> None:
    broken = home.pictures / "a.jpg"
    broken.write_text("not a picture")
    first, second = home.render(home.pictures), home.render(home.pictures)
    assert (first.summary["rendered"], second.summary["rendered"]) == (1, 0)
    assert first.objects[0]["message"] == second.objects[0]["message"]
    paint(broken)
    assert home.render(home.pictures).objects[0]["state"] == "ready"


def test_a_cache_that_cannot_be_written_gives_volatile_pictures_and_says_why(home: Home) -> None:
    paint(home.pictures / "a.jpg")
    (home.cache / "thumbnails").write_text("a file where the folder should be")
    result = home.render(home.pictures)
    item = result.objects[0]
    assert item["state"] == "ready"
    assert "a.jpg: its thumbnail can't be kept in" in item["message"]
    with Image.open(item["thumbnail"]) as thumbnail:
        assert thumbnail.size == (256, 192)
    assert Path(item["thumbnail"]).is_relative_to(home.runtime / "thumbd" / "volatile")


def test_where_nothing_can_be_written_each_item_fails_as_disk_full(home: Home) -> None:
    paint(home.pictures / "a.jpg")
    (home.cache / "thumbnails").write_text("a file where the folder should be")
    (home.runtime / "thumbd").mkdir(mode=0o700)
    (home.runtime / "thumbd" / "volatile").write_text("here too")
    result = home.render(home.pictures)
    assert result.status == 1
    assert result.objects[0]["error"] == "disk_full"


def test_plain_output_names_failures_and_ends_with_the_counts(home: Home) -> None:
    paint(home.pictures / "a.jpg")
    (home.pictures / "b.jpg").write_text("no")
    result = home.ctl("render", str(home.pictures))
    assert result.status == 1
    lines = result.out.splitlines()
    assert any("b.jpg: its content is not a picture" in line for line in lines)
    assert lines[-1].startswith("2 pictures: 1 ready, 1 failed (0 from the cache, 2 rendered)")


def test_wrong_usage_is_status_2_and_no_daemon_is_status_3(home: Home) -> None:
    assert home.ctl("render").status == 2
    assert home.ctl("render", "--flavor", "huge", str(home.pictures)).status == 2
    result = home.ctl("render", str(home.pictures), THUMBD_ENDPOINT=f"ipc://{home.root}/nobody.sock")
    assert result.status == 3
    assert "THUMBD_ENDPOINT" in result.err


def test_two_commands_at_once_end_with_one_daemon_and_both_are_served(home: Home) -> None:
    for number in range(30):
        paint(home.pictures / f"{number}.jpg")
    commands = [home.start("thumbd_client", "render", "--json", str(home.pictures)) for _ in range(3)]
    assert [command.wait(60) for command in commands] == [0, 0, 0]
    assert len(home.daemon_pids()) == 1
    for command in commands:
        out, _err = home.output(command)
        assert len(out.splitlines()) == 31


def test_ctrl_c_cancels_what_is_left_and_says_so(home: Home) -> None:
    Image.effect_noise((3000, 2000), 80).save(home.pictures / "0.png", compress_level=1)
    for number in range(1, 200):
        os.link(home.pictures / "0.png", home.pictures / f"{number}.png")
    command = home.start("thumbd_client", "render", str(home.pictures))
    wait_for(lambda: bool(list(home.cache.glob("thumbnails/large/*.png"))), "the first thumbnail")
    command.send_signal(signal.SIGINT)
    assert command.wait(20) == 130
    out, _err = home.output(command)
    assert "cancelled" in out.splitlines()[-1]


def test_the_module_and_the_installed_command_are_the_same_program(home: Home) -> None:
    installed = Path(sys.executable).with_name("thumbctl")
    if not installed.exists():
        pytest.skip("thumbd is not installed beside this Python")
    said = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True, env=home.environ)
    assert said.stdout == home.ctl("--version").out


def test_what_could_not_be_kept_is_counted_and_told_once(home: Home) -> None:
    for number in range(5):
        paint(home.pictures / f"{number}.jpg")
    (home.cache / "thumbnails").write_text("a file where the folder should be")
    result = home.ctl("render", str(home.pictures))
    assert result.status == 0
    assert result.out.count("5 thumbnails could not be kept in the cache:") == 1
    assert home.render(home.pictures).summary["volatile"] == 5


def test_one_bad_argument_does_not_cost_the_others(home: Home) -> None:
    paint(home.pictures / "a.jpg")
    result = home.ctl("render", "/" + "x" * 5000, str(home.root / "nowhere"), str(home.pictures))
    assert result.status == 1
    assert "this path is too long" in result.out
    assert "nowhere: there is no such file or folder" in result.out
    assert "1 picture: 1 ready" in result.out


def test_an_empty_path_and_a_deleted_working_folder_are_wrong_usage(home: Home) -> None:
    assert home.ctl("render", "").status == 2
    gone = home.root / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m thumbd_client render ."
    done = subprocess.run(["sh", "-c", script], env=home.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has been deleted" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_pictures_says_what_might_help(home: Home) -> None:
    assert "there are no pictures here" in home.ctl("render", str(home.pictures)).out
