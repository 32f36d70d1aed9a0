"""Several windows as processes of their own, each with its own zmq context: a shared one would hide what is lost."""

import json
import os
from pathlib import Path

import pytest

from conformance.pictures import slow, small
from thumbd_home import Home

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("together", [True, False])
def test_windows_in_processes_of_their_own_are_each_told_everything(home: Home, folder: Path, together: bool) -> None:
    """Each accepted item reaches exactly one final state, told to each session that asked for it, in one batch or each its own."""
    paths = small(folder, 200) + slow(folder, 4)
    tests = str(Path(__file__).parent.parent)
    python_path = os.pathsep.join([tests, home.environ.get("PYTHONPATH", "")])
    windows = [
        home.start("conformance.window_process", str(home.socket), os.fsdecode(folder),
                   f"{folder.name}-{0 if together else number}", mode, PYTHONPATH=python_path)
        for number, mode in enumerate(["submit", "submit", "folder"])
    ]  # fmt: skip
    seen = []
    for window in windows:
        assert window.wait(100) == 0, home.output(window)[1]
        seen.append(json.loads(home.output(window)[0]))
    for each in seen:
        assert (each["names"], each["ready"], each["told"], each["dones"]) == (len(paths), len(paths), len(paths), 1)
        assert each["states"] == ["ready"]
    assert len({each["epoch"] for each in seen}) == 1
    assert len({each["session"] for each in seen}) == 3
    assert len({tuple(each["thumbnails"]) for each in seen}) == 1
