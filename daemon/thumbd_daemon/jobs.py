"""How far each wanted thumbnail is: looks, renders, deaths, the end. Pure; `now` is monotonic seconds.

``work`` asks for the next item when a scout or a renderer is free, and says what became of it. What lies on a mount
that does not answer is set aside here, and so is what there is no memory for.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from thumbd_protocol.errors import ItemCode, item_retryable
from thumbd_protocol.items import ItemStatus, ItemUpdate, Rank, Source, State

from . import demands
from .batches import Outcome
from .budget import Budget
from .items import STAGE, Item, Phase
from .lanes import Stage
from .mounts import Mounts, Road
from .quarantine import Quarantine
from .sentences import about
from .stats import Stats
from .verdicts import STALLED, Blame, Verdict
from .wishes import Wishes

#: A file that changes under our hands is looked at so many times before we say so.
MAX_CHANGES: Final = 4
#: Scouts that may be lost over a file (they decode nothing, so it is hardly the file's fault).
MAX_LOST_SCOUTS: Final = 10
#: Renderers that a file may take down before it is quarantined: one retry.
MAX_DEATHS: Final = 2
#: What is set aside or given up at once; the rest follows with the next turn, so that none takes long.
_AT_ONCE: Final = 500


def urgency(item: Item) -> int | None:
    """How urgent a picture is that waits for memory; None when it is not waited for any more."""
    return item.rank if item.phase is Phase.RENDER else None


class Jobs:
    """The work on what `wishes` holds. `wall_ms` gives Unix time in milliseconds, for what is shown."""

    def __init__(
        self,
        wishes: Wishes,
        mounts: Mounts[Item],
        budget: Budget[Item],
        quarantine: Quarantine,
        stats: Stats,
        wall_ms: Callable[[], int],
    ) -> None:
        self._wishes = wishes
        self._mounts = mounts
        self._budget = budget
        self._quarantine = quarantine
        self.stats = stats
        self.views = wishes.views
        self._wall_ms = wall_ms
        self._freed: deque[Item] = deque()
        self._lost: deque[Item] = deque()
        self._unfinished = False

    # -- whose turn it is -------------------------------------------------------------------------------------

    def take_looks(
        self, most: int, most_urgent: int, budget: int, now: float, least: Rank = Rank.BACKGROUND
    ) -> list[Item]:
        """Items for one scout's look: at most `most`, at most `budget` bytes of paths, none less urgent than `least`.
        With the first that is on or near the screen no others go, and at most `most_urgent` of these: the
        scout is soon back for the next."""
        taken: list[Item] = []
        while len(taken) < most and budget > 0:
            turn = self._next(Stage.LOOK, now, least)
            if turn is None:
                break
            item, rank = turn
            if item.lost_scouts and taken:
                # A scout was lost over it and others: alone, it shows whether it is the one.
                self._wishes.board.enqueue(item)
                break
            if rank <= Rank.HIGH:
                most, least = min(most, most_urgent), Rank.HIGH
            item.step(Phase.LOOKING)
            item.begun = now
            budget -= len(item.path) + 16
            taken.append(item)
            if item.lost_scouts:
                break
        if least is Rank.HIGH:
            taken.sort(key=lambda item: item.rank)
        return taken

    def take_render(self, now: float) -> tuple[Item, int] | None:
        """The item that a free renderer works on next, and how much memory it is known to need (0: not known)."""
        waiting = self._budget.next()
        while waiting is not None:
            item = waiting.thing
            if item.phase is Phase.RENDER and item.paused:
                self._wishes.board.enqueue(item)
            elif item.phase is Phase.RENDER and self._may_go(item, now):
                return self._begin_render(item, now), waiting.need
            waiting = self._budget.next()
        urgency = self._budget.may_begin()
        if urgency is None or urgency < Rank.CRITICAL:
            return None
        turn = self._next(Stage.RENDER, now, Rank(min(urgency, Rank.BACKGROUND)))
        return None if turn is None else (self._begin_render(turn[0], now), 0)

    def waiting_renders(self, enough: int) -> int:
        """How many pictures wait for a renderer, counted up to `enough`."""
        return len(self._budget) + self._wishes.schedule.at_least(Stage.RENDER, enough)

    def _begin_render(self, item: Item, now: float) -> Item:
        item.step(Phase.RENDERING)
        item.begun = now
        update = ItemUpdate(path=item.path, flavor=item.flavor, state=State.RENDERING)
        self._wishes.views.tell(item, update)
        return item

    def _next(self, stage: Stage, now: float, least: Rank = Rank.BACKGROUND) -> tuple[Item, Rank] | None:
        """Whose turn it is, if it is not less urgent than `least`."""
        for _ in range(_AT_ONCE):
            turn = self._wishes.schedule.take(stage, now, least)
            if turn is None:
                return None
            if turn[0].paused:  # it stood in the queue of one who does not want it any more
                self._wishes.board.enqueue(turn[0])
                continue
            known_bad = stage is Stage.RENDER and self._is_quarantined(turn[0], now)
            if not known_bad and self._may_go(turn[0], now):
                return turn
        self._unfinished = True
        return None

    def _may_go(self, item: Item, now: float) -> bool:
        """Whether its mount answers; else it is set aside, or has failed."""
        mount = self._mounts.of(item.path)
        match self._mounts.road(mount):
            case Road.CLEAR:
                return True
            case Road.SLOW:
                self._mounts.hold(mount, item)
            case Road.HUNG:
                self._unanswered(item, now)
        return False

    # -- mounts -----------------------------------------------------------------------------------------------

    def set_aside(self, item: Item, phase: Phase) -> None:
        """Whoever was to work on it is stuck: back to `phase`, where its mount decides how long it waits."""
        item.step(phase)
        self._wishes.board.enqueue(item)

    def freed(self, items: list[Item]) -> None:
        """These need not wait for their mount any more."""
        self._freed.extend(items)

    def given_up(self, items: list[Item]) -> None:
        """These have waited too long for theirs."""
        self._lost.extend(items)

    def catch_up(self, now: float) -> None:
        """Deal with some of those, and of what was cancelled."""
        self._unfinished = self._wishes.work_off(now) or self._unfinished
        for _ in range(min(len(self._freed), 10 * _AT_ONCE)):
            item = self._freed.popleft()
            if item.phase in STAGE:
                self._wishes.board.enqueue(item)
        for _ in range(min(len(self._lost), _AT_ONCE)):
            item = self._lost.popleft()
            if item.phase in STAGE:
                self._unanswered(item, now)

    def unfinished(self) -> bool:
        """Whether more of those are left, or more wait behind what was set aside: another turn is needed at once."""
        unfinished, self._unfinished = self._unfinished, False
        return unfinished or bool(self._freed or self._lost)

    def _unanswered(self, item: Item, now: float) -> None:
        message = about(item.path, f"{STALLED}; try again later")
        self.fail(item, ItemCode.UNREADABLE, message, now, source=None)

    # -- what became of it ------------------------------------------------------------------------------------

    def look_again(self, item: Item, now: float) -> None:
        """Its scout was lost: back to the look. What is lost every time has failed."""
        self._after_a_loss(item, Phase.LOOK, now)

    def changed(self, item: Item, now: float) -> None:
        """The file is not what was looked at any more: back to the look, or failed as ``stale`` after several."""
        item.changes += 1
        if item.changes >= MAX_CHANGES:
            cause = "it changes all the time; try again when it stands still"
            self.fail(item, ItemCode.STALE, about(item.path, cause), now, source=None)
            return
        item.step(Phase.LOOK)
        self._wishes.board.enqueue(item)

    def needs_render(self, item: Item, size: int, mtime_ns: int, now: float) -> None:
        """The look found no thumbnail."""
        item.size, item.mtime_ns = size, mtime_ns
        if self._is_quarantined(item, now):
            return
        item.step(Phase.RENDER)
        demands.missed(item)
        self._wishes.board.enqueue(item)

    def render_again(self, item: Item, now: float) -> None:
        """Its source never reached a renderer: once more, at its old place. What is lost every time has failed."""
        self._after_a_loss(item, Phase.RENDER, now)

    def render_later(self, item: Item, need: int | None = None) -> None:
        """Back to its place: its renderer was needed elsewhere, or (`need` bytes) there is no memory for it yet."""
        item.step(Phase.RENDER)
        if need is None or not item.lanes:
            self._wishes.board.enqueue(item)
        else:
            self._budget.wait(item, need)

    def _after_a_loss(self, item: Item, phase: Phase, now: float) -> None:
        item.lost_scouts += 1
        if item.lost_scouts >= MAX_LOST_SCOUTS:
            cause = f"{item.lost_scouts} scouts were lost over it; see the daemon's log"
            self.fail(item, ItemCode.INTERNAL, about(item.path, cause), now, source=None)
            return
        item.step(phase)
        self._wishes.board.enqueue(item)

    def died(self, item: Item, verdict: Verdict, now: float) -> bool:
        """A renderer died over it; True when it is tried again, one priority lower, else it has its final state."""
        item.deaths += verdict.blame is Blame.FILE
        item.outside_deaths += verdict.blame is Blame.OUTSIDE
        if item.deaths >= MAX_DEATHS:
            reason = f"{verdict.cause}, {item.deaths} times"
            self._quarantine.add(item.path, item.size, item.mtime_ns, reason, item.deaths, self._wall_ms())
            self._quarantined(item, reason, now, source=Source.RENDER)
        elif verdict.blame is Blame.PLACE or item.outside_deaths > demands.max_retries(item):
            self.fail(item, verdict.code, about(item.path, verdict.cause), now, source=Source.RENDER)
        elif not self._is_quarantined(item, now):
            self.stats.retries += 1
            item.step(Phase.RENDER)
            self._wishes.board.enqueue_retry(item)
            return True
        return False

    def _is_quarantined(self, item: Item, now: float) -> bool:
        """Whether this very file has cost too many renderers (in another flavor, just now): it has failed."""
        known = self._quarantine.find(item.path, item.size, item.mtime_ns)
        if known is not None:
            self._quarantined(item, known.reason, now, source=Source.CACHE)
        return known is not None

    def _quarantined(self, item: Item, reason: str, now: float, *, source: Source) -> None:
        cause = f"is quarantined: {reason}; 'thumbctl quarantine' shows and releases such files"
        self.fail(item, ItemCode.QUARANTINED, about(item.path, cause), now, source=source)

    def fail(self, item: Item, code: ItemCode, message: str, now: float, *, source: Source | None) -> None:
        """Its final state is ``failed``."""
        self.stats.failed[code] += 1
        outcome = Outcome(
            State.FAILED, source=source, error=code, message=message, retryable=item_retryable(code), size=item.size
        )
        self.finish(item, outcome, now)

    def finish(self, item: Item, outcome: Outcome, now: float) -> None:
        """Its final state is `outcome`."""
        self.stats.ready += outcome.state is State.READY
        self.stats.cache_hits += outcome.source is Source.CACHE and outcome.state is State.READY
        self.stats.throughput.add(now)
        if item.begun is not None:
            self.stats.wait.add(item.rank, item.begun - item.asked)
            if outcome.source is Source.RENDER:
                self.stats.render.add(item.rank, now - item.begun)
        self._wishes.settle(item, outcome, now)

    def status(self, items: list[Item]) -> list[ItemStatus]:
        """Where open items stand."""
        places = {stage: self._wishes.schedule.positions(stage) for stage in Stage}
        return [self._status(item, places) for item in items]

    def _status(self, item: Item, places: dict[Stage, dict[Item, int]]) -> ItemStatus:
        stage = STAGE.get(item.phase)
        state = State.RENDERING if item.phase in (Phase.RENDERING, Phase.PUBLISHING) else State.QUEUED
        position = places[stage].get(item, 0) if stage is not None else 0
        return ItemStatus(item.path, item.flavor, state, item.deaths + item.outside_deaths, position)
