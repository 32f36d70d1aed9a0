"""What a renderer may use, set by itself before it decodes anything."""

import os
import resource
import sys
from typing import Final

#: Descriptors: standard ones, control, intake, slot, a source, and what libraries open for themselves.
OPEN_FILES: Final = 32
#: A renderer is the first to go when memory runs out (0..1000), and never in the way of who uses the machine.
OOM_SCORE: Final = 800
NICE: Final = 5


def become_humble(address_space: int, cpu_s: int) -> None:
    """Set limits (bytes of address space, seconds of processor time for the whole life), niceness and the kernel's
    preference for killing; what can't be set is said on stderr."""
    for kind, most in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
    try:
        os.nice(NICE)
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write(str(OOM_SCORE))
    except OSError as error:
        print(f"nice and OOM score can't be set: {error}", file=sys.stderr)  # noqa: T201
