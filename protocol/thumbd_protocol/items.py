"""The things that messages are about: items, flavors, states, priorities, entries, progress.

A path travels as bytes (msgpack ``bin``), absolute and without NUL: a Linux name need not be UTF-8.
"""

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct

from .limits import MAX_NAME_CHARS, MAX_PATH_BYTES, MAX_TOPIC_BYTES

Path = Annotated[bytes, Meta(min_length=1, max_length=MAX_PATH_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]


if TYPE_CHECKING:
    #: A topic is text, or bytes where it names a folder whose path is not UTF-8.
    Topic = str | bytes
else:
    # msgspec takes no union of text and bytes: `check_topic` does what it would have done.
    Topic = Any


class Flavor(StrEnum):
    """A thumbnail's size by its freedesktop name; ``preview`` is thumbd's own, for the loupe."""

    NORMAL = "normal"
    LARGE = "large"
    X_LARGE = "x-large"
    XX_LARGE = "xx-large"
    PREVIEW = "preview"


#: Edge of the square that bounds a thumbnail of each flavor, in pixels.
FLAVOR_EDGE: dict[Flavor, int] = {
    Flavor.NORMAL: 128,
    Flavor.LARGE: 256,
    Flavor.X_LARGE: 512,
    Flavor.XX_LARGE: 1024,
    Flavor.PREVIEW: 2048,
}


class State(StrEnum):
    """Where an item stands for those who asked; the last three are final for one submission."""

    QUEUED = "queued"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (State.READY, State.FAILED, State.CANCELLED)


class Priority(StrEnum):
    """How soon: on screen, about to be, and three kinds of later."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    BACKGROUND = "background"

    @property
    def rank(self) -> "Rank":
        return Rank[self.name]


class Rank(IntEnum):
    """A priority as a number, the smallest first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BACKGROUND = 4


class EntryKind(StrEnum):
    """What a name in a folder stands for."""

    IMAGE = "image"
    FOLDER = "folder"
    OTHER = "other"


class Source(StrEnum):
    """What an item's final state rests on: what the cache remembered, or work of a renderer."""

    CACHE = "cache"
    RENDER = "render"


def check_path(path: bytes) -> None:
    """Raise ValueError (which the codec tells as ``bad_field``) unless `path` is absolute and free of NUL."""
    if not path.startswith(b"/"):
        raise ValueError("a path must be absolute (begin with '/')")
    if b"\0" in path:
        raise ValueError("a path must not contain NUL")


def check_topic(topic: object) -> None:
    """Raise ValueError (which the codec tells as ``bad_field``) unless `topic` is text or bytes within bounds."""
    if not isinstance(topic, str | bytes):
        raise ValueError("a topic is text or bytes")
    size = len(topic.encode() if isinstance(topic, str) else topic)
    if not 1 <= size <= MAX_TOPIC_BYTES:
        raise ValueError(f"a topic has 1 to {MAX_TOPIC_BYTES} bytes")


class Item(Struct, frozen=True, omit_defaults=True):
    """One thumbnail that is wanted: of which file, in which flavor."""

    path: Path
    flavor: Flavor
    kind: str = "thumbnail"

    def __post_init__(self) -> None:
        check_path(self.path)


class Folder(Struct, frozen=True, omit_defaults=True):
    """All pictures of a folder, as items of one flavor."""

    path: Path
    flavor: Flavor
    recursive: bool = False
    hidden: bool = False

    def __post_init__(self) -> None:
        check_path(self.path)


class ItemUpdate(Struct, frozen=True, omit_defaults=True):
    """The newest state of an item, as told to a session that asked for it.

    `thumbnail` names a file of the cache, `volatile` one that may vanish (a first look, or what can't be cached);
    `width` and `height` are the original's, in pixels, as a person sees it (after its orientation).
    """

    path: bytes
    flavor: Flavor
    state: State
    thumbnail: bytes | None = None
    volatile: bytes | None = None
    width: int | None = None
    height: int | None = None
    source: Source | None = None
    error: str | None = None
    message: str | None = None
    retryable: bool | None = None


class ItemStatus(Struct, frozen=True, omit_defaults=True):
    """The answer to ``status`` for one item; `position` counts those waiting before it, 0 = next or under way."""

    path: bytes
    flavor: Flavor
    state: State
    attempts: int
    position: int
    error: str | None = None


class Progress(Struct, frozen=True, omit_defaults=True):
    """How far a batch is. `total` is None while its folder is being listed; `rate` in items a second.

    ``done = ready + failed + cancelled``; `cached` and `joined` count those that cost no render of their own;
    `bytes` is the size of the originals done.
    """

    batch: str
    done: int
    ready: int
    failed: int
    cancelled: int
    cached: int
    joined: int
    total: int | None
    bytes: int
    rate: float
    eta_ms: int | None


class Entry(Struct, frozen=True, omit_defaults=True):
    """A name in a folder, relative to the topic; size and time may follow later."""

    name: bytes
    kind: EntryKind
    size: int | None = None
    mtime_ns: int | None = None
    mime: str | None = None


class FolderChange(Struct, frozen=True, omit_defaults=True):
    """What changed in a folder since its snapshot; `rescanned` when the kernel does not tell of all that happens there
    and the folder is looked through again and again instead."""

    folder: bytes
    added: list[Entry] = []
    removed: list[bytes] = []
    changed: list[Entry] = []
    renamed: list[tuple[bytes, bytes]] = []
    rescanned: bool = False


class BatchState(StrEnum):
    """How far a batch is."""

    LISTING = "listing"
    OPEN = "open"
    PAUSED = "paused"
    DONE = "done"


class BatchInfo(Struct, frozen=True, omit_defaults=True):
    """A batch as ``batches`` and snapshots tell it; `age_ms` since it was accepted, `folder` where it was asked for as
    one."""

    batch: str
    state: str
    progress: Progress
    durable: bool
    age_ms: int
    folder: bytes | None = None


class FocusInfo(Struct, frozen=True, omit_defaults=True):
    """What a view of this session shows, as ``mine`` tells it: how many paths on screen and near it."""

    view: str
    generation: int
    flavor: Flavor
    visible: int
    near: int
