"""Quick looks: which items a scout looks at together, and what its answers mean for them."""

from typing import Final

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import Rank, Source, State

from . import records
from .batches import Outcome
from .channel import MAX_RECORD
from .hands import Hands
from .items import Item, Phase
from .pool import Worker
from .records import Look
from .sentences import about
from .verdicts import DEADLINE, STALLED

#: Bytes of paths in one look, so that it fits a record with room for its other fields.
_LOOK_BYTES: Final = MAX_RECORD - 8192


class Looks:
    """Looks under way: by task number, the items that its scout has not answered yet, by item number."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._tasks: dict[int, dict[int, Item]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def abandon(self) -> None:
        """Forget every task."""
        self._tasks.clear()

    def give(self, scout: Worker, *, urgent_alone: bool = False, short: bool = False) -> bool:
        """Let a free scout look at those whose turn it is (`urgent_alone`: on or near a screen, `short`: so that it is
        soon back); False when nobody waits."""
        settings = self._hands.settings
        urgent = settings.urgent_look_paths
        most, least = urgent if short else settings.look_paths, Rank.HIGH if urgent_alone else Rank.BACKGROUND
        items = self._hands.jobs.take_looks(most, urgent, _LOOK_BYTES, self._hands.clock(), least)
        if not items:
            return False
        number = self._hands.number()
        self._tasks[number] = {item.number: item for item in items}
        again = [item.number for item in items if item.again]
        look = Look(number, [(i.number, i.path, i.flavor) for i in items], again)
        self._hands.to_scout(scout, look, number, items[0].path)
        return True

    def slow(self, number: int) -> bytes | None:
        """A scout does not get on: the file that it is at; None when it was not looking. The files behind that one go
        to other scouts, as far as their mounts answer."""
        items = self._tasks.get(number)
        if not items:
            return None
        first, *behind = items.values()
        self._tasks[number] = {first.number: first}
        for item in behind:
            if item.phase is Phase.LOOKING:
                self._hands.jobs.set_aside(item, Phase.LOOK)
        return first.path

    def answer(self, scout: Worker, record: records.Looked) -> None:
        """A scout has looked at some of them."""
        now = self._hands.clock()
        scout.deadline, scout.heard = now + self._hands.settings.scout_patience_s, now
        items = self._tasks.get(record.job, {})
        for result in record.results:
            item = items.pop(result.task, None)
            if item is not None and item.phase is Phase.LOOKING:
                self._hands.mounts.answered(item.path)
                self._judge(item, result, now)
        scout.file = next(iter(items.values())).path if items else None
        if record.left == 0:
            self._hands.pool.finished(scout, now)
            self._tasks.pop(record.job, None)

    def lost(self, scout: Worker, number: int) -> bool:
        """A scout is gone; True when it was looking. The first unanswered path is what it was stuck in, if we killed
        it; those behind it go to another scout."""
        items = self._tasks.pop(number, None)
        if items is None:
            return False
        now = self._hands.clock()
        left = [item for item in items.values() if item.phase is Phase.LOOKING]
        if scout.killed_for == DEADLINE and left:
            stuck = left.pop(0)
            message = about(stuck.path, f"{STALLED}; try again later")
            self._hands.jobs.fail(stuck, ItemCode.UNREADABLE, message, now, source=None)
        for item in left:
            self._hands.jobs.look_again(item, now)
        return True

    def _judge(self, item: Item, result: records.Hit | records.Miss | records.NoUse, now: float) -> None:
        if isinstance(result, records.Miss):
            self._hands.jobs.needs_render(item, result.size, result.mtime_ns, now)
            return
        item.size, item.mtime_ns = result.size, result.mtime_ns
        if isinstance(result, records.NoUse):
            source = Source.CACHE if result.remembered else None
            code = ItemCode(result.code) if result.code in set(ItemCode) else ItemCode.INTERNAL
            self._hands.jobs.fail(item, code, result.message, now, source=source)
            return
        outcome = Outcome(
            State.READY,
            thumbnail=result.thumbnail,
            width=result.width or None,
            height=result.height or None,
            source=Source.CACHE,
            size=result.size,
        )
        self._hands.jobs.finish(item, outcome, now)
