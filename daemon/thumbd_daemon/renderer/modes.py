"""Any of Pillow's pixel modes to one that a thumbnail can have: L, LA, RGB, RGBA, all 8 bit.

Palettes and bilevel pictures become real colours and greys before they are made smaller, 16-bit and float pictures
are scaled instead of clipped, so that they come out neither black nor white.
"""

import math
from typing import Final

from PIL import Image, ImageCms

FINAL: Final = frozenset({"L", "LA", "RGB", "RGBA"})
#: Modes that can be resized as they are and turned into colours afterwards, when there are fewer pixels.
RESIZABLE: Final = FINAL | {"CMYK", "YCbCr", "LAB"}

_PLAIN: Final = {
    "1": "L",
    "La": "LA",
    "RGBa": "RGBA",
    "PA": "RGBA",
    "RGBX": "RGB",
    "HSV": "RGB",
    "YCbCr": "RGB",
    "CMYK": "RGB",
}


def before_resize(image: Image.Image) -> Image.Image:
    """`image` in a mode whose pixels may be averaged."""
    mode = image.mode
    if "transparency" in image.info and mode in ("1", "L", "RGB", "P"):
        return image.convert("LA" if mode in ("1", "L") else "RGBA")
    if mode in RESIZABLE:
        return image
    if mode == "P":
        palette = image.palette
        return image.convert("RGBA" if palette is not None and palette.mode == "RGBA" else "RGB")
    if mode.startswith("I") or mode == "F":
        return _scaled_to_8_bit(image)
    return image.convert(_PLAIN.get(mode, "RGB"))


def after_resize(image: Image.Image) -> Image.Image:
    """`image` in one of the `FINAL` modes (a colour profile, if any, has been applied before)."""
    if image.mode in FINAL:
        return image
    if image.mode == "LAB":
        return lab_to_srgb(image)
    return image.convert(_PLAIN.get(image.mode, "RGB"))


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """CIE Lab (D50) to sRGB."""
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result


def _scaled_to_8_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bit or float, from black to white."""
    grey = image.convert("F")
    low, high = grey.getextrema()
    assert isinstance(low, float | int)
    assert isinstance(high, float | int)
    low, high = _range(image.mode, low, high)
    scale = 255.0 / (high - low) if high > low else 0.0
    offset = -low * scale
    return grey.point(lambda value: value * scale + offset).convert("L")


def _range(mode: str, low: float, high: float) -> tuple[float, float]:
    """Which values are black and white: the whole range of the type where the picture uses it, else what it uses.

    Measurements often fill 12 of 16 bits or fewer; by the type's range they would all be black.
    """
    if (mode == "F" and low >= 0 and high <= 1) or not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if mode != "F" and low >= 0:
        if mode == "I" and high <= 255:
            return 0.0, 255.0
        if 4096 <= high <= 65535:
            return 0.0, 65535.0
    return low, high
