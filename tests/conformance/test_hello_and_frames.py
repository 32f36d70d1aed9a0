"""The page's "Socket", "Frames" and `hello`: who may say what, and what nonsense is answered with."""

import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from conformance.independent_client import Client, new_id
from conformance.page_checks import Message
from conformance.pictures import missing, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e

MIB = 1 << 20


def frame(**fields: object) -> bytes:
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def still_works(client: Client, folder: Path) -> None:
    """The session answers, and does its work."""
    client.ping()
    batch = client.submit(small(folder, 1, stem=f"still-{new_id().hex()}"))["batch"]
    assert client.wait_done(batch)["ready"] == 1


# The socket


def test_socket_is_0600_in_a_folder_that_is_0700(home: Home) -> None:
    """Directory 0700, socket 0600."""
    assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.socket.parent.stat().st_mode) == 0o700


def test_second_daemon_for_a_socket_ends_with_status_3(home: Home, client: Client) -> None:
    """One daemon for each socket; the loser says so and ends with status 3, and the first goes on."""
    second = home.start("thumbd_daemon")
    assert second.wait(40) == 3
    assert home.output(second)[1].strip()
    client.ping()


# hello and welcome


def test_welcome_comes_first_and_tells_the_limits(home: Home, dial: Callable[[Path], Client]) -> None:
    """`welcome` is the first message, with all its fields and the limits that the page names."""
    client = dial(home.socket)
    request = client.post(
        "hello",
        protocol=[1, 1],
        client={"name": "x", "version": "1", "pid": 1},
        capabilities=[],
        credit=2,
        heartbeat_ms=5000,
    )
    first = client.receive(40)
    assert first is not None
    assert first["type"] == "welcome"
    assert first["reply_to"] == request
    assert first["protocol"] == 1
    assert first["resumed"] is False
    assert {MIB, 4096, 256, 1000, 16 * MIB} <= set(first["limits"].values())


def test_each_session_has_its_own_id_and_all_share_the_epoch(meet: Callable[[], Client]) -> None:
    """The epoch is the daemon's, the session the client's."""
    one, two = meet(), meet()
    assert one.epoch == two.epoch
    assert one.session != two.session


@pytest.mark.parametrize("credit", [0, 1, 33, -1, 2**40, "many", None, 2.5])
def test_hello_with_other_credit_than_2_to_32_is_a_bad_field(
    home: Home, dial: Callable[[Path], Client], credit: object
) -> None:
    """credit is an int, 2-32, else `bad_field`; and there is no session then."""
    client = dial(home.socket)
    assert (
        client.refusal(
            "hello",
            protocol=[1, 1],
            client={"name": "x", "version": "1", "pid": 1},
            capabilities=[],
            credit=credit,
            heartbeat_ms=5000,
        )["code"]
        == "bad_field"
    )
    assert client.refusal("ping")["code"] == "no_session"


@pytest.mark.parametrize("credit", [2, 32])
def test_credit_of_2_and_of_32_are_taken(home: Home, dial: Callable[[Path], Client], credit: int) -> None:
    """2-32, both ends included."""
    assert dial(home.socket).hello(credit=credit)["type"] == "welcome"


def test_hello_for_another_protocol_is_a_bad_version(home: Home, dial: Callable[[Path], Client]) -> None:
    """`hello` is answered by `welcome`, or by `error` `bad_version` when no protocol is common."""
    client = dial(home.socket)
    assert (
        client.refusal(
            "hello",
            protocol=[2, 9],
            client={"name": "x", "version": "1", "pid": 1},
            capabilities=[],
            credit=4,
            heartbeat_ms=5000,
        )["code"]
        == "bad_version"
    )
    assert client.hello(protocol=[1, 9])["protocol"] == 1


def test_unknown_capabilities_and_inline_are_not_granted_here(home: Home, dial: Callable[[Path], Client]) -> None:
    """Blobs come only where `inline` was granted; it is for clients on another machine."""
    client = dial(home.socket)
    welcome = client.hello(capabilities=["inline", "telepathy"])
    assert welcome["capabilities"] == []


def test_second_hello_is_welcomed_again_and_counts_from_1(client: Client, folder: Path) -> None:
    """`seq` is 1 after each `welcome`, and each `hello` resets the credit."""
    batch = client.submit(small(folder, 3))["batch"]
    client.wait_done(batch)
    assert client.seq > 1
    session = client.session
    client.gives_back = False
    welcome = client.hello(session=session, credit=3)
    assert welcome["resumed"] is True
    assert welcome["session"] == session
    client.hello(session=session, credit=32)
    client.gives_back = True
    again = client.mark()
    client.focus(small(folder, 2, stem="q"), generation=1)
    client.until(lambda: len(client.finals(again)) == 2, "two results after the third welcome")
    assert client.pushed[again]["seq"] == 1


def test_unknown_session_gets_a_new_one(home: Home, dial: Callable[[Path], Client]) -> None:
    """`resumed` is true only for a session that is still known."""
    client = dial(home.socket)
    welcome = client.hello(session=b"\x01" * 16)
    assert welcome["resumed"] is False
    assert welcome["session"] != b"\x01" * 16


# Before hello


@pytest.mark.parametrize(
    "request_type",
    sorted(
        {"subscribe", "unsubscribe", "submit", "cancel", "pause", "resume", "status", "batches", "snapshot", "retry"}
        | {"explain", "ping", "stats", "health", "quarantine", "cache", "pool", "shutdown", "no-such-type"}
    ),
)
def test_anything_but_hello_before_hello_is_no_session(
    home: Home, dial: Callable[[Path], Client], request_type: str
) -> None:
    """Anything but `hello` before `hello`: `error` `no_session`, and the same connection may say hello then."""
    client = dial(home.socket)
    assert client.refusal(request_type)["code"] == "no_session"
    assert client.hello()["resumed"] is False


@pytest.mark.parametrize(
    "fields", [{"type": "credit", "n": 1}, {"type": "focus", "view": "w", "generation": 1, "flavor": "normal",
                                             "visible": [], "near": []}, {"type": "bye"}]
)  # fmt: skip
def test_even_what_has_no_answer_is_no_session_before_hello(
    home: Home, dial: Callable[[Path], Client], fields: Message
) -> None:
    """Anything: so a client that only focuses learns of a restart too."""
    client = dial(home.socket)
    client.send_frames(b"TH1", frame(**fields))
    assert client.stray()["code"] == "no_session"


# Frames that are wrong


@pytest.mark.parametrize("head", [b"TH2", b"", b"th1", b"TH1 ", b"\xff" * 200])
def test_wrong_frame_0_is_one_bad_version(client: Client, folder: Path, head: bytes) -> None:
    """Wrong frame 0: one `error` `bad_version`, and the session goes on."""
    client.send_frames(head, frame(type="ping", id=new_id()))
    assert client.stray()["code"] == "bad_version"
    still_works(client, folder)
    assert client.strays == []


BAD_FRAMES: dict[str, bytes] = {
    "nothing": b"",
    "half a map": frame(type="ping", id=new_id())[:-3],
    "not msgpack": b"\xc1",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "a number": msgpack.packb(7),
    "an array": msgpack.packb(["ping"]),
    "a map and a half": frame(type="ping", id=new_id()) + b"\x81",
    "an array of 4 billion": b"\x82\xa4type\xa4ping\xa1x\xdd\xff\xff\xff\xff",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "a bin of 4 GB": b"\x82\xa4type\xa4ping\xa2id\xc6\xff\xff\xff\xff",
    "a string that is no UTF-8": b"\x81\xa4type\xa4p\xffng",
    "100,000 arrays deep": b"\x82\xa4type\xa4ping\xa1x" + b"\x91" * 100_000 + b"\x01",
    "an extension": b"\x82\xa4type\xa4ping\xa1x\xc7\x05\x2aabcde",
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_undecodable_msgpack_is_a_bad_frame(client: Client, folder: Path, name: str) -> None:
    """Undecodable or out-of-bounds msgpack: `error` `bad_frame`, and the session goes on."""
    client.send_frames(b"TH1", BAD_FRAMES[name])
    client.until(lambda: bool(client.strays or client.answers), "an error about a frame")
    answer = client.strays.pop() if client.strays else client.answers.popitem()[1]
    assert answer.get("code") == "bad_frame"
    still_works(client, folder)


@pytest.mark.parametrize("fields", [{}, {"id": b"1" * 16}, {"type": 5}, {"type": None}, {"type": b"ping"}])
def test_map_without_a_type_is_refused(client: Client, fields: Message) -> None:
    """Every map has `type` (str)."""
    client.send_frames(b"TH1", frame(**fields))
    client.until(lambda: bool(client.strays or client.answers), "an error about a frame")
    answer = client.strays.pop() if client.strays else client.answers.popitem()[1]
    assert answer["code"] in {"bad_frame", "bad_field"}
    client.ping()


@pytest.mark.parametrize("wrong", [None, b"", b"short", b"x" * 17, "x" * 16, 7])
def test_request_needs_an_id_of_16_bytes(client: Client, wrong: object) -> None:
    """Requests have `id` (16 bytes)."""
    client.send("ping", **({} if wrong is None else {"id": wrong}))
    assert client.stray()["code"] in {"bad_field", "bad_frame"}
    client.ping()


@pytest.mark.parametrize("frames", [[], [b"TH1"], [b"TH1", frame(type="ping", id=b"7" * 16), b"blob"], [b""] * 5])
def test_other_numbers_of_frames_end_nothing(client: Client, folder: Path, frames: list[bytes]) -> None:
    """None of these ends the daemon, another's session, or this client's session."""
    client.send_frames(*(frames or [b""]))
    client.until(lambda: bool(client.strays or client.answers), "an answer of some sort")
    client.strays.clear()
    client.answers.clear()
    still_works(client, folder)


def test_unknown_type_is_an_error_and_unknown_fields_are_ignored(client: Client, folder: Path) -> None:
    """Unknown optional fields are ignored; an unknown `type` gets `error` `unknown_type`."""
    assert client.refusal("divine")["code"] == "unknown_type"
    assert client.refusal("welcome")["code"] == "unknown_type"
    client.ask("ping", colour="blue", nested={"a": [1, 2, {"b": b"c"}]})
    items = [{"path": path, "flavor": "normal", "mood": 3} for path in small(folder, 2)]
    batch = client.ask("submit", items=items, priority="normal", tomorrow=True)["batch"]
    assert client.wait_done(batch)["ready"] == 2


def submit_of(size: int, request: bytes) -> bytes:
    """A submit of 3,000 items whose map has just so many bytes."""
    short = (size - 400) // 3000 - 40
    paths = [b"/none/%04d/" % number + b"x" * (short - 11) for number in range(3000)]
    rest = size
    for _ in range(2):  # the first pass tells how many bytes are missing, the second has them
        items = [{"path": path, "flavor": "normal"} for path in paths]
        packed = frame(type="submit", id=request, priority="low", items=items)
        rest = size - len(packed)
        if rest:
            each, more = divmod(rest, 3000)
            paths = [path + b"y" * (each + (number < more)) for number, path in enumerate(paths)]
    assert rest == 0
    return packed


def test_request_of_1_mib_is_taken_and_one_byte_more_is_too_large(client: Client, folder: Path) -> None:
    """A request 1 MiB (over that `too_large`), and the session goes on."""
    request = new_id()
    client.send_frames(b"TH1", submit_of(MIB - 3, request))
    assert client.answer(request)["total"] == 3000
    second = new_id()
    client.send_frames(b"TH1", submit_of(MIB + 1, second))
    client.until(lambda: bool(client.strays or second in client.answers), "too_large")
    answer = client.strays.pop() if client.strays else client.answers.pop(second)
    assert answer["code"] == "too_large"
    still_works(client, folder)


def test_message_over_2_mib_closes_the_connection_and_hurts_nobody_else(
    meet: Callable[[], Client], folder: Path
) -> None:
    """Over MAXMSGSIZE libzmq just closes: the session can be resumed, and others never notice."""
    big, other = meet(), meet()
    big.send_frames(b"TH1", frame(type="ping", id=new_id(), pad=b"x" * (3 * MIB)))
    still_works(other, folder)
    big.redial()
    assert big.hello(session=big.session)["resumed"] is True
    still_works(big, folder)


def test_4096_items_are_taken_and_4097_are_not(client: Client, home: Home) -> None:
    """4,096 items in a `submit`."""
    assert client.submit(missing(home.pictures, 4096))["total"] == 4096
    items = [{"path": path, "flavor": "normal"} for path in missing(home.pictures, 4097)]
    assert client.refusal("submit", items=items, priority="normal")["code"] in {"too_large", "bad_field"}


def drained_codes(client: Client) -> set[str | None]:
    """Codes of all answers that nobody waits for; they are forgotten then."""
    told = {message.get("code") for message in [*client.answers.values(), *client.strays]}
    client.answers.clear()
    client.strays.clear()
    return told


def test_fields_of_every_wrong_type_are_refused_and_never_break_the_daemon(
    meet: Callable[[], Client], folder: Path
) -> None:
    """`bad_field` is for a field that is wrong; `internal` would be the daemon's own failure."""
    rude, other = meet(), meet()
    item = {"path": bytes(folder / "nowhere.png"), "flavor": "normal"}
    items = {"items": [item]}
    right: dict[str, Message] = {
        "subscribe": {"topics": ["system"]},
        "unsubscribe": {"topics": ["system"]},
        "snapshot": {"topics": ["system"]},
        "submit": {**items, "priority": "low", "batch": "w", "more": False, "replace": "x", "durable": False,
                   "ttl_s": 5, "max_retries": 1, "timeout_ms": 5000},
        "cancel": items,
        "pause": items,
        "resume": items,
        "status": items,
        "retry": {**items, "kind": "timeout"},
        "explain": item,
        "quarantine": {"action": "list", **items},
        "cache": {"action": "stat", "dry_run": True},
        "pool": {"min": 1, "max": 2},
        "focus": {"view": "v", "generation": 1, "flavor": "normal", "visible": [], "near": []},
    }  # fmt: skip
    wrong: list[Any] = [-1, 2**63, 2**64 - 1, "x", "", b"x", b"", [], {}, [[]], [None], [{}], {"a": 1}, 1.5, True, None]
    codes: set[str | None] = set()
    for request_type, fields in right.items():
        for name in fields:
            for value in wrong:
                rude.post(request_type, **(fields | {name: value}))
            rude.ping()
            codes |= drained_codes(rude)
        for name in item:
            for value in wrong:
                rude.post(request_type, **(fields | {"items": [item | {name: value}]}))
            rude.ping()
            codes |= drained_codes(rude)
    assert "internal" not in codes
    assert "bad_field" in codes
    still_works(rude, folder)
    still_works(other, folder)


def test_thousands_of_mutated_frames_end_nothing(meet: Callable[[], Client], home: Home, folder: Path) -> None:
    """None of these ends the daemon, the session of another client, or this client's session."""
    rude, other = meet(), meet()
    dice = random.Random(20_240_917)
    codes: set[str | None] = set()
    path = bytes(home.pictures / "nowhere.png")
    requests: list[tuple[str, Message]] = [
        ("ping", {}),
        ("submit", {"items": [{"path": path, "flavor": "normal"}], "priority": "low"}),
        ("status", {"items": [{"path": path, "flavor": "normal"}]}),
        ("snapshot", {"topics": ["folder:" + str(folder)]}),
        ("quarantine", {"action": "list"}),
        ("cancel", {"items": [{"path": path, "flavor": "large"}]}),
    ]
    for number in range(4000):
        kind, fields = dice.choice(requests)
        mutated = bytearray(frame(type=kind, id=new_id(), **fields))
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(mutated))
            match dice.randrange(4):
                case 0:
                    mutated[place] ^= 1 << dice.randrange(8)
                case 1:
                    mutated[place] = dice.randrange(256)
                case 2:
                    del mutated[place:]
                    mutated += b"\x00"
                case _:
                    mutated[place:place] = dice.randbytes(dice.randint(1, 9))
        rude.send_frames(b"TH1", bytes(mutated))
        if number % 50 == 49:
            rude.ping()
            codes |= drained_codes(rude)
    assert "internal" not in codes
    assert "bad_frame" in codes
    still_works(rude, folder)
    still_works(other, folder)
    assert rude.ask("health")["verdict"] in {"ok", "degraded"}


# Fields that are wrong

BAD_PATHS: dict[str, object] = {
    "text": "/tmp/a.png",
    "relative": b"a.png",
    "empty": b"",
    "with a NUL": b"/tmp/a\0.png",
    "of 4,097 bytes": b"/" + b"a" * 4096,
    "a number": 3,
    "null": None,
}


@pytest.mark.parametrize("name", BAD_PATHS)
def test_path_that_is_not_absolute_bin_without_nul_is_a_bad_field(client: Client, folder: Path, name: str) -> None:
    """Paths are msgpack bin: absolute, no NUL, 1-4,096 bytes, else `bad_field`; all or nothing for a chunk."""
    path = BAD_PATHS[name]
    good = {"path": small(folder, 1)[0], "flavor": "normal"}
    bad = {"path": path, "flavor": "normal"}
    assert client.refusal("submit", items=[good, bad], priority="normal", batch=f"b {name}")["code"] == "bad_field"
    assert client.refusal("status", batch=f"b {name}")["code"] == "unknown_id"
    wanted = {"path": path, "recursive": False, "flavor": "normal"}
    assert client.refusal("submit", folder=wanted, priority="normal")["code"] == "bad_field"
    assert client.refusal("status", items=[bad])["code"] == "bad_field"
    assert client.refusal("cancel", items=[bad])["code"] == "bad_field"
    if isinstance(path, bytes) and path != b"":
        assert client.refusal("subscribe", topics=[b"folder:" + path])["code"] == "bad_field"


def test_path_of_4096_bytes_is_taken_as_written(client: Client) -> None:
    """1-4,096 bytes; taken as written, never resolved."""
    long = b"/" + b"a/" * 2047 + b"a"
    assert len(long) == 4096
    dotted = b"/tmp/../tmp//./x.png"
    batch = client.submit([long, dotted])["batch"]
    assert client.wait_done(batch)["failed"] == 2
    assert set(client.finals()) == {(long, "normal"), (dotted, "normal")}


def test_wrong_choices_are_bad_fields(client: Client, folder: Path) -> None:
    """Flavors, priorities, actions and modes are the page's; a submit has items or a folder, never both or neither."""
    path = small(folder, 1)[0]
    items = [{"path": path, "flavor": "normal"}]
    wanted = {"path": bytes(folder), "recursive": False, "flavor": "normal"}
    wrong: list[tuple[str, Message]] = [
        ("submit", {"items": [{"path": path, "flavor": "gigantic"}], "priority": "normal"}),
        ("submit", {"items": [{"path": path}], "priority": "normal"}),
        ("submit", {"items": items, "priority": "urgent"}),
        ("submit", {"items": items, "folder": wanted, "priority": "normal"}),
        ("submit", {"priority": "normal"}),
        ("submit", {"items": items, "priority": "normal", "durable": True}),
        ("submit", {"items": items, "priority": "normal", "batch": 5}),
        ("quarantine", {"action": "admire"}),
        ("shutdown", {"mode": "gently"}),
        ("pool", {"max": "many"}),
        ("cancel", {}),
        ("subscribe", {"topics": "system"}),
    ]
    codes = {f"{kind} {sorted(fields)} {number}": client.refusal(kind, **fields)["code"]
             for number, (kind, fields) in enumerate(wrong)}  # fmt: skip
    assert codes == dict.fromkeys(codes, "bad_field")


def test_kind_thumbnail_is_the_default_and_other_kinds_are_not_supported(client: Client, folder: Path) -> None:
    """`kind` (default `thumbnail`; other kinds of work will follow) is reserved."""
    path = small(folder, 1)[0]
    item = {"path": path, "flavor": "normal", "kind": "face"}
    assert client.refusal("submit", items=[item], priority="normal")["code"] == "not_supported"
    batch = client.ask("submit", items=[item | {"kind": "thumbnail"}], priority="normal")["batch"]
    assert client.wait_done(batch)["ready"] == 1
