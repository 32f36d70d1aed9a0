"""Make the tiny pictures that a renderer decodes before it locks itself in: one for each codec and way through it.

python tools/make_warm_samples.py daemon/thumbd_daemon/renderer/samples
"""

import io
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

SIZE = (24, 16)
_XPM = b"""/* XPM */
static char *x[] = {
"2 2 2 1",
"a c #ff0000",
"b c #00ff00",
"ab",
"ba"
};
"""


def pictures() -> Iterator[tuple[str, bytes]]:
    """(file name, content) of each."""
    colour = Image.merge("RGB", [Image.linear_gradient("L").resize(SIZE).rotate(angle) for angle in (0, 90, 180)])
    alpha = colour.copy()
    alpha.putalpha(Image.radial_gradient("L").resize(SIZE))
    grey, palette, bits = colour.convert("L"), colour.quantize(8), colour.convert("1")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6

    def saved(name: str, image: Image.Image, form: str, **options: Any) -> tuple[str, bytes]:
        out = io.BytesIO()
        image.save(out, form, **options)
        return name, out.getvalue()

    yield saved("baseline.jpg", colour, "JPEG", icc_profile=profile, exif=exif)
    yield saved("progressive.jpg", colour, "JPEG", progressive=True, subsampling=0)
    yield saved("grey.jpg", grey, "JPEG")
    yield saved("cmyk.jpg", colour.convert("CMYK"), "JPEG")
    yield saved("alpha.png", alpha, "PNG", icc_profile=profile)
    yield saved("palette.png", palette, "PNG", transparency=0)
    yield saved("deep.png", grey.convert("I;16"), "PNG")
    yield saved("palette.gif", palette, "GIF", transparency=1)
    yield saved("animation.gif", palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    yield saved("lossy.webp", colour, "WEBP", icc_profile=profile, exif=exif)
    yield saved("lossless.webp", alpha, "WEBP", lossless=True)
    yield saved("animation.webp", colour, "WEBP", save_all=True, append_images=[colour.rotate(180)])
    yield saved("still.avif", colour, "AVIF", icc_profile=profile)
    yield saved("alpha.avif", alpha, "AVIF")
    yield saved("still.jp2", colour, "JPEG2000")
    yield saved("wavelet.j2k", alpha, "JPEG2000", irreversible=True)
    for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd", "lzma"):
        yield saved(f"{compression}.tif", colour, "TIFF", compression=compression)
    for compression in ("group3", "group4"):
        yield saved(f"{compression}.tif", bits, "TIFF", compression=compression)
    yield saved("float.tif", grey.convert("F"), "TIFF")
    yield saved("lab.tif", colour.convert("LAB"), "TIFF")
    for name, image, form in (
        ("still.bmp", colour, "BMP"),
        ("still.ico", alpha, "ICO"),
        ("still.qoi", alpha, "QOI"),
        ("still.tga", alpha, "TGA"),
        ("still.ppm", colour, "PPM"),
        ("still.pcx", palette, "PCX"),
        ("still.sgi", colour, "SGI"),
        ("still.dds", alpha, "DDS"),
        ("still.im", colour, "IM"),
        ("bits.xbm", bits, "XBM"),
        ("bits.msp", bits, "MSP"),
    ):
        yield saved(name, image, form)
    yield "still.psd", _photoshop(colour)
    yield "still.icns", _icon(saved("", alpha.resize((16, 16)), "PNG")[1])
    yield "names.xpm", _XPM


def _icon(png: bytes) -> bytes:
    """Apple's container with one picture in it."""
    entry = b"icp4" + struct.pack(">I", 8 + len(png)) + png
    return b"icns" + struct.pack(">I", 8 + len(entry)) + entry


def _photoshop(image: Image.Image) -> bytes:
    """A flat document, its planes one after the other."""
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, image.height, image.width, 8, 3)
    return header + bytes(12) + struct.pack(">H", 0) + b"".join(band.tobytes() for band in image.split())


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, content in pictures():
        (folder / name).write_bytes(content)
        print(f"{name:28} {len(content):6}")


if __name__ == "__main__":
    main()
