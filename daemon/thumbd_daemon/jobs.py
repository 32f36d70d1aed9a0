"""How far each wanted thumbnail is: looks, renders, deaths, the end. Pure; `now` is monotonic seconds.

``service`` asks for the next item when a scout or a renderer is free, and says what became of it.
"""

from collections import defaultdict
from typing import Final

from thumbd_protocol.errors import ItemCode, item_retryable
from thumbd_protocol.items import ItemStatus, ItemUpdate, Rank, Source, State

from .batches import Outcome
from .items import STAGE, Item, Phase
from .lanes import Stage
from .sentences import about
from .wishes import Wishes

#: A file that changes under our hands is looked at so many times before we say so.
MAX_CHANGES: Final = 4
#: Scouts that may be lost over a file (they decode nothing, so it is hardly the file's fault).
MAX_LOST_SCOUTS: Final = 10
#: Renderers that a file may take down before it is given up (one retry), and those killed by somebody else.
MAX_DEATHS: Final = 2
MAX_OUTSIDE_DEATHS: Final = 5


class Jobs:
    """The work on what `wishes` holds. `totals` counts final states, and failures by code."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self.totals: defaultdict[str, int] = defaultdict(int)

    def take_looks(self, most: int, most_urgent: int, budget: int) -> list[Item]:
        """Items for one scout's look: at most `most` (`most_urgent` when the first is on or near the screen), and at
        most `budget` bytes of paths."""
        taken: list[Item] = []
        while len(taken) < most and budget > 0:
            turn = self._wishes.schedule.take(Stage.LOOK)
            if turn is None:
                break
            item, rank = turn
            if not taken and rank <= Rank.HIGH:
                most = most_urgent
            item.step(Phase.LOOKING)
            budget -= len(item.path) + 16
            taken.append(item)
        return taken

    def take_render(self) -> Item | None:
        """The item that a free renderer works on next."""
        turn = self._wishes.schedule.take(Stage.RENDER)
        if turn is None:
            return None
        item = turn[0]
        item.step(Phase.RENDERING)
        update = ItemUpdate(path=item.path, flavor=item.flavor, state=State.RENDERING)
        self._wishes.tell_views(item, update)
        return item

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
        self._wishes.enqueue(item)

    def needs_render(self, item: Item, size: int, mtime_ns: int) -> None:
        """The look found no thumbnail."""
        item.size, item.mtime_ns = size, mtime_ns
        item.step(Phase.RENDER)
        self._wishes.enqueue(item)

    def render_again(self, item: Item, now: float) -> None:
        """Its source never reached a renderer: once more, at its old place. What is lost every time has failed."""
        self._after_a_loss(item, Phase.RENDER, now)

    def _after_a_loss(self, item: Item, phase: Phase, now: float) -> None:
        item.lost_scouts += 1
        if item.lost_scouts >= MAX_LOST_SCOUTS:
            cause = f"{item.lost_scouts} scouts were lost over it; see the daemon's log"
            self.fail(item, ItemCode.INTERNAL, about(item.path, cause), now, source=None)
            return
        item.step(phase)
        self._wishes.enqueue(item)

    def died(self, item: Item, code: ItemCode, cause: str, now: float, *, outside: bool) -> bool:
        """A renderer died over it; True when it is tried again, one priority lower, else it has failed."""
        if outside:
            item.outside_deaths += 1
        else:
            item.deaths += 1
        if item.deaths >= MAX_DEATHS or item.outside_deaths >= MAX_OUTSIDE_DEATHS:
            self.fail(item, code, about(item.path, cause), now, source=Source.RENDER)
            return False
        item.step(Phase.RENDER)
        self._wishes.enqueue_retry(item)
        return True

    def fail(self, item: Item, code: ItemCode, message: str, now: float, *, source: Source | None) -> None:
        """Its final state is ``failed``."""
        self.totals[f"failed:{code}"] += 1
        outcome = Outcome(
            State.FAILED, source=source, error=code, message=message, retryable=item_retryable(code), size=item.size
        )
        self.finish(item, outcome, now)

    def finish(self, item: Item, outcome: Outcome, now: float) -> None:
        """Its final state is `outcome`."""
        self.totals[outcome.state] += 1
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
