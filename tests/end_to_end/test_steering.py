"""The commands that look at a daemon and change it while it runs: health, pool, top, quarantine; and its notices."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from PIL import Image

from chaos_harness import health, talk
from thumbd_client.asking import ask
from thumbd_client.session import new_id
from thumbd_home import Home, wait_for
from thumbd_protocol.items import Flavor, Item, Priority
from thumbd_protocol.replies import Notice, Snapshot, Stats, Update
from thumbd_protocol.requests import StatsRequest

pytestmark = pytest.mark.e2e


def paint(home: Home, count: int, size: tuple[int, int] = (3200, 2400)) -> list[Path]:
    noise = Image.effect_noise(size, 60).convert("RGB")
    noise.save(home.pictures / "0000.jpg", quality=92)
    paths = [home.pictures / f"{number:04}.jpg" for number in range(count)]
    for path in paths[1:]:
        os.link(paths[0], path)
    return paths


def renderers(home: Home) -> int:
    with talk(home, "a test") as connection:
        workers = health(connection).workers
    return sum(worker["kind"] == "renderer" and worker["state"] != "retiring" for worker in workers)


def failures(home: Home) -> int:
    with talk(home, "a test") as connection:
        return len(health(connection).failures)


def test_a_healthy_daemon_says_ok_and_names_each_child(home: Home) -> None:
    home.daemon()
    wait_for(lambda: len(home.workers("renderer")) == 2, "one renderer and a spare")
    told = home.ctl("health")
    assert told.status == 0
    assert told.out.splitlines()[0] == "ok"
    found = home.ctl("health", "--json").object
    assert (found["verdict"], found["reasons"], found["restarts"], found["lingering"]) == ("ok", [], 0, 0)
    roles = sorted(worker["role"] for worker in found["workers"])
    assert roles == ["listing", "quick", "quick", "quick", "renderer", "renderer", "sentinel"]
    assert {worker["pid"] for worker in found["workers"]} == {
        child.pid for child in psutil.Process(home.daemon_pids()[0]).children()
    }
    assert all(worker["rss"] > 1 << 20 for worker in found["workers"])
    assert found["sandbox"]["state"] in {"full", "partial"}


def test_without_a_daemon_the_commands_say_so_and_start_none(home: Home) -> None:
    for command in (["health"], ["pool"], ["quarantine"], ["top", "--once"]):
        told = home.ctl(*command)
        assert told.status == 3
        assert told.err.startswith("thumbctl: no daemon answers")
    assert not home.daemon_pids()


def test_the_pool_grows_with_work_to_what_it_is_told_while_it_runs(home: Home) -> None:
    paint(home, 2000)
    home.daemon("--renderers", "2")
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: renderers(home) == 3, "two at work and a spare")
    told = home.ctl("pool", "--min", "2", "--max", "4")
    assert (told.status, told.out.split(",")[0]) == (0, "2 to 4 renderers")
    wait_for(lambda: renderers(home) == 5, "four at work and a spare")
    assert home.ctl("pool", "--max", "1").status == 1
    assert "the least (2) is more than the most (1)" in home.ctl("pool", "--max", "1").err
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == 130
    assert home.ctl("pool").out.startswith("2 to 4 renderers, and one warm spare; now 5")


def test_renderers_that_nobody_needs_any_more_leave(home: Home) -> None:
    home.daemon("--renderers", "4", "--min-renderers", "4")
    wait_for(lambda: renderers(home) == 5, "five renderers")
    assert home.ctl("pool", "--min", "1", "--max", "1").status == 0
    wait_for(lambda: renderers(home) == 2, "one renderer and a spare", 30)
    found = home.ctl("health", "--json").object
    assert (found["restarts"], found["failures"]) == (0, []), "to leave when asked is no death"


def test_top_shows_children_queues_rates_and_the_last_failures(home: Home) -> None:
    paint(home, 2000)
    home.daemon()
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: len(home.workers("renderer")) == 3, "renderers")
    os.kill(home.workers("renderer")[0], signal.SIGKILL)
    wait_for(lambda: failures(home) > 0, "the failure")
    page = home.ctl("top", "--once", COLUMNS="200").out
    assert page.startswith("ok · up ")
    for word in ("renderer", "quick", "listing", "sentinel", "busy", "normal", "killed by somebody else (SIGKILL)"):
        assert word in page
    assert f"{home.pictures}"[-20:] in page
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == 130


def test_stats_count_what_was_done(home: Home) -> None:
    paths = paint(home, 20, (400, 300))
    (home.pictures / "bad.jpg").write_bytes(b"nothing that could be decoded")
    home.daemon()
    home.render(home.pictures)
    home.render(home.pictures)
    with talk(home, "looker") as connection:
        connection.session.submit_items([Item(os.fsencode(paths[0]), Flavor.NORMAL)], Priority.HIGH, "one")
        stats = ask(connection, StatsRequest(id=new_id()))
        assert isinstance(stats, Stats)
    assert stats.items["ready"] in (40, 41)
    assert stats.items["cache_hits"] == 20
    assert stats.items["failed"] == {"unsupported": 2}
    assert stats.queue["capacity"] == 200_000
    assert stats.render_ms["normal"]["p50"] > 0
    assert stats.wait_ms["normal"]["p99"] >= stats.wait_ms["normal"]["p50"]
    assert stats.throughput["60s"] > 0
    assert [session["name"] for session in stats.sessions] == ["looker"]
    assert stats.memory["workers_rss"] > stats.memory["daemon_rss"] > 10 << 20
    assert json.loads(json.dumps(stats.batches)) == {"open": stats.batches["open"], "durable": 0}


def test_who_subscribes_to_system_hears_of_trouble_and_of_its_end(home: Home) -> None:
    """The cache can't be written for a while."""
    paths = paint(home, 2, (400, 300))
    home.daemon()
    with talk(home, "listener") as connection:
        connection.session.subscribe("system")
        heard: list[object] = []

        def hear(what: str, kind: type, text: str = "") -> None:
            def found() -> bool:
                for event in connection.poll(0.2):
                    if isinstance(event, Update | Snapshot):
                        connection.session.processed()
                    heard.append(event)
                return any(isinstance(event, kind) and text in str(event) for event in heard)

            wait_for(found, what)

        hear("the snapshot, which is empty", Snapshot)
        wait_for((home.cache / "thumbnails").is_dir, "the folder, which scouts make at their birth")
        (home.cache / "thumbnails").rmdir()
        (home.cache / "thumbnails").write_text("a file where a folder should be")
        assert home.render(paths[0]).summary["volatile"] == 1
        hear("the trouble", Notice, "degraded")
        assert "can't be kept in" in str(heard[-1])
        (home.cache / "thumbnails").unlink()
        assert home.render(paths[1]).summary["volatile"] == 0
        hear("the recovery", Notice, "recovered")
