"""The watching scout's loop: the kernel's events and the daemon's records in, what is in folders and changes there out.

Started by the daemon as ``python -m thumbd_daemon.scout.watcher FD PARENT_PID``. A folder is watched first and scanned
then, so nothing is missed in between; scans go step by step, so a sign of life can be given in the middle of one.
"""

import select
import sys
import time
from collections import deque
from typing import Final

from asyncinotify import Mask

from .. import channel, records
from ..cage.parts import SWITCHED_OFF
from ..channel import Channel
from ..child import control_socket
from ..records import At, Changed, Pong, Present, Ready, Record, WatchFailed
from .confinement import Confinement
from .kernel import Kernel
from .watching import Folder

#: How often what the kernel does not tell is looked for, in seconds.
LOOK_S: Final = 5.0
#: Events taken at once, before the daemon is heard again.
_MAX_EVENTS: Final = 2000
#: So many times more before something is told, so that all have been taken that are older than it.
_ROUNDS: Final = 20


class Watcher:
    """What a watching scout knows: its folders, which of them wait for a scan or a look."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._kernel = Kernel()
        self._folders: dict[int, Folder] = {}
        self._to_scan: deque[Folder] = deque()
        self._to_look: deque[Folder] = deque()
        self._look_at = time.monotonic() + LOOK_S
        self._at = 0, b""

    def run(self) -> None:
        """Work until the daemon is gone."""
        while True:
            timeout = self._patience(time.monotonic())
            if timeout != 0:
                self._turn_to(0)
            inputs = [self._control.sock.fileno(), *self._kernel.fds]
            readable = select.select(inputs, [], [], timeout)[0]
            if inputs[0] in readable:
                received = self._control.receive()
                if received is None:
                    return
                self._do(*received)
            self.turn(time.monotonic())

    def turn(self, now: float) -> None:
        """A step of everything that there is to do."""
        self._take_events(now)
        self._tell_due(now)
        self._look_around(now)
        self._scan_some(now)

    def watch(self, order: records.Watch) -> None:
        """Tell of a folder from now on."""
        folder = Folder(
            order.job, order.path, self._kernel, recursive=order.recursive, mounts=order.mounts, skip=order.skip
        )
        self._folders[order.job] = folder
        self._to_scan.append(folder)

    def _patience(self, now: float) -> float | None:
        """How long there is nothing to do; None for ever."""
        if not self._folders:
            return None
        if self._to_look or any(folder.ready for folder in self._to_scan):
            return 0
        due = [folder.due for folder in self._folders.values() if folder.due is not None]
        return max(0.0, min([self._look_at, *due]) - now)

    def unwatch(self, job: int) -> None:
        """Nobody wants to know of a folder any more."""
        gone = self._folders.pop(job, None)
        if gone is not None:
            gone.stop()
            for queue in (self._to_scan, self._to_look):
                if gone in queue:
                    queue.remove(gone)

    def _do(self, record: Record, fds: list[int]) -> None:
        channel.close_all(fds)
        match record:
            case records.Setup():
                self._control.send(Ready(Confinement().enter() if record.confined else SWITCHED_OFF))
            case records.Watch():
                self.watch(record)
            case records.Unwatch(job):
                self.unwatch(job)
            case records.Ping(number):
                self._control.send(Pong(number))
            case _:
                raise TypeError(f"a watching scout does not understand {record!r}")

    def _turn_to(self, job: int, mount: bytes = b"") -> None:
        """Say where the next step goes: should it never return, the daemon knows which folder is to blame."""
        if self._at != (job, mount):
            self._at = job, mount
            self._control.send(At(job, mount))

    # -- the kernel's words -----------------------------------------------------------------------------------

    def _take_events(self, now: float) -> int:
        """How many there were, at most `_MAX_EVENTS`."""
        count = 0
        for event, places in self._kernel.events(_MAX_EVENTS):
            count += 1
            if Mask.Q_OVERFLOW in event.mask:
                # Some were lost, and nobody knows whose.
                for folder in self._folders.values():
                    folder.scan_again(missed=True)
                    self._scan_soon(folder)
            for place in places:
                folder = self._folders[place.job]
                folder.take(place, event, now)
                if folder.busy:
                    self._scan_soon(folder)
        return count

    # -- work, a step at a time -------------------------------------------------------------------------------

    def _scan_soon(self, folder: Folder) -> None:
        if folder not in self._to_scan:
            self._to_scan.append(folder)

    def _tell_due(self, now: float) -> None:
        for folder in list(self._folders.values()):
            if folder.due is not None and folder.due <= now:
                self._turn_to(folder.job, folder.mount_of_changes)
                self._say(folder, folder.shifts, folder.tell(), now)
                if folder.busy:
                    self._scan_soon(folder)

    def _look_around(self, now: float) -> None:
        """Look for what the kernel does not tell, at one folder after the other."""
        if now >= self._look_at and self._folders:
            self._look_at = now + LOOK_S
            self._to_look.extend(f for f in self._folders.values() if not f.busy and f not in self._to_look)
        if self._to_look:
            folder = self._to_look.popleft()
            self._turn_to(folder.job)
            if folder.moved_on(now):
                folder.scan_again()
                self._scan_soon(folder)

    def _scan_some(self, now: float) -> None:
        """One step of the first that has any to take; the next folder follows when it has none."""
        folder = next((folder for folder in self._to_scan if folder.ready), None)
        if folder is None:
            return
        self._turn_to(folder.job, folder.mount)
        shifts = folder.shifts
        record = folder.step()
        if complaint := folder.complaint():
            self._control.send(WatchFailed(folder.job, "unwatched", complaint))
        if record is not None:
            self._say(folder, shifts, record, now)
        if not folder.busy:
            self._to_scan.remove(folder)

    def _say(self, folder: Folder, shifts: int, record: Record, now: float) -> None:
        """Say what was found since there were so many `shifts`; if there have been more, it may be another's."""
        for _ in range(_ROUNDS):
            if self._take_events(now) < _MAX_EVENTS:
                break
        if folder.shifts == shifts or not isinstance(record, Present | Changed):
            self._control.send(record)
        else:
            folder.take_back(record, now)


def main() -> None:
    """Serve the daemon at the other end of descriptor ``argv[1]``."""
    sock = control_socket(parent_pid=int(sys.argv[2]), fd=int(sys.argv[1]))
    try:
        Watcher(Channel(sock, records.ToWatcher)).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon has gone, and so do we


if __name__ == "__main__":
    main()
