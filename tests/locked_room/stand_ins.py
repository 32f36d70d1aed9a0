"""Having the children of a home begin with what a folder of this one holds, before anything of thumbd."""

import os
from pathlib import Path

from thumbd_home import Home

_HERE = Path(__file__).parent


def instead_of_real_ones(home: Home, folder: str) -> None:
    """Have the children of `home` begin with the ``sitecustomize.py`` of `folder`."""
    paths = [str(_HERE / folder), str(_HERE.parent), os.environ.get("PYTHONPATH", "")]
    home.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
