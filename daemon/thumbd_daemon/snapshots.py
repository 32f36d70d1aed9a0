"""What the snapshots of ``mine`` and ``batch:`` hold: batches, their items, what is shown. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from thumbd_protocol.items import BatchInfo, FocusInfo, ItemUpdate, State

from .batches import WRITING, Batch
from .views import state_of
from .wishes import Wishes


@dataclass
class Holding:
    """What a topic holds now; `items` are final states that are kept, and how far the others are."""

    batches: list[BatchInfo] = field(default_factory=list)
    focus: list[FocusInfo] = field(default_factory=list)
    items: list[ItemUpdate] = field(default_factory=list)


def of_session(wishes: Wishes, session: bytes, now: float) -> Holding:
    """All that a session has asked for, looks on at, or shows."""
    holding = Holding()
    items: dict[tuple[bytes, str], ItemUpdate] = {}
    for batch in wishes.batches.values():
        if session in batch.readers:
            holding.batches.append(batch.info(now))
            items.update(((one.path, one.flavor), one) for one in _items(wishes, batch))
    holding.focus, shown = wishes.views.told(session)
    for one in shown:
        items.setdefault((one.path, one.flavor), one)
    holding.items = list(items.values())
    return holding


def of_batch(wishes: Wishes, batch: Batch, now: float) -> Holding:
    """One batch."""
    return Holding(batches=[batch.info(now)], items=list(_items(wishes, batch)))


def _items(wishes: Wishes, batch: Batch) -> Iterator[ItemUpdate]:
    yield from batch.finals()
    for key, known in batch.members.items():
        item = wishes.items.get(key)
        state = State.RENDERING if known == WRITING else State.QUEUED if item is None else state_of(item)
        yield ItemUpdate(key[0], key[1], state)
