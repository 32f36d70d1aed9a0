"""The page's credit and outbox: what costs credit waits for it and coalesces, what doesn't comes anyway."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.independent_client import Client, snapshot_batches, snapshot_items
from conformance.pictures import missing, slow, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e


def keys(paths: list[bytes]) -> set[tuple[bytes, str]]:
    return {(path, "normal") for path in paths}


@pytest.fixture
def stalled(home: Home, dial: Callable[[Path], Client]) -> Callable[[int], Client]:
    """Clients that grant so much credit once, and give none back by themselves."""

    def meet_one(credit: int) -> Client:
        client = dial(home.socket)
        client.hello(credit=credit)
        client.gives_back = False
        return client

    return meet_one


def finished(witness: Client, batch: str) -> None:
    """Wait until a batch is done, as somebody else sees it."""

    def is_done() -> bool:
        listed = {entry["batch"]: entry for entry in witness.ask("batches")["batches"]}
        progress = listed[batch]["progress"]
        return progress["total"] is not None and progress["done"] == progress["total"]

    witness.until(is_done, f"the end of {batch}")


def test_one_unit_is_kept_for_what_is_critical(
    stalled: Callable[[int], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """While credit > 0, one unit is kept for critical ones; answers are free."""
    client, witness = stalled(2), meet()
    batch = client.submit(small(folder, 30) + missing(folder, 300))["batch"]
    finished(witness, batch)
    client.ping()
    assert client.credit == 1
    shown = small(folder, 2, "shown")
    client.focus(shown, generation=1)
    client.until(lambda: client.credit == 0, "the critical update")
    assert client.updates()[-1]["items"][0]["path"] in shown
    client.ask("stats")
    client.ask("batches")
    client.ping()
    assert len(client.updates()) == 2
    assert client.dones(batch) == []


def test_without_credit_updates_coalesce_and_nothing_is_lost(
    stalled: Callable[[int], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """Without credit it coalesces, one entry for each key; only the newest state of each key is told."""
    client, witness = stalled(2), meet()
    paths = small(folder, 20) + missing(folder, 700)
    batch = client.submit(paths)["batch"]
    finished(witness, batch)
    client.ping()
    before = len(client.updates())
    client.gives_back = True
    client.give(1)
    client.wait_done(batch)
    assert client.finals().keys() == keys(paths)
    assert {len(told) for told in client.finals().values()} == {1}
    assert client.progress(batch)[-1]["done"] == 720
    assert len(client.updates()) - before <= 5


def test_sum_of_credit_outstanding_never_passes_32(
    stalled: Callable[[int], Client], meet: Callable[[], Client], home: Home
) -> None:
    """credit 2-32; the sum outstanding never passes 32, whatever is granted."""
    client, witness = stalled(32), meet()
    paths = missing(home.pictures / "sum", 12_000)
    batch = "sum"
    for start in range(0, 12_000, 4000):
        client.submit(paths[start : start + 4000], batch=batch, more=start < 8000)
    for _ in range(40):
        client.give(1000)
    finished(witness, batch)
    client.ping()
    assert len(client.updates()) <= 32
    sent = len(client.updates())
    client.give(1000)
    client.give(1000)
    client.ping()
    assert len(client.updates()) - sent <= 32  # and the client's own books hold at every message
    client.gives_back = True
    client.give(32)
    client.wait_done(batch)
    assert client.finals().keys() == keys(paths)


def test_done_waits_behind_its_batchs_items_though_it_is_free(
    stalled: Callable[[int], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """`done` is free of credit, and comes behind the batch's last item and progress."""
    client, witness = stalled(2), meet()
    batch = client.submit(small(folder, 2) + missing(folder, 600))["batch"]
    finished(witness, batch)
    client.ping()
    assert client.dones(batch) == []
    while not client.dones(batch):
        client.give(1)
        client.until(lambda: client.credit <= 1, "the next update")
        client.ping()
    assert client.finals().keys() == keys(small(folder, 2) + missing(folder, 600))
    assert client.progress(batch)[-1]["done"] == 602


def overflow(client: Client, paths: list[bytes], batch: str) -> None:
    """Submit more than an outbox takes, and wait until it was dropped."""
    for start in range(0, len(paths), 4000):
        client.submit(paths[start : start + 4000], batch=batch, more=start + 4000 < len(paths))
    client.until(lambda: bool(client.notices("resync")), "the notice resync")


def test_outbox_over_20000_entries_leaves_a_resync_and_a_snapshot_tells_all(
    stalled: Callable[[int], Client], home: Home
) -> None:
    """Over 20,000 entries the outbox is dropped and a `notice` `resync` left; a snapshot then tells what was dropped."""
    client = stalled(2)
    paths = missing(home.pictures / "flood", 24_000)
    overflow(client, paths, "flood")
    client.ping()
    assert len(client.notices("resync")) == 1
    client.gives_back = True
    client.give(31)
    parts = client.snapshot("mine", "batch:flood")
    assert snapshot_batches(parts)["flood"]["progress"]["total"] == 24_000
    assert client.wait_done("flood")["failed"] == 24_000
    failed = {key for key, item in snapshot_items(parts).items() if item["state"] == "failed"}
    assert failed | client.finals().keys() == keys(paths)
    client.ping()
    assert len(client.dones("flood")) == 1


@pytest.mark.parametrize("same_batch", [False, True])
def test_overflow_of_one_session_takes_nothing_from_another_that_wants_the_same(
    stalled: Callable[[int], Client], meet: Callable[[], Client], home: Home, same_batch: bool
) -> None:
    """Each accepted item reaches one final state, told to each session that asked: a slow window stops itself alone."""
    client, other = stalled(2), meet()
    paths = missing(home.pictures / f"two-{same_batch}", 24_000)
    batch = f"stalled-{same_batch}" if same_batch else "of-its-own"
    overflow(client, paths, f"stalled-{same_batch}")
    for start in range(0, 24_000, 4000):
        other.submit(paths[start : start + 4000], batch=batch, more=start < 20_000)
    # Who joins a batch is told at once what had ended before: that may be more than its own outbox takes.
    other.until(lambda: bool(other.dones(batch) or other.notices("resync")), "the end, or resync")
    parts = other.snapshot("mine", f"batch:{batch}") if other.notices("resync") else []
    assert other.wait_done(batch)["failed"] == 24_000
    failed = {key for key, item in snapshot_items(parts).items() if item["state"] == "failed"}
    assert failed | other.finals().keys() == keys(paths)


@pytest.mark.parametrize("wrong", [-1, "two", None, 1.5])
def test_wrong_credit_harms_nothing(client: Client, folder: Path, wrong: object) -> None:
    """A malformed `credit` grants nothing and ends nothing."""
    client.send("credit", n=wrong)
    client.ping()
    assert client.wait_done(client.submit(small(folder, 2))["batch"])["ready"] == 2


def test_stalled_reader_delays_nobody_else(
    stalled: Callable[[int], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """A slow window stops itself alone."""
    client, other = stalled(2), meet()
    client.submit(slow(folder, 3) + missing(folder, 2000))
    assert other.wait_done(other.submit(small(folder, 10))["batch"])["ready"] == 10


def test_critical_results_overtake_what_waits_in_the_outbox(
    stalled: Callable[[int], Client], meet: Callable[[], Client], folder: Path
) -> None:
    """Credit given after a stall brings what is on screen, though thousands of other results waited before it."""
    client, witness = stalled(2), meet()
    batch = client.submit(missing(folder, 4000))["batch"]
    finished(witness, batch)
    client.ping()
    shown = small(folder, 3, "shown")
    client.focus(shown, generation=1)
    client.until(lambda: client.credit == 0, "the kept unit's update")
    while not keys(shown) <= client.finals().keys():
        client.give(1)
        client.until(lambda: client.credit == 0, "a critical update by the kept unit")
    assert len(client.finals()) < 1200
