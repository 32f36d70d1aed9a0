"""The page's table of what a daemon sends, as checks of one message: fields, types, limits, sums."""

from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

FINAL = frozenset({"ready", "failed", "cancelled"})
STATES = FINAL | {"queued", "rendering"}
PUSHED = frozenset({"update", "snapshot", "done", "notice"})
COSTS_CREDIT = frozenset({"update", "snapshot"})

REQUEST_ERRORS = frozenset(
    {"bad_frame", "bad_version", "bad_field", "no_session", "unknown_type", "too_large", "queue_full", "rate_limited"}
    | {"unknown_id", "not_supported", "forbidden", "shutting_down", "resync", "internal"}
)
ITEM_ERRORS = frozenset(
    {"not_found", "unreadable", "unsupported", "decode_error", "too_big", "timeout", "memory", "crashed"}
    | {"quarantined", "stale", "disk_full", "no_sandbox", "shutdown", "internal"}
)
NOTICES = frozenset({"draining", "degraded", "recovered", "memory", "resync", "replaced"})


class Deviation(AssertionError):
    """What the daemon sent isn't what the page says."""


def need(holds: bool, what: str, about: object) -> None:
    """Fail with the page's words and with what came."""
    if not holds:
        raise Deviation(f"{what}; what came: {about!r:.1500}")


def is_count(value: object) -> bool:
    """A number of something: an int that isn't negative (bool is an int to Python, not to the page)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_path(value: object) -> bool:
    """Paths are msgpack bin: absolute, no NUL, 1-4,096 bytes."""
    return isinstance(value, bytes) and value[:1] == b"/" and b"\0" not in value and len(value) <= 4096


def check_item(item: Message) -> None:
    """An item of an `update` or a `snapshot`."""
    need(is_path(item.get("path")), "an item's path is bin and absolute", item)
    need(isinstance(item.get("flavor"), str), "an item has its flavor", item)
    need(item.get("state") in STATES, "an item's state is one of five", item)
    for name in ("thumbnail", "volatile"):
        need(item.get(name) is None or is_path(item[name]), f"`{name}` is a path", item)
    for name in ("width", "height"):
        need(item.get(name) is None or is_count(item[name]), f"`{name}` is a count", item)
    need(item.get("source") in {None, "cache", "render"}, "`source` is cache or render", item)
    need(item.get("message") is None or isinstance(item["message"], str), "`message` is a sentence", item)
    need(item.get("retryable") is None or isinstance(item["retryable"], bool), "`retryable` is a bool", item)
    if item["state"] == "failed":
        need(item.get("error") in ITEM_ERRORS, "a failed item has one of the item errors", item)
        need(bool(item.get("message")), "a failed item has a sentence for a person", item)
    if item["state"] == "ready":
        need(bool(item.get("thumbnail")) != bool(item.get("volatile")), "`ready` has thumbnail or volatile", item)
        need(item.get("source") in {"cache", "render"}, "`ready` tells its source", item)


def check_progress(entry: Message) -> None:
    """A batch's progress: done = ready + failed + cancelled."""
    need(isinstance(entry.get("batch"), str), "progress names its batch", entry)
    for name in ("done", "ready", "failed", "cancelled", "cached", "joined", "bytes"):
        need(is_count(entry.get(name)), f"progress has `{name}`, a count", entry)
    need(entry.get("total") is None or is_count(entry["total"]), "`total` is a count, or null while listing", entry)
    for name in ("rate", "eta_ms"):
        need(name in entry, f"progress has `{name}`", entry)
        value = entry[name]
        need(value is None or (isinstance(value, int | float) and value >= 0), f"`{name}` is a number", entry)
    need(not isinstance(entry["eta_ms"], float), "spans are integers", entry)
    need(entry["done"] == entry["ready"] + entry["failed"] + entry["cancelled"], "done is the sum", entry)
    need(entry["cached"] <= entry["done"], "what came from the cache is done", entry)
    need(entry["total"] is None or entry["done"] <= entry["total"], "never more done than there is", entry)


def check_entry(entry: Message) -> None:
    """An entry of a folder: {name, size?, mtime_ns?, kind}."""
    need(isinstance(entry.get("name"), bytes) and bool(entry["name"]), "an entry's name is bin", entry)
    need(entry.get("kind") in {"image", "folder", "other"}, "an entry's kind is image, folder or other", entry)
    for name in ("size", "mtime_ns"):
        value = entry.get(name)
        need(value is None or (isinstance(value, int) and not isinstance(value, bool)), f"`{name}` is an int", entry)


def check_changes(change: Message) -> None:
    """What an `update` tells of a folder: {folder, added, removed, changed, renamed [[from, to]]}."""
    need(is_path(change.get("folder")), "changes name their folder as bin", change)
    for name in ("added", "changed"):
        for entry in change.get(name) or []:
            check_entry(entry)
    for name in change.get("removed") or []:
        need(isinstance(name, bytes), "a removed name is bin", change)
    for pair in change.get("renamed") or []:
        need(len(pair) == 2 and all(isinstance(name, bytes) for name in pair), "renamed is [[from, to]]", change)


def check(message: Message) -> None:
    """Hold one message of the daemon's against the page's table."""
    kind = message.get("type")
    need(isinstance(kind, str), "every map has `type`", message)
    if kind in PUSHED or kind in {"welcome", "pong"}:
        need(isinstance(message.get("epoch"), bytes) and len(message["epoch"]) == 8, "epoch is 8 bytes", message)
    if kind in PUSHED or kind == "pong":
        need(is_count(message.get("seq")), "what is pushed has `seq`", message)
    if kind not in {"update", "done", "notice", "error"}:  # an error about a frame has no request to reply to
        need("reply_to" in message, "answers have `reply_to`", message)
    checker = _CHECKERS.get(str(kind))
    need(checker is not None, "the daemon sends no type that isn't on the page", message)
    assert checker is not None
    checker(message)


def _check_welcome(message: Message) -> None:
    need(is_count(message.get("protocol")), "welcome.protocol is a number", message)
    need(isinstance(message.get("session"), bytes) and bool(message["session"]), "welcome.session is bytes", message)
    need(isinstance(message.get("resumed"), bool), "welcome.resumed is a bool", message)
    need(all(isinstance(name, str) for name in message["capabilities"]), "capabilities are strings", message)
    need(isinstance(message.get("limits"), dict), "welcome.limits is a map", message)
    need(is_count(message.get("heartbeat_ms")) and message["heartbeat_ms"] > 0, "heartbeat_ms is a span", message)
    server = message["server"]
    need(isinstance(server["name"], str) and isinstance(server["version"], str), "the server has a name", message)
    need(is_count(server["pid"]), "the server has a pid", message)


def _check_snapshot(message: Message) -> None:
    need(isinstance(message.get("topic"), str | bytes), "a snapshot names its topic", message)
    need(is_count(message.get("part")), "a snapshot's part is a number", message)
    need(isinstance(message.get("last"), bool), "a snapshot's `last` is a bool", message)
    parts = [message.get(name) or [] for name in ("batches", "items", "entries")]
    need(all(len(part) <= 1000 for part in parts), "a snapshot part has 1,000 entries at most", message)
    for item in parts[1]:
        check_item(item)
    for entry in parts[2]:
        check_entry(entry)
    if message.get("error"):
        need(message["last"], "the error is in the last part", message)
        need(bool(message.get("message")), "an error comes with its sentence", message)


def _check_update(message: Message) -> None:
    parts = [message.get(name) or [] for name in ("items", "progress", "entries")]
    need(any(parts), "an update says something", message)
    need(len(parts[0]) <= 256, "an update has 256 items at most", message)
    for each, checker in zip(parts, (check_item, check_progress, check_changes), strict=True):
        for entry in each:
            checker(entry)
    keys = [(item["path"], item["flavor"]) for item in parts[0]]
    need(len(keys) == len(set(keys)), "only the newest state of each key", message)


def _check_done(message: Message) -> None:
    need(isinstance(message.get("batch"), str), "done names its batch", message)
    for name in ("ready", "failed", "cancelled", "quarantined", "elapsed_ms"):
        need(is_count(message.get(name)), f"done has `{name}`, a count", message)
    need(message["quarantined"] <= message["failed"], "failed includes the quarantined", message)


def _check_notice(message: Message) -> None:
    need(message.get("kind") in NOTICES, "a notice has one of six kinds", message)
    need(isinstance(message.get("message"), str) and bool(message["message"]), "a notice has a sentence", message)


def _check_error(message: Message) -> None:
    need(message.get("code") in REQUEST_ERRORS, "an error has one of the request errors", message)
    need(isinstance(message.get("message"), str) and bool(message["message"]), "an error has a sentence", message)
    need(isinstance(message.get("retryable"), bool), "an error says whether it is retryable", message)
    after = message.get("retry_after_ms")
    need(after is None or is_count(after), "retry_after_ms is a span", message)


def _check_accepted(message: Message) -> None:
    need(isinstance(message.get("batch"), str), "accepted names the batch", message)
    need("total" in message, "accepted has `total`", message)
    need(message["total"] is None or is_count(message["total"]), "total is a count or null", message)


def _no_more(_message: Message) -> None:
    """Types whose fields differ with the request: the tests look at them."""


_CHECKERS: dict[str, Callable[[Message], None]] = {
    "welcome": _check_welcome,
    "snapshot": _check_snapshot,
    "update": _check_update,
    "done": _check_done,
    "notice": _check_notice,
    "error": _check_error,
    "accepted": _check_accepted,
    "pong": _no_more,
    "ok": _no_more,
    "status": _no_more,
    "stats": _no_more,
    "health": _no_more,
}
