"""Requests about batches and items: submit, cancel, pause, resume, status, retry. None waits for a file."""

import itertools
from collections.abc import Callable
from typing import Final

from thumbd_protocol.errors import ProtocolError, RequestCode
from thumbd_protocol.items import Folder, Item, ItemStatus
from thumbd_protocol.replies import Accepted, Error, Ok, Reply, StatusReply
from thumbd_protocol.requests import Cancel, Message, Pause, Resume, Retry, Selection, Status, Submit

from .batches import MAX_RETRIES, TTL_S, Batch, Terms
from .hands import Hands
from .items import Key
from .kinds import KINDS
from .ledger import Ledger
from .listings import BatchListing, Listings
from .restoring import Kept
from .sessions import Session
from .steering import Counts, Steering
from .wishes import NotDurable, QueueFull, TooManyBatches, Wishes

_RETRY_AFTER_MS: Final = 250
#: Items told in one answer.
_MAX_TOLD: Final = 4096


def keys_of(items: list[Item]) -> list[Key]:
    """The items that a request names. Raises ProtocolError for work of a kind that there is not."""
    for item in items:
        if item.kind not in KINDS:
            raise ProtocolError(RequestCode.NOT_SUPPORTED, f"this daemon makes thumbnails only, not '{item.kind}'")
    return [(item.path, item.flavor) for item in items]


class Orders:
    """Answers them. `journal_trouble` says why durable batches can't be kept now, if they can't."""

    def __init__(
        self,
        wishes: Wishes,
        hands: Hands,
        listings: Listings,
        ledger: Ledger,
        journal_trouble: Callable[[], ProtocolError | None],
    ) -> None:
        self._wishes = wishes
        self._hands = hands
        self._listings = listings
        self._ledger = ledger
        self._journal_trouble = journal_trouble
        self._steering = Steering(wishes)
        self._names = itertools.count(1)

    def batch_of(self, session: Session, ident: str) -> Batch:
        """A batch of this session's user. Raises ProtocolError."""
        batch = self._wishes.batches.get(ident)
        if batch is None:
            raise ProtocolError(RequestCode.UNKNOWN_ID, f"there is no batch '{ident}'")
        if batch.terms.user != session.user:
            raise ProtocolError(RequestCode.FORBIDDEN, f"the batch '{ident}' is another user's")
        return batch

    # -- submit -----------------------------------------------------------------------------------------------

    def submit(self, session: Session, message: Submit, now: float) -> Message | None:
        """``accepted``, ``queue_full``, or None: a durable batch is answered for when the journal has it."""
        ident = message.batch or f"batch-{session.ident.hex()[:8]}-{next(self._names)}"
        if ident in self._wishes.batches:
            self.batch_of(session, ident)
        if message.durable and (trouble := self._journal_trouble()) is not None:
            raise trouble
        keys = keys_of(message.items or [])
        listing = message.folder is not None and not self._listings.has_batch(ident, message.folder)
        try:
            batch = self._wishes.submit(
                session.ident,
                ident,
                keys,
                self._terms(session, message, ident),
                now,
                more=message.more,
                listing=listing,
            )
        except QueueFull as error:
            return self._full(message, error, len(keys))
        except TooManyBatches as error:
            raise ProtocolError(RequestCode.RATE_LIMITED, str(error)) from error
        except NotDurable as error:
            raise ProtocolError(RequestCode.BAD_FIELD, str(error)) from error
        if message.folder is not None and listing:
            self.list_folder(ident, message.folder)
        # Only now: a submit that is refused replaces nothing.
        if message.replace is not None and message.replace != ident and message.replace in self._wishes.batches:
            self._end(self.batch_of(session, message.replace), now)
        accepted = Accepted(reply_to=message.id, batch=ident, total=batch.total)
        return self._when_kept(session, accepted) if message.durable else accepted

    def _terms(self, session: Session, message: Submit, ident: str) -> Terms:
        known = self._wishes.batches.get(ident)
        usual = known.terms.max_retries if known is not None else MAX_RETRIES
        return Terms(
            user=session.user,
            priority=message.priority,
            durable=message.durable,
            ttl_s=TTL_S if message.ttl_s is None else message.ttl_s,
            max_retries=usual if message.max_retries is None else message.max_retries,
            timeout_s=None if message.timeout_ms is None else message.timeout_ms / 1000,
            folders=() if message.folder is None else (message.folder,),
            created_ms=self._hands.wall_ms(),
        )

    def _full(self, message: Submit, error: QueueFull, asked: int) -> Error:
        return Error(
            reply_to=message.id,
            code=RequestCode.QUEUE_FULL,
            message=f"{error}; this chunk has {asked}: send it again later",
            retryable=True,
            retry_after_ms=_RETRY_AFTER_MS,
            room=error.room,
        )

    def _when_kept(self, session: Session, answer: Reply) -> Reply | None:
        """`answer`, or None: it is given when the journal has what there is to write. While the journal can't be
        written it does not wait for that."""
        if not self._wishes.board.entries or self._journal_trouble() is not None:
            return answer
        session.waiting.add(answer.reply_to)
        self._ledger.after(lambda: self._say(session, answer), lambda: self._say_not_kept(session, answer))
        return None

    def _say_not_kept(self, session: Session, answer: Reply) -> None:
        trouble = self._journal_trouble()
        if isinstance(answer, Accepted) and trouble is not None:
            session.waiting.discard(answer.reply_to)
            error = Error(reply_to=answer.reply_to, code=trouble.code, message=trouble.message, retryable=True)
            session.outbox.answer(error)
        else:
            self._say(session, answer)

    def _say(self, session: Session, answer: Reply) -> None:
        session.waiting.discard(answer.reply_to)
        session.remember(answer.reply_to, answer, self._hands.clock())
        session.outbox.answer(answer)

    def stop_unwanted(self) -> None:
        """A session has ended: folders of batches that went with it are listed no further."""
        self._listings.stop_unwanted()

    def said_again(self, session: Session, message: Submit, now: float) -> None:
        """A submit that was answered before is answered the same: what it says of more to come still holds."""
        if message.batch is not None:
            self._wishes.said_again(session.ident, message.batch, now, more=message.more)

    def list_folder(self, ident: str, folder: Folder) -> None:
        """Have the folder of a batch listed."""
        self._listings.start(
            BatchListing(
                self._wishes, self._hands.clock, ident, folder.path, folder.flavor, folder.recursive, folder.hidden
            )
        )

    def go_on(self, kept: list[Kept]) -> None:
        """Batches of an earlier daemon go on."""
        for one in self._ledger.restore(kept):
            for folder in one.terms.folders:
                self.list_folder(one.batch, folder)

    # -- steering ---------------------------------------------------------------------------------------------

    def cancel(self, session: Session, message: Cancel, now: float) -> Message | None:
        """End a batch, or this session's interest in some items."""
        if message.batch is not None:
            counts = self._end(self.batch_of(session, message.batch), now)
        else:
            counts = self._steering.cancel_items(session.ident, keys_of(message.items or []), now)
        return self._when_kept(session, _counted(message, counts))

    def _end(self, batch: Batch, now: float) -> Counts:
        self._listings.stop_batch(batch.ident)
        return self._steering.cancel(batch, now)

    def pause(self, session: Session, message: Pause, now: float) -> Message | None:
        """Have a batch, or some items, wait."""
        if message.batch is not None:
            counts = self._steering.pause(self.batch_of(session, message.batch), now)
        else:
            counts = self._steering.pause_items(session.ident, keys_of(message.items or []), now)
        return self._when_kept(session, _counted(message, counts))

    def resume(self, session: Session, message: Resume, now: float) -> Message | None:
        """Have them go on."""
        if message.batch is not None:
            counts = self._steering.resume(self.batch_of(session, message.batch), now)
        else:
            counts = self._steering.resume_items(session.ident, keys_of(message.items or []), now)
        return self._when_kept(session, _counted(message, counts))

    def retry(self, session: Session, message: Retry, now: float) -> Message | None:
        """Ask for failures again: of a batch, of this session's items, or (neither) of all of this user's batches; all
        of them, or those with one code."""
        wanted = None if message.items is None else set(keys_of(message.items))
        if message.batch is not None:
            batches = [self.batch_of(session, message.batch)]
        else:
            mine = (b for b in self._wishes.batches.values() if b.terms.user == session.user)
            batches = [b for b in mine if wanted is None or session.ident in b.sessions]

        def chosen(key: Key, code: str) -> bool:
            return (wanted is None or key in wanted) and message.kind in (None, code)

        for batch in batches:
            for path in {key[0] for key, update in batch.failures.items() if chosen(key, update.error or "")}:
                self._hands.quarantine.release(path)
        requeued = set(self._steering.retry(session.ident, batches, chosen, now))
        if wanted is not None and message.kind is None:
            # What is on screen belongs to no batch: it is found out anew.
            for path in {path for path, _flavor in wanted - requeued}:
                self._hands.quarantine.release(path)
            paths = [path for path, _flavor in wanted - requeued]
            more = self._wishes.views.renew(session.ident, now, paths, again=True)
        else:
            more = 0
        return self._when_kept(session, Ok(reply_to=message.id, requeued=len(requeued) + more))

    def status(self, session: Session, message: Status, now: float) -> Message:
        """Where items stand: of a batch, those that wait and those that have failed."""
        if message.batch is not None:
            batch = self.batch_of(session, message.batch)
            keys = [*batch.members, *batch.failures][:_MAX_TOLD]
            return StatusReply(reply_to=message.id, items=self._states(session, keys, [batch]), batch=batch.info(now))
        batches = [b for b in self._wishes.batches.values() if session.ident in b.readers]
        states = self._states(session, keys_of(message.items or []), batches)
        if not states:
            raise ProtocolError(RequestCode.UNKNOWN_ID, "nothing is known of any of these items in this session")
        return StatusReply(reply_to=message.id, items=states)

    def _states(self, session: Session, keys: list[Key], batches: list[Batch]) -> list[ItemStatus]:
        open_ = {item.key: item for key in keys if (item := self._wishes.items.get(key)) is not None}
        states = dict(zip(open_, self._hands.jobs.status(list(open_.values())), strict=True))
        for batch in batches:
            for key in keys:
                final = batch.results.get(key) or batch.failures.get(key)
                if key not in states and final is not None:
                    states[key] = ItemStatus(key[0], key[1], final.state, 0, 0, final.error)
        return [states[key] for key in keys if key in states]


def _counted(message: Selection, counts: Counts) -> Ok:
    return Ok(reply_to=message.id, dropped=counts.dropped, running=counts.running, shared=counts.shared)
