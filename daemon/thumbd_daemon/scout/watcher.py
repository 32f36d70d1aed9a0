"""The watching scout's loop: the kernel's events and the daemon's records in, what is in folders and changes there out.

Started by the daemon as ``python -m thumbd_daemon.scout.watcher FD PARENT_PID``. A folder is watched first and scanned
then, so nothing is missed in between; scans go step by step, so a sign of life can be given in the middle of one.
"""

import errno
import os
import select
import sys
import time
from collections import deque
from typing import Final

from asyncinotify import Event, Inotify, Mask

from .. import channel, records
from ..channel import Channel
from ..child import control_socket
from ..records import At, Pong, Present, Ready, Record, WatchFailed
from .watching import UNREADABLE, Folder, unwatchable

#: How often what the kernel does not tell is looked for, in seconds.
LOOK_S: Final = 5.0
#: Events taken at once, before the daemon is heard again.
_MAX_EVENTS: Final = 2000
#: Events read at once, if each had the longest name there is.
_CACHED: Final = 64

# A file is told when whoever writes it closes it: while it is written there is nothing to see of it yet.
_WANTED: Final = (
    Mask.CREATE
    | Mask.DELETE
    | Mask.CLOSE_WRITE
    | Mask.ATTRIB
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
)
#: The watch is on a folder that is no longer the one of this path.
_LOST: Final = Mask.IGNORED | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT


class Watcher:
    """What a watching scout knows: its folders, which of them wait for a scan or a look."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._inotify: Inotify | None = None
        self._folders: dict[int, Folder] = {}
        self._to_scan: deque[Folder] = deque()
        self._to_look: deque[Folder] = deque()
        self._look_at = time.monotonic() + LOOK_S
        self._at = 0

    def run(self) -> None:
        """Work until the daemon is gone."""
        while True:
            timeout = self._patience(time.monotonic())
            if timeout != 0:
                self._turn_to(0)
            inputs = [self._control.sock.fileno(), *([self._inotify.fd] if self._inotify is not None else [])]
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
        self._scan_some()

    def watch(self, job: int, path: bytes) -> None:
        """Tell of a folder from now on."""
        folder = self._folders[job] = Folder(job, path)
        self._to_scan.append(folder)

    def _patience(self, now: float) -> float | None:
        """How long there is nothing to do; None for ever."""
        if not self._folders:
            return None
        if self._to_scan or self._to_look:
            return 0
        due = [folder.due for folder in self._folders.values() if folder.due is not None]
        return max(0.0, min([self._look_at, *due]) - now)

    def unwatch(self, job: int) -> None:
        """Nobody wants to know of a folder any more."""
        gone = self._folders.pop(job, None)
        if gone is not None:
            self._disarm(gone)
            for queue in (self._to_scan, self._to_look):
                if gone in queue:
                    queue.remove(gone)

    def _do(self, record: Record, fds: list[int]) -> None:
        channel.close_all(fds)
        match record:
            case records.Setup():
                self._control.send(Ready())
            case records.Watch(job, path):
                self.watch(job, path)
            case records.Unwatch(job):
                self.unwatch(job)
            case records.Ping(number):
                self._control.send(Pong(number))
            case _:
                raise TypeError(f"a watching scout does not understand {record!r}")

    def _turn_to(self, job: int) -> None:
        """Say where the next step goes: should it never return, the daemon knows which folder is to blame."""
        if self._at != job:
            self._at = job
            self._control.send(At(job))

    # -- the kernel's words -----------------------------------------------------------------------------------

    def _arm(self, folder: Folder) -> None:
        """Have the kernel tell of a folder, if it can; the scan says what is wrong with one that can't be read."""
        if folder.armed is not None:
            return
        try:
            if self._inotify is None:
                # Without a timeout of its own it would wait where there is nothing to read.
                self._inotify = Inotify(cache_size=_CACHED, sync_timeout=0)
            folder.armed = self._inotify.add_watch(folder.path, _WANTED).wd
        except OSError as error:
            if error.errno not in UNREADABLE:
                self._control.send(WatchFailed(folder.job, "unwatched", unwatchable(folder.path, error)))

    def _disarm(self, folder: Folder) -> None:
        """Watch a folder no longer; one that is there by two names has one watch."""
        number, folder.armed = folder.armed, None
        if number is None or self._inotify is None or any(f.armed == number for f in self._folders.values()):
            return
        for watch in self._inotify.watches:
            if watch.wd == number:
                try:
                    self._inotify.rm_watch(watch)
                except OSError as error:
                    if error.errno != errno.EINVAL:  # else the kernel has let go of it already
                        raise

    def _take_events(self, now: float) -> None:
        for _ in range(_MAX_EVENTS):
            event = self._inotify.sync_get() if self._inotify is not None else None
            if event is None:
                return
            if Mask.Q_OVERFLOW in event.mask:
                # Some were lost, and nobody knows whose.
                for folder in self._folders.values():
                    self._scan_soon(folder)
            elif (watch := event.watch) is not None:
                for folder in [f for f in self._folders.values() if f.armed == watch.wd]:
                    self._take(folder, event, now)

    def _take(self, folder: Folder, event: Event, now: float) -> None:
        folder.stirred = True
        if event.mask & _LOST:
            self._disarm(folder)
            self._scan_soon(folder)
        elif event.name is None:
            return  # about the folder itself: permissions, times
        elif Mask.MOVED_FROM in event.mask:
            folder.left(os.fsencode(event.name), event.cookie, now)
        elif Mask.MOVED_TO in event.mask:
            folder.came(os.fsencode(event.name), event.cookie, now)
        else:
            folder.touch(os.fsencode(event.name), now)

    # -- work, a step at a time -------------------------------------------------------------------------------

    def _scan_soon(self, folder: Folder) -> None:
        """From the beginning, if a scan is under way."""
        if folder in self._to_scan:
            self._to_scan.remove(folder)
        folder.stop_scan()
        self._to_scan.append(folder)

    def _tell_due(self, now: float) -> None:
        for folder in list(self._folders.values()):
            if folder.due is not None and folder.due <= now:
                self._turn_to(folder.job)
                self._control.send(folder.tell())

    def _look_around(self, now: float) -> None:
        """Look for what the kernel does not tell, at one folder after the other."""
        if now >= self._look_at and self._folders:
            self._look_at = now + LOOK_S
            self._to_look.extend(f for f in self._folders.values() if f not in self._to_scan and f not in self._to_look)
        if self._to_look:
            folder = self._to_look.popleft()
            self._turn_to(folder.job)
            if folder.moved_on():
                self._disarm(folder)
                self._scan_soon(folder)

    def _scan_some(self) -> None:
        """One step of the first scan; the next folder follows when it has ended."""
        if not self._to_scan:
            return
        folder = self._to_scan[0]
        self._turn_to(folder.job)
        if not folder.scanning:
            self._arm(folder)
            self._control.send(folder.begin_scan())
            return
        record = folder.step()
        self._control.send(record)
        if not isinstance(record, Present):
            self._to_scan.popleft()


def main() -> None:
    """Serve the daemon at the other end of descriptor ``argv[1]``."""
    sock = control_socket(parent_pid=int(sys.argv[2]), fd=int(sys.argv[1]))
    try:
        Watcher(Channel(sock, records.ToWatcher)).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon has gone, and so do we


if __name__ == "__main__":
    main()
