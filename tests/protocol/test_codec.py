"""Frames in: a message or a ProtocolError, whatever the bytes are; messages out and in again unchanged."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_protocol.codec import decode_reply, decode_request, encode, encoded_size
from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.limits import MAGIC, MAX_FRAME_BYTES, MAX_PATH_BYTES, MAX_REQUEST_BYTES, MAX_SUBMIT_ITEMS
from thumbd_protocol.replies import REPLIES
from thumbd_protocol.requests import REQUESTS, Hello, Message, Ping, Submit

from .reply_samples import REPLY_SAMPLES
from .request_samples import ID, ITEM, REQUEST_SAMPLES

SUBMIT = {"type": "submit", "id": ID, "priority": "normal", "items": [{"path": b"/a.jpg", "flavor": "large"}]}


def frames(value: Any) -> list[bytes]:
    """The frames of any map, as a client in another language might send it."""
    packed = msgpack.packb(value, use_bin_type=True)
    assert isinstance(packed, bytes)
    return [MAGIC, packed]


def refused(what: list[bytes]) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode_request(what)
    assert caught.value.message
    return caught.value


@pytest.mark.parametrize("message", REQUEST_SAMPLES.values(), ids=REQUEST_SAMPLES)
def test_a_request_comes_back_as_it_was_said(message: Message) -> None:
    assert decode_request(encode(message)) == message


@pytest.mark.parametrize("message", REPLY_SAMPLES.values(), ids=REPLY_SAMPLES)
def test_a_reply_comes_back_as_it_was_said(message: Message) -> None:
    assert decode_reply(encode(message)) == message


def test_blobs_stand_behind_the_map_untouched() -> None:
    assert encode(Ping(id=ID), [b"one", b"two"])[2:] == [b"one", b"two"]
    assert decode_request(encode(Ping(id=ID), [b"one"])) == Ping(id=ID)


def test_the_size_told_is_the_size_on_the_wire() -> None:
    with_one = encode(Submit(id=ID, priority="normal", items=[ITEM]))  # type: ignore[arg-type]
    with_two = encode(Submit(id=ID, priority="normal", items=[ITEM, ITEM]))  # type: ignore[arg-type]
    assert len(with_two[1]) - len(with_one[1]) == encoded_size(ITEM)


# -- whatever comes in ------------------------------------------------------------------------------------------


def outcome(decode: Any, what: list[bytes]) -> None:
    """Decode; any other exception than ProtocolError fails the test."""
    try:
        found = decode(what)
    except ProtocolError as error:
        found = error
    if isinstance(found, ProtocolError):
        assert isinstance(found.code, RequestCode)
        assert found.message.encode()  # it must be fit to be told
        assert found.reply_to is None or len(found.reply_to) == 16
    else:
        assert isinstance(found, Message)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_frames_are_a_message_or_a_protocol_error(what: list[bytes]) -> None:
    outcome(decode_request, what)
    outcome(decode_reply, what)


@given(st.binary(max_size=400))
def test_any_bytes_behind_the_magic_are_a_message_or_a_protocol_error(raw: bytes) -> None:
    outcome(decode_request, [MAGIC, raw])
    outcome(decode_reply, [MAGIC, raw])


WIRE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([ID, b"/a", b"relative", "large", "normal", 16, 1]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = sorted({name for cls in (*REQUESTS, *REPLIES) for name in cls.__struct_fields__})
TYPES = sorted({str(cls.__struct_config__.tag) for cls in (*REQUESTS, *REPLIES)})


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), WIRE, max_size=8))
def test_any_values_in_known_fields_are_a_message_or_a_protocol_error(kind: str, fields: dict[str, Any]) -> None:
    what = frames({"type": kind, **fields})
    outcome(decode_request, what)
    outcome(decode_reply, what)


@given(st.sampled_from([*REQUEST_SAMPLES.values(), *REPLY_SAMPLES.values()]), st.data())
def test_a_message_with_one_byte_changed_is_a_message_or_a_protocol_error(
    message: Message, data: st.DataObject
) -> None:
    magic, raw = encode(message)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    outcome(decode_request, [magic, changed])
    outcome(decode_reply, [magic, changed])


# -- the right word for each fault ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [[], [b""], [b"TH2", b"\x80"], [b"TH1 ", b"\x80"], [b"\x80"]])
def test_another_first_frame_is_a_bad_version(what: list[bytes]) -> None:
    error = refused(what)
    assert error.code is RequestCode.BAD_VERSION
    assert error.reply_to is None


def test_a_missing_second_frame_is_a_bad_frame() -> None:
    assert refused([MAGIC]).code is RequestCode.BAD_FRAME


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x80\x80",
        b"\x93\x01\x02\x03",
        b"\xa3abc",
        b"\x81\xa1a\xa1\xff",  # text that is not UTF-8
        b"\x81\x01\x02",  # a number for a key
        b"\x91" * 2000 + b"\xc0",  # nested deeply
        b"\xdd\xff\xff\xff\xff",  # a list of four thousand million
        b"\x81\xa1a\xd6\xff\0\0\0\0",  # an extension (a timestamp)
        msgpack.packb({str(n): n for n in range(300)}),
        msgpack.packb({"type": "ping", "x": [0] * 9000}),
        msgpack.packb({"type": "ping", "x": b"x" * 70_000}),
    ],
)
def test_what_is_no_map_within_bounds_is_a_bad_frame(raw: bytes) -> None:
    assert refused([MAGIC, raw]).code is RequestCode.BAD_FRAME


def test_a_request_over_one_mebibyte_is_too_large_though_it_would_decode() -> None:
    paths = [b"/" + b"x" * 4000 + b"%d" % n for n in range(300)]
    raw = frames({**SUBMIT, "items": [{"path": path, "flavor": "large"} for path in paths]})
    assert len(raw[1]) > MAX_REQUEST_BYTES
    error = refused(raw)
    assert error.code is RequestCode.TOO_LARGE
    assert str(MAX_REQUEST_BYTES) in error.message


def test_a_reply_may_be_as_long_as_a_frame() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_reply([MAGIC, b"x" * (MAX_FRAME_BYTES + 1)])
    assert caught.value.code is RequestCode.TOO_LARGE
    with pytest.raises(ProtocolError) as caught:
        decode_reply([MAGIC, b"x" * MAX_FRAME_BYTES])
    assert caught.value.code is RequestCode.BAD_FRAME


@pytest.mark.parametrize("value", [{}, {"type": 3}, {"type": None}, {"type": b"ping"}, {"id": ID}])
def test_a_map_without_a_text_for_its_type_is_a_bad_field(value: dict[str, Any]) -> None:
    error = refused(frames(value))
    assert error.code is RequestCode.BAD_FIELD
    assert error.reply_to == value.get("id")


@pytest.mark.parametrize("kind", ["", "no such thing", "welcome", "update", "x" * 5000, "é日本"])
def test_a_type_that_no_request_has_is_unknown_and_answered_to_its_id(kind: str) -> None:
    error = refused(frames({"type": kind, "id": ID}))
    assert error.code is RequestCode.UNKNOWN_TYPE
    assert error.reply_to == ID
    assert len(error.message) < 200


@pytest.mark.parametrize("ident", [b"short", b"x" * 17, "0123456789abcdef", 5, None])
def test_an_id_that_is_not_16_bytes_is_a_bad_field_and_not_answered_to(ident: object) -> None:
    error = refused(frames({"type": "ping", "id": ident}))
    assert error.code is RequestCode.BAD_FIELD
    assert error.reply_to is None


@pytest.mark.parametrize(
    "path",
    [
        "/text.jpg",  # a path travels as bytes
        b"",
        b"relative.jpg",
        b"./x",
        b"~/x",
        b"/with\0nul",
        b"/" + b"x" * MAX_PATH_BYTES,
        7,
        None,
    ],
)
def test_a_path_that_is_none_is_a_bad_field_wherever_it_stands(path: object) -> None:
    item = {"path": path, "flavor": "large"}
    focus = {"type": "focus", "view": "v", "generation": 1, "flavor": "large", "visible": [], "near": []}
    for value in (
        {**SUBMIT, "items": [item]},
        {"type": "submit", "id": ID, "priority": "low", "folder": item},
        {"type": "cancel", "id": ID, "items": [item]},
        {"type": "explain", "id": ID, **item},
        {**focus, "visible": [b"/fine", path]},
        {**focus, "near": [path]},
    ):
        error = refused(frames(value))
        assert error.code is RequestCode.BAD_FIELD, value
        assert error.reply_to == value.get("id")


def test_a_path_of_4096_bytes_that_are_not_utf8_is_taken_as_written() -> None:
    path = b"/../" + b"\xff" * (MAX_PATH_BYTES - 4)
    message = decode_request(frames({**SUBMIT, "items": [{"path": path, "flavor": "large"}]}))
    assert isinstance(message, Submit)
    assert message.items is not None
    assert message.items[0].path == path


def test_4096_items_are_taken_and_one_more_is_a_bad_field() -> None:
    items = [{"path": b"/%d" % n, "flavor": "large"} for n in range(MAX_SUBMIT_ITEMS)]
    message = decode_request(frames({**SUBMIT, "items": items}))
    assert isinstance(message, Submit)
    assert len(message.items or []) == MAX_SUBMIT_ITEMS
    assert refused(frames({**SUBMIT, "items": [*items, items[0]]})).code is RequestCode.BAD_FIELD


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"flavor": "huge"}, "flavor"),
        ({"items": None}, "either"),
        ({"folder": {"path": b"/f", "flavor": "large"}}, "either"),
        ({"durable": True}, "batch"),
        ({"more": True}, "batch"),
        ({"priority": "soon"}, "priority"),
        ({"batch": ""}, "batch"),
        ({"batch": "x" * 201}, "batch"),
        ({"ttl_s": -1}, "ttl_s"),
        ({"more": 1}, "more"),
    ],
)
def test_a_submit_that_contradicts_itself_is_a_bad_field_that_names_it(changed: dict[str, Any], words: str) -> None:
    value = {**SUBMIT, **changed}
    if "flavor" in changed:
        value["items"] = [{"path": b"/a", "flavor": changed["flavor"]}]
    error = refused(frames(value))
    assert error.code is RequestCode.BAD_FIELD
    assert error.reply_to == ID
    assert words in error.message


@pytest.mark.parametrize("credit", [0, 1, 33, -1, 2.5, "16"])
def test_a_hello_with_credit_out_of_bounds_is_a_bad_field(credit: object) -> None:
    hello = msgpack.unpackb(encode(REQUEST_SAMPLES["hello-full"])[1])
    assert isinstance(decode_request(frames(hello)), Hello)
    assert refused(frames({**hello, "credit": credit})).code is RequestCode.BAD_FIELD


@pytest.mark.parametrize("n", [0, -1, 33])
def test_credit_is_given_in_units_of_1_to_32(n: int) -> None:
    assert refused(frames({"type": "credit", "n": n})).code is RequestCode.BAD_FIELD


def test_a_selection_names_a_batch_or_items_and_not_both() -> None:
    item = {"path": b"/a", "flavor": "large"}
    for kind in ("cancel", "pause", "resume", "status"):
        assert refused(frames({"type": kind, "id": ID})).code is RequestCode.BAD_FIELD
        assert refused(frames({"type": kind, "id": ID, "batch": "b", "items": [item]})).code is RequestCode.BAD_FIELD


@pytest.mark.parametrize("topic", ["", b"", "x" * 5001, "é" * 2501, 7, None, ["mine"], {"mine": 1}])
def test_a_topic_is_text_or_bytes_within_bounds(topic: object) -> None:
    for kind in ("subscribe", "unsubscribe", "snapshot"):
        error = refused(frames({"type": kind, "id": ID, "topics": ["mine", topic]}))
        assert error.code is RequestCode.BAD_FIELD
        assert error.reply_to == ID


@given(st.sampled_from([*REQUEST_SAMPLES.values()]), WIRE)
def test_fields_that_nobody_knows_are_ignored(message: Message, value: object) -> None:
    fields = msgpack.unpackb(encode(message)[1])
    assert decode_request(frames({**fields, "of a later version": value})) == message


def test_unknown_fields_inside_items_are_ignored_too() -> None:
    item = {"path": b"/a", "flavor": "large", "rotate": 90}
    message = decode_request(frames({**SUBMIT, "items": [item]}))
    assert isinstance(message, Submit)


def test_a_reply_of_an_unknown_type_is_told_apart_from_a_broken_one() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_reply(frames({"type": "of a later version"}))
    assert caught.value.code is RequestCode.UNKNOWN_TYPE
