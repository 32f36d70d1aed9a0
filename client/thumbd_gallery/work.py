"""What one window has the daemon do: list its folder, make what is looked at, then everything else.

Between `link` (shared by all windows) and this window's grid, loupe and model. What is looked at goes as a focus; the
rest of the folder is one batch of low priority, whose progress the status line shows.
"""

import os
from typing import Final

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from thumbd_protocol.items import Flavor, ItemUpdate, Progress
from thumbd_protocol.replies import Done

from .focus import Gaze
from .grid import Grid
from .link import Link
from .loupe import Loupe
from .model import Change, Entries, Listing
from .pictures import Pictures

#: How often a thumbnail that is not where the daemon said is asked for again.
MAX_ASKED: Final = 3
#: The tiles must have kept their size for so long before the whole folder is made in another one.
_SETTLED_MS: Final = 1200


class Work(QObject):
    """One window's dealings with the daemon."""

    #: A Progress of the folder's batch, or None when it has ended.
    progressed = pyqtSignal(object)
    #: The folder can't be listed: code and sentence.
    unlisted = pyqtSignal(str, str)

    def __init__(self, link: Link, entries: Entries, grid: Grid, loupe: Loupe, pictures: Pictures) -> None:
        super().__init__(grid)
        self._link, self._entries, self._grid, self._loupe, self._pictures = link, entries, grid, loupe, pictures
        view = os.urandom(4).hex()
        self._views = f"grid-{view}", f"loupe-{view}"
        self._gaze = Gaze(self._views[0], grid.look, link.focus, self)
        self._loupe_gaze = Gaze(self._views[1], loupe.look, link.focus, self)
        self._asked: dict[bytes, int] = {}
        #: Pictures whose file has changed: the next thumbnail has the same name and is another.
        self._outdated: set[bytes] = set()
        self._batch: str | None = None
        self._batch_flavor: Flavor | None = None
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._make_all)
        grid.seen.connect(self._gaze.moved)
        grid.zoomed.connect(self._zoomed)
        loupe.seen.connect(self._loupe_gaze.moved)
        loupe.previews.unreadable.connect(lambda path, _: self._ask_again(path, Flavor.PREVIEW))
        entries.renewed.connect(self._renewed)
        entries.outdated.connect(self._ask_anew)
        pictures.unreadable.connect(self._unreadable)
        link.listed.connect(self._listed)
        link.changed.connect(self._changed)
        link.told.connect(self._told)
        link.progressed.connect(self._progressed)
        link.ended.connect(self._ended)

    def open(self, folder: bytes) -> None:
        """Leave the folder, be about another one."""
        if self._entries.folder:
            self._link.close_folder(self._entries.folder)
        self._drop_batch()
        self._asked.clear()
        self._outdated.clear()
        self._entries.open(folder)
        self._link.open_folder(folder)

    def again(self) -> None:
        """Look again: the listing, and whether the thumbnails are still right."""
        self._asked.clear()
        self._link.list_again(self._entries.folder)
        self._gaze.again()

    def close(self) -> None:
        """The window closes: nothing is wanted for it any more."""
        self._settled.stop()
        self._drop_batch()
        if self._entries.folder:
            self._link.close_folder(self._entries.folder)
        self._link.forget_view(self._views[0], self._gaze.generation + 1)
        self._link.forget_view(self._views[1], self._loupe_gaze.generation + 1)
        self._pictures.close()
        self._loupe.previews.close()

    # -- inside -----------------------------------------------------------------------------------------------

    def _listed(self, listing: Listing) -> None:
        if listing.folder != self._entries.folder:
            return
        self._entries.add(listing)
        self._gaze.moved()
        if not listing.last:
            return
        if listing.error is not None:
            self.unlisted.emit(listing.error, listing.message or f"it can't be listed ({listing.error})")
        elif self._entries.pictures() and self._batch is None:
            self._make_all()

    def _changed(self, change: Change) -> None:
        self._entries.change(change)
        self._gaze.moved()

    def _ask_anew(self, paths: list[bytes]) -> None:
        """Other pictures are to be shown: of those that are looked at now, the others when they are."""
        self._outdated.update(paths)
        for path in paths:
            self._asked.pop(path, None)
        self._gaze.anew(paths)
        self._loupe.outdate(paths)
        self._loupe_gaze.anew(paths)

    def _told(self, updates: list[ItemUpdate]) -> None:
        for update in updates:
            if update.path in self._outdated and update.flavor is self._grid.flavor and update.state.final:
                self._outdated.discard(update.path)
                if update.thumbnail is not None:
                    self._pictures.renew(update.thumbnail)
        self._entries.tell(updates, self._grid.flavor)
        self._loupe.tell(updates)

    def _renewed(self, numbers: list[int]) -> None:
        for number in numbers:
            row = self._entries.row(number)
            if row.thumbnail is not None and not row.cached:
                self._pictures.renew(row.thumbnail)
        self._gaze.moved()

    def _unreadable(self, path: bytes, file: bytes) -> None:
        asked = self._asked.get(path, 0)
        reason = None if asked < MAX_ASKED else "its thumbnail keeps vanishing from the cache; look again with F5"
        if self._entries.lost(path, file, reason) and reason is None:
            self._ask_again(path, self._grid.flavor)

    def _ask_again(self, path: bytes, flavor: Flavor) -> None:
        asked = self._asked.get(path, 0) + 1
        self._asked[path] = asked
        if asked <= MAX_ASKED:
            self._link.ask_again(path, flavor)

    def _zoomed(self) -> None:
        if self._grid.flavor is not self._batch_flavor:
            self._settled.start()
        else:
            self._settled.stop()

    def _make_all(self) -> None:
        """Have the whole folder made, in the size that is shown."""
        self._drop_batch()
        if self._entries.listed or self._entries.pictures():
            self._batch, self._batch_flavor = f"gallery-{os.urandom(8).hex()}", self._grid.flavor
            self._link.submit_folder(self._entries.folder, self._batch_flavor, self._batch)

    def _drop_batch(self) -> None:
        if self._batch is not None:
            self._link.cancel(self._batch)
        self._batch = self._batch_flavor = None
        self.progressed.emit(None)

    def _progressed(self, told: list[Progress]) -> None:
        for progress in told:
            if progress.batch == self._batch:
                self.progressed.emit(progress)

    def _ended(self, done: Done) -> None:
        if done.batch == self._batch:
            # Kept as the flavor that is there; there is nothing left to cancel.
            self._batch = None
            self.progressed.emit(None)
