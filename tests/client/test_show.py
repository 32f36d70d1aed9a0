"""How a run is put in words; the URIs that programs are told are the daemon's."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_client.show import Json, Plain, in_words, shown, span, summary_lines, uri
from thumbd_client.summary import Summary
from thumbd_daemon.cache import file_uri
from thumbd_protocol.items import Flavor, ItemUpdate, Progress, Source, State


@given(st.binary(max_size=200))
def test_the_uri_is_the_one_that_the_daemon_hashes(path: bytes) -> None:
    assert uri(b"/" + path) == file_uri(b"/" + path)


@given(st.binary(max_size=200))
def test_any_path_is_shown_on_one_line_of_valid_text(path: bytes) -> None:
    text = shown(path)
    assert text.isprintable()
    assert text.encode().decode() == text


def test_a_plain_name_is_shown_as_it_is_and_a_strange_one_with_escapes() -> None:
    assert shown("/é 日本.jpg".encode()) == "/é 日本.jpg"
    assert shown(b"/a\nb\xff\x1b[31m") == "/a\\nb\\xff\\x1b[31m"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3599.9, "1 h 00 min"),
        (7260, "2 h 01 min"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_progress_in_words() -> None:
    assert in_words(Progress("b", 5, 5, 0, 0, 0, 0, None, 0, 2.0, None)) == "5 of ? · 2/s"
    some = Progress("b", 1500, 1, 2, 0, 0, 0, 3000, 0, 2.0, 61_000)
    assert in_words(some) == "1,500 of 3,000 · 2 failed · 2/s · 1 min 01 s left"
    assert "left" not in in_words(Progress("b", 5, 5, 0, 0, 0, 0, 5, 0, 2.0, 1))


def failure(number: int) -> ItemUpdate:
    return ItemUpdate(b"/%d" % number, Flavor.LARGE, State.FAILED, error="crashed", source=Source.RENDER)


def test_a_summary_names_each_failure_up_to_a_number() -> None:
    summary = Summary(elapsed_ms=1500)
    for number in range(203):
        summary.count(failure(number))
    lines = summary_lines(summary)
    assert lines[0] == "/0: crashed"
    assert "3 more failed" in lines[-2]
    assert lines[-1] == "203 pictures: 0 ready, 203 failed (0 from the cache, 203 rendered) in 1.5 s"
    assert len(lines) == 202


def test_one_picture_is_no_pictures() -> None:
    summary = Summary()
    summary.count(ItemUpdate(b"/a", Flavor.LARGE, State.READY, thumbnail=b"/t.png", source=Source.CACHE))
    assert summary_lines(summary) == ["1 picture: 1 ready (1 from the cache, 0 rendered) in 0.0 s"]
    assert summary.good


def test_json_is_one_object_a_line_and_last_the_summary() -> None:
    out = io.StringIO()
    show = Json(out)
    show.item(ItemUpdate(b"/a\xff\nb", Flavor.LARGE, State.READY, volatile=b"/v.png", source=Source.RENDER))
    summary = Summary(problems=["x"])
    show.close(summary)
    first, last = map(json.loads, out.getvalue().splitlines())
    assert first["uri"] == "file:///a%FF%0Ab"
    assert (first["state"], first["thumbnail"], first["source"]) == ("ready", "/v.png", "render")
    assert last["summary"] is True
    assert last["problems"] == ["x"]


def test_plain_lines_end_with_the_summary() -> None:
    out = io.StringIO()
    Plain(out).close(Summary(problems=["/f: there is no such folder"]))
    assert out.getvalue().splitlines() == [
        "/f: there is no such folder",
        "0 pictures: 0 ready (0 from the cache, 0 rendered) in 0.0 s",
    ]
