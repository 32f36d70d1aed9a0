"""The codes of errors: of requests (``error.code``) and of items (``update.items[].error``).

A code is for programs, the ``message`` beside it is one sentence for a person and names the file and the cause.
"""

from enum import StrEnum


class RequestCode(StrEnum):
    """Why a request was not done."""

    BAD_FRAME = "bad_frame"
    BAD_VERSION = "bad_version"
    BAD_FIELD = "bad_field"
    NO_SESSION = "no_session"
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    QUEUE_FULL = "queue_full"
    RATE_LIMITED = "rate_limited"
    UNKNOWN_ID = "unknown_id"
    NOT_SUPPORTED = "not_supported"
    FORBIDDEN = "forbidden"
    SHUTTING_DOWN = "shutting_down"
    RESYNC = "resync"
    INTERNAL = "internal"


class ItemCode(StrEnum):
    """Why an item has no thumbnail."""

    NOT_FOUND = "not_found"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    DECODE_ERROR = "decode_error"
    TOO_BIG = "too_big"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    QUARANTINED = "quarantined"
    STALE = "stale"
    DISK_FULL = "disk_full"
    NO_SANDBOX = "no_sandbox"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"


#: Request errors after which the same request may succeed later.
RETRYABLE_REQUESTS = frozenset(
    {
        RequestCode.NO_SESSION,
        RequestCode.QUEUE_FULL,
        RequestCode.RATE_LIMITED,
        RequestCode.SHUTTING_DOWN,
        RequestCode.RESYNC,
        RequestCode.INTERNAL,
    }
)

#: Failures that stay while file and renderer stay; these alone are remembered by a fail mark.
PERMANENT_FAILURES = frozenset({ItemCode.UNSUPPORTED, ItemCode.DECODE_ERROR, ItemCode.TOO_BIG})


def item_retryable(code: ItemCode) -> bool:
    """Whether asking for the same item again may end differently though the file has not changed."""
    return code not in PERMANENT_FAILURES and code is not ItemCode.QUARANTINED


class ProtocolError(Exception):
    """A message that is not understood; said back to its sender as an ``error``.

    ``code`` is what is wrong, ``reply_to`` the id of the request (16 bytes) and ``kind`` its type, if those could still
    be read.
    """

    def __init__(self, code: RequestCode, message: str, reply_to: bytes | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reply_to = reply_to
        self.kind = kind
