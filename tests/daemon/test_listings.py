"""Listings under way, and what becomes of them when their scout is lost."""

from collections.abc import Sequence

import pytest

from thumbd_daemon.listings import BatchListing, Listings, TopicListing
from thumbd_daemon.outbox import Outbox
from thumbd_daemon.records import Continue, Found, List, Listed, Record, StopListing
from thumbd_daemon.sessions import Session
from thumbd_daemon.wishes import Wishes
from thumbd_protocol.items import Flavor, Priority
from thumbd_protocol.limits import MAX_SNAPSHOT_ENTRIES
from thumbd_protocol.replies import Snapshot
from thumbd_protocol.requests import ClientInfo

PATIENCE = 10.0
PICTURE = ("image", "image/png")


class Office:
    """Listings with a scout that a test speaks for, and a clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.listings = Listings(lambda: self.now)
        self.wishes = Wishes(1000, 10)
        self.outbox = Outbox(b"8 bytes!", 32)
        self.session = Session(b"s", b"r", ClientInfo("test", "1", 1), 5.0, 0.0, self.outbox)
        self.said: list[Record] = []

    def scout(self) -> None:
        self.said = []
        self.listings.scout_ready(self.said.append)
        self.listings.feed()

    def topic(self, topic: str = "folder:/f") -> None:
        self.session.topics.add(topic)
        self.outbox.open_snapshot(b"i" * 16, topic)
        self.listings.start(TopicListing(self.session, topic, topic.removeprefix("folder:").encode()))

    def batch(self, ident: str = "b", path: bytes = b"/f") -> None:
        self.wishes.submit(b"s", ident, [], Priority.NORMAL, self.now, more=False, listing=True)
        self.listings.start(
            BatchListing(self.wishes, lambda: self.now, ident, path, Flavor.LARGE, recursive=True, hidden=False)
        )

    def found(self, job: int, *names: bytes) -> None:
        self.listings.on_record(Found(job, [(name, *PICTURE) for name in names]))

    def lost(self) -> None:
        self.listings.scout_lost(PATIENCE)

    def parts(self) -> list[Snapshot]:
        return [part for part in self.outbox.take(self.now, lambda _batch: None) if isinstance(part, Snapshot)]

    def names(self, parts: Sequence[Snapshot]) -> list[bytes]:
        return [entry.name for part in parts for entry in part.entries]


def test_a_folder_is_listed_chunk_by_chunk_as_it_is_asked_for() -> None:
    office = Office()
    office.batch()
    office.scout()
    assert office.said == [List(1, b"/f", True, False, False)]
    office.listings.feed()
    assert len(office.said) == 1  # one question at a time
    office.found(1, b"a", b"sub/b")
    office.listings.feed()
    assert office.said[1:] == [Continue(1)]
    office.listings.on_record(Listed(1, "", "", 0))
    assert set(office.wishes.items) == {(b"/f/a", Flavor.LARGE), (b"/f/sub/b", Flavor.LARGE)}
    assert len(office.listings) == 0
    assert not office.wishes.batches["b"].listing


def test_without_a_scout_a_listing_waits_for_one() -> None:
    office = Office()
    office.topic()
    office.listings.feed()
    assert office.listings.oldest() is None
    office.scout()
    assert office.said == [List(1, b"/f", False, False, True)]
    assert office.listings.oldest() == office.now


def test_a_listing_whose_scout_died_begins_again_and_tells_each_name_once() -> None:
    office = Office()
    office.topic()
    office.batch()
    office.scout()
    for job in (1, 2):
        office.found(job, b"a", b"b")
    office.lost()
    office.scout()
    assert [type(record) for record in office.said] == [List, List]
    for job in (1, 2):
        office.found(job, b"b", b"a", b"c")
        office.listings.on_record(Listed(job, "", "", 0))
    parts = office.parts()
    assert office.names(parts) == [b"a", b"b", b"c"]
    assert parts[-1].last
    assert len(office.wishes.items) == 3
    assert office.wishes.batches["b"].total == 3


def test_a_listing_that_the_scout_is_stuck_in_has_failed() -> None:
    office = Office()
    office.topic()
    office.scout()
    office.now += PATIENCE
    office.lost()
    (part,) = office.parts()
    assert (part.last, part.error) == (True, "unreadable")
    assert part.message is not None
    assert part.message.startswith("/f: ")
    assert len(office.listings) == 0


def test_listings_that_waited_behind_the_one_that_hangs_do_not_fail_with_it() -> None:
    office = Office()
    office.topic("folder:/hangs")
    office.topic("folder:/fine")
    office.scout()  # both are asked for; the scout does the first first
    office.now += PATIENCE
    office.lost()
    assert [part.topic for part in office.parts()] == ["folder:/hangs"]
    office.scout()
    office.found(2, b"a")
    assert office.names(office.parts()) == [b"a"]


def test_a_listing_that_takes_down_scout_after_scout_is_given_up_and_no_bystander() -> None:
    office = Office()
    office.topic("folder:/deadly")
    office.topic("folder:/fine")
    for _ in range(5):
        office.scout()
        office.lost()
    assert [(part.topic, part.error) for part in office.parts()] == [("folder:/deadly", "unreadable")]
    office.scout()
    assert office.said[0] == List(2, b"/fine", False, False, True)


def test_a_window_that_takes_no_more_names_is_asked_for_no_more() -> None:
    office = Office()
    office.outbox.credit = 1
    office.topic()
    office.scout()
    office.listings.on_record(Found(1, [(b"%d" % n, *PICTURE) for n in range(6 * MAX_SNAPSHOT_ENTRIES)]))
    office.listings.feed()
    assert len(office.said) == 1
    office.outbox.add_credit(31)
    assert len(office.parts()) == 6
    office.listings.feed()
    assert office.said[1:] == [Continue(1)]


def test_a_full_queue_stops_a_batchs_listing_until_there_is_room() -> None:
    office = Office()
    office.wishes = Wishes(3, 1)
    office.batch()
    office.scout()
    office.found(1, b"a", b"b", b"c")
    office.listings.feed()
    assert len(office.said) == 1
    office.wishes.cancel_items(b"s", list(office.wishes.items)[:2], office.now)
    office.listings.feed()
    assert office.said[1:] == [Continue(1)]


@pytest.mark.parametrize("how", ["topic", "session", "batch"])
def test_a_listing_nobody_wants_any_more_is_stopped_and_its_late_words_are_dropped(how: str) -> None:
    office = Office()
    if how == "batch":
        office.batch()
    else:
        office.topic()
    office.scout()
    match how:
        case "topic":
            office.listings.stop_topic(office.session, "folder:/f")
        case "session":
            office.session.topics.clear()
            office.listings.stop_unwanted()
        case _:
            office.listings.stop_batch("b")
    assert office.said[-1] == StopListing(1)
    assert not office.listings.has_batch("b")
    office.found(1, b"a")
    office.listings.on_record(Listed(1, "", "", 0))
    assert not office.wishes.items
    assert len(office.listings) == 0
    assert office.listings.oldest() is None


def test_a_folder_is_not_blamed_for_one_that_hangs_though_nobody_wants_that_any_more() -> None:
    office = Office()
    office.topic("folder:/hung")
    office.scout()
    office.listings.stop_topic(office.session, "folder:/hung")
    office.now += 1
    office.topic("folder:/home")
    office.listings.feed()
    office.now += PATIENCE - 1
    assert office.listings.oldest() == office.now - PATIENCE
    office.lost()
    assert office.parts() == [], "it was given up for another's sake"
    office.scout()
    assert [one.path for one in office.said if isinstance(one, List)] == [b"/home"]


def test_a_failure_is_told_with_the_names_that_were_found() -> None:
    office = Office()
    office.topic()
    office.scout()
    office.found(1, b"a")
    office.listings.on_record(Listed(1, "unreadable", "not all", 1))
    (part,) = office.parts()
    assert (part.last, part.error, part.message, len(part.entries)) == (True, "unreadable", "not all", 1)
