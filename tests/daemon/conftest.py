"""Fixtures for the daemon's parts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import thumbd_daemon
import thumbd_protocol
from thumbd_daemon.cache import Places

# Properties are looked for without hurry: a busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def children_find_the_packages() -> Iterator[None]:
    """Children are started in the root folder: a relative PYTHONPATH would lead nowhere there."""
    with pytest.MonkeyPatch.context() as patch:
        folders = [Path(package.__path__[0]).resolve().parent for package in (thumbd_daemon, thumbd_protocol)]
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
        yield


@pytest.fixture
def desk(tmp_path: Path) -> Places:
    """Places for thumbnails, previews and volatile pictures, none of which exists yet."""
    below = os.fsencode(tmp_path / "xdg")
    return Places(below + b"/thumbnails", below + b"/thumbd/preview", below + b"/volatile")
