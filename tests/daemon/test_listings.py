"""Listings under way, and what becomes of them when their scout is slow, stuck or lost."""

from collections.abc import Sequence

import pytest

from thumbd_daemon.batches import Terms
from thumbd_daemon.listings import BatchListing, TopicListing
from thumbd_daemon.news import Ended
from thumbd_daemon.outbox import Outbox
from thumbd_daemon.pool import Kind, State, Worker
from thumbd_daemon.records import Continue, Found, List, Listed, Ping, Record, StopListing
from thumbd_daemon.sessions import Session
from thumbd_daemon.steering import Steering
from thumbd_protocol.items import Flavor, Folder
from thumbd_protocol.limits import MAX_SNAPSHOT_ENTRIES
from thumbd_protocol.replies import Snapshot
from thumbd_protocol.requests import ClientInfo

from .workshop import KILLED, SEGV, Workshop, mountinfo

PICTURE = ("image", "image/png")


class Office(Workshop):
    """A workshop with a window that shows folders."""

    def __init__(self, capacity: int = 1000) -> None:
        super().__init__(capacity=capacity)
        self.outbox = Outbox(b"8 bytes!", 32)
        self.session = Session(b"s", b"r", ClientInfo("test", "1", 1), 5.0, 0.0, self.outbox)

    def topic(self, topic: str = "folder:/f") -> None:
        self.session.topics.add(topic)
        self.outbox.open_snapshot(b"i" * 16, topic)
        self.listings.start(TopicListing(self.session, topic, topic.removeprefix("folder:").encode()))
        self.give()

    def batch(self, ident: str = "b", path: bytes = b"/f") -> None:
        self.wishes.submit(b"s", ident, [], Terms(), self.now, more=False, listing=True)
        self.listings.start(
            BatchListing(self.wishes, self.clock, ident, path, Flavor.LARGE, recursive=True, hidden=False)
        )
        self.give()

    @property
    def scout(self) -> Worker:
        """The scout for folders that lives."""
        (scout,) = self.pool.of(Kind.LISTING)
        return scout

    @property
    def said(self) -> list[Record]:
        """What that scout was told, pings aside."""
        return [record for record in self.crew.said.get(self.scout.serial, []) if not isinstance(record, Ping)]

    def found(self, job: int, *names: bytes, at: bytes = b"") -> None:
        self.answer(self.scout, Found(job, [(name, *PICTURE) for name in names], at))

    def listed(self, job: int, code: str = "", message: str = "", skipped: int = 0) -> None:
        self.answer(self.scout, Listed(job, code, message, skipped))

    def hangs(self) -> Worker:
        """The scout says nothing until it is killed; it is not gone yet."""
        scout = self.scout
        self.passes(self.settings.scout_patience_s)
        assert self.crew.killed[-1] is scout
        return scout

    def parts(self) -> list[Snapshot]:
        return [part for part in self.outbox.take(self.now, lambda _batch: None) if isinstance(part, Snapshot)]

    def names(self, parts: Sequence[Snapshot]) -> list[bytes]:
        return [entry.name for part in parts for entry in part.entries]


def test_a_folder_is_listed_chunk_by_chunk_as_it_is_asked_for() -> None:
    office = Office()
    office.batch()
    assert office.said == [List(1, b"/f", True, False, False)]
    office.give()
    assert len(office.said) == 1  # one question at a time
    office.found(1, b"a", b"sub/b")
    assert office.said[1:] == [Continue(1)]
    office.listed(1)
    assert set(office.wishes.items) == {(b"/f/a", Flavor.LARGE), (b"/f/sub/b", Flavor.LARGE)}
    assert len(office.listings) == 0
    assert not office.wishes.batches["b"].listing


def test_without_a_scout_a_listing_waits_for_one() -> None:
    office = Office()
    office.crew.born_ready = False
    office.dies(office.scout)
    office.topic()
    assert office.said == []
    office.pool.ready(office.scout, office.now)
    office.give()
    assert office.said == [List(1, b"/f", False, False, True)]
    assert office.scout.state is State.BUSY


def test_two_folders_are_listed_in_turn() -> None:
    office = Office()
    office.topic("folder:/f")
    office.topic("folder:/g")
    assert office.said == [List(1, b"/f", False, False, True)]
    for job in (1, 1, 2, 1):
        office.found(job)
    assert office.said[1:] == [Continue(1), List(2, b"/g", False, False, True), Continue(1), Continue(2)]


def test_a_listing_whose_scout_died_begins_again_and_tells_each_name_once() -> None:
    office = Office()
    office.topic()
    office.batch()
    for job in (1, 2):
        office.found(job, b"a", b"b")
    office.dies(office.scout)
    for job in (2, 1):
        assert isinstance(office.said[-1], List)
        office.found(job, b"b", b"a", b"c")
    for job in (2, 1):
        office.listed(job)
    parts = office.parts()
    assert office.names(parts) == [b"a", b"b", b"c"]
    assert parts[-1].last
    assert len(office.wishes.items) == 3
    assert office.wishes.batches["b"].total == 3


def test_a_listing_that_the_scout_is_stuck_in_has_failed() -> None:
    office = Office()
    office.topic()
    office.hangs()
    (part,) = office.parts()
    assert (part.last, part.error) == (True, "unreadable")
    assert part.message is not None
    assert part.message.startswith("/f: ")
    assert len(office.listings) == 0


def test_listings_that_waited_behind_the_one_that_hangs_do_not_fail_with_it() -> None:
    office = Office()
    office.topic("folder:/hangs")
    office.topic("folder:/fine")
    office.dies(office.hangs(), KILLED)
    assert [part.topic for part in office.parts()] == ["folder:/hangs"]
    office.found(2, b"a")
    assert office.names(office.parts()) == [b"a"]


def test_listings_of_another_mount_go_on_while_one_hangs() -> None:
    office = Office()
    office.ground.mounts = mountinfo("/net")
    office.topic("folder:/net/hangs")
    office.topic("folder:/fine")
    office.passes(2.0)  # another scout is started in the place of the stuck one
    stuck, other = office.all_busy_with(List)
    assert office.order(other) == List(2, b"/fine", False, False, True)
    office.answer(other, Found(2, [(b"a", *PICTURE)]))
    assert office.names(office.parts()) == [b"a"]
    office.answer(stuck, Listed(1, "", "", 0))  # it was slow and no more
    assert [part.topic for part in office.parts()] == ["folder:/net/hangs"]


def test_scouts_that_somebody_else_kills_cost_a_listing_nothing_up_to_five_times() -> None:
    office = Office()
    office.topic("folder:/big")
    for _ in range(5):
        office.dies(office.scout, KILLED)
        assert office.parts() == []
    office.dies(office.scout, KILLED)
    (part,) = office.parts()
    assert (part.error, part.message) == ("internal", "/big: 6 scouts were lost over it; see the daemon's log")


def test_a_listing_that_takes_down_scout_after_scout_is_given_up_and_no_bystander() -> None:
    office = Office()
    office.topic("folder:/deadly")
    office.topic("folder:/fine")
    for _ in range(5):
        order = office.said[-1]
        assert isinstance(order, List)
        if order.path == b"/deadly":
            office.dies(office.scout, SEGV)
        else:
            office.found(2)
    assert [(part.topic, part.error) for part in office.parts()] == [("folder:/deadly", "internal")]
    office.found(2, b"a")
    assert office.names(office.parts()) == [b"a"]


def test_a_window_that_takes_no_more_names_is_asked_for_no_more() -> None:
    office = Office()
    office.outbox.credit = 1
    office.topic()
    office.found(1, *(b"%d" % n for n in range(6 * MAX_SNAPSHOT_ENTRIES)))
    assert len(office.said) == 1
    office.outbox.add_credit(31)
    assert len(office.parts()) == 6
    office.give()
    assert office.said[1:] == [Continue(1)]


def test_a_full_queue_stops_a_batchs_listing_until_there_is_room() -> None:
    office = Office(capacity=102)
    office.batch()
    office.found(1, b"a", b"b", b"c")
    assert len(office.said) == 1
    Steering(office.wishes).cancel_items(b"s", list(office.wishes.items)[:2], office.now)
    office.to_the_end()
    assert office.said[1:] == [Continue(1)]


@pytest.mark.parametrize("how", ["topic", "session", "batch"])
def test_a_listing_nobody_wants_any_more_is_stopped_and_its_late_words_are_dropped(how: str) -> None:
    office = Office()
    if how == "batch":
        office.batch()
    else:
        office.topic()
    match how:
        case "topic":
            office.listings.stop_topic(office.session, "folder:/f")
        case "session":
            office.session.topics.clear()
            office.listings.stop_unwanted()
        case _:
            office.listings.stop_batch("b")
    assert office.said[-1] == StopListing(1)
    assert not office.listings.has_batch("b", Folder(b"/f", Flavor.LARGE, recursive=True))
    office.found(1, b"a")
    office.listed(1)  # nobody knows of it any more
    assert not office.wishes.items
    assert len(office.listings) == 0
    assert office.scout.state is State.READY


def test_a_folder_is_not_blamed_for_one_that_hangs_though_nobody_wants_that_any_more() -> None:
    office = Office()
    office.topic("folder:/hung")
    office.listings.stop_topic(office.session, "folder:/hung")
    office.topic("folder:/home")
    stuck = office.hangs()
    assert office.parts() == [], "it was given up for another's sake"
    office.dies(stuck, KILLED)
    assert [one.path for one in office.said if isinstance(one, List)] == [b"/home"]


def test_a_failure_is_told_with_the_names_that_were_found() -> None:
    office = Office()
    office.topic()
    office.found(1, b"a")
    office.listed(1, "unreadable", "not all", 1)
    (part,) = office.parts()
    assert (part.last, part.error, part.message, len(part.entries)) == (True, "unreadable", "not all", 1)


# -- mounts below the folder --------------------------------------------------------------------------------------


def below() -> Office:
    """A folder with a mount below it, being listed with all that is in it."""
    office = Office()
    office.ground.mounts = mountinfo("/f/net", "/f/usb", "/elsewhere")
    office.topic("folder:/g")  # whoever lists makes the mounts known
    office.passes(0.01)
    office.listed(1)
    office.batch()
    return office


def test_a_recursive_listing_is_told_which_mounts_lie_below() -> None:
    office = below()
    assert office.said[-1] == List(2, b"/f", True, False, False, [b"/f/net", b"/f/usb"])


def test_a_recursive_listing_that_gets_stuck_on_a_mount_below_goes_on_without_it() -> None:
    office = below()
    office.found(2, b"a", at=b"/f/net")
    office.to_the_end()
    stuck = office.hangs()
    assert office.wishes.batches["b"].listing, "the folder itself answers"
    office.dies(stuck, KILLED)
    office.turn()
    assert office.said[-1] == List(2, b"/f", True, False, False, [b"/f/net", b"/f/usb"], [b"/f/net"])
    office.found(2, b"a", b"b")
    office.listed(2, "unreadable", "/f/net was left out", 1)
    office.to_the_end()
    batch = office.wishes.batches["b"]
    assert (batch.ready, batch.total, batch.error) == (2, 2, "unreadable")


def test_while_a_listing_is_stuck_on_a_mount_below_other_files_of_its_folder_are_made() -> None:
    office = below()
    office.found(2, b"a", b"net/b", at=b"/f/net")
    office.found(2)
    office.to_the_end()
    assert office.wishes.batches["b"].ready == 2
    office.passes(1.0)
    office.submit("f/c", "f/net/x", batch="other")
    assert [path for _n, path, _f in office.looking()[1].files] == [b"/f/c"]
    office.to_the_end()
    assert [item.path for item in office.wishes.items.values()] == [b"/f/net/x"]


def test_a_folder_that_hangs_itself_has_failed_though_it_went_on_without_a_mount_before() -> None:
    office = below()
    office.found(2, at=b"/f/net")
    office.dies(office.hangs(), KILLED)
    office.turn()
    office.hangs()
    (end,) = [one.end for one in office.wishes.news if isinstance(one, Ended)]
    assert (end.ready, end.error) == (0, "unreadable")
    assert end.message is not None
    assert end.message.startswith("/f: ")


def test_a_listing_that_comes_to_a_mount_that_hangs_already_goes_on_without_it_at_once() -> None:
    office = below()
    office.submit("f/usb/x")
    visitor, _look = office.looking()
    office.passes(office.settings.slow_s)  # somebody else is stuck there
    office.found(2, at=b"/f/usb")
    assert office.scout.state is State.READY, "nobody else is sent to a mount that does not answer"
    office.passes(office.settings.scout_patience_s + 0.1)
    assert office.crew.killed == [visitor]
    assert StopListing(2) in office.said
    assert office.said[-1] == List(2, b"/f", True, False, False, [b"/f/net", b"/f/usb"], [b"/f/usb"])


def test_a_listing_that_leaves_a_mount_out_goes_on_with_the_next_turn() -> None:
    office = below()
    office.submit("f/usb/x")
    office.passes(office.settings.slow_s)
    office.found(2, at=b"/f/usb")
    while StopListing(2) not in office.said:
        due = office.care.next_deadline(office.now)
        assert due is not None
        office.now = max(due, office.now + 0.001)
        office.turn()
    office.turn()
    assert office.said[-1] == List(2, b"/f", True, False, False, [b"/f/net", b"/f/usb"], [b"/f/usb"])
