"""What decoding a picture will take, in bytes, told from its header alone.

Peaks of resident memory measured with Pillow 13 on pictures of 20 megapixels, whole way of the recipe; rounded up.
What is needed beside the pixels (the decoder's own tables, the file's buffers) is `_BESIDE`.
"""

import math
from typing import Final

from PIL import ImageFile, JpegImagePlugin, TiffImagePlugin

_BESIDE: Final = 6 << 20
#: Bytes a pixel by mode: what Pillow stores, and what the recipe converts it to before it is made smaller.
_BY_MODE: Final = {"1": 2.1, "L": 1.1, "P": 5.2, "RGB": 4.2, "RGBX": 4.2, "YCbCr": 4.2, "CMYK": 8.2, "I;16": 11.1}
_OTHER_MODE: Final = 13.1
_WITH_ALPHA: Final = 8.2
#: Formats whose decoders hold the whole picture several times, whatever its mode.
_BY_FORMAT: Final = {"WEBP": 17.6, "AVIF": 9.6, "JPEG2000": 20.5}
#: A TIFF may be one strip or tile, and turned when it is decoded.
_TIFF: Final = {"1": 3.1, "L": 3.1}
_TIFF_AT_LEAST: Final = 8.1
_TIFF_TILE: Final = (0x0142, 0x0143)
#: What each row takes beside its pixels: where it begins, in the picture and in what it is converted to. And each
#: column: decoders have two rows more at hand.
_A_ROW: Final = 24
_A_COLUMN: Final = 16
#: What a JPEG 2000's decoder has for its blocks, for each pixel in full size, however small it is decoded.
_WAVELET_BLOCKS: Final = 0.4
#: A coefficient of a JPEG. In passes, all are kept in full size, however small it is decoded.
_COEFFICIENT: Final = 2.1


def bytes_needed(
    image: ImageFile.ImageFile, full: tuple[int, int], decoded: tuple[int, int], *, in_passes: bool = False
) -> int:
    """How much memory `image` (opened, not loaded) will take when it is decoded at the size `decoded`; `full` is the
    size in the file, `in_passes` whether it is a JPEG whose scans add to each other."""
    pixels = decoded[0] * decoded[1]
    beside = _BESIDE + decoded[0] * _A_COLUMN + decoded[1] * _A_ROW
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # libtiff's file is read into memory, and a tile may be larger than the picture.
        beside += _file_size(image)
        tile = [image.tag_v2.get(tag) for tag in _TIFF_TILE]
        pixels = max(pixels, math.prod(side if isinstance(side, int) else 0 for side in tile))
    need = pixels * _per_pixel(image.format or "", image.mode)
    if in_passes and isinstance(image, JpegImagePlugin.JpegImageFile):
        need += full[0] * full[1] * _COEFFICIENT * _samples(image)
    if image.format == "JPEG2000":
        need += full[0] * full[1] * _WAVELET_BLOCKS
    return beside + int(need)


def _samples(image: JpegImagePlugin.JpegImageFile) -> float:
    """How many numbers there are for each pixel: 1.5 where the colours have half the resolution."""
    factors = [(max(down, 1), max(across, 1)) for _, down, across, _ in image.layer] or [(1, 1)]
    most = max(down for down, _ in factors) * max(across for _, across in factors)
    return sum(down * across for down, across in factors) / most


def _file_size(image: ImageFile.ImageFile) -> int:
    assert image.fp is not None
    return image.fp.seek(0, 2)


def _per_pixel(name: str, mode: str) -> float:
    if name in _BY_FORMAT:
        return _BY_FORMAT[name]
    by_mode = _WITH_ALPHA if mode in ("RGBA", "LA", "PA", "RGBa", "La") else _BY_MODE.get(mode, _OTHER_MODE)
    return _TIFF.get(mode, max(by_mode, _TIFF_AT_LEAST)) if name == "TIFF" else by_mode
