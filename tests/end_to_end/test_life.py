"""A daemon's life from the outside: starting, being killed, losing children, ending."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from PIL import Image

from chaos_harness import all_ready, health, talk
from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def paint_many(folder: Path, count: int, size: tuple[int, int] = (1600, 1200)) -> None:
    """`count` JPEGs that take a moment to decode; hard links to one file, so that they are quickly made."""
    folder.mkdir(exist_ok=True)
    noise = Image.effect_noise(size, 60).convert("RGB")
    noise.save(folder / "0000.jpg", quality=92)
    for number in range(1, count):
        os.link(folder / "0000.jpg", folder / f"{number:04}.jpg")


def thumbnails(home: Home) -> int:
    return len(list(home.cache.glob("thumbnails/large/*.png")))


def test_sigterm_ends_the_daemon_and_every_child_and_takes_the_socket_away(home: Home) -> None:
    daemon = home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    children = home.workers("renderer") + home.workers("scout")
    daemon.terminate()
    assert daemon.wait(15) == 0
    assert not home.socket.exists()
    assert not [pid for pid in children if psutil.pid_exists(pid)]
    assert "no child, no socket, no descriptor is left" in home.output(daemon)[1]


def test_ctrl_c_in_the_middle_of_a_run_ends_the_daemon_in_stages(home: Home) -> None:
    paint_many(home.pictures, 400)
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 5, "the first thumbnails")
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(15) == 0
    # The command is told of each item, and that the rest was not done.
    assert command.wait(30) == 1
    out, _err = home.output(command)
    assert out.count('"state"') == 400
    assert '"error": "shutdown"' in out
    assert not home.daemon_pids()


def test_a_stopped_daemon_is_not_started_again_by_the_command_that_stopped_it(home: Home) -> None:
    home.daemon()
    result = home.ctl("stop")
    assert (result.status, result.out) == (0, "the daemon has ended\n")
    wait_for(lambda: not home.daemon_pids(), "the daemon's end")
    assert home.ctl("status").status == 3
    assert home.ctl("stop").status == 0


def test_a_daemon_that_a_client_started_leaves_when_nobody_needs_it(home: Home) -> None:
    daemon = home.daemon("--idle-exit", "0.5")
    assert daemon.wait(20) == 0
    assert not home.socket.exists()


def test_a_daemon_with_a_session_does_not_leave(home: Home) -> None:
    paint_many(home.pictures, 300)
    daemon = home.daemon("--idle-exit", "2.0")
    assert home.render(home.pictures).status == 0
    assert daemon.wait(20) == 0


def test_a_second_daemon_on_the_same_socket_says_so_and_ends_with_status_3(home: Home) -> None:
    first = home.daemon()
    second = home.start("thumbd_daemon")
    assert second.wait(20) == 3
    assert "another thumbd serves" in home.output(second)[1]
    assert first.poll() is None
    assert home.ctl("status").status == 0


def test_a_daemon_that_was_killed_leaves_no_child_and_its_socket_can_be_taken(home: Home) -> None:
    daemon = home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    daemon.kill()
    daemon.wait()
    wait_for(lambda: not home.workers("renderer") and not home.workers("scout"), "the children's end", 5)
    assert home.socket.exists()
    home.start("thumbd_daemon")
    wait_for(lambda: home.ctl("status").status == 0, "the next daemon")


@pytest.mark.parametrize("kind", ["renderer", "scout"])
def test_killing_children_in_mid_run_loses_nothing(home: Home, kind: str) -> None:
    paint_many(home.pictures, 200)
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    killed = 0
    while command.poll() is None and killed < 8:
        done = thumbnails(home)
        for pid in home.workers(kind)[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        wait_for(lambda done=done: command.poll() is not None or thumbnails(home) > done + 5, "progress")  # type: ignore[misc]
    assert command.wait(60) == 0
    out, _err = home.output(command)
    assert out.count('"state": "ready"') == 200
    assert killed
    assert daemon.poll() is None


def test_killing_the_daemon_in_the_middle_costs_the_command_nothing(home: Home) -> None:
    paint_many(home.pictures, 300)
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 10, "the first thumbnails")
    (daemon,) = home.daemon_pids()
    os.kill(daemon, signal.SIGKILL)
    assert command.wait(60) == 0
    out, err = home.output(command)
    assert out.count('"state": "ready"') == 300
    assert "the daemon has gone" in err
    assert len({line for line in out.splitlines() if '"path"' in line}) == 300


def test_a_hanging_renderer_costs_its_file_a_timeout_and_nobody_else_anything(home: Home) -> None:
    paint_many(home.pictures, 60)
    home.daemon("--task-timeout", "1")
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    # Two stopped renderers stand for two decoders that never come back.
    for pid in home.workers("renderer")[:2]:
        os.kill(pid, signal.SIGSTOP)
    result = home.render(home.pictures)
    assert result.summary["total"] == 60
    assert result.summary["ready"] + result.summary["failed"] == 60
    assert result.summary["ready"] >= 58
    assert {item["error"] for item in result.objects} <= {None, "timeout"}


def test_a_runtime_folder_that_is_open_to_others_is_refused_with_the_mend(home: Home) -> None:
    folder = home.runtime / "thumbd"
    folder.mkdir()
    folder.chmod(0o755)
    daemon = home.start("thumbd_daemon")
    assert daemon.wait(20) == 4
    assert "chmod 700" in home.output(daemon)[1]


def test_ready_and_stopping_are_told_to_systemd(home: Home) -> None:
    import socket

    address = home.root / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(20)
        daemon = home.start("thumbd_daemon", NOTIFY_SOCKET=str(address))
        assert manager.recv(100) == b"READY=1"
        daemon.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert daemon.wait(15) == 0


def test_the_socket_is_for_its_user_alone(home: Home) -> None:
    home.daemon()
    assert home.socket.stat().st_mode & 0o777 == 0o600
    assert home.socket.parent.stat().st_mode & 0o777 == 0o700


def test_an_idle_daemon_costs_next_to_nothing(home: Home) -> None:
    daemon = home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    assert home.ctl("status").status == 0
    process = psutil.Process(daemon.pid)
    switches = process.num_ctx_switches().voluntary
    until = time.monotonic() + 2
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.wait(until - time.monotonic())
    # A loop that polls would wake at least every 100 ms.
    assert process.num_ctx_switches().voluntary - switches < 20


def test_ending_the_daemon_tells_a_large_batch_to_its_end_and_nobody_starts_another(home: Home) -> None:
    paint_many(home.pictures, 1)
    for number in range(1, 9000):
        os.link(home.pictures / "0000.jpg", home.pictures / f"{number:04}.jpg")
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 5, "the first thumbnails")
    assert home.ctl("stop").status == 0
    assert command.wait(30) == 1
    out, _err = home.output(command)
    assert out.count('"state"') == 9000
    assert daemon.wait(15) == 0
    assert not home.daemon_pids()


def endings(home: Home, command: subprocess.Popen[bytes]) -> tuple[int, int]:
    """How many items were told their final state, and how many different ones."""
    out, _err = home.output(command)
    lines = [line for line in out.splitlines() if '"path"' in line]
    return len(lines), len(set(lines))


@pytest.mark.parametrize("how", ["stop --now", "SIGTERM twice"])
def test_ending_the_daemon_in_a_hurry_still_tells_every_item_its_end(home: Home, how: str) -> None:
    paint_many(home.pictures, 1500, (2400, 1800))
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", "--json", "--flavor", "xx-large", str(home.pictures))
    wait_for(lambda: bool(list(home.cache.glob("thumbnails/xx-large/*.png"))), "the first thumbnail")
    if how == "stop --now":
        assert home.ctl("stop", "--now").status == 0
    else:
        daemon.terminate()
        daemon.terminate()
    assert daemon.wait(15) == 0
    assert command.wait(30) == 1
    assert endings(home, command) == (1500, 1500)
    assert "tried once more" not in home.output(daemon)[1]


def test_a_daemon_that_hangs_is_told_of_instead_of_waited_for_for_ever(home: Home) -> None:
    daemon = home.daemon()
    daemon.send_signal(signal.SIGSTOP)
    commands = [home.start("thumbd_client", *words) for words in (["status"], ["render", str(home.pictures)])]
    for command in commands:
        assert command.wait(40) == 3
        assert "does not speak" in home.output(command)[1]


def test_a_daemon_that_is_stopped_for_a_while_blames_nobody_and_loses_nobody(home: Home) -> None:
    """A laptop's lid, a debugger, Ctrl+Z: longer than any patience."""
    paint_many(home.pictures, 200)
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 5, "the first thumbnails")
    before = sorted(home.workers("renderer") + home.workers("scout"))
    daemon.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(12)
    daemon.send_signal(signal.SIGCONT)
    assert command.wait(100) == 0
    assert home.output(command)[0].count('"state": "ready"') == 200
    log = home.output(daemon)[1]
    assert "the daemon itself stood still for" in log
    assert "killing" not in log
    assert set(before) <= set(home.workers("renderer") + home.workers("scout"))
    assert home.ctl("health", "--json").object["restarts"] == 0


def test_a_listing_scout_that_others_kill_again_and_again_costs_the_folder_nothing(home: Home) -> None:
    for number in range(3000):
        (home.pictures / f"{number}.txt").touch()
    paint_many(home.pictures, 30)
    home.daemon()
    for _ in range(4):
        found = home.ctl("health", "--json").object["workers"]
        command = home.start("thumbd_client", "render", "--json", str(home.pictures))
        for worker in found:
            if worker["role"] == "listing":
                os.kill(worker["pid"], signal.SIGKILL)
        assert command.wait(60) == 0
        assert home.output(command)[0].count('"state": "ready"') == 30


def test_children_at_rest_that_somebody_stops_are_replaced(home: Home) -> None:
    """One of each role at the same time."""
    home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "renderers")
    with talk(home, "a test") as connection:
        wait_for(lambda: all_ready(health(connection)), "all ready")
        by_role = {worker["role"]: worker["pid"] for worker in health(connection).workers}
        assert set(by_role) == {"quick", "listing", "sentinel", "renderer"}
        for pid in by_role.values():
            os.kill(pid, signal.SIGSTOP)
        for role, pid in by_role.items():
            wait_for(lambda pid=pid: not psutil.pid_exists(pid), f"the end of the {role}", 30)  # type: ignore[misc]
        wait_for(lambda: health(connection).restarts == 4, "their replacements")
        wait_for(lambda: all_ready(health(connection)), "the replacements' being ready")
        roles = Counter(worker["role"] for worker in health(connection).workers)
        assert roles == {"quick": 3, "listing": 1, "sentinel": 1, "renderer": 2}
    assert home.ctl("health").status == 0
