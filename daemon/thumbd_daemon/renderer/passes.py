"""What a JPEG's segments tell of the work that it is, read before Pillow sees it.

A progressive picture goes over its coefficients once for each of its scans, and a scan that changes nothing takes a few
bytes. So scans are counted: for each of them, each pixel is passed once. Pillow handles the segments before the picture
one by one and adds up EXIF by copying, so of those there may be only so many.
"""

import re
import struct
from dataclasses import dataclass
from typing import IO, Final

#: Pixels, in full size, that are passed over at most, all scans together: two to three seconds of work.
MAX_PASSED_PIXELS: Final = 2_500_000_000
#: Scans of one picture, however small it is; programs that care for every byte write twenty.
MAX_SCANS: Final = 1000
#: An arithmetic-coded pixel is as much work as so many Huffman-coded ones.
_ARITHMETIC_WORK: Final = 2
#: Segments before the picture, those of EXIF among them, and bytes that belong to none.
_MAX_SEGMENTS: Final = 20_000
_MAX_EXIF: Final = 64
_MAX_STRAY: Final = 1 << 20

_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FIRST_ARITHMETIC: Final = 0xC9
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xDA)})
_END: Final = 0xD9
_SCAN: Final = 0xDA
_EXIF: Final = 0xE1
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_BLOCK: Final = 1 << 20


class TooMuch(Exception):
    """A file that would be more work than it may be; the text says why (without the file's name)."""


@dataclass
class _Frame:
    width: int = 0
    height: int = 0
    components: int = 0
    marker: int = 0


def in_passes(source: IO[bytes]) -> bool:
    """Whether the JPEG in `source` keeps all its coefficients until its last scan is read; False for anything else.

    Raises TooMuch; `source` is at its beginning before and after.
    """
    if source.read(2) != b"\xff\xd8":
        source.seek(0)
        return False
    try:
        return _to_first_scan(source)
    finally:
        source.seek(0)


def _to_first_scan(source: IO[bytes]) -> bool:
    frame = _Frame()
    segments = exif = 0
    while (marker := _next_marker(source)) is not None:
        if marker in _ALONE:
            continue
        head = source.read(2)
        length = int.from_bytes(head, "big") - 2
        if len(head) < 2 or length < 0:
            return False  # Pillow says what is wrong with it
        segments, exif = segments + 1, exif + (marker == _EXIF)
        if segments > _MAX_SEGMENTS or exif > _MAX_EXIF:
            kind = f"{_MAX_EXIF} segments of EXIF" if exif > _MAX_EXIF else f"{_MAX_SEGMENTS} segments"
            raise TooMuch(f"has more than {kind} before its picture")
        if marker not in _FRAMES and marker != _SCAN:
            source.seek(length, 1)
            continue
        data = source.read(length)
        if marker == _SCAN:
            return _judge(source, frame, data[0] if data else 0)
        if len(data) >= 6:
            height, width, components = struct.unpack_from(">HHB", data, 1)
            frame = _Frame(width, height, components, marker)
    return False


def _next_marker(source: IO[bytes]) -> int | None:
    """The marker that comes next, found as Pillow finds it; None at the end."""
    stray = 0
    before = 0
    while byte := source.read(1):
        if before == 0xFF and byte[0] not in (0x00, 0xFF):
            return byte[0]
        before = byte[0]
        stray += 1
        if stray > _MAX_STRAY:
            raise TooMuch("has more than a megabyte between its segments that belongs to none")
    return None


def _judge(source: IO[bytes], frame: _Frame, components: int) -> bool:
    """Whether the picture is in passes, and whether they are few enough; `source` is after the first scan's header."""
    work = frame.width * frame.height * (_ARITHMETIC_WORK if frame.marker >= _FIRST_ARITHMETIC else 1)
    many = frame.marker in _PROGRESSIVE or components < frame.components
    allowed = min(MAX_PASSED_PIXELS // max(work, 1), MAX_SCANS)
    if (_scans(source, allowed + 1) if many else 1) > allowed:
        most = MAX_PASSED_PIXELS // (_ARITHMETIC_WORK if frame.marker >= _FIRST_ARITHMETIC else 1) / 1e6
        size = f"{frame.width * frame.height / 1e6:.1f} megapixels"
        if not allowed:
            raise TooMuch(f"has {size}, at most {most:.0f} can be decoded")
        raise TooMuch(f"has {size} in more than {allowed} passes, which is more work than a picture may be")
    return many


def _scans(source: IO[bytes], most: int) -> int:
    """How many scans there are, the one whose header has been read among them; counted up to `most`."""
    count, data = 1, source.read(_BLOCK)
    at = 0
    while count < most:
        found = _MARKER.search(data, at)
        # A marker's length must be in sight.
        if found is None or found.end() + 2 > len(data):
            more = source.read(_BLOCK)
            if not more:
                return count
            data = data[found.start() if found else max(len(data) - 1, at) :] + more
            at = 0
            continue
        marker = data[found.start() + 1]
        at = found.end()
        if marker == _END:
            return count
        if marker in _ALONE:
            continue
        count += marker == _SCAN
        at += int.from_bytes(data[at : at + 2], "big")
        while at > len(data):
            at -= len(data)
            data = source.read(_BLOCK)
            if not data:
                return count
    return count
