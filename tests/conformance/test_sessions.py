"""The page's rules 1 to 5 and 7: what a session may rely on while connections, clients and daemons die."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.independent_client import Client, Refused, new_id, snapshot_batches, snapshot_items
from conformance.page_checks import Message
from conformance.pictures import missing, slow, small
from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def keys(paths: list[bytes]) -> set[tuple[bytes, str]]:
    return {(path, "normal") for path in paths}


def session_of(witness: Client, pid: int) -> dict[str, Any] | None:
    """What `stats` tells of the session of a client that said this pid."""
    found = [entry for entry in witness.ask("stats")["sessions"] if entry["pid"] == pid]
    return found[0] if found else None


def kill_9(daemon: subprocess.Popen[bytes]) -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(30)


def named(pid: int) -> Message:
    return {"client": {"name": "independent", "version": "1", "pid": pid}}


# The same epoch


def test_client_that_comes_back_is_resumed_and_told_every_final_state(meet: Callable[[], Client], folder: Path) -> None:
    """If it returns with its session within 60 s, `resumed` is true; each item is told to a session still there."""
    client = meet()
    paths = slow(folder, 12)
    name = f"resumed-{folder.name}"
    request = new_id()
    client.submit(paths, batch=name, id=request)
    client.until(lambda: bool(client.finals()), "the first result")
    session = client.session
    client.redial()
    welcome = client.hello(session=session)
    assert (welcome["resumed"], welcome["session"]) == (True, session)
    place = client.mark()
    client.subscribe("mine")
    client.submit(paths, batch=name, id=request)
    done = client.wait_done(name, place)
    assert done["ready"] == 12
    told = client.finals().keys() | snapshot_items(client.pushed_snapshots()).keys()
    assert told == keys(paths)
    client.ping()
    assert len(client.dones(name)) == 1


def test_client_that_hangs_up_again_and_again_is_told_everything(meet: Callable[[], Client], folder: Path) -> None:
    """Nothing is lost, whatever dies in between: after each return the snapshot and what follows tell all."""
    client = meet()
    paths = small(folder, 150) + slow(folder, 6)
    name = f"again-{folder.name}"
    request = new_id()
    client.submit(paths, batch=name, id=request)
    for _ in range(5):
        before = len(client.pushed)
        client.redial()
        assert client.hello(session=client.session)["resumed"] is True
        client.subscribe("mine")
        client.submit(paths, batch=name, id=request)
        client.until(lambda b=before: len(client.pushed) > b + 1, "anything")  # type: ignore[misc]
    client.wait_done(name)
    ready = {key for key, item in snapshot_items(client.pushed_snapshots()).items() if item["state"] == "ready"}
    assert ready | client.finals().keys() == keys(paths)


def test_snapshots_while_work_goes_on_never_tell_an_older_state(
    home: Home, dial: Callable[[Path], Client], folder: Path
) -> None:
    """A topic's updates wait until its last part has left, so whatever comes after it is newer."""
    client = dial(home.socket)
    client.hello(credit=3)
    paths = small(folder, 200) + slow(folder, 8)
    name = f"order-{folder.name}"
    client.submit(paths, batch=name)
    while not client.dones(name):
        client.snapshot("mine", f"batch:{name}")
    order = {"queued": 0, "rendering": 1, "ready": 2, "failed": 2, "cancelled": 2}
    newest: dict[tuple[bytes, str], int] = {}
    counted = 0
    for message in client.pushed:
        for item in message.get("items") or []:
            key = (item["path"], item["flavor"])
            assert order[item["state"]] >= newest.get(key, 0), (message["type"], message["seq"], item)
            newest[key] = order[item["state"]]
        entries = [p for p in message.get("progress") or [] if p["batch"] == name]
        entries += [b["progress"] for b in message.get("batches") or [] if b["batch"] == name]
        for entry in entries:
            assert entry["done"] >= counted, (message["type"], message["seq"], entry)
            counted = entry["done"]
    assert newest.keys() == keys(paths)
    assert set(newest.values()) == {2}


def test_done_that_came_while_the_client_was_away_is_told_when_it_is_back(
    meet: Callable[[], Client], folder: Path
) -> None:
    """Told to each session that asked for it and is still there: a parked one hears it on its return."""
    client, witness = meet(), meet()
    paths = small(folder, 40)
    name = f"away-{folder.name}"
    client.submit(paths, batch=name)
    client.redial()

    def is_done() -> bool:
        listed = {entry["batch"]: entry["progress"] for entry in witness.ask("batches")["batches"]}
        return name in listed and listed[name]["done"] == 40

    witness.until(is_done, "the end of the batch of a client that is away")
    assert client.hello(session=client.session)["resumed"] is True
    client.subscribe("mine")
    assert client.wait_done(name)["ready"] == 40
    assert client.finals().keys() | snapshot_items(client.pushed_snapshots()).keys() == keys(paths)


def test_silent_client_is_parked_after_three_heartbeats_and_comes_back(
    home: Home, dial: Callable[[Path], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """A silent client (three heartbeats) is parked; if it returns with its session, `resumed` is true."""
    silent, witness = dial(home.socket), meet()
    silent.beats = False
    welcome = silent.hello(heartbeat_ms=500, **named(70_001))
    assert welcome["heartbeat_ms"] <= 5000
    entry = session_of(witness, 70_001)
    assert entry is not None
    assert entry["parked"] is False

    def parked() -> bool:
        told = session_of(witness, 70_001)
        return told is not None and told["parked"] is True

    witness.until(parked, "the silent session being parked")
    assert silent.hello(session=silent.session, **named(70_001))["resumed"] is True
    back = session_of(witness, 70_001)
    assert back is not None
    assert back["parked"] is False
    assert silent.wait_done(silent.submit(small(folder, 2))["batch"])["ready"] == 2


def test_client_whose_connection_is_gone_is_parked_when_it_is_sent_something(
    meet: Callable[[], Client], home: Home, dial: Callable[[Path], Client], folder: Path
) -> None:
    """`EHOSTUNREACH` parks a session too, and its work goes on meanwhile."""
    gone, witness = dial(home.socket), meet()
    gone.hello(**named(70_002))
    gone.submit(slow(folder, 8), batch=f"gone-{folder.name}")
    gone.redial()

    def parked() -> bool:
        told = session_of(witness, 70_002)
        return told is not None and told["parked"] is True

    witness.until(parked, "the session without a connection being parked")
    assert gone.hello(session=gone.session, **named(70_002))["resumed"] is True


def test_returning_session_on_a_new_connection_takes_over(
    meet: Callable[[], Client], home: Home, dial: Callable[[Path], Client], folder: Path
) -> None:
    """The session belongs to who says hello with it last; the older connection hears `replaced`."""
    old, new = meet(), dial(home.socket)
    assert new.hello(session=old.session)["resumed"] is True
    old.until(lambda: bool(old.notices("replaced")), "the notice replaced")
    assert new.wait_done(new.submit(small(folder, 2))["batch"])["ready"] == 2
    assert old.finals() == {}


def test_bye_ends_all_interest_of_the_session_at_once(
    home: Home, dial: Callable[[Path], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """bye: none; all interest of this session ends now, durable batches stay."""
    leaving, witness = dial(home.socket), meet()
    leaving.hello(**named(70_003))
    leaving.submit(slow(folder, 40), batch=f"left-{folder.name}")
    leaving.submit(slow(folder, 3, "durable"), batch=f"durable-{folder.name}", durable=True)
    leaving.send("bye")
    witness.until(lambda: session_of(witness, 70_003) is None, "the session's end")
    left = new_id()
    leaving.send("ping", id=left)
    with pytest.raises(Refused) as refused:
        leaving.answer(left)
    assert refused.value.code == "no_session"

    def only_durable_is_open() -> bool:
        states = {e["batch"]: e["progress"] for e in witness.ask("batches")["batches"]}
        kept = states[f"durable-{folder.name}"]
        return bool(kept["done"] == kept["total"] == 3)

    witness.until(only_durable_is_open, "the durable batch's end")
    witness.until(lambda: witness.ask("stats")["queue"]["total"] == 0, "an empty queue")
    progress = {e["batch"]: e["progress"] for e in witness.ask("batches")["batches"]}.get(f"left-{folder.name}")
    assert progress is None or progress["ready"] < 40


# A new epoch


def test_restarted_daemon_has_a_new_epoch_and_says_no_session(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Anything but `hello` before `hello`: `no_session`, so a client learns of a restart; the rest is sent again."""
    folder = own_home.pictures
    daemon = own_home.daemon("--renderers", "2")
    client = dial(own_home.socket)
    client.hello()
    epoch, session = client.epoch, client.session
    paths = slow(folder, 12) + missing(folder, 3)
    request = new_id()
    client.submit(paths, batch="sent-again", id=request)
    client.until(lambda: len(client.finals()) >= 4, "the first results")
    kill_9(daemon)
    own_home.daemon("--renderers", "2")
    assert client.refusal("ping")["code"] == "no_session"
    welcome = client.hello(session=session)
    assert welcome["resumed"] is False
    assert welcome["epoch"] != epoch
    place = client.mark()
    client.submit(paths, batch="sent-again", id=request)
    done = client.wait_done("sent-again", place)
    assert (done["ready"], done["failed"], done["cancelled"]) == (12, 3, 0)
    assert client.finals(place).keys() == keys(paths)
    assert client.pushed[place]["seq"] == 1


def test_durable_batch_goes_on_after_kill_9_with_nobody_asking(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Durable batches survive a `kill -9`: they go on at the first item without a final state; final ones stay so."""
    folder = own_home.pictures
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    paths = slow(folder, 14) + missing(folder, 2)
    request = new_id()
    client.submit(paths, batch="lasting", durable=True, id=request)
    client.until(lambda: len(client.finals()) >= 5, "five results")
    kill_9(daemon)
    before = client.finals().keys()
    for path, _ in before:  # what had its final state isn't looked at again
        Path(os.fsdecode(path)).unlink(missing_ok=True)
    own_home.daemon("--renderers", "1")
    watcher = dial(own_home.socket)
    watcher.hello()

    def listed() -> Message:
        found: Message = {e["batch"]: e for e in watcher.ask("batches")["batches"]}["lasting"]
        return found

    assert listed()["durable"] is True
    watcher.until(lambda: listed()["progress"]["done"] == 16, "the end of the batch that nobody follows")
    progress = listed()["progress"]
    assert (progress["ready"], progress["failed"], progress["total"]) == (14, 2, 16)
    parts = watcher.snapshot("batch:lasting")
    assert snapshot_batches(parts)["lasting"]["progress"]["ready"] == 14
    assert {k for k, i in snapshot_items(parts).items() if i["state"] == "failed"} == keys(paths[14:])


def test_durable_batch_can_be_joined_after_a_restart_with_the_same_id(
    own_home: Home, dial: Callable[[Path], Client]
) -> None:
    """The same durable `batch` id after a restart joins the journalled batch; `done` comes once."""
    folder = own_home.pictures
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    paths = slow(folder, 10)
    request = new_id()
    assert client.submit(paths, batch="joined", durable=True, id=request)["total"] == 10
    client.until(lambda: len(client.finals()) >= 2, "two results")
    kill_9(daemon)
    own_home.daemon("--renderers", "1")
    assert client.refusal("ping")["code"] == "no_session"
    client.hello(session=client.session)
    place = client.mark()
    assert client.submit(paths, batch="joined", durable=True, id=request)["total"] == 10
    assert client.wait_done("joined", place)["ready"] == 10
    assert client.finals().keys() | snapshot_items(client.pushed_snapshots()).keys() == keys(paths)
    client.ping()
    assert len(client.dones("joined", place)) == 1


def test_durable_folder_is_listed_again_after_kill_9(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """A folder's request is journalled first, its items as they are found; after a restart it is listed again."""
    folder = own_home.pictures
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    paths = slow(folder / "a", 6) + slow(folder / "a" / "b", 6)
    assert client.submit_folder(bytes(folder / "a"), recursive=True, batch="album", durable=True)["total"] is None
    kill_9(daemon)  # at any moment after `accepted`
    own_home.daemon("--renderers", "1")
    client.until_session_is_lost()
    client.hello()
    client.subscribe("batch:album")
    done = client.wait_done("album")
    assert (done["ready"], done["failed"], done["cancelled"]) == (12, 0, 0)
    seen = client.finals().keys() | snapshot_items(client.pushed_snapshots()).keys()
    assert seen == keys(paths)


def test_durable_batch_that_was_done_is_still_told_after_kill_9(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Final states of a durable batch are committed before they are told: what was told is true after a restart."""
    daemon = own_home.daemon("--renderers", "2")
    client = dial(own_home.socket)
    client.hello()
    paths = small(own_home.pictures, 5) + missing(own_home.pictures, 2)
    client.submit(paths, batch="over", durable=True, ttl_s=3600)
    client.wait_done("over")
    kill_9(daemon)
    own_home.daemon("--renderers", "2")
    client.until_session_is_lost()
    client.hello()
    parts = client.snapshot("batch:over")
    progress = snapshot_batches(parts)["over"]["progress"]
    assert (progress["ready"], progress["failed"], progress["total"]) == (5, 2, 7)


def test_cancelled_durable_batch_stays_cancelled_after_kill_9(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Final states of a durable batch are committed before they are told: cancelled ones don't come back."""
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    client.submit(slow(own_home.pictures, 20), batch="stopped", durable=True, ttl_s=3600)
    client.until(lambda: bool(client.finals()), "the first result")
    client.ask("cancel", batch="stopped")
    done = client.wait_done("stopped")
    assert done["cancelled"] > 0
    kill_9(daemon)
    own_home.daemon("--renderers", "1")
    client.until_session_is_lost()
    client.hello()
    progress = snapshot_batches(client.snapshot("batch:stopped"))["stopped"]["progress"]
    assert [progress[n] for n in ("ready", "failed", "cancelled")] == [
        done[n] for n in ("ready", "failed", "cancelled")
    ]
    assert client.ask("stats")["queue"]["total"] == 0


def test_ordinary_batch_does_not_survive_kill_9(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Only `durable` batches are journalled: a client re-sends the others."""
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    client.submit(slow(own_home.pictures, 4), batch="ordinary")
    kill_9(daemon)
    own_home.daemon("--renderers", "1")
    client.until_session_is_lost()
    client.hello()
    assert client.ask("batches")["batches"] == []


# Leaving


def test_shutdown_tells_everybody_that_it_is_draining(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """shutdown drain: `ok`, then `notice` `draining` to all; each accepted item gets a final state; no socket is left."""
    daemon = own_home.daemon("--renderers", "1")
    one, two = dial(own_home.socket), dial(own_home.socket)
    one.hello()
    two.hello()
    paths = slow(own_home.pictures, 5)
    batch = one.submit(paths)["batch"]
    assert two.ask("shutdown", mode="drain")["type"] == "ok"
    for each in (one, two):
        each.until(lambda c=each: bool(c.notices("draining")), "the notice draining")  # type: ignore[misc]
    assert two.refusal("submit", items=[{"path": paths[0], "flavor": "large"}], priority="normal")["code"] == (
        "shutting_down"
    )
    done = one.wait_done(batch)
    assert done["ready"] + done["failed"] + done["cancelled"] == 5
    assert one.finals().keys() == keys(paths)
    assert daemon.wait(40) == 0
    assert not own_home.socket.exists()


def test_shutdown_now_ends_at_once_and_a_durable_batch_goes_on_later(
    own_home: Home, dial: Callable[[Path], Client]
) -> None:
    """shutdown now: `ok`, `draining` to all, the end; journalled batches go on with the next start."""
    daemon = own_home.daemon("--renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    client.submit(slow(own_home.pictures, 30), batch="later", durable=True)
    client.until(lambda: bool(client.finals()), "the first result")
    assert client.ask("shutdown", mode="now")["type"] == "ok"
    client.until(lambda: bool(client.notices("draining")), "the notice draining")
    assert daemon.wait(40) == 0
    own_home.daemon("--renderers", "2")
    client.until_session_is_lost()
    client.hello()
    client.subscribe("batch:later")
    assert client.wait_done("later")["ready"] == 30


def test_daemon_that_ends_leaves_no_process_behind(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Leaving: the socket is unlinked, and the next daemon takes its place."""
    daemon = own_home.daemon("--renderers", "2")
    client = dial(own_home.socket)
    client.hello()
    client.ask("shutdown", mode="drain")
    assert daemon.wait(40) == 0
    wait_for(lambda: not own_home.processes(), "the end of every worker", 40)
    own_home.daemon("--renderers", "2")
    assert client.refusal("ping")["code"] == "no_session"


def test_idle_daemon_leaves_only_when_nobody_is_there(own_home: Home, dial: Callable[[Path], Client]) -> None:
    """Idle exit: no session and no unfinished batch for so long; a session that is there keeps it."""
    daemon = own_home.daemon("--renderers", "1", "--idle-exit", "3")
    client = dial(own_home.socket)
    client.hello()
    uptime = client.ask("stats")["uptime_ms"]
    client.until(lambda: client.ask("stats")["uptime_ms"] > uptime + 5000, "five seconds with a session that is idle")
    assert daemon.poll() is None
    client.send("bye")
    client.close()
    assert daemon.wait(40) == 0
    assert not own_home.socket.exists()
