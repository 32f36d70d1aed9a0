"""Where the socket is looked for, and which folders are too open to hold it."""

import os
import stat
from pathlib import Path

import pytest

from thumbd_protocol.endpoints import (
    MAX_SOCKET_PATH,
    EndpointError,
    candidates,
    ensure_private,
    own_socket,
    runtime_dir,
    socket_path,
)


def test_a_named_endpoint_is_the_only_one_tried() -> None:
    environ = {"THUMBD_ENDPOINT": " tcp://127.0.0.1:5 ", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert candidates(environ) == ["tcp://127.0.0.1:5"]


def test_the_users_own_daemon_comes_before_the_system_instance() -> None:
    first, second = candidates({"XDG_RUNTIME_DIR": "/run/user/1"})
    assert first == "ipc:///run/user/1/thumbd/v1.sock"
    assert second.startswith("ipc:///run/thumbd/")
    assert second.endswith("/v1.sock")


def test_a_blank_endpoint_names_nothing() -> None:
    assert len(candidates({"THUMBD_ENDPOINT": "  ", "XDG_RUNTIME_DIR": "/run/user/1"})) == 2


def test_a_user_without_a_name_still_finds_a_daemon_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a container a uid often stands in no passwd.
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert candidates({"XDG_RUNTIME_DIR": "/run/user/1"})[0] == "ipc:///run/user/1/thumbd/v1.sock"


@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "  "}])
def test_without_a_runtime_folder_a_private_one_below_the_temporary_is_taken(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = runtime_dir(environ)
    assert folder.parent == tmp_path
    assert str(os.getuid()) in folder.name
    made = ensure_private(folder)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert ensure_private(folder) == folder  # and once more, when it is there


def test_a_folder_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert stat.S_IMODE(ensure_private(tmp_path / "thumbd").stat().st_mode) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o777, 0o740])
def test_a_folder_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "thumbd"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(EndpointError, match="chmod 700"):
        ensure_private(folder)


def test_a_link_to_a_private_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "thumbd").symlink_to(tmp_path / "mine")
    with pytest.raises(EndpointError, match="not a folder"):
        ensure_private(tmp_path / "thumbd")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thumbd").touch()
    with pytest.raises(EndpointError, match="thumbd"):
        ensure_private(tmp_path / "thumbd")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "thumbd"
    folder.mkdir(mode=0o700)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(EndpointError, match=f"belongs to uid {mine}"):
        ensure_private(folder)


def test_a_missing_runtime_folder_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="XDG_RUNTIME_DIR"):
        ensure_private(tmp_path / "missing" / "thumbd")


def test_a_path_that_no_socket_can_have_is_refused_and_the_longest_one_is_not() -> None:
    rest = len("/thumbd/v1.sock")
    fits = "/" + "x" * (MAX_SOCKET_PATH - rest - 1)
    assert len(os.fsencode(own_socket({"XDG_RUNTIME_DIR": fits}))) == MAX_SOCKET_PATH
    with pytest.raises(EndpointError, match="too long"):
        own_socket({"XDG_RUNTIME_DIR": fits + "x"})
    with pytest.raises(EndpointError, match="too long"):
        candidates({"XDG_RUNTIME_DIR": "/" + "é" * 60})  # bytes count, not characters


def test_only_an_ipc_endpoint_has_a_file() -> None:
    assert socket_path("ipc:///run/x.sock") == Path("/run/x.sock")
    assert socket_path("tcp://127.0.0.1:5") is None
