"""What an end, or an answer, means for a file."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.records import NotRendered, Rendered
from thumbd_daemon.verdicts import DEADLINE, lie_in, of_death, of_kill, of_refusal
from thumbd_daemon.worker_handle import Exit
from thumbd_protocol.errors import ItemCode

HONEST = Rendered(1, "RGB", 256, 192, 4000, 3000, "JPEG")
SLOT = 24 << 20


def test_an_honest_answer_has_no_lie_in_it() -> None:
    assert lie_in(HONEST, 256, SLOT) is None
    assert lie_in(Rendered(1, "L", 1, 1, 1, 1, "XPM"), 128, 1) is None


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"mode": "CMYK"}, "mode"),
        ({"mode": ""}, "mode"),
        ({"width": 0}, "thumbnail"),
        ({"height": -1}, "thumbnail"),
        ({"width": 257}, "thumbnail"),
        ({"height": 1 << 40}, "thumbnail"),
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


def test_more_pixels_than_the_slot_holds_are_a_lie() -> None:
    assert lie_in(HONEST, 256, 256 * 192 * 3) is None
    assert lie_in(HONEST, 256, 256 * 192 * 3 - 1) is not None


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGSYS])
def test_a_fault_is_the_files_doing(number: signal.Signals) -> None:
    verdict = of_death(None, number, "free(): invalid pointer")
    assert (verdict.code, verdict.outside) == (ItemCode.CRASHED, False)
    assert number.name in verdict.cause
    assert "invalid pointer" in verdict.cause


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_any_other_signal_came_from_outside(number: signal.Signals) -> None:
    assert of_death(None, number, "").outside


@pytest.mark.parametrize("number", range(1, 65))
def test_every_signal_that_linux_has_is_told(number: int) -> None:
    assert of_death(None, number, "").cause
    assert "killed by" in str(Exit(1, None, number, "", 0, 0.0))


def test_an_exit_is_the_files_doing_and_its_last_words_are_told_in_part() -> None:
    verdict = of_death(1, None, "x" * 5000 + "the end")
    assert not verdict.outside
    assert "status 1" in verdict.cause
    assert verdict.cause.endswith("the end")
    assert len(verdict.cause) < 400


def test_a_renderer_that_took_too_long_is_a_timeout_with_its_seconds() -> None:
    verdict = of_kill(DEADLINE, 12.0)
    assert (verdict.code, verdict.outside) == (ItemCode.TIMEOUT, False)
    assert "12 s" in verdict.cause
    assert of_kill("it told of a lie", 12.0).code is ItemCode.CRASHED


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
