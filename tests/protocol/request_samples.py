"""Requests of every type: with the fields they must have (``minimal``), with every one they may have (``full``), and
where one shape rules another out, each shape. The golden vectors are these, encoded.
"""

from typing import Final

from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.requests import (
    Batches,
    Bye,
    Cache,
    Cancel,
    ClientInfo,
    Credit,
    Explain,
    Focus,
    HealthRequest,
    Hello,
    Message,
    Pause,
    Ping,
    Pool,
    Quarantine,
    Resume,
    Retry,
    Shutdown,
    SnapshotRequest,
    StatsRequest,
    Status,
    Submit,
    Subscribe,
    Unsubscribe,
)

#: 16 bytes, as each request has.
ID: Final = bytes(range(16))
#: A name that is not UTF-8, beside one that is.
ITEM: Final = Item(b"/pictures/\xff caf\xc3\xa9.jpg", Flavor.X_LARGE)
OTHER: Final = Item(b"/pictures/b.png", Flavor.PREVIEW, "another kind")
CLIENT: Final = ClientInfo("gallery", "1.2", 4711)
TOPICS: Final[list[str | bytes]] = ["mine", "system", "batch:trip", b"folder:/pictures", b"tree:/\xff"]

REQUEST_SAMPLES: Final[dict[str, Message]] = {
    "hello-minimal": Hello(id=ID, protocol=(1, 1), client=CLIENT, capabilities=[], credit=2, heartbeat_ms=100),
    "hello-full": Hello(
        id=ID,
        protocol=(1, 2),
        client=CLIENT,
        capabilities=["inline"],
        credit=32,
        heartbeat_ms=600_000,
        session=b"before",
    ),
    "subscribe-minimal": Subscribe(id=ID, topics=["mine"]),
    "subscribe-full": Subscribe(id=ID, topics=TOPICS),
    "unsubscribe-minimal": Unsubscribe(id=ID, topics=["mine"]),
    "unsubscribe-full": Unsubscribe(id=ID, topics=TOPICS),
    "submit-minimal": Submit(id=ID, priority=Priority.NORMAL, items=[ITEM]),
    "submit-full": Submit(
        id=ID,
        priority=Priority.LOW,
        items=[ITEM, OTHER],
        batch="trip",
        more=True,
        replace="last year",
        durable=True,
        ttl_s=86_400,
        max_retries=2,
        timeout_ms=30_000,
    ),
    "submit-folder": Submit(id=ID, priority=Priority.BACKGROUND, folder=Folder(b"/pictures", Flavor.NORMAL)),
    "submit-folder-full": Submit(
        id=ID,
        priority=Priority.HIGH,
        folder=Folder(b"/pictures", Flavor.XX_LARGE, recursive=True, hidden=True),
        batch="trip",
        durable=True,
    ),
    "focus-minimal": Focus(view="main", generation=0, flavor=Flavor.LARGE, visible=[], near=[]),
    "focus-full": Focus(
        view="main", generation=1 << 53, flavor=Flavor.LARGE, visible=[b"/a.jpg", b"/\xff.jpg"], near=[b"/b.jpg"]
    ),
    "cancel-batch": Cancel(id=ID, batch="trip"),
    "cancel-items": Cancel(id=ID, items=[ITEM]),
    "pause-batch": Pause(id=ID, batch="trip"),
    "pause-items": Pause(id=ID, items=[ITEM]),
    "resume-batch": Resume(id=ID, batch="trip"),
    "resume-items": Resume(id=ID, items=[ITEM]),
    "status-batch": Status(id=ID, batch="trip"),
    "status-items": Status(id=ID, items=[ITEM]),
    "batches-minimal": Batches(id=ID),
    "snapshot-minimal": SnapshotRequest(id=ID, topics=["mine"]),
    "snapshot-full": SnapshotRequest(id=ID, topics=TOPICS),
    "retry-minimal": Retry(id=ID),
    "retry-full": Retry(id=ID, batch="trip", items=[ITEM], kind="timeout"),
    "explain-minimal": Explain(id=ID, path=b"/a.jpg", flavor=Flavor.PREVIEW),
    "credit-minimal": Credit(n=1),
    "ping-minimal": Ping(id=ID),
    "stats-minimal": StatsRequest(id=ID),
    "health-minimal": HealthRequest(id=ID),
    "quarantine-minimal": Quarantine(id=ID, action="list"),
    "quarantine-full": Quarantine(id=ID, action="release", items=[ITEM]),
    "cache-minimal": Cache(id=ID, action="stat"),
    "cache-full": Cache(id=ID, action="prune", dry_run=True),
    "pool-minimal": Pool(id=ID),
    "pool-full": Pool(id=ID, min=1, max=256),
    "shutdown-drain": Shutdown(id=ID, mode="drain"),
    "shutdown-now": Shutdown(id=ID, mode="now"),
    "bye-minimal": Bye(),
}
