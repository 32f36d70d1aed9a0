"""The page's topics: a snapshot answers each subscription, and what comes after it is newer."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.independent_client import Client, entry_names, new_id, snapshot_batches, snapshot_items
from conformance.page_checks import Message
from conformance.pictures import slow, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e


def topic_bytes(topic: str | bytes) -> bytes:
    return topic.encode() if isinstance(topic, str) else topic


def added(client: Client, folder: Path, since: int = 0) -> set[bytes]:
    return {e["name"] for change in client.changes(bytes(folder), since) for e in change.get("added") or []}


def changed(client: Client, folder: Path, since: int = 0) -> dict[bytes, Message]:
    changes = client.changes(bytes(folder), since)
    return {entry["name"]: entry for change in changes for entry in change.get("changed") or []}


def removed(client: Client, folder: Path, since: int = 0) -> set[bytes]:
    return {name for change in client.changes(bytes(folder), since) for name in change.get("removed") or []}


def renamed(client: Client, folder: Path, since: int = 0) -> list[tuple[bytes, bytes]]:
    pairs = (pair for change in client.changes(bytes(folder), since) for pair in change.get("renamed") or [])
    return [(old, new) for old, new in pairs]


# A folder


def test_subscription_is_answered_by_ok_then_by_a_snapshot(client: Client, folder: Path) -> None:
    """`ok`, then `snapshot` for each topic; entries only, names relative to the topic, kind image, folder or other."""
    small(folder, 3)
    (folder / "sub").mkdir()
    (folder / "notes.txt").write_text("text")
    request = client.post("subscribe", topics=["folder:" + str(folder), "system"])
    client.until(lambda: request in client.answers, "ok")
    assert client.parts(request) == []
    assert client.answer(request)["type"] == "ok"
    parts = client.wait_snapshots(request, 2)
    assert {topic_bytes(part["topic"]) for part in parts} == {b"folder:" + bytes(folder), b"system"}
    of_folder = [part for part in parts if topic_bytes(part["topic"]).startswith(b"folder:")]
    assert [part["last"] for part in of_folder] == [False] * (len(of_folder) - 1) + [True]
    first = of_folder[0]["part"]
    assert [part["part"] for part in of_folder] == list(range(first, first + len(of_folder)))
    kinds = {entry["name"]: entry["kind"] for part in of_folder for entry in part.get("entries") or []}
    assert kinds == {b"p0000.png": "image", b"p0001.png": "image", b"p0002.png": "image", b"sub": "folder",
                     b"notes.txt": "other"}  # fmt: skip
    assert not any(part.get("items") or part.get("batches") for part in of_folder)


def test_names_come_first_and_size_and_time_follow(client: Client, folder: Path) -> None:
    """Names first; size and time may follow as `changed`: in the end each regular file has both."""
    paths = small(folder, 40)
    parts = client.subscribe("folder:" + str(folder))

    def known() -> dict[bytes, Message]:
        entries = {entry["name"]: entry for part in parts for entry in part.get("entries") or []}
        return entries | changed(client, folder)

    client.until(lambda: all(e.get("size") and e.get("mtime_ns") for e in known().values()), "sizes and times")
    for path in paths:
        entry, facts = known()[os.path.basename(path)], os.stat(path)
        assert (entry["size"], entry["mtime_ns"]) == (facts.st_size, facts.st_mtime_ns)


def test_what_comes_goes_changes_and_is_renamed_is_told(client: Client, folder: Path) -> None:
    """entries [{folder, added, removed, changed, renamed [[from, to]]}]."""
    small(folder, 3)
    client.subscribe("folder:" + str(folder))
    new = small(folder.parent / f"{folder.name}-aside", 1, "new")[0]
    shutil.move(os.fsdecode(new), folder / "new.png")
    client.until(lambda: b"new.png" in added(client, folder), "a name that came")
    (folder / "made").mkdir()
    client.until(lambda: b"made" in added(client, folder), "a folder that came")
    (folder / "p0000.png").rename(folder / "other.png")
    client.until(lambda: (b"p0000.png", b"other.png") in renamed(client, folder), "a name that changed")
    (folder / "p0001.png").unlink()
    client.until(lambda: b"p0001.png" in removed(client, folder), "a name that went")
    place = client.mark()
    with (folder / "p0002.png").open("ab") as file:
        file.write(b"more")
    size = (folder / "p0002.png").stat().st_size
    client.until(lambda: changed(client, folder, place).get(b"p0002.png", {}).get("size") == size, "a file that grew")


def test_file_changed_before_and_after_the_subscription_is_never_missed(client: Client, folder: Path) -> None:
    """A topic's updates wait until its last part has left, so whatever comes after it is newer."""
    small(folder, 20)
    request = client.post("subscribe", topics=["folder:" + str(folder)])
    small(folder, 60, "during")  # made while the daemon lists and starts to watch
    expected = set(os.listdir(bytes(folder)))

    def known() -> set[bytes]:
        return entry_names(client.parts(request)) | added(client, folder)

    client.until(lambda: known() >= expected, "each name, by the snapshot or behind it")
    last = next(i for i, m in enumerate(client.pushed) if m["type"] == "snapshot" and m["last"])
    assert client.pushed[:last] == [m for m in client.pushed[:last] if m["type"] == "snapshot"]


def test_unsubscribed_topic_is_silent(client: Client, folder: Path) -> None:
    """unsubscribe → `ok`; nothing is told of it any more, while another folder's changes still come."""
    other = folder.parent / f"{folder.name}-other"
    other.mkdir()
    client.subscribe("folder:" + str(folder), "folder:" + str(other))
    small(folder, 1, "seen")
    client.until(lambda: b"seen0000.png" in added(client, folder), "the first change")
    assert client.ask("unsubscribe", topics=["folder:" + str(folder)])["type"] == "ok"
    place = client.mark()
    small(folder, 1, "unseen")
    small(other, 1, "witness")
    client.until(lambda: b"witness0000.png" in added(client, other), "the other folder's change")
    client.ping()
    assert client.changes(bytes(folder), place) == []


def test_snapshot_without_subscription_is_followed_by_nothing(client: Client, folder: Path) -> None:
    """`snapshot` {id, topics} → `snapshot`, and no more."""
    watched = folder.parent / f"{folder.name}-watched"
    watched.mkdir()
    small(folder, 4)
    assert entry_names(client.snapshot("folder:" + str(folder))) == {b"p%04d.png" % n for n in range(4)}
    client.subscribe("folder:" + str(watched))
    small(folder, 1, "unseen")
    small(watched, 1, "witness")
    client.until(lambda: b"witness0000.png" in added(client, watched), "the watched folder's change")
    assert client.changes(bytes(folder)) == []


def test_large_folder_comes_in_parts_of_1000_by_credit(
    home: Home, dial: Callable[[Path], Client], folder: Path
) -> None:
    """A snapshot part has 1,000 entries at most and costs one credit; it is cut into parts as credit comes."""
    for number in range(4500):
        (folder / f"{number:05}.txt").touch()
    client = dial(home.socket)
    client.hello(credit=3)
    client.gives_back = False
    request = client.post("subscribe", topics=["folder:" + str(folder)])
    client.until(lambda: client.credit <= 1, "as many parts as there is credit for")
    client.ping()
    client.ping()
    assert not any(part["last"] for part in client.parts(request))
    client.gives_back = True
    client.give(2)
    parts = client.wait_snapshots(request)
    names = [entry["name"] for part in parts for entry in part.get("entries") or []]
    assert len(names) == len(set(names)) == 4500
    assert len(parts) >= 5


@pytest.mark.parametrize("name", ["not-there", "a-file"])
@pytest.mark.parametrize("kind", ["folder", "tree"])
def test_folder_that_cannot_be_listed_ends_its_last_part_with_error(
    client: Client, folder: Path, kind: str, name: str
) -> None:
    """A folder that can't be listed ends its last part with `error` and `message`."""
    (folder / "a-file").write_text("no folder")
    parts = client.subscribe(f"{kind}:{folder}/{name}")
    assert entry_names(parts) == set()
    assert isinstance(parts[-1]["error"], str)
    assert name in parts[-1]["message"]


def test_folder_whose_name_is_no_utf8_is_named_in_bin(client: Client, folder: Path) -> None:
    """topics [str or bin]."""
    strange = bytes(folder) + b"/caf\xe9"
    os.mkdir(strange)
    with open(strange + b"/\xff.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
    parts = client.subscribe(b"folder:" + strange)
    assert entry_names(parts) == {b"\xff.png"}
    assert topic_bytes(parts[-1]["topic"]) == b"folder:" + strange
    with open(strange + b"/new", "wb"):
        pass
    client.until(lambda: bool(client.changes(strange)), "a change in it")


# A tree


def test_tree_is_told_with_names_relative_to_it(client: Client, folder: Path) -> None:
    """`tree:<path>` (recursive): entries only, names relative to the topic; links to folders are not followed."""
    small(folder, 1)
    small(folder / "a" / "b", 2)
    (folder / "a" / "loop").symlink_to(folder)
    names = entry_names(client.subscribe("tree:" + str(folder)))
    assert names >= {b"p0000.png", b"a", b"a/b", b"a/b/p0000.png", b"a/b/p0001.png"}
    assert not any(name.startswith(b"a/loop/") for name in names)


def test_changes_anywhere_below_a_tree_are_told(client: Client, folder: Path) -> None:
    """What comes in a folder below, and in one that itself came later, is told relative to the topic."""
    (folder / "a").mkdir()
    client.subscribe("tree:" + str(folder))
    small(folder / "a", 1, "in")
    client.until(lambda: b"a/in0000.png" in added(client, folder), "a file below")
    small(folder / "a" / "late" / "r", 1, "deep")
    client.until(lambda: b"a/late/r/deep0000.png" in added(client, folder), "a file in a folder that came later")
    (folder / "a" / "in0000.png").unlink()
    client.until(lambda: b"a/in0000.png" in removed(client, folder), "a file below that went")


# Batches, one's own things, the system


def test_another_sessions_batch_can_be_followed(meet: Callable[[], Client], folder: Path) -> None:
    """`batch:<id>`: another session's batch of the same user; `done` comes once for each session."""
    worker, watcher = meet(), meet()
    paths = slow(folder, 8)
    name = f"followed-{folder.name}"
    worker.submit(paths, batch=name)
    parts = watcher.subscribe(f"batch:{name}")
    assert snapshot_batches(parts)[name]["progress"]["total"] == 8
    assert worker.wait_done(name)["ready"] == watcher.wait_done(name)["ready"] == 8
    items = snapshot_items(parts)
    seen = {key for key, item in items.items() if item["state"] == "ready"} | watcher.finals().keys()
    assert seen == {(path, "normal") for path in paths}
    assert watcher.progress(name)[-1]["done"] == 8
    watcher.ping()
    assert len(watcher.dones(name)) == 1


def test_own_batch_comes_unsubscribed_and_once(client: Client, folder: Path) -> None:
    """A session's own items and batches come unsubscribed; a subscription to them tells nothing twice."""
    paths = slow(folder, 5)
    name = f"own-{folder.name}"
    client.submit(paths, batch=name)
    client.subscribe(f"batch:{name}", "mine")
    client.wait_done(name)
    client.ping()
    assert len(client.dones(name)) == 1
    assert all(len(told) == 1 for told in client.finals().values())


def test_strangers_batch_is_not_told_to_who_did_not_ask(meet: Callable[[], Client], folder: Path) -> None:
    """Only a session's own items and batches come unsubscribed."""
    worker, other = meet(), meet()
    worker.wait_done(worker.submit(small(folder, 3))["batch"])
    other.ping()
    assert other.pushed == []


def test_batch_snapshot_keeps_counts_and_failures_after_done(meet: Callable[[], Client], folder: Path) -> None:
    """After a batch is told in full, its counts and failures are kept until its TTL."""
    worker, later = meet(), meet()
    good, bad = small(folder, 4), [bytes(folder / "never.png")]
    name = f"kept-{folder.name}"
    worker.submit(good + bad, batch=name, ttl_s=600)
    worker.wait_done(name)
    worker.ping()
    parts = later.snapshot(f"batch:{name}")
    entry = snapshot_batches(parts)[name]
    assert (entry["progress"]["ready"], entry["progress"]["failed"], entry["progress"]["total"]) == (4, 1, 5)
    assert snapshot_items(parts)[bad[0], "normal"]["error"] == "not_found"


def test_mine_has_batches_items_and_focus_of_this_session_alone(meet: Callable[[], Client], folder: Path) -> None:
    """`mine` asks for a snapshot of a session's own batches, items and focus."""
    me, other = meet(), meet()
    mine, theirs, shown = slow(folder, 6, "mine"), slow(folder, 6, "theirs"), small(folder, 2, "shown")
    me.submit(mine, batch=f"mine-{folder.name}")
    other.submit(theirs, batch=f"theirs-{folder.name}")
    me.focus(shown, generation=1)
    me.wait_final({(path, "normal") for path in shown})
    parts = me.subscribe("mine")
    assert set(snapshot_batches(parts)) == {f"mine-{folder.name}"}
    paths = {path for path, _ in snapshot_items(parts)}
    assert not paths & set(theirs)
    told = {path for path, _ in me.finals()}
    assert paths | told >= set(mine) | set(shown)


def test_snapshot_of_mine_needs_no_subscription(client: Client, folder: Path) -> None:
    """`snapshot` {topics} takes any topic, as a client needs after a gap."""
    paths = slow(folder, 4)
    name = f"gap-{folder.name}"
    client.submit(paths, batch=name)
    parts = client.snapshot("mine", f"batch:{name}")
    assert {topic_bytes(part["topic"]) for part in parts} == {b"mine", b"batch:" + name.encode()}
    client.wait_done(name)


def test_system_is_answered_by_a_snapshot(client: Client) -> None:
    """A snapshot answers each subscription, also where there is nothing to tell."""
    parts = client.subscribe("system")
    assert [part["last"] for part in parts] == [True]


def test_unknown_topics_are_refused_and_nothing_is_subscribed(client: Client, folder: Path) -> None:
    """Topics are `mine`, `system`, `batch:<id>`, `folder:<path>` and `tree:<path>`."""
    for topic in ("weather", "folder", "folder:", "folder:relative/path", "tree:x", b"folder:/a\0b"):
        assert client.refusal("subscribe", topics=[topic])["code"] == "bad_field", topic
    assert client.refusal("subscribe", topics=[f"batch:{new_id().hex()}"])["code"] == "unknown_id"
    assert client.refusal("snapshot", topics=[f"batch:{new_id().hex()}"])["code"] == "unknown_id"
    assert client.refusal("subscribe", topics=["folder:" + str(folder), "weather"])["code"] == "bad_field"
    client.ping()
    assert client.pushed == []
