"""The cage costs no format: the same outcomes with and without it, and a harness that would notice."""

import os
import shutil
from pathlib import Path

import pytest

from lone_renderer import settings
from sandbox_diff import compare, denials, files_below
from thumbd_daemon.cage.parts import breaches, in_words
from thumbd_daemon.formats import MIME
from thumbd_daemon.rehearsal import rehearse
from thumbd_daemon.settings import Sandbox

pytestmark = pytest.mark.e2e

#: One of each format, decoder and mode.
_READY = """
    avif/hopper.avif avif/transparency.avif blp/blp1_jpeg.blp blp/blp2_dxt1a.blp bmp/b/badplanes.bmp mask_1.cur
    deerstalker.cur hopper.dcx bc4_typeless.dds uncompressed_la.dds zero_mask_totals.dds
    dxt5-colorblock-alpha-issue-4142.dds clipboard.dib hopper.fits hopper.fli ftex_uncompressed.ftu ftex_dxt1.ftc gbr.gbr
    no_palette_with_transparency.gif comment_after_only_frame.gif pillow2.icns black_and_white.ico hopper.im
    bw_gradient.imt icc-after-SOF.jpg app13.jpg comment.jp2 rgb_trns_ycbc.j2k ignore_frame_size.mpo hopper.msp
    hopper.pcd pil184.pcx p_4_planes.pcx hopper.pxr tRNS_null_1x1.png apng/blend_op_over.png imagedraw_polygon_1px_high.png
    hopper_8bit.ppm five_channels.psd rgba.psd hopper.qoi op_index.qoi hopper.bw transparent.sgi hopper.spider
    sunraster.im1 la.tga tga/common/1x1_l_bl_raw.tga separate_planar_extra_samples.tiff anim_frame2.webp hopper.xbm
    hopper.xpm hopper.p7
"""
#: One of each way to fail.
_FAILED = """
    apng/chunk_no_fctl.png png_decompression_dos.png hopper_naxis_zero.fits truncated_end_chunk.png seek_too_large.tif
    unimplemented_dxgi_format.dds unsupported_bitcount.dds bmp/b/badheadersize.bmp decompression_bomb.ico
    00r1_graya_la.jp2 fli_overrun2.bin fli_overflow.fli crash-86214e58da443d2b80820cff9677a38a33dcbbca.tif
    l2rgb_read.bmp decompression_bomb.gif
"""
#: Formats of which the corpus has no picture.
_NOT_THERE = {"MCIDAS"}

#: A renderer that asks for something behind its door where the file's first line says so.
_GREEDY = """
import os, runpy
runpy.run_path({probe!r})
from thumbd_daemon.renderer import recipe
render = recipe.render

def greedy(source, *rest, **named):
    wish = source.readline(100)
    source.seek(0)
    if wish == b"import\\n":
        try:
            import this_is_nowhere
        except ImportError:
            pass
    if wish == b"stat\\n":
        try:
            os.stat("/")
        except OSError as error:
            raise recipe._failure(error)
    if wish == b"die\\n" and os.getppid() < 0:
        os.abort()
    return render(source, *rest, **named)

recipe.render = greedy
"""


@pytest.fixture(scope="module", autouse=True)
def cage() -> None:
    """There is something to compare."""
    missing = breaches(rehearse(settings(Sandbox.AUTO)))
    if missing:
        pytest.skip(f"renderers can't be locked in here: {in_words(missing)}")


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    """A folder whose module Python imports first."""
    probe = Path(__file__).parents[1] / "late_imports" / "sitecustomize.py"
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_GREEDY.format(probe=str(probe)))
    return folder


@pytest.fixture
def wishes(tmp_path: Path) -> Path:
    folder = tmp_path / "wishes"
    folder.mkdir()
    for name in ("import", "stat", "die", "nothing"):
        (folder / name).write_text(f"{name}\n")
    return folder


def test_one_picture_of_each_format_and_one_of_each_failure_end_alike_in_the_cage_and_outside(corpus: Path) -> None:
    ready, failed = _READY.split(), _FAILED.split()
    account = compare(os.fsencode(corpus / "pillow" / name) for name in (*ready, *failed))
    assert account.good, account.as_json()
    assert not account.unsteady
    assert account.files == len(ready) + len(failed)
    formats = {name.removeprefix("ready "): n for name, n in account.outcomes.items() if name.startswith("ready ")}
    assert sum(formats.values()) == len(ready)
    assert {name.upper() for name in formats} == set(MIME) - _NOT_THERE


def test_what_only_the_cage_denies_is_told_as_a_difference_and_a_late_import_by_its_name(
    greedy: Path, wishes: Path
) -> None:
    account = compare(files_below([wishes]), probe=greedy)
    assert not account.good
    assert {path.rpartition(b"/")[2] for path in account.differences} == {b"stat", b"die"}
    assert account.differences[os.fsencode(wishes / "die")][0] == "it was ended by SIGABRT"
    assert account.differences[os.fsencode(wishes / "stat")][0].startswith("no_sandbox: ")
    assert account.late == {"this_is_nowhere": {os.fsencode(wishes / "import")}}
    assert account.outcomes["unsupported"] == 2


def test_links_and_odd_names_are_compared_and_what_is_no_file_is_not(corpus: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/line\nbreak \xff.png"
    with open(odd, "wb") as copy:
        copy.write((corpus / "pillow" / "tRNS_null_1x1.png").read_bytes())
    os.symlink(odd, tmp_path / "link")
    os.symlink("nowhere", tmp_path / "dangling")
    os.mkfifo(tmp_path / "fifo")
    account = compare(files_below([tmp_path]))
    assert account.good
    assert (account.files, account.skipped) == (2, 2)
    assert account.outcomes == {"ready PNG": 2}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian: strace)")
def test_a_call_that_the_cage_denies_is_told_with_its_file(greedy: Path, wishes: Path) -> None:
    found = denials(files_below([wishes]), probe=greedy)
    assert found.pop("getppid EPERM") == {os.fsencode(wishes / "die"): 1}
    assert set(found) <= {"stat EPERM", "newfstatat EPERM", "readlink EPERM", "openat EPERM"}, found
    assert {path for by in found.values() for path in by} == {
        os.fsencode(wishes / "stat"),
        os.fsencode(wishes / "import"),
    }
