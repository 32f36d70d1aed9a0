"""What decoding a picture will take, in bytes, told from its header alone.

Peaks of resident memory measured with Pillow 13 on pictures of 20 megapixels, whole way of the recipe; rounded up.
What is needed beside the pixels (the decoder's own tables, the file's buffers) is `_BESIDE`.
"""

from typing import Final

from PIL import Image

_BESIDE: Final = 6 << 20
#: Bytes a pixel by mode: what Pillow stores, and what the recipe converts it to before it is made smaller.
_BY_MODE: Final = {"1": 2.1, "L": 1.1, "P": 5.2, "RGB": 4.2, "RGBX": 4.2, "YCbCr": 4.2, "CMYK": 8.2, "I;16": 11.1}
_OTHER_MODE: Final = 13.1
_WITH_ALPHA: Final = 8.2
#: Formats whose decoders hold the whole picture several times, whatever its mode.
_BY_FORMAT: Final = {"WEBP": 17.6, "AVIF": 9.6, "JPEG2000": 20.5}
_TIFF_AT_LEAST: Final = 8.1
#: A progressive JPEG keeps its coefficients in full size, however small it is decoded.
_PROGRESSIVE: Final = {"L": 2.1, "CMYK": 8.1}
_PROGRESSIVE_COLOUR: Final = 3.2


def bytes_needed(image: Image.Image, full: tuple[int, int]) -> int:
    """How much memory `image` (opened, its draft set, not loaded) will take; `full` is its size before the draft."""
    pixels = image.size[0] * image.size[1]
    need = pixels * _per_pixel(image.format or "", image.mode)
    if image.info.get("progressive"):
        need += full[0] * full[1] * _PROGRESSIVE.get(image.mode, _PROGRESSIVE_COLOUR)
    return _BESIDE + int(need)


def _per_pixel(name: str, mode: str) -> float:
    if name in _BY_FORMAT:
        return _BY_FORMAT[name]
    by_mode = _WITH_ALPHA if mode in ("RGBA", "LA", "PA", "RGBa", "La") else _BY_MODE.get(mode, _OTHER_MODE)
    return max(by_mode, _TIFF_AT_LEAST) if name == "TIFF" else by_mode
