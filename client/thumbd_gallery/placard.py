"""What stands in the middle when there are no pictures to show; the slim banner above them when something is off."""

from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import QRect, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from thumbd_protocol.errors import ItemCode

from .icons import sign
from .theme import Theme


@dataclass(frozen=True)
class Notice:
    """What to say: a title, why, what to do; `action` is on the button, if there is one."""

    sign: str
    title: str
    why: str = ""
    hint: str = ""
    action: str | None = None


def empty(others: int) -> Notice:
    """A folder without pictures."""
    if not others:
        return Notice("pictures", "This folder is empty")
    files = "one file" if others == 1 else f"{others:,} files"
    verb = "is" if others == 1 else "are"
    return Notice("pictures", "No pictures here", f"There {verb} {files} of another kind.")


def unlisted(error: str, message: str) -> Notice:
    """A folder that can't be listed: why, and what to do."""
    if error == ItemCode.NOT_FOUND:
        sign, hint = "folder", "It may have been moved or renamed. Go to the folder above, or look again."
    elif "is not a folder" in message:
        sign, hint = "folder", "Go to the folder above: if it is a picture, it is there."
    elif "does not answer" in message:
        sign, hint = "away", "The disk or the network is slow or gone. Look again when it is back."
    else:
        sign, hint = "locked", "Ask its owner for permission to read it, then look again."
    return Notice(sign, "This folder can't be shown", message, hint, "Look again")


def refused(reason: str) -> Notice:
    """No daemon can be had; the reason names its log where one was started."""
    return Notice("away", "The thumbnail daemon is not running", reason, "", "Try again")


class Placard(QWidget):
    """A Notice in the middle of the window."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._act: Callable[[], object] = lambda: None
        self.notice: Notice | None = None
        self._sign = QLabel(self)
        self.title = QLabel(self)
        self.title.setObjectName("title")
        self.why, self.hint = QLabel(self), QLabel(self)
        for label in (self.why, self.hint):
            label.setObjectName("quiet")
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.button = QPushButton(self)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._do)
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 32, 32, 32)
        column.setSpacing(8)
        column.addStretch(4)
        column.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(8)
        for label in (self.title, self.why, self.hint):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(8)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(5)
        theme.changed.connect(self._recolour)

    def say(self, notice: Notice, act: Callable[[], object] = lambda: None) -> None:
        """Show `notice`; its button does `act`."""
        self.notice, self._act = notice, act
        for label, text in ((self.title, notice.title), (self.why, notice.why), (self.hint, notice.hint)):
            # A path has no spaces to break a line at.
            label.setText(text.replace("/", "/\N{ZERO WIDTH SPACE}"))
            label.setVisible(bool(text))
        self._fit()
        self.button.setVisible(notice.action is not None)
        self.button.setText(notice.action or "")
        self.setAccessibleName(". ".join(part for part in (notice.title, notice.why, notice.hint) if part))
        self._recolour()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Lines of a length that reads well; a centred label is not asked by the layout how high it needs to be."""
        width = max(160, min(560, self.width() - 64))
        for label in (self.title, self.why, self.hint):
            flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignHCenter
            text = label.fontMetrics().boundingRect(QRect(0, 0, width, 10_000), flags, label.text())
            label.setFixedSize(width, text.height() + 2)

    def _do(self) -> None:
        self._act()

    def _recolour(self) -> None:
        if self.notice is not None:
            self._sign.setPixmap(sign(self.notice.sign, self._theme.palette.muted, 56, self.devicePixelRatioF()))


class Banner(QWidget):
    """One line above the pictures: they stay, but something is off."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._act: Callable[[], object] = lambda: None
        self.text = QLabel(self)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.button = QPushButton(self)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._do)
        line = QHBoxLayout(self)
        line.setContentsMargins(16, 6, 16, 6)
        line.setSpacing(12)
        line.addWidget(self.text, 1)
        line.addWidget(self.button)
        self.hide()

    def say(self, text: str, action: str | None = None, act: Callable[[], object] = lambda: None) -> None:
        self._act = act
        self.text.setText(text)
        self.setAccessibleName(text)
        self.button.setVisible(action is not None)
        self.button.setText(action or "")
        self.show()

    def _do(self) -> None:
        self._act()
