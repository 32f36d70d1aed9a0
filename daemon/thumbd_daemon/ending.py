"""The end, rung by rung: what each step of the ladder (``shutdown``) does to sessions, work and children."""

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from typing import Final

from thumbd_protocol.errors import ItemCode

from .house import House
from .items import Phase
from .notify import notify
from .sentences import about
from .server import Server
from .shutdown import Ladder, Rung

log = logging.getLogger(__name__)

#: Items that are ended in one step.
_AT_ONCE: Final = 1000
_WAITING: Final = frozenset({Phase.LOOK, Phase.LOOKING, Phase.RENDER})


class Ending:
    """How far the end has come. `ended` is set when it is verified."""

    def __init__(self, house: House, server: Server, clock: Callable[[], float]) -> None:
        self._house = house
        self._server = server
        self._clock = clock
        self._ladder = Ladder()
        self.ended = asyncio.Event()

    @property
    def ending(self) -> bool:
        return self._ladder.ending

    @property
    def rung(self) -> Rung:
        return self._ladder.rung

    @property
    def deadline(self) -> float | None:
        """When the next step is due at the latest."""
        return self._ladder.deadline

    def begin(self, *, drain: bool) -> None:
        """Begin to end, or skip ahead."""
        self._climb(self._ladder.begin(self._clock(), drain=drain))

    def step(self) -> bool:
        """Go as far as may be gone now; True when another step is due at once."""
        if not self.ending:
            return False
        left = self._end_some()
        idle = not left and not self._house.work.under_way
        told = not left and self._server.quiet and not self._house.wishes.news and not len(self._house.ledger)
        self._climb(self._ladder.step(self._clock(), idle=idle, told=told, children=self._house.crew.children))
        return left

    def _climb(self, rungs: list[Rung]) -> None:
        for rung in rungs:
            log.debug("shutdown: %s", rung.name)
            match rung:
                case Rung.REFUSING:
                    notify("STOPPING=1")
                    self._refuse()
                case Rung.ASKING:
                    self._house.work.abandon()
                    self._house.crew.close_sockets()
                case Rung.TERMINATING:
                    self._house.crew.terminate_all()
                case Rung.KILLING:
                    self._house.crew.kill_all()
                case Rung.VERIFIED:
                    self.ended.set()
                case _:
                    pass

    def _refuse(self) -> None:
        """Tell everybody, and give what has not been begun its final state."""
        now = self._clock()
        for session in self._server.sessions.values():
            session.outbox.notice("draining", "the daemon is shutting down")
        for ident in list(self._house.wishes.batches):
            self._house.listings.stop_batch(ident)
            why = "the daemon was shut down while it listed the folder"
            self._house.wishes.listed(ident, ItemCode.SHUTDOWN, why, now)
        self._end_some()
        self._house.ledger.flush()

    def _end_some(self) -> bool:
        """What waits for a child will not get one any more, and in the end nobody has one. True when there may be more
        of it: each step deals with as much as takes no time that anybody notices."""
        phases, cause = _WAITING, "the daemon was shut down before its turn came; ask again"
        if self.rung >= Rung.ASKING:
            phases, cause = frozenset(Phase), "the daemon was shut down before it was done; ask again"
        now = self._clock()
        some = list(islice((i for i in self._house.wishes.items.values() if i.phase in phases), _AT_ONCE))
        for item in some:
            self._house.jobs.fail(item, ItemCode.SHUTDOWN, about(item.path, cause), now, source=None)
        return len(some) == _AT_ONCE
