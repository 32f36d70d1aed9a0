"""What a renderer may use, set by itself before it says that it is ready."""

import os
import resource
import sys
from typing import Final

#: Address space, bytes: the largest honest picture that is decoded whole (about 250 MP RGB) with room for the rest.
ADDRESS_SPACE: Final = 2 << 30
#: Descriptors: standard ones, control, intake, slot, a source, and what libraries open for themselves.
OPEN_FILES: Final = 32
#: A renderer is the first to go when memory runs out (0..1000), and never in the way of who uses the machine.
OOM_SCORE: Final = 800
NICE: Final = 5


def become_humble() -> None:
    """Set limits, niceness and the kernel's preference for killing; what can't be set is said on stderr."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.nice(NICE)
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write(str(OOM_SCORE))
    except OSError as error:
        print(f"nice and OOM score can't be set: {error}", file=sys.stderr)  # noqa: T201
