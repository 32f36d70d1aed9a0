"""Turning what the renderer's side makes into pictures that Pillow can look at, and pictures into files."""

import io

from PIL import Image

from thumbd_daemon import png
from thumbd_daemon.renderer.recipe import Picture, render, sub_filtered


def saved(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    """`image` as a file of `kind`."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    out.seek(0)
    return out


def as_png(image: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """`image` written as thumbd writes thumbnails."""
    return png.encode(image.mode, *image.size, sub_filtered(image), text or {})


def opened(picture: Picture) -> Image.Image:
    """A finished thumbnail, through our PNG, as Pillow decodes it."""
    raw = png.encode(picture.mode, picture.width, picture.height, picture.rows, {})
    image = Image.open(io.BytesIO(raw))
    image.load()
    return image


def thumbnail(source: io.BytesIO, edge: int = 128) -> Image.Image:
    return opened(render(source, edge))


def gradient(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A colourful picture: each channel changes in a direction of its own."""
    grey = Image.linear_gradient("L")
    bands = (grey, grey.rotate(90), grey.rotate(180))
    return Image.merge("RGB", bands).resize(size)


def mean(image: Image.Image) -> float:
    """How bright it is, 0..255."""
    histogram = image.convert("L").histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)
