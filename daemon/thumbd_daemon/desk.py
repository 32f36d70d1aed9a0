"""What each request means: each finds who answers it. No file is touched before an answer.

What is declared on the wire but not built yet is answered ``not_supported``.
"""

from collections.abc import Callable
from typing import Final

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Progress
from thumbd_protocol.replies import Error, Ok
from thumbd_protocol.requests import (
    Batches,
    Cancel,
    Focus,
    HealthRequest,
    Message,
    Pause,
    Pool,
    Quarantine,
    Request,
    Resume,
    Retry,
    SnapshotRequest,
    StatsRequest,
    Status,
    Submit,
    Subscribe,
    Unsubscribe,
)

from .audience import Audience
from .hands import Hands
from .orders import Orders
from .pool import Kind
from .reports import Reports
from .sessions import Session
from .topics import Topics
from .views import TooManyViews
from .wishes import Wishes

#: Quarantined files told in one answer.
_MAX_TOLD: Final = 1000


class Desk:
    """Answers requests. `ending` says whether nothing new is taken any more."""

    def __init__(
        self,
        wishes: Wishes,
        hands: Hands,
        orders: Orders,
        topics: Topics,
        reports: Reports,
        ending: Callable[[], bool],
    ) -> None:
        self._wishes = wishes
        self._audience = Audience(wishes)
        self._hands = hands
        self._orders = orders
        self._topics = topics
        self._reports = reports
        self._clock = hands.clock
        self._ending = ending

    # -- sessions ---------------------------------------------------------------------------------------------

    def begun(self, session: Session) -> None:
        """A session is back on a new connection: it says again what it looks at."""
        self._topics.begun(session)
        self._wishes.views.close_session(session.ident)

    def parked(self, session: Session, *, parked: bool) -> None:
        """A session is away, or back."""
        self._audience.park(session.ident, parked=parked)

    def closed(self, session: Session) -> None:
        """A session has ended, with all its interest."""
        self._audience.close_session(session.who, self._clock())
        self._topics.begun(session)
        self._orders.stop_unwanted()

    def credited(self, session: Session, batches: list[str]) -> None:
        """A session has dealt with all that it was told of these batches."""
        for ident in batches:
            self._wishes.credited(session.ident, ident, self._clock())

    def said_again(self, session: Session, message: Message) -> None:
        """A request was said again and is answered from memory."""
        if isinstance(message, Submit):
            self._orders.said_again(session, message, self._clock())

    def keeps_up(self, session: Session) -> None:
        """Look whether what waited for a session had to be dropped, or that has been made up for."""
        lost, drops = session.outbox.lost, session.outbox.drops
        if drops != session.drops:
            session.drops = drops
            self._topics.dropped(session)
        if lost != session.behind:
            session.behind = lost
            self._audience.behind(session.ident, behind=lost)

    def progress(self, batch: str) -> Progress | None:
        """How far a batch is, now."""
        found = self._wishes.batches.get(batch)
        return found.progress(self._clock()) if found is not None else None

    # -- requests ---------------------------------------------------------------------------------------------

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """The answer to a request; None where there is none, or it comes later. Raises ProtocolError."""
        match message:
            case Focus():
                self._focus(session, message, now)
                return None
            case Submit():
                if self._ending():
                    text = "the daemon is shutting down and takes nothing new"
                    raise ProtocolError(RequestCode.SHUTTING_DOWN, text)
                return self._orders.submit(session, message, now)
            case Subscribe():
                self._topics.subscribe(session, message.id, message.topics)
                return Ok(reply_to=message.id)
            case Unsubscribe():
                self._topics.unsubscribe(session, message.topics)
                return Ok(reply_to=message.id)
            case SnapshotRequest():
                self._topics.snapshot(session, message.id, message.topics)
                return None  # the snapshots themselves are the answer
            case Cancel():
                return self._orders.cancel(session, message, now)
            case Pause():
                return self._orders.pause(session, message, now)
            case Resume():
                return self._orders.resume(session, message, now)
            case Retry():
                return self._orders.retry(session, message, now)
            case Status():
                return self._orders.status(session, message, now)
            case Batches():
                mine = (b for b in self._wishes.batches.values() if b.terms.user == session.user)
                return Ok(reply_to=message.id, batches=[batch.info(now) for batch in mine])
            case StatsRequest():
                return self._reports.stats(message.id)
            case HealthRequest():
                return self._reports.health(message.id)
            case Pool():
                return self._pool(message)
            case Quarantine():
                return self._quarantine(message)
            case Request():
                raise ProtocolError(
                    RequestCode.NOT_SUPPORTED, f"this daemon does not do '{message.__struct_config__.tag}' yet"
                )
            case _:
                return None

    def _focus(self, session: Session, message: Focus, now: float) -> None:
        """Nothing answers a focus; one that shows too much is told so all the same."""
        if self._ending():
            return
        try:
            self._wishes.views.focus(session.who, message, now)
        except TooManyViews as error:
            session.outbox.answer(Error(code=RequestCode.RATE_LIMITED, message=str(error), retryable=True))

    def _pool(self, message: Pool) -> Message:
        try:
            self._hands.sizer.bounds(message.min, message.max)
        except ValueError as error:
            raise ProtocolError(RequestCode.BAD_FIELD, f"{error}: give both --min and --max") from error
        sizer = self._hands.sizer
        self._hands.budget.renderers = sizer.most
        workers = [
            {"pid": worker.pid, "state": worker.state.name.lower()}
            for worker in self._hands.pool.workers.values()
            if worker.kind is Kind.RENDERER
        ]
        return Ok(reply_to=message.id, min=sizer.least, max=sizer.most, workers=workers)

    def _quarantine(self, message: Quarantine) -> Message:
        quarantine = self._hands.quarantine
        entries = quarantine.entries()
        if message.action == "clear":
            released = entries
        elif message.action == "release":
            if not message.items:
                raise ProtocolError(RequestCode.BAD_FIELD, "name the `items` to release, or use `clear` for all")
            wanted = {item.path for item in message.items}
            released = [entry for entry in entries if entry.path in wanted]
        else:
            released = []
        for entry in released:
            quarantine.release(entry.path)
        wall = self._hands.wall_ms()
        told = [
            {"path": e.path, "reason": e.reason, "deaths": e.deaths, "since_ms": max(0, wall - e.since_ms)}
            for e in (released if message.action != "list" else entries)[:_MAX_TOLD]
        ]
        return Ok(reply_to=message.id, items=told, total=len(entries if message.action == "list" else released))
