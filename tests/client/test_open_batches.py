"""What is said again after a reconnect of batches, durable and not; resync, and a daemon that is just leaving."""

import pytest

from thumbd_client.events import Connected, NotTaken
from thumbd_client.session import new_id
from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.limits import MAX_SUBMIT_ITEMS
from thumbd_protocol.replies import Accepted, Done, Notice, Ok, Snapshot
from thumbd_protocol.requests import (
    Batches,
    Cancel,
    Hello,
    Message,
    Ping,
    Retry,
    SnapshotRequest,
    Submit,
    Subscribe,
)

from .conversation import NEXT_EPOCH, Talk


def items(count: int) -> list[Item]:
    return [Item(b"/%d" % n, Flavor.LARGE) for n in range(count)]


def durable(talk: Talk, batch: str, count: int = 1) -> list[bytes]:
    return talk.session.submit_items(items(count), Priority.LOW, batch, durable=True)


def topics(said: list[Message]) -> list[str | bytes]:
    return [topic for message in said if isinstance(message, Subscribe) for topic in message.topics]


def submits(said: list[Message]) -> list[Submit]:
    return [message for message in said if isinstance(message, Submit)]


def again(talk: Talk, epoch: bytes = NEXT_EPOCH, *, resumed: bool = False) -> list[Message]:
    """What is said behind the next welcome."""
    talk.session.disconnected()
    talk.connect(epoch, resumed=resumed)
    return talk.said()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_durable_batch_that_was_accepted_is_asked_about_and_not_submitted_again(resumed: bool) -> None:
    talk = Talk()
    talk.connect()
    durable(talk, "kept")
    talk.session.submit_items(items(1), Priority.LOW, "mine alone")
    for submit in submits(talk.said()):
        assert submit.durable is (submit.batch == "kept")
        talk.accept(submit)
    said = again(talk, resumed=resumed)
    assert [submit.batch for submit in submits(said)] == ["mine alone"]
    assert topics(said) == ["batch:kept"]
    assert talk.session.busy


def test_whether_the_daemon_still_knew_the_session_is_told() -> None:
    talk = Talk()
    talk.connect()
    for resumed in (True, False):
        talk.session.disconnected()
        (event,) = talk.connect(resumed=resumed)
        assert isinstance(event, Connected)
        assert (event.resumed, event.fresh) == (resumed, False)


def test_a_durable_batch_without_an_answer_is_submitted_again_with_its_id() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_folder(Folder(b"/f", Flavor.LARGE), Priority.LOW, "b", durable=True)
    (submit,) = submits(talk.said())
    said = again(talk)
    assert said == [submit]


def test_of_a_durable_batch_that_was_taken_in_part_only_the_rest_is_said_again() -> None:
    talk = Talk()
    talk.connect()
    ids = durable(talk, "b", MAX_SUBMIT_ITEMS * 2 + 1)
    talk.accept(talk.said()[0])
    said = again(talk)
    assert [submit.id for submit in submits(said)] == ids[1:2]
    assert topics(said) == ["batch:b"]
    talk.accept(submits(said)[0])
    assert [submit.id for submit in submits(talk.said())] == ids[2:]


def test_a_durable_batch_is_asked_about_once_however_often_the_connection_is_lost() -> None:
    talk = Talk()
    talk.connect()
    durable(talk, "b")
    talk.accept(talk.said()[0])
    talk.session.subscribe("batch:b")
    for _ in range(3):
        assert topics(again(talk)) == ["batch:b"]


def test_a_durable_batch_that_the_next_daemon_does_not_know_is_submitted_again() -> None:
    talk = Talk()
    talk.connect()
    durable(talk, "b")
    (submit,) = submits(talk.said())
    talk.accept(submit)
    (asked,) = again(talk)
    assert isinstance(asked, Subscribe)
    assert talk.error("unknown_id", asked.id) == []
    assert talk.said() == [submit]
    talk.accept(submit)
    assert topics(again(talk)) == ["batch:b"]


def test_a_batch_of_another_session_that_is_not_there_is_told_and_not_asked_for_again() -> None:
    talk = Talk()
    talk.connect()
    asked = talk.session.subscribe("batch:b")
    (event,) = talk.error("unknown_id", asked)
    assert event == NotTaken("b", "no: unknown_id", "unknown_id", asked)
    talk.said()
    assert again(talk) == []


def test_an_end_that_is_told_again_is_dropped_and_one_of_a_batch_asked_for_anew_is_not() -> None:
    talk = Talk()
    talk.connect()
    durable(talk, "b")
    talk.accept(talk.said()[0])
    assert [type(event) for event in talk.done("b")] == [Done]
    assert talk.done("b") == []
    assert again(talk, resumed=True) == []
    assert talk.done("b") == []
    for ask in (
        lambda: talk.session.subscribe(b"batch:b"),
        lambda: talk.session.request(Retry(id=new_id(), batch="b")),
        lambda: talk.session.request(Retry(id=new_id())),
        lambda: durable(talk, "b"),
    ):
        ask()
        assert [type(event) for event in talk.done("b")] == [Done]
        assert talk.done("b") == []


def test_the_end_of_a_batch_ends_its_topic() -> None:
    talk = Talk()
    talk.connect()
    for topic in ("batch:b", b"batch:c", "folder:/f"):
        talk.hear(Ok(reply_to=talk.session.subscribe(topic)))
    talk.said()
    talk.done("b")
    talk.done("c")
    assert topics(again(talk)) == ["folder:/f"]


def test_a_batch_whose_name_the_daemon_made_has_one_name_after_a_restart() -> None:
    talk = Talk()
    talk.connect()
    submit = Submit(id=new_id(), items=items(1), priority=Priority.LOW)
    talk.session.request(submit)
    talk.accept(submit)
    talk.said()
    talk.session.disconnected()
    talk.connect(NEXT_EPOCH)
    assert talk.said() == [submit]
    talk.hear(Accepted(reply_to=submit.id, batch="another name", total=1))
    talk.done("another name")
    assert not talk.session.busy


def test_a_cancelled_batch_is_cancelled_once_more_where_it_is_submitted_once_more() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(1), Priority.LOW, "b")
    talk.accept(talk.said()[0])
    cancel = talk.session.cancel("b")
    talk.hear(Ok(reply_to=cancel, dropped=1, running=0, shared=0))
    talk.said()
    assert [type(message) for message in again(talk)] == [Submit, Cancel]


# -- resync -----------------------------------------------------------------------------------------------------


def test_a_resync_asks_for_snapshots_of_all_topics_until_each_was_told() -> None:
    talk = Talk()
    talk.connect()
    for topic in ("batch:b", b"folder:/f", "mine"):
        talk.hear(Ok(reply_to=talk.session.subscribe(topic)))
    talk.said()
    assert [type(event) for event in talk.notice("resync")] == [Notice]
    (asked,) = talk.said()
    assert isinstance(asked, SnapshotRequest)
    assert asked.topics == ["mine", "batch:b", b"folder:/f"]
    assert [type(event) for event in talk.part(asked.id, "mine", last=False)] == [Snapshot]
    talk.part(asked.id, b"mine", part=1)
    talk.part(asked.id, "batch:b")
    assert talk.session.busy
    talk.part(asked.id, "folder:/f")
    assert not talk.session.busy


def test_a_second_resync_asks_anew_and_a_lost_connection_asks_again() -> None:
    talk = Talk()
    talk.connect()
    talk.notice("resync")
    talk.said()
    talk.notice("resync")
    (asked,) = talk.said()
    said = again(talk, resumed=True)
    assert said == [asked]


# -- leaving, being replaced ------------------------------------------------------------------------------------


def test_a_request_that_met_a_leaving_daemon_is_said_to_the_next_one() -> None:
    talk = Talk()
    talk.connect()
    durable(talk, "b")
    (submit,) = submits(talk.said())
    assert talk.error("shutting_down", submit.id) == []
    assert again(talk) == [submit]


def test_a_request_behind_the_notice_that_the_daemon_ends_is_refused() -> None:
    talk = Talk()
    talk.connect()
    talk.notice("draining")
    durable(talk, "b")
    (submit,) = submits(talk.said())
    assert [type(event) for event in talk.error("shutting_down", submit.id)] == [NotTaken]
    # The next daemon is another matter.
    durable(talk, "c")
    (submit,) = submits(again(talk))
    assert talk.error("shutting_down", submit.id) == []


def test_who_is_replaced_says_nothing_more_and_begins_a_session_of_its_own() -> None:
    talk = Talk()
    talk.connect()
    assert [type(event) for event in talk.notice("replaced")] == [Notice]
    assert talk.session.replaced
    talk.session.request(Batches(id=new_id()))
    assert talk.said() == []
    talk.session.connected(talk.now)
    (hello,) = talk.said()
    assert isinstance(hello, Hello)
    assert hello.session is None


# -- withdrawing, and our own silence ---------------------------------------------------------------------------


def test_what_is_withdrawn_is_not_said_again_and_its_answer_not_passed_on() -> None:
    talk = Talk()
    talk.connect()
    asked = talk.session.request(Batches(id=new_id()))
    (submitted,) = durable(talk, "b")
    (submit,) = submits(talk.said())
    talk.session.withdraw(asked)
    talk.session.withdraw(submitted)
    assert talk.hear(Ok(reply_to=asked)) == []
    assert talk.accept(submit) == []
    assert not talk.session.busy
    assert again(talk) == []


def test_a_caller_that_did_not_listen_for_long_asks_before_it_gives_the_daemon_up() -> None:
    talk = Talk()
    talk.connect()
    assert talk.session.tick(talk.now + 100)
    assert [type(message) for message in talk.said()] == [Ping]
    assert talk.session.tick(talk.now + 104)
    assert not talk.session.tick(talk.now + 110)


def test_what_is_due_next_is_known() -> None:
    talk = Talk()
    talk.connect()
    assert talk.session.due() == talk.now + 5
    durable(talk, "b")
    talk.error("queue_full", submits(talk.said())[0].id, retry_after_ms=250)
    assert talk.session.due() == talk.now + 0.25


def test_whoever_waits_is_rung_for_when_there_is_something_to_say() -> None:
    talk = Talk()
    rung: list[int] = []
    talk.session.ring = lambda: rung.append(1)
    durable(talk, "b")
    assert not rung
    talk.connect()
    assert rung
    rung.clear()
    talk.session.processed()
    assert rung
