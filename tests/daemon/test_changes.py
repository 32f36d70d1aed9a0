"""What is still to be told of a folder: whoever applies what is told has what is there, whatever happened in between."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from thumbd_daemon.changes import MAX_NAMES, Changes
from thumbd_protocol.codec import encode
from thumbd_protocol.items import Entry, EntryKind, FolderChange
from thumbd_protocol.limits import MAX_FRAME_BYTES
from thumbd_protocol.replies import Update


def entry(name: bytes, size: int = 1) -> Entry:
    return Entry(name, EntryKind.IMAGE, size)


def apply(told: dict[bytes, Entry], change: FolderChange) -> None:
    """What a reader does; every step must find what it speaks of."""
    for name in change.removed:
        del told[name]
    for old, new in change.renamed:
        assert new not in told, f"{new!r} is taken"
        known = told.pop(old)
        told[new] = Entry(new, known.kind, known.size)
    for one in change.added:
        assert one.name not in told
        told[one.name] = one
    for one in change.changed:
        assert one.name in told
        told[one.name] = one


def empty(change: FolderChange) -> bool:
    return not (change.added or change.removed or change.changed or change.renamed)


# -- situations -------------------------------------------------------------------------------------------------


def test_a_name_that_came_and_went_is_not_mentioned() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.add(entry(b"a"))
    waiting.change(entry(b"a", 2))
    waiting.rename(b"a", entry(b"b", 2))
    waiting.remove(b"b")
    assert len(waiting) == 0
    assert empty(waiting.take())


def test_of_a_name_that_changed_often_only_the_newest_state_is_told() -> None:
    waiting = Changes(b"/f", 0.0)
    for size in range(5):
        waiting.change(entry(b"a", size))
    waiting.add(entry(b"b", 1))
    waiting.change(entry(b"b", 2))
    change = waiting.take()
    assert (change.changed, change.added) == ([entry(b"a", 4)], [entry(b"b", 2)])
    assert len(waiting) == 0


def test_what_went_and_came_back_has_changed() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.remove(b"a")
    waiting.add(entry(b"a", 7))
    change = waiting.take()
    assert (change.removed, change.added, change.changed) == ([], [], [entry(b"a", 7)])


def test_a_file_that_is_saved_by_putting_another_in_its_place_has_changed() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.add(entry(b"a.jpg.part", 9))
    waiting.remove(b"a.jpg")
    waiting.rename(b"a.jpg.part", entry(b"a.jpg", 9))
    change = waiting.take()
    assert (change.removed, change.renamed, change.added, change.changed) == ([], [], [], [entry(b"a.jpg", 9)])


def test_several_renames_of_a_name_are_one_and_back_to_the_first_is_none() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.rename(b"a", entry(b"b"))
    waiting.rename(b"b", entry(b"c"))
    assert waiting.take().renamed == [(b"a", b"c")]
    waiting.rename(b"c", entry(b"d"))
    waiting.rename(b"d", entry(b"c"))
    assert len(waiting) == 0


def test_names_that_move_up_one_by_one_find_each_others_places_free() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.rename(b"3", entry(b"4"))
    waiting.rename(b"2", entry(b"3"))
    waiting.rename(b"1", entry(b"2"))
    told = {name: entry(name) for name in (b"1", b"2", b"3")}
    for _ in range(3):
        apply(told, waiting.take(1))
    assert set(told) == {b"2", b"3", b"4"}
    assert len(waiting) == 0


def test_whoever_moved_first_the_last_of_a_row_of_names_moves_first_for_the_reader() -> None:
    waiting = Changes(b"/f", 0.0)
    for old, new in ((b"2", b"spare"), (b"1", b"2"), (b"3", b"4"), (b"spare", b"3")):
        waiting.rename(old, entry(new))
    assert waiting.take().renamed == [(b"3", b"4"), (b"2", b"3"), (b"1", b"2")]


def test_two_names_that_have_changed_places_have_both_changed() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.rename(b"a", entry(b"spare", 1))
    waiting.rename(b"b", entry(b"a", 2))
    waiting.rename(b"spare", entry(b"b", 1))
    change = waiting.take()
    assert change.renamed == []
    assert sorted(change.changed, key=lambda one: one.name) == [entry(b"a", 2), entry(b"b", 1)]


def test_a_thousand_names_leave_at_once_what_goes_before_what_comes() -> None:
    waiting = Changes(b"/f", 0.0)
    for number in range(1500):
        waiting.add(entry(b"new %d" % number))
        waiting.remove(b"old %d" % number)
    pieces = [waiting.take() for _ in range(3)]
    assert [(len(piece.removed), len(piece.added)) for piece in pieces] == [(1000, 0), (500, 500), (0, 1000)]
    assert pieces[1].added[0].name == b"new 0"
    assert len(waiting) == 0


def test_a_piece_never_grows_beyond_what_a_client_takes() -> None:
    # The longest names that any file system of Linux has.
    waiting = Changes(b"/f", 0.0)
    for number in range(MAX_NAMES):
        waiting.rename(b"%04d" % number + b"x" * 1020, entry(b"%04d" % number + b"y" * 1020))
    told = 0
    while waiting:
        change = waiting.take()
        assert len(encode(Update(epoch=b"8 bytes!", seq=1, entries=[change]))[1]) < MAX_FRAME_BYTES // 2
        told += len(change.renamed)
    assert told == MAX_NAMES


def test_that_a_folder_is_rescanned_is_told_though_nothing_has_changed_and_once() -> None:
    waiting = Changes(b"/f", 0.0)
    waiting.note_rescanned()
    assert waiting
    assert waiting.take() == FolderChange(b"/f", rescanned=True)
    assert not waiting


# -- anything, in any order -------------------------------------------------------------------------------------

NAMES = [b"a", b"b", b"c", b"d", b"e"]
names = st.sampled_from(NAMES)


class ChangesMachine(RuleBasedStateMachine):
    """A folder, and a reader that knows nothing but what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = Changes(b"/f", 0.0)
        self.there: dict[bytes, Entry] = {}
        self.read: dict[bytes, Entry] = {}
        self.sizes = iter(range(10, 10**9))

    @initialize(told=st.sets(names))
    def begin(self, told: set[bytes]) -> None:
        self.there = {name: entry(name) for name in told}
        self.read = dict(self.there)

    def new(self, name: bytes) -> Entry:
        self.there[name] = entry(name, next(self.sizes))
        return self.there[name]

    @rule(name=names)
    def comes(self, name: bytes) -> None:
        if name not in self.there:
            self.waiting.add(self.new(name))

    @rule(name=names)
    def changes(self, name: bytes) -> None:
        if name in self.there:
            self.waiting.change(self.new(name))

    @rule(name=names)
    def goes(self, name: bytes) -> None:
        if self.there.pop(name, None):
            self.waiting.remove(name)

    @rule(old=names, new=names)
    def is_renamed(self, old: bytes, new: bytes) -> None:
        if old == new or old not in self.there:
            return
        if self.there.pop(new, None):
            self.waiting.remove(new)
        known = self.there.pop(old)
        self.there[new] = Entry(new, known.kind, known.size)
        self.waiting.rename(old, self.there[new])

    @rule(most=st.integers(1, 4))
    def some_of_it_is_told(self, most: int) -> None:
        change = self.waiting.take(most)
        count = len(change.added) + len(change.removed) + len(change.changed) + len(change.renamed)
        assert count <= most
        assert count or not self.waiting
        apply(self.read, change)

    @precondition(lambda self: not self.waiting)
    @invariant()
    def with_nothing_left_to_tell_the_reader_knows_all(self) -> None:
        assert self.read == self.there

    def teardown(self) -> None:
        while self.waiting:
            apply(self.read, self.waiting.take(2))
        assert self.read == self.there


TestAnythingInAnyOrder = ChangesMachine.TestCase
TestAnythingInAnyOrder.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
