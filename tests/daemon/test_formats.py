"""Which files claim to be pictures; the tables are kept in step with Pillow's."""

import pytest
from PIL import Image

from thumbd_daemon.formats import BY_EXTENSION, MIME, claimed_by_content, claimed_by_name, mime_of

from .pixels import gradient, saved


@pytest.fixture(autouse=True, scope="module")
def every_plugin() -> None:
    Image.init()


@pytest.mark.parametrize("name", sorted(MIME))
def test_every_format_is_one_that_pillow_opens(name: str) -> None:
    # An MPO is opened by the JPEG plugin, which calls it MPO afterwards.
    assert name == "MPO" or name in Image.OPEN
    assert "/" in MIME[name]


def test_every_extension_belongs_to_a_format() -> None:
    assert set(BY_EXTENSION.values()) <= set(MIME)
    assert all(extension == extension.lower() for extension in BY_EXTENSION)


def test_every_extension_that_pillow_knows_for_these_formats_is_there() -> None:
    missing = {
        extension
        for extension, name in Image.EXTENSION.items()
        if name in MIME and extension.removeprefix(".").encode() not in BY_EXTENSION
    }
    assert missing == set()


def test_no_format_that_starts_a_helper_program_is_among_them() -> None:
    assert not {"EPS", "WMF", "GRIB", "HDF5", "BUFR", "MPEG", "PDF"} & set(MIME)


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        (b"a.jpg", "JPEG"),
        (b"A.JPG", "JPEG"),
        (b"a.b.Png", "PNG"),
        (b"\xff.webp", "WEBP"),
        (b".jpg", None),
        (b"jpg", None),
        (b"a.", None),
        (b"a.jpg.txt", None),
        (b"a.jpg ", None),
        (b"", None),
    ],
)
def test_what_a_name_claims(name: bytes, claim: str | None) -> None:
    assert claimed_by_name(name) == claim


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "TIFF", "JPEG2000", "QOI", "DDS", "WEBP", "AVIF", "BMP", "ICNS"]
)
def test_the_first_bytes_of_what_pillow_writes_claim_it(kind: str) -> None:
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    head = saved(gradient((64, 64)), kind).read(32)
    assert claimed_by_content(head) == kind
    assert claimed_by_content(head[:3]) in (kind, None)


@pytest.mark.parametrize(
    "head", [b"", b"BM", b"BM is a text about something", b"RIFF....AVI ", b"\xff\xd8", b"%PDF-1.7", b"hello"]
)
def test_what_claims_nothing(head: bytes) -> None:
    assert claimed_by_content(head) is None


def test_the_mime_type_of_what_nobody_knows() -> None:
    assert mime_of("JPEG") == "image/jpeg"
    assert mime_of("EPS") == "application/octet-stream"
