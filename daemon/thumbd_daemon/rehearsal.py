"""What a renderer is started with, and a trial of it: does the sandbox hold on this machine?"""

import subprocess
import sys
from typing import Final

import msgspec

from .cage.parts import Lack
from .records import Terms
from .settings import Settings

#: Address space that a renderer may take beyond its resident memory, bytes: libraries, arenas, what is mapped but never
#: touched.
_NOT_RESIDENT: Final = 512 << 20
#: A start takes a quarter of a second.
_PATIENCE_S: Final = 30.0


def terms(settings: Settings) -> str:
    """A renderer's last argument. The processor time is a backstop for the day when the daemon itself stands still:
    deadlines are the daemon's."""
    return msgspec.json.encode(
        Terms(
            settings.most_pixels,
            settings.memory_of_one,
            settings.renderer_memory + _NOT_RESIDENT,
            round(settings.renderer_age_s + settings.task_most_s),
            settings.sandbox,
        )
    ).decode()


def rehearse(settings: Settings) -> list[Lack]:
    """Have a process lock itself in as a renderer would; what its cage lacks. Raises OSError with a sentence where it
    can't say."""
    command = [sys.executable, "-m", "thumbd_daemon.renderer", "--check", terms(settings)]
    try:
        done = subprocess.run(command, capture_output=True, cwd="/", timeout=_PATIENCE_S, check=False)
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[Lack])  # above it, what it complains of
    except (subprocess.TimeoutExpired, msgspec.MsgspecError, IndexError) as error:
        raise OSError(f"the sandbox can't be tried: {error}") from error
    words = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
    raise OSError(f"the sandbox can't be tried: {words[-1] if words else f'status {done.returncode}'}")
