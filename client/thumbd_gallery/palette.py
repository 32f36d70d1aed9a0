"""The two palettes: a colour for each role, everything is painted from them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Palette:
    """A colour (``#rrggbb``) for each role; text on `surface`, `raised` and `tint` has 4.5 : 1, signs 3 : 1."""

    surface: str  # what the pictures lie on
    raised: str  # toolbar, status line, strips, tips
    line: str  # one-pixel lines, hovered buttons
    text: str
    muted: str  # less important text, signs
    accent: str  # selection ring, progress, links
    tint: str  # behind a selected cell
    placeholder: str  # a picture that has not come yet
    card: str  # behind transparent pictures: black and white art are both visible on it
    stage: str  # behind a picture in the loupe
    good: str  # the daemon is there
    warn: str  # the daemon is away, a picture failed


DARK: Final = Palette(
    surface="#1e1f22",
    raised="#26282c",
    line="#3a3d42",
    text="#e6e6e6",
    muted="#9aa0a6",
    accent="#6ea8fe",
    tint="#283449",
    placeholder="#2b2d31",
    card="#767a80",
    stage="#141517",
    good="#5fbf7f",
    warn="#e0a458",
)
LIGHT: Final = Palette(
    surface="#fafafa",
    raised="#ffffff",
    line="#d8dce1",
    text="#1f2328",
    muted="#656d76",
    accent="#0b63e5",
    tint="#e6effd",
    placeholder="#eceef1",
    card="#8c9197",
    stage="#f0f1f3",
    good="#1a7f45",
    warn="#a15c00",
)
