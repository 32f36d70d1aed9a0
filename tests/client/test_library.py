"""The library as others use it: the examples run, and the page shows them as they are."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import thumbd_client
from thumbd_home import Home, wait_for

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("watch_folder", "watch_folder_async")


def test_the_page_shows_the_examples_as_they_are() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(), re.DOTALL)
    assert shown == [(ROOT / "examples" / f"{name}.py").read_text() for name in EXAMPLES]


def test_every_public_name_is_there_and_no_other() -> None:
    for name in thumbd_client.__all__:
        assert name == "Event" or getattr(thumbd_client, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(thumbd_client, "nothing")  # noqa: B009 - a name that mypy would refuse


def test_loading_the_package_loads_no_socket() -> None:
    script = "import sys, thumbd_client; print([m for m in sys.modules if m in ('zmq', 'asyncio', 'msgpack')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.e2e
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_tells_what_a_folder_holds_and_what_changes(home: Home, name: str) -> None:
    home.daemon()
    (home.pictures / "a.jpg").touch()
    (home.pictures / "below").mkdir()
    with (home.root / "out").open("wb") as out:
        example = subprocess.Popen(
            [sys.executable, ROOT / "examples" / f"{name}.py", home.pictures], env=home.environ, stdout=out, stderr=out
        )
    try:

        def told(text: str) -> None:
            wait_for(lambda: text in (home.root / "out").read_text(), text, 20)

        told("image b'a.jpg'")
        told("folder b'below'")
        (home.pictures / "b.jpg").touch()
        told("added [b'b.jpg']")
        os.rename(home.pictures / "b.jpg", home.pictures / "c.jpg")
        told("renamed [(b'b.jpg', b'c.jpg')]")
        (home.pictures / "c.jpg").unlink()
        told("removed [b'c.jpg']")
    finally:
        example.send_signal(signal.SIGINT)
        assert example.wait(10) != 0  # KeyboardInterrupt
