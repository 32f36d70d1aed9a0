"""Every strange and broken picture there is: one final state each, valid thumbnails, and a daemon that lives on."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from thumbd_home import Home
from validate_thumbnails import validate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

#: Failures that are not remembered, since they may end otherwise the next time.
TRANSIENT = {"timeout", "memory", "crashed", "unreadable"}


def test_the_whole_corpus_ends_well_and_is_remembered(home: Home, corpus: Path) -> None:
    daemon = home.daemon()
    first = home.render("--recursive", corpus, timeout_s=300)
    ends = Counter(item["uri"] for item in first.objects)
    assert len(ends) == first.summary["total"] > 1100
    assert set(ends.values()) == {1}, "an item was told twice"
    assert {item["state"] for item in first.objects} == {"ready", "failed"}
    assert first.summary["ready"] >= 1000
    assert all(item["message"] for item in first.objects if item["state"] == "failed")
    assert not [item for item in first.objects if item["error"] in ("internal", "shutdown", "disk_full")]
    assert daemon.poll() is None

    count, faults = validate(home.cache)
    assert not faults
    assert count >= first.summary["ready"]

    transient = [item for item in first.objects if item["error"] in TRANSIENT]
    assert len(transient) <= 5
    second = home.render("--recursive", corpus, timeout_s=300)
    assert second.summary["total"] == first.summary["total"]
    assert second.summary["rendered"] <= len(transient)
    assert {i["uri"]: i["state"] for i in second.objects} == {i["uri"]: i["state"] for i in first.objects}


def test_every_file_asked_for_by_name_ends_in_one_state(home: Home, corpus: Path) -> None:
    files = [path for path in sorted(corpus.rglob("*")) if path.is_file()]
    result = home.render(*files, timeout_s=300)
    assert result.summary["total"] == len({str(path) for path in files})
    assert result.summary["ready"] + result.summary["failed"] == result.summary["total"]
    assert home.ctl("status").status == 0


def test_glib_finds_every_thumbnail_valid(home: Home, corpus: Path) -> None:
    if shutil.which("gio") is None:
        pytest.skip("gio is not installed (Debian: libglib2.0-bin)")
    result = home.render("--recursive", corpus / "pillow", timeout_s=300)
    ready = [item["uri"] for item in result.objects if item["state"] == "ready"]
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
