"""From an open file to a small picture: what a person would see."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from thumbd_daemon.renderer.recipe import fit, render, sub_filtered

from .pixels import gradient, mean, opened, saved, thumbnail


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures of one size are apart on average, 0..255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return sum(stat.mean) / 3


# -- sizes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "edge", "fitted"),
    [
        ((4000, 3000), 256, (256, 192)),
        ((3000, 4000), 256, (192, 256)),
        ((256, 256), 256, (256, 256)),
        ((1, 1), 256, (1, 1)),
        ((255, 3), 256, (255, 3)),
        ((20_000, 1000), 128, (128, 6)),
        ((20_000, 20), 128, (128, 1)),
        ((1, 20_000), 128, (1, 128)),
    ],
)
def test_a_picture_fits_its_square_and_is_never_enlarged(
    size: tuple[int, int], edge: int, fitted: tuple[int, int]
) -> None:
    assert fit(size, edge) == fitted


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_tiny_picture_stays_as_it_is(kind: str) -> None:
    picture = render(saved(gradient((16, 12)), kind), 256)
    assert (picture.width, picture.height) == (picture.original_width, picture.original_height) == (16, 12)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_panorama_is_still_a_pixel_high(kind: str) -> None:
    picture = render(saved(gradient((4000, 10)), kind), 128)
    assert (picture.width, picture.height) == (128, 1)
    assert (picture.original_width, picture.original_height) == (4000, 10)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_ratio_and_the_look_are_kept(kind: str) -> None:
    image = gradient((1500, 1000))
    picture = render(saved(image, kind), 256)
    assert (picture.width, picture.height) == (256, 171)
    assert (picture.original_width, picture.original_height, picture.format) == (1500, 1000, kind)
    assert difference(opened(picture), image.resize((256, 171))) < 5


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_sub_filtered_rows_are_undone_by_adding_up(mode: str) -> None:
    image = gradient((7, 5)).convert(mode)
    rows, channels = sub_filtered(image), len(image.getbands())
    whole = bytearray(rows)
    for at in range(len(whole)):
        if at % (7 * channels) >= channels:
            whole[at] = (whole[at] + whole[at - channels]) % 256
    assert bytes(whole) == image.tobytes()


# -- orientation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_the_eight_orientations_look_alike_and_upright(corpus: Path, shape: str) -> None:
    folder = corpus / "orientation"
    upright = render(io.BytesIO((folder / f"{shape}_1.jpg").read_bytes()), 256)
    assert (upright.width > upright.height) is (shape == "Landscape")
    for number in range(9):
        picture = render(io.BytesIO((folder / f"{shape}_{number}.jpg").read_bytes()), 256)
        assert (picture.width, picture.height) == (upright.width, upright.height), number
        assert (picture.original_width, picture.original_height) == (upright.original_width, upright.original_height)
        # The digit on each is another; all else is the same.
        assert difference(opened(picture), opened(upright)) < 12, number


def marked() -> Image.Image:
    """A picture with a red corner, top left."""
    image = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 40, 40), fill="red")
    return image


_HOW_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_corner_is_where_it_belongs_in_every_format_that_can_be_turned(kind: str, orientation: int) -> None:
    how = _HOW_STORED[orientation]
    stored = marked() if how is None else marked().transpose(how)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = render(saved(stored, kind, exif=exif), 64)
    assert (picture.original_width, picture.original_height) == (200, 100)
    assert difference(opened(picture), marked().resize((64, 32))) < 8


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert difference(thumbnail(saved(marked(), "JPEG", exif=exif), 64), marked().resize((64, 32))) < 8


# -- odd pixels -------------------------------------------------------------------------------------------------


def test_a_16_bit_picture_keeps_its_greys() -> None:
    ramp = Image.linear_gradient("L").convert("I").point(lambda value: value * 257).convert("I;16")
    for kind in ("PNG", "TIFF"):
        small = thumbnail(saved(ramp, kind))
        assert small.mode == "L"
        assert 118 < mean(small) < 138, kind
        low, high = small.getextrema()
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        assert low < 10
        assert high > 245


def test_a_16_bit_grey_map_of_the_other_byte_order_keeps_its_greys() -> None:
    pixels = b"".join((value * 257).to_bytes(2, "big") for value in range(256)) * 64
    assert 118 < mean(thumbnail(io.BytesIO(b"P5 256 64 65535\n" + pixels))) < 138


@pytest.mark.parametrize("top", [1.0, 255.0, 100_000.0])
def test_a_float_picture_is_neither_black_nor_white(top: float) -> None:
    ramp = Image.linear_gradient("L").convert("F").point(lambda value: value * (top / 255.0) + 0.0)
    assert 110 < mean(thumbnail(saved(ramp, "TIFF"))) < 145


def test_a_picture_of_one_value_in_float_is_made_without_a_fault() -> None:
    assert thumbnail(saved(Image.new("F", (300, 300), 7.0), "TIFF")).size == (128, 128)


def test_a_bilevel_scan_becomes_grey_not_jagged() -> None:
    scan = Image.new("1", (800, 800), 1)
    draw = ImageDraw.Draw(scan)
    for at in range(0, 800, 8):
        draw.line((at, 0, at, 800), fill=0, width=2)
    small = thumbnail(saved(scan, "PNG"))
    assert small.mode == "L"
    assert 150 < mean(small) < 220
    histogram = small.histogram()
    assert sum(histogram[30:226]) > 0.9 * sum(histogram)


def test_a_palette_with_transparency_keeps_both_without_dark_fringes() -> None:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((50, 50, 350, 350), fill=(255, 220, 0, 255))
    for kind in ("PNG", "GIF"):
        small = thumbnail(saved(image.quantize(16) if kind == "PNG" else image, kind))
        assert small.mode == "RGBA"
        assert small.getpixel((0, 0))[3] == 0  # type: ignore[index]
        red, green, blue, alpha = small.getpixel((64, 64))  # type: ignore[misc]
        assert alpha == 255
        assert red > 230
        assert green > 190
        assert blue < 40
        for x in range(128):
            red, green, blue, alpha = small.getpixel((x, 64))  # type: ignore[misc]
            assert alpha < 40 or red > 150, f"a dark fringe at {x}"


def test_a_palette_without_transparency_is_plain_colour() -> None:
    small = thumbnail(saved(gradient((300, 200)).quantize(64), "PNG"))
    assert small.mode == "RGB"
    assert difference(small, gradient((128, 85))) < 12


def test_a_cmyk_picture_is_neither_black_nor_white_nor_inverted() -> None:
    image = gradient((300, 200))
    small = thumbnail(saved(image.convert("CMYK"), "JPEG"))
    assert small.mode == "RGB"
    assert difference(small, image.resize(small.size)) < 12


def test_a_lab_picture_becomes_colour() -> None:
    small = thumbnail(saved(Image.new("LAB", (300, 200), (200, 128, 128)), "TIFF"))
    assert small.mode == "RGB"
    assert 150 < mean(small) < 230


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_plain_modes_stay_what_they_are(mode: str) -> None:
    assert thumbnail(saved(gradient((300, 200)).convert(mode), "PNG")).mode == mode


def test_a_profile_changes_the_colours_and_leaves_the_alpha() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = gradient((300, 200)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((300, 200)))
    plain = thumbnail(saved(image, "PNG"))
    managed = thumbnail(saved(image, "PNG", icc_profile=profile))
    assert difference(plain, managed) < 3
    assert managed.getchannel("A").tobytes() == plain.getchannel("A").tobytes()


@pytest.mark.parametrize("profile", [b"x", b"\0" * 200, b"no profile at all" * 10])
def test_a_broken_profile_is_no_reason_to_refuse_a_picture(profile: bytes) -> None:
    assert thumbnail(saved(gradient((300, 200)), "PNG", icc_profile=profile)).size == (128, 85)


def test_an_animation_is_shown_by_its_first_frame() -> None:
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "blue")]
    small = thumbnail(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert small.convert("RGB").getpixel((64, 64)) == (255, 0, 0)
