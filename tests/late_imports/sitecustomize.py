"""Tells on stderr when a renderer was locked, and each import that comes to nothing in its cage or would have to look
for a file. Python imports this file first (``sandbox_diff`` puts its folder on the path)."""

import os
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from thumbd_daemon.cage.parts import Lack
from thumbd_daemon.renderer import sandbox


class _Teller:
    """Stands before all finders: whoever comes here has not been imported before."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        os.write(2, f"\nlate import: {name}\n".encode())
        return None


_lock = sandbox.lock


def _lock_and_tell(parent_pid: int) -> list[Lack]:
    lacks = _lock(parent_pid)
    os.write(2, f"\nlocked at {time.time():.6f}\n".encode())
    sys.meta_path.insert(0, _Teller)
    return lacks


if "thumbd_daemon.renderer" in sys.orig_argv:
    sandbox.lock = _lock_and_tell
