"""Limits for files that are more work than their size tells, asked before a pixel is decoded.

What any picture may have and need is in `Limits`, and can be chosen; all else is for single formats. Pillow checks
pictures that lie inside of others itself, if it is told how large they may be.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from PIL import Image, ImageFile

from .passes import TooMuch

#: Pixels where a decoder is slow for its nature, or written in Python: as many as take it three seconds.
MAX_PIXELS_BY_FORMAT: Final = {"JPEG2000": 40_000_000, "XPM": 4_000_000}
MAX_PIXELS_BY_DECODER: Final = {"bmp_rle": 12_000_000, "fits_gzip": 8_000_000}
MAX_PIXELS_IN_PYTHON: Final = 100_000_000
#: Strips or tiles of one picture: each has a decoder of its own.
MAX_PARTS: Final = 100_000
#: Pixels of a picture inside of another, as in an icon.
MAX_PIXELS_INSIDE: Final = 4096 * 4096

#: Formats that hold whole files of others: Windows icons and cursors, those of macOS, and BLP.
_CONTAINERS: Final = (b"\0\0\1\0", b"\0\0\2\0", b"icns", b"BLP1", b"BLP2")
#: Comments of a plain PBM, PGM or PPM: each is taken out by copying a megabyte.
MAX_COMMENTS: Final = 4096
_COMMENTED: Final = (b"P1", b"P2", b"P3")
_BLOCK: Final = 1 << 20
_TIFF: Final = {b"II": "<", b"MM": ">"}
_BIG: Final = 43
_PARTS: Final = frozenset({0x0111, 0x0144})


@dataclass(frozen=True)
class Limits:
    """Pixels that are decoded at most, and bytes of memory that one picture may need: less than what a renderer may
    have, by what it takes at rest."""

    pixels: int
    memory: int


USUAL: Final = Limits(250_000_000, 1500 << 20)


@contextmanager
def pillow_guarded(source: IO[bytes]) -> Iterator[None]:
    """Pillow's own limit, as the file in `source` (at its beginning, before and after) asks for. Raises TooMuch."""
    before = Image.MAX_IMAGE_PIXELS
    head = source.read(4)
    if head[:2] in _COMMENTED:
        _count_comments(source)
    elif head[:2] in _TIFF and (parts := _parts(source, _TIFF[head[:2]], _BIG in head)) > MAX_PARTS:
        raise TooMuch(f"is in {parts} parts, at most {MAX_PARTS} can be decoded")
    source.seek(0)
    if head in _CONTAINERS:
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS_INSIDE // 2  # it warns of what has more, and refuses what has twice that
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except Image.DecompressionBombError as error:
        most = f"{MAX_PIXELS_INSIDE / 1e6:.0f} megapixels"
        raise TooMuch(f"has a picture of more than {most}, the most that is decoded in files of its kind") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _count_comments(source: IO[bytes]) -> None:
    count = 0
    while count <= MAX_COMMENTS and (block := source.read(_BLOCK)):
        count += block.count(b"#")
    if count > MAX_COMMENTS:
        raise TooMuch(f"has more than {MAX_COMMENTS} comments, which is more work than a picture may be")


def _parts(source: IO[bytes], order: str, big: bool) -> int:
    """How many strips or tiles the first directory of a TIFF has; Pillow makes a list of them when it opens it."""
    entry, first = (struct.Struct(f"{order}HHQ8x"), "Q") if big else (struct.Struct(f"{order}HHI4x"), "I")
    try:
        source.seek(8 if big else 4)
        source.seek(struct.unpack(order + first, source.read(8 if big else 4))[0])
        count = struct.unpack(order + ("Q" if big else "H"), source.read(8 if big else 2))[0]
        entries = source.read(min(count, 1 << 16) * entry.size)
    except (struct.error, OSError, ValueError, OverflowError):
        return 0  # Pillow says what is wrong with it
    whole = entries[: len(entries) // entry.size * entry.size]
    return max((number for tag, _, number in entry.iter_unpack(whole) if tag in _PARTS), default=0)


def check(image: ImageFile.ImageFile, decoded: tuple[int, int], need: int, limits: Limits) -> None:
    """Whether an opened picture may be decoded at the size `decoded`, for which it needs `need` bytes."""
    pixels, most = decoded[0] * decoded[1], _most_pixels(image, limits.pixels)
    if pixels > most:
        raise TooMuch(f"has {pixels / 1e6:.0f} megapixels, at most {most / 1e6:.0f} can be decoded")
    if need > limits.memory:
        most_memory = f"at most {limits.memory >> 20} MB may be used"
        raise TooMuch(f"would need {need >> 20} MB of memory to be decoded, {most_memory}")


def _most_pixels(image: ImageFile.ImageFile, most: int) -> int:
    most = min(most, MAX_PIXELS_BY_FORMAT.get(image.format or "", most))
    decoders = {tile[0] for tile in image.tile[:1]}
    if not decoders.isdisjoint(Image.DECODERS):
        most = min(most, MAX_PIXELS_IN_PYTHON)
    return min([most, *(MAX_PIXELS_BY_DECODER[name] for name in decoders if name in MAX_PIXELS_BY_DECODER)])
