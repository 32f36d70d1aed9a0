"""PNG as it is written and read: Pillow is the judge of what is written, anything at all is what is read."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from thumbd_daemon import png

from .pixels import as_png, gradient


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (64, 48), (255, 3)])
@pytest.mark.parametrize("mode", sorted(png.MODES))
def test_pillow_sees_the_very_pixels_that_were_written(mode: str, size: tuple[int, int]) -> None:
    image = gradient(size).convert("RGBA")
    image.putalpha(gradient(size).convert("L"))
    image = image.convert(mode)
    seen = Image.open(io.BytesIO(as_png(image, {"Thumb::URI": "file:///x"})))
    seen.load()
    assert (seen.mode, seen.size) == (mode, size)
    assert seen.tobytes() == image.tobytes()
    assert seen.info["Thumb::URI"] == "file:///x"
    assert not seen.info.get("interlace")


def test_text_stands_before_the_pixels_and_is_read_from_the_head_alone() -> None:
    raw = as_png(gradient((300, 300)), {"Thumb::MTime": "5", "Software": "thumbd 1"})
    head = raw[: raw.index(b"IDAT")]
    assert png.read_text(head) == {"IHDR": "300x300", "Thumb::MTime": "5", "Software": "thumbd 1"}
    assert png.read_text(raw) == png.read_text(head)


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=79),
        st.text(st.characters(codec="latin-1"), max_size=200),
        max_size=5,
    )
)
def test_any_text_comes_back(text: dict[str, str]) -> None:
    found = png.read_text(png.encode_empty(text))
    assert found is not None
    assert {key: value for key, value in found.items() if key != "IHDR" or key in text} == {
        **text,
        **({"IHDR": "1x1"} if "IHDR" in text else {}),
    }


def test_an_empty_mark_is_a_picture_of_one_transparent_pixel() -> None:
    image = Image.open(io.BytesIO(png.encode_empty({"a": "b"})))
    assert image.size == (1, 1)
    assert image.convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("length", [0, 11, 13])
def test_rows_of_another_length_than_told_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="bytes of pixels for 2 x 2 RGB"):
        png.encode("RGB", 2, 2, b"x" * length, {})


WHOLE = as_png(gradient((8, 8)), {"Thumb::URI": "file:///x", "Thumb::MTime": "5"})


@given(st.integers(0, len(WHOLE)))
def test_a_head_cut_off_anywhere_is_read_as_far_as_it_goes(length: int) -> None:
    found = png.read_text(WHOLE[:length])
    whole = png.read_text(WHOLE)
    assert whole is not None
    assert found is None or found.items() <= whole.items()


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_signature_are_read_without_a_fault(raw: bytes) -> None:
    assert png.read_text(raw) is None or raw.startswith(png.SIGNATURE)
    found = png.read_text(png.SIGNATURE + raw)
    assert found is None or "IHDR" in found


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1),
            st.sampled_from([b"IHDR", b"tEXt", b"IDAT", b"IEND", b"zTXt", b"\0\0\0\0"]),
            st.binary(max_size=40),
        ),
        max_size=6,
    )
)
def test_chunks_that_lie_about_their_length_are_read_without_a_fault(chunks: list[tuple[int, bytes, bytes]]) -> None:
    raw = b"".join(struct.pack(">I", length) + kind + data for length, kind, data in chunks)
    found = png.read_text(png.SIGNATURE + raw)
    assert found is None or all(isinstance(value, str) for value in found.values())


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_of_two_texts_with_one_key_the_first_counts_and_a_huge_one_does_not() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    raw = png.SIGNATURE + header + chunk(b"tEXt", b"a\0first") + chunk(b"tEXt", b"a\0second")
    assert png.read_text(raw) == {"IHDR": "1x1", "a": "first"}
    assert png.read_text(png.SIGNATURE + header + chunk(b"tEXt", b"a\0" + b"x" * 20_000)) == {"IHDR": "1x1"}
    assert png.read_text(png.SIGNATURE + chunk(b"tEXt", b"a\0first")) is None
