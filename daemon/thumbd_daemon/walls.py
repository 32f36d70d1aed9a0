"""How well the children are locked in, as each has said at its birth: what ``health`` tells, and the log once."""

import logging
from collections.abc import Sequence
from itertools import chain
from typing import Final

from .cage.parts import Lack, State, in_words, state
from .pool import Kind

log = logging.getLogger(__name__)

_NOT_YET: Final = "no renderer has said so far that it is locked in"


class Walls:
    """What the youngest child of each kind lacks: (part, why)."""

    def __init__(self) -> None:
        self._lacks: dict[Kind, list[Lack]] = {}

    def told(self, kind: Kind, lacks: Sequence[Lack]) -> None:
        """A child has said what its cage lacks."""
        if kind is Kind.SENTINEL or self._lacks.get(kind) == list(lacks):
            return
        self._lacks[kind] = list(lacks)
        who = "renderers" if kind is Kind.RENDERER else f"{kind} scouts"
        if lacks:
            log.warning("%s are not wholly locked in (%s): %s", who, state(lacks), in_words(lacks))
        else:
            log.info("%s are locked in", who)

    def state(self) -> tuple[State, str]:
        """That of the renderers, and why it is not full; a scout without walls makes it partial at best."""
        renderers = self._lacks.get(Kind.RENDERER)
        if renderers is None:
            return State.OFF, _NOT_YET
        told = (lacks for kind, lacks in self._lacks.items() if kind is not Kind.RENDERER)
        scouts = list(dict.fromkeys(chain.from_iterable(told)))
        reasons = [in_words(renderers), f"scouts {in_words(scouts)}" if scouts else ""]
        found = state(renderers)
        if found is State.FULL and scouts:
            found = State.PARTIAL
        return found, "; ".join(reason for reason in reasons if reason)
