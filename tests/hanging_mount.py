"""A FUSE mount that hangs when told to (what ``chaos/hanging_fs.py`` does), for tests and benchmarks."""

import os
import subprocess
import sys
from pathlib import Path

from thumbd_home import wait_for

_PROGRAM = Path(__file__).parent / "chaos" / "hanging_fs.py"


class HangingMount:
    """`mount`, below a folder that is there; it shows what `add` was told."""

    def __init__(self, root: Path) -> None:
        self._source, self.mount = root / "source", root / "mount"
        self._source.mkdir()
        self.mount.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(self.mount), str(self._source)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: os.path.ismount(self.mount), "the mount")

    def add(self, content: bytes, *names: str) -> None:
        """Files with this content; ``hanging_fs`` says which names hang, and in what."""
        for name in names:
            target = self._source / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)

    def hang(self) -> None:
        (self._source / ".hang").touch()

    def answer(self) -> None:
        (self._source / ".hang").unlink(missing_ok=True)

    def close(self) -> None:
        self.answer()
        subprocess.run(["fusermount3", "-u", "-z", str(self.mount)], check=False, stderr=subprocess.DEVNULL)
        self._process.wait(10)
