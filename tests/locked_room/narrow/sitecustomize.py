"""Decoders that want a file of the system for each picture, which no sample of ours could foresee, until a file tells
that it was mended."""

import os
import sys
from typing import Any

if "thumbd_daemon.renderer" in sys.orig_argv and not os.path.exists(
    os.path.join(os.environ["PYTHON_TEST_HOME"], "mended")
):
    from thumbd_daemon.renderer import recipe

    fit = recipe.fit

    def wanting(*given: Any, **named: Any) -> Any:
        with open("/proc/cpuinfo", "rb"):
            return fit(*given, **named)

    recipe.fit = wanting
