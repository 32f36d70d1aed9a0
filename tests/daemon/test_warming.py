"""What a renderer decodes before it locks itself in: each codec once, and whether it still can afterwards."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import AvifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, features

from thumbd_daemon.renderer import recipe, warming
from thumbd_daemon.renderer.guards import USUAL
from thumbd_daemon.renderer.recipe import CannotRender, Picture, render
from thumbd_daemon.renderer.warming import BrokenDecoder, Warmth

#: Formats that Pillow will drop some day are samples as long as it has them.
pytestmark = pytest.mark.filterwarnings("ignore:.* image format is deprecated:DeprecationWarning")
SAMPLES = sorted(Path(warming.__file__).with_name("samples").iterdir())


@pytest.fixture(autouse=True)
def _pillow_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a warm renderer changes in Pillow is changed back."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", AvifImagePlugin.DEFAULT_MAX_THREADS)


@pytest.fixture
def warmth() -> Warmth:
    return Warmth(USUAL)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_is_a_picture(sample: Path) -> None:
    picture = render(io.BytesIO(sample.read_bytes()), 12)
    assert isinstance(picture, Picture)
    assert max(picture.width, picture.height) <= 12
    assert len(set(picture.rows)) > 1


def seen() -> Iterator[tuple[str, str, dict[Any, Any]]]:
    """Format, mode and further facts of each sample."""
    for sample in SAMPLES:
        with Image.open(sample) as image:
            yield image.format or "", image.mode, image.info


def test_every_format_with_a_library_of_its_own_has_a_sample() -> None:
    libraries = {
        "JPEG": "jpg",
        "JPEG2000": "jpg_2000",
        "PNG": "zlib",
        "TIFF": "libtiff",
        "WEBP": "webp",
        "AVIF": "avif",
    }
    assert {name for name, library in libraries.items() if features.check(library)} <= {name for name, *_ in seen()}


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("JPEG", {"L", "RGB", "CMYK"}),
        ("PNG", {"P", "RGBA", "I;16"}),
        ("WEBP", {"RGB", "RGBA"}),
        ("AVIF", {"RGB", "RGBA"}),
        ("JPEG2000", {"RGB", "RGBA"}),
        ("TIFF", {"1", "RGB", "F", "LAB"}),
    ],
)
def test_a_library_is_led_through_each_of_its_ways(name: str, modes: set[str]) -> None:
    assert {mode for form, mode, _info in seen() if form == name} >= modes


def test_jpeg_is_decoded_both_ways_and_with_colour_profiles() -> None:
    infos = [info for form, _mode, info in seen() if form == "JPEG"]
    assert {bool(info.get("progressive")) for info in infos} == {True, False}
    assert any(info.get("icc_profile") for info in infos)


#: The same codec as another's, or none.
_LIKE_OTHERS = {"tiff_ccitt": "group3", "tiff_raw_16": "raw", "tiff_deflate": "tiff_adobe_deflate", "tiff_jpeg": "jpeg"}


def compressions_here() -> set[str]:
    """What this machine's libtiff can write: what it can read as well."""
    found = set()
    for name in TiffImagePlugin.COMPRESSION_INFO.values():
        try:
            Image.new("1", (8, 8)).save(io.BytesIO(), "TIFF", compression=name)
        except (OSError, ValueError):
            continue
        found.add(_LIKE_OTHERS.get(name, name))
    return found


def test_every_compression_of_tiff_that_can_be_made_here_has_a_sample() -> None:
    here = compressions_here()
    assert {"group4", "tiff_lzw", "tiff_adobe_deflate"} <= here
    assert {info["compression"] for form, _mode, info in seen() if form == "TIFF"} >= here - {"webp"}


def test_what_comes_out_as_before_is_well(warmth: Warmth) -> None:
    warmth.check()


def test_a_decoder_that_is_refused_something_is_broken(warmth: Warmth, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Image.Image) -> NoReturn:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", refused)
    with pytest.raises(BrokenDecoder, match=r"alpha\.png can't be decoded any more: no_sandbox: .*not permitted"):
        warmth.check()


def test_a_decoder_that_says_the_file_is_bad_is_broken_too(warmth: Warmth, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(self: Image.Image) -> NoReturn:
        raise SyntaxError("bad tile")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", bad)
    with pytest.raises(BrokenDecoder, match=r"\.tif can't be decoded any more: decode_error"):
        warmth.check()


def test_pixels_that_come_out_differently_are_noticed(warmth: Warmth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "to_srgb", lambda image, _profile: image.point(lambda value: value ^ 1))
    with pytest.raises(BrokenDecoder, match="it comes out differently"):
        warmth.check()


def test_what_could_not_be_decoded_before_need_not_be_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    # A Pillow without a library: nobody's files are worse off behind the door.
    def absent(self: Image.Image) -> NoReturn:
        raise CannotRender("unsupported", "no decoder for it")

    monkeypatch.setattr(AvifImagePlugin.AvifImageFile, "load", absent)
    warmth = Warmth(USUAL)
    warmth.check()
    monkeypatch.undo()
    with pytest.raises(BrokenDecoder, match=r"\.avif"):
        warmth.check()


def test_every_format_that_is_advertised_has_its_plugin_once_warm() -> None:
    """In a process of its own: in this one, tests have imported all of Pillow."""
    code = """
from thumbd_daemon.renderer import guards, recipe, warming
from PIL import Image
warming.Warmth(guards.USUAL)
missing = [name for name in recipe.FORMATS if name not in Image.OPEN]
assert not missing, missing
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
