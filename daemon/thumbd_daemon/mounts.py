"""File systems that do not answer: which file lies on which, and whom a silent one may keep waiting. Pure.

A file belongs to the mount point that is the longest prefix of its path. While somebody is stuck on a mount nobody
else is sent there, and what waits for it is set aside; after a while that ends as unreadable, and new files of it do at
once, until whoever is stuck has come back. Times are monotonic seconds.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")
_MAX_KNOWN: Final = 20_000


class Road(Enum):
    """How it goes on a mount."""

    CLEAR = auto()
    SLOW = auto()  # somebody is stuck there: nobody else is sent
    HUNG = auto()  # for so long that nobody waits any more


def mount_points(mountinfo: bytes) -> frozenset[bytes]:
    """The mount points of ``/proc/self/mountinfo`` (proc(5): the fifth field, with octal escapes)."""
    fields = (line.split(b" ") for line in mountinfo.splitlines())
    return frozenset(_ESCAPE.sub(lambda m: bytes([int(m[1], 8) & 0xFF]), f[4]) for f in fields if len(f) > 4)


@dataclass
class _Trouble(Generic[T]):
    """Who is stuck on a mount since when, and what waits for it."""

    since: float
    stuck: set[int] = field(default_factory=set)
    waiting: dict[T, None] = field(default_factory=dict)
    hung: bool = False


class Mounts(Generic[T]):
    """All mounts. `patience_s` is how long what waits for a silent one waits; a mount whose last visitor had to be
    killed has only `short_s` until it has answered again."""

    def __init__(self, patience_s: float, short_s: float) -> None:
        self._patience_s = patience_s
        self._short_s = short_s
        self._raw = b""
        self._points: frozenset[bytes] = frozenset({b"/"})
        self._known: dict[bytes, bytes] = {}
        self._troubles: dict[bytes, _Trouble[T]] = {}
        self._suspects: set[bytes] = set()

    def update(self, mountinfo: bytes) -> None:
        """Take what the kernel says is mounted now."""
        if mountinfo != self._raw:
            self._raw = mountinfo
            self._points = mount_points(mountinfo) | {b"/"}
            self._known.clear()

    def of(self, path: bytes) -> bytes:
        """The mount point that `path` lies under, taken as written."""
        folder = path.rpartition(b"/")[0]
        found = self._known.get(folder)
        if found is None:
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            found = self._known[folder] = self._longest(folder)
        return path if path in self._points else found

    def below(self, folder: bytes) -> list[bytes]:
        """The mount points below a folder."""
        inside = folder.rstrip(b"/") + b"/"
        return sorted(point for point in self._points if point.startswith(inside) and point != inside)

    def _longest(self, folder: bytes) -> bytes:
        while folder and folder not in self._points:
            folder = folder.rpartition(b"/")[0]
        return folder or b"/"

    def road(self, mount: bytes) -> Road:
        trouble = self._troubles.get(mount)
        if trouble is None:
            return Road.CLEAR
        return Road.HUNG if trouble.hung else Road.SLOW

    def stuck(self, mount: bytes, who: int, now: float) -> None:
        """Somebody gets no answer from a mount."""
        self._troubles.setdefault(mount, _Trouble(now)).stuck.add(who)

    def hold(self, mount: bytes, thing: T) -> None:
        """`thing` waits until the mount answers. Only while somebody is stuck there."""
        self._troubles[mount].waiting[thing] = None

    def back(self, who: int, *, answered: bool) -> list[T]:
        """Somebody is stuck no longer: it has `answered`, or it has ended. Returns what need not wait any more."""
        freed: list[T] = []
        for mount, trouble in list(self._troubles.items()):
            if who in trouble.stuck:
                trouble.stuck.discard(who)
                self._trust(mount, answered)
                if not trouble.stuck:
                    freed += trouble.waiting
                    del self._troubles[mount]
        return freed

    def answered(self, path: bytes) -> None:
        """The mount that `path` lies on has answered somebody in time."""
        if self._suspects:
            self._suspects.discard(self.of(path))

    def _trust(self, mount: bytes, answered: bool) -> None:
        if answered:
            self._suspects.discard(mount)
        else:
            self._suspects.add(mount)

    def _until(self, mount: bytes, trouble: _Trouble[T]) -> float:
        return trouble.since + (self._short_s if mount in self._suspects else self._patience_s)

    def give_up(self, now: float) -> list[T]:
        """What has waited for so long that it ends now; its mounts are hung."""
        lost: list[T] = []
        for mount, trouble in self._troubles.items():
            if now >= self._until(mount, trouble):
                trouble.hung = True
                lost += trouble.waiting
                trouble.waiting = {}
        return lost

    def shift(self, gap: float) -> None:
        """For so many seconds nobody was there to hear an answer."""
        for trouble in self._troubles.values():
            trouble.since += gap

    def next_deadline(self) -> float | None:
        """When `give_up` may have something new to say."""
        times = (self._until(mount, trouble) for mount, trouble in self._troubles.items() if not trouble.hung)
        return min(times, default=None)

    def in_trouble(self, since: float) -> list[bytes]:
        """The mounts that have not answered since then."""
        return [mount for mount, trouble in self._troubles.items() if trouble.since <= since]
