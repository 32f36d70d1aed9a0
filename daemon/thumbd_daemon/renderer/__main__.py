"""A renderer's loop: the daemon says which number comes, a scout hands over the source, the pixels go into the slot.

In between it tells the daemon what the header says; what takes more memory than its allowance waits for ``Go``.

Started by the daemon as ``python -m thumbd_daemon.renderer CONTROL_FD INTAKE_FD SLOT_FD PARENT_PID``. No path ever
reaches it.
"""

import mmap
import os
import select
import socket
import sys
import warnings
from typing import IO

from PIL import Image

from .. import channel, records
from ..channel import Channel
from ..child import control_socket
from ..records import GivenBack, Header, NotRendered, Pong, Ready, Rendered, Source
from .limits import become_humble
from .recipe import CannotRender, NotNow, render


class Renderer:
    """One task at a time: wait for its number, then for its source."""

    def __init__(self, control: Channel, intake: Channel, slot: mmap.mmap) -> None:
        self._control = control
        self._intake = intake
        self._slot = slot
        self._expected = -1
        self._allowance = 0

    def run(self) -> None:
        """Work until the daemon is gone."""
        self._control.send(Ready())
        while True:
            ready = select.select([self._control.sock, self._intake.sock], [], [])[0]
            # The daemon first: what comes over the intake is judged by what it said last.
            if self._control.sock in ready:
                received = self._control.receive()
                if received is None:
                    return
                record, fds = received
                channel.close_all(fds)
                if isinstance(record, records.Expect):
                    self._expected, self._allowance = record.job, record.allowance
                elif isinstance(record, records.Ping):
                    self._control.send(Pong(record.number))
                continue
            received = self._intake.receive()
            if received is None:
                return
            self._take(*received)

    def _take(self, record: records.Record, fds: list[int]) -> None:
        if not isinstance(record, Source) or record.job != self._expected or len(fds) != 1:
            channel.close_all(fds)
            return
        self._expected = -1
        with os.fdopen(fds[0], "rb") as source:
            answer = self._render(record, source)
        self._control.send(answer)

    def _ask(self, job: int, width: int, height: int, need: int) -> None:
        """Tell what the header says; return when it may be decoded. Raises NotNow."""
        self._control.send(Header(job, width, height, need))
        if need <= self._allowance:
            return
        while True:
            received = self._control.receive()
            if received is None:
                sys.exit(0)  # the daemon has gone
            record, fds = received
            channel.close_all(fds)
            match record:
                case records.Go(number) if number == job:
                    return
                case records.GiveBack(number) if number == job:
                    raise NotNow
                case records.Expect(number, allowance):
                    # Its scout was slow, and the daemon has given it up meanwhile.
                    self._expected, self._allowance = number, allowance
                    raise NotNow
                case records.Ping(number):
                    self._control.send(Pong(number))
                case _:
                    # Not an Exception: those that come out of a decoder are taken for the file's fault.
                    sys.exit(f"a renderer that waits for leave does not understand {record!r}")

    def _render(self, task: Source, source: IO[bytes]) -> Rendered | NotRendered | GivenBack:
        try:
            picture = render(source, task.edge, lambda *header: self._ask(task.job, *header))
        except NotNow:
            return GivenBack(task.job)
        except CannotRender as failure:
            return NotRendered(task.job, failure.code, str(failure))
        if len(picture.rows) > len(self._slot):
            return NotRendered(task.job, "too_big", "its thumbnail does not fit the memory set aside for it")
        self._slot[: len(picture.rows)] = picture.rows
        return Rendered(
            task.job,
            picture.mode,
            picture.width,
            picture.height,
            picture.original_width,
            picture.original_height,
            picture.format,
        )


def main() -> None:
    """Serve the daemon: argv is the control socket, the intake, the slot (descriptors) and the parent's pid."""
    control_fd, intake_fd, slot_fd, parent_pid = map(int, sys.argv[1:5])
    sock = control_socket(parent_pid, control_fd)
    become_humble()
    Image.init()  # every plugin is loaded before the first hostile byte arrives
    Image.MAX_IMAGE_PIXELS = None  # the recipe has a limit of its own, after a JPEG's scale is known
    warnings.simplefilter("ignore")  # about single files; their failures are told as answers
    slot = mmap.mmap(slot_fd, 0)
    os.close(slot_fd)
    intake = Channel(socket.socket(fileno=intake_fd), Source)
    try:
        Renderer(Channel(sock, records.ToRenderer), intake, slot).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon has gone, and so do we


if __name__ == "__main__":
    main()
