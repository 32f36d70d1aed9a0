"""The command: its arguments, and what it says where no window can be opened."""

import os
from pathlib import Path

import pytest

from thumbd_gallery import app


def test_without_a_screen_it_says_why_and_ends_with_status_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "why_no_window", lambda: "there is no screen; set DISPLAY")
    assert app.main(["/nowhere"]) == 2
    assert "thumbgallery: there is no screen; set DISPLAY" in capsys.readouterr().err


def test_a_folder_is_made_absolute_without_being_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    base = os.fsencode(tmp_path)
    assert app.wanted_folder("no/such/../folder/") == base + b"/no/folder"
    assert app.wanted_folder(os.fsdecode(b"/caf\xe9")) == b"/caf\xe9"


@pytest.mark.parametrize("there", [True, False])
def test_without_a_folder_it_shows_pictures_or_else_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if there:
        (tmp_path / "Pictures").mkdir()
    assert app.wanted_folder(None) == os.fsencode(tmp_path / "Pictures" if there else tmp_path)


def test_the_version_is_told_without_a_window(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("thumbgallery ")


def test_a_theme_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.parse(["--theme", "pink"])
    assert ended.value.code == 2
    assert "pink" in capsys.readouterr().err
