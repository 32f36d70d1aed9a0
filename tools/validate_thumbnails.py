"""Check thumbnails against the Thumbnail Managing Standard, with eyes that share nothing with those who wrote them.

usage: python tools/validate_thumbnails.py [CACHE]   (default: $XDG_CACHE_HOME or ~/.cache)

Each PNG below thumbnails/{normal,large,x-large,xx-large} is decoded whole and compared with the file it says it is of;
fail marks are compared too. Prints one line for each fault; exit status 1 when there is one.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from PIL import Image

EDGES = {"normal": 128, "large": 256, "x-large": 512, "xx-large": 1024}


def faults_of(thumbnail: Path, edge: int | None) -> Iterator[str]:
    """What is wrong with a thumbnail, or with a fail mark (`edge` None)."""
    if stat.S_IMODE(thumbnail.stat().st_mode) != 0o600:
        yield f"its mode is {stat.S_IMODE(thumbnail.stat().st_mode):o}, not 600"
    with Image.open(thumbnail) as picture:
        picture.load()
        text = {key: value for key, value in picture.info.items() if isinstance(key, str)}
        if picture.format != "PNG" or picture.mode not in ("L", "LA", "RGB", "RGBA"):
            yield f"it is {picture.format} {picture.mode}"
        if picture.info.get("interlace"):
            yield "it is interlaced"
        if edge is not None:
            yield from _size_faults(picture.size, edge, text)
    uri = text.get("Thumb::URI", "")
    if thumbnail.stem != hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest():
        yield f"its name is not the MD5 of {uri}"
    try:
        original = os.stat(unquote_to_bytes(uri.removeprefix("file://")))
    except OSError as error:
        yield f"its original can't be had: {error}"
        return
    if text.get("Thumb::MTime") != str(int(original.st_mtime_ns // 1_000_000_000)):
        yield f"Thumb::MTime is {text.get('Thumb::MTime')}, the file's is {original.st_mtime}"
    if text.get("Thumb::Size") != str(original.st_size):
        yield f"Thumb::Size is {text.get('Thumb::Size')}, the file has {original.st_size}"
    if not text.get("Software", "").startswith("thumbd "):
        yield f"Software is {text.get('Software')}"


def _size_faults(size: tuple[int, int], edge: int, text: dict[str, str]) -> Iterator[str]:
    width, height = (int(text.get(f"Thumb::Image::{side}", "0")) for side in ("Width", "Height"))
    if not width or not height:
        yield "it does not say how large the original is"
        return
    if "/" not in text.get("Thumb::Mimetype", ""):
        yield f"Thumb::Mimetype is {text.get('Thumb::Mimetype')}"
    scale = min(1.0, edge / max(width, height))
    expected = (max(1, round(width * scale)), max(1, round(height * scale)))
    if max(size) > edge or any(abs(a - b) > 1 for a, b in zip(size, expected, strict=True)):
        yield f"it is {size[0]} x {size[1]}, {width} x {height} in {edge} gives {expected[0]} x {expected[1]}"


def validate(cache: Path) -> tuple[int, list[str]]:
    """How many files were looked at below `cache`, and a sentence for each fault."""
    folders: list[tuple[Path, int | None]] = [(cache / "thumbnails" / name, edge) for name, edge in EDGES.items()]
    folders += [(folder, None) for folder in (cache / "thumbnails" / "fail").glob("thumbd-*")]
    count = 0
    found: list[str] = []
    for folder, edge in folders:
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) != 0o700:
            found.append(f"{folder}: its mode is {stat.S_IMODE(folder.stat().st_mode):o}, not 700")
        for thumbnail in folder.iterdir() if folder.is_dir() else ():
            count += 1
            if thumbnail.suffix != ".png":
                found.append(f"{thumbnail}: is no thumbnail; was it left behind?")
                continue
            found += [f"{thumbnail}: {fault}" for fault in faults_of(thumbnail, edge)]
    return count, found


def main() -> None:
    """Validate a cache."""
    default = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    count, found = validate(Path(sys.argv[1] if len(sys.argv) > 1 else default))
    for sentence in found:
        print(sentence)
    print(f"{count} thumbnails and fail marks, {len(found)} faults")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
