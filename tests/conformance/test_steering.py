"""The page's `cancel`, `pause`, `resume`, `status`, `batches`, `retry`, `quarantine`, `pool`, `explain` and `cache`."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.independent_client import Client, Refused, new_id
from conformance.page_checks import Message, is_count, need
from conformance.pictures import missing, slow, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e


def keys(paths: list[bytes]) -> set[tuple[bytes, str]]:
    return {(path, "normal") for path in paths}


def items_of(paths: list[bytes]) -> list[Message]:
    return [{"path": path, "flavor": "normal"} for path in paths]


def answer_or_refusal(client: Client, request_type: str, **fields: Any) -> Message:
    """The answer to a request that may be refused: whichever came."""
    try:
        return client.ask(request_type, **fields)
    except Refused as refused:
        return refused.answer


def three_counts(answer: Message) -> tuple[int, int, int]:
    """dropped, running and shared of a `cancel`'s `ok`."""
    need(answer["type"] == "ok", "cancel is answered by ok", answer)
    for name in ("dropped", "running", "shared"):
        need(is_count(answer[name]), f"cancel's ok has `{name}`", answer)
    return answer["dropped"], answer["running"], answer["shared"]


# cancel


def test_cancelled_batch_gives_each_item_its_final_state(client: Client, folder: Path) -> None:
    """cancel → `ok` {dropped, running, shared}; each cancelled item still gets its final state; `done` counts them."""
    paths = slow(folder, 40)
    batch = client.submit(paths)["batch"]
    client.until(lambda: bool(client.finals()), "the first result")
    dropped, running, shared = three_counts(client.ask("cancel", batch=batch))
    assert dropped > 0
    assert shared == 0
    done = client.wait_done(batch)
    assert done["ready"] + done["failed"] + done["cancelled"] == 40
    assert dropped <= done["cancelled"] <= dropped + running
    client.ping()
    assert client.finals().keys() == keys(paths)
    assert {len(told) for told in client.finals().values()} == {1}
    assert len(client.dones(batch)) == 1


def test_batch_can_be_cancelled_from_another_session_of_its_user(meet: Callable[[], Client], folder: Path) -> None:
    """by `batch`: that batch, from any session of its user."""
    owner, other = meet(), meet()
    paths = slow(folder, 30)
    batch = owner.submit(paths)["batch"]
    dropped, running, _ = three_counts(other.ask("cancel", batch=batch))
    assert 0 < dropped + running <= 30
    done = owner.wait_done(batch)
    assert 0 < dropped <= done["cancelled"] <= dropped + running or done["cancelled"] > 0 == dropped
    assert owner.finals().keys() == keys(paths)


def test_cancel_by_items_ends_this_sessions_interest_alone(meet: Callable[[], Client], folder: Path) -> None:
    """by `items`: this session's interest; others' interest lives on (shared)."""
    one, two = meet(), meet()
    paths = slow(folder, 20)
    first, second = one.submit(paths)["batch"], two.submit(paths[10:])["batch"]
    _, _, shared = three_counts(one.ask("cancel", items=items_of(paths[5:])))
    assert shared >= 1
    mine = one.wait_done(first)
    assert mine["cancelled"] >= 1
    assert mine["ready"] + mine["cancelled"] == 20
    assert {one.finals()[key][0]["state"] for key in keys(paths[:5])} == {"ready"}
    assert two.wait_done(second)["ready"] == 10
    assert one.finals().keys() == keys(paths)


def test_what_is_unknown_cannot_be_cancelled(meet: Callable[[], Client], folder: Path) -> None:
    """`unknown_id`: a batch that nobody knows; and by `items` nothing of somebody else's is touched."""
    one, two = meet(), meet()
    assert one.refusal("cancel", batch=new_id().hex())["code"] == "unknown_id"
    paths = slow(folder, 4)
    batch = two.submit(paths)["batch"]
    answer = answer_or_refusal(one, "cancel", items=items_of(paths))
    assert answer.get("code") == "unknown_id" or answer["dropped"] == answer["running"] == 0
    assert two.wait_done(batch)["ready"] == 4


def test_cancelled_focus_items_are_told_too(client: Client, folder: Path) -> None:
    """by `items`: each cancelled item still gets its final state, also one that only a focus wanted."""
    paths = slow(folder, 20)
    client.focus(paths, generation=1)
    client.until(lambda: bool(client.finals()), "the first result")
    client.ask("cancel", items=items_of(paths))
    client.wait_final(keys(paths))


# pause and resume


def test_paused_batch_stands_still_until_it_is_resumed(client: Client, folder: Path) -> None:
    """pause, resume → `ok`: others' work goes on meanwhile, and nothing of it is lost."""
    paths, others = slow(folder, 14), slow(folder, 6, "other")
    batch = client.submit(paths, priority="high")["batch"]
    client.until(lambda: bool(client.finals()), "the first result")
    assert client.ask("pause", batch=batch)["type"] == "ok"
    running = [i for i in client.ask("status", batch=batch)["items"] if i["state"] == "rendering"]
    at_most = client.progress(batch)[-1]["done"]
    listed = {e["batch"]: e for e in client.ask("batches")["batches"]}[batch]
    assert listed["state"] == "paused"
    second = client.submit(others, priority="background")["batch"]
    client.wait_done(second)
    client.ping()
    assert client.dones(batch) == []
    now = {e["batch"]: e for e in client.ask("batches")["batches"]}[batch]["progress"]["done"]
    assert now <= max(at_most, listed["progress"]["done"]) + len(running)
    assert now < 14
    assert client.ask("resume", batch=batch)["type"] == "ok"
    assert client.wait_done(batch)["ready"] == 14


def test_paused_batch_can_be_cancelled_and_resumed_by_another_session(meet: Callable[[], Client], folder: Path) -> None:
    """By `batch`: from any session of its user; a paused batch that is cancelled ends."""
    one, two = meet(), meet()
    paths = slow(folder, 12)
    first = one.submit(paths[:6], batch=f"x-{folder.name}")["batch"]
    second = one.submit(paths[6:], batch=f"y-{folder.name}")["batch"]
    two.ask("pause", batch=first)
    two.ask("pause", batch=second)
    two.ask("cancel", batch=first)
    assert one.wait_done(first)["cancelled"] > 0
    two.ask("resume", batch=second)
    assert one.wait_done(second)["ready"] == 6


def test_item_of_a_paused_batch_that_comes_on_screen_is_rendered(client: Client, folder: Path) -> None:
    """The best priority among those who wait counts: a focus doesn't wait for a paused batch."""
    paths = slow(folder, 8)
    batch = client.submit(paths, priority="low")["batch"]
    client.ask("pause", batch=batch)
    client.focus(paths[-2:], generation=1)
    client.wait_final(keys(paths[-2:]))
    client.ask("resume", batch=batch)
    assert client.wait_done(batch)["ready"] == 8


def test_items_can_be_paused_and_resumed(client: Client, folder: Path) -> None:
    """cancel, pause, resume take batch? / items?."""
    paths = slow(folder, 12)
    batch = client.submit(paths)["batch"]
    assert client.ask("pause", items=items_of(paths[6:]))["type"] == "ok"
    client.wait_final(keys(paths[:6]))
    client.ping()
    assert client.dones(batch) == []
    assert client.ask("resume", items=items_of(paths[6:]))["type"] == "ok"
    assert client.wait_done(batch)["ready"] == 12


def test_unknown_batches_cannot_be_paused_resumed_or_retried(client: Client) -> None:
    """`unknown_id` for each request that names a batch that isn't there."""
    name = new_id().hex()
    codes = {kind: client.refusal(kind, batch=name)["code"] for kind in ("pause", "resume", "retry", "status")}
    assert codes == dict.fromkeys(codes, "unknown_id")


# status and batches


def test_status_tells_state_attempts_and_position(client: Client, folder: Path) -> None:
    """status → `status` {state, attempts, position, error?} for each."""
    paths = slow(folder, 12)
    batch = client.submit(paths)["batch"]
    for answer in (client.ask("status", batch=batch), client.ask("status", items=items_of(paths))):
        assert answer["type"] == "status"
        for item in answer["items"]:
            assert item["path"] in paths
            assert item["flavor"] == "normal"
            assert item["state"] in {"queued", "rendering", "ready"}
            assert is_count(item["attempts"])
            assert item["position"] is None or is_count(item["position"])
    client.ask("cancel", batch=batch)
    client.wait_done(batch)


def test_status_tells_the_error_of_what_failed(client: Client, folder: Path) -> None:
    """`status` ... error? for each: failures are kept until the batch's TTL."""
    paths = [*small(folder, 1), bytes(folder / "never.png")]
    batch = client.submit(paths, ttl_s=600)["batch"]
    client.wait_done(batch)
    told = {item["path"]: item for item in client.ask("status", batch=batch)["items"]}
    assert told[paths[1]]["state"] == "failed"
    assert told[paths[1]]["error"] == "not_found"


def test_batches_are_those_of_this_user(meet: Callable[[], Client], folder: Path) -> None:
    """`ok` {batches [{batch, state, progress, durable, age_ms}]}: this user's, whichever session made them."""
    one, two = meet(), meet()
    name = f"listed-{folder.name}"
    one.submit(small(folder, 2), batch=name)
    one.wait_done(name)
    entry = {e["batch"]: e for e in two.ask("batches")["batches"]}[name]
    assert isinstance(entry["state"], str)
    assert entry["durable"] is False
    assert is_count(entry["age_ms"])
    assert (entry["progress"]["done"], entry["progress"]["total"]) == (2, 2)


# retry


def test_retry_asks_again_for_what_failed(client: Client, folder: Path) -> None:
    """retry → `ok` {requeued}: failures are asked for again, and are told anew."""
    good = small(folder, 2)
    bad = bytes(folder / "late.png")
    batch = client.submit([*good, bad], ttl_s=600)["batch"]
    assert client.wait_done(batch)["failed"] == 1
    small(folder, 1, "tmp")
    (folder / "tmp0000.png").rename(folder / "late.png")
    place = client.mark()
    assert client.ask("retry", batch=batch)["requeued"] == 1
    assert client.wait_final({(bad, "normal")}, place)[bad, "normal"]["state"] == "ready"
    assert client.finals(place).keys() == {(bad, "normal")}
    assert client.ask("retry", batch=batch)["requeued"] == 0


def test_retry_by_items_and_by_kind(client: Client, folder: Path) -> None:
    """retry takes batch? / items? / kind?: `kind` is that of the failure."""
    bad = missing(folder, 3)
    broken = folder / "broken.png"
    broken.write_text("no picture")
    batch = client.submit([*bad, bytes(broken)], ttl_s=600)["batch"]
    client.wait_done(batch)
    place = client.mark()
    assert client.ask("retry", items=items_of(bad[:1]))["requeued"] == 1
    client.wait_final(keys(bad[:1]), place)
    place = client.mark()
    assert client.ask("retry", batch=batch, kind="not_found")["requeued"] == 3
    client.wait_final(keys(bad), place)
    assert (bytes(broken), "normal") not in client.finals(place)


# quarantine


def test_file_that_kills_its_renderer_twice_is_quarantined_and_can_be_released(
    own_home: Home, dial: Callable[[Path], Client]
) -> None:
    """quarantine → `ok` {items [{path, reason, deaths, since_ms}]}; released by hand it is rendered again."""
    own_home.daemon("--renderers", "1", "--min-renderers", "1")
    client = dial(own_home.socket)
    client.hello()
    path = slow(own_home.pictures, 1)[0]
    item = {"path": path, "flavor": "xx-large"}
    batch = client.submit([path], "xx-large")["batch"]
    while not client.dones(batch):
        busy = [w for w in client.ask("health")["workers"] if w["kind"] == "renderer" and w.get("task")]
        for worker in busy:
            try:
                os.kill(worker["pid"], signal.SIGSEGV)
            except ProcessLookupError:
                continue
    done = client.dones(batch)[0]
    told = client.finals()[path, "xx-large"][0]
    if told["state"] == "ready":
        pytest.skip("the renderer was quicker than the killer")
    assert told["error"] in {"quarantined", "crashed"}
    assert done["failed"] == 1
    assert done["quarantined"] == 1
    listed = client.ask("quarantine", action="list")["items"]
    assert [entry["path"] for entry in listed] == [path]
    assert isinstance(listed[0]["reason"], str)
    assert listed[0]["deaths"] >= 2
    assert is_count(listed[0]["since_ms"])
    place = client.mark()
    again = client.submit([path], "xx-large")["batch"]
    assert client.wait_done(again)["quarantined"] == 1
    assert client.finals(place)[path, "xx-large"][0]["error"] == "quarantined"
    assert client.ask("quarantine", action="release", items=[item])["type"] == "ok"
    assert client.ask("quarantine", action="list")["items"] == []
    assert client.wait_done(client.submit([path], "xx-large")["batch"])["ready"] == 1


def test_quarantine_can_be_listed_and_cleared(client: Client) -> None:
    """action `list`/`release`/`clear`."""
    assert client.ask("quarantine", action="list")["items"] == []
    assert client.ask("quarantine", action="clear")["items"] == []


# pool, explain, cache


def test_pool_tells_and_takes_its_bounds(client: Client, folder: Path) -> None:
    """pool → `ok` {min, max, workers}; min?, max? change them; bounds that make no sense are refused."""
    told = client.ask("pool")
    assert is_count(told["min"])
    assert is_count(told["max"])
    assert "workers" in told
    changed = client.ask("pool", min=1, max=3)
    assert (changed["min"], changed["max"]) == (1, 3)
    assert client.wait_done(client.submit(small(folder, 20))["batch"])["ready"] == 20
    senseless: list[Message] = [{"max": 0}, {"min": -1}, {"min": 4, "max": 2}]
    for wrong in senseless:
        assert client.refusal("pool", **wrong)["code"] == "bad_field", wrong
    back = client.ask("pool", min=told["min"], max=told["max"])
    assert (back["min"], back["max"]) == (told["min"], told["max"])


def test_explain_says_where_it_looked(client: Client, folder: Path) -> None:
    """explain → `ok` {uri, md5, looked [..], found?, failure?, next_try_ms?}, or is not supported yet."""
    path = small(folder, 1)[0]
    client.wait_done(client.submit([path])["batch"])
    answer = answer_or_refusal(client, "explain", path=path, flavor="normal")
    if answer.get("code") == "not_supported":
        return
    assert answer["uri"] == "file://" + os.fsdecode(path)
    assert len(answer["md5"]) == 32
    assert answer["looked"]
    assert answer["found"]


@pytest.mark.parametrize("action", ["stat", "verify", "prune"])
def test_cache_tells_its_figures(client: Client, action: str) -> None:
    """cache → `ok` {flavors {bytes, entries, ours}, removed}, or is not supported yet."""
    answer = answer_or_refusal(client, "cache", action=action, dry_run=True)
    if answer.get("code") == "not_supported":
        return
    for figures in answer["flavors"].values():
        assert {"bytes", "entries", "ours"} <= figures.keys()
    assert "removed" in answer


# What a submit may ask for


def test_timeout_of_a_submit_ends_its_item_as_timeout(client: Client, folder: Path) -> None:
    """timeout_ms?, max_retries?: an item that takes longer fails as `timeout`, which is worth a retry."""
    path = slow(folder, 1)[0]
    batch = client.submit([path], "xx-large", timeout_ms=20, max_retries=0)["batch"]
    assert client.wait_done(batch)["failed"] == 1
    item = client.finals()[path, "xx-large"][0]
    assert item["error"] == "timeout"
    assert item["retryable"] is True


def test_batch_is_forgotten_after_its_ttl(client: Client, folder: Path) -> None:
    """Its counts and failures are kept until its TTL (and no longer)."""
    batch = client.submit(small(folder, 1), ttl_s=1)["batch"]
    client.wait_done(batch)

    def forgotten() -> bool:
        return batch not in {entry["batch"] for entry in client.ask("batches")["batches"]}

    client.until(forgotten, "the batch's TTL")
