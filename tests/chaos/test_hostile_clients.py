"""The short form of ``make hostile``: a client that is broken or means no good costs itself alone."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos_harness import NOBODY
from hostile_harness import Guest, attacking, connected, endless, greeted, idle, nonsense, part
from thumbd_home import Home, wait_for

pytestmark = pytest.mark.e2e

#: For a machine that has more to do than this test; the long form asks for less.
_SOON_MS = 1000


@pytest.fixture
def narrow() -> Iterator[Home]:
    """A home whose processes may have 256 descriptors each."""
    place = Home(descriptors=256)
    try:
        yield place
    finally:
        place.close()


def served(path: Path) -> None:
    """Somebody new is answered."""
    with Guest(path) as guest:
        assert guest.trouble is None


def ends(plain: socket.socket) -> bool:
    """Whether the other side has closed this connection."""
    plain.setblocking(False)
    try:
        while plain.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def test_more_connections_than_descriptors_do_not_end_the_daemon_and_who_was_there_is_served(narrow: Home) -> None:
    daemon = narrow.daemon()
    with Guest(narrow.socket) as guest:
        with attacking("idle", narrow.socket, 400, 0, 0) as crowd:
            assert crowd.stdout is not None
            assert json.loads(crowd.stdout.readline())["there"] == 400
            answered = len(guest.times)
            wait_for(lambda: len(guest.times) > answered + 10 or guest.trouble is not None, "answers in the crowd")
            # They are still there; but who says no hello can't keep others out.
            wait_for(lambda: _gets_in(narrow.socket), "a newcomer beside the crowd")
        served(narrow.socket)
    assert daemon.poll() is None, narrow.output(daemon)[1]
    assert guest.trouble is None
    assert guest.worst() <= _SOON_MS
    assert "no more are taken" in narrow.output(daemon)[1]


def _gets_in(path: Path) -> bool:
    try:
        with greeted(str(path)) as plain:
            return not ends(plain)
    except OSError:
        return False


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_message_without_end_is_cut_off_and_its_memory_comes_back(size: int) -> None:
    report = endless(size)
    assert report.told["seconds"] < 20, "it could go on"
    assert report.trouble is None, "another client was cut off with it"
    assert report.rss_most < report.rss_before + 800, report
    assert report.rss_after < report.rss_before + 10, report
    assert report.guest_ms["max"] <= 2 * _SOON_MS, report


def test_a_message_of_many_large_parts_costs_its_sender_the_connection(home: Home) -> None:
    daemon = home.daemon()
    with greeted(str(home.socket)) as plain, Guest(home.socket) as guest:
        plain.sendall(part(bytes(1_900_000)) * 3 + b"\x00\x00")
        wait_for(lambda: ends(plain), "the end of the connection")
    assert guest.trouble is None
    assert "beyond all bounds" in home.output(daemon)[1]


def test_hundreds_of_idle_connections_cost_nobody_else_anything_and_leave_no_memory() -> None:
    report = idle(100, 100, 100, 0.5)
    assert report.told["there"] == 300
    assert report.trouble is None
    assert report.descriptors[1] >= report.descriptors[0] + 250, "they were not there"
    assert report.descriptors[2] <= report.descriptors[0] + 3
    assert report.rss_after - report.rss_before <= 5, report
    assert report.guest_ms["p99"] <= _SOON_MS, report


def test_mutated_messages_and_broken_handshakes_are_answered_or_cut_off_and_nothing_else() -> None:
    report = nonsense(5000, 100, seed=3)
    assert report.told["status"] == 0, "the attack itself failed"
    assert report.trouble is None
    assert report.rss_after - report.rss_before <= 10, report
    assert report.guest_ms["p99"] <= _SOON_MS, report


def test_another_user_is_not_let_in_even_where_the_file_would_let_him(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    home.daemon()
    for folder in (home.root, home.runtime, home.socket.parent):
        folder.chmod(0o755)
    home.socket.chmod(0o666)
    # Somebody else only when Python has started: he may not be able to read it.
    code = (
        "import os, socket, sys; os.setuid(int(sys.argv[2])); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    )
    code += "; print(len(s.recv(100)))"
    command = [sys.executable, "-c", code, str(home.socket)]
    stranger, friend = (
        subprocess.run([*command, str(user)], capture_output=True, text=True, check=False) for user in (NOBODY, 0)
    )
    assert stranger.stdout.strip() == "0" or "ConnectionResetError" in stranger.stderr, stranger
    assert int(friend.stdout) > 0, "the daemon's own user hears its greeting"
    served(home.socket)


def test_whoever_connects_while_the_daemon_is_stopped_is_let_in_when_it_goes_on(home: Home) -> None:
    daemon = home.daemon()
    with Guest(home.socket) as guest:
        daemon.send_signal(signal.SIGSTOP)
        waiting = [connected(str(home.socket)) for _ in range(50)]
        daemon.send_signal(signal.SIGCONT)
        for plain in waiting:
            assert plain.recv(1) == b"\xff", "ZeroMQ's greeting"
            plain.close()
    assert guest.trouble is None
