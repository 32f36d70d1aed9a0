"""What the daemon says: answers (by ``reply_to``), and what it pushes (with ``epoch`` and ``seq``).

`epoch` is 8 random bytes for each start of the daemon; `seq` counts a session's pushes from 1, without holes.
"""

from typing import Any

from msgspec import Struct

from .items import BatchInfo, Entry, FocusInfo, FolderChange, ItemStatus, ItemUpdate, Progress, Topic, check_topic
from .requests import Message


class ServerInfo(Struct, frozen=True):
    """Which daemon answers."""

    name: str
    version: str
    pid: int


class Reply(Message, frozen=True, kw_only=True):
    """The answer to one request."""

    reply_to: bytes


class Push(Message, frozen=True, kw_only=True):
    """Told without being asked, numbered without holes."""

    epoch: bytes
    seq: int


class Welcome(Reply, tag="welcome", frozen=True, kw_only=True):
    """The answer to ``hello``; `resumed` says that the session named there still lives."""

    protocol: int
    epoch: bytes
    session: bytes
    resumed: bool
    capabilities: list[str]
    limits: dict[str, int]
    heartbeat_ms: int
    server: ServerInfo


class Accepted(Reply, tag="accepted", frozen=True, kw_only=True):
    """A submit was taken; `total` is None while a folder is being listed."""

    batch: str
    total: int | None


class StatusReply(Reply, tag="status", frozen=True, kw_only=True):
    items: list[ItemStatus]
    batch: BatchInfo | None = None


class Ok(Reply, tag="ok", frozen=True, kw_only=True):
    """Done. Which fields there are depends on the request; see the table of requests."""

    # cancel, pause, resume
    dropped: int | None = None
    running: int | None = None
    shared: int | None = None
    # batches
    batches: list[BatchInfo] | None = None
    # retry
    requeued: int | None = None
    # explain
    uri: str | None = None
    md5: str | None = None
    looked: list[bytes] | None = None
    found: bytes | None = None
    failure: str | None = None
    next_try_ms: int | None = None
    # quarantine: `items` are the first of `total`
    total: int | None = None
    items: list[dict[str, Any]] | None = None
    # cache
    flavors: dict[str, dict[str, int]] | None = None
    removed: int | None = None
    # pool
    min: int | None = None
    max: int | None = None
    workers: list[dict[str, Any]] | None = None


class Error(Message, tag="error", frozen=True, kw_only=True):
    """A request was not done; without `reply_to` where the request's id could not be read."""

    code: str
    message: str
    retryable: bool
    reply_to: bytes | None = None
    retry_after_ms: int | None = None
    room: int | None = None


class Pong(Reply, tag="pong", frozen=True, kw_only=True):
    """`seq` is the last one sent: ahead of the client's own, it shows a lost tail."""

    epoch: bytes
    seq: int


class Stats(Reply, tag="stats", frozen=True, kw_only=True):
    uptime_ms: int
    epoch: bytes
    queue: dict[str, Any]
    wait_ms: dict[str, Any]
    render_ms: dict[str, Any]
    throughput: dict[str, float]
    items: dict[str, Any]
    retries: int
    batches: dict[str, int]
    sessions: list[dict[str, Any]]
    memory: dict[str, int]
    cache: dict[str, Any] | None = None


class Health(Reply, tag="health", frozen=True, kw_only=True):
    verdict: str
    reasons: list[str]
    workers: list[dict[str, Any]]
    restarts: int
    crash_loop: bool
    lingering: int
    quarantined: int
    sandbox: dict[str, str]
    journal_writable: bool
    cache_writable: bool
    failures: list[dict[str, Any]] = []
    slowed: str | None = None


class Snapshot(Push, tag="snapshot", frozen=True, kw_only=True):
    """One part of what a topic holds; `last` ends it, with `error` and `message` if it could not be had."""

    reply_to: bytes
    topic: Topic
    part: int
    last: bool
    batches: list[BatchInfo] = []
    items: list[ItemUpdate] = []
    entries: list[Entry] = []
    focus: list[FocusInfo] = []
    error: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        check_topic(self.topic)


class Update(Push, tag="update", frozen=True, kw_only=True):
    """What is new: only the newest state of each item, the newest progress of each batch."""

    items: list[ItemUpdate] = []
    progress: list[Progress] = []
    entries: list[FolderChange] = []


class Done(Push, tag="done", frozen=True, kw_only=True):
    """A batch has ended; told once to each session that asked, behind its last item and progress."""

    batch: str
    ready: int
    failed: int
    cancelled: int
    quarantined: int
    elapsed_ms: int
    error: str | None = None
    message: str | None = None


class Notice(Push, tag="notice", frozen=True, kw_only=True):
    """Something about the daemon itself: draining, degraded, recovered, memory, resync, replaced."""

    kind: str
    message: str


REPLIES: tuple[type[Message], ...] = (
    Welcome,
    Accepted,
    StatusReply,
    Ok,
    Error,
    Pong,
    Stats,
    Health,
    Snapshot,
    Update,
    Done,
    Notice,
)
