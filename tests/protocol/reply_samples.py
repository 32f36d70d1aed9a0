"""Replies and pushes of every type: with the fields they must have (``minimal``), and with every one they may have
(``full``). The golden vectors are these, encoded.
"""

from typing import Final

from thumbd_protocol.items import (
    BatchInfo,
    BatchState,
    Entry,
    EntryKind,
    Flavor,
    FocusInfo,
    FolderChange,
    ItemStatus,
    ItemUpdate,
    Progress,
    Source,
    State,
)
from thumbd_protocol.replies import (
    Accepted,
    Done,
    Error,
    Health,
    Notice,
    Ok,
    Pong,
    ServerInfo,
    Snapshot,
    Stats,
    StatusReply,
    Update,
    Welcome,
)
from thumbd_protocol.requests import Message

from .request_samples import ID

#: 8 bytes, others with each start of the daemon.
EPOCH: Final = b"8 bytes!"

PROGRESS: Final = Progress("trip", 3, 1, 1, 1, 1, 0, 9, 12_345_678_901, 2.5, 800)
#: Its folder is still being listed, so nobody knows how many there will be.
LISTED: Final = Progress("trip", 0, 0, 0, 0, 0, 0, None, 0, 0.0, None)
BATCH: Final = BatchInfo("trip", BatchState.OPEN, PROGRESS, False, 12)
FOLDER_BATCH: Final = BatchInfo("trip", BatchState.LISTING, LISTED, True, 3_600_000, b"/pictures/\xff")
QUEUED: Final = ItemUpdate(b"/a.jpg", Flavor.NORMAL, State.QUEUED)
READY: Final = ItemUpdate(b"/a.jpg", Flavor.LARGE, State.READY, b"/t.png", None, 6000, 4000, Source.CACHE)
FAILED: Final = ItemUpdate(
    b"/\xff.jpg",
    Flavor.LARGE,
    State.FAILED,
    b"/t.png",
    b"/v.png",
    4,
    3,
    Source.RENDER,
    "crashed",
    "/\N{REPLACEMENT CHARACTER}.jpg: the renderer died over it",
    True,
)
NAME: Final = Entry(b"trip", EntryKind.FOLDER)
# Seconds of this century need 64 bits in nanoseconds; a file may be older than 1970.
ENTRY: Final = Entry(b"a\xff.jpg", EntryKind.IMAGE, 5_000_000_000, 1_700_000_000_123_456_789, "image/jpeg")
OLD_ENTRY: Final = Entry(b"notes", EntryKind.OTHER, 0, -1)
CHANGE: Final = FolderChange(b"/\xff", [ENTRY], [b"gone"], [OLD_ENTRY], [(b"old", b"new")], True)

REPLY_SAMPLES: Final[dict[str, Message]] = {
    "welcome-minimal": Welcome(
        reply_to=ID,
        protocol=1,
        epoch=EPOCH,
        session=b"a session",
        resumed=False,
        capabilities=[],
        limits={"update_items": 256, "request_bytes": 1_048_576},
        heartbeat_ms=5000,
        server=ServerInfo("thumbd", "0.1.0", 42),
    ),
    "accepted-listing": Accepted(reply_to=ID, batch="trip", total=None),
    "accepted-items": Accepted(reply_to=ID, batch="trip", total=4096),
    "status-minimal": StatusReply(reply_to=ID, items=[ItemStatus(b"/a.jpg", Flavor.LARGE, State.QUEUED, 0, 4)]),
    "status-full": StatusReply(
        reply_to=ID, items=[ItemStatus(b"/\xff.jpg", Flavor.LARGE, State.RENDERING, 1, 0, "timeout")], batch=BATCH
    ),
    "ok-minimal": Ok(reply_to=ID),
    "ok-cancel": Ok(reply_to=ID, dropped=1, running=2, shared=3),
    "ok-batches": Ok(reply_to=ID, batches=[BATCH, FOLDER_BATCH]),
    # No request has an answer with all of these; a reader must bear it.
    "ok-full": Ok(
        reply_to=ID,
        dropped=1,
        running=2,
        shared=3,
        batches=[BATCH],
        requeued=4,
        uri="file:///a.jpg",
        md5="d41d8cd98f00b204e9800998ecf8427e",
        looked=[b"/x", b"/\xff"],
        found=b"/y",
        failure="crashed",
        next_try_ms=5,
        total=1001,
        items=[{"path": b"/a.jpg", "reason": "crashed", "deaths": 2, "since_ms": 60_000}],
        flavors={"large": {"bytes": 1 << 32, "entries": 70_000, "ours": 3}},
        removed=6,
        min=1,
        max=2,
        workers=[{"pid": 4242}],
    ),
    "error-minimal": Error(code="bad_frame", message="the message is not a map", retryable=False),
    "error-full": Error(
        code="queue_full", message="the queue is full", retryable=True, reply_to=ID, retry_after_ms=250, room=7
    ),
    "pong-minimal": Pong(reply_to=ID, epoch=EPOCH, seq=3),
    "stats-minimal": Stats(
        reply_to=ID,
        uptime_ms=1,
        epoch=EPOCH,
        queue={"total": 1, "by_class": {"critical": 1}},
        wait_ms={},
        render_ms={"normal": {"p50": 1.5, "p95": 20.0, "p99": 0.1}},
        throughput={"1s": 2.0},
        items={"ready": 1, "failed": {"crashed": 1}},
        retries=0,
        batches={"open": 1, "durable": 0},
        sessions=[{"name": "gallery", "pid": 4711, "credit": 16, "outbox": 0, "parked": False}],
        memory={"daemon_rss": 50_000_000},
    ),
    "stats-full": Stats(
        reply_to=ID,
        uptime_ms=1 << 40,
        epoch=EPOCH,
        queue={},
        wait_ms={},
        render_ms={},
        throughput={},
        items={},
        retries=65_536,
        batches={},
        sessions=[],
        memory={},
        cache={"entries": 3, "bytes": {"large": 255}},
    ),
    "health-minimal": Health(
        reply_to=ID,
        verdict="ok",
        reasons=[],
        workers=[{"pid": 1, "kind": "renderer", "state": "ready", "task": None}],
        restarts=0,
        crash_loop=False,
        lingering=0,
        quarantined=0,
        sandbox={"state": "off", "reason": "not built"},
        journal_writable=True,
        cache_writable=True,
    ),
    "health-full": Health(
        reply_to=ID,
        verdict="degraded",
        reasons=["a renderer has died 5 times before it was ready"],
        workers=[],
        restarts=5,
        crash_loop=True,
        lingering=1,
        quarantined=2,
        sandbox={"state": "full"},
        journal_writable=False,
        cache_writable=False,
        failures=[{"ago_ms": 17, "kind": "renderer", "seconds": 0.25, "file": b"/\xff.jpg"}],
        slowed="memory is short",
    ),
    "snapshot-minimal": Snapshot(epoch=EPOCH, seq=1, reply_to=ID, topic="mine", part=0, last=False),
    "snapshot-entries": Snapshot(
        epoch=EPOCH, seq=1, reply_to=ID, topic=b"tree:/pictures", part=0, last=True, entries=[NAME, ENTRY, OLD_ENTRY]
    ),
    "snapshot-mine": Snapshot(
        epoch=EPOCH,
        seq=1,
        reply_to=ID,
        topic="mine",
        part=0,
        last=True,
        batches=[FOLDER_BATCH],
        items=[QUEUED],
        focus=[FocusInfo("main", 3, Flavor.LARGE, 40, 20)],
    ),
    "snapshot-full": Snapshot(
        epoch=EPOCH,
        seq=70_000,
        reply_to=ID,
        topic=b"folder:/\xff",
        part=2,
        last=True,
        batches=[BATCH],
        items=[FAILED],
        entries=[ENTRY],
        focus=[FocusInfo("main", 3, Flavor.LARGE, 40, 20)],
        error="unreadable",
        message="/\N{REPLACEMENT CHARACTER}: may not be listed",
    ),
    "update-minimal": Update(epoch=EPOCH, seq=2),
    "update-entries": Update(
        epoch=EPOCH, seq=2, entries=[FolderChange(b"/pictures", added=[NAME]), FolderChange(b"/trip", changed=[ENTRY])]
    ),
    "update-full": Update(
        epoch=EPOCH, seq=3, items=[QUEUED, READY, FAILED], progress=[PROGRESS, LISTED], entries=[CHANGE]
    ),
    "done-minimal": Done(
        epoch=EPOCH, seq=3, batch="trip", ready=100, failed=2, cancelled=3, quarantined=1, elapsed_ms=4
    ),
    "done-full": Done(
        epoch=EPOCH,
        seq=4,
        batch="trip",
        ready=0,
        failed=0,
        cancelled=0,
        quarantined=0,
        elapsed_ms=0,
        error="not_found",
        message="/trip: there is no such file or folder",
    ),
    "notice-minimal": Notice(epoch=EPOCH, seq=4, kind="draining", message="thumbd is ending"),
}
