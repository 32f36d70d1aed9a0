"""Files that took renderers down again and again: they are not tried any more until something changes. Pure.

A file is known by path, mtime and size, and for one version of the renderer: when any of these is another, it is free.
What must outlive the daemon is handed to a `Store`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Quarantined:
    """One file: what it is, why, how many renderers it cost, and since when (Unix time in ms)."""

    path: bytes
    mtime_ns: int
    size: int
    renderer: str
    reason: str
    deaths: int
    since_ms: int


class Store(Protocol):
    """Where the list is kept."""

    def keep(self, entry: Quarantined) -> None:
        """Remember `entry`, in place of what was known of its path."""

    def forget(self, path: bytes) -> None:
        """`path` is free."""


class Quarantine:
    """All quarantined files, as `renderer` (a version) sees them."""

    def __init__(self, known: Iterable[Quarantined], store: Store, renderer: str) -> None:
        self._store = store
        self._renderer = renderer
        self._files: dict[bytes, Quarantined] = {}
        for entry in known:
            if entry.renderer == renderer:
                self._files[entry.path] = entry
            else:
                store.forget(entry.path)  # another renderer may do better

    def __len__(self) -> int:
        return len(self._files)

    def entries(self) -> list[Quarantined]:
        """All of them, the oldest first."""
        return sorted(self._files.values(), key=lambda entry: entry.since_ms)

    def find(self, path: bytes, size: int, mtime_ns: int) -> Quarantined | None:
        """What is known of this very file; one that has changed is free."""
        entry = self._files.get(path)
        if entry is not None and (entry.size, entry.mtime_ns) != (size, mtime_ns):
            self.release(path)
            return None
        return entry

    def learn(self, found: Iterable[Quarantined]) -> None:
        """What the store knew was read late; what was found out meanwhile is newer."""
        for entry in found:
            if entry.renderer == self._renderer:
                self._files.setdefault(entry.path, entry)
            else:
                self._store.forget(entry.path)

    def add(self, path: bytes, size: int, mtime_ns: int, reason: str, deaths: int, since_ms: int) -> None:
        """A file has cost too many renderers."""
        entry = Quarantined(path, mtime_ns, size, self._renderer, reason, deaths, since_ms)
        self._files[path] = entry
        self._store.keep(entry)

    def release(self, path: bytes) -> bool:
        """Try a file again when it is next asked for; False when it was not quarantined."""
        if self._files.pop(path, None) is None:
            return False
        self._store.forget(path)
        return True
