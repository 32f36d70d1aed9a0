"""What a client says to the daemon. Each request has an ``id`` (16 bytes, made by the client); ``focus``,
``credit`` and ``bye`` have none, since nothing answers them.

Some are declared before they are built, so that a client written today needs no other types tomorrow; the daemon
answers those ``not_supported``.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .items import Flavor, Folder, Item, Name, Path, Priority, Topic, check_path, check_topic
from .limits import ID_BYTES, MAX_CREDIT, MAX_SUBMIT_ITEMS, MIN_CREDIT

Id = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Items = Annotated[list[Item], Meta(max_length=MAX_SUBMIT_ITEMS)]
Paths = Annotated[list[Path], Meta(max_length=MAX_SUBMIT_ITEMS)]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class ClientInfo(Struct, frozen=True):
    """Who is calling, for logs and for ``stats``."""

    name: Name
    version: Name
    pid: int


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    """A message of the wire; its ``type`` is the class's tag."""


class Request(Message, kw_only=True, frozen=True):
    """A message that is answered, by its id."""

    id: Id


class Hello(Request, tag="hello", frozen=True, kw_only=True):
    """The first message of a connection."""

    protocol: tuple[int, int]
    client: ClientInfo
    capabilities: list[str]
    credit: Annotated[int, Meta(ge=MIN_CREDIT, le=MAX_CREDIT)]
    heartbeat_ms: Annotated[int, Meta(ge=100, le=600_000)]
    session: Annotated[bytes, Meta(max_length=64)] | None = None


class Topics(Request, frozen=True, kw_only=True):
    """A request about some topics."""

    topics: Annotated[list[Topic], Meta(max_length=256)]

    def __post_init__(self) -> None:
        for topic in self.topics:
            check_topic(topic)


class Subscribe(Topics, tag="subscribe", frozen=True, kw_only=True):
    pass


class Unsubscribe(Topics, tag="unsubscribe", frozen=True, kw_only=True):
    pass


class Submit(Request, tag="submit", frozen=True, kw_only=True):
    """Ask for items, or for all pictures of a folder; a chunk is taken whole or not at all."""

    priority: Priority
    items: Items | None = None
    folder: Folder | None = None
    batch: Name | None = None
    more: bool = False
    replace: Name | None = None
    durable: bool = False
    ttl_s: Count | None = None
    max_retries: Annotated[int, Meta(ge=0, le=100)] | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=86_400_000)] | None = None

    def __post_init__(self) -> None:
        if (self.items is None) == (self.folder is None):
            raise ValueError("a submit has either `items` or `folder`")
        if self.durable and self.batch is None:
            raise ValueError("`durable` needs a `batch` made by the client")
        if self.more and self.batch is None:
            raise ValueError("`more` needs a `batch`: the chunks that follow must be able to name it")


class Focus(Message, tag="focus", frozen=True, kw_only=True):
    """What a view shows now. The newest generation of a view wins; visible is critical, near is high."""

    view: Name
    generation: Count
    flavor: Flavor
    visible: Paths
    near: Paths

    def __post_init__(self) -> None:
        for path in self.visible:
            check_path(path)
        for path in self.near:
            check_path(path)


class Selection(Request, frozen=True, kw_only=True):
    """A request about one batch, or about some items."""

    batch: Name | None = None
    items: Items | None = None

    def __post_init__(self) -> None:
        if (self.batch is None) == (self.items is None):
            raise ValueError("name either a `batch` or `items`")


class Cancel(Selection, tag="cancel", frozen=True, kw_only=True):
    pass


class Pause(Selection, tag="pause", frozen=True, kw_only=True):
    pass


class Resume(Selection, tag="resume", frozen=True, kw_only=True):
    pass


class Status(Selection, tag="status", frozen=True, kw_only=True):
    pass


class Batches(Request, tag="batches", frozen=True, kw_only=True):
    pass


class SnapshotRequest(Topics, tag="snapshot", frozen=True, kw_only=True):
    pass


class Retry(Request, tag="retry", frozen=True, kw_only=True):
    batch: Name | None = None
    items: Items | None = None
    kind: str | None = None


class Explain(Request, tag="explain", frozen=True, kw_only=True):
    path: Path
    flavor: Flavor

    def __post_init__(self) -> None:
        check_path(self.path)


class Credit(Message, tag="credit", frozen=True, kw_only=True):
    """So many updates or snapshot parts have been processed; as many more may come."""

    n: Annotated[int, Meta(ge=1, le=MAX_CREDIT)]


class Ping(Request, tag="ping", frozen=True, kw_only=True):
    pass


class StatsRequest(Request, tag="stats", frozen=True, kw_only=True):
    pass


class HealthRequest(Request, tag="health", frozen=True, kw_only=True):
    pass


class Quarantine(Request, tag="quarantine", frozen=True, kw_only=True):
    action: Literal["list", "release", "clear"]
    items: Items | None = None


class Cache(Request, tag="cache", frozen=True, kw_only=True):
    action: Literal["stat", "prune", "verify", "clear"]
    dry_run: bool = False


class Pool(Request, tag="pool", frozen=True, kw_only=True):
    min: Annotated[int, Meta(ge=1, le=256)] | None = None
    max: Annotated[int, Meta(ge=1, le=256)] | None = None


class Shutdown(Request, tag="shutdown", frozen=True, kw_only=True):
    mode: Literal["drain", "now"]


class Bye(Message, tag="bye", frozen=True, kw_only=True):
    pass


REQUESTS: tuple[type[Message], ...] = (
    Hello,
    Subscribe,
    Unsubscribe,
    Submit,
    Focus,
    Cancel,
    Pause,
    Resume,
    Status,
    Batches,
    SnapshotRequest,
    Retry,
    Explain,
    Credit,
    Ping,
    StatsRequest,
    HealthRequest,
    Quarantine,
    Cache,
    Pool,
    Shutdown,
    Bye,
)
