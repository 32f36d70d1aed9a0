"""Where it is measured: a private home with a real daemon, as many pictures as wanted, what the processes cost."""

import errno
import os
import random
import shutil
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
from asyncinotify import Inotify, Mask
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from thumbd_home import Home, wait_for

from .raw import Map, Raw

#: Pictures that are drawn where no folder is given.
_DRAWN: Final = 48


class Place:
    """A home with a daemon at work. Names of pictures are hard links to a few originals: each is a file of its own to
    the cache, and cold until it is asked for."""

    def __init__(self, pictures: Path | None, flavor: str = "normal") -> None:
        self.flavor = flavor
        self.home = Home()
        self._originals = self._choose(pictures)
        self._tiny = _draw(self.home.root / "tiny", 8, (120, 240))
        self._folders = 0
        self.thumbnails = self.home.cache / "thumbnails" / flavor
        self.thumbnails.mkdir(mode=0o700, parents=True)
        self.thumbnails.parent.chmod(0o700)
        self.pid = self.home.daemon().pid
        wait_for(lambda: len(self.home.workers("renderer")) >= 2, "renderers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.home.close()

    @property
    def socket(self) -> Path:
        return self.home.socket

    def _choose(self, folder: Path | None) -> list[Path]:
        if folder is None:
            return _draw(self.home.pictures / "drawn", _DRAWN, (400, 1200))
        files = [path for path in sorted(folder.resolve().iterdir()) if path.suffix.lower() in (".jpg", ".jpeg")]
        if not files:
            self.home.close()
            sys.exit(f"{folder} has no JPEGs")
        random.Random(1).shuffle(files)
        return files

    def names(self, count: int, *, tiny: bool = False) -> list[bytes]:
        """`count` files that nobody has asked for yet, in a folder of their own; `tiny` ones are rendered soon."""
        originals = self._tiny if tiny else self._originals
        self._folders += 1
        folder = self.home.pictures / f"{self._folders}"
        folder.mkdir()
        names: list[bytes] = []
        for number in range(count):
            name = folder / f"{number:05}.jpg"
            place = number % len(originals)
            try:
                os.link(originals[place], name)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                    raise
                shutil.copyfile(originals[place], name)
                originals[place] = name
            names.append(os.fsencode(name))
        return names

    def ask(self, kind: str, **fields: Any) -> Map:
        """One question, over a connection of its own."""
        client = Raw(self.socket, "asking")
        try:
            return client.ask(kind, **fields)
        finally:
            client.bye()

    def cpu(self) -> dict[str, float]:
        """Seconds of processor that each kind of process has taken; of those that have ended, together."""
        daemon = psutil.Process(self.pid)
        times = daemon.cpu_times()
        found = {"daemon": times.user + times.system, "ended": times.children_user + times.children_system}
        for child in daemon.children():
            try:
                kind = "renderers" if "thumbd_daemon.renderer" in child.cmdline() else "scouts"
                spent = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[kind] = found.get(kind, 0.0) + spent.user + spent.system
        return found

    def cpu_since(self, before: dict[str, float]) -> dict[str, float]:
        after = self.cpu()
        return {kind: round(spent - before.get(kind, 0.0), 2) for kind, spent in after.items()}


def _draw(folder: Path, count: int, widths: tuple[int, int]) -> list[Path]:
    """JPEGs such as a gallery has: smooth shapes with some grain."""
    folder.mkdir()
    chance = random.Random(1)
    files: list[Path] = []
    for number in range(count):
        width = chance.randrange(*widths)
        size = (width, width * 3 // 4)
        shapes = Image.frombytes("RGB", (12, 8), chance.randbytes(288)).resize(size, Image.Resampling.BICUBIC)
        grain = Image.frombytes("L", (256, 256), chance.randbytes(65536)).resize(size).convert("RGB")
        files.append(folder / f"original{number:02}.jpg")
        Image.blend(shapes, grain, 0.08).save(files[-1], quality=85)
    return files


class Published:
    """Counts how often each name appears in a folder of the cache, as the kernel tells it: more than once means that a
    picture was rendered again."""

    def __init__(self, folder: Path) -> None:
        self.times: Counter[str] = Counter()
        self.overflowed = False
        self._ending = threading.Event()
        self._inotify = Inotify(sync_timeout=0.1)
        self._inotify.add_watch(folder, Mask.CREATE | Mask.MOVED_TO)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            for event in self._inotify:
                self.overflowed = self.overflowed or Mask.Q_OVERFLOW in event.mask
                name = str(event.name)
                if name.endswith(".png"):
                    self.times[name] += 1

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self._inotify.close()


class Memory:
    """The daemon's resident memory, looked at five times a second."""

    def __init__(self, pid: int) -> None:
        self.seen: list[tuple[float, int]] = []
        self._process = psutil.Process(pid)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(0.2):
            self.seen.append((time.monotonic(), self._process.memory_info().rss))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def most_mb(self, began: float, ended: float) -> float:
        return round(max((rss for at, rss in self.seen if began <= at <= ended), default=0) / (1 << 20), 1)
