"""Finding a daemon that accepts, and starting one where none does."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thumbd_client.autostart import EXIT_LOCKED, MAX_LOG_BYTES, START_TIMEOUT_S, Finder, accepts, log_path, start_daemon


class Nursery:
    """Stands in for starting daemons: each child ends at once with the status that is next, None lives on."""

    def __init__(self, *statuses: int | None) -> None:
        self._statuses = list(statuses)
        self.children: list[subprocess.Popen[bytes]] = []
        self.now = 1000.0

    def start(self) -> subprocess.Popen[bytes]:
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        script = "import sys; sys.stdin.read()" if status is None else f"raise SystemExit({status})"
        child = subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE)
        if status is not None:
            child.communicate()
        self.children.append(child)
        return child

    def end(self) -> None:
        for child in self.children:
            child.communicate()


@pytest.fixture
def nurseries() -> Iterator[list[Nursery]]:
    """Whoever was started is gone afterwards."""
    all_: list[Nursery] = []
    yield all_
    for nursery in all_:
        nursery.end()


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r")


def finder(nursery: Nursery, runtime: Path, *, autostart: bool = True, **environ: str) -> Finder:
    return Finder(
        autostart=autostart,
        environ={"XDG_RUNTIME_DIR": str(runtime), **environ},
        clock=lambda: nursery.now,
        start=nursery.start,
    )


def listen(path: Path) -> socket.socket:
    path.parent.mkdir(exist_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(path))
    bound.listen()
    return bound


def test_a_daemon_that_accepts_is_found_and_none_is_started(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(0))
    with listen(runtime / "thumbd" / "v1.sock"):
        assert finder(nursery, runtime).step() == f"ipc://{runtime}/thumbd/v1.sock"
    assert nursery.children == []


def test_a_named_daemon_over_tcp_is_found(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(0))
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert finder(nursery, runtime, THUMBD_ENDPOINT=endpoint).step() == endpoint
    assert not accepts(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["tcp://", "tcp://127.0.0.1:notaport", "nonsense", "ipc://" + "x" * 300, "tcp://127.0.0.1:99999"]
)
def test_an_endpoint_that_is_none_does_not_accept(endpoint: str) -> None:
    assert not accepts(endpoint)


def test_a_socket_file_that_nobody_listens_at_does_not_accept(runtime: Path) -> None:
    path = runtime / "s"
    listen(path).close()
    assert path.exists()
    assert not accepts(f"ipc://{path}")


def test_where_a_daemon_is_named_none_is_ever_started(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(0))
    found = finder(nursery, runtime, THUMBD_ENDPOINT=f"ipc://{runtime}/no.sock")
    assert not found.autostart
    assert found.step() is None
    assert found.failure is not None
    assert "THUMBD_ENDPOINT" in found.failure
    assert nursery.children == []


def test_without_autostart_the_failure_says_how_to_start_one(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(0))
    found = finder(nursery, runtime, autostart=False)
    assert found.step() is None
    assert found.failure is not None
    assert str(runtime / "thumbd" / "v1.sock") in found.failure
    assert found.failure.endswith("start one with: thumbd")
    assert nursery.children == []


def test_one_daemon_is_started_and_waited_for(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(None))
    found = finder(nursery, runtime)
    for _ in range(5):
        assert found.step() is None
        nursery.now += 1
    assert len(nursery.children) == 1
    assert found.failure is None
    with listen(runtime / "thumbd" / "v1.sock"):
        assert found.step() is not None


def test_one_that_lost_the_lock_is_started_again_until_the_time_is_over(
    runtime: Path, nurseries: list[Nursery]
) -> None:
    nurseries.append(nursery := Nursery(EXIT_LOCKED))
    found = finder(nursery, runtime)
    steps = 0
    while found.failure is None:
        assert found.step() is None
        nursery.now += 1
        steps += 1
        assert steps < 50
    assert nursery.now - 1000 == pytest.approx(START_TIMEOUT_S + 2, abs=1)
    assert len(nursery.children) > 5
    assert f"status {EXIT_LOCKED}" in found.failure
    assert str(log_path()) in found.failure


def test_one_that_lost_the_lock_to_a_daemon_that_left_is_followed_by_one_that_stays(
    runtime: Path, nurseries: list[Nursery]
) -> None:
    nurseries.append(nursery := Nursery(EXIT_LOCKED, EXIT_LOCKED, None))
    found = finder(nursery, runtime)
    for _ in range(6):
        found.step()
    assert len(nursery.children) == 3
    assert found.failure is None


def test_one_that_can_not_start_fails_at_once_and_names_the_log(runtime: Path, nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(4))
    found = finder(nursery, runtime)
    found.step()
    found.step()
    assert found.failure is not None
    assert "status 4" in found.failure
    assert str(log_path()) in found.failure
    assert len(nursery.children) == 1


def test_one_that_lives_but_never_accepts_is_given_up_and_tried_again_on_demand(
    runtime: Path, nurseries: list[Nursery]
) -> None:
    nurseries.append(nursery := Nursery(None))
    found = finder(nursery, runtime)
    found.step()
    nursery.now += START_TIMEOUT_S + 0.1
    found.step()
    assert "does not accept" in str(found.failure)
    found.reset()
    assert found.step() is None
    assert found.failure is None
    assert len(nursery.children) == 2  # how the first ended, or did not, says nothing about the second


def test_a_system_that_can_not_start_programs_is_told(runtime: Path) -> None:
    def start() -> subprocess.Popen[bytes]:
        raise OSError(28, "No space left on device", "/var/thumbd.log")

    found = Finder(autostart=True, environ={"XDG_RUNTIME_DIR": str(runtime)}, clock=lambda: 0.0, start=start)
    assert found.step() is None
    assert found.failure is not None
    assert "/var/thumbd.log" in found.failure
    assert "free some space" in found.failure


def test_a_runtime_folder_too_long_for_a_socket_is_told(nurseries: list[Nursery]) -> None:
    nurseries.append(nursery := Nursery(0))
    found = finder(nursery, Path("/" + "x" * 120))
    assert found.step() is None
    assert found.failure is not None
    assert "too long" in found.failure
    assert nursery.children == []


def test_a_long_log_is_put_aside_before_a_new_daemon_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("THUMBD_ENDPOINT", "tcp://127.0.0.1:1")  # a daemon listens at no such place, and ends
    log = log_path()
    assert log.is_relative_to(tmp_path)
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    child = start_daemon()
    assert child.wait(timeout=60) != 0
    assert log.with_name("thumbd.log.1").stat().st_size == MAX_LOG_BYTES + 1
    assert b"thumbd" in log.read_bytes()
    assert os.stat(log).st_size < MAX_LOG_BYTES
