"""One process' conversation with the daemon: nothing that was asked is ever lost by a crash on the other side."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_client.chunks import split_items
from thumbd_client.events import Connected, Refused
from thumbd_client.session import new_id
from thumbd_protocol.codec import encode
from thumbd_protocol.errors import ProtocolError
from thumbd_protocol.items import Flavor, Item, Priority
from thumbd_protocol.limits import MAX_REQUEST_BYTES, MAX_SUBMIT_ITEMS
from thumbd_protocol.replies import Ok, Update
from thumbd_protocol.requests import Batches, Bye, Cancel, Credit, Focus, Hello, Message, Ping, Submit, Subscribe

from .conversation import NEXT_EPOCH, Talk


def items(count: int, name: bytes = b"") -> list[Item]:
    return [Item(b"/%d" % n + name, Flavor.LARGE) for n in range(count)]


def submits(said: list[Message]) -> list[Submit]:
    return [message for message in said if isinstance(message, Submit)]


def ids(said: list[Message]) -> list[bytes]:
    return [getattr(message, "id", b"") for message in said]


def test_hello_is_the_first_word_and_all_else_waits_for_the_welcome() -> None:
    talk = Talk()
    talk.session.submit_items(items(1), Priority.NORMAL, "b")
    assert talk.said() == []
    talk.session.connected(talk.now)
    (hello,) = talk.said()
    assert isinstance(hello, Hello)
    assert (hello.protocol, hello.credit, hello.heartbeat_ms, hello.session) == ((1, 1), 16, 5000, None)
    talk.session.request(Batches(id=new_id()))
    assert talk.said() == []
    talk.session.connected(talk.now)
    (event,) = talk.welcome()
    assert isinstance(event, Connected)
    assert (event.fresh, event.server_pid) == (True, 42)
    assert sorted(type(message).__name__ for message in talk.said()) == ["Batches", "Submit"]


def test_after_a_restart_all_that_is_open_is_said_again_with_the_same_ids() -> None:
    talk = Talk()
    talk.connect()
    session = talk.session
    session.submit_items(items(1), Priority.NORMAL, "accepted")
    session.submit_items(items(1), Priority.NORMAL, "ended")
    session.submit_items(items(1), Priority.NORMAL, "unanswered")
    session.subscribe("folder:/f")
    session.focus("v", 1, Flavor.LARGE, [b"/old"], [])
    session.focus("v", 2, Flavor.LARGE, [b"/new"], [])
    asked = session.request(Batches(id=new_id()))
    said = talk.said()
    accepted, ended, unanswered = submits(said)
    (topic,) = [message for message in said if isinstance(message, Subscribe)]
    for submit in (accepted, ended):
        talk.accept(submit)
    talk.done("ended")
    talk.hear(Ok(reply_to=topic.id))
    session.disconnected()
    (event,) = talk.connect(NEXT_EPOCH)
    assert isinstance(event, Connected)
    assert event.fresh
    again = talk.said()
    assert {message.id for message in submits(again)} == {accepted.id, unanswered.id}
    assert asked in ids(again)
    assert len(ids(again)) == len(set(ids(again)))
    assert [message.topics for message in again if isinstance(message, Subscribe)] == [["folder:/f"]]
    focus = again[-1]
    assert isinstance(focus, Focus)
    assert focus.visible == [b"/new"]


def test_the_same_daemon_after_a_broken_connection_is_not_fresh_and_is_told_the_session() -> None:
    talk = Talk()
    talk.connect()
    talk.session.disconnected()
    talk.session.connected(talk.now)
    hello = talk.session.outgoing()[0]
    assert msgpack.unpackb(hello[1])["session"] == b"session of epoch one"
    (event,) = talk.welcome()
    assert isinstance(event, Connected)
    assert not event.fresh


def test_what_is_cancelled_stays_cancelled_through_a_restart() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(1), Priority.NORMAL, "b")
    talk.accept(submits(talk.said())[0])
    talk.session.cancel("b")
    talk.said()
    talk.session.disconnected()
    talk.connect(NEXT_EPOCH)
    assert [type(message) for message in talk.said()] == [Submit, Cancel]


def test_what_was_unsubscribed_or_forgotten_is_not_said_again() -> None:
    talk = Talk()
    talk.connect()
    first = talk.session.subscribe("folder:/f")
    talk.hear(Ok(reply_to=first))
    talk.session.unsubscribe("folder:/f")
    talk.session.focus("v", 1, Flavor.LARGE, [b"/a"], [])
    talk.session.forget_view("v", 2)
    said = talk.said()
    assert isinstance(said[-1], Focus)
    assert (said[-1].visible, said[-1].generation) == ([], 2)
    for message in said:
        if ids([message])[0]:
            talk.hear(Ok(reply_to=ids([message])[0]))
    assert not talk.session.busy
    talk.session.disconnected()
    talk.connect(NEXT_EPOCH)
    assert talk.said() == []


def test_a_hole_in_seq_means_hello_again_and_the_message_behind_it_is_not_passed_on() -> None:
    talk = Talk()
    talk.connect()
    assert talk.update(b"/a")
    assert talk.update(b"/c", skip=1) == []
    assert not talk.is_up()
    assert talk.update(b"/d") == []
    talk.welcome()
    assert talk.is_up()
    assert talk.update(b"/a")


def test_a_message_told_twice_or_of_another_epoch_means_hello_again() -> None:
    talk = Talk()
    talk.connect()
    talk.update(b"/a")
    talk.seq -= 1
    assert talk.update(b"/a") == []
    assert not talk.is_up()
    talk.welcome()
    talk.epoch = NEXT_EPOCH
    assert talk.update(b"/b") == []
    assert not talk.is_up()


def test_a_pong_ahead_shows_a_lost_tail_and_one_abreast_does_not() -> None:
    talk = Talk()
    talk.connect()
    talk.update(b"/a")
    assert talk.pong(1) == []
    assert talk.is_up()
    talk.pong(2)
    assert not talk.is_up()
    assert [type(message) for message in talk.said()] == [Hello]


def test_no_session_is_answered_by_one_hello_however_often_it_is_told() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(1), Priority.NORMAL, "b")
    (submit,) = submits(talk.said())
    for _ in range(3):
        assert talk.error("no_session", submit.id) == []
    talk.welcome(NEXT_EPOCH)
    assert talk.said() == [submit]


def test_a_full_queue_is_asked_again_after_the_time_told_and_not_before() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(1), Priority.NORMAL, "b")
    (submit,) = submits(talk.said())
    assert talk.error("queue_full", submit.id, retry_after_ms=250) == []
    assert talk.session.busy
    assert talk.session.tick(talk.now + 0.249)
    assert talk.said() == []
    assert talk.session.tick(talk.now + 0.25)
    assert talk.said() == [submit]
    assert talk.session.tick(talk.now + 0.5)
    assert talk.said() == []


def test_the_last_chunk_of_a_batch_is_never_accepted_before_one_that_was_refused() -> None:
    # A daemon that has the chunk without `more` takes the batch for whole.
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(MAX_SUBMIT_ITEMS * 2 + 1), Priority.NORMAL, "b")
    order: list[bool] = []
    for turn in range(20):
        talk.now += 1
        talk.session.tick(talk.now)
        for submit in submits(talk.said()):
            if turn < 3 and submit.more:
                talk.error("queue_full", submit.id, retry_after_ms=250)  # only the small one would fit
            else:
                order.append(submit.more)
                talk.accept(submit)
    assert order == [True, True, False]


def test_a_batch_that_is_cancelled_while_its_chunks_wait_says_no_more_of_them() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(MAX_SUBMIT_ITEMS + 1), Priority.NORMAL, "b")
    (first,) = submits(talk.said())
    cancel = talk.session.cancel("b")
    assert ids(talk.said()) == [cancel]
    talk.accept(first)
    talk.hear(Ok(reply_to=cancel, dropped=MAX_SUBMIT_ITEMS, running=0, shared=0))
    talk.done("b")
    assert talk.said() == []
    assert not talk.session.busy


def test_a_chunk_that_is_refused_for_good_takes_the_whole_batch_with_it() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(MAX_SUBMIT_ITEMS + 1), Priority.NORMAL, "b")
    talk.error("forbidden", submits(talk.said())[0].id)
    assert talk.said() == []
    assert not talk.session.busy


def test_chunks_of_an_open_batch_are_said_again_in_their_order_after_a_restart() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(MAX_SUBMIT_ITEMS * 2 + 1), Priority.NORMAL, "b")
    talk.accept(submits(talk.said())[0])
    talk.session.disconnected()
    talk.connect(NEXT_EPOCH)
    sizes: list[int] = []
    while chunk := submits(talk.said()):
        for submit in chunk:
            sizes.append(len(submit.items or []))
            talk.accept(submit)
    assert sizes == [MAX_SUBMIT_ITEMS, MAX_SUBMIT_ITEMS, 1]


def test_a_submit_that_is_refused_for_good_is_told_and_not_said_again() -> None:
    talk = Talk()
    talk.connect()
    talk.session.submit_items(items(1), Priority.NORMAL, "b")
    (submit,) = submits(talk.said())
    (event,) = talk.error("forbidden", submit.id)
    assert not isinstance(event, Refused)
    assert not talk.session.busy
    talk.session.disconnected()
    talk.connect(NEXT_EPOCH)
    assert talk.said() == []


def test_a_hello_that_is_refused_is_told_as_the_daemons_refusal() -> None:
    talk = Talk()
    talk.session.connected(talk.now)
    (hello,) = talk.said()
    assert isinstance(hello, Hello)
    (event,) = talk.error("bad_version", hello.id)
    assert isinstance(event, Refused)
    assert "no: bad_version" in event.reason


def test_an_error_that_answers_nothing_is_passed_on() -> None:
    talk = Talk()
    talk.connect()
    assert len(talk.error("bad_frame")) == 1


def test_a_type_of_a_later_version_is_ignored_and_garbage_is_not() -> None:
    talk = Talk()
    talk.connect()
    packed = msgpack.packb({"type": "of a later version"})
    assert isinstance(packed, bytes)
    assert talk.session.receive([b"TH1", packed], talk.now) == []
    with pytest.raises(ProtocolError):
        talk.session.receive([b"TH1", b"\xc1"], talk.now)


def test_silence_is_asked_about_once_a_heartbeat_and_given_up_after_three() -> None:
    talk = Talk()
    talk.connect()
    pings = 0
    for tenth in range(149):
        assert talk.session.tick(talk.now + tenth / 10)
        pings += sum(isinstance(message, Ping) for message in talk.said())
    assert pings == 2
    assert not talk.session.tick(talk.now + 15)
    talk.now += 14
    talk.pong(0)
    assert talk.session.tick(talk.now + 14)


@given(st.lists(st.sampled_from(["update", "process", "say"]), max_size=60))
def test_credit_is_never_more_than_what_was_processed(steps: list[str]) -> None:
    talk = Talk(credit=4)
    talk.connect()
    talk.said()
    unprocessed = outstanding = 0
    given = processed = 0
    for step in steps:
        if step == "update" and outstanding < 4:
            assert isinstance(talk.update(b"/a")[0], Update)
            unprocessed += 1
            outstanding += 1
        elif step == "process" and unprocessed:
            talk.session.processed()
            unprocessed -= 1
            processed += 1
        elif step == "say":
            for message in talk.said():
                assert isinstance(message, Credit)
                given += message.n
                outstanding -= message.n
        assert given <= processed
        assert outstanding >= unprocessed
    assert sum(message.n for message in talk.said() if isinstance(message, Credit)) == processed - given


def test_credit_of_an_older_hello_is_not_given_to_a_newer_one() -> None:
    talk = Talk()
    talk.connect()
    talk.update(b"/a")
    talk.session.processed()
    talk.session.connected(talk.now)  # begins anew before that was said
    talk.session.processed()
    talk.welcome()
    assert talk.said() == []


def test_bye_is_said_to_somebody_who_is_there_alone() -> None:
    talk = Talk()
    talk.session.bye()
    assert talk.said() == []
    talk.connect()
    talk.session.bye()
    assert [type(message) for message in talk.said()] == [Bye]


# -- splitting --------------------------------------------------------------------------------------------------


def test_few_items_are_one_chunk_and_none_are_an_empty_one() -> None:
    assert list(split_items([])) == [[]]
    assert list(split_items(items(3))) == [items(3)]


def test_items_are_split_by_number() -> None:
    assert [len(chunk) for chunk in split_items(items(MAX_SUBMIT_ITEMS * 2 + 1))] == [MAX_SUBMIT_ITEMS] * 2 + [1]
    assert [len(chunk) for chunk in split_items(items(MAX_SUBMIT_ITEMS))] == [MAX_SUBMIT_ITEMS]


def test_items_with_long_paths_are_split_by_bytes_so_that_each_request_is_taken() -> None:
    wanted = items(1000, b"x" * 4000)
    chunks = list(split_items(wanted))
    assert [item for chunk in chunks for item in chunk] == wanted
    for chunk in chunks:
        message = Submit(id=new_id(), items=chunk, priority=Priority.BACKGROUND, batch="b" * 200, more=True)
        assert len(encode(message)[1]) <= MAX_REQUEST_BYTES
    assert len(chunks) < 8
