"""Frames to messages and back: ``[b"TH1", one msgpack map, raw blobs...]``.

Decoding is strict twice: msgpack with bounds on every length, then msgspec into the type that the map names.
Whatever comes in, the outcome is a message or a ProtocolError that can be told to the sender.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack
import msgspec

from .errors import ProtocolError, RequestCode
from .limits import ID_BYTES, MAGIC, MAX_FRAME_BYTES, MAX_REQUEST_BYTES
from .replies import REPLIES
from .requests import REQUESTS, Message

_encoder = msgspec.msgpack.Encoder()


def _by_tag(classes: tuple[type[Message], ...]) -> dict[str, type[Message]]:
    return {str(cls.__struct_config__.tag): cls for cls in classes}


_REQUESTS: Final = _by_tag(REQUESTS)
_REPLIES: Final = _by_tag(REPLIES)


def encode(message: Message, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The frames of `message`, ready for ``send_multipart``."""
    return [MAGIC, _encoder.encode(message), *blobs]


def encoded_size(value: msgspec.Struct) -> int:
    """How many bytes `value` takes inside a message."""
    return len(_encoder.encode(value))


def _unpack(raw: bytes, limit: int) -> dict[str, Any]:
    """One msgpack map with text keys. Raises ProtocolError ``too_large`` or ``bad_frame``."""
    if len(raw) > limit:
        raise ProtocolError(
            RequestCode.TOO_LARGE, f"the message has {len(raw)} bytes, at most {limit} are taken: split it"
        )
    try:
        value = msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=True,
            use_list=True,
            max_str_len=1 << 16,
            max_bin_len=1 << 16,
            max_array_len=1 << 13,
            max_map_len=1 << 8,
            max_ext_len=0,
        )
    except RecursionError as error:  # pragma: no cover - msgpack says StackError, a ValueError; kept for others
        raise ProtocolError(RequestCode.BAD_FRAME, "the message is nested too deeply") from error
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        cause = str(error) or type(error).__name__
        raise ProtocolError(RequestCode.BAD_FRAME, f"the message is not msgpack within bounds: {cause}") from error
    if not isinstance(value, dict):
        raise ProtocolError(RequestCode.BAD_FRAME, "the message is not a map")
    return value


def _decode(frames: Sequence[bytes], table: Mapping[str, type[Message]], limit: int) -> Message:
    if not frames or frames[0] != MAGIC:
        raise ProtocolError(RequestCode.BAD_VERSION, f"the first frame is not {MAGIC!r}")
    if len(frames) < 2:
        raise ProtocolError(RequestCode.BAD_FRAME, "there is no second frame with the message's map")
    value = _unpack(frames[1], limit)
    asked = value.get("id")
    reply_to = asked if isinstance(asked, bytes) and len(asked) == ID_BYTES else None
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError(RequestCode.BAD_FIELD, "the map has no text `type`", reply_to)
    cls = table.get(kind)
    if cls is None:
        raise ProtocolError(RequestCode.UNKNOWN_TYPE, f"no message has the type '{kind[:80]}'", reply_to, kind)
    try:
        # `bytes` as a builtin: else msgspec would take a text for base64.
        return msgspec.convert(value, cls, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise ProtocolError(RequestCode.BAD_FIELD, f"{kind}: {error}", reply_to, kind) from error


def decode_request(frames: Sequence[bytes]) -> Message:
    """What a client sent (without the routing id). Raises ProtocolError."""
    return _decode(frames, _REQUESTS, MAX_REQUEST_BYTES)


def decode_reply(frames: Sequence[bytes]) -> Message:
    """What the daemon sent. Raises ProtocolError; ``unknown_type`` is to be ignored by a client."""
    return _decode(frames, _REPLIES, MAX_FRAME_BYTES)
