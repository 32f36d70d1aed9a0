"""What ``thumbctl doctor`` says of the sandbox: the running daemon's own word, or a trial's."""

import signal
import subprocess
import sys

import pytest
from PIL import Image

from locked_room.stand_ins import instead_of_real_ones
from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e


def sandbox(home: Home) -> str:
    """What the doctor finds."""
    lines = home.ctl("doctor").out.splitlines()
    (line,) = [line for line in lines if line[4:].strip().startswith("sandbox")]
    return line.partition("sandbox")[2].strip()


def render_one(home: Home) -> None:
    Image.new("RGB", (64, 48), "teal").save(home.pictures / "a.jpg")
    assert home.render(home.pictures).summary["ready"] == 1


def test_a_daemon_that_does_without_the_sandbox_is_asked_before_the_machine_is_praised(home: Home) -> None:
    home.daemon("--no-sandbox")
    render_one(home)
    # Nothing is kept from it: there is no remedy to be told.
    assert sandbox(home) == (
        "the daemon's renderers: off: without Landlock and seccomp: it is switched off (--no-sandbox);"
        " scouts without Landlock and seccomp: it is switched off (--no-sandbox)"
    )


@pytest.fixture
def full() -> None:
    """Skips where renderers can't be locked in wholly."""
    check = [sys.executable, "-m", "thumbd_daemon", "--check-sandbox"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    if done.stdout.strip() != "full":
        pytest.skip(f"renderers are not wholly locked in here: {done.stdout or done.stderr}")


def test_the_daemon_and_the_trial_say_the_same_of_a_machine_that_has_all_it_takes(home: Home, full: None) -> None:
    assert sandbox(home) == "full: renderers can open, send and start nothing"
    home.daemon()
    render_one(home)
    assert sandbox(home) == "the daemon's renderers: full: renderers can open, send and start nothing"


@pytest.mark.parametrize("runs", [True, False], ids=["with a daemon", "without one"])
def test_where_the_kernel_is_kept_from_it_the_remedy_is_told(home: Home, runs: bool) -> None:
    instead_of_real_ones(home, "lacking")
    if runs:
        home.daemon()
        render_one(home)
    found = sandbox(home)
    assert found.startswith("the daemon's renderers: off" if runs else "off")
    assert "seccomp" in found
    assert found.endswith("; in a container, allow it these system calls")


def test_of_a_daemon_whose_renderers_do_not_start_a_trial_tells(home: Home, full: None) -> None:
    instead_of_real_ones(home, "untried")
    home.daemon("--require-sandbox")
    wait_for(lambda: home.ctl("health", "--json").object["crash_loop"], "a crash loop")
    assert sandbox(home).startswith("the daemon has no renderer yet; a trial: full")


def test_a_daemon_that_stands_still_is_not_waited_for(home: Home) -> None:
    daemon = home.daemon()
    daemon.send_signal(signal.SIGSTOP)
    try:
        assert not sandbox(home).startswith("the daemon's")
    finally:
        daemon.send_signal(signal.SIGCONT)
