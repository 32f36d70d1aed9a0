"""Pictures for a first look, drawn on the spot: hills under different skies, in several formats and shapes."""

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

_SKIES = [
    ("#0b1026", "#3b4f8f", "#e8a87c"),
    ("#87b7e8", "#cfe6f5", "#fff3d6"),
    ("#2a1b3d", "#a4508b", "#f6c667"),
    ("#123b3a", "#5fa8a0", "#e7f0d8"),
    ("#4a5a6a", "#9fb0bd", "#e6e9eb"),
]
_SHAPES = [(1600, 1067), (1200, 1600), (1920, 1080), (1400, 1400), (2400, 700)]


def _blend(low: str, high: str, share: float) -> tuple[int, int, int]:
    one, two = (tuple(int(text[i : i + 2], 16) for i in (1, 3, 5)) for text in (low, high))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, two, strict=True))
    return red, green, blue


def landscape(size: tuple[int, int], seed: int) -> Image.Image:
    """Layered hills in the haze below a sky."""
    chance = random.Random(seed)
    top, middle, low = chance.choice(_SKIES)
    width, height = size
    column = Image.new("RGB", (1, height))
    for y in range(height):
        share = y / height
        colour = _blend(top, middle, share * 2) if share < 0.5 else _blend(middle, low, share * 2 - 1)
        column.putpixel((0, y), colour)
    picture = column.resize(size)
    draw = ImageDraw.Draw(picture)
    left, up, radius = chance.uniform(0.15, 0.85) * width, chance.uniform(0.15, 0.45) * height, height * 0.05
    draw.ellipse((left - radius, up - radius, left + radius, up + radius), fill=_blend(low, "#ffffff", 0.6))
    for layer in range(5):
        waves = [(chance.uniform(0.6, 3.5), chance.uniform(0, 7), chance.uniform(0.01, 0.06)) for _ in range(4)]
        base = height * (0.5 + 0.11 * layer)
        ridge = [
            (px, base - height * sum(amp * math.sin(freq * 6.28 * px / width + phase) for freq, phase, amp in waves))
            for px in range(0, width + 8, 8)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], fill=_blend(middle, "#0c1418", 0.25 + 0.17 * layer))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def make_samples(folder: Path, count: int = 60) -> None:
    """Write `count` pictures below `folder`, every sixth in a format other than JPEG, and one that is broken."""
    trips = [folder / name for name in ("", "Coast", "Mountains")]
    for trip in trips:
        trip.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = landscape(_SHAPES[number % len(_SHAPES)], number)
        suffix = {0: "png", 3: "webp"}.get(number % 6, "jpg")
        target = trips[0 if number < count * 2 // 3 else 1 + number % 2] / f"picture {number + 1}.{suffix}"
        picture.save(target, quality=88)
    (folder / "broken.jpg").write_bytes((trips[0] / "picture 2.jpg").read_bytes()[:5000])


if __name__ == "__main__":
    make_samples(Path("sample-pictures"))
