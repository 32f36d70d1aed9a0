"""Which arguments are files, when some of them do not answer."""

import os
from pathlib import Path

import pytest

from thumbd_client import files
from thumbd_client.files import are_files


def test_files_folders_links_and_what_is_missing_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-folder").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe")
    names = ("file", "folder", "to-file", "to-folder", "pipe", "missing")
    assert are_files([os.fsencode(tmp_path / name) for name in names]) == [True, False, True, False, True, False]
    assert are_files([]) == []


def test_what_does_not_answer_in_time_is_taken_for_a_file_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, _kept = os.pipe()  # a read of it waits for ever, like a stat on a dead server

    def hang(path: bytes) -> bool:
        return path.endswith(b"first") or bool(os.read(never, 1))

    monkeypatch.setattr(files, "_is_file", hang)
    assert are_files([b"/first", b"/dead", b"/behind"], patience_s=0.2) == [True, True, True]


def test_more_paths_than_a_pipe_holds_are_answered(tmp_path: Path) -> None:
    paths = [os.fsencode(tmp_path)] * 100_000
    assert are_files(paths, patience_s=60) == [False] * 100_000
