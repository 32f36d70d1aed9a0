"""The loop: where the pure decisions meet sockets, children and the clock.

Whatever happens (a message, a child's answer, a death, a deadline) ends in one `_turn`: children are looked after and
get work, news goes to the sessions' outboxes, outboxes are sent, and the next deadline is set.
"""

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Progress
from thumbd_protocol.replies import Ok
from thumbd_protocol.requests import Message, Shutdown

from .connections import MOST, most_connections
from .ending import Ending
from .house import House
from .news import Ended, Moved, Told
from .notify import notify
from .server import Answering, Server
from .sessions import Session
from .settings import Settings
from .shutdown import Rung
from .topics import SYSTEM

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: What changes in the daemon's health is told so soon, in seconds.
_HEALTH_S = 0.1
#: A turn that comes so much too late means that the daemon stood still; then it listens for so long first, in seconds.
_GAP_S = 1.0
_LISTEN_S = 0.1


#: What the last line of a good end says.
NOTHING_LEFT = "no child, no socket, no descriptor is left"


class Service:
    """One daemon's life. The lock is held and the folder of the socket exists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        # Before the socket is there for others to see: from then on the end goes by the ladder.
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._on_signal, number)
        self._descriptors = open_descriptors()
        self._server = bind(settings.socket, self, self._soon, settings.most_renderers)
        self._house = House(settings, self._server, self._clock, self._soon, lambda: self._ending.ending)
        self._ending = Ending(self._house, self._server, self._clock)
        self._idle_since: float | None = self._clock()
        self._turn_set = False
        self._health_due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until told to end; returns when the end is verified."""
        log.info(
            "thumbd (pid %d) listens at %s, up to %d renderers",
            os.getpid(),
            self._settings.socket,
            self._settings.most_renderers,
        )
        notify("READY=1")
        self._soon()
        await self._ending.ended.wait()
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)
        self._server.close()
        self._settings.socket.unlink(missing_ok=True)
        self._house.close()
        left = self._what_is_left()
        log.log(logging.INFO if left == NOTHING_LEFT else logging.WARNING, "ended: %s", left)

    def _what_is_left(self) -> str:
        """The end's result, checked, in one line."""
        children = self._house.crew.children
        descriptors = open_descriptors() - self._descriptors
        left = [f"{children} children that hang in a file system"] if children else []
        left += [f"the socket {self._settings.socket}"] if self._settings.socket.exists() else []
        left += [f"{descriptors} descriptors"] if descriptors > 0 else []
        return f"left behind: {', '.join(left)}" if left else NOTHING_LEFT

    # -- the desk's door, with the one request that is the service's own ------------------------------------------

    def closed(self, session: Session) -> None:
        self._house.desk.closed(session)

    def begun(self, session: Session) -> None:
        self._house.desk.begun(session)

    def parked(self, session: Session, *, parked: bool) -> None:
        self._house.desk.parked(session, parked=parked)

    def credited(self, session: Session, batches: list[str]) -> None:
        self._house.desk.credited(session, batches)

    def said_again(self, session: Session, message: Message) -> None:
        self._house.desk.said_again(session, message)

    def keeps_up(self, session: Session) -> None:
        self._house.desk.keeps_up(session)

    def progress(self, batch: str) -> Progress | None:
        return self._house.desk.progress(batch)

    def handle(self, session: Session, message: Message, now: float) -> Message | None:
        """Answer a request. Raises ProtocolError."""
        if isinstance(message, Shutdown):
            log.info("%s asks for the end (%s)", session.name, message.mode)
            self._loop.call_soon(self._begin_end, message.mode == "drain")
            return Ok(reply_to=message.id)
        try:
            return self._house.desk.handle(session, message, now)
        except ProtocolError:
            raise
        except Exception as error:
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
        if self._ending.ended.is_set():
            return
        due = None if self._timer is None else self._timer.when()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and self._clock() - due > _GAP_S:
            self._catch_up(self._clock() - due)
            return
        try:
            if self._ending.rung < Rung.ASKING and self._house.turn(only_finish=self._ending.ending):
                self._soon()
            self._tell_news()
            self._server.flush(self._clock())
            if self._ending.step():
                self._soon()
            self._check_idle()
        finally:
            # Whatever went wrong in this turn (asyncio logs it), there is a next one.
            self._set_timer()

    def _catch_up(self, gap: float) -> None:
        """We were not there (stopped, or starved of the processor): what has come meanwhile is read before anybody is
        found late or silent."""
        log.warning("the daemon itself stood still for %.1f s; nobody else is to blame for that time", gap)
        self._house.shift(gap)
        self._server.shift(gap)
        self._server.receive()
        self._timer = self._loop.call_later(_LISTEN_S, self._soon)

    def _tell_news(self) -> None:
        now = self._clock()
        news = self._house.wishes.take_news()
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
        self._tell_notices(now)

    def _tell_notices(self, now: float) -> None:
        """What has changed in the daemon's health: looked at ten times a second, it is nobody's hurry."""
        self._health_due = self._health_due or now + _HEALTH_S
        if now < self._health_due:
            return
        self._health_due = None
        for kind, text in self._house.reports.notices():
            log.log(logging.INFO if kind == "recovered" else logging.WARNING, "%s: %s", kind, text)
            for session in self._server.sessions.values():
                if SYSTEM in session.topics:
                    session.outbox.notice(kind, text)

    def _set_timer(self) -> None:
        now = self._clock()
        times = [self._server.due(now), self._ending.deadline, self._idle_until(), self._health_due]
        if self._ending.rung < Rung.ASKING:
            times.append(self._house.next_deadline(now))
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
        busy = bool(self._server.sessions) or self._house.wishes.unfinished
        if busy:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._clock()
        until = self._idle_until()
        if until is not None and self._clock() >= until and not self._ending.ending:
            log.info("nobody has needed me for %.0f s", self._settings.idle_exit_s)
            self._begin_end(drain=True)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._ending.ending:
            log.info("%s again: skipping ahead", number.name)
        else:
            log.info("%s: ending", number.name)
        self._begin_end(drain=True)

    def _begin_end(self, drain: bool) -> None:
        self._ending.begin(drain=drain)
        self._soon()


def open_descriptors() -> int:
    """How many descriptors this process holds (the one that lists them counted in, each time)."""
    return len(os.listdir("/proc/self/fd"))


def bind(socket_file: Path, desk: Answering, changed: Callable[[], None], renderers: int = 1) -> Server:
    """A server on `socket_file`, in the place of what a killed daemon has left there; connections are bounded so that
    the descriptors of so many `renderers` fit beside them."""
    socket_file.unlink(missing_ok=True)
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if descriptors == resource.RLIM_INFINITY else most_connections(descriptors, renderers)
    return Server(f"ipc://{socket_file}", desk, changed, most)
