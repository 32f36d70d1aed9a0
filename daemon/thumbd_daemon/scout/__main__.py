"""A scout's loop: one record in, its answer out; listings go on in between, a chunk for each ``Continue``.

Started by the daemon as ``python -m thumbd_daemon.scout FD PARENT_PID``.
"""

import mmap
import os
import select
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Final

from .. import channel, records
from ..cache import Places
from ..cage.parts import SWITCHED_OFF
from ..channel import MAX_RECORD, Channel
from ..child import control_socket
from ..records import Looked, Pong, Ready, Record
from .confinement import NOWHERE, UNCONFINED, Confinement, Outdated
from .listing import Listing
from .looking import look
from .opening import open_source
from .publishing import publish, remember_failure

#: Results of a look are told in groups, and at least this often: cheap for hits, quick for what is slow.
_GROUP: Final = 16
#: A group is told when its sentences and paths have so many bytes: one more (a sentence about a path of 4 KiB may have
#: 16) still fits the record, and so do its numbers.
_GROUP_BYTES: Final = MAX_RECORD // 2


class _Renderer:
    """A renderer as a scout sees it: pixels to read, an intake to send sources to."""

    def __init__(self, slot_fd: int, intake_fd: int) -> None:
        self.map = mmap.mmap(slot_fd, 0, prot=mmap.PROT_READ)
        os.close(slot_fd)
        self.intake = socket.socket(fileno=intake_fd)

    def close(self) -> None:
        self.intake.close()
        self.map.close()


class Scout:
    """What a scout knows: where things are kept, which renderers live, which listings are under way."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._places = NOWHERE
        self._cage = UNCONFINED
        self._renderers: dict[int, _Renderer] = {}
        self._listings: dict[int, Listing] = {}
        self._runnable: deque[int] = deque()

    def run(self) -> None:
        """Work until the daemon is gone."""
        while True:
            if self._runnable and not select.select([self._control.sock], [], [], 0)[0]:
                self._list_some(self._runnable.popleft())
                continue
            received = self._control.receive()
            if received is None:
                return
            self._do(*received)

    def _do(self, record: Record, fds: list[int]) -> None:
        if isinstance(record, records.Attach) and len(fds) == 2:
            self._renderers[record.renderer] = _Renderer(*fds)
            return
        channel.close_all(fds)
        match record:
            case records.Setup(thumbnails, previews, volatile, confined):
                self._places = Places(thumbnails, previews, volatile)
                self._cage = Confinement(self._places)
                self._control.send(Ready(self._cage.enter() if confined else SWITCHED_OFF))
            case records.Detach(renderer):
                gone = self._renderers.pop(renderer, None)
                if gone is not None:
                    gone.close()
            case records.Look():
                self._look(record)
            case records.Open():
                renderer_end = self._renderers.get(record.renderer)
                self._control.send(open_source(record, renderer_end.intake if renderer_end else None))
            case records.Publish():
                self._publish(record)
            case records.Mark():
                self._write(record, lambda: remember_failure(self._places, record, self._cage))
            case records.List():
                self._listings[record.job] = Listing(record)
                self._runnable.append(record.job)
            case records.Continue(job):
                if job in self._listings:
                    self._runnable.append(job)
            case records.StopListing(job):
                self._listings.pop(job, None)
            case records.Ping(number):
                self._control.send(Pong(number))
            case _:
                raise TypeError(f"a scout does not understand {record!r}")

    def _look(self, task: records.Look) -> None:
        results: list[records.Hit | records.Miss | records.NoUse] = []
        left, size = len(task.files), 0
        for number, path, flavor in task.files:
            result = look(self._places, number, path, flavor, again=number in task.again)
            results.append(result)
            if isinstance(result, records.NoUse):
                size += len(result.message.encode())
            left -= 1
            if len(results) == _GROUP or size > _GROUP_BYTES or not left:
                self._control.send(Looked(task.job, results, left))
                results, size = [], 0

    def _publish(self, task: records.Publish) -> None:
        renderer = self._renderers.get(task.renderer)
        if renderer is None:
            self._write(task, lambda: publish(self._places, task, None, self._cage))
            return
        with memoryview(renderer.map) as slot:
            self._write(task, lambda: publish(self._places, task, slot, self._cage))

    def _write(self, task: records.Publish | records.Mark, write: Callable[[], Record]) -> None:
        try:
            answer = write()
        except Outdated:
            answer = records.Outdated(task.job)
        self._control.send(answer)

    def _list_some(self, job: int) -> None:
        listing = self._listings.get(job)
        # One that was stopped is answered too: whoever owes an answer for long is taken for stuck.
        record = listing.step() if listing is not None else records.Listed(job, "", "", 0)
        if isinstance(record, records.Listed):
            self._listings.pop(job, None)
        self._control.send(record)


def main() -> None:
    """Serve the daemon at the other end of descriptor ``argv[1]``."""
    sock = control_socket(parent_pid=int(sys.argv[2]), fd=int(sys.argv[1]))
    try:
        Scout(Channel(sock, records.ToScout)).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon has gone, and so do we


if __name__ == "__main__":
    main()
