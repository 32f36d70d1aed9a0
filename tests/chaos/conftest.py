"""What the tests of file systems that hang share."""

import io
import os
import shutil
from collections.abc import Iterator

import pytest
from PIL import Image

from hanging_mount import HangingMount
from thumbd_home import Home


@pytest.fixture
def hanging(home: Home) -> Iterator[HangingMount]:
    """A mount in the home that hangs when told to."""
    if not os.path.exists("/dev/fuse") or not os.access("/dev/fuse", os.W_OK) or shutil.which("fusermount3") is None:
        pytest.skip("there is no FUSE here")
    pytest.importorskip("mfusepy")
    mount = HangingMount(home.root)
    try:
        yield mount
    finally:
        mount.close()


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A JPEG so large that reading it takes more than the first page."""
    out = io.BytesIO()
    Image.effect_noise((2400, 1600), 60).convert("RGB").save(out, "JPEG", quality=92)
    return out.getvalue()
