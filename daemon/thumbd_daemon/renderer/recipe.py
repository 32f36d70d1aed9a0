"""From an open file to a small picture, in the order that costs least: shrink, colours, orientation, alpha.

A JPEG or a JPEG 2000 is decoded at the smallest scale that still has 1.5 times the wanted pixels, then resized with
Lanczos; all others are decoded whole. What would be too much work or memory is refused before it is decoded. What a
thumbnail is made of is returned as Sub-filtered rows, so that nobody else need touch a pixel before it is deflated.
"""

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from PIL import Image, ImageChops, ImageFile, Jpeg2KImagePlugin, UnidentifiedImageError

from ..formats import MIME
from .appetite import bytes_needed
from .colours import to_srgb
from .guards import USUAL, Limits, check, pillow_guarded
from .modes import after_resize, before_resize
from .passes import TooMuch, in_passes
from .source import Unreadable
from .wavelets import halvings

#: What Pillow is let try; an MPO is opened by its JPEG plugin.
FORMATS: Final = tuple(name for name in MIME if name != "MPO")
#: Formats of Pillow's JPEG plugin, which can make the picture smaller while it decodes.
_JPEGS: Final = frozenset({"JPEG", "MPO"})
#: Decode so much larger than the thumbnail (edge to edge) that Lanczos has something to work on.
_DRAFT: Final = 1.5
_GAP: Final = 2.0
_ORIENTATION: Final = 0x0112
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class CannotRender(Exception):
    """This file has no thumbnail; `code` is an item error, the text the cause (without the file's name)."""

    def __init__(self, code: str, cause: str) -> None:
        super().__init__(cause)
        self.code = code


class NotNow(Exception):
    """There is no memory to decode this file at present: it is given back as it was."""


#: Asked with width, height and the bytes that decoding will take, before a pixel is decoded; may raise NotNow.
Ask = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Picture:
    """A finished thumbnail: Sub-filtered rows of `mode`, and what the original is (as a person sees it)."""

    mode: str
    width: int
    height: int
    rows: bytes
    original_width: int
    original_height: int
    format: str


def render(
    source: IO[bytes], edge: int, ask: Ask = lambda _width, _height, _need: None, limits: Limits = USUAL
) -> Picture:
    """The picture in `source` made to fit a square of `edge` pixels, never enlarged, within `limits`. Raises
    CannotRender and what `ask` raises."""
    try:
        return _render(source, edge, ask, limits)
    except (CannotRender, NotNow):
        raise
    except TooMuch as error:
        raise CannotRender("too_big", str(error)) from error
    except MemoryError as error:
        raise CannotRender("memory", "needs more memory than a renderer may use") from error
    except UnidentifiedImageError as error:
        raise CannotRender("unsupported", "its content is not a picture in a format that thumbd knows") from error
    except Exception as error:
        raise _failure(error) from error


def _failure(error: Exception) -> CannotRender:
    """What a decoder's exception means for its file."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOMEM or "out of memory" in str(error):
        return CannotRender("memory", "needs more memory than a renderer may use")
    if isinstance(error, Unreadable) or number in (errno.EIO, errno.ESTALE):
        return CannotRender("unreadable", f"can't be read to its end: {_in_words(error)}")
    if number in (errno.EPERM, errno.EACCES, errno.ENOSYS) or isinstance(error, ImportError):
        # What the sandbox does to a decoder is not the file's fault, and never remembered as such.
        return CannotRender("no_sandbox", f"its decoder wanted what the sandbox does not allow: {_in_words(error)}")
    return CannotRender("decode_error", f"can't be decoded: {_in_words(error)}")


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__


def _render(source: IO[bytes], edge: int, ask: Ask, limits: Limits) -> Picture:
    passes = in_passes(source)
    with pillow_guarded(source), Image.open(source, formats=FORMATS) as image:
        full = image.size
        name = image.format or ""
        decoded = _reduced(image, source, edge)
        need = bytes_needed(image, full, decoded, in_passes=passes)
        check(image, decoded, need, limits)
        ask(*full, need)
        image.load()
        if decoded == full:
            full = image.size  # some formats know better after decoding (a TIFF turns itself)
        orientation = _orientation(image)
        small = before_resize(image)
        target = fit(full, edge)
        if target != small.size:
            small = small.resize(target, Image.Resampling.LANCZOS, reducing_gap=_GAP)
        small = after_resize(to_srgb(small, image.info.get("icc_profile")))
    if orientation in _TRANSPOSE:
        small = small.transpose(_TRANSPOSE[orientation])
        if orientation >= 5:
            full = (full[1], full[0])
    return Picture(small.mode, *small.size, sub_filtered(small), *full, name)


def _reduced(image: ImageFile.ImageFile, source: IO[bytes], edge: int) -> tuple[int, int]:
    """Have `image` decoded as small as it may be for a thumbnail of `edge`; the size that it will have then."""
    width, height = (math.ceil(side * _DRAFT) for side in fit(image.size, edge))
    if image.format in _JPEGS:
        image.draft(None, (width, height))
    elif isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        times = halvings(source, image.size, (width, height))
        image.reduce = times
        decoded = -(-image.size[0] >> times), -(-image.size[1] >> times)
        # Pillow rounds where its decoder rounds up, and refuses what it then gets; of such sizes there is no rest.
        image._size = decoded[0] << times, decoded[1] << times
        return decoded
    return image.size


def fit(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """`size` scaled down to fit a square of `edge`, its ratio kept, at least one pixel each way."""
    width, height = size
    scale = min(1.0, edge / max(width, height, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8; 1 where there is none or it can't be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken metadata is no reason to refuse a picture that could be decoded
        return 1
    return value if isinstance(value, int) else 1


def sub_filtered(image: Image.Image) -> bytes:
    """The rows of `image`, each pixel less the one to its left, modulo 256 (PNG's filter 1)."""
    shifted = Image.new(image.mode, image.size)
    shifted.paste(image, (1, 0))
    return ImageChops.subtract_modulo(image, shifted).tobytes()
