"""Files that took renderers down: which are known, what frees them, what the store hears of it."""

from thumbd_daemon.quarantine import Quarantine, Quarantined

from .workshop import Store


def entry(path: bytes, since_ms: int = 1, renderer: str = "r1") -> Quarantined:
    return Quarantined(path, 5, 1000, renderer, "crashed the renderer (SIGSEGV), 2 times", 2, since_ms)


def test_a_file_that_is_added_is_found_as_long_as_it_is_the_same() -> None:
    store = Store()
    quarantine = Quarantine([], store, "r1")
    quarantine.add(b"/x", 1000, 5, "boom", 2, 77)
    found = quarantine.find(b"/x", 1000, 5)
    assert found == Quarantined(b"/x", 5, 1000, "r1", "boom", 2, 77)
    assert store.kept == [found]
    assert quarantine.find(b"/y", 1000, 5) is None
    assert (len(quarantine), store.forgotten) == (1, [])


def test_a_file_with_another_time_is_free() -> None:
    store = Store()
    quarantine = Quarantine([entry(b"/x")], store, "r1")
    assert quarantine.find(b"/x", 1000, 6) is None
    assert quarantine.find(b"/x", 1000, 5) is None, "it has been another file since"
    assert (len(quarantine), store.forgotten) == (0, [b"/x"])


def test_a_file_with_another_size_is_free() -> None:
    store = Store()
    quarantine = Quarantine([entry(b"/x")], store, "r1")
    assert quarantine.find(b"/x", 1001, 5) is None
    assert (len(quarantine), store.forgotten) == (0, [b"/x"])


def test_another_version_of_the_renderer_frees_what_the_last_one_could_not_do() -> None:
    store = Store()
    quarantine = Quarantine([entry(b"/old", renderer="r0"), entry(b"/same")], store, "r1")
    assert [known.path for known in quarantine.entries()] == [b"/same"]
    assert store.forgotten == [b"/old"]
    assert quarantine.find(b"/same", 1000, 5) == entry(b"/same")


def test_a_file_that_is_released_is_free_and_one_that_is_not_there_is_told() -> None:
    store = Store()
    quarantine = Quarantine([entry(b"/x")], store, "r1")
    assert quarantine.release(b"/x")
    assert quarantine.find(b"/x", 1000, 5) is None
    assert not quarantine.release(b"/x")
    assert store.forgotten == [b"/x"]


def test_a_file_that_comes_again_takes_the_place_of_what_was_known_of_it() -> None:
    store = Store()
    quarantine = Quarantine([entry(b"/x")], store, "r1")
    quarantine.add(b"/x", 2000, 9, "again", 2, 88)
    assert len(quarantine) == 1
    assert quarantine.find(b"/x", 2000, 9) is not None
    assert [kept.reason for kept in store.kept] == ["again"]


def test_entries_come_the_oldest_first() -> None:
    quarantine = Quarantine([entry(b"/b", 30), entry(b"/c", 10)], Store(), "r1")
    quarantine.add(b"/a", 1, 1, "boom", 2, 20)
    assert [known.path for known in quarantine.entries()] == [b"/c", b"/a", b"/b"]
