"""What no thumbnail can be made of: a code for programs, a cause for people."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from thumbd_daemon.renderer import recipe, source
from thumbd_daemon.renderer.recipe import CannotRender, render

from .pixels import gradient, saved


def refused(source: io.BytesIO) -> CannotRender:
    with pytest.raises(CannotRender) as caught:
        render(source, 128)
    assert str(caught.value)
    return caught.value


def test_a_truncated_jpeg_is_a_decode_error_with_its_cause() -> None:
    whole = saved(gradient((800, 600)), "JPEG").getvalue()
    error = refused(io.BytesIO(whole[: len(whole) // 2]))
    assert error.code == "decode_error"
    assert "truncated" in str(error)


@pytest.mark.parametrize("content", [b"", b"this is a text", b"\xff\xd8\xff\xe0", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_unsupported(content: bytes) -> None:
    assert refused(io.BytesIO(content)).code == "unsupported"


def test_a_picture_of_too_many_pixels_is_too_big_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as a renderer sets it
    header = b"P5 20000 20000 255\n"
    error = refused(io.BytesIO(header))
    assert error.code == "too_big"
    assert "400 megapixels" in str(error)


def test_a_cause_is_one_line_however_the_decoder_puts_it() -> None:
    whole = saved(gradient((800, 600)), "PNG").getvalue()
    error = refused(io.BytesIO(whole[:300]))
    assert error.code == "decode_error"
    assert "\n" not in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOTCONN])
def test_a_file_that_the_kernel_can_not_read_to_its_end_is_unreadable_and_not_broken(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise((900, 900), 99).save(path)
    fd = os.open(path, os.O_RDONLY)
    preadv = os.preadv

    def torn(fd: int, buffers: list[Any], place: int) -> int:
        if place > 65_536:
            raise OSError(number, os.strerror(number))
        return preadv(fd, buffers, place)

    monkeypatch.setattr(os, "preadv", torn)
    with source.opened(fd, path.stat().st_size) as file, pytest.raises(CannotRender) as failure:
        render(file, 256)
    assert failure.value.code == "unreadable"


def test_a_decoder_that_runs_into_the_sandbox_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanting(*_given: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", "/proc/cpuinfo")

    monkeypatch.setattr(recipe, "fit", wanting)
    with pytest.raises(CannotRender) as failure:
        render(io.BytesIO((Path(recipe.__file__).parent / "samples" / "alpha.png").read_bytes()), 256)
    assert failure.value.code == "no_sandbox"
