"""What the folder holds: found by path, in natural order, however the parts come."""

from collections.abc import Callable

import pytest
from PyQt6.QtCore import QItemSelectionModel, QLocale, QPersistentModelIndex, Qt, QThreadPool
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from thumbd_gallery.model import Change, Entries, Listing
from thumbd_gallery.order import Naming, Row, Shown, parent
from thumbd_protocol.items import Entry, EntryKind, Flavor, ItemUpdate, Source, State

Rows = Callable[..., list[Row]]


@pytest.fixture
def entries(qtbot: QtBot) -> Entries:
    made = Entries()
    made.open(b"/f")
    return made


def names(entries: Entries) -> list[str]:
    return [entries.row(number).name for number in range(entries.rowCount())]


def listing(rows: list[Row], *, last: bool = True, snapshot: bytes = b"1", others: int = 0) -> Listing:
    return Listing(b"/f", snapshot, rows, others, last)


def ready(path: bytes, file: bytes = b"/c/1.png", flavor: Flavor = Flavor.LARGE) -> ItemUpdate:
    return ItemUpdate(path, flavor, State.READY, thumbnail=file, width=300, height=200, source=Source.RENDER)


def test_numbers_in_names_count_and_folders_come_first(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("b10.jpg", "b9.jpg", "a.jpg", "z/", "B1.jpg")))
    assert names(entries) == ["z", "a.jpg", "B1.jpg", "b9.jpg", "b10.jpg"]
    assert entries.folders == 1
    assert entries.pictures() == 4


def test_a_name_that_is_not_utf8_has_a_tile_and_keeps_its_bytes(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows(b"caf\xe9.jpg", "cafe.jpg")))
    number = entries.find(b"/f/caf\xe9.jpg")
    assert number is not None
    assert entries.row(number).name == "caf\N{REPLACEMENT CHARACTER}.jpg"


def test_the_first_part_shows_at_once_and_the_whole_is_in_order_at_the_end(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("m1.jpg", "m3.jpg"), last=False, others=1))
    assert names(entries) == ["m1.jpg", "m3.jpg"]
    settled: list[bool] = []
    entries.settled.connect(lambda: settled.append(True))
    entries.add(listing(rows("a.jpg", "m2.jpg", "sub/"), others=2))
    assert names(entries) == ["sub", "a.jpg", "m1.jpg", "m2.jpg", "m3.jpg"]
    assert settled == [True]
    assert entries.others == 3


def test_a_large_folder_is_put_in_order_behind_the_windows_back(qtbot: QtBot, entries: Entries, rows: Rows) -> None:
    parts = [rows(*(f"p{number}.jpg" for number in range(start, 6000, 12))) for start in range(12)]
    with qtbot.waitSignal(entries.settled, timeout=20_000):
        for step, part in enumerate(parts):
            entries.add(listing(part, last=step == len(parts) - 1))
        assert entries.rowCount() == 6000
    assert names(entries) == [f"p{number}.jpg" for number in range(6000)]
    assert entries.find(b"/f/p4711.jpg") == 4711


def test_what_is_current_stays_current_when_the_order_changes(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("m.jpg"), last=False))
    current = QPersistentModelIndex(entries.index(0))
    entries.add(listing(rows("a.jpg", "b.jpg")))
    assert current.row() == 2
    assert entries.row(current.row()).name == "m.jpg"


def test_an_answer_finds_its_picture_wherever_it_stands_by_then(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("m.jpg"), last=False))
    entries.add(listing(rows("a.jpg")))
    entries.tell([ready(b"/f/m.jpg"), ready(b"/f/gone.jpg")], Flavor.LARGE)
    number = entries.find(b"/f/m.jpg")
    assert number == 1
    row = entries.row(number)
    assert (row.shown, row.thumbnail, row.width) == (Shown.READY, b"/c/1.png", 300)


def test_a_failed_picture_stays_and_says_why(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell(
        [ItemUpdate(b"/f/a.jpg", Flavor.LARGE, State.FAILED, error="decode_error", message="a.jpg is cut off")],
        Flavor.LARGE,
    )
    index = entries.index(0)
    assert entries.row(0).shown is Shown.FAILED
    assert entries.failed == 1
    assert "a.jpg is cut off" in str(index.data(Qt.ItemDataRole.ToolTipRole))
    assert "a.jpg is cut off" in str(index.data(Qt.ItemDataRole.AccessibleTextRole))


def test_a_picture_the_leaving_daemon_gave_back_still_comes(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell(
        [ItemUpdate(b"/f/a.jpg", Flavor.LARGE, State.FAILED, error="shutdown", message="leaving")], Flavor.LARGE
    )
    assert entries.row(0).shown is Shown.PENDING


def test_a_late_answer_in_the_size_before_does_not_replace_the_new_one(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell([ready(b"/f/a.jpg", b"/c/large.png", Flavor.LARGE)], Flavor.X_LARGE)
    assert entries.row(0).thumbnail == b"/c/large.png"  # better than nothing
    entries.tell([ready(b"/f/a.jpg", b"/c/x-large.png", Flavor.X_LARGE)], Flavor.X_LARGE)
    entries.tell([ready(b"/f/a.jpg", b"/c/large.png", Flavor.LARGE)], Flavor.X_LARGE)
    assert entries.row(0).thumbnail == b"/c/x-large.png"


def test_a_preview_is_not_the_grids(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell([ready(b"/f/a.jpg", flavor=Flavor.PREVIEW)], Flavor.LARGE)
    assert entries.row(0).thumbnail is None


def test_listing_again_changes_only_what_differs(qtbot: QtBot, entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg", "b.jpg", "c.jpg", "sub/")))
    entries.tell([ready(b"/f/b.jpg")], Flavor.LARGE)
    current = QPersistentModelIndex(entries.index(2))
    entries.add(listing(rows("b.jpg"), last=False, snapshot=b"2"))
    assert entries.rowCount() == 4  # nothing goes away before the whole is known
    entries.add(listing(rows("aa.jpg", "d.jpg"), snapshot=b"2", others=1))
    assert names(entries) == ["aa.jpg", "b.jpg", "d.jpg"]
    assert entries.row(1).thumbnail == b"/c/1.png"
    assert entries.row(current.row()).name == "b.jpg"
    assert (entries.folders, entries.others) == (0, 1)


def test_parts_of_another_folder_are_not_mixed_in(entries: Entries, rows: Rows) -> None:
    entries.add(Listing(b"/other", b"1", rows("x.jpg", folder=b"/other"), 0, True))
    assert entries.rowCount() == 0


def test_an_evicted_thumbnail_is_awaited_again_and_at_last_given_up(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell([ready(b"/f/a.jpg")], Flavor.LARGE)
    assert not entries.lost(b"/f/a.jpg", b"/c/another.png")
    assert entries.lost(b"/f/a.jpg", b"/c/1.png")
    assert entries.row(0).shown is Shown.PENDING
    entries.tell([ready(b"/f/a.jpg")], Flavor.LARGE)
    assert entries.lost(b"/f/a.jpg", b"/c/1.png", "vanished")
    assert entries.row(0).shown is Shown.FAILED


def test_names_are_found_by_their_beginning_round_the_end(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("Anna.jpg", "bert.jpg", "Annika.jpg")))
    assert entries.starting_with("ANN", 0) == 0
    assert entries.starting_with("ann", 1) == 1
    assert entries.starting_with("anna", 1) == 0
    assert entries.starting_with("zz", 0) is None


def test_the_folder_above_the_top_is_the_top() -> None:
    assert parent(b"/a/b") == b"/a"
    assert parent(b"/a") == b"/"
    assert parent(b"/") == b"/"


def test_an_order_that_comes_too_late_does_not_bring_the_old_folder_back(
    qtbot: QtBot, entries: Entries, rows: Rows
) -> None:
    entries.add(listing(rows(*(f"p{number}.jpg" for number in range(5000)))))
    entries.open(b"/g")
    pool = QThreadPool.globalInstance()
    assert pool is not None
    assert pool.waitForDone(20_000)
    QApplication.processEvents()
    assert entries.rowCount() == 0
    assert not entries.listed


def test_each_part_is_in_order_by_itself(rows: Rows) -> None:
    assert [row.name for row in rows("b.jpg", "z/", "a.jpg", "y/")] == ["y", "z", "a.jpg", "b.jpg"]


# -- what happens in the folder later ---------------------------------------------------------------------------


def one(name: str, kind: EntryKind = EntryKind.IMAGE, size: int | None = None) -> Row:
    return Naming(QLocale("en_US")).row(b"/f", Entry(name.encode(), kind, size, size))


def path(name: str) -> bytes:
    return b"/f/" + name.encode()


def test_what_comes_stands_in_its_place_and_what_goes_is_gone(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a2.jpg", "a10.jpg", "z/"), others=2))
    entries.change(
        Change(
            b"/f",
            removed=[path("a10.jpg"), path("notes.txt")],
            added=[one("a9.jpg"), one("a.jpg"), one("y", EntryKind.FOLDER), one("b.txt", EntryKind.OTHER)],
        )
    )
    assert names(entries) == ["y", "z", "a.jpg", "a2.jpg", "a9.jpg"]
    assert (entries.folders, entries.pictures(), entries.others) == (2, 3, 2)
    for number in range(entries.rowCount()):
        assert entries.find(entries.row(number).path) == number


def test_a_renamed_picture_keeps_its_tile_and_what_is_known_of_it(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg", "b.jpg", "c.jpg")))
    entries.tell([ready(b"/f/a.jpg")], Flavor.LARGE)
    current = QPersistentModelIndex(entries.index(0))
    told: list[object] = []
    entries.renamed.connect(told.append)
    entries.outdated.connect(told.append)
    entries.change(Change(b"/f", renamed=[(path("a.jpg"), one("d.jpg")), (path("c.txt"), one("d.txt"))]))
    assert names(entries) == ["b.jpg", "c.jpg", "d.jpg"]
    assert current.row() == 2
    assert entries.row(2).thumbnail == b"/c/1.png"
    assert entries.find(b"/f/a.jpg") is None
    assert told == [[(b"/f/a.jpg", b"/f/d.jpg")], [b"/f/d.jpg"]]


def test_only_a_file_that_is_another_than_before_needs_another_thumbnail(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg", "b.jpg")))
    entries.tell(
        [ready(b"/f/a.jpg"), ItemUpdate(b"/f/b.jpg", Flavor.LARGE, State.FAILED, message="cut off")], Flavor.LARGE
    )
    outdated: list[list[bytes]] = []
    entries.outdated.connect(outdated.append)
    entries.change(
        Change(b"/f", changed=[one("a.jpg", size=5), one("b.jpg", size=6)])
    )  # sizes are told for the first time
    entries.change(Change(b"/f", changed=[one("a.jpg", size=5)]))
    assert outdated == []
    assert entries.row(0).size == 5
    assert entries.failed == 1
    entries.change(Change(b"/f", changed=[one("b.jpg", size=7)]))
    assert outdated == [[b"/f/b.jpg"]]
    assert entries.row(1).shown is Shown.PENDING
    assert entries.failed == 0
    entries.add(listing(rows("a.jpg", "b.jpg"), snapshot=b"2"))  # the daemon came back: sizes follow again
    entries.change(Change(b"/f", changed=[one("a.jpg", size=5), one("b.jpg", size=8)]))
    assert outdated == [[b"/f/b.jpg"], [b"/f/b.jpg"]]


def test_a_file_that_turns_out_to_be_a_picture_gets_a_tile_and_loses_it_again(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg"), others=1))
    entries.change(Change(b"/f", changed=[one("b", EntryKind.IMAGE, 5)]))
    assert (names(entries), entries.others) == (["a.jpg", "b"], 0)
    entries.change(Change(b"/f", changed=[one("b", EntryKind.FOLDER)]))
    assert (names(entries), entries.folders) == (["b", "a.jpg"], 1)
    entries.change(Change(b"/f", changed=[one("b", EntryKind.OTHER, 6)]))
    assert (names(entries), entries.others, entries.folders) == (["a.jpg"], 1, 0)


def test_what_is_selected_and_current_stays_so_by_path(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows(*(f"p{number}.jpg" for number in range(100)))))
    selection = QItemSelectionModel(entries)
    for number in (40, 60):
        selection.select(entries.index(number), QItemSelectionModel.SelectionFlag.Select)
    selection.setCurrentIndex(entries.index(60), QItemSelectionModel.SelectionFlag.NoUpdate)
    entries.change(
        Change(
            b"/f",
            removed=[path(f"p{number}.jpg") for number in range(0, 40, 2)],
            renamed=[(path("p40.jpg"), one("a.jpg"))],
            added=[one(f"new{number}.jpg") for number in range(30)],
        )
    )
    chosen = {entries.row(index.row()).name for index in selection.selectedIndexes()}
    assert chosen == {"a.jpg", "p60.jpg"}
    assert entries.row(selection.currentIndex().row()).name == "p60.jpg"


def test_a_failed_picture_that_goes_is_counted_no_more(entries: Entries, rows: Rows) -> None:
    entries.add(listing(rows("a.jpg")))
    entries.tell([ItemUpdate(b"/f/a.jpg", Flavor.LARGE, State.FAILED, message="cut off")], Flavor.LARGE)
    entries.change(Change(b"/f", removed=[path("a.jpg")]))
    assert (entries.failed, entries.rowCount()) == (0, 0)


def test_what_happens_while_a_large_folder_is_put_in_order_is_done_behind_it(
    qtbot: QtBot, entries: Entries, rows: Rows
) -> None:
    with qtbot.waitSignal(entries.settled, timeout=20_000):
        entries.add(listing(rows(*(f"p{number}.jpg" for number in range(5000)))))
        entries.change(Change(b"/f", removed=[path("p7.jpg")], added=[one("p7a.jpg")]))
        assert entries.find(path("p7.jpg")) is not None
    assert names(entries)[6:9] == ["p6.jpg", "p7a.jpg", "p8.jpg"]
    assert entries.rowCount() == 5000


def test_what_happens_in_another_folder_or_before_the_listing_is_not_ours(entries: Entries, rows: Rows) -> None:
    entries.change(Change(b"/f", added=[one("early.jpg")]))  # another window's: our listing is on its way
    assert entries.rowCount() == 0
    entries.add(listing(rows("a.jpg")))
    entries.change(Change(b"/g", removed=[path("a.jpg")]))
    assert names(entries) == ["a.jpg"]
