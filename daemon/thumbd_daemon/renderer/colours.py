"""Colour profiles to sRGB, on the small picture; transforms are kept, since a folder's pictures share few profiles."""

import functools
import io
from typing import Final

from PIL import Image, ImageCms

#: A profile longer than this (bytes) is not a display's or a camera's, and costs more than it gives.
_MAX_PROFILE: Final = 4 << 20
_OUTPUT: Final = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB", "LAB": "RGB"}


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, _OUTPUT[mode])


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """`image` in sRGB; unchanged where its profile is missing, unusable or made for another kind of pixels."""
    if not isinstance(profile, bytes) or not profile or len(profile) > _MAX_PROFILE or image.mode not in _OUTPUT:
        return image
    try:
        result = ImageCms.applyTransform(image, _transform(profile, image.mode))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if result is None else result
