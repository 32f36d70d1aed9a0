"""What became of a durable batch: what its client was told, and how the thumbnails came to be. See ``durable_harness``."""

import os
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

BATCH: Final = "durable-1"
_END: Final = b"IEND\xaeB`\x82"
_FINAL: Final = frozenset({"ready", "failed", "cancelled"})


@dataclass
class Report:
    """What became of a run. `ready` and `missing` must make `items`, `failed` be the missing ones; `kills`, `lives` and
    `told_again` (in another life) are what they are, all else must be 0 or empty."""

    name: str
    items: int
    seed: int = 0
    #: Files that are not there when they are asked for; they come back once they have been told as failed.
    missing: int = 0
    ready: int = 0
    kills: int = 0
    #: Lives in which at least one final state was told.
    lives: int = 0
    lost: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    #: Final states told more than once in one epoch; told differently in two; thumbnails made again.
    twice: int = 0
    contradictory: int = 0
    made_again: int = 0
    #: Thumbnails that are not whole, told ones that are not there, holes in the daemon's numbers.
    broken: int = 0
    absent: int = 0
    gaps: int = 0
    #: How often the batch's end was told in one epoch, if more than once; counts in it that are wrong.
    ends: int = 0
    wrong_end: str = ""
    trouble: str = ""
    told_again: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        counts = (self.lost, self.twice, self.contradictory, self.made_again, self.broken, self.absent, self.gaps)
        texts = (self.wrong_end, self.trouble)
        whole = self.ready == self.items - self.missing
        failed = {"not_found": self.missing} if self.missing else {}
        return whole and self.failed == failed and not any(counts) and not self.ends and not any(texts)


class Ledger:
    """What a client has been told, and in which epoch."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[Any, ...]] = {}
        self.by_epoch: defaultdict[bytes, Counter[bytes]] = defaultdict(Counter)
        self.ends: Counter[bytes] = Counter()
        #: The batch's counts, once it has ended.
        self.end: dict[str, Any] | None = None
        self.contradictory: set[bytes] = set()
        #: What the newest snapshot tells of the batch's state.
        self.batch_state = ""

    def take(self, message: dict[str, Any]) -> None:
        epoch = message.get("epoch", b"")
        for item in message.get("items", ()):
            path = item["path"]
            if item["state"] not in _FINAL:
                continue
            told = (item["state"], item.get("thumbnail"), item.get("error"))
            self.by_epoch[epoch][path] += 1
            if self.known.setdefault(path, told) != told:
                self.contradictory.add(path)
        if message["type"] == "done" and message["batch"] == BATCH:
            self.ends[epoch] += 1
            self.end = message
        if message["type"] == "snapshot":
            for batch in message.get("batches", ()):
                if batch["batch"] == BATCH:
                    self.batch_state = batch["state"]
                    if batch["state"] == "done":
                        self.end = batch["progress"]


class Thumbnails:
    """The files of the cache as they were at each look: which one is made anew has another inode or time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int]] = {}
        self.made_again: set[str] = set()
        self.broken: set[str] = set()

    def count(self) -> int:
        with suppress(FileNotFoundError):
            return sum(name.endswith(".png") and not name.startswith(".") for name in os.listdir(self._folder))
        return 0

    def look(self) -> None:
        """Compare with the look before. Nobody may be at work."""
        if not self._folder.is_dir():
            return
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.endswith(".png"):
                    continue
                found = entry.stat()
                now = (found.st_ino, found.st_mtime_ns)
                if self._seen.get(entry.name, now) != now:
                    self.made_again.add(entry.name)
                if self._seen.get(entry.name) != now and not _whole(Path(entry.path)):
                    self.broken.add(entry.name)
                self._seen[entry.name] = now


def _whole(png: Path) -> bool:
    with png.open("rb") as file:
        file.seek(-len(_END), os.SEEK_END)
        return file.read() == _END
