"""Fixtures for the daemon's parts."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from thumbd_daemon.cache import Places

# Properties are looked for without hurry: a busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def desk(tmp_path: Path) -> Places:
    """Places for thumbnails, previews and volatile pictures, none of which exists yet."""
    below = os.fsencode(tmp_path / "xdg")
    return Places(below + b"/thumbnails", below + b"/thumbd/preview", below + b"/volatile")
