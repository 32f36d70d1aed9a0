"""What windows are told of a folder after its snapshot, by a watching scout that a test speaks for."""

from functools import partial

import pytest

from thumbd_daemon.known import Known
from thumbd_daemon.listings import TopicListing
from thumbd_daemon.outbox import WAIT_S, Outbox
from thumbd_daemon.pool import Kind, Worker
from thumbd_daemon.records import (
    At,
    Changed,
    Found,
    Listed,
    Ping,
    Present,
    Record,
    Scanned,
    Scanning,
    State,
    Unknown,
    Unwatch,
    Watch,
    WatchFailed,
)
from thumbd_daemon.sessions import Session
from thumbd_protocol.items import Entry, EntryKind, FolderChange
from thumbd_protocol.replies import Snapshot, Update
from thumbd_protocol.requests import ClientInfo, Message

from .workshop import KILLED, Workshop, mountinfo


def image(name: bytes, size: int | None = None) -> Entry:
    return Entry(name, EntryKind.IMAGE, size, size, "image/png")


def state(name: bytes, size: int = 1) -> State:
    return name, "image", "image/png", size, size


class Window:
    """A session that shows folders, and what it makes of what it is told."""

    def __init__(self, office: "Office", ident: bytes = b"s", credit: int = 32) -> None:
        self.office = office
        self.outbox = Outbox(b"8 bytes!", credit)
        self.session = Session(ident, b"r", ClientInfo("test", "1", 1), 5.0, 0.0, self.outbox)
        self.messages: list[Message] = []

    def subscribe(self, path: str = "/f", *, tree: bool = False) -> None:
        """As the desk does it."""
        topic = f"{'tree' if tree else 'folder'}:{path}"
        watches = self.office.work.watches
        self.session.topics.add(topic)
        self.office.listings.stop_topic(self.session, topic)
        self.outbox.open_snapshot(b"i" * 16, topic)
        watches.subscribed(self.session, topic, path.encode(), tree)
        after = partial(watches.listed, self.session, topic)
        self.office.listings.start(TopicListing(self.session, topic, path.encode(), after, tree))
        self.office.turn()

    def shows(self, *names: bytes, path: str = "/f", tree: bool = False) -> None:
        """Subscribe, and have it listed."""
        self.subscribe(path, tree=tree)
        self.office.list(*names)

    def unsubscribe(self, path: str = "/f") -> None:
        self.session.topics.discard(f"folder:{path}")
        self.office.work.watches.unsubscribed(self.session, f"folder:{path}")
        self.office.turn()

    def told(self) -> list[FolderChange]:
        """The changes that leave once they have waited for company."""
        self.messages = self.outbox.take(self.office.now + WAIT_S, lambda _batch: None)
        return [change for message in self.messages if isinstance(message, Update) for change in message.entries]

    def only(self) -> FolderChange:
        (change,) = self.told()
        return change


class Office(Workshop):
    """A workshop whose pool is ready for a watching scout."""

    def __init__(self) -> None:
        super().__init__()
        self.pool.wanted[Kind.WATCHING] = 0

    @property
    def watcher(self) -> Worker:
        (scout,) = self.pool.of(Kind.WATCHING)
        return scout

    @property
    def orders(self) -> list[Record]:
        return [record for record in self.crew.said.get(self.watcher.serial, []) if not isinstance(record, Ping)]

    def list(self, *names: bytes) -> None:
        """The listing scout finds these in what it lists, and no more."""
        (scout,) = self.pool.of(Kind.LISTING)
        assert scout.task is not None
        job = scout.task
        self.answer(scout, Found(job, [(name, "image", "image/png") for name in names]))
        self.answer(scout, Listed(job, "", "", 0))
        self.turn()

    @property
    def job(self) -> int:
        """The number of the watch that was asked for last."""
        return next(order.job for order in reversed(self.orders) if isinstance(order, Watch))

    def says(self, *said: Record) -> None:
        for record in said:
            self.answer(self.watcher, record)

    def scans(self, *names: State, job: int | None = None) -> None:
        job = job or self.job
        self.says(At(job), Scanning(job), Present(job, list(names)), Scanned(job), At(0))


# -- what is told -----------------------------------------------------------------------------------------------


def test_sizes_and_times_follow_the_snapshot_as_changes() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b")
    office.scans(state(b"a", 5), state(b"b", 6))
    assert window.only() == FolderChange(b"/f", changed=[image(b"a", 5), image(b"b", 6)])
    assert isinstance(window.messages[0], Snapshot)
    office.scans(state(b"a", 5), state(b"b", 6))
    assert window.told() == []


def test_what_happened_between_listing_and_watch_is_told() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"gone", b"here")
    office.scans(state(b"here"), state(b"new"))
    assert window.only() == FolderChange(
        b"/f", removed=[b"gone"], added=[image(b"new", 1)], changed=[image(b"here", 1)]
    )


def test_nothing_is_told_before_the_snapshot_has_ended_and_left() -> None:
    office = Office()
    first, second = Window(office, b"1"), Window(office, b"2", credit=1)
    first.shows(b"a")
    office.scans(state(b"a"))
    second.subscribe()
    office.says(Changed(office.job, [state(b"b")], [], []))
    assert second.told() == []
    office.list(b"a", b"b")
    office.scans(state(b"a"), state(b"b"), state(b"c"))
    assert second.told() == []
    assert second.messages == []  # the last unit is not for it: the snapshot waits, and the changes behind it
    second.outbox.add_credit(2)
    change = second.only()
    assert [type(message) for message in second.messages] == [Snapshot, Update]
    assert change == FolderChange(b"/f", added=[image(b"c", 1)], changed=[image(b"a", 1), image(b"b", 1)])


def test_what_comes_goes_and_is_renamed_is_told_to_everybody_who_looks() -> None:
    office = Office()
    windows = Window(office, b"1"), Window(office, b"2")
    for window in windows:
        window.shows(b"a", b"b", b"c")
        office.scans(state(b"a"), state(b"b"), state(b"c"))
        window.told()
    windows[0].told()
    office.says(Changed(office.job, [state(b"a", 2), state(b"x"), state(b"d")], [b"b", b"c"], [(b"c", b"d")]))
    for window in windows:
        assert window.only() == FolderChange(
            b"/f", removed=[b"b"], renamed=[(b"c", b"d")], added=[image(b"x", 1)], changed=[image(b"a", 2)]
        )


def test_a_rename_of_what_nobody_was_told_of_is_a_name_that_came() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    office.scans(state(b"a"))
    window.told()
    office.says(Changed(office.job, [state(b"b")], [b"tmp"], [(b"tmp", b"b")]))
    assert window.only() == FolderChange(b"/f", added=[image(b"b", 1)])
    office.says(Changed(office.job, [state(b"b", 9)], [b"tmp"], [(b"tmp", b"b")]))
    assert window.only() == FolderChange(b"/f", changed=[image(b"b", 9)])


def test_a_rename_in_the_middle_of_a_scan_is_no_loss() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    office.scans(state(b"a"))
    window.told()
    job = office.job
    office.says(Scanning(job), Present(job, [state(b"a")]), Changed(job, [], [], [(b"a", b"b")]), Scanned(job))
    assert window.only() == FolderChange(b"/f", renamed=[(b"a", b"b")])


def test_what_changed_during_a_scan_is_neither_lost_nor_told_as_gone() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b")
    job = office.job
    office.says(Scanning(job), Present(job, [state(b"a"), state(b"b")]))
    office.says(Changed(job, [state(b"new")], [b"a"], []), Scanned(job))
    assert window.only() == FolderChange(b"/f", removed=[b"a"], added=[image(b"new", 1)], changed=[image(b"b", 1)])


def test_a_name_that_is_no_longer_there_at_a_second_scan_is_gone_though_it_had_changed() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    office.scans(state(b"a"))
    office.says(Changed(office.job, [state(b"b")], [], []))
    window.told()
    office.scans(state(b"a"))
    assert window.only() == FolderChange(b"/f", removed=[b"b"])


def test_a_scan_that_was_begun_anew_counts_from_its_beginning() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b")
    job = office.job
    office.says(Scanning(job), Present(job, [state(b"a"), state(b"b")]))
    office.says(Scanning(job), Present(job, [state(b"a")]), Scanned(job))
    assert window.only() == FolderChange(b"/f", removed=[b"b"], changed=[image(b"a", 1)])


def test_a_folder_that_can_not_be_read_any_more_keeps_its_names() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    office.scans(state(b"a"))
    window.told()
    office.says(Scanning(office.job), WatchFailed(office.job, "unreadable", "/f: can't be listed"))
    assert window.told() == []


# -- who watches ------------------------------------------------------------------------------------------------


def test_a_daemon_nobody_asks_for_a_folder_has_no_watching_scout() -> None:
    office = Office()
    office.turn()
    assert not list(office.pool.of(Kind.WATCHING))
    window = Window(office)
    window.subscribe()
    assert office.watcher.live
    assert office.orders == []  # it waits for the snapshot's end
    office.list(b"a")
    assert office.orders == [Watch(office.job, b"/f")]
    office.passes(60.0)
    window.unsubscribe()
    assert isinstance(office.orders[-1], Unwatch)
    office.passes(5.0)
    assert office.watcher.live  # the next folder may come soon
    office.passes(15.0)
    assert not list(office.pool.of(Kind.WATCHING))


def test_a_session_that_has_ended_is_watched_for_no_more() -> None:
    office = Office()
    first, second = Window(office, b"1"), Window(office, b"2")
    first.shows(b"a")
    second.shows(b"a")
    watched = office.job
    first.session.topics.clear()
    office.work.watches.stop_unwanted()
    assert len(office.work.watches) == 1
    office.scans(state(b"a"))
    assert first.told() == []
    assert second.only().changed == [image(b"a", 1)]
    second.session.topics.clear()
    office.work.watches.stop_unwanted()
    assert len(office.work.watches) == 0
    assert office.orders[-1] == Unwatch(watched)
    office.says(Changed(watched, [state(b"b")], [], []))  # a late word
    assert second.told() == []


def test_a_second_look_at_a_folder_has_it_scanned_again_and_what_is_late_is_dropped() -> None:
    office = Office()
    first, second = Window(office, b"1"), Window(office, b"2")
    first.shows(b"a")
    old = office.job
    office.scans(state(b"a"))
    first.told()
    second.shows(b"a", b"b")
    assert office.orders[-2:] == [Unwatch(old), Watch(office.job, b"/f")]
    # From before the listing: by what was known then, b would have gone.
    office.says(Scanned(old), Changed(old, [], [b"b"], []))
    assert second.told() == []
    office.scans(state(b"a"), state(b"b"))
    assert second.only().changed == [image(b"a", 1), image(b"b", 1)]
    assert first.only() == FolderChange(b"/f", added=[image(b"b", 1)])


def test_after_a_scout_is_lost_exactly_the_difference_is_told() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b", b"c")
    office.scans(state(b"a"), state(b"b"), state(b"c"))
    window.told()
    lost = office.watcher
    office.dies(lost, KILLED)
    assert office.watcher is not lost
    assert office.orders == [Watch(office.job, b"/f")]
    office.scans(state(b"a"), state(b"b", 2), state(b"d"))
    assert window.only() == FolderChange(b"/f", removed=[b"c"], added=[image(b"d", 1)], changed=[image(b"b", 2)])


def test_a_scout_that_gives_no_sign_of_life_is_replaced_and_where_it_hung_waits_while_others_go_on() -> None:
    office = Office()
    office.ground.mounts = mountinfo("/hung")
    office.mounts.update(office.ground.mounts)
    window = Window(office)
    for path in ("/hung/a", "/hung/b", "/fine"):
        window.shows(b"x", path=path)
    hung = next(order.job for order in office.orders if isinstance(order, Watch) and order.path == b"/hung/a")
    office.says(At(hung))
    scout = office.watcher
    assert scout.file == b"/hung/a"
    office.crew.deaf.add(scout.serial)
    office.passes(11.0)
    assert office.crew.killed == [scout]
    assert [order.path for order in office.orders if isinstance(order, Watch)] == [b"/fine"]
    office.scans(state(b"x"))
    office.passes(36.0)
    assert {order.path for order in office.orders if isinstance(order, Watch)} == {b"/fine", b"/hung/a", b"/hung/b"}


def test_the_second_pause_is_longer_and_a_scan_that_ends_forgives_all() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    waited: list[float] = []
    for _ in range(3):
        office.says(At(office.job))
        office.dies(office.watcher, KILLED)
        began = office.now
        while not office.orders:
            office.passes(1.0)
        waited.append(office.now - began)
    assert waited[0] == 0.0  # somebody killed it: that may happen once
    assert 60 <= waited[1] <= 66
    assert 120 <= waited[2] <= 126
    office.scans(state(b"a"))
    office.says(At(office.job))
    office.dies(office.watcher, KILLED)
    assert office.orders


def test_a_folder_on_a_mount_that_does_not_answer_is_not_given_to_the_scout_until_it_does() -> None:
    office = Office()
    office.ground.mounts = mountinfo("/hung")
    office.mounts.update(office.ground.mounts)
    window = Window(office)
    window.subscribe("/hung")
    office.mounts.stuck(b"/hung", 99, office.now)
    office.work.watches.listed(window.session, "folder:/hung", Known())
    office.turn()
    assert office.orders == []
    office.mounts.back(99, answered=True)
    office.give()
    assert office.orders == [Watch(office.job, b"/hung")]


def test_a_watching_scout_that_leaves_when_asked_is_no_loss() -> None:
    office = Office()
    window = Window(office)
    window.shows(b"a")
    window.unsubscribe()
    office.passes(20.0)
    assert office.crew.retired
    window.shows(b"a")
    assert office.orders == [Watch(office.job, b"/f")]


def test_a_reason_is_logged_once_not_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    Window(office).shows(b"a")
    for _ in range(3):
        office.says(WatchFailed(office.job, "unwatched", "/f: no more folders can be watched"))
        office.scans(state(b"a"))
    assert [line.message for line in caplog.records].count("/f: no more folders can be watched") == 1


# -- trees ------------------------------------------------------------------------------------------------------


def test_a_tree_and_its_folder_are_watched_each_by_itself() -> None:
    office = Office()
    folder, tree = Window(office, b"1"), Window(office, b"2")
    folder.shows(b"a")
    tree.subscribe("/f", tree=True)
    office.list(b"a", b"d/b")
    orders = [order for order in office.orders if isinstance(order, Watch)]
    assert [(order.path, order.recursive) for order in orders] == [(b"/f", False), (b"/f", True)]
    office.says(Changed(orders[1].job, [state(b"d/c")], [], []))
    assert tree.only() == FolderChange(b"/f", added=[image(b"d/c", 1)])
    assert folder.told() == []


def test_that_a_folder_is_rescanned_is_told_to_all_who_look_and_with_each_change() -> None:
    office = Office()
    windows = Window(office, b"1"), Window(office, b"2")
    for window in windows:
        window.shows(b"a")
    job = office.job
    office.says(Scanning(job), Present(job, [state(b"a")]), Scanned(job, rescanned=True))
    for window in windows:
        assert window.only() == FolderChange(b"/f", changed=[image(b"a", 1)], rescanned=True)
    office.says(Scanning(job, rescanned=True), Present(job, [state(b"a")]), Scanned(job, rescanned=True))
    assert [window.told() for window in windows] == [[], []]
    office.says(Scanning(job, rescanned=True), Scanned(job))
    assert windows[0].only() == FolderChange(b"/f", removed=[b"a"], rescanned=True)
    office.says(Changed(job, [state(b"b")], [], []))
    assert windows[0].only() == FolderChange(b"/f", added=[image(b"b", 1)])


def test_a_scout_that_hangs_on_a_mount_below_leaves_that_out_and_goes_on_with_the_rest() -> None:
    office = Office()
    office.ground.mounts = mountinfo("/f/hung")
    office.mounts.update(office.ground.mounts)
    window = Window(office)
    window.shows(b"a", b"hung/x", path="/f", tree=True)
    assert office.orders == [Watch(office.job, b"/f", True, [b"/f/hung"])]
    job = office.job
    office.says(At(job), Scanning(job), At(job, b"/f/hung"))
    scout = office.watcher
    assert scout.file == b"/f/hung"
    office.crew.deaf.add(scout.serial)
    office.passes(11.0)
    assert office.crew.killed == [scout]
    assert office.orders == [Watch(office.job, b"/f", True, [b"/f/hung"], [b"/f/hung"])]
    job = office.job
    office.says(Scanning(job), Present(job, [state(b"a")]), Unknown(job, [b"hung"]), Scanned(job, rescanned=True))
    assert window.only() == FolderChange(b"/f", changed=[image(b"a", 1)], rescanned=True)


def test_a_tree_of_too_many_names_is_told_in_full_and_watched_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thumbd_daemon.listings.MAX_NAMES", 3)
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b", b"c", b"d", tree=True)
    assert window.told() == []
    (part,) = window.messages
    assert isinstance(part, Snapshot)
    assert (len(part.entries), part.last, part.error) == (4, True, None)
    assert part.message is not None
    assert part.message.startswith("/f: has too many names to tell what changes there")
    assert office.orders == []


def test_all_that_is_remembered_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thumbd_daemon.watches.MAX_NAMES", 3)
    office = Office()
    window = Window(office)
    window.shows(b"a", b"b", path="/f")
    window.shows(b"a", b"b", path="/g")
    assert [order.path for order in office.orders if isinstance(order, Watch)] == [b"/f"]
    window.shows(b"a", path="/h")
    assert [order.path for order in office.orders if isinstance(order, Watch)] == [b"/f", b"/h"]
