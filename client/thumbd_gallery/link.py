"""The window's side of the daemon: what windows ask, and what they are told. One for the process, shared by them.

The window's thread never touches the connection. It leaves a step in a queue and rings a bell (an inproc socket that
`Connection.poll` watches too); the thread in `voice` does the rest.
"""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable

import zmq
from PyQt6.QtCore import QObject, pyqtSignal

from thumbd_client.connection import Connection
from thumbd_client.session import new_id
from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.requests import Submit

from .focus import Demand
from .voice import Daemon, Parcel, Standing, Step, Voice

__all__ = ["Daemon", "Link", "Standing"]


class Link(QObject):
    """The window's side: asks, and tells what comes. `connect` makes the connection, in the thread that uses it."""

    #: A Listing: a piece of a folder's listing.
    listed = pyqtSignal(object)
    #: A Change: what has happened in a folder since it was listed.
    changed = pyqtSignal(object)
    #: list[ItemUpdate]
    told = pyqtSignal(list)
    #: list[Progress]
    progressed = pyqtSignal(list)
    #: A Done: a batch has ended.
    ended = pyqtSignal(object)
    #: A Standing.
    stood = pyqtSignal(object)

    _numbers = itertools.count(1)

    def __init__(self, connect: Callable[[], Connection] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.standing = Standing(Daemon.STARTING)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        address = f"inproc://thumbgallery-{next(self._numbers)}"
        self._bell = self._context.socket(zmq.PAIR)
        # Without a bound: ringing never waits, and the other side empties it at each turn.
        self._bell.setsockopt(zmq.SNDHWM, 0)
        self._bell.bind(address)
        wake = self._context.socket(zmq.PAIR)
        wake.setsockopt(zmq.RCVHWM, 0)
        wake.connect(address)
        self._steps: deque[Step] = deque()
        self._folders: dict[bytes, int] = {}
        self._voice = Voice(
            connect or (lambda: Connection("thumbgallery", context=self._context)), wake, self._steps, self
        )
        self._voice.listed.connect(self.listed)
        self._voice.changed.connect(self.changed)
        self._voice.told.connect(self.told)
        self._voice.progressed.connect(self.progressed)
        self._voice.ended.connect(self.ended)
        self._voice.stood.connect(self._stood)
        self._voice.delivered.connect(self._arrived)

    def start(self) -> None:
        self._voice.start()

    def close(self) -> None:
        """Say good-bye and wait for the thread: it closes its sockets, then the context can end."""
        if self._bell.closed:
            return
        self._voice.requestInterruption()
        self._ring()
        self._voice.wait()
        self._bell.close(linger=0)
        self._context.term()

    # -- what a window asks -----------------------------------------------------------------------------------

    def open_folder(self, folder: bytes) -> None:
        """Have `folder` listed, now and whenever the daemon comes anew."""
        self._folders[folder] = self._folders.get(folder, 0) + 1
        self._do(lambda connection: connection.session.subscribe(b"folder:" + folder))

    def close_folder(self, folder: bytes) -> None:
        """A window has left `folder`; another one may still be there."""
        left = self._folders.get(folder, 0) - 1
        if left > 0:
            self._folders[folder] = left
        elif self._folders.pop(folder, None) is not None:
            self._do(lambda connection: connection.session.unsubscribe(b"folder:" + folder))

    def list_again(self, folder: bytes) -> None:
        self._do(lambda connection: connection.session.subscribe(b"folder:" + folder))

    def focus(self, demand: Demand) -> None:
        self._do(
            lambda connection: connection.session.focus(
                demand.view, demand.generation, demand.flavor, demand.visible, demand.near
            )
        )

    def forget_view(self, view: str, generation: int) -> None:
        self._do(lambda connection: connection.session.forget_view(view, generation))

    def submit_folder(self, folder: bytes, flavor: Flavor, batch: str) -> None:
        """Have all pictures of `folder` made, behind everything that somebody looks at."""
        wanted = Folder(folder, flavor)
        self._do(lambda connection: connection.session.submit_folder(wanted, Priority.LOW, batch))

    def ask_again(self, path: bytes, flavor: Flavor) -> None:
        """Have one thumbnail made that should have been there."""
        request = Submit(id=new_id(), items=[Item(path, flavor)], priority=Priority.CRITICAL)
        self._do(lambda connection: connection.session.request(request))

    def cancel(self, batch: str) -> None:
        self._do(lambda connection: connection.session.cancel(batch))

    def start_again(self) -> None:
        """Look for a daemon again, and start one if there is none."""
        self._do(self._voice.start_again)

    # -- inside -----------------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if not self._bell.closed:
            self._steps.append(step)
            self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(zmq.Again):  # the thread has ended, and its side is closed: nobody is left to hear
            self._bell.send(b"", zmq.DONTWAIT)

    def _stood(self, standing: Standing) -> None:
        self.standing = standing
        self.stood.emit(standing)

    def _arrived(self, parcel: Parcel) -> None:
        self._do(lambda connection: self._voice.arrived(parcel, connection))
