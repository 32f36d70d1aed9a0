"""Children of a daemon that has many descriptors open: what they are handed has numbers that select(2) does not take."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from lone_renderer import LoneRenderer, settings
from thumbd_daemon import records
from thumbd_daemon.records import Ping, Pong, Rendered
from thumbd_daemon.settings import Sandbox

from .children import ScoutTalk
from .pixels import gradient, saved

#: select(2) takes descriptors below this one.
FD_SETSIZE = 1024


@pytest.fixture
def crowded() -> Iterator[None]:
    """Whatever this process opens now has a number that is too high for select(2)."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 2 * FD_SETSIZE
    if before[1] != resource.RLIM_INFINITY and before[1] < enough:
        pytest.skip(f"no process may have {enough} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, before[1]))
    held = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    try:
        while held[-1] < FD_SETSIZE:
            held.append(os.dup(held[0]))
        yield
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("module", "kinds"),
    [
        ("thumbd_daemon.scout", records.FromScout),
        ("thumbd_daemon.scout.watcher", records.FromWatcher),
    ],
)
def test_a_scout_of_a_daemon_with_a_thousand_connections_answers(crowded: None, module: str, kinds: object) -> None:
    with ScoutTalk(module, kinds) as talk:
        talk.set_up()
        talk.say(Ping(7))
        assert talk.hear() == Pong(7)


def test_a_sentinel_of_a_daemon_with_a_thousand_connections_answers(crowded: None) -> None:
    with ScoutTalk("thumbd_daemon.sentinel", records.FromSentinel) as talk:
        assert isinstance(talk.hear(), records.Ready)
        talk.say(Ping(7))
        assert talk.hear() == Pong(7)


@pytest.mark.parametrize("sandbox", [Sandbox.AUTO, Sandbox.OFF])
def test_a_renderer_of_a_daemon_with_a_thousand_connections_renders(
    crowded: None, tmp_path: Path, sandbox: Sandbox
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(saved(gradient((640, 480)), "PNG").getvalue())
    renderer = LoneRenderer(settings(sandbox))
    try:
        assert isinstance(renderer.render(os.fsencode(picture), 128, 30.0).end, Rendered)
    finally:
        renderer.close()
