"""Names and validity of thumbnails, with GLib as the judge of percent-encoding."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.cache import (
    Original,
    Places,
    cache_home,
    dimensions,
    failure_text,
    file_name,
    file_uri,
    is_ours,
    is_valid,
    places,
    thumbnail_text,
)

ORIGINAL = Original(b"/pictures/a b.jpg", 1234, 1_700_000_000_987_654_321)
TEXT = thumbnail_text(ORIGINAL, "image/jpeg", 40, 30)
PLACES = Places(b"/c/thumbnails", b"/c/thumbd/preview", b"/run/volatile")

NAMES = [
    b"/home/jens/photos/me.png",
    b"/with space/and#hash/and%25percent/100%",
    "/é/日本/😀.jpg".encode(),
    b"/not/utf8/\xff\xfe\x80.png",
    b"/!$&'()*+,;=:@/-._~/\"<>[]\\^`{|}?",
    b"/new\nline\ttab\x7f\x01",
    bytes([47, *range(1, 256)]),
    b"//twice//slashed/../dots/./",
]
_ASK_GLIB = """
import json, sys
from gi.repository import GLib
paths = [bytes.fromhex(line) for line in json.load(sys.stdin)]
print(json.dumps([GLib.filename_to_uri(path, None) for path in paths]))
"""


def test_the_standards_own_example() -> None:
    assert file_uri(NAMES[0]) == "file:///home/jens/photos/me.png"
    assert file_name(NAMES[0]) == b"c6ee772d9e49320e97ec29a7eb5b1697.png"


def test_a_shared_name_would_hash_as_the_standard_says() -> None:
    assert hashlib.md5(b"./picture.png", usedforsecurity=False).hexdigest() == "7fd0e41c1612f860427a76c4100745a3"


def test_uris_are_what_glib_makes_of_any_name() -> None:
    names = NAMES[:-1]  # GLib tidies double slashes up; we take a path as it is written
    asked = json.dumps([name.hex() for name in names])
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-c", _ASK_GLIB], input=asked, capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        pytest.skip("there is no /usr/bin/python3 to ask GLib with")
    if done.returncode != 0:
        pytest.skip(f"GLib can't be asked (python3-gi is missing?): {done.stderr.strip()[-100:]}")
    assert [file_uri(name) for name in names] == json.loads(done.stdout)


@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw))
def test_a_uri_is_plain_ascii_and_names_one_file(raw: bytes) -> None:
    uri = file_uri(b"/" + raw)
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    assert file_uri(b"/" + raw + b"x") != uri


def test_what_we_wrote_is_valid_for_the_file_as_it_was() -> None:
    assert is_valid(TEXT, ORIGINAL)
    assert is_ours(TEXT)
    assert dimensions(TEXT) == (40, 30)
    assert TEXT["Thumb::MTime"] == "1700000000"
    assert TEXT["Thumb::Mimetype"] == "image/jpeg"


@pytest.mark.parametrize(
    "now",
    [
        Original(ORIGINAL.path, 1235, ORIGINAL.mtime_ns),
        Original(ORIGINAL.path, 1234, ORIGINAL.mtime_ns + 10**9),
        Original(ORIGINAL.path, 1234, ORIGINAL.mtime_ns - 10**9),  # older is as wrong as newer
        Original(b"/pictures/a%20b.jpg", 1234, ORIGINAL.mtime_ns),
    ],
)
def test_a_file_that_is_another_has_no_valid_thumbnail(now: Original) -> None:
    assert not is_valid(TEXT, now)


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({"Thumb::MTime": "1700000000.987654"}, True),
        ({"Thumb::MTime": "1700000000."}, True),
        ({"Thumb::MTime": "1700000001.0"}, False),
        ({"Thumb::MTime": ""}, False),
        ({"Thumb::MTime": "soon"}, False),
        ({"Thumb::MTime": "0x6553f100"}, False),
        ({"Thumb::MTime": "１７０００００００００"}, False),  # noqa: RUF001
        ({"Thumb::MTime": "1" * 5000}, False),
        ({"Thumb::Size": "1" * 5000}, False),
        ({"Thumb::Size": "1234"}, True),
        ({"Thumb::Size": "big"}, False),
        ({"Thumb::URI": "file:///pictures/a b.jpg"}, False),
    ],
)
def test_validity_by_the_letter(changed: dict[str, str], valid: bool) -> None:
    assert is_valid({**TEXT, **changed}, ORIGINAL) is valid


def test_a_thumbnail_that_does_not_tell_the_size_may_be_valid_one_without_a_time_is_not() -> None:
    assert is_valid({k: v for k, v in TEXT.items() if k != "Thumb::Size"}, ORIGINAL)
    assert not is_valid({k: v for k, v in TEXT.items() if k != "Thumb::MTime"}, ORIGINAL)
    assert not is_valid({}, ORIGINAL)


@pytest.mark.parametrize("mtime_ns", [0, 1, -1, -1_500_000_000, -(10**18), 999_999_999])
def test_times_before_and_around_1970_agree_with_themselves(mtime_ns: int) -> None:
    original = Original(b"/a", 1, mtime_ns)
    assert is_valid(thumbnail_text(original, "image/png", 1, 1), original)
    assert not is_valid(thumbnail_text(original, "image/png", 1, 1), Original(b"/a", 1, mtime_ns + 10**9))


@given(st.dictionaries(st.sampled_from(sorted(TEXT)), st.text(max_size=40) | st.just("9" * 9999)))
def test_any_text_is_judged_without_a_fault(text: dict[str, str]) -> None:
    assert is_valid({**TEXT, **text}, ORIGINAL) in (True, False)
    width, height = dimensions(text)
    assert 0 <= width < 1 << 63
    assert 0 <= height < 1 << 63


@pytest.mark.parametrize("software", ["thumbd", "Tumbler", "", "thumbdx 1"])
def test_others_work_is_not_ours_nor_is_that_of_another_recipe(software: str) -> None:
    assert not is_ours({**TEXT, "Software": software})
    assert not is_ours({**TEXT, "X-Thumbd::Renderer": "0"})
    assert not is_ours({})


def test_a_fail_mark_tells_whose_it_is_and_why_in_ascii() -> None:
    text = failure_text(ORIGINAL, "decode_error", "kaputt: 日本 é")
    assert is_valid(text, ORIGINAL)
    assert is_ours(text)
    assert text["X-Thumbd::Error"] == "decode_error"
    assert text["X-Thumbd::Cause"].isascii()


def test_each_flavor_has_its_place_and_previews_stay_out_of_the_desktops() -> None:
    name = file_name(b"/a")
    assert PLACES.thumbnail(b"/a", "x-large") == b"/c/thumbnails/x-large/" + name
    assert PLACES.thumbnail(b"/a", "preview") == b"/c/thumbd/preview/" + name
    assert PLACES.failure(b"/a").startswith(b"/c/thumbnails/fail/thumbd-")


def test_what_lies_in_the_cache_is_known_and_what_only_looks_so_is_not() -> None:
    for inside in (b"/c/thumbnails/large/x.png", b"/c/thumbd/preview/x.png", b"/run/volatile/x"):
        assert PLACES.contains(inside)
    for outside in (b"/c/thumbnails.png", b"/c/thumbnails-old/x.png", b"/home/c/thumbnails/x.png"):
        assert not PLACES.contains(outside)


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"XDG_CACHE_HOME": "/elsewhere"}, Path("/elsewhere")),
        ({"XDG_CACHE_HOME": "  "}, None),
        ({"XDG_CACHE_HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_the_cache_is_where_xdg_says(environ: dict[str, str], home: Path | None) -> None:
    expected = home or Path.home() / ".cache"
    assert cache_home(environ) == expected
    found = places(Path("/run/v"), environ)
    assert found.thumbnails == bytes(expected / "thumbnails")
    assert found.previews == bytes(expected / "thumbd" / "preview")
