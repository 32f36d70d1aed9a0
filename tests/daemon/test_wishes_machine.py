"""Several sessions, batches, views, deaths and goings in any order: nothing is lost and nothing is told twice."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from thumbd_daemon.audience import Audience
from thumbd_daemon.batches import Batch, Outcome, Terms
from thumbd_daemon.budget import Budget
from thumbd_daemon.items import Item, Key, Phase
from thumbd_daemon.jobs import Jobs, urgency
from thumbd_daemon.lanes import Client
from thumbd_daemon.mounts import Mounts
from thumbd_daemon.news import Ended, Settled, Told
from thumbd_daemon.quarantine import Quarantine
from thumbd_daemon.stats import Stats
from thumbd_daemon.steering import Steering
from thumbd_daemon.verdicts import Blame, Verdict
from thumbd_daemon.wishes import QueueFull, Wishes
from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import Flavor, Priority, State
from thumbd_protocol.requests import Focus

from .workshop import Store

SESSIONS = [b"a", b"b", b"c"]
BATCHES = ["one", "two", "three"]
KEYS: list[Key] = [(b"/%d" % n, Flavor.LARGE) for n in range(6)]
PATHS = [path for path, _flavor in KEYS]
READY = Outcome(State.READY, thumbnail=b"/t.png", size=1)

key_lists = st.lists(st.sampled_from(KEYS), max_size=5)
path_lists = st.lists(st.sampled_from(PATHS), max_size=4)


class WishesMachine(RuleBasedStateMachine):
    """The model: for each session, in which batches it still waits for which items. One of the batches is durable."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes = Wishes(capacity=14, reserve=4)
        self.mounts: Mounts[Item] = Mounts(10.0, 1.0)
        budget: Budget[Item] = Budget(1 << 30, 4, urgency)
        self.steering = Steering(self.wishes)
        self.jobs = Jobs(self.wishes, self.mounts, budget, Quarantine([], Store(), "r1"), Stats(), lambda: 0)
        self.now = 10.0
        self.looking: list[Item] = []
        self.rendering: list[Item] = []
        self.publishing: list[Item] = []
        self.generation = 0
        #: (session, batch) → the items that it must still be told.
        self.owed: dict[tuple[bytes, str], set[Key]] = {}
        #: (session, batch) → how many ends it must still be told.
        self.ends: dict[tuple[bytes, str], int] = {}
        self.durable: dict[str, bool] = {}
        self.heard: Counter[tuple[bytes, Key]] = Counter()
        self.due: Counter[tuple[bytes, Key]] = Counter()

    # -- what sessions do -------------------------------------------------------------------------------------

    @rule(
        session=st.sampled_from(SESSIONS),
        ident=st.sampled_from(BATCHES),
        keys=key_lists,
        priority=st.sampled_from(list(Priority)),
        more=st.booleans(),
        listing=st.booleans(),
    )
    def submit(
        self, session: bytes, ident: str, keys: list[Key], priority: Priority, more: bool, listing: bool
    ) -> None:
        batch = self.wishes.batches.get(ident)
        terms = Terms(priority=priority, durable=self.durable.setdefault(ident, ident == "three"))
        known = batch is not None and not (batch.released and session not in batch.sessions)
        before = self.all_of(batch) if batch is not None and known else set()
        joins = batch is None or session not in batch.sessions
        try:
            self.wishes.submit(session, ident, keys, terms, self.now, more=more, listing=listing)
        except QueueFull:
            assert self.wishes.batches.get(ident) is batch
            return
        batch = self.wishes.batches[ident]
        assert self.all_of(batch) == before | set(keys)
        for one in batch.sessions:
            owed = self.owed.setdefault((one, ident), set())
            owed |= set(keys) - before
            if one == session and joins:
                owed |= self.all_of(batch)
        self.hear()

    @staticmethod
    def all_of(batch: Batch) -> set[Key]:
        """Every item of a batch of which anything is known."""
        return {*batch.members, *batch.results, *batch.failures}

    @rule(session=st.sampled_from(SESSIONS), ident=st.sampled_from(BATCHES))
    def a_session_deals_with_what_it_was_told(self, session: bytes, ident: str) -> None:
        batch = self.wishes.batches.get(ident)
        if batch is not None and batch.ended is not None:
            self.wishes.credited(session, ident, self.now)

    @rule(session=st.sampled_from(SESSIONS), parked=st.booleans())
    def park(self, session: bytes, parked: bool) -> None:
        Audience(self.wishes).park(session, parked=parked)

    @rule(session=st.sampled_from(SESSIONS), behind=st.booleans())
    def behind(self, session: bytes, behind: bool) -> None:
        Audience(self.wishes).behind(session, behind=behind)

    @rule(ident=st.sampled_from(BATCHES), paused=st.booleans())
    def pause(self, ident: str, paused: bool) -> None:
        batch = self.wishes.batches.get(ident)
        if batch is not None:
            (self.steering.pause if paused else self.steering.resume)(batch, self.now)
            self.hear()

    @rule(session=st.sampled_from(SESSIONS), keys=key_lists, paused=st.booleans())
    def pause_items(self, session: bytes, keys: list[Key], paused: bool) -> None:
        (self.steering.pause_items if paused else self.steering.resume_items)(session, keys, self.now)
        self.hear()

    @rule(session=st.sampled_from(SESSIONS), ident=st.sampled_from(BATCHES))
    def retry(self, session: bytes, ident: str) -> None:
        batch = self.wishes.batches.get(ident)
        if batch is None:
            return
        self.hear()
        again = self.steering.retry(session, [batch], lambda _key, _code: True, self.now)
        for one in batch.sessions:
            self.owed.setdefault((one, ident), set()).update(again)
        self.hear()

    @rule()
    def the_journal_writes(self) -> None:
        for entry in self.wishes.take_entries():
            if isinstance(entry, Settled):
                self.wishes.written(entry, self.now)
        self.hear()

    @rule(ident=st.sampled_from(BATCHES), keys=key_lists)
    def a_folder_is_listed_on(self, ident: str, keys: list[Key]) -> None:
        batch = self.wishes.batches.get(ident)
        if batch is not None and batch.listing:
            for session in batch.sessions:
                self.owed.setdefault((session, ident), set()).update(set(keys) - self.all_of(batch))
        self.wishes.found(ident, keys, self.now)

    @rule(ident=st.sampled_from(BATCHES), error=st.sampled_from([None, "not_found"]))
    def a_folder_is_listed_to_its_end(self, ident: str, error: str | None) -> None:
        self.wishes.listed(ident, error, error, self.now)
        self.hear()

    @rule(
        session=st.sampled_from(SESSIONS),
        view=st.sampled_from(["v", "w"]),
        visible=path_lists,
        near=path_lists,
        flavor=st.sampled_from([Flavor.LARGE, Flavor.LARGE, Flavor.NORMAL]),
        older=st.booleans(),
    )
    def focus(
        self, session: bytes, view: str, visible: list[bytes], near: list[bytes], flavor: Flavor, older: bool
    ) -> None:
        self.generation += 1
        generation = max(0, self.generation - 5) if older else self.generation
        self.wishes.views.focus(
            Client(0, session),
            Focus(view=view, generation=generation, flavor=flavor, visible=visible, near=near),
            self.now,
        )
        self.hear()

    @rule(ident=st.sampled_from(BATCHES))
    def cancel(self, ident: str) -> None:
        if ident in self.wishes.batches:
            batch = self.wishes.batches[ident]
            pending = len(batch.pending())
            counts = self.steering.cancel(batch, self.now)
            assert counts.dropped + counts.running + counts.shared == pending
            assert batch.ended is not None or batch.terms.durable
            self.hear()

    @rule(session=st.sampled_from(SESSIONS), keys=key_lists)
    def cancel_items(self, session: bytes, keys: list[Key]) -> None:
        self.steering.cancel_items(session, keys, self.now)
        self.hear()

    @rule(session=st.sampled_from(SESSIONS))
    def close(self, session: bytes) -> None:
        self.hear()
        Audience(self.wishes).close_session(Client(0, session), self.now)
        self.owed = {key: owed for key, owed in self.owed.items() if key[0] != session}
        assert not any(session in batch.sessions for batch in self.wishes.batches.values())

    # -- what children do -------------------------------------------------------------------------------------

    @rule(most=st.integers(1, 4))
    def look(self, most: int) -> None:
        self.looking += self.jobs.take_looks(most, most, 1 << 16, self.now)

    @precondition(lambda self: self.looking)
    @rule(data=st.data(), how=st.sampled_from(["hit", "miss", "no use", "again"]))
    def a_look_is_answered(self, data: st.DataObject, how: str) -> None:
        item = self.looking.pop(data.draw(st.integers(0, len(self.looking) - 1)))
        match how:
            case "hit":
                self.jobs.finish(item, READY, self.now)
            case "miss":
                self.jobs.needs_render(item, 5, 6, self.now)
            case "no use":
                self.jobs.fail(item, ItemCode.NOT_FOUND, "gone", self.now, source=None)
            case _:
                self.jobs.look_again(item, self.now)
        self.hear()

    @rule()
    def render(self) -> None:
        turn = self.jobs.take_render(self.now)
        if turn is not None:
            self.rendering.append(turn[0])
        self.hear()

    @precondition(lambda self: self.rendering)
    @rule(data=st.data(), how=st.sampled_from(["rendered", "failed", "died", "killed", "stale", "changed", "refused"]))
    def a_render_ends(self, data: st.DataObject, how: str) -> None:
        item = self.rendering.pop(data.draw(st.integers(0, len(self.rendering) - 1)))
        match how:
            case "rendered" | "refused":
                item.step(Phase.PUBLISHING)
                self.publishing.append(item)
            case "failed":
                self.jobs.fail(item, ItemCode.MEMORY, "too much", self.now, source=None)
            case "died" | "killed":
                blame = Blame.FILE if how == "died" else Blame.OUTSIDE
                self.jobs.died(item, Verdict(ItemCode.CRASHED, "boom", blame), self.now)
            case "stale":
                self.jobs.changed(item, self.now)
            case _:
                self.jobs.render_again(item, self.now)
        self.hear()

    @precondition(lambda self: self.publishing)
    @rule(lost=st.booleans())
    def a_picture_is_published(self, lost: bool) -> None:
        item = self.publishing.pop()
        if lost:
            self.jobs.render_again(item, self.now)
        else:
            self.jobs.finish(item, READY, self.now)
        self.hear()

    @rule()
    def time_passes(self) -> None:
        self.now += 0.3

    # -- what must hold ---------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Take the news; nobody is told what they are not owed, or an end before its items."""
        news = self.wishes.take_news()
        for one in news:
            if isinstance(one, Told) and one.update.state.final:
                key = (one.update.path, one.update.flavor)
                for (session, ident), owed in self.owed.items():
                    batch = self.wishes.batches.get(ident)
                    settled = batch is None or key not in batch.members
                    if session == one.session and settled:
                        owed.discard(key)
            elif isinstance(one, Ended):
                owed = self.owed.get((one.session, one.end.batch), set())
                assert not owed, f"{one.session!r} was told the end of {one.end.batch} before {owed}"
                batch = self.wishes.batches.get(one.end.batch)
                assert batch is None or batch.ended is not None
                self.ends[one.session, one.end.batch] = self.ends.get((one.session, one.end.batch), 0) + 1

    @invariant()
    def counts_add_up(self) -> None:
        for batch in self.wishes.batches.values():
            progress = batch.progress(self.now)
            assert progress.done == batch.size - len(batch.members)
            assert progress.done == progress.ready + progress.failed + progress.cancelled
            assert progress.total is None or progress.done <= progress.total == batch.size
            assert batch.ended is None or batch.complete or batch.more  # said again with "more" when it had ended
            assert batch.ended is not None or not batch.complete
            assert progress.rate >= 0
            assert progress.eta_ms is None or progress.eta_ms >= 0
            for key in batch.pending():
                assert {batch.lane, batch.held} & set(self.wishes.items[key].lanes)

    @invariant()
    def every_open_item_is_wanted_or_under_way(self) -> None:
        busy = {id(item) for item in (*self.looking, *self.rendering, *self.publishing)}
        for key, item in self.wishes.items.items():
            assert item.key == key
            assert item.phase is not Phase.DONE
            assert item.lanes or id(item) in busy, f"{item.path!r} is kept for nobody"
            assert len(item.lanes) == len({id(lane) for lane in item.lanes})
            if item.phase not in (Phase.LOOK, Phase.RENDER):
                assert id(item) in busy

    def teardown(self) -> None:
        """Worked to the end, nothing is left that waits, and everybody has been told everything."""
        for item in self.looking:
            self.jobs.needs_render(item, 1, 2, self.now)
        for item in self.rendering:
            self.jobs.render_again(item, self.now)
        for item in self.publishing:
            self.jobs.finish(item, READY, self.now)
        for session in SESSIONS:
            self.park(session, False)
            self.behind(session, False)
        for ident in BATCHES:
            self.pause(ident, False)
        for _ in range(200):
            for item in self.jobs.take_looks(9, 9, 1 << 16, self.now):
                self.jobs.needs_render(item, 1, 2, self.now)
            found = self.jobs.take_render(self.now)
            if found is None:
                break
            found[0].step(Phase.PUBLISHING)
            self.jobs.finish(found[0], READY, self.now)
        self.the_journal_writes()
        assert not self.wishes.items, f"these wait for ever: {list(self.wishes.items)}"
        for ident, batch in list(self.wishes.batches.items()):
            batch.more = False
            while batch.listing:
                self.wishes.listed(ident, None, None, self.now)
            if batch.ended is None:
                self.wishes.steered(batch, self.now)
            assert batch.ended is not None
        self.hear()
        assert not any(self.owed.values())
        for ident, batch in self.wishes.batches.items():
            for session in batch.sessions:
                assert self.ends.get((session, ident), 0) >= 1


TestAnythingInAnyOrder = WishesMachine.TestCase
TestAnythingInAnyOrder.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
