"""``make run``: the gallery on a folder; where no window can be opened, the same folder in the terminal.

Without an argument the folder is ~/Pictures, or sample pictures that are made on the spot.
"""

import os
import subprocess
import sys
from pathlib import Path

from make_samples import make_samples
from thumbd_client.qtprobe import try_window


def folder(arguments: list[str]) -> str:
    """The folder to show."""
    if arguments and arguments[0]:
        return arguments[0]
    pictures = Path.home() / "Pictures"
    if pictures.is_dir():
        return str(pictures)
    samples = Path(__file__).resolve().parent.parent / "sample-pictures"
    if not samples.is_dir():
        print(f"There is no {pictures}: making some sample pictures in {samples}")
        make_samples(samples)
    return str(samples)


def main() -> None:
    """Open the window, or say why not and render here."""
    target = os.path.expanduser(folder(sys.argv[1:]))
    why = try_window()
    if why is None:
        os.execv(sys.executable, [sys.executable, "-m", "thumbd_gallery", target])
    print(f"No window: {why}\nRendering {target} here instead.", flush=True)
    done = subprocess.run([sys.executable, "-m", "thumbd_client", "render", target], check=False)
    # That a picture is broken is told above; it is no failure of make.
    sys.exit(0 if done.returncode == 1 else done.returncode)


main()
