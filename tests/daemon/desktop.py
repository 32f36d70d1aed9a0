"""Files as the desktop has them: originals, and thumbnails put into the cache by hand."""

import os
from pathlib import Path

from thumbd_daemon.cache import Original, Places, thumbnail_text
from thumbd_daemon.png import encode_empty


def original(path: Path, content: bytes = b"a picture") -> Original:
    """A file as a thumbnail knows it."""
    path.write_bytes(content)
    found = path.stat()
    return Original(os.fsencode(path), found.st_size, found.st_mtime_ns)


def put_thumbnail(
    places: Places,
    picture: Original,
    *,
    where: bytes | None = None,
    text: dict[str, str] | None = None,
    raw: bytes | None = None,
    **changed: str,
) -> None:
    """Write a ``large`` thumbnail of `picture` whose texts are ours but for what is `changed`."""
    where = where or places.thumbnail(picture.path, "large")
    os.makedirs(os.path.dirname(where), exist_ok=True)
    text = (text or thumbnail_text(picture, "image/jpeg", 40, 30)) | changed
    with open(where, "wb") as file:
        file.write(encode_empty(text) if raw is None else raw)
