"""Files that are more work than they look: what is refused before it is decoded, and what is not."""

import io
import struct
from collections.abc import Callable

import pytest
from PIL import Image

from bomb_jpegs import frame, hidden_passes, passes, planes, progressive, segment, with_segments
from bombs import BOMBS
from thumbd_daemon.renderer import guards
from thumbd_daemon.renderer.passes import MAX_SCANS, TooMuch, in_passes
from thumbd_daemon.renderer.recipe import CannotRender, render
from thumbd_daemon.renderer.wavelets import halvings

from .pixels import gradient, opened, saved

#: As in a renderer, which tells failures as answers.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def as_a_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow has no limit of its own, as in a renderer."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


def refusal(whole: bytes) -> str:
    with pytest.raises(CannotRender) as caught:
        render(io.BytesIO(whole), 256)
    assert caught.value.code == "too_big"
    return str(caught.value)


def need_of(whole: bytes) -> int:
    """What a picture's header asks for, in bytes."""
    told: list[int] = []
    render(io.BytesIO(whole), 256, lambda _width, _height, need: told.append(need))
    return told[0]


# -- passes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [passes, hidden_passes])
def test_a_jpeg_that_is_gone_over_without_end_is_refused(kind: Callable[[int, int, int], bytes]) -> None:
    assert "in more than 31 passes" in refusal(kind(10_000, 8000, 40))


def test_a_small_jpeg_of_very_many_scans_is_refused() -> None:
    assert in_passes(io.BytesIO(passes(64, 64, MAX_SCANS - 2)))
    with pytest.raises(TooMuch):
        in_passes(io.BytesIO(passes(64, 64, MAX_SCANS - 1)))


def test_scans_are_counted_wherever_the_blocks_that_are_read_end() -> None:
    # Each filler moves the scans by one byte against the blocks of a megabyte.
    for filler in range(60):
        whole = passes(64, 64, 10)
        at = whole.rindex(b"\xff\xda")
        far = segment(0xFE, bytes(60_000)) * 17 + segment(0xFE, bytes((1 << 20) - 17 * 60_004 - at - 30 + filler))
        with pytest.raises(TooMuch):
            in_passes(io.BytesIO(_with_limit(whole[:at] + far + whole[at:])))


def _with_limit(whole: bytes) -> bytes:
    """The same, so large that its last scan is one too many."""
    scans = whole.count(b"\xff\xda")
    side = int((2_500_000_000 / (scans - 0.5)) ** 0.5)
    return whole.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", side, side), 1)


def test_a_photo_in_passes_is_made_and_its_coefficients_are_asked_for() -> None:
    photo = gradient((3000, 2000))
    plain, gradual = (saved(photo, "JPEG", progressive=way, subsampling="4:2:0").getvalue() for way in (False, True))
    assert not in_passes(io.BytesIO(plain))
    assert in_passes(io.BytesIO(gradual))
    assert need_of(gradual) - need_of(plain) == pytest.approx(3000 * 2000 * 3.15, rel=0.01)


@pytest.mark.parametrize("kind", [progressive, planes])
def test_all_coefficients_are_asked_for_however_they_are_stored(kind: Callable[[int, int], bytes]) -> None:
    assert need_of(kind(3000, 2000)) > 3000 * 2000 * 6


@pytest.mark.parametrize(
    "whole", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n", b"\xff\xd8\xff\xe0\0\0"]
)
def test_what_ends_early_or_is_no_jpeg_is_left_to_pillow(whole: bytes) -> None:
    source = io.BytesIO(whole)
    assert not in_passes(source)
    assert source.tell() == 0


def test_segments_without_end_are_refused_and_those_that_cameras_write_are_not() -> None:
    assert "20000 segments" in refusal(with_segments(*[segment(0xE5, b"")] * 20_001))
    assert "EXIF" in refusal(with_segments(*[segment(0xE1, b"Exif\0\0")] * 65))
    assert "megabyte" in refusal(with_segments(bytes((1 << 20) + 1)))
    render(io.BytesIO(with_segments(*[segment(0xE2, bytes(60_000))] * 300, bytes(70_000))), 256)


# -- other formats --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halved", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [(1000, 700), (1023, 511), (997, 601)])
def test_a_jpeg_2000_looks_the_same_however_often_it_can_be_halved(size: tuple[int, int], halved: int) -> None:
    photo = gradient(size)
    picture = render(saved(photo, "JPEG2000", num_resolutions=halved + 1), 64)
    assert (picture.original_width, picture.original_height) == size
    plain = render(saved(photo, "PNG"), 64)
    assert (picture.width, picture.height) == (plain.width, plain.height)
    pairs = zip(opened(picture).tobytes(), opened(plain).tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) < 24


def test_a_jpeg_2000_is_halved_as_often_as_its_pixels_allow() -> None:
    source = saved(gradient((1000, 700)), "JPEG2000")
    assert [halvings(source, (1000, 700), (edge, 1)) for edge in (1000, 501, 500, 100, 1)] == [0, 0, 1, 3, 5]
    assert halvings(io.BytesIO(b"\xff\x4f\xff\x51"), (1000, 700), (1, 1)) == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("inside.ico", "more than 17 megapixels"),
        ("inside.icns", "more than 17 megapixels"),
        ("inside.blp", "more than 17 megapixels"),
        ("empty-gzip.fits", "at most 8 can"),
        ("ends-of-rows.bmp", "at most 12 can"),
        ("rows.xpm", "at most 4 can"),
        ("runs.qoi", "at most 100 can"),
        ("75-megapixels-whole.j2k", "at most 40 can"),
        ("comments.ppm", "4096 comments"),
        ("comments-bilevel.pbm", "4096 comments"),
        ("strips-many.tif", "4000000 parts"),
        ("large-tile.tif", "MB of memory"),
        ("one-column.png", "MB of memory"),
        ("claims-less.avif", "MB of memory"),
    ],
)
def test_what_would_take_too_long_or_too_much_is_refused_by_its_limit(name: str, words: str) -> None:
    assert words in refusal(BOMBS[name]())


def test_pillows_limit_is_put_back_after_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1234)
    with pytest.raises(TooMuch), guards.pillow_guarded(io.BytesIO(b"icns")):
        raise Image.DecompressionBombError
    assert Image.MAX_IMAGE_PIXELS == 1234


def test_the_files_are_the_same_bytes_each_time() -> None:
    for name in ("passes-300.jpg", "gzip.fits", "64-megapixels.webp", "64-megapixels.j2k", "claims.avif"):
        assert BOMBS[name]() == BOMBS[name](), name


def test_a_large_jpeg_of_one_pass_is_read_no_further_than_its_header() -> None:
    source = io.BytesIO(frame(30_000, 30_000, [((1,), 0, 63, 0, 0, b"")], 0xC0))
    assert not in_passes(source)
