"""How often a JPEG 2000 may be halved while it is decoded, read from its own header."""

from typing import IO, Final

#: Where the picture itself begins, and how far into the file it is looked for.
_BEGINNING: Final = b"\xff\x4f\xff\x51"
_FAR: Final = 1 << 16
_STYLE: Final = 0x52
_STYLE_OF_ONE: Final = 0x53
_TILE: Final = 0x90


def halvings(source: IO[bytes], full: tuple[int, int], wanted: tuple[int, int]) -> int:
    """How often a picture of `full` can be halved and still have the pixels that are `wanted`; 0 where that can't be
    told. `source` is left where it was."""
    before = source.tell()
    source.seek(0)
    levels = _levels(source.read(_FAR))
    source.seek(before)
    while levels and (full[0] >> levels < wanted[0] or full[1] >> levels < wanted[1]):
        levels -= 1
    return levels


def _levels(data: bytes) -> int:
    """How often each of its tiles was halved when it was written."""
    at = data.find(_BEGINNING)
    levels = 0
    if at < 0 or any(data[at + 16 : at + 24]):
        return 0  # one that does not begin at its origin is halved differently
    at += 2
    while at + 10 <= len(data) and data[at] == 0xFF and data[at + 1] != _TILE:
        if data[at + 1] == _STYLE_OF_ONE:
            return 0  # one component is another matter
        if data[at + 1] == _STYLE:
            levels = data[at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return min(levels, 32)
