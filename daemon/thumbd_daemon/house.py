"""All that decides and works, put together: wishes, jobs, children, their work and care, the desk that answers."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from thumbd_protocol.errors import ProtocolError, RequestCode

from .budget import Budget
from .cache import RENDERER_VERSION, places
from .care import Care
from .crew import Crew
from .desk import Desk
from .hands import Hands
from .items import Item
from .jobs import Jobs, urgency
from .journal import Heard, Journal
from .ledger import Ledger
from .listings import Listings
from .load import Sizer
from .mounts import Mounts
from .orders import Orders
from .pool import Kind, Pool
from .quarantine import Quarantine, Quarantined
from .reports import Reports
from .restoring import Kept
from .server import Server
from .settings import Settings
from .stats import Stats
from .topics import Topics
from .wishes import Wishes
from .work import Work

log = logging.getLogger(__name__)

#: The children are looked after at most so often, in seconds: turns come by the hundred a second.
_CARE_S: Final = 0.02
#: How often finished batches are looked through for those whose time is over, in seconds.
_EXPIRY_S: Final = 10.0
#: The daemon's start waits so long for the journal's disk, in seconds.
_JOURNAL_S: Final = 3.0


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class House:
    """The parts, and one turn of them. `changed` asks for a turn, `ending` says whether nothing new is taken."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        clock: Callable[[], float],
        changed: Callable[[], None],
        ending: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._journal_trouble: str | None = None
        self._changed = changed
        self._journal = self._open_journal(settings)
        known, kept = self._journal.load(_JOURNAL_S)
        self._quarantine = quarantine = Quarantine(known, self._journal, RENDERER_VERSION)
        stats = Stats()
        sizer = Sizer(settings.least_renderers, settings.most_renderers)
        budget: Budget[Item] = Budget(settings.memory_budget, settings.most_renderers, urgency)
        mounts: Mounts[Item] = Mounts(settings.scout_patience_s, settings.suspect_patience_s)
        self.wishes = Wishes(settings.queue_capacity, settings.queue_reserve)
        self.jobs = Jobs(self.wishes, mounts, budget, quarantine, stats, _wall_ms)
        pool = Pool(
            {
                Kind.SENTINEL: 1,
                Kind.QUICK: settings.scouts,
                Kind.LISTING: 1,
                Kind.WATCHING: 0,  # one while somebody looks at a folder: see `watches`
                Kind.RENDERER: sizer.target(0, clock()) + 1,
            }
        )
        volatile = settings.socket.with_name("volatile")
        self.crew = Crew(pool, places(volatile), settings, stats, clock)
        hands = Hands(settings, pool, self.crew, self.jobs, mounts, sizer, budget, quarantine, clock, _wall_ms)
        self.listings = Listings(hands)
        self.work = Work(hands, self.listings)
        self.crew.foreman = self.work
        self.crew.changed = changed
        self._care = Care(hands, self.work)
        self.reports = Reports(
            hands,
            self.work,
            self._care,
            self.wishes,
            server.sessions.values,
            lambda: self._journal_trouble,
            server.epoch,
        )
        self.ledger = Ledger(self.wishes, self._journal, clock, _wall_ms)
        self._orders = Orders(self.wishes, hands, self.listings, self.ledger, self._no_durable)
        topics = Topics(self.wishes, self.listings, self.work.watches, self.reports, self._orders.batch_of, clock)
        self.desk = Desk(self.wishes, hands, self._orders, topics, self.reports, ending)
        self._orders.go_on(kept)
        self._expiry = self._care_due = clock()
        self._looked_after = False

    def turn(self, *, only_finish: bool) -> bool:
        """Look after the children and give them work; True when there is more to do than one turn may."""
        now = self._clock()
        self._looked_after = now >= self._care_due
        if self._looked_after:
            self._care_due = now + _CARE_S
            self._care.check(refill=not only_finish)
        self.jobs.catch_up(now)
        self.work.give(only_finish=only_finish)
        self.ledger.flush()
        if self._clock() >= self._expiry:
            self._expiry = self._clock() + _EXPIRY_S
            self.wishes.expire(self._clock())
        return self.jobs.unfinished()

    def shift(self, gap: float) -> None:
        """The loop was not there for so many seconds."""
        self._care.shift(gap)

    def next_deadline(self, now: float) -> float | None:
        """When `turn` should be called at the latest."""
        return self._care.next_deadline(now) if self._looked_after else self._care_due

    def close(self) -> None:
        """Let go of what outlives the children."""
        self._journal.close()

    def _open_journal(self, settings: Settings) -> Journal:
        loop = asyncio.get_running_loop()

        def heard(then: Callable[..., None]) -> Callable[..., None]:
            """What the journal's thread says is heard in the loop."""

            def say(*what: object) -> None:
                try:
                    loop.call_soon_threadsafe(then, *what)
                except RuntimeError:
                    log.debug("the journal speaks after the end")

            return say

        failed = heard(self._journal_failed)

        def trouble(text: str | None) -> None:
            self._journal_trouble = text  # read when health is asked for: assigned at once, in that thread
            if text is not None:
                failed()

        return Journal(
            settings.journal,
            Heard(
                trouble=trouble,
                late=heard(self._learn_late),
                committed=heard(self._written),
                anew=heard(self._begin_anew),
            ),
        )

    def _journal_failed(self) -> None:
        self.ledger.failed()
        self._changed()

    def _written(self, number: int) -> None:
        self.ledger.written(number)
        self._changed()

    def _begin_anew(self) -> None:
        self.ledger.begin_anew()
        self._changed()

    def _learn_late(self, known: list[Quarantined], kept: list[Kept]) -> None:
        self._quarantine.learn(known)
        self._orders.go_on(kept)
        self._changed()

    def _no_durable(self) -> ProtocolError | None:
        """Why no durable batch can be taken now."""
        if self._journal.taken is not None:
            return ProtocolError(RequestCode.NOT_SUPPORTED, f"no durable batch can be taken: {self._journal.taken}")
        if self._journal_trouble is not None:
            return ProtocolError(RequestCode.INTERNAL, f"no durable batch can be taken now: {self._journal_trouble}")
        return None
