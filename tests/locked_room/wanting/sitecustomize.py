"""Decoders that want a file of the system for pictures 641 pixels wide, of which there is no sample, until a file tells
that it was mended."""

import os
import sys
from typing import Any

if "thumbd_daemon.renderer" in sys.orig_argv and not os.path.exists(
    os.path.join(os.environ["PYTHON_TEST_HOME"], "mended")
):
    from thumbd_daemon.renderer import recipe

    fit = recipe.fit

    def wanting(size: tuple[int, int], *given: Any, **named: Any) -> Any:
        if size[0] == 641:
            with open("/proc/cpuinfo", "rb"):
                pass
        return fit(size, *given, **named)

    recipe.fit = wanting
