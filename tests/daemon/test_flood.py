"""Whose message never ends, found from memory and bytes on the way."""

from thumbd_daemon.connections import Connection
from thumbd_daemon.flood import BORNE, NOTICED, Flood

MB = 1 << 20
REST = 10 * MB


class Scene:
    """Some connections, what waits in each, and how much memory is in use."""

    def __init__(self, count: int) -> None:
        self.flood = Flood()
        self.all = [Connection(fd, fd, 0, 1, 0.0, 0.0) for fd in range(count)]
        self.waiting: dict[int, int] = {}
        self.held = REST
        self.now = 0.0
        self.behind = False
        assert self.look() == []

    def look(self) -> list[int]:
        """Who is to be shut out at this look; time goes on as the flood asks for."""
        found = self.flood.look(self.held, self.all, lambda c: self.waiting.get(c.fd, 0), self.now, behind=self.behind)
        for one in found:
            one.shut = True
        self.now += self.flood.pause
        return [one.fd for one in found]

    def hears(self, fd: int) -> None:
        (connection,) = (one for one in self.all if one.fd == fd)
        connection.heard = self.now
        connection.stuffed = 0

    def gone(self, fd: int) -> None:
        self.all = [connection for connection in self.all if connection.fd != fd]


def test_who_fills_the_memory_and_completes_no_message_is_found_within_a_few_looks() -> None:
    scene = Scene(3)
    scene.waiting = {1: 100_000}
    scene.held += NOTICED + MB
    looks = 0
    while not (found := scene.look()):
        scene.held += MB
        looks += 1
        assert looks < 10
    assert found == [1]
    assert looks >= 2, "one look is no proof"
    assert scene.now < 0.25 + 0.1, "memory that grows is looked at more often"


def test_whoever_delivers_is_not_blamed_however_much_there_is_and_however_fast_it_sends() -> None:
    scene = Scene(2)
    scene.waiting = {0: 200_000}
    for _ in range(100):
        scene.held += MB * 2
        scene.hears(0)
        scene.hears(1)
        if scene.held - REST <= BORNE:
            assert scene.look() == []


def test_bytes_that_wait_while_memory_is_calm_are_nobodys_guilt() -> None:
    scene = Scene(2)
    scene.waiting = {0: 50, 1: 5_000}
    for _ in range(100):
        scene.held = REST + NOTICED // 2
        assert scene.look() == []
    # Nor do they count later.
    scene.held = REST + NOTICED + MB
    assert scene.look() == []


def test_who_only_waits_beside_a_flood_is_spared_and_served_when_it_has_gone() -> None:
    scene = Scene(2)
    scene.waiting = {0: 100_000}
    scene.held += NOTICED + MB
    assert scene.look() == []
    scene.waiting[1] = 40
    found: list[int] = []
    while not found:
        scene.held += MB
        found = scene.look()
    assert found == [0]
    # libzmq throws away what it had, and takes nothing meanwhile.
    for _ in range(20):
        assert scene.look() == []
    scene.gone(0)
    scene.hears(1)
    scene.held = REST
    assert scene.look() == []
    assert not scene.flood.pressed


def test_memory_that_nobody_is_seen_filling_costs_the_silent_ones_their_connection_and_then_everybody() -> None:
    scene = Scene(3)
    scene.held += NOTICED + MB
    assert scene.look() == []
    scene.held = REST + BORNE + MB
    scene.hears(2)
    while not (found := scene.look()):
        assert scene.now < 1.0
    assert found == [0, 1]
    assert scene.now > 0.5, "whoever fills it had no time to be seen at it"
    scene.gone(0)
    scene.gone(1)
    scene.held += MB
    assert scene.look() == [2]


def test_a_server_that_has_not_come_to_what_was_sent_blames_nobody_for_its_memory() -> None:
    scene = Scene(3)
    scene.behind = True
    for _ in range(50):
        scene.held += 10 * MB
        assert scene.look() == []
    scene.behind = False
    scene.held += MB
    assert scene.look() == [0, 1, 2]


def test_memory_that_stays_is_what_the_work_needs() -> None:
    scene = Scene(1)
    scene.held += 2 * NOTICED
    while scene.now < 70:
        assert scene.look() == []
    assert not scene.flood.pressed
    scene.held += NOTICED
    scene.look()
    assert not scene.flood.pressed, "it is counted from the new rest"
    scene.held = REST
    scene.look()
    scene.held += NOTICED + MB
    scene.look()
    assert scene.flood.pressed, "and from the old one again, when it has come back to that"
