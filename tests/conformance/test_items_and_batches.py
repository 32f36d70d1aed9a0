"""The page's "Items" and `submit`: what an item is, what a batch is, and what is told of both."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from conformance.independent_client import Client, Refused, new_id
from conformance.pictures import missing, slow, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e


def keys(paths: list[bytes], flavor: str = "normal") -> set[tuple[bytes, str]]:
    return {(path, flavor) for path in paths}


# Items


def test_each_accepted_item_reaches_one_final_state_told_once(client: Client, folder: Path) -> None:
    """The last three states are final for one submission, told once; a message names the file and the cause."""
    good = small(folder, 5)
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("this is no picture")
    (folder / "cut.png").write_bytes(Path(os.fsdecode(good[0])).read_bytes()[:60])
    (folder / "directory.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to("nowhere")
    names = ["empty.png", "text.png", "cut.png", "directory.png", "pipe.png", "dangling.png", "never.png"]
    bad = [bytes(folder / name) for name in names]
    batch = client.submit([*good, *bad])["batch"]
    done = client.wait_done(batch)
    client.ping()
    told = client.finals()
    assert told.keys() == keys(good + bad)
    assert {len(states) for states in told.values()} == {1}
    assert {told[key][0]["state"] for key in keys(good)} == {"ready"}
    failures = {key[0]: told[key][0] for key in keys(bad)}
    assert {item["state"] for item in failures.values()} == {"failed"}
    assert failures[bytes(folder / "never.png")]["error"] == "not_found"
    assert failures[bytes(folder / "dangling.png")]["error"] == "not_found"
    assert failures[bytes(folder / "text.png")]["error"] in {"unsupported", "decode_error"}
    for path, item in failures.items():
        assert os.fsdecode(path) in item["message"]
        assert isinstance(item["retryable"], bool)
    assert (done["ready"], done["failed"], done["cancelled"], done["quarantined"]) == (5, 7, 0, 0)


def test_final_states_come_after_the_earlier_ones(client: Client, folder: Path) -> None:
    """queued → rendering → ready: nothing is told of an item once its final state is."""
    paths = slow(folder, 6)
    client.wait_done(client.submit(paths)["batch"])
    order = {"queued": 0, "rendering": 1, "ready": 2, "failed": 2, "cancelled": 2}
    for path in paths:
        told = [order[item["state"]] for item in client.items() if item["path"] == path]
        assert told == sorted(told)
        assert told.count(2) == 1


@pytest.mark.parametrize(
    ("flavor", "bound"), [("normal", 128), ("large", 256), ("x-large", 512), ("xx-large", 1024), ("preview", 2048)]
)
def test_flavors_are_bounding_squares(client: Client, folder: Path, home: Home, flavor: str, bound: int) -> None:
    """Flavors are `normal` 128, `large` 256, `x-large` 512, `xx-large` 1024 and `preview` 2048, kept elsewhere."""
    path = small(folder, 1, size=(3000, 2000))[0]
    assert client.wait_done(client.submit([path], flavor)["batch"])["ready"] == 1
    item = client.finals()[path, flavor][0]
    thumbnail = Path(os.fsdecode(item["thumbnail"] or item["volatile"]))
    with Image.open(thumbnail) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) == bound
    assert thumbnail.is_relative_to(home.cache / "thumbnails" / flavor) == (flavor != "preview")
    assert stat.S_IMODE(thumbnail.stat().st_mode) == 0o600


def test_small_pictures_are_not_enlarged_and_sizes_are_told(client: Client, folder: Path) -> None:
    """`update` items carry width and height."""
    path = small(folder, 1, size=(40, 30))[0]
    client.wait_done(client.submit([path])["batch"])
    item = client.finals()[path, "normal"][0]
    assert (item["width"], item["height"]) == (40, 30)


def test_what_was_rendered_once_comes_from_the_cache(client: Client, folder: Path) -> None:
    """source is `render`, then `cache`; progress counts `cached`."""
    paths = small(folder, 8)
    client.wait_done(client.submit(paths, batch=f"one-{folder.name}")["batch"])
    assert {told[0]["source"] for told in client.finals().values()} == {"render"}
    place = client.mark()
    second = client.submit(paths, batch=f"two-{folder.name}")["batch"]
    client.wait_done(second)
    assert {told[0]["source"] for told in client.finals(place).values()} == {"cache"}
    assert client.progress(second)[-1]["cached"] == 8


def test_names_that_are_no_utf8_go_there_and_back(client: Client, folder: Path) -> None:
    """Paths are msgpack bin: a Linux name need not be UTF-8."""
    strange = bytes(folder) + b"/caf\xe9 #1%\n.png"
    os.rename(small(folder, 1)[0], strange)
    client.wait_done(client.submit([strange])["batch"])
    assert client.finals()[strange, "normal"][0]["state"] == "ready"


def test_same_path_in_two_flavors_is_two_items(client: Client, folder: Path) -> None:
    """An item is (path, flavor)."""
    path = small(folder, 1, size=(600, 400))[0]
    items = [{"path": path, "flavor": flavor} for flavor in ("normal", "large")]
    accepted = client.ask("submit", items=items, priority="normal")
    assert accepted["total"] == 2
    assert client.wait_done(accepted["batch"])["ready"] == 2
    assert set(client.finals()) == {(path, "normal"), (path, "large")}


# Batches


def test_done_comes_once_behind_the_last_item_and_progress(client: Client, folder: Path) -> None:
    """`done`: once for each batch and session, behind the batch's last item and progress."""
    paths = small(folder, 300)
    batch = client.submit(paths)["batch"]
    done = client.wait_done(batch)
    assert client.pushed[-1] is done
    assert client.finals().keys() == keys(paths)
    assert client.progress(batch)[-1]["done"] == 300
    client.wait_done(client.submit(small(folder, 1, "later"))["batch"])
    assert len(client.dones(batch)) == 1
    assert all(message["type"] != "update" or not any(p["batch"] == batch for p in message.get("progress") or [])
               for message in client.pushed[client.pushed.index(done):])  # fmt: skip


def test_progress_adds_up_and_comes_ten_times_a_second_at_most(client: Client, folder: Path) -> None:
    """done = ready + failed + cancelled; progress <= 10 a second, its first and last always."""
    paths = slow(folder, 8) + missing(folder, 200)
    batch = client.submit(paths)["batch"]
    done = client.wait_done(batch)
    told = client.progress(batch)
    assert told[0]["total"] == 208
    assert (told[-1]["done"], told[-1]["ready"], told[-1]["failed"]) == (208, 8, 200)
    counts = [entry["done"] for entry in told]
    assert counts == sorted(counts)
    assert len(told) <= done["elapsed_ms"] / 100 + 2


def test_batch_without_a_name_gets_one(client: Client, folder: Path) -> None:
    """`batch?` is optional; `accepted` names it."""
    paths = small(folder, 2)
    one, two = client.submit(paths[:1])["batch"], client.submit(paths[1:])["batch"]
    assert one != two
    assert client.wait_done(one)["ready"] == client.wait_done(two)["ready"] == 1


def test_same_id_gets_the_same_answer_and_has_no_second_effect(client: Client, folder: Path) -> None:
    """The same `id` in a session gets the same answer and has no second effect."""
    paths = small(folder, 3)
    request = new_id()
    first = client.submit(paths, id=request)
    client.wait_done(first["batch"])
    assert client.submit(paths, id=request) == first
    client.ping()
    assert len(client.dones(first["batch"])) == 1
    assert all(len(told) == 1 for told in client.finals().values())
    assert len([b for b in client.ask("batches")["batches"] if b["batch"] == first["batch"]]) == 1
    more = slow(folder, 12)
    second = client.submit(more)["batch"]
    cancelling = new_id()
    answer = client.ask("cancel", id=cancelling, batch=second)
    assert answer["dropped"] + answer["running"] > 0
    client.wait_done(second)
    assert client.ask("cancel", id=cancelling, batch=second) == answer


def test_batch_is_a_set_and_a_second_submit_adds_only_what_is_missing(client: Client, folder: Path) -> None:
    """A batch is a set of items: what is submitted again adds only what is missing."""
    paths = slow(folder, 6)
    name = f"set-{folder.name}"
    assert client.submit([*paths[:4], *paths[:4]], batch=name)["total"] == 4
    assert client.submit(paths[:4], batch=name)["total"] == 4
    assert client.submit(paths, batch=name)["total"] == 6
    done = client.wait_done(name)
    assert (done["ready"], done["failed"], done["cancelled"]) == (6, 0, 0)
    client.ping()
    assert {len(told) for told in client.finals().values()} == {1}
    assert len(client.dones(name)) == 1


def test_batch_in_chunks_is_done_only_after_the_last_chunk(client: Client, folder: Path) -> None:
    """more? bool (chunks of one batch)."""
    paths = small(folder, 6)
    name = f"chunks-{folder.name}"
    client.submit(paths[:3], batch=name, more=True)
    client.wait_final(keys(paths[:3]))
    client.wait_done(client.submit(small(folder, 1, "other"))["batch"])
    assert client.dones(name) == []
    client.submit(paths[3:5], batch=name, more=True)
    client.wait_final(keys(paths[3:5]))
    client.ping()
    assert client.dones(name) == []
    client.submit(paths[5:], batch=name)
    done = client.wait_done(name)
    assert done["ready"] == 6
    client.ping()
    assert len(client.dones(name)) == 1


def test_replace_ends_the_older_batch(client: Client, folder: Path) -> None:
    """replace? batch id: what waits in the replaced batch is cancelled, each item told, and its `done` comes."""
    old_paths, new_paths = slow(folder, 30, "old"), small(folder, 3, "new")
    old = client.submit(old_paths, batch=f"old-{folder.name}")["batch"]
    new = client.submit(new_paths, batch=f"new-{folder.name}", replace=old)["batch"]
    assert client.wait_done(new)["ready"] == 3
    done = client.wait_done(old)
    assert done["cancelled"] > 0
    assert done["ready"] + done["failed"] + done["cancelled"] == 30
    assert client.finals().keys() == keys(old_paths) | keys(new_paths)


def test_work_is_shared_by_sessions_that_want_the_same(meet: Callable[[], Client], folder: Path) -> None:
    """Work is shared: each asks, each is told, and the second has joined the first's render."""
    paths = slow(folder, 8)
    one, two = meet(), meet()
    first = one.submit(paths)["batch"]
    second = two.submit(paths)["batch"]
    assert one.wait_done(first)["ready"] == two.wait_done(second)["ready"] == 8
    assert one.finals().keys() == two.finals().keys() == keys(paths)
    last = two.progress(second)[-1]
    assert last["joined"] + last["cached"] == 8
    assert last["joined"] > 0


def test_two_sessions_join_one_batch_and_each_is_told_everything(meet: Callable[[], Client], folder: Path) -> None:
    """`done` once for each batch and session; who joins later is told also what had ended before."""
    paths = small(folder, 3) + slow(folder, 8)
    name = f"common-{folder.name}"
    one, two = meet(), meet()
    one.submit(paths, batch=name)
    one.wait_final(keys(paths[:3]))
    two.submit(paths, batch=name)
    assert one.wait_done(name)["ready"] == two.wait_done(name)["ready"] == 11
    one.ping()
    two.ping()
    for each in (one, two):
        assert each.finals().keys() == keys(paths)
        assert {len(told) for told in each.finals().values()} == {1}
        assert len(each.dones(name)) == 1
        assert each.progress(name)[-1]["done"] == 11


def test_batch_goes_on_for_those_who_stay_when_another_leaves(meet: Callable[[], Client], folder: Path) -> None:
    """bye ends the interest of that session alone: who joined its batch is told everything."""
    paths = slow(folder, 12)
    name = f"left-{folder.name}"
    leaving, staying = meet(), meet()
    leaving.submit(paths, batch=name)
    staying.submit(paths, batch=name)
    leaving.until(lambda: bool(leaving.finals()), "the first result")
    leaving.send("bye")
    done = staying.wait_done(name)
    assert (done["ready"], done["failed"], done["cancelled"]) == (12, 0, 0)
    assert staying.finals().keys() == keys(paths)


def test_better_class_goes_first(client: Client, folder: Path) -> None:
    """Priorities: critical, high, normal, low, background; class first."""
    low = client.submit(slow(folder, 24, "low"), priority="low")["batch"]
    high = client.submit(slow(folder, 3, "high"), priority="high")["batch"]
    client.wait_done(low)
    first, second = client.dones(high)[0], client.dones(low)[0]
    assert first["seq"] < second["seq"]
    before = client.pushed[: client.pushed.index(first)]
    done = [p["done"] for m in before for p in m.get("progress") or [] if p["batch"] == low]
    assert max(done, default=0) < 20


def test_clients_of_one_class_take_turns(meet: Callable[[], Client], folder: Path) -> None:
    """Class first, then round robin between clients inside the class: a second client isn't starved."""
    many, few = meet(), meet()
    long = many.submit(slow(folder, 24, "many"))["batch"]
    few.wait_done(few.submit(slow(folder, 3, "few"))["batch"])
    many.ping()
    assert many.dones(long) == []
    many.ask("cancel", batch=long)
    many.wait_done(long)


# Folders


def test_folder_submit_lists_pictures_and_total_is_null_at_first(client: Client, folder: Path) -> None:
    """In a folder an item is a regular file whose extension or first 32 bytes claim a supported format."""
    paths = small(folder, 4)
    unnamed = folder / "no-extension"
    Path(os.fsdecode(small(folder / "elsewhere", 1)[0])).rename(unnamed)
    liar = folder / "text.jpg"
    liar.write_text("not a picture, but it claims to be one")
    (folder / "notes.txt").write_text("nothing to render")
    (folder / ".hidden.png").write_bytes(Path(os.fsdecode(paths[0])).read_bytes())
    (folder / "link.png").symlink_to(Path(os.fsdecode(paths[0])))
    (folder / "linked-folder").symlink_to(folder / "elsewhere")
    small(folder / "deep" / "er", 2)
    accepted = client.submit_folder(bytes(folder))
    assert accepted["total"] is None
    done = client.wait_done(accepted["batch"])
    expected = [*paths, bytes(unnamed), bytes(liar), bytes(folder / "link.png")]
    assert client.finals().keys() == keys(expected)
    assert (done["ready"], done["failed"]) == (6, 1)
    assert client.progress(accepted["batch"])[-1]["total"] == 7


def test_recursive_submit_goes_down_but_not_through_links(client: Client, folder: Path) -> None:
    """folder {path, recursive}: links to files are followed, links to folders are not."""
    top, deep, other = small(folder / "a", 2), small(folder / "a" / "b" / "c", 2), small(folder / "other", 2)
    (folder / "a" / "loop").symlink_to(folder / "a")
    (folder / "a" / "aside").symlink_to(folder / "other")
    client.wait_done(client.submit_folder(bytes(folder / "a"), recursive=True)["batch"])
    assert client.finals().keys() == keys(top + deep)
    assert not client.finals().keys() & keys(other)


def test_hidden_pictures_only_with_hidden(client: Client, folder: Path) -> None:
    """hidden ones only with `hidden: true`."""
    plain = small(folder, 1)
    secret = small(folder, 1, ".secret")
    below = small(folder / ".cave", 1)
    place = client.mark()
    client.wait_done(client.submit_folder(bytes(folder), recursive=True)["batch"])
    assert client.finals(place).keys() == keys(plain)
    place = client.mark()
    client.wait_done(client.submit_folder(bytes(folder), recursive=True, hidden=True)["batch"], place)
    assert client.finals(place).keys() == keys(plain + secret + below)


def test_empty_folder_is_done_with_nothing(client: Client, folder: Path) -> None:
    """`done` comes for every batch."""
    done = client.wait_done(client.submit_folder(bytes(folder))["batch"])
    assert (done["ready"], done["failed"], done["cancelled"]) == (0, 0, 0)
    assert not done.get("error")


@pytest.mark.parametrize("name", ["not-there", "a-file"])
def test_folder_that_cannot_be_listed_ends_with_error_and_message(client: Client, folder: Path, name: str) -> None:
    """done has error?, message? (a folder that couldn't be listed)."""
    (folder / "a-file").write_text("no folder")
    done = client.wait_done(client.submit_folder(bytes(folder / name))["batch"])
    assert done["ready"] == done["failed"] == 0
    assert done["error"]
    assert name in done["message"]


def test_folder_of_a_folder_batch_can_be_joined(meet: Callable[[], Client], folder: Path) -> None:
    """The same batch again, by another session, while and after it is listed: everything is told to both."""
    paths = small(folder, 20) + slow(folder, 4)
    one, two = meet(), meet()
    name = f"both-{folder.name}"
    one.submit_folder(bytes(folder), batch=name)
    two.submit_folder(bytes(folder), batch=name)
    assert one.wait_done(name)["ready"] == two.wait_done(name)["ready"] == 24
    assert one.finals().keys() == two.finals().keys() == keys(paths)


# A full queue


def test_full_queue_refuses_a_whole_chunk_and_says_how_much_room_there_is(own_home: Home) -> None:
    """`queue_full` {retry_after_ms, room}; all or nothing for a chunk; what is on screen is never refused by a batch."""
    daemon = own_home.daemon("--renderers", "1")
    with Client(own_home.socket) as client:
        client.hello()
        client.gives_back = False  # what is told of so many is of no interest here
        client.submit([b"/none/first.png"], batch="flood", more=True, priority="low")
        client.ask("pause", batch="flood")
        capacity = client.ask("stats")["queue"]["capacity"]
        refused: Refused | None = None
        for chunk in range(capacity // 4096 + 2):
            paths = [b"/none/%d/%d.png" % (chunk, number) for number in range(4096)]
            try:
                client.submit(paths, batch="flood", more=True, priority="low")
            except Refused as full:
                refused = full
                break
        assert refused is not None
        assert refused.code == "queue_full"
        assert refused.answer["retryable"] is True
        assert isinstance(refused.answer["retry_after_ms"], int)
        room = refused.answer["room"]
        assert 0 <= room < 4096
        total = client.ask("stats")["queue"]["total"]
        assert client.refusal("status", items=[{"path": paths[0], "flavor": "normal"}])["code"] == "unknown_id"
        if room:
            client.submit(paths[:room], batch="flood", more=True, priority="low")
            assert client.ask("stats")["queue"]["total"] == total + room
        shown = small(own_home.pictures, 20)
        client.gives_back = True
        client.give(31)
        client.focus(shown, generation=1)
        client.wait_final({(path, "normal") for path in shown})
    daemon.kill()  # an orderly end would tell the final states of all those first
