"""Fixtures for every test: a home of its own for real daemons, and the corpus of strange pictures."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_home import Home, corpus_folder


def pytest_configure(config: pytest.Config) -> None:
    """Where Python is told to keep no compiled code, each command that a test starts would compile all of thumbd anew:
    they share a folder of this run's own."""
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="thumbd-code-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        del os.environ["PYTHONDONTWRITEBYTECODE"]


@pytest.fixture
def home() -> Iterator[Home]:
    """Private XDG folders; whatever was started there is ended afterwards, and nothing may be left."""
    place = Home()
    try:
        yield place
    finally:
        place.close()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of strange and broken pictures."""
    folder = corpus_folder()
    if folder is None:
        pytest.skip("THUMBD_CORPUS does not name the folder of test pictures")
    return folder
