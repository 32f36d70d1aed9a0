"""What the tests of the cage share."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def sandbox() -> str:
    """How well renderers can be locked in on this machine; skips where there is nothing to be proved."""
    command = [sys.executable, "-m", "thumbd_daemon", "--check-sandbox"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"renderers can't be locked in here: {done.stdout or done.stderr}")
    return done.stdout.strip()
