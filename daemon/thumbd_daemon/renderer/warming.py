"""Everything that decoders put off is done here: plugins imported, each codec run once, before the door is locked.

What is missing then can't be had any more. So the same pictures are decoded again behind the door, and a renderer that
gets anything else than before does not start: no file is ever blamed for a sandbox that breaks its decoder.
"""

import importlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Final

from PIL import AvifImagePlugin, Image

from .guards import Limits
from .recipe import CannotRender, Picture, render

_SAMPLES: Final = os.path.join(os.path.dirname(__file__), "samples")
#: Small enough that each is made smaller, with all that belongs to it.
_EDGE: Final = 12
#: Pillow's plugins for the formats that it is let try; the others (of documents, of stubs) take their time to import.
_PLUGINS: Final = (
    *("Avif", "Blp", "Bmp", "Cur", "Dcx", "Dds", "Fits", "Fli", "Ftex", "Gbr", "Gif", "Icns", "Ico", "Im", "Imt"),
    *("Jpeg2K", "Jpeg", "McIdas", "Mpo", "Msp", "Pcd", "Pcx", "Pixar", "Png", "Ppm", "Psd", "Qoi", "Sgi", "Spider"),
    *("Sun", "Tga", "Tiff", "WebP", "XVThumb", "Xbm", "Xpm"),
)
#: What these import when they come to it.
_PUT_OFF: Final = (
    *("PIL.ImageColor", "PIL.ImageFilter", "PIL.ImagePalette", "PIL.ImageSequence"),
    *("colorsys", "copy", "encodings.latin_1", "encodings.utf_16", "encodings.utf_16_be", "encodings.utf_16_le"),
)


class BrokenDecoder(Exception):
    """A sample does not come out as it did."""


class Warmth:
    """The samples and what came of them."""

    def __init__(self, limits: Limits) -> None:
        """Import what is to be imported, decode each sample for the first time."""
        for name in (*(f"PIL.{plugin}ImagePlugin" for plugin in _PLUGINS), *_PUT_OFF):
            importlib.import_module(name)
        Image.MAX_IMAGE_PIXELS = None  # the recipe has a limit of its own, after a JPEG's scale is known
        # A renderer is a single thread: there are as many of them as there are processors.
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        warnings.simplefilter("ignore")  # about single files; their failures are told as answers
        self._limits = limits
        self._samples = dict(_read_samples())
        self._before = {name: self._outcome(content) for name, content in self._samples.items()}

    def check(self) -> None:
        """Decode them again. Raises BrokenDecoder."""
        for name, content in self._samples.items():
            now, before = self._outcome(content), self._before[name]
            if now != before:
                why = now if isinstance(now, str) else "it comes out differently"
                raise BrokenDecoder(f"{name} can't be decoded any more: {why}")

    def _outcome(self, content: bytes) -> Picture | str:
        try:
            return render(io.BytesIO(content), _EDGE, limits=self._limits)
        except CannotRender as failure:
            return f"{failure.code}: {failure}"


def _read_samples() -> Iterator[tuple[str, bytes]]:
    # Not by pathlib, whose import takes as long as all of this.
    for name in sorted(os.listdir(_SAMPLES)):
        with open(os.path.join(_SAMPLES, name), "rb") as file:
            yield name, file.read()
