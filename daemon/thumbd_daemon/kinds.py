"""The kinds of work that may be asked for. Pure.

A kind names what it needs first: work on an item begins when the item of that kind is ready. A thumbnail needs nothing
but its file. Another kind (say, a fingerprint that is computed from a thumbnail) is one more line here, a phase in
``items`` and whoever does it; on the wire and in the journal items carry their kind already.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """One kind of work, and the kinds that must be ready before."""

    name: str
    needs: tuple[str, ...] = ()


THUMBNAIL: Final = Kind("thumbnail")

KINDS: Final = {kind.name: kind for kind in (THUMBNAIL,)}
