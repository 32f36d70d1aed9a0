"""Headers that claim far more pixels than there is data for, one for each format that can say so."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

from PIL import Image

#: What two bytes can claim at most; what JPEG decoders accept at most.
MOST: Final = 65_535
JPEG_MOST: Final = 65_500


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, colour: int, *chunks: bytes, bits: int = 8) -> bytes:
    """A PNG of colour type `colour` (0 grey, 2 RGB, 3 palette, 6 RGBA) with `chunks` between its header and its end."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def tiff(tags: dict[int, tuple[int, int, bytes]], data: bytes = b"", after: int = 0) -> bytes:
    """A TIFF of one directory: {tag: (type, count, value)}, then `data`, which begins at `tiff_end(len(tags))`; values
    of more than four bytes lie in it. `after` is where the next directory begins."""
    entries = b"".join(
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        for tag, (kind, count, value) in sorted(tags.items())
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", after) + data


def tiff_end(tags: int) -> int:
    """Where what follows a directory of so many tags begins."""
    return 8 + 2 + 12 * tags + 4


def short(value: int) -> tuple[int, int, bytes]:
    """A TIFF tag of one 16-bit number."""
    return (3, 1, struct.pack("<H", value))


def long(value: int) -> tuple[int, int, bytes]:
    """A TIFF tag of one 32-bit number."""
    return (4, 1, struct.pack("<I", value))


def _jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"


def _bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def _ico(kind: int) -> bytes:
    inside = png(MOST, MOST, 6)
    return struct.pack("<HHH", 0, kind, 1) + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22) + inside


def _icns() -> bytes:
    inside = png(MOST, MOST, 6)
    return b"icns" + struct.pack(">I", 16 + len(inside)) + b"ic10" + struct.pack(">I", 8 + len(inside)) + inside


def _webp() -> bytes:
    # An extended header whose canvas is as large as libwebp accepts (its area fits 32 bits), and one small frame.
    frame = b"VP8L" + struct.pack("<I", 6) + b"\x2f\x00\x00\x00\x10\x00"
    head = (
        b"VP8X" + struct.pack("<I", 10) + bytes(4) + struct.pack("<I", MOST - 1)[:3] + struct.pack("<I", MOST - 1)[:3]
    )
    return b"RIFF" + struct.pack("<I", 4 + len(head + frame)) + b"WEBP" + head + frame


def _fits(width: int, height: int) -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {width:20d}", f"NAXIS2  = {height:20d}", "END"]
    return "".join(card.ljust(80) for card in cards).encode().ljust(2880)


def _msp() -> bytes:
    words = [0x6E4C, 0x536E, MOST, MOST] + [0] * 12  # a run-length coded one
    words[0], words[1] = struct.unpack("<HH", b"LinS")
    for word in words[:12]:
        words[12] ^= word
    return struct.pack("<16H", *words)


def _dds() -> bytes:
    head = struct.pack("<7I", 124, 0x1007, MOST, MOST, 0, 0, 0) + bytes(44)
    pixels = struct.pack("<II4s5I", 32, 4, b"DXT1", 0, 0, 0, 0, 0)
    return b"DDS " + head + pixels + struct.pack("<5I", 0x1000, 0, 0, 0, 0)


def _fli() -> bytes:
    head = struct.pack("<IHHHHHHI", 4096, 0xAF12, 1, MOST, MOST, 8, 3, 70).ljust(128, b"\0")
    return head + struct.pack("<IHH", 0xFFFFFFF0, 0xF1FA, 0) + bytes(8)


def _pcx() -> bytes:
    head = b"\x0a\x05\x01\x08" + struct.pack("<HHHH", 0, 0, MOST - 1, MOST - 1)
    return (head.ljust(65, b"\0") + b"\x03" + struct.pack("<H", MOST - 1)).ljust(128, b"\0")


def patched(kind: str, mode: str, size: tuple[int, int]) -> bytes:
    """A small picture written by Pillow, its dimensions (32 bits, most significant byte first) overwritten with `size`
    wherever they are told."""
    width, height = 0x0123, 0x0245
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, kind)
    told = file.getvalue()
    told = told.replace(struct.pack(">II", width, height), struct.pack(">II", *size))
    return told.replace(struct.pack(">II", height, width), struct.pack(">II", *reversed(size)))


def _tiff(width: int, height: int) -> bytes:
    tags = {256: long(width), 257: long(height), 258: short(8), 259: short(1), 262: short(1), 278: long(height)}
    return tiff(tags | {273: long(200), 277: short(1), 279: long(MOST)}).ljust(400, b"\0")


def _blp() -> bytes:
    return b"BLP2" + struct.pack("<IbbbbII", 1, 2, 8, 0, 0, MOST, MOST) + struct.pack("<32I", *[1172, *[0] * 15] * 2)


#: What the files are called, and how each is made.
HEADERS: Final[dict[str, Callable[[], bytes]]] = {
    "claims.jpg": lambda: _jpeg(MOST, MOST),
    "claims-legal.jpg": lambda: _jpeg(JPEG_MOST, JPEG_MOST),
    "claims.png": lambda: png(MOST, MOST, 6, png_chunk(b"IDAT", zlib.compress(b"\0"))),
    "claims-most.png": lambda: png((1 << 31) - 1, (1 << 31) - 1, 6, png_chunk(b"IDAT", zlib.compress(b"\0"))),
    "claims-below-the-limit.png": lambda: png(15_000, 15_000, 6, png_chunk(b"IDAT", zlib.compress(b"\0"))),
    "claims.gif": lambda: (
        b"GIF89a"
        + struct.pack("<HHBBB", MOST, MOST, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, MOST, MOST, 0)
        + b"\x08\x01\x00;"
    ),
    "claims-frame.gif": lambda: (
        b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, MOST, MOST, 0)
        + b"\x08\x01\x00;"
    ),
    "claims.bmp": lambda: _bmp(MOST, MOST),
    "claims-most.bmp": lambda: _bmp((1 << 31) - 1, (1 << 31) - 1),
    "claims.tif": lambda: _tiff(MOST, MOST),
    "claims-most.tif": lambda: _tiff((1 << 32) - 1, (1 << 32) - 1),
    "claims.tga": lambda: struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, MOST, MOST, 32, 8),
    "claims.psd": lambda: b"8BPS" + struct.pack(">H6xHIIHHIIIH", 1, 3, MOST, MOST, 8, 3, 0, 0, 0, 0),
    "claims-resource.psd": lambda: b"8BPS" + struct.pack(">H6xHIIHHI", 1, 3, 8, 8, 8, 3, (1 << 32) - 1),
    "claims.ico": lambda: _ico(1),
    "claims.cur": lambda: _ico(2),
    "claims.icns": _icns,
    "claims.webp": _webp,
    "claims.avif": lambda: patched("AVIF", "RGB", (MOST, MOST)),
    "claims-less.avif": lambda: patched("AVIF", "RGB", (16_000, 15_000)),
    "claims.jp2": lambda: patched("JPEG2000", "RGB", (MOST, MOST)),
    "claims-less.jp2": lambda: patched("JPEG2000", "RGB", (12_000, 5_000)),
    "claims.qoi": lambda: b"qoif" + struct.pack(">IIBB", MOST, MOST, 4, 0) + b"\xfd" * 20,
    "claims.ppm": lambda: b"P6 65535 65535 255\n",
    "claims-deep.ppm": lambda: b"P6 9000 9000 65535\n",
    "claims.pfm": lambda: b"Pf 65535 65535\n-1.0\n",
    "claims-digits.pgm": lambda: b"P5 " + b"9" * 100_000 + b" 1 255\n",
    "claims.sgi": lambda: struct.pack(">HBBHHHHII", 474, 1, 1, 3, MOST, MOST, 4, 0, 255).ljust(512, b"\0"),
    "claims.pcx": _pcx,
    "claims.dcx": lambda: struct.pack("<III", 0x3ADE68B1, 12, 0) + _pcx(),
    "claims.dds": _dds,
    "claims.fits": lambda: _fits(MOST, MOST),
    "claims.fli": _fli,
    "claims.msp": _msp,
    "claims.ras": lambda: struct.pack(">8I", 0x59A66A95, MOST, MOST, 24, 0, 2, 0, 0),
    "claims.blp": _blp,
    "claims.xbm": lambda: b"#define a_width 65535\n#define a_height 65535\nstatic char a_bits[] = {\n0x00};\n",
    "claims.xpm": lambda: b'/* XPM */\nstatic char *a[] = {\n"65535 65535 1 1",\n"a c #000000",\n"a"};\n',
    "claims-colours.xpm": lambda: b'/* XPM */\nstatic char *a[] = {\n"9 9 999999999999 1",\n"a c #000000",\n',
}
