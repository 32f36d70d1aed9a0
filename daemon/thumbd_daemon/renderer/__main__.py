"""A renderer's loop: the daemon says which number comes, a scout hands over the source, the pixels go into the slot.

In between it tells the daemon what the header says; what takes more memory than its allowance waits for ``Go``.

Started by the daemon as ``python -m thumbd_daemon.renderer CONTROL_FD INTAKE_FD SLOT_FD PARENT_PID TERMS``. No path
ever reaches it. ``python -m thumbd_daemon.renderer --check TERMS`` tells what its cage lacks on this machine.
"""

import mmap
import os
import select
import socket
import sys
from typing import IO

import msgspec

from .. import channel, heap, records
from ..cage.parts import SWITCHED_OFF, Lack, breaches, in_words
from ..channel import Channel
from ..child import control_socket, low
from ..records import GivenBack, Header, NotRendered, Pong, Ready, Rendered, Source, Terms
from . import source
from .guards import Limits
from .limits import become_humble
from .recipe import CannotRender, NotNow, render
from .sandbox import lock
from .warming import BrokenDecoder, Warmth


class Renderer:
    """One task at a time: wait for its number, then for its source."""

    def __init__(self, control: Channel, intake: Channel, slot: mmap.mmap, limits: Limits) -> None:
        self._control = control
        self._intake = intake
        self._slot = slot
        self._limits = limits
        self._expected = -1
        self._allowance = 0

    def run(self) -> None:
        """Work until the daemon is gone."""
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
                    heap.trim()  # asked for at rest: what the last pictures took need not be kept
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
        with source.opened(fds[0], record.size) as picture:
            answer = self._render(record, picture)
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

    def _render(self, task: Source, file: IO[bytes]) -> Rendered | NotRendered | GivenBack:
        try:
            picture = render(file, task.edge, lambda *header: self._ask(task.job, *header), self._limits)
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
            len(picture.rows),
            picture.original_width,
            picture.original_height,
            picture.format,
        )


def prepare(terms: Terms, parent_pid: int) -> list[Lack]:
    """Get ready to decode what strangers have made, locked in as `terms` say; what the cage lacks. Ends the process
    with a sentence where that will not do."""
    become_humble(terms.address_space, terms.cpu_s)
    warmth = Warmth(limits_in(terms))
    if terms.sandbox == "off":
        return SWITCHED_OFF
    lacks = lock(parent_pid)
    if terms.sandbox == "require" and breaches(lacks):
        sys.exit(f"a renderer can't be locked in {in_words(breaches(lacks))}")
    try:
        warmth.check()
    except BrokenDecoder as error:
        sys.exit(f"the sandbox does not agree with this machine's libraries: {error} (--no-sandbox does without it)")
    return lacks


def limits_in(terms: Terms) -> Limits:
    """What one picture may have and need."""
    return Limits(terms.pixels, terms.memory)


def check(terms: Terms) -> None:
    """Tell on stdout, as JSON, what the cage would lack on this machine."""
    os.dup2(1, 2)  # the only descriptor that may still be written to
    lacks = prepare(terms, os.getppid())
    os.write(2, msgspec.json.encode(lacks) + b"\n")


def main() -> None:
    """Serve the daemon: argv is the control socket, the intake, the slot (descriptors), the parent's pid, the terms; or
    ``--check`` and the terms."""
    terms = msgspec.json.decode(sys.argv[-1], type=Terms)
    if sys.argv[1] == "--check":
        check(terms)
        return
    control_fd, intake_fd, slot_fd, parent_pid = map(int, sys.argv[1:5])
    control = Channel(control_socket(parent_pid, control_fd), records.ToRenderer)
    slot = mmap.mmap(slot_fd, 0)
    os.close(slot_fd)
    intake = Channel(socket.socket(fileno=low(intake_fd)), Source)
    lacks = prepare(terms, parent_pid)
    # Closed by hand: Python asks a socket that it has to close by itself for its name, which the cage denies.
    with control.sock, intake.sock:
        try:
            control.send(Ready(lacks))
            Renderer(control, intake, slot, limits_in(terms)).run()
        except (BrokenPipeError, ConnectionResetError):
            return  # the daemon has gone, and so do we


if __name__ == "__main__":
    main()
