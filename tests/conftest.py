"""Fixtures for every test: a home of its own for real daemons, and the corpus of strange pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_home import Home, corpus_folder


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
