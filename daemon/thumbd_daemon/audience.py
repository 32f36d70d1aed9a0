"""Who asks for batches and who looks on: sessions that come, are away, do not read, and go. Pure; `now` is monotonic
seconds.
"""

from .batches import Batch
from .lanes import Client
from .wishes import Wishes


class Audience:
    """What becomes of the batches and views of `wishes` when sessions come and go."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes

    def watch(self, session: bytes, batch: Batch) -> bool:
        """A session looks on at a batch from now on; True when it has ended and that is still to be told."""
        if session in batch.sessions:
            return False
        batch.watchers.add(session)
        if batch.ended is not None and not batch.released:
            batch.owed.add(session)
        return batch.ended is not None

    def unwatch(self, session: bytes, ident: str, now: float) -> None:
        """It does not any more."""
        batch = self._wishes.batches.get(ident)
        if batch is not None and session in batch.watchers:
            batch.watchers.discard(session)
            if session not in batch.sessions:
                batch.owed.discard(session)
            self._wishes.look_for_release(batch, now)

    def park(self, session: bytes, *, parked: bool) -> None:
        """A session is away: what only it wants can wait; or it is back."""
        (self._wishes.presence.parked.add if parked else self._wishes.presence.parked.discard)(session)
        self._wishes.views.weigh(session, parked=parked)
        for batch in self._wishes.batches.values():
            if session in batch.sessions:
                self._wishes.presence.weigh(batch)

    def behind(self, session: bytes, *, behind: bool) -> None:
        """A session does not read what it is told: if that becomes too much, what only it wants stands still until it
        does."""
        (self._wishes.presence.behind.add if behind else self._wishes.presence.behind.discard)(session)
        for batch in self._wishes.batches.values():
            if session in batch.sessions:
                self._wishes.presence.weigh(batch)

    def close_session(self, client: Client, now: float) -> None:
        """A session has ended; what only it wanted is dropped, durable batches stay."""
        session = client.session
        self._wishes.views.close_session(session)
        self._wishes.presence.forget(session)
        for batch in [batch for batch in self._wishes.batches.values() if session in batch.readers]:
            batch.watchers.discard(session)
            batch.owed.discard(session)
            if session in batch.sessions:
                batch.sessions.discard(session)
                if batch.lane.client == client:
                    heir = next(iter(batch.sessions), b"")
                    self._wishes.schedule.move(batch.lane, client=Client(client.user, heir))
                if not batch.sessions and batch.ended is None and not batch.terms.durable:
                    self._drop(batch, now)
            self._wishes.presence.weigh(batch)
            self._wishes.look_for_release(batch, now)
        self._wishes.board.close_client(client)

    def _drop(self, batch: Batch, now: float) -> None:
        """Nobody wants it any more; whoever looked on is told so."""
        if not batch.watchers:
            del self._wishes.batches[batch.ident]
        self._wishes.doom(batch, now)
