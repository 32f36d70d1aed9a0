"""The loop: where the pure decisions meet sockets, children and the clock.

Whatever happens (a message, a child's answer, a death, a deadline) ends in one `_turn`: children that are missing are
started, free ones get work, news goes to the sessions' outboxes, outboxes are sent, and the next deadline is set.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from thumbd_protocol.errors import ItemCode, ProtocolError, RequestCode
from thumbd_protocol.items import Progress
from thumbd_protocol.replies import Ok
from thumbd_protocol.requests import Message, Shutdown

from .cache import places
from .crew import Crew
from .desk import Desk
from .items import Phase
from .jobs import Jobs
from .listings import Listings
from .news import Ended, Moved, Told
from .notify import notify
from .pool import Kind, Pool
from .sentences import about
from .server import Answering, Server
from .sessions import Session
from .settings import Settings
from .shutdown import Ladder, Rung
from .wishes import Wishes
from .work import Work

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Service:
    """One daemon's life. The lock is held and the folder of the socket exists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._ladder = Ladder()
        self._ended = asyncio.Event()
        self._wishes = Wishes(settings.queue_capacity, settings.queue_reserve)
        self._jobs = Jobs(self._wishes)
        self._listings = Listings(self._clock)
        self._pool = Pool({Kind.QUICK: settings.scouts, Kind.LISTING: 1, Kind.RENDERER: settings.renderers + 1})
        volatile = settings.socket.with_name("volatile")
        self._crew = Crew(self._pool, places(volatile), settings.slot_bytes, self._clock)
        self._work = Work(settings, self._pool, self._crew, self._jobs, self._listings, self._clock)
        self._crew.foreman = self._work
        self._crew.changed = self._soon
        self._desk = Desk(self._wishes, self._jobs, self._listings, self._clock, lambda: self._ladder.ending)
        self._server = bind(settings.socket, self, self._soon)
        self._idle_since: float | None = self._clock()
        self._turn_set = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until told to end; returns when the end is verified."""
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._on_signal, number)
        log.info(
            "thumbd (pid %d) listens at %s, %d renderers", os.getpid(), self._settings.socket, self._settings.renderers
        )
        notify("READY=1")
        self._soon()
        await self._ended.wait()
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)
        self._server.close()
        self._settings.socket.unlink(missing_ok=True)
        left = self._crew.children
        log.info("ended: %s", f"{left} children linger" if left else "no child, no socket is left")

    # -- the desk's door, with the one request that is the service's own ------------------------------------------

    def closed(self, session: Session) -> None:
        self._desk.closed(session)

    def progress(self, batch: str) -> Progress | None:
        return self._desk.progress(batch)

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """Answer a request. Raises ProtocolError."""
        if isinstance(message, Shutdown):
            log.info("%s asks for the end (%s)", session.name, message.mode)
            self._loop.call_soon(self._begin_end, message.mode == "drain")
            return Ok(reply_to=message.id)
        try:
            return self._desk.handle(session, message, now)
        except (KeyError, ValueError, AssertionError, RuntimeError) as error:
            # A fault of ours must cost one request, not every session; the log has the whole story.
            log.exception("a request could not be answered: %r", type(message).__name__)
            raise ProtocolError(RequestCode.INTERNAL, f"the daemon failed over this request: {error!r}") from error

    # -- turning ------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        """Something has happened: one turn, after all that has happened with it."""
        if not self._turn_set:
            self._turn_set = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_set = False
        if self._ended.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._give_work()
            self._tell_news()
            self._server.flush(self._clock())
            if self._ladder.ending:
                idle, told = not self._work.under_way, self._server.quiet and not self._wishes.news
                self._climb(self._ladder.step(self._clock(), idle=idle, told=told, children=self._crew.children))
            self._check_idle()
        finally:
            # Whatever went wrong in this turn (asyncio logs it), there is a next one.
            self._set_timer()

    def _give_work(self) -> None:
        if self._ladder.rung >= Rung.ASKING:
            return
        if self._ladder.ending:
            self._end_waiting()  # what came back because its child died meanwhile
        self._work.check_time()
        self._crew.fill()
        self._work.give(only_finish=self._ladder.ending)

    def _tell_news(self) -> None:
        now = self._clock()
        news, self._wishes.news = self._wishes.news, []
        for one in news:
            session = self._server.sessions.get(one.session)
            if session is None:
                continue
            match one:
                case Told(update=update, critical=critical):
                    session.outbox.item(update, critical, now)
                case Moved(batch=batch):
                    session.outbox.progress(batch, now)
                case Ended(end=end):
                    log.info(
                        "batch %s: %d ready, %d failed, %d cancelled", end.batch, end.ready, end.failed, end.cancelled
                    )
                    session.outbox.done(end, now)

    def _set_timer(self) -> None:
        now = self._clock()
        times = [self._server.due(now), self._ladder.deadline, self._idle_until()]
        if self._ladder.rung < Rung.ASKING:
            oldest = self._listings.oldest()
            times += [self._pool.next_deadline(now), oldest and oldest + self._settings.scout_patience_s]
        known = [at for at in times if at is not None]
        if known and not self._turn_set:
            self._timer = self._loop.call_at(max(min(known), now + 0.001), self._soon)

    # -- ending -------------------------------------------------------------------------------------------------

    def _idle_until(self) -> float | None:
        if self._settings.idle_exit_s is None or self._idle_since is None:
            return None
        return self._idle_since + self._settings.idle_exit_s

    def _check_idle(self) -> None:
        """A daemon that a client started leaves when nobody has needed it for a while."""
        busy = bool(self._server.sessions) or any(b.ended is None for b in self._wishes.batches.values())
        if busy:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._clock()
        until = self._idle_until()
        if until is not None and self._clock() >= until and not self._ladder.ending:
            log.info("nobody has needed me for %.0f s", self._settings.idle_exit_s)
            self._begin_end(drain=True)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._ladder.ending:
            log.info("%s again: skipping ahead", number.name)
            self._climb(self._ladder.skip(self._clock()))
        else:
            log.info("%s: ending", number.name)
            self._begin_end(drain=True)
        self._soon()

    def _begin_end(self, drain: bool) -> None:
        self._climb(self._ladder.begin(self._clock(), drain=drain))
        self._soon()

    def _climb(self, rungs: list[Rung]) -> None:
        for rung in rungs:
            log.debug("shutdown: %s", rung.name)
            match rung:
                case Rung.REFUSING:
                    notify("STOPPING=1")
                    self._refuse()
                case Rung.ASKING:
                    self._work.abandon()
                    self._end_items(set(Phase), "the daemon was shut down before it was done; ask again")
                    self._crew.close_sockets()
                case Rung.TERMINATING:
                    self._crew.signal_all(signal.SIGTERM)
                case Rung.KILLING:
                    self._crew.signal_all(signal.SIGKILL)
                case Rung.VERIFIED:
                    self._ended.set()
                case _:
                    pass

    def _refuse(self) -> None:
        """Tell everybody, and give what has not been begun its final state."""
        now = self._clock()
        for session in self._server.sessions.values():
            session.outbox.notice("draining", "the daemon is shutting down")
        for ident in list(self._wishes.batches):
            self._listings.stop_batch(ident)
            self._wishes.listed(ident, ItemCode.SHUTDOWN, "the daemon was shut down while it listed the folder", now)
        self._end_waiting()

    def _end_waiting(self) -> None:
        """What waits for a child will not get one any more."""
        waiting = {Phase.LOOK, Phase.LOOKING, Phase.RENDER}
        self._end_items(waiting, "the daemon was shut down before its turn came; ask again")

    def _end_items(self, phases: set[Phase], cause: str) -> None:
        now = self._clock()
        for item in list(self._wishes.items.values()):
            if item.phase in phases:
                self._jobs.fail(item, ItemCode.SHUTDOWN, about(item.path, cause), now, source=None)


def bind(socket_file: Path, desk: Answering, changed: Callable[[], None]) -> Server:
    """A server on `socket_file`, which nobody else may open from its first moment on."""
    socket_file.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        return Server(f"ipc://{socket_file}", desk, changed)
    finally:
        os.umask(before)
