"""Small pictures, and slow ones, that the conformance tests make for themselves."""

import functools
import io
import os
from pathlib import Path

from PIL import Image


def small(folder: Path, count: int, stem: str = "p", size: tuple[int, int] = (300, 200)) -> list[bytes]:
    """So many different little PNGs; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[bytes] = []
    for number in range(count):
        path = folder / f"{stem}{number:04}.png"
        Image.new("RGB", size, (number % 256, number // 256, 90)).save(path, compress_level=1)
        paths.append(os.fsencode(path))
    return paths


@functools.cache
def slow_bytes() -> bytes:
    """A PNG of 10 megapixels, which takes a renderer a tenth of a second or more."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((4000, 2500)).convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def slow(folder: Path, count: int, stem: str = "slow") -> list[bytes]:
    """So many names of one slow picture."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / f"{stem}0000.png"
    first.write_bytes(slow_bytes())
    rest = [folder / f"{stem}{number:04}.png" for number in range(1, count)]
    for path in rest:
        os.link(first, path)
    return [os.fsencode(path) for path in (first, *rest)]


def missing(folder: Path, count: int, stem: str = "none") -> list[bytes]:
    """Paths at which there is nothing: the cheapest items there are."""
    return [os.fsencode(folder / f"{stem}{number:06}.png") for number in range(count)]
