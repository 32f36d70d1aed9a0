"""Batches that nobody waits for: detached, listed, attached to, steered; and the death of everybody meanwhile."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chaos_harness import health, talk
from thumbd_client import Connected, Connection, Event, new_id
from thumbd_home import Home, Result, wait_for
from thumbd_protocol.items import Flavor, Folder, Item, ItemUpdate, Priority
from thumbd_protocol.replies import Accepted, Done, Notice, Snapshot, Update
from thumbd_protocol.requests import Submit

pytestmark = pytest.mark.e2e


def paint(home: Home, count: int, size: tuple[int, int] = (1600, 1200)) -> None:
    """`count` names of one picture that takes a moment to decode."""
    first = home.pictures / "0000.jpg"
    Image.effect_noise(size, 60).convert("RGB").save(first, quality=92)
    for number in range(1, count):
        os.link(first, home.pictures / f"{number:04}.jpg")


def thumbnails(home: Home) -> int:
    return len(list(home.cache.glob("thumbnails/large/*.png")))


def detach(home: Home, *paths: Path | str) -> list[str]:
    """The names of the batches."""
    result = home.ctl("render", "--detach", *map(str, paths or (home.pictures,)))
    assert result.status == 0, result.err
    return result.out.splitlines()


def known(home: Home) -> dict[str, dict[str, Any]]:
    """What ``thumbctl batches`` tells, by name."""
    result = home.ctl("batches", "--json")
    assert result.status == 0, result.err
    return {found["batch"]: found for found in map(json.loads, result.out.splitlines())}


def kill_daemon(home: Home) -> None:
    (pid,) = home.daemon_pids()
    os.kill(pid, signal.SIGKILL)


def told(home: Home, command: "subprocess.Popen[bytes]") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a command with ``--json`` has told so far: items, and its last line."""
    lines = [json.loads(line) for line in home.output(command)[0].splitlines()]
    return [line for line in lines if "path" in line], lines[-1]


def each_once(items: list[dict[str, Any]], count: int) -> None:
    assert len(items) == len({item["path"] for item in items}) == count
    assert {item["state"] for item in items} == {"ready"}


def test_a_detached_batch_goes_on_without_anybody_and_is_attached_to_by_a_beginning_of_its_name(home: Home) -> None:
    paint(home, 200)
    (name,) = detach(home)
    assert name.startswith("pictures-")
    found = known(home)[name]
    assert (found["durable"], found["folder"]) == (True, str(home.pictures))
    assert found["state"] in ("listing", "open")
    result = home.ctl("attach", "--json", name[:-3])
    assert result.status == 0, result.err
    assert (result.summary["total"], result.summary["ready"]) == (200, 200)
    assert thumbnails(home) == 200
    assert known(home)[name]["state"] == "done"
    assert f"{name}  done " in home.ctl("batches").out


def test_detaching_tells_programs_what_each_batch_is(home: Home) -> None:
    paint(home, 3)
    (home.pictures / "below").mkdir()
    arguments = [home.pictures, home.pictures / "below", home.pictures / "0000.jpg", home.pictures / "0001.jpg"]
    result = home.ctl("render", "--detach", "--json", *map(str, arguments))
    assert result.status == 0, result.err
    told = [json.loads(line) for line in result.out.splitlines()]
    assert [(one["folder"], one["files"]) for one in told] == [
        (str(home.pictures), 0),
        (str(home.pictures / "below"), 0),
        (None, 2),
    ]
    assert home.ctl("attach", *(one["batch"] for one in told)).status == 0


def test_a_killed_daemon_costs_whoever_is_attached_nothing_and_each_item_is_told_once(home: Home) -> None:
    paint(home, 200)
    (name,) = detach(home)
    command = home.start("thumbd_client", "attach", "--json", name)
    for least in (10, 60):
        wait_for(lambda least=least: thumbnails(home) > least, "thumbnails")  # type: ignore[misc]
        kill_daemon(home)
        wait_for(lambda: len(home.daemon_pids()) == 1, "the next daemon")
    assert command.wait(60) == 0, home.output(command)[1]
    items, summary = told(home, command)
    each_once(items, 200)
    assert (summary["total"], summary["ready"], summary["problems"]) == (200, 200, [])
    assert "the daemon has gone" in home.output(command)[1]


def test_a_batch_whose_daemon_was_killed_with_nobody_there_is_ended_by_whoever_attaches(home: Home) -> None:
    paint(home, 150)
    (name,) = detach(home)
    wait_for(lambda: thumbnails(home) > 20, "thumbnails")
    kill_daemon(home)
    wait_for(lambda: not home.daemon_pids(), "the daemon's end")
    listed = home.ctl("batches")
    assert (listed.status, home.daemon_pids()) == (3, []), "to list them starts none"
    assert "no daemon answers" in listed.err
    result = home.ctl("attach", "--json", name)
    assert result.status == 0, result.err
    each_once(result.objects, 150)
    assert result.summary["ready"] == 150


def test_ctrl_c_leaves_a_batch_that_goes_on(home: Home) -> None:
    paint(home, 400)
    (name,) = detach(home)
    command = home.start("thumbd_client", "attach", "--json", name)
    wait_for(lambda: "path" in home.output(command)[0], "the first items")
    command.send_signal(signal.SIGINT)
    assert command.wait(20) == 130
    assert f"goes on: thumbctl attach {name}" in home.output(command)[1]
    assert known(home)[name]["cancelled"] == 0
    assert home.ctl("attach", name).status == 0
    assert thumbnails(home) == 400


def test_a_paused_batch_begins_nothing_until_it_goes_on(home: Home) -> None:
    paint(home, 300)
    (name,) = detach(home)
    wait_for(lambda: thumbnails(home) > 10, "thumbnails")
    result = home.ctl("pause", name)
    assert result.status == 0, result.err
    assert result.out.startswith(f"{name}: paused (")
    assert known(home)[name]["state"] == "paused"
    with talk(home, "a test") as connection:
        wait_for(lambda: not any(worker.get("task") for worker in health(connection).workers), "rest")
    made = thumbnails(home)
    assert made < 300
    paint_other = home.root / "other"
    paint_other.mkdir()
    Image.new("RGB", (64, 48), "teal").save(paint_other / "a.jpg")
    assert home.render(paint_other).status == 0  # others are served meanwhile
    assert thumbnails(home) == made + 1
    assert home.ctl("resume", name).out.startswith(f"{name}: goes on")
    assert home.ctl("attach", name).status == 0
    assert thumbnails(home) == 301


def test_a_batch_that_is_paused_stays_so_through_the_daemons_death(home: Home) -> None:
    paint(home, 200)
    (name,) = detach(home)
    wait_for(lambda: thumbnails(home) > 10, "thumbnails")
    assert home.ctl("pause", name).status == 0
    kill_daemon(home)
    wait_for(lambda: not home.daemon_pids(), "the daemon's end")
    result = home.ctl("resume", name)  # starts the daemon whose journal holds it
    assert result.status == 0, result.err
    assert home.ctl("attach", name).status == 0
    assert thumbnails(home) == 200


def test_a_cancelled_batch_ends_with_the_rest_cancelled_and_who_is_attached_is_told(home: Home) -> None:
    paint(home, 400)
    (name,) = detach(home)
    command = home.start("thumbd_client", "attach", "--json", name)
    wait_for(lambda: "path" in home.output(command)[0], "the first items")
    result = home.ctl("cancel", name)
    assert result.status == 0, result.err
    assert "not begun yet" in result.out
    assert command.wait(20) == 1
    items, summary = told(home, command)
    assert summary["ready"] + summary["cancelled"] == summary["total"] == len(items) == 400
    assert summary["cancelled"] > 0


def test_what_failed_is_asked_for_again_by_name_by_cause_and_altogether(home: Home) -> None:
    paint(home, 1)
    gone, broken = home.root / "gone.jpg", home.root / "broken.jpg"
    broken.write_text("no picture")
    gone.touch()
    (name,) = detach(home, gone, broken, home.pictures / "0000.jpg")
    gone.unlink()
    first = home.ctl("attach", "--json", name)
    assert (first.status, first.summary["failed"]) == (1, 2)
    os.link(home.pictures / "0000.jpg", gone)
    assert home.ctl("retry", "--all", "--kind", "too_big").out.startswith("nothing has failed")
    [error] = [item["error"] for item in first.objects if item["path"] == str(gone)]
    result = home.ctl("retry", name, "--kind", error)
    assert (result.status, result.out) == (0, "1 file is asked for again\n")
    again = home.ctl("attach", "--json", name)
    assert (again.summary["ready"], again.summary["failed"]) == (2, 1)
    assert home.ctl("retry", "--all").out == "1 file is asked for again\n"
    assert home.ctl("retry").status == home.ctl("retry", name, "--all").status == 2


def test_names_that_mean_no_batch_or_several_are_told(home: Home) -> None:
    paint(home, 2)
    names = detach(home, home.pictures, home.pictures)
    names += detach(home)
    for command in ("attach", "pause", "resume", "cancel", "retry"):
        several = home.ctl(command, "pict")
        assert several.status == 1
        assert "several batches begin with 'pict': " in several.err
        none = home.ctl(command, "nothing-here")
        assert none.status == 1
        assert "nothing-here" in none.out + none.err


def test_a_batch_of_a_command_that_still_runs_can_be_attached_to(home: Home) -> None:
    paint(home, 300)
    command = home.start("thumbd_client", "render", "--json", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 10, "thumbnails")
    (name,) = known(home)
    result = home.ctl("attach", "--json", name)
    assert (result.status, result.summary["ready"]) == (0, 300)
    assert command.wait(60) == 0


def test_where_the_journal_cannot_be_written_nothing_is_detached_and_it_is_said_why(home: Home) -> None:
    paint(home, 2)
    (home.root / "a file").touch()
    home.daemon("--journal", str(home.root / "a file" / "journal.db"))
    result = home.ctl("render", "--detach", str(home.pictures))
    assert (result.status, result.out) == (1, "")
    assert "journal" in result.err
    assert home.render(home.pictures).status == 0  # what needs no journal is done


def test_an_unfinished_durable_batch_keeps_a_daemon_that_would_leave(home: Home) -> None:
    paint(home, 150)
    daemon = home.daemon("--idle-exit", "0.5")
    folder = Folder(os.fsencode(home.pictures), Flavor.LARGE)
    with talk(home, "a passer-by") as connection:
        connection.ask(Submit(id=new_id(), folder=folder, priority=Priority.LOW, batch="b", durable=True), 20)
    assert daemon.wait(60) == 0
    assert thumbnails(home) == 150
    result: Result = home.ctl("attach", "b")
    assert (result.status, result.out.splitlines()[-1].split(" (")[0]) == (0, "150 pictures: 150 ready")


def test_who_comes_while_a_daemon_leaves_is_served_by_the_next_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PYTHON_TEST_HOME"):
        monkeypatch.setenv(name, home.environ[name])
    monkeypatch.delenv("THUMBD_ENDPOINT", raising=False)
    paint(home, 200)
    first = home.daemon()
    busy = home.start("thumbd_client", "render", str(home.pictures))
    wait_for(lambda: thumbnails(home) > 5, "thumbnails")
    for pid in home.workers("renderer"):
        os.kill(pid, signal.SIGSTOP)  # what is under way holds the daemon up
    first.terminate()
    wait_for(lambda: "SIGTERM: ending" in home.output(first)[1], "the daemon's leaving")
    item = Item(os.fsencode(home.pictures / "0000.jpg"), Flavor.LARGE)
    with Connection("a latecomer") as connection:
        answer = connection.ask(Submit(id=new_id(), items=[item], priority=Priority.NORMAL, batch="b"), 60)
        assert isinstance(answer, Accepted)
        assert any(isinstance(event, Done) and event.ready == 1 for event in connection.events(20))
    assert first.wait(1) == 0
    assert busy.wait(20) == 1


def finals(events: list[Event]) -> list[ItemUpdate]:
    """The final states that updates and snapshots tell."""
    told = [item for event in events if isinstance(event, Update | Snapshot) for item in event.items]
    return [item for item in told if item.state.final]


def test_who_reads_nothing_for_too_long_is_told_everything_by_snapshots(home: Home) -> None:
    home.daemon()
    items = [Item(b"/nowhere/%d.jpg" % number, Flavor.LARGE) for number in range(24_000)]
    with talk(home, "a sluggard") as connection:
        connection.session.submit_items(items, Priority.NORMAL, "b")
        heard: list[Event] = []

        def told_to_resync() -> bool:
            heard.extend(connection.poll(0.1))
            return any(isinstance(event, Notice) and event.kind == "resync" for event in heard)

        wait_for(told_to_resync, "the notice that the outbox was dropped")
        connection.session.processed(sum(isinstance(event, Update | Snapshot) for event in heard))
        for event in connection.events(20):
            heard.append(event)
            if isinstance(event, Done):
                break
        (done,) = [event for event in heard if isinstance(event, Done)]
        assert done.failed == 24_000
        assert {item.path for item in finals(heard)} == {item.path for item in items}
        assert list(connection.events(0.5)) == [], "told once"


def test_a_connection_that_was_cut_is_resumed_and_what_was_not_processed_is_told_again(home: Home) -> None:
    paint(home, 30, (400, 300))
    home.daemon()
    folder = Folder(os.fsencode(home.pictures), Flavor.LARGE)
    with talk(home, "unlucky") as connection:
        connection.session.submit_folder(folder, Priority.NORMAL, "b")
        events = connection.events(20)
        before = [next(events)]
        while not finals(before):
            before.append(next(events))
        connection._lost("cut by the test")
        after: list[Event] = []
        for event in connection.events(20):
            after.append(event)
            if isinstance(event, Done):
                break
        (welcome,) = [event for event in after if isinstance(event, Connected)]
        assert (welcome.resumed, welcome.fresh) == (True, False)
        assert {item.path for item in finals(before[-1:])} <= {item.path for item in finals(after)}
        assert len({item.path for item in finals(before + after)}) == 30
