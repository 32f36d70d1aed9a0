"""Fixtures for the daemon's parts."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from thumbd_daemon.cache import Places
from thumbd_daemon.cage import landlock

# Properties are looked for without hurry: a busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def desk(tmp_path: Path) -> Places:
    """Places for thumbnails, previews and volatile pictures, none of which exists yet."""
    below = os.fsencode(tmp_path / "xdg")
    return Places(below + b"/thumbnails", below + b"/thumbd/preview", below + b"/volatile")


@pytest.fixture
def landlock_here() -> None:
    """Skips where the kernel has none."""
    try:
        landlock.version()
    except OSError as error:
        pytest.skip(f"no Landlock here: {landlock.in_words(error)}")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file in it, for a process that is locked in there."""
    (tmp_path / "file").write_text("content")
    return tmp_path
