"""What is wanted: batches and views, told apart from how far the work is. Pure; `now` is monotonic seconds.

Every item of a batch gets exactly one final state there. A final state of a durable batch goes to the journal first
(`entries`) and is told when it is `written`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import Source, State

from . import keeping
from .batches import PENDING, WRITING, Batch, Outcome, Terms
from .board import Board
from .items import Item, Key, Phase
from .lanes import Client
from .news import Added, Closed, Ended, Entry, Forgotten, Moved, News, Opened, Released, Settled, Told
from .presence import Presence
from .views import View, Views

#: Batches without an end that a session may have.
MAX_OPEN: Final = 1000
#: Items of a batch that ends which get their final states in one go: more would be a stop that others notice.
_AT_ONCE: Final = 2000


class QueueFull(Exception):
    """There is no room for a submit; `room` items would fit."""

    def __init__(self, room: int) -> None:
        super().__init__(f"the queue has room for {room} more items")
        self.room = room


class TooManyBatches(Exception):
    """A session has too many batches without an end."""


class NotDurable(Exception):
    """A batch that is not durable is asked for as one that is."""


class Wishes:
    """All that is wanted. `capacity` bounds the open items, `reserve` of it is kept for what is on screen."""

    def __init__(self, capacity: int, reserve: int) -> None:
        self.capacity = capacity
        self._reserve = reserve
        self.board = Board()
        self.views = Views(self.board)
        self.items = self.board.items
        self.schedule = self.board.schedule
        self.batches: dict[str, Batch] = {}
        self.presence = Presence(self.schedule)
        self._doomed: deque[tuple[Batch, deque[Key]]] = deque()
        self.joined = self.cancelled = 0

    @property
    def news(self) -> list[News]:
        """What sessions are to hear, not yet taken."""
        return self.board.news

    def take_news(self) -> list[News]:
        news, self.board.news = self.board.news, []
        return news

    def take_entries(self) -> list[Entry]:
        """What the journal is to write, in order."""
        entries, self.board.entries = self.board.entries, []
        return entries

    def room(self) -> int:
        """How many more items of batches may be open."""
        return max(0, self.capacity - self._reserve - len(self.items))

    # -- asking -----------------------------------------------------------------------------------------------

    def submit(
        self, session: bytes, ident: str, keys: Iterable[Key], terms: Terms, now: float, *, more: bool, listing: bool
    ) -> Batch:
        """Open or join the batch `ident` and add what it lacks. All or nothing: raises QueueFull, TooManyBatches,
        NotDurable."""
        batch = self.batches.get(ident)
        while batch is not None and batch.doomed:
            self.work_off(now)  # it begins again when it has ended
        if batch is not None and batch.released and session not in batch.sessions:
            batch = None  # told in full to others, of whom it does not know any more what: it begins again
        new = [key for key in dict.fromkeys(keys) if batch is None or not batch.has(key)]
        if len(new) > self.room():
            raise QueueFull(self.room())
        if batch is None:
            if (
                sum(session in b.sessions and (b.ended is None or session in b.owed) for b in self.batches.values())
                >= MAX_OPEN
            ):
                raise TooManyBatches(
                    f"a session has at most {MAX_OPEN} batches that it has not dealt with: do that first"
                )
            batch = self._open(ident, Client(terms.user, session), terms, now)
        elif terms.durable and not batch.terms.durable:
            raise NotDurable(f"the batch '{ident}' is there already and is not durable")
        if batch.ended is not None and (new or listing or more):
            batch.ended, batch.released = None, False
        self._join(batch, session, terms)
        batch.more = more
        batch.listing += listing
        self.note_opened(batch)
        self._add(batch, new, now)
        self._look_for_end(batch, now)
        return batch

    def _open(self, ident: str, client: Client, terms: Terms, now: float) -> Batch:
        watchers: set[bytes] = set()
        if ident in self.batches:
            watchers = self.batches[ident].watchers  # they look at whatever has this name
            self._forget(self.batches[ident])
        batch = Batch(ident, terms, self.schedule.open(client, terms.priority.rank), now)
        batch.lane.owner = batch
        batch.watchers = watchers
        self.batches[ident] = batch
        return batch

    def _join(self, batch: Batch, session: bytes, terms: Terms) -> None:
        """One more session asks for a batch: it is told what has ended before; the more urgent wish counts."""
        if terms.priority.rank < batch.terms.priority.rank:
            batch.terms = replace(batch.terms, priority=terms.priority)
        folders = tuple(dict.fromkeys((*batch.terms.folders, *terms.folders)))
        batch.terms = replace(batch.terms, max_retries=terms.max_retries, folders=folders)
        if session in batch.sessions:
            self.presence.weigh(batch)
            return
        if batch.lane.client.session == b"":
            self.schedule.move(batch.lane, client=Client(batch.terms.user, session))
        batch.sessions.add(session)
        self.presence.weigh(batch)
        self.board.news.extend(Told(session, update, False) for update in batch.finals())
        if batch.ended is not None:
            batch.owed.add(session)
            self.board.news += [Moved(session, batch.ident), Ended(session, batch.end())]

    def revive(self, ident: str, client: Client, terms: Terms, started: float) -> Batch:
        """A batch of an earlier daemon, as yet without items."""
        return self._open(ident, client, terms, started)

    def go_on(self, batch: Batch, keys: list[Key], now: float) -> None:
        """These of its items have no final state."""
        self._add(batch, keys, now)

    def said_again(self, session: bytes, ident: str, now: float, *, more: bool) -> None:
        """A chunk that was taken before was said again, and answered from memory: others may have been taken since."""
        batch = self.batches.get(ident)
        if batch is not None and session in batch.sessions and batch.more and not more:
            batch.more = False
            self.steered(batch, now)

    def found(self, ident: str, keys: Iterable[Key], now: float) -> None:
        """The listing of a batch's folder found these; they are never refused."""
        batch = self.batches.get(ident)
        if batch is not None and batch.listing:
            self._add(batch, [key for key in dict.fromkeys(keys) if not batch.has(key)], now)
            self._moved(batch)

    def listed(self, ident: str, error: str | None, message: str | None, now: float) -> None:
        """The listing of a batch's folder has ended, perhaps badly. One that the daemon's end cut short begins again
        with the next daemon if it is durable."""
        batch = self.batches.get(ident)
        if batch is None or not batch.listing or (batch.terms.durable and error == ItemCode.SHUTDOWN):
            return
        batch.listing -= 1
        batch.error, batch.message = error or batch.error, message or batch.message
        self.note_opened(batch)
        self._look_for_end(batch, now)

    def may_list(self, ident: str) -> bool:
        """Whether there is room for more of what a batch's listing finds."""
        batch = self.batches.get(ident)
        return batch is not None and not batch.lane.paused and self.room() > 0

    # -- what becomes of it -----------------------------------------------------------------------------------

    def settle(self, item: Item, outcome: Outcome, now: float) -> None:
        """`item` has its final state: tell all who want it, count it in their batches, forget it."""
        item.step(Phase.DONE)
        del self.items[item.key]
        update = outcome.update(item.key)
        critical: dict[bytes, bool] = {}
        batches: list[Batch] = []
        shown: list[View] = []
        for lane in item.lanes:
            owner = lane.owner
            if isinstance(owner, View):
                critical[owner.session] = critical.get(owner.session, False) or lane is owner.visible
                shown.append(owner)
            elif isinstance(owner, Batch) and owner.terms.durable:
                if outcome.error != ItemCode.SHUTDOWN:  # else it goes on with the next daemon
                    self._write(owner, item.key, outcome, now)
            elif isinstance(owner, Batch):
                owner.settle(item.key, outcome, now)
                batches.append(owner)
                critical.update({session: critical.get(session, False) for session in owner.readers})
        self.board.news.extend(Told(session, update, urgent) for session, urgent in critical.items())
        item.lanes = []
        for view in shown:
            self.views.settled(view, item, now)
        for batch in batches:
            self._look_for_end(batch, now)

    def give_up(self, batch: Batch, key: Key, now: float) -> None:
        """An item is cancelled in one batch; the batch's end is looked for by `steered`."""
        item = self.items.get(key)
        if batch.terms.durable:
            self._write(batch, key, Outcome(State.CANCELLED), now)
        else:
            self._settled(batch, key, Outcome(State.CANCELLED), now)
        if item is not None:
            item.lanes = [lane for lane in item.lanes if lane.owner is not batch]
            self.board.drop_if_unwanted(item)

    def doom(self, batch: Batch, now: float) -> None:
        """A batch is to end: no more of it is begun, and `work_off` gives all of it its final state."""
        batch.listing, batch.more = 0, False
        batch.doomed = True
        self._doomed.append((batch, deque(batch.pending())))
        self.steered(batch, now)
        self.work_off(now)

    def work_off(self, now: float) -> bool:
        """Give some of what is doomed its final state; True when more is left."""
        for _ in range(_AT_ONCE):
            if not self._doomed:
                return False
            batch, keys = self._doomed[0]
            if keys:
                key = keys.popleft()
                if batch.members.get(key, WRITING) >= PENDING:
                    self.give_up(batch, key, now)
                continue
            self._doomed.popleft()
            batch.doomed = False
            self.steered(batch, now)
            if self.batches.get(batch.ident) is not batch:
                self._close_lanes(batch)
        return bool(self._doomed)

    def steered(self, batch: Batch, now: float) -> None:
        """Somebody has changed what is to become of a batch."""
        self.presence.weigh(batch)
        self.note_opened(batch)
        self._look_for_end(batch, now)

    def written(self, entry: Settled, now: float) -> None:
        """The journal holds a final state: now it counts, and is told."""
        batch = self.batches.get(entry.batch)
        if batch is not None and batch.members.get(entry.key) == WRITING:
            self._settled(batch, entry.key, entry.outcome, now)
            self._look_for_end(batch, now)

    def credited(self, session: bytes, ident: str, now: float) -> None:
        """A session has dealt with everything that it was told of a batch that has ended."""
        batch = self.batches.get(ident)
        if batch is not None and session in batch.owed:
            batch.owed.discard(session)
            batch.unheard = None
            self.look_for_release(batch, now)

    @property
    def unfinished(self) -> bool:
        """Whether there is work that nobody has told to wait."""
        open_ = (batch for batch in self.batches.values() if batch.ended is None and not batch.paused)
        return any(batch.members or batch.listing or batch.sessions for batch in open_)

    # -- time -------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Forget finished batches whose time is over; what was never said to its end is finished by then, too."""
        for batch in [b for b in self.batches.values() if b.more and not b.sessions]:
            if now - batch.started >= batch.terms.ttl_s:
                batch.more = False
                self.steered(batch, now)
        for batch in keeping.unheard(self.batches.values(), now):
            self._release(batch)
        for batch in keeping.expired(self.batches.values(), now):
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        if self.batches.get(batch.ident) is batch:
            del self.batches[batch.ident]
            self._close_lanes(batch)
            self.note(batch, Forgotten(batch.ident))

    def _close_lanes(self, batch: Batch) -> None:
        self.schedule.close(batch.lane)
        if batch.held is not None:
            self.schedule.close(batch.held)

    # -- inside -----------------------------------------------------------------------------------------------

    def _add(self, batch: Batch, keys: list[Key], now: float) -> None:
        for key in keys:
            item, new = self.board.open(key, now)
            batch.joined += not new
            self.joined += not new
            batch.add(key)
            if item.size and item.phase in (Phase.RENDER, Phase.RENDERING, Phase.PUBLISHING):
                batch.missed(key, item.size)
            self.board.join(item, batch.lane)
        if keys:
            self.note(batch, Added(batch.ident, keys))

    def _write(self, batch: Batch, key: Key, outcome: Outcome, now: float) -> None:
        batch.writing(key, now)
        self.note(batch, Settled(batch.ident, key, outcome))

    def _settled(self, batch: Batch, key: Key, outcome: Outcome, now: float) -> None:
        update = batch.settle(key, outcome, now)
        self.board.news.extend(Told(session, update, False) for session in batch.readers)

    def _moved(self, batch: Batch) -> None:
        self.board.news.extend(Moved(session, batch.ident) for session in batch.readers)

    def _look_for_end(self, batch: Batch, now: float) -> None:
        self._moved(batch)
        if self.presence.is_out_of_place(batch):
            self.presence.weigh(batch)
        if batch.complete and batch.ended is None:
            batch.ended = now
            batch.owed = set(batch.readers)
            batch.unheard = None if batch.readers else now
            batch.paused = False
            self.presence.weigh(batch)
            self.note_opened(batch)
            end = batch.end()  # one for all: it waits with each until it is credited
            self.board.news.extend(Ended(session, end) for session in batch.readers)
            ended_ms = batch.terms.created_ms + round((now - batch.started) * 1000)
            self.note(batch, Closed(batch.ident, ended_ms, batch.error, batch.message))
            self.look_for_release(batch, now)

    def look_for_release(self, batch: Batch, now: float) -> None:
        """Look whether everybody has dealt with all of a batch."""
        if batch.ended is None or batch.owed or batch.released:
            return
        if batch.terms.durable and batch.unheard is not None:
            return  # whoever was told of it before the daemon's end may be on his way back
        self._release(batch)

    def _release(self, batch: Batch) -> None:
        batch.release()
        cached = batch.cached - sum(update.source is Source.CACHE for update in batch.failures.values())
        self.note(batch, Released(batch.ident, batch.ready, batch.cancelled, cached, batch.volume))
        for oldest in keeping.too_many(self.batches.values()):
            self._forget(oldest)

    def note_opened(self, batch: Batch) -> None:
        self.note(batch, Opened(batch.ident, batch.terms, bool(batch.listing), batch.more, batch.paused))

    def note(self, batch: Batch, entry: Entry) -> None:
        """Leave something for the journal, if the batch is one of those that it keeps."""
        if batch.terms.durable:
            self.board.entries.append(entry)
