"""What those who wait for an item ask of its making. Pure."""

from .batches import MAX_RETRIES, Batch
from .items import Item


def max_retries(item: Item) -> int:
    """How many times `item` may be tried again after others have killed its renderers: the most that any of those who
    wait for it asks for."""
    owners = [lane.owner for lane in item.lanes]
    return max((o.terms.max_retries if isinstance(o, Batch) else MAX_RETRIES for o in owners), default=0)


def patience(item: Item, usual_s: float) -> float:
    """How long a renderer may take for `item`, in seconds: as usual, unless all who wait for it ask for less."""
    owners = [lane.owner for lane in item.lanes]
    asked = [o.terms.timeout_s if isinstance(o, Batch) else None for o in owners]
    return min(usual_s, max(usual_s if one is None else one for one in asked)) if asked else usual_s


def missed(item: Item) -> None:
    """A look found that `item` must be rendered: it weighs more for the batches that wait."""
    for lane in item.lanes:
        if isinstance(lane.owner, Batch):
            lane.owner.missed(item.key, item.size)
