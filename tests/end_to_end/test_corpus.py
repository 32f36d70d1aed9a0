"""Every strange and broken picture there is: one final state each, valid thumbnails, and a daemon that lives on."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_home import Home, Result
from validate_thumbnails import validate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

#: Failures that are not remembered, since they may end otherwise the next time.
TRANSIENT = {"timeout", "memory", "crashed", "unreadable"}


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A home with a daemon that serves the whole module."""
    place = Home()
    try:
        place.daemon()
        yield place
    finally:
        place.close()


@pytest.fixture(scope="module")
def first(home: Home, corpus: Path) -> Result:
    """What became of the whole corpus, asked for as a folder in an empty cache."""
    return home.render("--recursive", corpus, timeout_s=300)


def test_the_whole_corpus_ends_well_and_is_remembered(home: Home, corpus: Path, first: Result) -> None:
    ends = Counter(item["uri"] for item in first.objects)
    assert len(ends) == first.summary["total"] > 1100
    assert set(ends.values()) == {1}, "an item was told twice"
    assert {item["state"] for item in first.objects} == {"ready", "failed"}
    assert first.summary["ready"] >= 1000
    assert all(item["message"] for item in first.objects if item["state"] == "failed")
    assert not [item for item in first.objects if item["error"] in ("internal", "shutdown", "disk_full")]
    assert len(home.daemon_pids()) == 1
    assert not home.log, "the daemon has died, and a client has started another"

    count, faults = validate(home.cache)
    assert not faults
    assert count >= first.summary["ready"]

    transient = [item for item in first.objects if item["error"] in TRANSIENT]
    assert len(transient) <= 5
    second = home.render("--recursive", corpus, timeout_s=300)
    assert second.summary["total"] == first.summary["total"]
    assert second.summary["rendered"] <= len(transient)
    assert {i["uri"]: i["state"] for i in second.objects} == {i["uri"]: i["state"] for i in first.objects}


def test_every_file_asked_for_by_name_ends_in_one_state(home: Home, corpus: Path, first: Result) -> None:
    """Those of which a folder's listing says nothing, too."""
    files = [path for path in sorted(corpus.rglob("*")) if path.is_file()]
    result = home.render(*files, timeout_s=300)
    assert result.summary["total"] == len({str(path) for path in files}) > first.summary["total"]
    assert result.summary["ready"] + result.summary["failed"] == result.summary["total"]
    assert home.ctl("status").status == 0


def test_glib_finds_every_thumbnail_valid(home: Home, corpus: Path, first: Result) -> None:
    if shutil.which("gio") is None:
        pytest.skip("gio is not installed (Debian: libglib2.0-bin)")
    below = f"{corpus / 'pillow'}/"
    ready = [item["uri"] for item in first.objects if item["state"] == "ready" and item["path"].startswith(below)]
    assert len(ready) > 500
    said = subprocess.run(
        ["gio", "info", "-a", "thumbnail::*", *ready],
        env=home.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.count("thumbnail::is-valid: TRUE") == len(ready)
    assert "thumbnail::is-valid: FALSE" not in said
