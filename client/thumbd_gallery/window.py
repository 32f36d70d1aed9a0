"""The window: toolbar, banner, grid or placard, status line, the loupe over it; and going from place to place."""

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PyQt6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from thumbd_protocol.items import EntryKind

from .grid import Grid
from .history import History, Place
from .link import Daemon, Link, Standing
from .loupe import Loupe
from .model import Entries
from .order import parent
from .pictures import Pictures
from .placard import Banner, Notice, Placard, empty, refused, unlisted
from .status import StatusLine
from .theme import Theme
from .tiles import parts
from .toolbar import Toolbar
from .words import counts, describe, size
from .work import Work

#: A daemon that is back so soon is not worth a banner; a folder that comes so soon needs no word of waiting.
_PATIENCE_MS = 1000


class Window(QWidget):
    """A window on one folder at a time. `link` is shared; it outlives the window."""

    def __init__(self, link: Link, theme: Theme, folder: bytes) -> None:
        super().__init__()
        self._link = link
        self._history = History()
        self._problem: Notice | None = None
        self._wanted: Place | None = None
        self._opened_at = 0
        self.entries = Entries(self)
        self.pictures = Pictures(self)
        self.grid = Grid(self.entries, self.pictures, theme, self)
        self.toolbar = Toolbar(theme, self.grid.edge, self)
        self.banner = Banner(self)
        self.placard = Placard(theme, self)
        self.status = StatusLine(theme, self)
        self.loupe = Loupe(self.entries, self.pictures, theme, self)
        self.work = Work(link, self.entries, self.grid, self.loupe, self.pictures)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._arrange()
        self._connect()
        self._keys()
        self._stood(link.standing)
        self.resize(1200, 800)
        self.grid.setFocus()
        self.go(folder)

    # -- places -----------------------------------------------------------------------------------------------

    def go(self, folder: bytes) -> None:
        """To another folder; back leads here again."""
        if folder != self.entries.folder:
            self._leave()
            came_from = self.entries.folder
            place = self._history.go(folder)
            if parent(came_from) == folder and came_from != folder:
                place.current = came_from  # up, and the folder we were in is the current one
            self._open(place)

    def back(self) -> None:
        self._leave()
        place = self._history.back()
        if place is not None:
            self._open(place)

    def forward(self) -> None:
        self._leave()
        place = self._history.forward()
        if place is not None:
            self._open(place)

    def up(self) -> None:
        self.go(parent(self.entries.folder))

    def look_again(self) -> None:
        self._problem = None
        self.work.again()
        self._choose_page()

    def _leave(self) -> None:
        self.loupe.close_loupe()
        if (place := self._history.now) is not None:
            place.current, place.scroll = self.grid.current_path(), self.grid.scrolled

    def _open(self, place: Place) -> None:
        self._problem, self._wanted = None, place
        self.work.open(place.folder)
        name = place.folder.rsplit(b"/", 1)[-1].decode("utf-8", "replace") or "/"
        self.setWindowTitle(f"{name} — thumbgallery")
        self.toolbar.breadcrumb.show_folder(place.folder)
        self.toolbar.back_button.setEnabled(self._history.can_go_back)
        self.toolbar.forward_button.setEnabled(self._history.can_go_forward)
        self.toolbar.up_button.setEnabled(parent(place.folder) != place.folder)
        self._patience.start()
        self._choose_page()
        self._count()

    def _settled(self) -> None:
        """The folder is complete: back to where it was left."""
        place, self._wanted = self._wanted, None
        if place is not None and place.current is not None and self.grid.current < 0:
            number = self.entries.find(place.current)
            if number is not None:
                self.grid.go_to(number)
        if place is not None and place.scroll:
            self.grid.set_scroll(place.scroll)
        self._choose_page()

    def _activate(self, path: bytes) -> None:
        """Enter or a double click: into a folder, or the loupe."""
        number = self.entries.find(path)
        if number is None:
            return
        if self.entries.row(number).kind is EntryKind.FOLDER:
            self.go(path)
        else:
            self._opened_at = self.grid.scrolled
            self.loupe.open(path)

    def _loupe_moved(self, path: bytes) -> None:
        number = self.entries.find(path)
        if number is not None and path != self.grid.current_path():
            self.grid.go_to(number)

    def _loupe_closed(self) -> None:
        """Back to the same tile in the same place, if it can be seen from there."""
        if self.grid.current >= 0:
            now = self.grid.scrolled
            self.grid.set_scroll(self._opened_at)
            port = self.grid.viewport()
            assert port is not None
            if not port.rect().contains(self.grid.box(self.grid.current)):
                self.grid.set_scroll(now)
        self.grid.setFocus()

    # -- what is told -----------------------------------------------------------------------------------------

    def _stood(self, standing: Standing) -> None:
        self.status.dot.show_standing(standing)
        self._patience.start()
        self._choose_page()

    def _unlisted(self, error: str, message: str) -> None:
        self._problem = unlisted(error, message)
        self._choose_page()

    def _count(self) -> None:
        if self.entries.rowCount():
            self._problem = None  # a folder that could not be listed has come
        self._say_counts()
        self._choose_page()

    def _say_counts(self) -> None:
        """What there is; for a single failed picture, why it failed."""
        selection = self.grid.selectionModel()
        chosen = sum(part.bottom() - part.top() + 1 for part in parts(selection.selection())) if selection else 0
        current = self.grid.current
        row = self.entries.row(current) if 0 <= current < self.entries.rowCount() else None
        if row is not None and row.reason and chosen <= 1:
            self.status.words.say(f"{row.name}: {describe(row)}")
            return
        entries = self.entries
        if not entries.listed and not entries.rowCount():
            self.status.words.say("")  # nothing is known yet, which is not the same as none
            return
        self.status.words.say(
            counts(
                entries.pictures(), entries.folders, entries.others, entries.failed, chosen, self._chosen_bytes(chosen)
            )
        )

    def _chosen_bytes(self, chosen: int) -> str | None:
        """The selected files' size in words, where it is known and quickly summed."""
        selection = self.grid.selectionModel()
        if selection is None or not 0 < chosen <= 10_000:
            return None
        numbers = (n for part in parts(selection.selection()) for n in range(part.top(), part.bottom() + 1))
        sizes = [self.entries.row(n).size for n in numbers]
        known = [value for value in sizes if value is not None]
        return size(sum(known)) if len(known) == chosen else None

    def _choose_page(self) -> None:
        """The pictures if there are any; else the reason why there are none. What is off stands above the pictures."""
        standing, entries = self._link.standing, self.entries
        notice: Notice | None = None
        act = self._link.start_again
        waited = not self._patience.isActive()
        if entries.rowCount():
            pass
        elif self._problem is not None:
            notice, act = self._problem, self.look_again
        elif entries.listed:
            notice = empty(entries.others)
        elif standing.daemon is Daemon.REFUSED:
            notice = refused(standing.reason)
        elif standing.daemon is Daemon.STOPPED:
            notice = Notice("away", "The thumbnail daemon was stopped", standing.reason, "", "Start again")
        elif waited:
            starting = standing.daemon in (Daemon.STARTING, Daemon.AWAY)
            notice = Notice("pictures", "Waiting for the thumbnail daemon" if starting else "Reading the folder")
        if notice is not None and notice != self.placard.notice:
            self.placard.say(notice, act)
        elif notice is None:
            self.placard.notice = None
        page = self.grid if notice is None else self.placard
        if page is not self.pages.currentWidget():
            self.pages.setCurrentWidget(page)
            if page is self.grid and not self.loupe.isVisible():
                self.grid.setFocus()
        self._choose_banner(standing, shown=bool(entries.rowCount()), waited=waited)

    def _choose_banner(self, standing: Standing, *, shown: bool, waited: bool) -> None:
        again = self._link.start_again
        if shown and standing.daemon is Daemon.REFUSED:
            self.banner.say(f"The thumbnail daemon is not running: {standing.reason}", "Try again", again)
        elif shown and standing.daemon is Daemon.STOPPED:
            self.banner.say("The thumbnail daemon was stopped. New thumbnails wait for it.", "Start again", again)
        elif shown and standing.daemon is Daemon.AWAY and waited:
            self.banner.say(f"The thumbnail daemon is away: {standing.reason}. It is being looked for.")
        else:
            self.banner.hide()

    # -- how it is put together -------------------------------------------------------------------------------

    def _arrange(self) -> None:
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.grid)
        self.pages.addWidget(self.placard)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.toolbar, self.banner):
            column.addWidget(widget)
        column.addWidget(self.pages, 1)
        column.addWidget(self.status)

    def _connect(self) -> None:
        self.toolbar.back.connect(self.back)
        self.toolbar.forward.connect(self.forward)
        self.toolbar.up.connect(self.up)
        self.toolbar.chosen.connect(self.go)
        self.toolbar.zoomed.connect(self.grid.zoom)
        self.grid.zoomed.connect(self.toolbar.show_edge)
        self.grid.opened.connect(self._activate)
        self.loupe.moved.connect(self._loupe_moved)
        self.loupe.closed.connect(self._loupe_closed)
        self.entries.counted.connect(self._count)
        self.entries.settled.connect(self._settled)
        self.entries.renewed.connect(self._say_counts)
        self.work.progressed.connect(self.status.show_progress)
        self.work.unlisted.connect(self._unlisted)
        self._link.stood.connect(self._stood)
        self._patience.timeout.connect(self._choose_page)
        selection = self.grid.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._say_counts)
        selection.currentChanged.connect(self._say_counts)

    def _keys(self) -> None:
        for keys, act in (
            (("Alt+Left", "Back"), self.back),
            (("Alt+Right", "Forward"), self.forward),
            (("Alt+Up",), self.up),
            (("F5",), self.look_again),
            (("F11",), self._full_screen),
            (("Ctrl+Q", "Ctrl+W"), self.close),
            (("Ctrl++", "Ctrl+="), lambda: self.grid.zoom_by(1)),
            (("Ctrl+-",), lambda: self.grid.zoom_by(-1)),
        ):
            for key in keys:
                QShortcut(QKeySequence(key), self).activated.connect(act)
        # Only in the grid: in the loupe it is the neighbour.
        backspace = QShortcut(QKeySequence("Backspace"), self.grid)
        backspace.setContext(Qt.ShortcutContext.WidgetShortcut)
        backspace.activated.connect(self.up)

    def _full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.loupe.setGeometry(self.rect())

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.work.close()
        super().closeEvent(event)
