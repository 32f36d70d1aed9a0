"""All that decides and works, put together: wishes, jobs, children, their work and care, the desk that answers."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from .budget import Budget
from .cache import RENDERER_VERSION, places
from .care import Care
from .crew import Crew
from .desk import Desk
from .hands import Hands
from .items import Item
from .jobs import Jobs, urgency
from .journal import Journal
from .listings import Listings
from .load import Sizer
from .mounts import Mounts
from .pool import Kind, Pool
from .quarantine import Quarantine, Quarantined
from .reports import Reports
from .server import Server
from .settings import Settings
from .stats import Stats
from .wishes import Wishes
from .work import Work

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
        loop = asyncio.get_running_loop()

        def learn(found: list[Quarantined]) -> None:
            loop.call_soon_threadsafe(quarantine.learn, found)

        self._journal = Journal(settings.journal, self._on_journal, learn)
        quarantine = Quarantine(self._journal.load(_JOURNAL_S), self._journal, RENDERER_VERSION)
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
        self.crew = Crew(pool, places(volatile), settings.slot_bytes, stats, clock)
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
        self.desk = Desk(self.wishes, hands, self.listings, self.work.watches, self.reports, ending)

    def turn(self, *, only_finish: bool) -> bool:
        """Look after the children and give them work; True when there is more to do than one turn may."""
        self._care.check(refill=not only_finish)
        self.jobs.catch_up(self._clock())
        self.work.give(only_finish=only_finish)
        return self.jobs.unfinished()

    def shift(self, gap: float) -> None:
        """The loop was not there for so many seconds."""
        self._care.shift(gap)

    def next_deadline(self, now: float) -> float | None:
        """When `turn` should be called at the latest."""
        return self._care.next_deadline(now)

    def close(self) -> None:
        """Let go of what outlives the children."""
        self._journal.close()

    def _on_journal(self, trouble: str | None) -> None:
        # Called in the journal's thread; a reference is assigned at once, and read when health is asked for.
        self._journal_trouble = trouble
