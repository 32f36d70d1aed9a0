"""Who touches what, as the kernel sees it: strace for every process, /proc for what a renderer holds."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def traced(folder: Path) -> dict[str, str]:
    """The traces of a run by role: daemon, scout, renderer."""
    roles = {"daemon": "", "scout": "", "renderer": ""}
    for trace in folder.glob("trace.*"):
        text = trace.read_text(errors="replace")
        started = [line for line in text.splitlines() if line.startswith("execve(") and line.endswith("= 0")]
        line = started[-1] if started else ""
        role = (
            "scout" if "thumbd_daemon.scout" in line else "renderer" if "thumbd_daemon.renderer" in line else "daemon"
        )
        roles[role] += text
    return roles


def test_only_scouts_open_list_or_look_at_a_users_files(home: Home) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    for number in range(10):
        Image.new("RGB", (900, 600), "olive").save(home.pictures / f"picture-{number}.jpg")
    traces = home.root / "traces"
    traces.mkdir()
    # -ff writes a file for each thread; %file and the *at calls name every path that is looked at.
    command = ["strace", "-ff", "-qq", "-s", "300", "-e", "trace=%file,getdents64", "-o", str(traces / "trace")]
    daemon = subprocess.Popen([*command, sys.executable, "-m", "thumbd_daemon"], env=home.environ)
    try:
        wait_for(home.socket.exists, "the daemon's socket")
        result = home.render(home.pictures)
        assert result.summary["ready"] == 10
    finally:
        home.ctl("stop")
        daemon.wait(30)
    roles = traced(traces)
    assert roles["scout"].count("picture-") >= 20, "the traces do not show what they should"
    for role in ("daemon", "renderer"):
        assert roles[role]
        assert str(home.pictures) not in roles[role]
        assert "picture-" not in roles[role]
    # Renderers write no file either: thumbnails are the scouts' work.
    assert str(home.cache) not in roles["renderer"]


def test_the_gallery_opens_thumbnails_and_no_file_of_the_users(home: Home) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    for number in range(10):
        Image.new("RGB", (900, 600), "olive").save(home.pictures / f"picture-{number}.jpg")
    home.daemon()
    traces = home.root / "traces"
    traces.mkdir()
    # A file for each thread: in one, calls that are under way at the same time are torn into two lines.
    options = ["-ff", "-qq", "-s", "300", "-e", "trace=%file", "-o", str(traces / "trace")]
    command = ["strace", *options, sys.executable, "-m", "thumbd_gallery", str(home.pictures)]
    gallery = subprocess.Popen(command, env=home.environ | {"QT_QPA_PLATFORM": "offscreen"}, start_new_session=True)
    try:
        # Every thumbnail is read by the window, once it is there.
        wait_for(lambda: _thumbnails_read(traces) == 10, "ten thumbnails read by the window")
    finally:
        os.killpg(gallery.pid, signal.SIGTERM)
        gallery.wait(20)
    looked_at = [line for line in _lines(traces) if not line.startswith("execve(")]
    assert not [line for line in looked_at if "picture-" in line]
    assert not [line for line in looked_at if f'"{home.pictures}' in line]


def _lines(traces: Path) -> list[str]:
    return [line for trace in traces.iterdir() for line in trace.read_text(errors="replace").splitlines()]


def _thumbnails_read(traces: Path) -> int:
    opened = (
        re.match(r'openat\(AT_FDCWD, "([^"]*/thumbnails/[^"]*[.]png)".*= [0-9]+$', line) for line in _lines(traces)
    )
    return len({match[1] for match in opened if match})


def test_a_renderer_holds_only_what_it_was_handed(home: Home) -> None:
    Image.new("RGB", (900, 600), "olive").save(home.pictures / "a.jpg")
    home.daemon()
    assert home.render(home.pictures).status == 0
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    for pid in home.workers("renderer"):
        held = {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")}
        # Standard streams, its control socket and intake, and the slot (a mapping keeps a descriptor of its own).
        assert held <= {"/dev/null", "pipe", "socket", "/memfd"}
        paths = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert os.fsencode(home.pictures) not in paths


def test_a_slot_cannot_be_resized_by_whoever_holds_it(home: Home) -> None:
    home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    (daemon,) = home.daemon_pids()
    held = (Path(f"/proc/{daemon}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon}/fd"))
    slots = [path for path in held if "memfd:thumbd-slot" in os.readlink(path)]
    assert len(slots) == 2
    for path in slots:
        with path.open("r+b") as slot:
            assert os.fstat(slot.fileno()).st_size == 24 << 20
            for size in (0, 48 << 20):
                with pytest.raises(PermissionError):
                    os.ftruncate(slot.fileno(), size)


def test_the_daemon_holds_no_descriptor_of_a_users_file(home: Home) -> None:
    for number in range(30):
        Image.new("RGB", (1500, 1000), "olive").save(home.pictures / f"{number}.jpg")
    daemon = home.daemon()
    command = home.start("thumbd_client", "render", str(home.pictures))
    while command.poll() is None:
        for fd in os.listdir(f"/proc/{daemon.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{daemon.pid}/fd/{fd}")
            except FileNotFoundError:
                continue  # closed since it was listed
            assert not target.startswith(str(home.pictures))
    assert command.wait() == 0


def test_a_renderer_is_humble_and_the_first_to_go(home: Home) -> None:
    home.daemon()
    wait_for(lambda: len(home.workers("renderer")) >= 2, "two renderers")
    wait_for(lambda: home.ctl("health", "--json").object["workers"][-1]["state"] == "ready", "all are set up")
    for pid in home.workers("renderer"):
        process = psutil.Process(pid)
        assert process.nice() == 5
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "800"
        assert process.rlimit(psutil.RLIMIT_AS) == (2 << 30, 2 << 30)
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (32, 32)
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert os.getsid(pid) == pid
    for pid in home.workers("scout"):
        assert psutil.Process(pid).nice() == 0
