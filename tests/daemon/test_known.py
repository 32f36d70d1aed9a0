"""What has been told of a topic's names: as a plain table of names and entries would have it, in less room."""

import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from thumbd_daemon.known import Known, Novelty
from thumbd_protocol.items import Entry, EntryKind

FOLDER = Entry(b"d", EntryKind.FOLDER)


def image(name: bytes, size: int = 1) -> Entry:
    return Entry(name, EntryKind.IMAGE, size, -size, "image/png")


def known(*entries: Entry) -> Known:
    made = Known()
    for entry in entries:
        assert made.put(entry) is Novelty.NEW
    return made


@pytest.mark.parametrize(
    "entry",
    [
        FOLDER,
        image(b"d/a.png"),
        Entry(b"\xff/\xfe", EntryKind.OTHER, 2**62, -(2**62)),
        Entry(b"a", EntryKind.IMAGE, None, None, "image/jpeg"),
    ],
)
def test_an_entry_is_remembered_as_it_was(entry: Entry) -> None:
    made = known(entry)
    assert made.get(entry.name) == entry
    assert entry.name in made
    assert list(made) == [entry.name]
    assert made.put(entry) is Novelty.SAME
    assert made.put(Entry(entry.name, EntryKind.OTHER, 7, 7)) is Novelty.CHANGED
    assert len(made) == 1


def test_what_is_below_a_folder_goes_with_it_and_nothing_beside_it() -> None:
    made = known(FOLDER, image(b"d/a"), Entry(b"d/e", EntryKind.FOLDER), image(b"d/e/b"), image(b"d.png"), image(b"de"))
    assert made.pop(b"d") == [b"d", b"d/a", b"d/e", b"d/e/b"]
    assert sorted(made) == [b"d.png", b"de"]
    assert len(made) == 2
    assert made.pop(b"d") == []


def test_a_folder_is_renamed_with_all_below_it_each_told_by_itself() -> None:
    made = known(FOLDER, image(b"d/a"), image(b"b"))
    assert made.rename(b"d", b"x/y") == [
        (b"d", Entry(b"x/y", EntryKind.FOLDER)),
        (b"d/a", image(b"x/y/a")),
    ]
    assert sorted(made) == [b"b", b"x/y", b"x/y/a"]
    assert made.rename(b"missing", b"z") == []


def test_a_hundred_thousand_names_take_no_more_than_twenty_five_mebibytes() -> None:
    made = Known()
    for number in range(100_000):
        made.put(image(b"holiday/%d/IMG_%06d.jpg" % (number % 100, number), number + 10**6))
    folders = made._folders.values()
    size = sum(sys.getsizeof(f) + sum(sys.getsizeof(k) + sys.getsizeof(v) for k, v in f.items()) for f in folders)
    assert size < 25 << 20


NAMES = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join)


class KnownMachine(RuleBasedStateMachine):
    """Beside a dict of entries, with whatever is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Known()
        self.model: dict[bytes, Entry] = {}

    @rule(name=NAMES, size=st.integers(0, 3))
    def puts(self, name: bytes, size: int) -> None:
        if not self.has_its_place(name):
            return
        before, now = self.model.get(name), image(name, size)
        novelty = Novelty.NEW if before is None else Novelty.SAME if before == now else Novelty.CHANGED
        assert self.known.put(now) is novelty
        self.model[name] = now

    def has_its_place(self, name: bytes) -> bool:
        """A folder is told before what is in it."""
        above = name.rpartition(b"/")[0]
        return not above or above in self.model

    def below(self, name: bytes) -> set[bytes]:
        return {one for one in self.model if one == name or one.startswith(name + b"/")}

    @rule(name=NAMES)
    def pops(self, name: bytes) -> None:
        gone = self.below(name)
        assert sorted(self.known.pop(name)) == sorted(gone)
        for one in gone:
            del self.model[one]

    @rule(name=NAMES)
    def forgets(self, name: bytes) -> None:
        if self.below(name) != {name}:
            return
        self.known.forget(name)
        self.model.pop(name, None)

    @rule(old=NAMES, new=NAMES)
    def renames(self, old: bytes, new: bytes) -> None:
        if new == old or new.startswith(old + b"/") or self.below(new) or not self.has_its_place(new):
            return
        moved = {one: new + one[len(old) :] for one in self.below(old)}
        entries = {name: self.model.pop(one) for one, name in moved.items()}
        now = {name: image(name, entry.size or 0) for name, entry in entries.items()}
        assert sorted(self.known.rename(old, new)) == sorted((one, now[name]) for one, name in moved.items())
        self.model |= now

    @invariant()
    def they_agree(self) -> None:
        assert len(self.known) == len(self.model)
        assert {name: self.known.get(name) for name in self.known} == self.model


TestBesideADict = KnownMachine.TestCase
TestBesideADict.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
