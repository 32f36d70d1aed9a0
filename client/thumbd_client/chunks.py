"""Many items in as many submits as the bounds of the wire need."""

from collections.abc import Iterable
from typing import Final

from thumbd_protocol.codec import encoded_size
from thumbd_protocol.items import Item
from thumbd_protocol.limits import MAX_REQUEST_BYTES, MAX_SUBMIT_ITEMS

#: Bytes of a submit's items, well below the bound of a request.
_CHUNK_BYTES: Final = MAX_REQUEST_BYTES - (64 << 10)


def split_items(items: Iterable[Item]) -> Iterable[list[Item]]:
    """`items` in chunks that one submit may carry, by number and by bytes. At least one chunk, perhaps empty."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        more = encoded_size(item)
        if chunk and (len(chunk) == MAX_SUBMIT_ITEMS or size + more > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += more
    yield chunk
