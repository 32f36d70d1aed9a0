"""The page's `focus`: what is on screen is asked for by generation, comes first, and leaves without a word."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from conformance.independent_client import Client
from conformance.pictures import slow, small

pytestmark = pytest.mark.e2e


def told(client: Client, path: bytes) -> int:
    """How often a result of this path was told."""
    return len(client.finals().get((path, "normal"), []))


def until_told(client: Client, path: bytes, times: int = 1) -> None:
    client.until(lambda: told(client, path) >= times, f"result {times} of {os.fsdecode(path)}")


def test_results_of_what_is_focused_come_as_updates_and_no_batch_is_done(client: Client, folder: Path) -> None:
    """visible = critical, near = high; its items' results come as `update`s like any other; it is no submission."""
    paths = small(folder, 12)
    client.focus(paths[:6], paths[6:], generation=1)
    finals = client.wait_final({(path, "normal") for path in paths})
    assert {item["state"] for item in finals.values()} == {"ready"}
    client.ping()
    assert [message["type"] for message in client.pushed if message["type"] != "update"] == []
    assert client.refusal("status", batch="w")["code"] == "unknown_id"


def test_older_generations_are_dropped(client: Client, folder: Path) -> None:
    """The newest generation wins, older ones are dropped."""
    new, old, next_one = small(folder, 3)
    client.focus([new], generation=5)
    client.focus([old], generation=4)
    until_told(client, new)
    client.focus([next_one], generation=6)
    until_told(client, next_one)
    client.ping()
    assert told(client, old) == 0


def test_views_count_their_generations_apart(client: Client, folder: Path) -> None:
    """focus has a view: two windows of one program don't disturb each other."""
    one, two = small(folder, 2)
    client.focus([one], generation=9, view="left")
    client.focus([two], generation=1, view="right")
    until_told(client, one)
    until_told(client, two)


def test_result_is_told_each_time_its_item_enters_and_not_while_it_stays(client: Client, folder: Path) -> None:
    """A result is told each time its item *enters* a view's focus."""
    stays, comes, again = small(folder, 3)
    client.focus([stays], generation=1)
    until_told(client, stays)
    client.focus([stays, comes], generation=2)
    until_told(client, comes)
    client.focus([comes, again], generation=3)
    until_told(client, again)
    client.ping()
    assert (told(client, stays), told(client, comes)) == (1, 1)
    client.focus([stays], generation=4)
    until_told(client, stays, 2)
    client.focus([], [stays], generation=5, view="another")
    until_told(client, stays, 3)


def test_failures_are_told_to_a_focus_too(client: Client, folder: Path) -> None:
    """Its items' results come like any other: failed ones as well, each time they enter."""
    path = bytes(folder / "never.png")
    client.focus([path], generation=1)
    until_told(client, path)
    client.focus([], generation=2)
    client.focus([path], generation=3)
    until_told(client, path, 2)
    assert {item["error"] for item in client.finals()[path, "normal"]} == {"not_found"}


def test_result_is_told_when_it_changes(client: Client, folder: Path) -> None:
    """A result is told each time its item enters a view's focus, and when it changes (the folder being watched)."""
    path = small(folder, 1, size=(300, 200))[0]
    client.subscribe("folder:" + str(folder))
    client.focus([path], generation=1)
    until_told(client, path)
    fresh = folder.parent / f"{folder.name}-fresh.png"
    Image.new("RGB", (222, 111), "red").save(fresh)
    fresh.rename(os.fsdecode(path))

    def changed() -> bool:
        return client.finals()[path, "normal"][-1].get("width") == 222

    client.until(changed, "the picture that took the place of the other")


def test_what_leaves_the_focus_is_dropped_without_a_word(client: Client, folder: Path) -> None:
    """What leaves the focus is dropped without a word unless a batch wants it."""
    paths = slow(folder, 30)
    client.focus(paths, generation=1)
    until_told(client, paths[0])
    client.focus([], generation=2)
    after = small(folder, 3, "after")
    client.wait_done(client.submit(after, priority="background")["batch"])
    states = {item["state"] for item in client.items() if item["path"] in set(paths)}
    assert "cancelled" not in states
    assert len(client.finals()) < 30


def test_what_leaves_the_focus_goes_on_when_a_batch_wants_it(client: Client, folder: Path) -> None:
    """... unless a batch wants it."""
    paths = slow(folder, 6)
    batch = client.submit(paths, priority="low")["batch"]
    client.focus(paths[3:], generation=1)
    until_told(client, paths[5])
    client.focus([], generation=2)
    assert client.wait_done(batch)["ready"] == 6


def test_what_is_on_screen_overtakes_a_batch(meet: Callable[[], Client], folder: Path) -> None:
    """Priorities: `critical` (on screen) before `normal`; the best priority among those who wait counts."""
    busy, window = meet(), meet()
    paths = slow(folder, 16)
    batch = busy.submit(paths)["batch"]
    shown = [*small(folder, 4, "shown"), paths[-1]]
    window.focus(shown, generation=1)
    window.wait_final({(path, "normal") for path in shown})
    progress = busy.ask("status", batch=batch)
    assert progress["type"] == "status"
    busy.ping()
    assert busy.dones(batch) == []
    assert busy.wait_done(batch)["ready"] == 16


def test_new_welcome_empties_every_focus(client: Client, folder: Path) -> None:
    """A new `welcome` empties every focus: what was in it enters again, whatever its generation."""
    path = small(folder, 1)[0]
    client.focus([path], generation=7)
    until_told(client, path)
    assert client.hello(session=client.session)["resumed"] is True
    client.focus([path], generation=7)
    until_told(client, path, 2)


def test_malformed_focus_changes_nothing(client: Client, folder: Path) -> None:
    """A bad path is a `bad_field`, and the focus stays what it was."""
    path = small(folder, 1)[0]
    client.send("focus", view="w", generation=1, flavor="normal", visible=["text.png"], near=[])
    assert client.stray()["code"] == "bad_field"
    client.focus([path], generation=1)
    until_told(client, path)
