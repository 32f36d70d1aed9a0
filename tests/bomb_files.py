"""Small files that inflate, repeat themselves or point at themselves, in formats other than JPEG."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

from PIL import Image

from bomb_headers import MOST, long, patched, png, png_chunk, short, tiff, tiff_end
from bomb_jpegs import BASELINE, frame

_MB: Final = 1 << 20


def zeros(count: int) -> bytes:
    """So many zero bytes as zlib writes them, never held in memory: between two flushes the same bytes mean the same."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    pack.compress(bytes(_MB))
    pack.flush(zlib.Z_FULL_FLUSH)
    again = pack.compress(bytes(_MB)) + pack.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = last.compress(bytes(count % _MB)) + last.flush()
    return b"\x78\xda" + again * (count // _MB) + end + struct.pack(">HH", count % 65521, 1)


def _png(width: int, height: int, colour: int, *chunks: bytes, bits: int = 8) -> bytes:
    """A whole PNG of nothing but zeros."""
    row = 1 + width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * bits // 8
    return png(width, height, colour, *chunks, png_chunk(b"IDAT", zeros(row * height)), bits=bits)


def _text(kind: bytes, head: bytes, size: int = 200 * _MB) -> bytes:
    return _png(640, 480, 2, png_chunk(kind, head + zeros(size)))


def _inside_icon(picture: bytes) -> bytes:
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(picture), 22) + picture


def _inside_icns(picture: bytes) -> bytes:
    return b"icns" + struct.pack(">I", 16 + len(picture)) + b"ic10" + struct.pack(">I", 8 + len(picture)) + picture


def _inside_blp(picture: bytes) -> bytes:
    head = b"BLP1" + struct.pack("<iIIIii", 0, 0, 640, 480, 0, 0)
    tables = struct.pack("<32I", *[160, *[0] * 15], *[len(picture), *[0] * 15])
    return head + tables + struct.pack("<I", 0) + picture


def _bits(*fields: tuple[int, int]) -> bytes:
    """(value, number of bits) with the lowest bit first."""
    number = at = 0
    for value, width in fields:
        number |= value << at
        at += width
    return number.to_bytes(at // 8 + 1, "little")


def _vp8l(width: int, height: int) -> bytes:
    """A lossless WebP frame of one colour: its five codes have one symbol each, so a pixel takes no bit at all."""
    head = [(0x2F, 8), (width - 1, 14), (height - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    data = _bits(*head, *[(1, 1), (0, 1), (0, 1), (0, 1)] * 5) + bytes(7)
    data += bytes(len(data) % 2)
    return b"VP8L" + struct.pack("<I", len(data)) + data


def _webp(*chunks: bytes) -> bytes:
    data = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def _animated_webp(frames: int) -> bytes:
    picture = _vp8l(64, 64)
    one = struct.pack("<I", 63)[:3] * 2
    head = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + one
    shown = bytes(6) + one + b"\x0a\0\0" + b"\0" + picture
    many = b"ANMF" + struct.pack("<I", len(shown)) + shown
    return _webp(head, b"ANIM" + struct.pack("<IIH", 6, 0, 0), many * frames)


def _gif(frames: int, comment: bytes = b"") -> bytes:
    picture = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0) + bytes(6) + comment + picture * frames + b";"


def _large_gif(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("P", (width, height)).save(out, "GIF")
    return out.getvalue()


def _scan(width: int, height: int, data: bytes, compression: int, *, bits: int = 1, **more: int) -> bytes:
    """A TIFF of one strip; `more` are tags by number."""
    tags = {256: long(width), 257: long(height), 258: short(bits), 259: short(compression), 262: short(1)}
    tags |= {273: long(0), 277: short(1), 278: long(height), 279: long(len(data))}
    tags |= {int(tag[1:]): short(value) for tag, value in more.items()}
    return tiff(tags | {273: long(tiff_end(len(tags)))}, data)


def _group_4(width: int, height: int, **more: int) -> bytes:
    """A white fax: one bit for each row that is like the one above."""
    return _scan(width, height, b"\xff" * (height // 8) + b"\x00\x10\x01\x00\x10\x01", 4, **more)


def _directories(count: int) -> bytes:
    """A TIFF with so many directories, all but the first of them empty; the last points at the first."""
    whole = _group_4(800, 600)
    at = len(whole)
    chain = b"".join(struct.pack("<HI", 0, at + 6 * (n + 1)) for n in range(count - 1)) + struct.pack("<HI", 0, 8)
    end = tiff_end(struct.unpack_from("<H", whole, 8)[0]) - 4
    return whole[:end] + struct.pack("<I", at) + whole[end + 4 :] + chain


def _strips(count: int) -> bytes:
    """A TIFF with a strip for each of so many rows, all of the same eight bytes."""
    tags = {256: long(8), 257: long(count), 258: short(8), 259: short(1), 262: short(1), 277: short(1), 278: short(1)}
    at = tiff_end(len(tags) + 2)
    offsets = struct.pack(f"<{count}H", *[at] * count)
    here = struct.pack("<I", at)
    return tiff(tags | {273: (3, count, here), 279: (3, count, here)}, offsets)


def _large_tile() -> bytes:
    """A small TIFF in one tile that says it has 900 megapixels."""
    tags = {256: long(100), 257: long(100), 258: short(8), 259: short(8), 262: short(1), 277: short(1)}
    tags |= {322: long(30_000), 323: long(30_000), 325: long(100)}
    return tiff(tags | {324: long(tiff_end(len(tags) + 1))}, zeros(100_000))


def _bmp_of_runs(width: int, height: int, compression: int, data: bytes) -> bytes:
    bits = 8 if compression == 1 else 4
    palette = bytes(4 << bits)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette)) + info + palette + data


def _fits_gzip(width: int, height: int, data: bytes) -> bytes:
    def cards(*told: str) -> bytes:
        return "".join(card.ljust(80) for card in (*told, "END")).encode().ljust(2880)

    first = cards("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")
    second = ["XTENSION= 'BINTABLE'", "BITPIX  =                    8", "NAXIS   =                    2"]
    second += ["NAXIS1  =                    0", "NAXIS2  =                    0", "ZIMAGE  =                    T"]
    second += ["ZCMPTYPE= 'GZIP_1  '", "ZBITPIX =                    8", "ZNAXIS  =                    2"]
    return first + cards(*second, f"ZNAXIS1 = {width:20d}", f"ZNAXIS2 = {height:20d}") + data.ljust(2880, b"\0")


def _psd(width: int, height: int) -> bytes:
    row = b"\x81\0" * -(-width // 128)
    head = b"8BPS" + struct.pack(">H6xHIIHHIII", 1, 3, height, width, 8, 3, 0, 0, 0)
    return head + struct.pack(">H", 1) + struct.pack(">H", len(row)) * height * 3 + row * height * 3


def _sgi(width: int, height: int) -> bytes:
    """Run-length coded rows, all of them the same."""
    row = b"\x7f\0" * -(-width // 127) + b"\0"
    table = struct.pack(">I", 512 + 8 * height) * height + struct.pack(">I", len(row)) * height
    return struct.pack(">HBBHHHHII", 474, 1, 1, 2, width, height, 1, 0, 255).ljust(512, b"\0") + table + row


def _tga(width: int, height: int) -> bytes:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 11, 0, 0, 0, 0, 0, width, height, 8, 0)
    return head + b"\xff\0" * -(-width * height // 128)


def _xmp(levels: int) -> bytes:
    deep = b"<a>" * levels + b"</a>" * levels
    return _png(640, 480, 2, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + deep))


def _tiles(side: int, across: int, halvings: int = 5) -> bytes:
    """A JPEG 2000 of `across` x `across` tiles, every one of them the same."""
    out = io.BytesIO()
    small = Image.new("RGB", (side, side), "teal")
    small.save(out, "JPEG2000", no_jp2=True, tile_size=(side, side), num_resolutions=halvings + 1)
    whole = out.getvalue()
    at = whole.index(b"\xff\x90\x00\x0a")
    head, part = whole[:at], whole[at:-2]
    head = head[:8] + struct.pack(">II", side * across, side * across) + head[16:]
    return head + b"".join(part[:4] + struct.pack(">H", n) + part[6:] for n in range(across**2)) + b"\xff\xd9"


#: Hostile files, by name.
FILES: Final[dict[str, Callable[[], bytes]]] = {
    "144-megapixels.png": lambda: _png(12_000, 12_000, 6),
    "225-megapixels-grey.png": lambda: _png(15_000, 15_000, 0),
    "225-megapixels-colours.png": lambda: _png(15_000, 15_000, 2),
    "225-megapixels-palette.png": lambda: _png(15_000, 15_000, 3, png_chunk(b"PLTE", bytes(768))),
    "100-megapixels-deep.png": lambda: _png(10_000, 10_000, 0, bits=16),
    "one-row.png": lambda: _png(200_000_000, 1, 0),
    "one-column.png": lambda: _png(1, 200_000_000, 0),
    "text.png": lambda: _text(b"zTXt", b"a\0\0"),
    "text-international.png": lambda: _text(b"iTXt", b"a\0\x01\0\0\0"),
    "profile.png": lambda: _text(b"iCCP", b"a\0\0"),
    "texts.png": lambda: _png(640, 480, 2, *[png_chunk(b"zTXt", b"a\0\0" + zeros(_MB - 1))] * 200),
    "chunks.png": lambda: _png(640, 480, 2, png_chunk(b"abCd", b"") * 200_000),
    "chunks-of-pixels.png": lambda: png(
        640, 480, 2, png_chunk(b"IDAT", b"") * 200_000, png_chunk(b"IDAT", zeros(480 * 1921))
    ),
    "xmp-deep.png": lambda: _xmp(100_000),
    "64-megapixels.webp": lambda: _webp(_vp8l(8000, 8000)),
    "268-megapixels.webp": lambda: _webp(_vp8l(16_383, 16_383)),
    "5000-frames.webp": lambda: _animated_webp(5000),
    "5000-frames.gif": lambda: _gif(5000),
    "comments.gif": lambda: _gif(1, b"!\xfe" + b"\x01a" * 1_000_000 + b"\0"),
    "100-megapixels.gif": lambda: _large_gif(10_000, 10_000),
    "87-megapixels.tif": lambda: _group_4(9344, 9344),
    "87-megapixels-turned.tif": lambda: _group_4(9344, 9344, t274=6),
    "240-megapixels.tif": lambda: _group_4(20_000, 12_000),
    "144-megapixels.tif": lambda: _scan(12_000, 12_000, zeros(12_000**2 * 3), 8, bits=8, t262=2, t277=3),
    "100000-directories.tif": lambda: _directories(100_000),
    "strips-many.tif": lambda: _strips(4_000_000),
    "large-tile.tif": _large_tile,
    "inside.ico": lambda: _inside_icon(_png(12_000, 12_000, 6)),
    "inside-larger.ico": lambda: _inside_icon(_png(20_000, 18_000, 6)),
    "inside.icns": lambda: _inside_icns(_png(12_000, 12_000, 6)),
    "inside.blp": lambda: _inside_blp(frame(20_000, 20_000, [((1,), 0, 63, 0, 0, b"")], BASELINE)),
    "runs.bmp": lambda: _bmp_of_runs(15_000, 15_000, 1, b"\xff\0" * 900_000),
    "runs-of-4-bits.bmp": lambda: _bmp_of_runs(15_000, 15_000, 2, b"\xff\0" * 900_000),
    "jumps.bmp": lambda: _bmp_of_runs(15_000, 15_000, 1, b"\0\x02\0\xff" * 60),
    "ends-of-rows.bmp": lambda: _bmp_of_runs(15_000, 15_000, 1, b"\x01\0\0\0" * 15_000),
    "empty-gzip.fits": lambda: _fits_gzip(15_000, 15_000, gzip.compress(b"", mtime=0)),
    "gzip.fits": lambda: _fits_gzip(5000, 4000, gzip.compress(bytes(80_000_000), 1, mtime=0)),
    "runs.qoi": lambda: b"qoif" + struct.pack(">IIBB", 15_000, 15_000, 4, 0) + b"\xfd" * (15_000**2 // 62 + 1),
    "comments.ppm": lambda: b"P3 2000 2000 255\n" + b"#\n" * 500_000,
    "comments-bilevel.pbm": lambda: b"P1 2000 2000\n" + b"#\n" * 500_000,
    "planes.psd": lambda: _psd(15_000, 6000),
    "same-rows.sgi": lambda: _sgi(30_000, 8000),
    "runs.tga": lambda: _tga(16_000, 15_000),
    "white.msp": lambda: _msp(MOST, 3800),
    "rows.xpm": lambda: b'/* XPM */\n"4000 4000 1 1",\n"a c #000000",\n' + (b'"' + b"a" * 4000 + b'",\n') * 1000,
    "64-megapixels.j2k": lambda: _tiles(1024, 8),
    "225-megapixels.j2k": lambda: _tiles(1024, 15),
    "75-megapixels-whole.j2k": lambda: _tiles(960, 9, 0),
    # As much as the limits allow.
    "within-the-limit.j2k": lambda: _tiles(896, 7, 0),
    "within-the-limit.png": lambda: _png(13_500, 13_500, 6),
    "within-the-limit.webp": lambda: _webp(_vp8l(9400, 9400)),
    "within-the-limit.avif": lambda: patched("AVIF", "RGB", (12_000, 12_500)),
    "within-the-limit.fits": lambda: _fits_gzip(2800, 2800, gzip.compress(b"", mtime=0)),
    "within-the-limit.bmp": lambda: _bmp_of_runs(3400, 3400, 1, b"\x01\0\0\0" * 3400),
    "within-the-limit.qoi": lambda: b"qoif" + struct.pack(">IIBB", 10_000, 10_000, 4, 0) + b"\xfd" * (10**8 // 62 + 1),
    "within-the-limit.ico": lambda: _inside_icon(_png(4000, 4000, 6)),
    "within-the-limit.tif": lambda: _strips(65_535),
    "within-the-limit.ppm": lambda: b"P3 2000 2000 255\n" + b"#\n" * 4096 + b"0 " * 400_000,
}


def _msp(width: int, height: int) -> bytes:
    """Rows of no bytes, which are white."""
    words = [*struct.unpack("<HH", b"LinS"), width, height, *[0] * 12]
    for word in words[:12]:
        words[12] ^= word
    return struct.pack("<16H", *words) + bytes(2 * height)
