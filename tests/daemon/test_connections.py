"""Who may come and who has to go, by numbers alone."""

import pytest

from thumbd_daemon.connections import MOST, Connection, Connections, most_connections


def come(table: Connections, fd: int, now: float, routing: bytes | None = None) -> Connection:
    connection = Connection(fd, 1000 + fd, 0, 1, now, now, routing=routing)
    table.add(connection)
    return connection


def nobody(_: bytes) -> bool:
    return False


@pytest.mark.parametrize(
    ("descriptors", "renderers", "most"),
    [(1 << 16, 8, MOST), (256, 2, 168), (1024, 8, 888), (4096, 256, 1976), (64, 8, 16)],
)
def test_connections_leave_descriptors_for_the_renderers_and_some_are_always_served(
    descriptors: int, renderers: int, most: int
) -> None:
    assert most_connections(descriptors, renderers) == most


def test_a_door_that_was_full_opens_when_a_sixteenth_has_gone() -> None:
    table = Connections(32)
    for fd in range(31):
        come(table, fd, 0.0)
    was = [table.full]
    come(table, 31, 0.0)
    was.append(table.full)
    table.remove(0)
    was.append(table.full)  # or it would rattle
    table.remove(1)
    table.remove(2)
    was.append(table.full)
    come(table, 1, 0.0)
    was.append(table.full)
    assert was == [False, True, True, False, False]


def test_who_says_no_hello_goes_after_half_a_minute_and_who_has_a_session_stays() -> None:
    table = Connections(10)
    silent = come(table, 1, 0.0)
    known = come(table, 2, 0.0, b"known")
    assert table.strangers(lambda routing: routing == b"known", 29.9) == []
    assert table.strangers(lambda routing: routing == b"known", 30.0) == [silent]
    silent.shut = True
    assert table.strangers(lambda routing: routing == b"known", 31.0) == [], "it has been told already"
    # The session ends: from then on it has as long as a newcomer to begin another.
    assert table.strangers(nobody, 60.9) == []
    assert table.strangers(nobody, 61.0) == [known]


def test_where_others_wait_outside_patience_is_short() -> None:
    table = Connections(2)
    first, second = come(table, 1, 0.0), come(table, 2, 1.0)
    assert table.full
    assert table.strangers(nobody, 3.0) == [first]
    assert table.strangers(nobody, 4.0) == [first, second]


def test_nobody_goes_for_a_time_in_which_we_could_hear_nobody() -> None:
    table = Connections(10)
    come(table, 1, 0.0)
    table.shift(100.0)
    assert table.strangers(nobody, 129.0) == []
    assert len(table.strangers(nobody, 130.0)) == 1
