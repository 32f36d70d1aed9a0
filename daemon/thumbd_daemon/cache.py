"""The freedesktop thumbnail cache: names, places, validity. Facts about files; scouts act on them.

Source: Thumbnail Managing Standard 0.9 (freedesktop.org); percent-encoding as GLib's ``g_filename_to_uri`` does it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from . import __version__

#: Raised whenever the recipe changes what a thumbnail looks like: older work of ours is then done again.
RENDERER_VERSION: Final = "1"
SOFTWARE: Final = f"thumbd {__version__}"
#: Flavors that live in the desktop's cache; ``preview`` is ours alone and lives beside it.
SHARED_FLAVORS: Final = frozenset({"normal", "large", "x-large", "xx-large"})
#: Characters that GLib leaves as they are in a path, besides letters, digits and ``-._~`` (it does escape ``;``).
_URI_SAFE: Final = "!$&'()*+,=:@/"
#: More digits than any time, size or width has; such a text is nobody's honest thumbnail.
_MAX_DIGITS: Final = 18


@dataclass(frozen=True)
class Places:
    """Where pictures are kept: the desktop's cache, our previews, and what vanishes with the session."""

    thumbnails: bytes
    previews: bytes
    volatile: bytes

    def thumbnail(self, path: bytes, flavor: str) -> bytes:
        """The file of `path`'s thumbnail of `flavor`."""
        folder = os.path.join(self.thumbnails, flavor.encode()) if flavor in SHARED_FLAVORS else self.previews
        return os.path.join(folder, file_name(path))

    def failure(self, path: bytes) -> bytes:
        """The file that remembers that `path` can't have a thumbnail."""
        return os.path.join(self.thumbnails, b"fail", f"thumbd-{__version__}".encode(), file_name(path))

    def contains(self, path: bytes) -> bool:
        """Whether `path` lies in one of these places itself (no thumbnail of a thumbnail is ever saved)."""
        return any(path.startswith(place + b"/") for place in (self.thumbnails, self.previews, self.volatile))


def cache_home(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME`` if it is an absolute path, else ``~/.cache``."""
    chosen = environ.get("XDG_CACHE_HOME", "").strip()
    return Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"


def places(volatile: Path, environ: Mapping[str, str] = os.environ) -> Places:
    """The places of this user's daemon; `volatile` is a folder below its runtime folder."""
    home = cache_home(environ)
    return Places(
        thumbnails=os.fsencode(home / "thumbnails"),
        previews=os.fsencode(home / "thumbd" / "preview"),
        volatile=os.fsencode(volatile),
    )


def file_uri(path: bytes) -> str:
    """The URI of an absolute path, taken as written (never resolved)."""
    return "file://" + quote(path, safe=_URI_SAFE)


def file_name(path: bytes) -> bytes:
    """The name of `path`'s thumbnail inside a flavor's folder."""
    return hashlib.md5(file_uri(path).encode(), usedforsecurity=False).hexdigest().encode() + b".png"


@dataclass(frozen=True)
class Original:
    """What a thumbnail must agree with: the file it was made of."""

    path: bytes
    size: int
    mtime_ns: int


def _integer(text: str) -> int | None:
    """The integer part of a number as other programs write it (some have a fraction)."""
    whole = text.strip().partition(".")[0]
    digits = whole.removeprefix("-")
    return int(whole) if whole.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS else None


def is_valid(text: Mapping[str, str], original: Original) -> bool:
    """Whether a PNG with these texts is a thumbnail (or fail mark) of `original` as it is now."""
    if text.get("Thumb::URI") != file_uri(original.path):
        return False
    if _integer(text.get("Thumb::MTime", "")) != original.mtime_ns // 1_000_000_000:
        return False
    size = text.get("Thumb::Size")
    return size is None or _integer(size) == original.size


def is_ours(text: Mapping[str, str]) -> bool:
    """Whether our scouts wrote it, with today's recipe."""
    return text.get("Software", "").startswith("thumbd ") and text.get("X-Thumbd::Renderer") == RENDERER_VERSION


def dimensions(text: Mapping[str, str]) -> tuple[int, int]:
    """Width and height of the original in pixels; zeros where the thumbnail does not say."""
    width = _integer(text.get("Thumb::Image::Width", "")) or 0
    height = _integer(text.get("Thumb::Image::Height", "")) or 0
    return (width, height) if width > 0 and height > 0 else (0, 0)


def _common(original: Original) -> dict[str, str]:
    return {
        "Thumb::URI": file_uri(original.path),
        "Thumb::MTime": str(original.mtime_ns // 1_000_000_000),
        "Thumb::Size": str(original.size),
    }


def thumbnail_text(original: Original, mime: str, width: int, height: int) -> dict[str, str]:
    """The texts of a thumbnail; `width` and `height` are the original's."""
    return _common(original) | {
        "Thumb::Mimetype": mime,
        "Thumb::Image::Width": str(width),
        "Thumb::Image::Height": str(height),
        "Software": SOFTWARE,
        "X-Thumbd::Renderer": RENDERER_VERSION,
    }


def failure_text(original: Original, code: str, cause: str) -> dict[str, str]:
    """The texts of a fail mark: whose, and why, so that the reason can be told again."""
    return _common(original) | {
        "Software": SOFTWARE,
        "X-Thumbd::Renderer": RENDERER_VERSION,
        "X-Thumbd::Error": code,
        "X-Thumbd::Cause": cause.encode("ascii", "backslashreplace").decode(),
    }
