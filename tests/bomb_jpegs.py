"""JPEGs that are more work than they look: passes without end, planes, segments by the thousand; and honest large ones.

Entropy-coded data that ends early is filled up with zeros by every decoder, so a scan may be as short as its header.
"""

import io
import re
import struct
from collections.abc import Callable, Sequence
from typing import Final

from PIL import Image, ImageCms

from bomb_headers import JPEG_MOST, MOST, tiff

#: Markers of frames: Huffman-coded and in one pass, in many passes, arithmetic-coded both ways.
BASELINE: Final = 0xC0
PROGRESSIVE: Final = 0xC2
ARITHMETIC: Final = 0xC9
ARITHMETIC_PROGRESSIVE: Final = 0xCA
#: (components, first and last coefficient, approximation before and after, entropy-coded data)
Scan = tuple[Sequence[int], int, int, int, int, bytes]
_ALL: Final = (1, 2, 3)
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def segment(marker: int, data: bytes) -> bytes:
    """A marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def frame(width: int, height: int, scans: Sequence[Scan], marker: int = PROGRESSIVE, before: bytes = b"") -> bytes:
    """A JPEG of as many components as the scans name, not subsampled, with the segments `before` its own.

    Its two tables have one code of one bit each: for differences of nothing, and for runs of 16384 empty blocks and
    more (in many passes) or one empty block.
    """
    count = max(max(scan[0]) for scan in scans)
    sizes = struct.pack(">BHHB", 8, height, width, count) + b"".join(bytes((n, 0x11, 0)) for n in range(1, count + 1))
    empty = 0x00 if marker == BASELINE else 0xE0
    one_code = b"\x01" + bytes(15)
    tables = segment(0xDB, bytes(1) + b"\x01" * 64)
    tables += segment(0xC4, b"\x00" + one_code + b"\x00") + segment(0xC4, b"\x10" + one_code + bytes((empty,)))
    passes = b"".join(
        segment(0xDA, bytes((len(of), *(byte for n in of for byte in (n, 0)), first, last, high << 4 | low))) + data
        for of, first, last, high, low, data in scans
    )
    return b"\xff\xd8" + before + tables + segment(marker, sizes) + passes + b"\xff\xd9"


def _blocks(width: int, height: int) -> int:
    return -(-width // 8) * -(-height // 8)


def _runs(blocks: int) -> bytes:
    """The coefficients of so many empty blocks: runs of 32767."""
    bits = ("0" + "1" * 14) * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def progressive(width: int, height: int) -> bytes:
    """A whole one in ten passes, as cameras and programs write them."""
    blocks = _blocks(width, height)
    nothing, empty = bytes(-(-3 * blocks // 8)), _runs(blocks)
    first = [(_ALL, 0, 0, 0, 1, nothing), ((1,), 1, 5, 0, 2, empty), ((3,), 1, 63, 0, 1, empty)]
    later = [((2,), 1, 63, 0, 1, empty), ((1,), 6, 63, 0, 2, empty), ((1,), 1, 63, 2, 1, empty)]
    last = [(_ALL, 0, 0, 1, 0, nothing), *(((n,), 1, 63, 1, 0, empty) for n in (2, 3, 1))]
    return frame(width, height, [*first, *later, *last])


def passes(width: int, height: int, count: int, marker: int = PROGRESSIVE, *, empty: bool = False) -> bytes:
    """One that goes over the same coefficients `count` times; with `empty`, without a byte of data for it."""
    data = b"" if empty else _runs(_blocks(width, height))
    again = [((1,), 1, 63, 1, 0, data)] * count
    return frame(width, height, [((1,), 0, 0, 0, 0, b""), ((1,), 1, 63, 0, 1, data), *again], marker)


def hidden_passes(width: int, height: int, count: int) -> bytes:
    """Passes that whoever takes the bytes of an end for the end does not see: a comment pretends to be one."""
    whole = passes(width, height, count)
    at = whole.index(b"\xff\xda")
    return whole[:at] + segment(0xFE, b"\xff\xd9\xff\xd8") + whole[at:]


def planes(width: int, height: int) -> bytes:
    """One pass for each of three components: the coefficients of all are kept though it is not progressive."""
    return frame(width, height, [((n,), 0, 63, 0, 0, b"") for n in _ALL], BASELINE)


def with_segments(*segments: bytes) -> bytes:
    """A small whole picture with segments before its own."""
    return frame(64, 48, [(_ALL, 0, 63, 0, 0, b"")], BASELINE, b"".join(segments))


def _exif(directory: bytes) -> bytes:
    return with_segments(segment(0xE1, b"Exif\0\0" + directory))


def _profile(data: bytes) -> bytes:
    return with_segments(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + data))


def _srgb(old: bytes, new: bytes) -> bytes:
    """A JPEG with a profile in which the first tag of type `old` begins with `new`."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = profile.index(old, 132 + 12 * struct.unpack_from(">I", profile, 128)[0])
    return _profile(profile[:at] + new + profile[at + len(new) :])


def _deep(levels: int) -> bytes:
    return b"<a>" * levels + b"</a>" * levels


def _entries(count: int) -> bytes:
    """An EXIF directory of tags that say that they have 4 thousand million values each."""
    entry = b"".join(struct.pack("<HHII", 0x9000 + n, 5, 0xFFFFFFFF, 8) for n in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entry + struct.pack("<I", 8)


def _scans(jpeg: bytes) -> list[tuple[bytes, bytes]]:
    """A JPEG's segments up to and with each header of a scan, and the scan's data."""
    found, at, start = [], 2, 0
    while jpeg[at + 1] != 0xD9:
        scan = jpeg[at + 1] == 0xDA
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
        if scan:
            end = _NEXT_MARKER.search(jpeg, at)
            assert end is not None
            found.append((jpeg[start:at], jpeg[at : end.start()]))
            start = at = end.start()
    return found


def tall(strip: Image.Image, times: int, **options: object) -> bytes:
    """`strip` (as high as 16 pixels) so many times below itself, as one JPEG: its data is repeated, not its pixels."""
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=85, subsampling="4:2:0", restart_marker_rows=1, **options)
    whole = bytearray()
    for head, data in _scans(out.getvalue()):
        rows = _RESTART.split(data) * times
        whole += head + rows[0]
        for number, row in enumerate(rows[1:]):
            whole += bytes((0xFF, 0xD0 + number % 8)) + row
    size = struct.pack(">HH", strip.height, strip.width)
    return bytes(whole).replace(size, struct.pack(">HH", strip.height * times, strip.width), 1) + b"\xff\xd9"


def _photo(width: int, height: int, **options: object) -> bytes:
    noise = Image.effect_noise((width, 16), 10)
    ramp = Image.linear_gradient("L").rotate(90).resize((width, 16))
    return tall(
        Image.merge("RGB", (ramp, noise, ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT))), height // 16, **options
    )


#: Pictures that somebody may really have, by name.
HONEST: Final[dict[str, Callable[[], bytes]]] = {
    "honest-200-megapixels.jpg": lambda: _photo(20_000, 10_000),
    "honest-50-megapixels-progressive.jpg": lambda: _photo(8192, 6144, progressive=True),
    "honest-200-megapixels-progressive.jpg": lambda: _photo(20_000, 10_000, progressive=True),
}

#: Hostile ones, by name.
JPEGS: Final[dict[str, Callable[[], bytes]]] = {
    "progressive-80-megapixels.jpg": lambda: progressive(10_000, 8_000),
    "progressive-most.jpg": lambda: progressive(JPEG_MOST, 1000)[:4000].replace(
        struct.pack(">HH", 1000, JPEG_MOST), struct.pack(">HH", JPEG_MOST, JPEG_MOST)
    ),
    "passes-300.jpg": lambda: passes(4000, 3000, 300),
    "passes-1000.jpg": lambda: passes(10_000, 8_000, 1000),
    "passes-1000-empty.jpg": lambda: passes(10_000, 8_000, 1000, empty=True),
    "passes-1000-arithmetic.jpg": lambda: passes(10_000, 8_000, 1000, ARITHMETIC_PROGRESSIVE, empty=True),
    "passes-within-the-limit.jpg": lambda: passes(4000, 3000, 204),
    "passes-within-the-limit-arithmetic.jpg": lambda: passes(4000, 3000, 100, ARITHMETIC_PROGRESSIVE),
    "colour-within-the-limit.jpg": lambda: frame(50_000, 49_000, [(_ALL, 0, 63, 0, 0, b"")], BASELINE),
    "arithmetic-within-the-limit.jpg": lambda: frame(35_000, 35_000, [((1,), 0, 63, 0, 0, b"")], ARITHMETIC),
    "passes-hidden.jpg": lambda: hidden_passes(10_000, 8_000, 1000),
    "passes-small.jpg": lambda: passes(200, 200, 20_000),
    "arithmetic-most.jpg": lambda: frame(JPEG_MOST, JPEG_MOST, [((1,), 0, 63, 0, 0, b"")], ARITHMETIC),
    "colour-most.jpg": lambda: frame(JPEG_MOST, JPEG_MOST, [(_ALL, 0, 63, 0, 0, b"")], BASELINE),
    "planes-80-megapixels.jpg": lambda: planes(10_000, 8_000),
    "planes-most.jpg": lambda: planes(JPEG_MOST, JPEG_MOST),
    "segments.jpg": lambda: with_segments(*[segment(0xE5, b"x")] * 400_000),
    "segments-exif.jpg": lambda: with_segments(*[segment(0xE1, b"Exif\0\0" + bytes(20))] * 200_000),
    "segments-large-exif.jpg": lambda: with_segments(*[segment(0xE1, b"Exif\0\0" + bytes(60_000))] * 500),
    "segments-profile.jpg": lambda: with_segments(*[segment(0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(60_000))] * 500),
    "segments-pictures.jpg": lambda: with_segments(*[segment(0xE2, b"MPF\0II*\0" + struct.pack("<I", 8))] * 3_000),
    "junk.jpg": lambda: with_segments(bytes(4_000_000)),
    "exif-loop.jpg": lambda: _exif(
        tiff({0x8769: (4, 1, struct.pack("<I", 8)), 0x8825: (4, 1, struct.pack("<I", 8))}, after=8)
    ),
    "exif-entries.jpg": lambda: _exif(_entries(5000)),
    "exif-count.jpg": lambda: _exif(b"II*\0" + struct.pack("<IH", 8, MOST)),
    "xmp-deep.jpg": lambda: with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _deep(9000))),
    "profile-tags.jpg": lambda: _profile(
        struct.pack(">I", 65_000) + bytes(32) + b"acsp" + bytes(88) + struct.pack(">I", MOST)
    ),
    "profile-curve.jpg": lambda: _srgb(b"para", b"curv" + bytes(4) + b"\xff" * 4),
    "profile-texts.jpg": lambda: _srgb(b"mluc", b"mluc" + bytes(4) + b"\xff" * 8),
}
