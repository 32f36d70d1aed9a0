"""The parts of the service that need no daemon: how the socket is made."""

import asyncio
import os
from pathlib import Path

from thumbd_daemon.service import bind
from thumbd_daemon.sessions import Session
from thumbd_protocol.items import Progress
from thumbd_protocol.requests import Message


class Nobody:
    """A desk that nobody comes to."""

    def begun(self, session: Session) -> None:
        raise AssertionError(session)

    def parked(self, session: Session, *, parked: bool) -> None:
        raise AssertionError(session)

    def closed(self, session: Session) -> None:
        raise AssertionError(session)

    def credited(self, session: Session, batches: list[str]) -> None:
        raise AssertionError(batches)

    def said_again(self, session: Session, message: Message) -> None:
        raise AssertionError(message)

    def keeps_up(self, session: Session) -> None:
        raise AssertionError(session)

    def progress(self, batch: str) -> Progress | None:
        raise AssertionError(batch)

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        raise AssertionError(message)


def test_the_socket_is_its_users_alone_though_the_umask_would_open_it(tmp_path: Path) -> None:
    async def made() -> int:
        before = os.umask(0o000)
        try:
            server = bind(tmp_path / "s", Nobody(), lambda: None)
        finally:
            after = os.umask(before)
        try:
            assert after == 0o000, "the umask was not given back"
            return (tmp_path / "s").stat().st_mode & 0o777
        finally:
            server.close()

    assert asyncio.run(made()) == 0o600
