"""What an end, or an answer, means for a file."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.records import Header, NotRendered, Rendered
from thumbd_daemon.verdicts import (
    DEADLINE,
    MEMORY,
    SHED,
    STALLED,
    STOPPED,
    Blame,
    Cause,
    Death,
    cause_of,
    lie_in,
    lie_in_header,
    of_death,
    of_kill,
    of_refusal,
    signal_name,
)
from thumbd_protocol.errors import ItemCode

HONEST = Rendered(1, "RGB", 256, 192, 147_456, 4000, 3000, "JPEG")
SLOT = 24 << 20


def test_an_honest_answer_has_no_lie_in_it() -> None:
    assert lie_in(HONEST, 256, SLOT) is None
    assert lie_in(Rendered(1, "L", 1, 1, 1, 1, 1, "XPM"), 128, 1) is None


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"mode": "CMYK"}, "mode"),
        ({"mode": ""}, "mode"),
        ({"width": 0}, "thumbnail"),
        ({"height": -1}, "thumbnail"),
        ({"width": 257}, "thumbnail"),
        ({"height": 1 << 40}, "thumbnail"),
        ({"length": 147_455}, "bytes"),
        ({"length": 1 << 40}, "bytes"),
        ({"original_width": 0}, "original"),
        ({"original_height": 1 << 31}, "original"),
        ({"original_height": -5}, "original"),
        ({"format": "EPS"}, "format"),
        ({"format": "image/png"}, "format"),
    ],
)
def test_a_lie_is_named(changed: dict[str, object], word: str) -> None:
    fields = {name: getattr(HONEST, name) for name in HONEST.__struct_fields__} | changed
    lie = lie_in(Rendered(**fields), 256, SLOT)
    assert lie is not None
    assert word in lie


@pytest.mark.parametrize(
    ("width", "height", "need"),
    [(0, 1, 9), (1, -1, 9), (1 << 31, 1, 9), (1, 1 << 62, 9), (1, 1, 0), (1, 1, -(1 << 62)), (1, 1, 1001)],
)
def test_a_header_that_can_not_be_is_a_lie(width: int, height: int, need: int) -> None:
    assert lie_in_header(Header(1, width, height, need), 1000) is not None
    assert lie_in_header(Header(1, 65_535, 65_535, 1000), 1000) is None


def test_more_pixels_than_the_slot_holds_are_a_lie() -> None:
    assert lie_in(HONEST, 256, 256 * 192 * 3) is None
    assert lie_in(HONEST, 256, 256 * 192 * 3 - 1) is not None


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGSYS])
def test_a_fault_is_the_files_doing(number: signal.Signals) -> None:
    verdict = of_death(None, number, "free(): invalid pointer")
    assert (verdict.code, verdict.blame) == (ItemCode.CRASHED, Blame.FILE)
    assert number.name in verdict.cause
    assert "invalid pointer" in verdict.cause


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_any_other_signal_came_from_outside(number: signal.Signals) -> None:
    assert of_death(None, number, "").blame is Blame.OUTSIDE


@pytest.mark.parametrize("number", range(1, 65))
def test_every_signal_that_linux_has_is_told(number: int) -> None:
    assert of_death(None, number, "").cause
    assert signal_name(number)


def test_an_exit_is_the_files_doing_and_its_last_words_are_told_in_part() -> None:
    verdict = of_death(1, None, "x" * 5000 + "the end")
    assert verdict.blame is Blame.FILE
    assert "status 1" in verdict.cause
    assert verdict.cause.endswith("the end")
    assert len(verdict.cause) < 400


def test_a_renderer_that_took_too_long_is_a_timeout_with_its_seconds() -> None:
    verdict = of_kill(DEADLINE, 12.0, 1 << 30)
    assert (verdict.code, verdict.blame) == (ItemCode.TIMEOUT, Blame.FILE)
    assert "12 s" in verdict.cause


@given(st.text(max_size=50), st.text(max_size=1000))
def test_any_refusal_is_a_code_and_one_short_line(code: str, cause: str) -> None:
    verdict = of_refusal(NotRendered(1, code, cause))
    assert isinstance(verdict.code, ItemCode)
    assert verdict.cause
    assert "\n" not in verdict.cause
    assert len(verdict.cause) <= 300


def test_known_codes_are_kept_and_unknown_ones_are_decode_errors() -> None:
    assert of_refusal(NotRendered(1, "too_big", "x")).code is ItemCode.TOO_BIG
    assert of_refusal(NotRendered(1, "rm -rf", "x")).code is ItemCode.DECODE_ERROR


# -- why a child ended --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "code", "blame", "words"),
    [
        (DEADLINE, ItemCode.TIMEOUT, Blame.FILE, "longer than 12 s"),
        (MEMORY, ItemCode.MEMORY, Blame.FILE, "more than 1536 MB"),
        (STALLED, ItemCode.UNREADABLE, Blame.PLACE, "does not answer; try again later"),
        (STOPPED, ItemCode.CRASHED, Blame.OUTSIDE, "SIGSTOP"),
        ("it told of a lie", ItemCode.CRASHED, Blame.FILE, "it told of a lie"),
    ],
)
def test_each_reason_that_we_kill_for_has_its_code_and_its_blame(
    why: str, code: ItemCode, blame: Blame, words: str
) -> None:
    verdict = of_kill(why, 12.0, 1536 << 20)
    assert (verdict.code, verdict.blame) == (code, blame)
    assert words in verdict.cause


def test_who_is_killed_from_outside_is_told_with_the_signal_and_that_one_may_try_again() -> None:
    verdict = of_death(None, signal.SIGKILL, "last words")
    assert verdict.code is ItemCode.CRASHED
    assert "SIGKILL" in verdict.cause
    assert "from outside" in verdict.cause
    assert "try again" in verdict.cause


@pytest.mark.parametrize(
    ("killed_for", "killed", "code", "number", "cause", "detail"),
    [
        (DEADLINE, True, None, signal.SIGKILL, Cause.US, DEADLINE),
        (DEADLINE, True, 0, None, Cause.US, DEADLINE),
        (None, True, None, signal.SIGKILL, Cause.US, ""),
        ("it is old", False, 0, None, Cause.LEFT, "it is old"),
        ("it is old", False, 1, None, Cause.EXIT, "status 1"),
        ("it is old", False, None, signal.SIGSEGV, Cause.SIGNAL, "SIGSEGV"),
        (None, False, 0, None, Cause.EXIT, "status 0"),
        (None, False, 7, None, Cause.EXIT, "status 7"),
        (None, False, None, signal.SIGABRT, Cause.SIGNAL, "SIGABRT"),
        (None, False, None, signal.SIGKILL, Cause.SOMEBODY_ELSE, "SIGKILL"),
        (None, False, None, 63, Cause.SOMEBODY_ELSE, "signal 63"),
    ],
)
def test_the_cause_of_an_end_is_who_did_it_and_why(
    killed_for: str | None, killed: bool, code: int | None, number: int | None, cause: Cause, detail: str
) -> None:
    assert cause_of(killed_for, killed, code, number) == (cause, detail)


def test_to_be_shed_is_a_reason_of_its_own() -> None:
    assert len({DEADLINE, MEMORY, SHED, STALLED, STOPPED}) == 5
    assert cause_of(SHED, True, None, 9) == (Cause.US, SHED)


def test_a_death_is_told_in_one_line_with_the_child_the_cause_the_file_and_its_last_words() -> None:
    death = Death(1.0, "renderer", 77, Cause.SIGNAL, "SIGSEGV", "free(): x | y", 300 << 20, 1.25, b"/a\nb\xff.png")
    told = str(death)
    assert told.startswith("renderer (pid 77) ")
    for part in ("SIGSEGV", "/a\\nb\\xff.png", "1.2 s", "300 MB", "free(): x | y"):
        assert part in told
    assert told.isprintable()


def test_a_death_over_nothing_without_words_is_told_without_them() -> None:
    told = str(Death(1.0, "quick", 77, Cause.US, "deadline", "", 0, 9.0, None))
    assert told == "quick (pid 77) killed by us (deadline) after 9.0 s, peak 0 MB"


@given(st.binary(max_size=60))
def test_a_file_of_any_name_leaves_a_death_in_one_line(file: bytes) -> None:
    assert len(str(Death(1.0, "renderer", 77, Cause.EXIT, "status 1", "", 0, 0.0, file)).splitlines()) == 1
