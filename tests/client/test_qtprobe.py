"""Can a window be opened here? Asked of an environment, not of a display."""

import importlib.util
import sys

import pytest

from thumbd_client import qtprobe
from thumbd_client.qtprobe import install_line, missing_packages, try_window, why_no_window

NO_DISPLAY = [{}, {"QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": "", "WAYLAND_DISPLAY": ""}]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A system that has PyQt6 and every library; says for each question whether X11's were asked for."""
    asked: list[bool] = []

    def nothing_missing(*, x11: bool) -> list[str]:
        asked.append(x11)
        return []

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(qtprobe, "missing_packages", nothing_missing)
    return asked


@pytest.mark.parametrize("environ", NO_DISPLAY)
@pytest.mark.usefixtures("complete")
def test_without_a_display_it_says_so_and_what_works_all_the_same(environ: dict[str, str]) -> None:
    why = why_no_window(environ)
    assert why is not None
    assert "no display" in why
    assert "thumbctl render" in why


@pytest.mark.parametrize(
    ("environ", "x11"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0", "QT_QPA_PLATFORM": "xcb"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, False),
        ({"QT_QPA_PLATFORM": "vnc:size=640x480"}, False),
    ],
)
def test_with_a_display_the_libraries_of_its_kind_are_looked_for(
    complete: list[bool], environ: dict[str, str], x11: bool
) -> None:
    assert why_no_window(environ) is None
    assert complete == [x11]


def test_without_pyqt_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    why = why_no_window({"DISPLAY": ":0"})
    assert why is not None
    assert "pip install" in why


def test_missing_libraries_are_told_as_the_command_that_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(qtprobe, "_loads", lambda library: "cursor" not in library and library != "libGL.so.1")
    assert missing_packages(x11=True) == ["libgl1", "libxcb-cursor0"]
    assert missing_packages(x11=False) == ["libgl1"]
    why = why_no_window({"DISPLAY": ":0"})
    assert why is not None
    assert why.endswith(install_line(["libgl1", "libxcb-cursor0"]))


@pytest.mark.usefixtures("complete")
def test_a_python_that_may_not_be_started_is_a_reason_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert try_window() == "it can't be tried: /nowhere/python: No such file or directory"
