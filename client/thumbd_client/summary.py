"""What a run of ``thumbctl render`` or ``attach`` comes to, item by item and batch by batch."""

from collections import Counter
from dataclasses import dataclass, field

from thumbd_protocol.items import ItemUpdate, Progress, Source, State
from thumbd_protocol.replies import Done


@dataclass
class Summary:
    """What a run came to. `rendered` counts the items that a renderer tried, whether it succeeded or not."""

    total: int = 0
    ready: int = 0
    failed: int = 0
    cancelled: int = 0
    cached: int = 0
    rendered: int = 0
    #: Ready, but not kept in the cache; `not_kept` is the first such sentence.
    volatile: int = 0
    not_kept: str | None = None
    elapsed_ms: int = 0
    #: Sentences about folders that could not be listed (in full), and requests that were refused.
    problems: list[str] = field(default_factory=list)
    failures: list[ItemUpdate] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is nothing that went wrong."""
        return not (self.failed or self.cancelled or self.problems)

    def count(self, item: ItemUpdate) -> None:
        self.total += 1
        self.ready += item.state is State.READY
        self.failed += item.state is State.FAILED
        self.cancelled += item.state is State.CANCELLED
        self.cached += item.source is Source.CACHE
        self.rendered += item.source is Source.RENDER
        if item.state is State.READY and item.thumbnail is None:
            self.volatile += 1
            self.not_kept = self.not_kept or item.message
        if item.state is State.FAILED:
            self.failures.append(item)

    def adopt(self, ends: list[Done], progress: list[Progress]) -> None:
        """Take the daemon's counts of whole batches, of which not each item need have been told."""
        self.ready = sum(end.ready for end in ends)
        self.failed = sum(end.failed for end in ends)
        self.cancelled = sum(end.cancelled for end in ends)
        self.total = self.ready + self.failed + self.cancelled
        self.cached = sum(part.cached for part in progress)
        self.rendered = max(0, self.total - self.cached - self.cancelled)


def together(parts: list[Progress]) -> Progress:
    """Several batches' counts as one; the total is known when each one's is, the time left is the longest."""
    sums: Counter[str] = Counter()
    for part in parts:
        for name in ("done", "ready", "failed", "cancelled", "cached", "joined", "bytes"):
            sums[name] += getattr(part, name)
    totals = [part.total for part in parts]
    etas = [part.eta_ms for part in parts]
    return Progress(
        batch=",".join(part.batch for part in parts),
        done=sums["done"],
        ready=sums["ready"],
        failed=sums["failed"],
        cancelled=sums["cancelled"],
        cached=sums["cached"],
        joined=sums["joined"],
        total=None if None in totals else sum(total or 0 for total in totals),
        bytes=sums["bytes"],
        rate=sum(part.rate for part in parts),
        eta_ms=None if None in etas else max((eta or 0 for eta in etas), default=0),
    )
