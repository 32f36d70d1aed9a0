"""A run's counting: each item once, all batches together."""

import os
from pathlib import Path

import pytest
import zmq

from thumbd_client.connection import Connection
from thumbd_client.events import Connected, Disconnected, Event, NoDaemon, NotTaken, Refused
from thumbd_client.files import are_files
from thumbd_client.render import Run
from thumbd_client.summary import Summary, together
from thumbd_protocol.codec import encode
from thumbd_protocol.items import BatchInfo, Flavor, ItemUpdate, Progress, Source, State
from thumbd_protocol.replies import Done, Snapshot, Update
from thumbd_protocol.requests import Cancel, Submit

EPOCH = b"8 bytes!"
_CONTEXT: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()


class Shown:
    """What a run showed."""

    def __init__(self) -> None:
        self.items: list[ItemUpdate] = []
        self.parts: list[Progress] = []
        self.notes: list[str] = []

    def item(self, item: ItemUpdate) -> None:
        self.items.append(item)

    def progress(self, progress: Progress) -> None:
        self.parts.append(progress)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self, summary: Summary) -> None:
        raise AssertionError("a run does not close what shows it")

    def break_off(self, summary: Summary) -> None:
        raise AssertionError("nor does it break off")


class Scripted(Connection):
    """A connection that is never made: its events are written down beforehand."""

    def __init__(self) -> None:
        super().__init__("test", autostart=False, context=_CONTEXT)
        self.script: list[list[Event]] = []

    def poll(self, timeout_s: float, also: object = None) -> list[Event]:
        assert timeout_s > 0
        return self.script.pop(0)

    def asked(self) -> list[Submit]:
        return [submit for batch in self.session._ledger.batches.values() for submit in batch.submits]


def update(*items: ItemUpdate, progress: list[Progress] | None = None) -> Update:
    return Update(epoch=EPOCH, seq=1, items=list(items), progress=progress or [])


def item(path: bytes, state: State = State.READY, source: Source | None = Source.RENDER) -> ItemUpdate:
    return ItemUpdate(path, Flavor.LARGE, state, source=source, error="crashed" if state is State.FAILED else None)


def done(batch: str, message: str | None = None) -> Done:
    return Done(
        epoch=EPOCH, seq=1, batch=batch, ready=0, failed=0, cancelled=0, quarantined=0, elapsed_ms=0, message=message
    )


def part(batch: str, count: int, total: int | None = 10, eta_ms: int | None = 100) -> Progress:
    return Progress(batch, count, count, 0, 0, 1, 2, total, 5, 1.5, eta_ms)


def a_run(*paths: bytes) -> tuple[Run, Scripted, Shown, list[str]]:
    connection, shown = Scripted(), Shown()
    run = Run(connection, shown)
    run.ask(dict(zip(paths, are_files(paths), strict=True)), Flavor.LARGE, recursive=True, hidden=False)
    return run, connection, shown, [submit.batch or "" for submit in connection.asked()]


def test_folders_are_batches_of_their_own_and_all_files_are_one(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    paths = [os.fsencode(tmp_path / name) for name in ("a.jpg", "b.jpg", "missing", ".")]
    _run, connection, _shown, batches = a_run(*paths)
    folders = [submit.folder for submit in connection.asked() if submit.folder is not None]
    (files,) = [submit.items for submit in connection.asked() if submit.items is not None]
    assert [folder.path for folder in folders] == [paths[2], paths[3]]
    assert all(folder.recursive and not folder.hidden for folder in folders)
    assert [one.path for one in files] == paths[:2]
    assert len(set(batches)) == 3


def test_an_item_told_twice_counts_once_and_only_its_final_state_counts() -> None:
    run, connection, shown, (batch,) = a_run(b"/nowhere")
    a, b = item(b"/a"), item(b"/b", State.FAILED)
    connection.script = [
        [update(ItemUpdate(b"/a", Flavor.LARGE, State.RENDERING)), update(a, a)],
        [Disconnected("gone"), Connected(b"e", True, 1, "1")],
        [update(a, b, item(b"/c", State.READY, Source.CACHE), item(b"/d", State.CANCELLED, None)), done(batch)],
    ]
    summary = run.follow()
    assert (summary.total, summary.ready, summary.failed, summary.cancelled) == (4, 2, 1, 1)
    assert (summary.cached, summary.rendered) == (1, 2)
    assert [one.path for one in shown.items] == [b"/a", b"/b", b"/c", b"/d"]
    assert [one.path for one in summary.failures] == [b"/b"]
    assert not summary.good
    assert len(shown.notes) == 2


def test_each_update_is_processed_once() -> None:
    run, connection, _shown, (batch,) = a_run(b"/nowhere")
    connection.script = [[update(), update()], [done(batch)]]
    run.follow()
    connection.session.connected(0.0)
    assert connection.session._processed == 0


def test_a_folder_that_could_not_be_listed_is_a_problem_and_the_run_goes_on() -> None:
    run, connection, _shown, batches = a_run(b"/nowhere", b"/elsewhere")
    connection.script = [[done(batches[0], "/nowhere: there is no such folder")], [done(batches[1])]]
    summary = run.follow()
    assert summary.problems == ["/nowhere: there is no such folder"]
    assert not summary.good
    assert connection.script == []


def test_a_run_whose_daemon_can_not_be_had_says_so() -> None:
    run, connection, _shown, _batches = a_run(b"/nowhere")
    connection.script = [[Refused("no daemon answers")]]
    with pytest.raises(NoDaemon, match="no daemon answers"):
        run.follow()


def test_a_batch_that_is_refused_ends_with_its_reason_and_the_others_go_on() -> None:
    run, connection, _shown, batches = a_run(b"/nowhere", b"/elsewhere")
    connection.script = [[NotTaken(batches[0], "not yours")], [done(batches[1])]]
    assert run.follow().problems == ["not yours"]
    assert not connection.script


def test_all_batches_counts_are_shown_as_one() -> None:
    run, connection, shown, batches = a_run(b"/nowhere", b"/elsewhere")
    one, other = batches
    connection.script = [
        [update(progress=[part(one, 3)]), update(progress=[part(other, 1)]), update(progress=[part(one, 4)])],
        [done(one), done(other)],
    ]
    run.follow()
    assert [progress.done for progress in shown.parts] == [3, 4, 5]
    assert shown.parts[-1].total == 20


def info(batch: str, state: str, progress: Progress) -> BatchInfo:
    return BatchInfo(batch, state, progress, durable=True, age_ms=1)


def snapshot(batch: BatchInfo, *items: ItemUpdate) -> Snapshot:
    topic = f"batch:{batch.batch}"
    return Snapshot(epoch=EPOCH, seq=1, reply_to=b"r", topic=topic, part=0, last=True, batches=[batch], items=[*items])


def ended(batch: str, ready: int, failed: int = 0) -> Done:
    return Done(epoch=EPOCH, seq=1, batch=batch, ready=ready, failed=failed, cancelled=0, quarantined=0, elapsed_ms=1)


def attached(*batches: str) -> tuple[Run, Scripted, Shown]:
    connection, shown = Scripted(), Shown()
    run = Run(connection, shown)
    run.attach(batches)
    return run, connection, shown


def test_an_attached_batch_is_told_from_its_snapshot_and_then_as_it_goes_each_item_once() -> None:
    run, connection, shown = attached("b")
    a, b, c = item(b"/a"), item(b"/b", State.FAILED), item(b"/c")
    running = snapshot(info("b", "open", part("b", 1)), a, item(b"/c", State.QUEUED))
    connection.script = [
        [running, update(b)],
        [Disconnected("killed"), Connected(b"e", True, 2, "1")],
        [snapshot(info("b", "open", part("b", 2)), a, b), update(c)],
        [ended("b", 2, 1)],
    ]
    summary = run.follow()
    assert [one.path for one in shown.items] == [b"/a", b"/b", b"/c"]
    assert (summary.total, summary.ready, summary.failed, summary.good) == (3, 2, 1, False)
    assert [progress.done for progress in shown.parts] == [1, 2]


def test_a_batch_that_had_ended_before_is_summed_up_by_the_daemons_counts() -> None:
    run, connection, _shown = attached("b")
    connection.script = [[snapshot(info("b", "done", part("b", 10)), item(b"/x", State.FAILED)), ended("b", 9, 1)]]
    summary = run.follow()
    assert (summary.total, summary.ready, summary.failed, summary.cached, summary.rendered) == (10, 9, 1, 1, 9)
    assert [one.path for one in summary.failures] == [b"/x"]


def test_a_batch_that_is_not_there_ends_the_attaching_with_the_reason() -> None:
    run, connection, _shown = attached("b", "c")
    connection.script = [[NotTaken("b", "there is no batch 'b'", "unknown_id"), ended("c", 1)]]
    assert run.follow().problems == ["there is no batch 'b'"]


def test_leaving_an_attached_batch_gives_nothing_up() -> None:
    run, connection, _shown = attached("b")
    connection.session.connected(0.0)
    run.leave()
    assert not any(isinstance(one, Cancel) for one in connection.session._ledger.unanswered.values())


def test_together_adds_up_and_knows_what_it_does_not_know() -> None:
    both = together([part("a", 3, 10, 100), part("b", 4, 20, 900)])
    assert (both.done, both.ready, both.cached, both.joined, both.bytes) == (7, 7, 2, 4, 10)
    assert (both.total, both.eta_ms, both.rate) == (30, 900, 3.0)
    unknown = together([part("a", 3, None, None), part("b", 4)])
    assert (unknown.total, unknown.eta_ms) == (None, None)
    nothing = together([])
    assert (nothing.done, nothing.total, nothing.eta_ms) == (0, 0, 0)
    assert encode(update(progress=[both]))
