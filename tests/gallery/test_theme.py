"""Colours: legible in both palettes, by computation."""

import pytest
from PyQt6.QtGui import QPalette
from PyQt6.QtWidgets import QApplication

from thumbd_gallery.palette import DARK, LIGHT, Palette
from thumbd_gallery.stylesheet import stylesheet
from thumbd_gallery.theme import Mode, Theme, contrast

both = pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])


@both
@pytest.mark.parametrize("ground", ["surface", "raised", "tint", "stage"])
@pytest.mark.parametrize("role", ["text", "muted"])
def test_text_is_legible_wherever_it_stands(palette: Palette, role: str, ground: str) -> None:
    assert contrast(getattr(palette, role), getattr(palette, ground)) >= 4.5


@both
@pytest.mark.parametrize("ground", ["surface", "raised", "stage"])
@pytest.mark.parametrize("role", ["accent", "good", "warn", "muted"])
def test_signs_and_rings_are_seen(palette: Palette, role: str, ground: str) -> None:
    assert contrast(getattr(palette, role), getattr(palette, ground)) >= 3


@both
def test_black_and_white_art_are_both_seen_on_the_card(palette: Palette) -> None:
    assert contrast(palette.card, "#000000") >= 3
    assert contrast(palette.card, "#ffffff") >= 3


@both
def test_selected_looks_other_than_not_selected(palette: Palette) -> None:
    assert contrast(palette.accent, palette.tint) >= 3
    assert palette.tint != palette.surface


@both
def test_the_style_sheet_uses_every_name_it_knows(palette: Palette) -> None:
    assert "$" not in stylesheet(palette)
    assert palette.raised in stylesheet(palette)


def test_a_forced_theme_stays_whatever_the_system_says(qapp: QApplication) -> None:
    theme = Theme(qapp, Mode.LIGHT)
    assert theme.palette is LIGHT
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == LIGHT.surface
    assert Theme(qapp, Mode.DARK).palette is DARK
