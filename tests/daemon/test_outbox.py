"""What one session is still to be told: situations first, then anything that may happen, in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from thumbd_daemon.batches import BatchEnd
from thumbd_daemon.outbox import CHANGES_WAIT_S, CRITICAL_WAIT_S, MAX_WAITING, PROGRESS_S, WAIT_S, Outbox
from thumbd_daemon.snapshots import Holding
from thumbd_protocol.codec import decode_reply, encode
from thumbd_protocol.items import Entry, EntryKind, Flavor, FolderChange, ItemUpdate, Progress, State
from thumbd_protocol.limits import MAX_CREDIT, MAX_SNAPSHOT_ENTRIES, MAX_UPDATE_ITEMS
from thumbd_protocol.replies import Done, Notice, Ok, Push, Snapshot, Update
from thumbd_protocol.requests import Message

EPOCH = b"8 bytes!"


def progress_of(batch: str) -> Progress:
    return Progress(batch, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, None)


def item(path: bytes, state: State = State.READY) -> ItemUpdate:
    return ItemUpdate(path, Flavor.LARGE, state)


def end(batch: str) -> BatchEnd:
    return BatchEnd(batch, 1, 0, 0, 0, 5, None, None)


def take(box: Outbox, now: float) -> list[Message]:
    return box.take(now, progress_of)


def paths(messages: list[Message]) -> list[bytes]:
    return [one.path for message in messages if isinstance(message, Update) for one in message.items]


def kinds(messages: list[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


# -- situations -------------------------------------------------------------------------------------------------


def test_answers_and_notices_need_no_credit() -> None:
    box = Outbox(EPOCH, 0)
    box.answer(Ok(reply_to=b"x" * 16))
    box.notice("draining", "bye")
    assert kinds(take(box, 0.0)) == ["Ok", "Notice"]
    assert take(box, 0.0) == []


def test_an_item_waits_a_tenth_of_a_second_for_company() -> None:
    box = Outbox(EPOCH, 16)
    box.item(item(b"/a"), False, 10.0)
    assert box.due(10.0) == 10.0 + WAIT_S
    assert take(box, 10.0 + WAIT_S / 2) == []
    box.item(item(b"/b"), False, 10.05)
    assert paths(take(box, 10.0 + WAIT_S)) == [b"/a", b"/b"]


def test_an_item_on_screen_leaves_at_once_and_the_next_ones_a_frame_later_together() -> None:
    box = Outbox(EPOCH, 16)
    box.item(item(b"/a"), True, 10.0)
    assert paths(take(box, 10.0)) == [b"/a"]
    box.item(item(b"/b"), True, 10.001)
    box.item(item(b"/c"), True, 10.002)
    assert take(box, 10.002) == []
    assert box.due(10.002) == 10.0 + CRITICAL_WAIT_S
    assert paths(take(box, 10.0 + CRITICAL_WAIT_S)) == [b"/b", b"/c"]


def test_256_items_wait_for_nobody() -> None:
    box = Outbox(EPOCH, 16)
    for n in range(MAX_UPDATE_ITEMS + 1):
        box.item(item(b"/%d" % n), False, 10.0)
    (update,) = take(box, 10.0)
    assert isinstance(update, Update)
    assert len(update.items) == MAX_UPDATE_ITEMS
    assert paths(take(box, 10.0 + WAIT_S)) == [b"/256"]


def test_the_last_unit_of_credit_is_kept_for_what_is_on_screen() -> None:
    box = Outbox(EPOCH, 1)
    box.item(item(b"/later"), False, 10.0)
    box.progress("b", 10.0)
    assert take(box, 99.0) == []
    assert box.due(99.0) is None
    box.item(item(b"/now"), True, 99.0)
    assert paths(take(box, 100.0)) == [b"/now"]
    assert box.credit == 0
    box.item(item(b"/too"), True, 100.0)
    assert take(box, 101.0) == []


def test_credit_never_passes_its_bound() -> None:
    box = Outbox(EPOCH, 16)
    box.add_credit(32)
    assert box.credit == MAX_CREDIT


def test_of_an_item_that_waits_only_the_newest_state_is_told() -> None:
    box = Outbox(EPOCH, 16)
    box.item(item(b"/a", State.RENDERING), False, 10.0)
    box.item(item(b"/a", State.READY), False, 10.01)
    (update,) = take(box, 11.0)
    assert isinstance(update, Update)
    assert [one.state for one in update.items] == [State.READY]


def test_a_final_state_that_waits_is_not_replaced_by_one_that_is_not() -> None:
    for before, after in ((False, False), (True, True), (True, False), (False, True)):
        box = Outbox(EPOCH, 16)
        box.item(item(b"/a", State.READY), before, 10.0)
        box.item(item(b"/a", State.RENDERING), after, 10.01)
        states = [one.state for update in take(box, 11.0) if isinstance(update, Update) for one in update.items]
        assert states == [State.READY], f"critical before: {before}, critical after: {after}"


def test_an_item_that_comes_on_screen_while_it_waits_becomes_urgent() -> None:
    box = Outbox(EPOCH, 1)
    box.item(item(b"/a", State.RENDERING), False, 10.0)
    box.item(item(b"/a", State.READY), True, 10.01)
    assert paths(take(box, 10.1)) == [b"/a"]
    assert len(box) == 0


def test_done_leaves_behind_its_items_and_its_progress() -> None:
    box = Outbox(EPOCH, 16)
    box.item(item(b"/a"), False, 10.0)
    box.progress("b", 10.0)
    box.done(end("b"), 10.0)
    messages = take(box, 10.0)  # it does not wait for company either
    assert kinds(messages) == ["Update", "Done"]
    update = messages[0]
    assert isinstance(update, Update)
    assert [one.batch for one in update.progress] == ["b"]


def test_done_waits_for_credit_with_its_items() -> None:
    box = Outbox(EPOCH, 1)
    box.item(item(b"/a"), False, 10.0)
    box.done(end("b"), 10.0)
    assert take(box, 20.0) == []
    box.add_credit(1)
    assert kinds(take(box, 20.0)) == ["Update", "Done"]


def test_done_does_not_overtake_an_item_that_became_urgent_behind_a_newer_one() -> None:
    box = Outbox(EPOCH, 0)
    box.item(item(b"/old"), False, 10.0)
    box.done(end("b"), 10.0)
    box.item(item(b"/new"), True, 10.5)
    box.item(item(b"/old"), True, 10.51)
    box.add_credit(3)
    told: list[Message] = []
    for now in (10.511, 10.6, 10.7):
        told += take(box, now)
    assert kinds(told)[-1] == "Done"
    assert sorted(paths(told)) == [b"/new", b"/old"]


def test_done_of_one_batch_is_not_held_up_by_items_that_came_later() -> None:
    box = Outbox(EPOCH, 2)
    box.done(end("b"), 10.0)
    assert kinds(take(box, 10.0)) == ["Update", "Done"]
    box.item(item(b"/later"), False, 10.1)
    assert paths(take(box, 10.11)) == []


def test_progress_is_told_ten_times_a_second_at_most_the_first_and_last_at_once() -> None:
    box = Outbox(EPOCH, 32)
    times: list[float] = []
    for tick in range(1000):
        now = 10.0 + tick / 1000
        box.progress("b", now)
        box.add_credit(1)
        times += [now for message in take(box, now) if isinstance(message, Update) and message.progress]
    assert times[0] == 10.0
    assert 10 <= len(times) <= 11
    box.done(end("b"), 10.9995)
    last = take(box, 10.9995)
    assert kinds(last) == ["Update", "Done"]


def test_a_snapshot_is_cut_into_parts_that_cost_credit_and_the_last_says_so() -> None:
    box = Outbox(EPOCH, 3)
    box.open_snapshot(b"i" * 16, "folder:/x")
    names = [Entry(b"%d" % n, EntryKind.IMAGE) for n in range(MAX_SNAPSHOT_ENTRIES * 2 + 5)]
    box.entries("folder:/x", names)
    box.end_snapshot("folder:/x", "unreadable", "half of it")
    first = take(box, 0.0)
    assert len(first) == 2
    assert box.backlog("folder:/x") == 5
    box.add_credit(1)
    parts = [part for part in first + take(box, 0.0) if isinstance(part, Snapshot)]
    assert [(part.part, part.last, part.error) for part in parts] == [
        (0, False, None),
        (1, False, None),
        (2, True, "unreadable"),
    ]
    assert [entry for part in parts for entry in part.entries] == names
    assert len(box) == 0


def test_a_folder_without_names_is_one_part_that_is_the_last() -> None:
    box = Outbox(EPOCH, 2)
    box.open_snapshot(b"i" * 16, "folder:/x")
    assert take(box, 0.0) == []
    box.end_snapshot("folder:/x", None, None)
    (part,) = take(box, 0.0)
    assert isinstance(part, Snapshot)
    assert (part.last, part.entries, part.error) == (True, [], None)


def test_a_snapshot_that_was_dropped_is_told_no_further() -> None:
    box = Outbox(EPOCH, 9)
    box.open_snapshot(b"i" * 16, "folder:/x")
    box.entries("folder:/x", [Entry(b"a", EntryKind.IMAGE)])
    box.drop_snapshot("folder:/x")
    box.entries("folder:/x", [Entry(b"b", EntryKind.IMAGE)])
    box.end_snapshot("folder:/x", None, None)
    assert take(box, 9.0) == []
    assert box.backlog("folder:/x") == 0


def test_changes_of_a_folder_wait_a_moment_for_company_and_cost_credit() -> None:
    box = Outbox(EPOCH, 2)
    box.changes("folder:/x", b"/x", 10.0).add(Entry(b"a", EntryKind.IMAGE))
    assert box.due(10.0) == 10.0 + CHANGES_WAIT_S
    assert take(box, 10.01) == []
    box.changes("folder:/x", b"/x", 10.01).remove(b"b")
    (update,) = take(box, 10.0 + CHANGES_WAIT_S)
    assert isinstance(update, Update)
    assert update.entries == [FolderChange(b"/x", added=[Entry(b"a", EntryKind.IMAGE)], removed=[b"b"])]
    assert (box.credit, len(box)) == (1, 0)
    box.changes("folder:/x", b"/x", 11.0).remove(b"a")  # the last unit is for what is on screen
    assert take(box, 99.0) == []
    assert box.due(99.0) is None
    assert len(box) == 1


def test_without_credit_the_changes_of_a_folder_come_to_what_is_left_of_them() -> None:
    box = Outbox(EPOCH, 0)
    for _ in range(100):
        box.changes("folder:/x", b"/x", 10.0).add(Entry(b"a", EntryKind.IMAGE))
        box.changes("folder:/x", b"/x", 10.0).remove(b"a")
    box.changes("folder:/x", b"/x", 10.0).add(Entry(b"b", EntryKind.IMAGE))
    box.add_credit(2)
    (update,) = take(box, 11.0)
    assert isinstance(update, Update)
    assert update.entries == [FolderChange(b"/x", added=[Entry(b"b", EntryKind.IMAGE)])]


def test_a_thousand_changed_names_wait_for_nobody() -> None:
    box = Outbox(EPOCH, 16)
    for n in range(MAX_SNAPSHOT_ENTRIES + 1):
        box.changes("folder:/x", b"/x", 10.0).remove(b"%d" % n)
    (update,) = take(box, 10.0)
    assert isinstance(update, Update)
    assert len(update.entries[0].removed) == MAX_SNAPSHOT_ENTRIES
    (update,) = take(box, 10.0 + CHANGES_WAIT_S)
    assert isinstance(update, Update)
    assert update.entries[0].removed == [b"1000"]


def test_changes_wait_behind_their_folders_snapshot_and_go_with_it() -> None:
    box = Outbox(EPOCH, 9)
    box.open_snapshot(b"i" * 16, "folder:/x")
    box.entries("folder:/x", [Entry(b"%d" % n, EntryKind.IMAGE) for n in range(1001)])
    box.changes("folder:/x", b"/x", 10.0).remove(b"7")
    assert kinds(take(box, 11.0)) == ["Snapshot", "Snapshot"]
    assert box.due(11.0) is None
    box.end_snapshot("folder:/x", None, None)
    assert kinds(take(box, 11.0)) == ["Snapshot", "Update"]


def test_changes_of_a_folder_that_is_told_anew_or_no_further_are_not_told() -> None:
    box = Outbox(EPOCH, 16)
    box.changes("folder:/x", b"/x", 10.0).remove(b"a")
    box.open_snapshot(b"i" * 16, "folder:/x")
    box.end_snapshot("folder:/x", None, None)
    assert kinds(take(box, 11.0)) == ["Snapshot"]
    box.changes("folder:/x", b"/x", 12.0).remove(b"a")
    box.drop_snapshot("folder:/x")
    assert take(box, 13.0) == []


def test_an_update_never_grows_beyond_what_a_client_takes() -> None:
    # The longest paths there are, in no known encoding: a sentence about one has four characters for each byte.
    box = Outbox(EPOCH, 32)
    updates = []
    for n in range(300):
        path = b"/%d/" % n + b"\xff" * 4080
        message = path.decode("utf-8", "backslashreplace") + ": does not exist (any more)"
        updates.append(ItemUpdate(path, Flavor.LARGE, State.FAILED, error="not_found", message=message))
    for update in updates:
        box.item(update, False, 10.0)
    told: list[ItemUpdate] = []
    for message_ in take(box, 11.0):
        decoded = decode_reply(encode(message_))
        assert isinstance(decoded, Update)
        told += decoded.items
    assert told == updates


# -- snapshots of batches and items -----------------------------------------------------------------------------


def holding(*updates: ItemUpdate) -> Holding:
    return Holding(items=list(updates))


def test_a_snapshot_of_items_goes_before_the_updates_that_waited() -> None:
    box = Outbox(EPOCH, 9)
    box.item(item(b"/a"), False, 10.0)
    box.hold(b"i" * 16, "mine", holding(item(b"/a"), item(b"/b", State.QUEUED)))
    box.done(end("b"), 10.0)
    told = take(box, 11.0)
    assert kinds(told) == ["Snapshot", "Update", "Done"]
    part = told[0]
    assert isinstance(part, Snapshot)
    assert [(one.path, one.state) for one in part.items] == [(b"/a", State.READY), (b"/b", State.QUEUED)]
    assert part.last


def test_what_is_on_screen_does_not_wait_for_a_snapshot_which_then_tells_nothing_older() -> None:
    box = Outbox(EPOCH, 2)
    many = [item(b"/%d" % n, State.QUEUED) for n in range(MAX_SNAPSHOT_ENTRIES + 1)]
    last = many[-1].path
    box.hold(b"i" * 16, "mine", holding(*many))
    assert kinds(take(box, 10.0)) == ["Snapshot"]
    box.item(item(last), True, 10.0)
    assert paths(take(box, 10.0)) == [last]
    box.add_credit(2)
    (part,) = take(box, 10.0)
    assert isinstance(part, Snapshot)
    assert [(one.path, one.state) for one in part.items] == [(last, State.READY)]


def test_a_snapshot_of_very_long_paths_is_cut_by_bytes() -> None:
    box = Outbox(EPOCH, 32)
    updates = [item(b"/%d/" % n + b"\xff" * 4080) for n in range(900)]
    box.hold(b"i" * 16, "mine", holding(*updates))
    parts = take(box, 10.0)
    assert len(parts) > 1
    told = [one for part in parts if isinstance(part, Snapshot) for one in part.items]
    assert told == updates
    assert all(isinstance(decode_reply(encode(part)), Snapshot) for part in parts)


# -- sessions that come back, and those that do not read ----------------------------------------------------------


def test_what_was_not_credited_is_told_again_to_a_session_that_comes_back() -> None:
    box = Outbox(EPOCH, 4)
    box.item(item(b"/heard"), False, 10.0)
    assert paths(take(box, 11.0)) == [b"/heard"]
    box.add_credit(1)
    box.item(item(b"/a"), False, 11.0)
    box.item(item(b"/b", State.RENDERING), False, 11.0)
    box.done(end("b"), 11.0)
    assert kinds(take(box, 12.0)) == ["Update", "Done"]
    box.item(item(b"/c"), False, 12.0)
    box.begin_again(4)
    told = take(box, 13.0)
    assert paths(told) == [b"/a", b"/c"]
    assert kinds(told) == ["Update", "Done"]
    assert [message.seq for message in told if isinstance(message, Push)] == [1, 2]


def test_a_batch_is_dealt_with_when_all_that_was_told_before_its_end_is_credited() -> None:
    box = Outbox(EPOCH, 4)
    box.item(item(b"/a"), False, 10.0)
    box.done(end("b"), 10.0)
    assert kinds(take(box, 11.0)) == ["Update", "Done"]
    box.item(item(b"/later"), False, 11.0)
    take(box, 12.0)
    assert box.add_credit(1) == ["b"]
    assert box.add_credit(1) == []


def test_an_end_with_nothing_before_it_is_dealt_with_when_it_has_left() -> None:
    box = Outbox(EPOCH, 4)
    box.done(end("b"), 10.0)
    assert kinds(take(box, 10.0)) == ["Update", "Done"]  # its last progress
    assert box.settled() == []
    assert box.add_credit(1) == ["b"]


def test_more_than_may_wait_is_dropped_and_a_notice_left_in_its_place() -> None:
    box = Outbox(EPOCH, 0)
    for n in range(MAX_WAITING + 1):
        box.item(item(b"/%d" % n), False, 10.0)
    assert box.lost
    assert len(box) == 1
    (notice,) = take(box, 10.0)
    assert isinstance(notice, Notice)
    assert notice.kind == "resync"


def test_what_is_dropped_while_a_snapshot_makes_up_for_the_last_loss_is_said_again() -> None:
    box = Outbox(EPOCH, 0)
    for n in range(MAX_WAITING + 1):
        box.item(item(b"/%d" % n), False, 10.0)
    take(box, 10.0)
    box.hold(b"i" * 16, "mine", holding(*(item(b"/%d" % n) for n in range(1500))))
    for n in range(MAX_WAITING + 1):
        box.item(item(b"/more%d" % n), False, 11.0)
    assert (box.lost, box.drops) == (True, 2)
    assert [one.kind for one in take(box, 11.0) if isinstance(one, Notice)] == ["resync"]


def test_a_snapshot_that_is_asked_for_again_before_its_end_ends_for_who_asked_first() -> None:
    box = Outbox(EPOCH, 2)
    box.hold(b"1" * 16, "mine", holding(*(item(b"/%d" % n) for n in range(1500))))
    take(box, 10.0)
    box.supersede("mine")
    box.hold(b"2" * 16, "mine", holding(item(b"/a")))
    box.add_credit(9)
    parts = [part for part in take(box, 10.0) if isinstance(part, Snapshot)]
    assert [(part.reply_to[:1], part.part, part.last, len(part.items)) for part in parts] == [
        (b"1", 1, True, 0),
        (b"2", 0, True, 1),
    ]


def test_ends_wait_until_a_snapshot_has_made_up_for_what_was_dropped() -> None:
    box = Outbox(EPOCH, 2)
    for n in range(MAX_WAITING + 1):
        box.item(item(b"/%d" % n), False, 10.0)
    box.done(end("b"), 10.0)
    assert "Done" not in kinds(take(box, 11.0))
    box.add_credit(1)
    box.hold(b"i" * 16, "mine", holding(*(item(b"/%d" % n) for n in range(1500))))
    assert kinds(take(box, 12.0)) == ["Snapshot"]
    assert box.lost
    box.add_credit(1)
    assert kinds(take(box, 12.0)) == ["Snapshot", "Done"]
    assert not box.lost


def test_who_comes_back_without_having_asked_for_what_was_dropped_is_told_so_again() -> None:
    box = Outbox(EPOCH, 0)
    for n in range(MAX_WAITING + 1):
        box.item(item(b"/%d" % n), False, 10.0)
    take(box, 10.0)
    box.begin_again(2)
    assert [one.kind for one in take(box, 10.0) if isinstance(one, Notice)] == ["resync"]


def test_too_many_changed_names_are_dropped_as_well() -> None:
    box = Outbox(EPOCH, 0)
    for n in range(MAX_WAITING + 2):
        box.changes("folder:/x", b"/x", 10.0).remove(b"%d" % n)
    assert box.lost


# -- anything, in any order -------------------------------------------------------------------------------------

PATHS = [b"/%d" % n for n in range(5)]
BATCHES = ["b0", "b1"]


class OutboxMachine(RuleBasedStateMachine):
    """A model that knows what was put in; what comes out must never contradict it."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(EPOCH, 2)
        self.now = 1000.0
        self.seq = 0
        self.given = 2
        self.spent = 0
        self.told_progress: dict[str, list[float]] = {}
        self.waiting: dict[bytes, ItemUpdate] = {}
        self.before_done: list[tuple[str, set[bytes]]] = []
        self.owed_progress: set[str] = set()

    @initialize(credit=st.integers(0, 32))
    def begin(self, credit: int) -> None:
        self.box = Outbox(EPOCH, credit)
        self.given = credit

    @rule(path=st.sampled_from(PATHS), state=st.sampled_from(list(State)), critical=st.booleans())
    def an_item_changes(self, path: bytes, state: State, critical: bool) -> None:
        update = ItemUpdate(path, Flavor.LARGE, state, message=str(self.now))
        old = self.waiting.get(path)
        if old is None or state.final or not old.state.final:
            self.waiting[path] = update
        self.box.item(update, critical, self.now)

    @rule(batch=st.sampled_from(BATCHES))
    def counts_change(self, batch: str) -> None:
        self.box.progress(batch, self.now)
        self.owed_progress.add(batch)

    @rule(batch=st.sampled_from(BATCHES))
    def a_batch_ends(self, batch: str) -> None:
        self.box.done(end(batch), self.now)
        self.owed_progress.add(batch)
        self.told_progress.pop(batch, None)
        self.before_done.append((batch, set(self.waiting)))

    @rule(count=st.integers(1, 32))
    def credit_comes(self, count: int) -> None:
        before = self.box.credit
        self.box.add_credit(count)
        self.given += self.box.credit - before

    @rule(passed=st.sampled_from([0.001, 0.016, 0.02, 0.1, 0.11, 1.0]))
    def time_passes(self, passed: float) -> None:
        self.now += passed

    @rule()
    def it_is_time_for_what_is_due(self) -> None:
        due = self.box.due(self.now)
        if due is None:
            return
        self.now = max(self.now, due)
        assert self.leave(), "something was due, and nothing left"

    @rule()
    def what_may_leave_leaves(self) -> None:
        self.leave()

    def leave(self) -> list[Message]:
        credit = self.box.credit
        messages = take(self.box, self.now)
        for message in messages:
            assert isinstance(message, Push)
            self.seq += 1
            assert message.seq == self.seq
            if isinstance(message, Update):
                credit -= 1
                self.take_update(message, credit)
            elif isinstance(message, Done):
                batch, items = self.before_done.pop(0)
                assert message.batch == batch
                assert not items, f"done of {batch} overtook {items}"
                assert batch not in self.owed_progress
                self.told_progress.pop(batch, None)
        assert credit == self.box.credit
        return messages

    def take_update(self, update: Update, credit_after: int) -> None:
        self.spent += 1
        assert update.items or update.progress
        assert len(update.items) <= MAX_UPDATE_ITEMS
        for one in update.items:
            assert self.waiting.pop(one.path) == one, "not the newest state, or told twice"
            for _batch, items in self.before_done:
                items.discard(one.path)
        for progress in update.progress:
            self.owed_progress.discard(progress.batch)
            before = self.told_progress.setdefault(progress.batch, [])
            assert not before or self.now - before[-1] >= PROGRESS_S - 1e-9
            before.append(self.now)

    @invariant()
    def credit_is_never_negative(self) -> None:
        assert 0 <= self.box.credit <= MAX_CREDIT
        assert self.spent <= self.given

    def teardown(self) -> None:
        """With time and credit enough, all that was ever put in has left."""
        for _ in range(5):
            self.now += 1
            self.box.add_credit(32)
            self.leave()
        assert not self.waiting
        assert not self.before_done
        assert not self.owed_progress
        assert len(self.box) == 0
        assert self.box.due(self.now) is None


TestAnythingInAnyOrder = OutboxMachine.TestCase
TestAnythingInAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_notices_are_numbered_with_the_rest() -> None:
    box = Outbox(EPOCH, 4)
    box.item(item(b"/a"), False, 0.0)
    box.notice("memory", "x")
    seqs = [message.seq for message in take(box, 1.0) if isinstance(message, Update | Notice)]
    assert seqs == [1, 2]
