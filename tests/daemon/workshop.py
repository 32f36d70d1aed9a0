"""The work of a daemon without processes: a crew that records what each child is told, and a clock moved by hand."""

from typing import cast

from thumbd_daemon import channel, records
from thumbd_daemon.crew import Crew
from thumbd_daemon.jobs import Jobs
from thumbd_daemon.listings import Listings
from thumbd_daemon.news import Ended, Told
from thumbd_daemon.pool import Kind, Pool, State, Worker
from thumbd_daemon.records import Record
from thumbd_daemon.settings import Settings
from thumbd_daemon.wishes import Wishes
from thumbd_daemon.work import Work
from thumbd_daemon.worker_handle import Exit
from thumbd_protocol.items import Flavor, ItemUpdate, Priority
from thumbd_protocol.items import State as ItemState

SESSION = b"session"
SEGV = Exit(1, None, 11, "last words", 0, 0.1)
KILLED = Exit(1, None, 9, "", 0, 0.1)


class Hands:
    """Stands in for the processes: what is said to each child is kept, whom is killed is remembered."""

    def __init__(self, shop: "Workshop") -> None:
        self._shop = shop
        self.said: dict[int, list[Record]] = {}
        self.killed: list[Worker] = []

    def send(self, worker: Worker, record: Record) -> None:
        channel.encode(record)  # it must fit a packet
        self.said.setdefault(worker.serial, []).append(record)

    def kill(self, worker: Worker, why: str) -> None:
        self.killed.append(worker)
        self._shop.pool.kill(worker, why, self._shop.now)


class Workshop:
    """Everything that decides, with children that a test speaks for."""

    def __init__(self, *, scouts: int = 2, renderers: int = 1) -> None:
        self.now = 100.0
        self.settings = Settings(renderers=renderers, scouts=scouts)
        self.wishes = Wishes(1000, 100)
        self.jobs = Jobs(self.wishes)
        self.listings = Listings(lambda: self.now)
        self.pool = Pool({Kind.QUICK: scouts, Kind.RENDERER: renderers, Kind.LISTING: 1})
        self.hands = Hands(self)
        self._serial = 0
        self.work = Work(self.settings, self.pool, cast(Crew, self.hands), self.jobs, self.listings, lambda: self.now)
        self.fill()

    def fill(self) -> None:
        """Start whom the pool misses; all are ready at once."""
        for kind in self.pool.missing(self.now):
            self._serial += 1
            worker = self.pool.spawned(self._serial, kind, self.now)
            self.pool.ready(worker, self.now)
            self.work.ready(worker)
        self.work.give()

    def submit(self, *names: str, batch: str = "b") -> None:
        keys = [(b"/" + name.encode(), Flavor.LARGE) for name in names]
        self.wishes.submit(SESSION, batch, keys, Priority.NORMAL, self.now, more=False, listing=False)
        self.work.give()

    def busy_with(self, kind: type[Record]) -> tuple[Worker, Record]:
        """The busy child whose last order is of `kind`, and that order."""
        for worker in self.pool.workers.values():
            said = self.hands.said.get(worker.serial, [])
            if worker.state is State.BUSY and said and isinstance(said[-1], kind):
                return worker, said[-1]
        raise AssertionError(f"no child is busy with {kind.__name__}")

    def answer(self, worker: Worker, record: Record) -> None:
        self.work.answer(worker, record)
        self.work.give()

    def dies(self, worker: Worker, end: Exit = SEGV) -> None:
        """A child ends, as the crew would tell it; another takes its place."""
        self.pool.died(worker, self.now)
        self.work.lost(worker, end)
        self.fill()

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.work.check_time()
        self.fill()

    # -- one item's straight way, step by step ----------------------------------------------------------------

    def miss(self) -> None:
        """A scout finds no thumbnail of anything it looks at."""
        scout, look = self.busy_with(records.Look)
        assert isinstance(look, records.Look)
        self.answer(scout, records.Looked(look.job, [records.Miss(n, 1000, 5) for n, _path, _flavor in look.files], 0))

    def opening(self) -> tuple[Worker, records.Open]:
        scout, order = self.busy_with(records.Open)
        assert isinstance(order, records.Open)
        return scout, order

    def opened(self) -> None:
        scout, order = self.opening()
        self.answer(scout, records.Opened(order.job))

    def renderer(self) -> tuple[Worker, int]:
        worker, order = self.busy_with(records.Expect)
        assert isinstance(order, records.Expect)
        return worker, order.job

    def rendered(self) -> None:
        worker, job = self.renderer()
        self.answer(worker, honest(job))

    def publishing(self) -> tuple[Worker, records.Publish]:
        scout, order = self.busy_with(records.Publish)
        assert isinstance(order, records.Publish)
        return scout, order

    def published(self) -> None:
        scout, order = self.publishing()
        self.answer(scout, records.Published(order.job, b"/cache/x.png", False, ""))

    def to_the_end(self) -> None:
        """Every child does what it is told, well, until nothing is left to do."""
        for _ in range(1000):
            self.work.give()
            busy = [w for w in self.pool.workers.values() if w.state is State.BUSY]
            if not busy:
                return
            for worker in busy:
                if worker.state is State.BUSY:
                    self._do_well(worker)
        raise AssertionError("it never ends")

    def _do_well(self, worker: Worker) -> None:
        match self.hands.said[worker.serial][-1]:
            case records.Look(job, files):
                self.answer(worker, records.Looked(job, [records.Miss(n, 1000, 5) for n, _p, _f in files], 0))
            case records.Open(job):
                self.answer(worker, records.Opened(job))
            case records.Expect(job):
                self.answer(worker, honest(job))
            case records.Publish(job):
                self.answer(worker, records.Published(job, b"/cache/x.png", False, ""))
            case records.Mark(job):
                self.answer(worker, records.Marked(job, ""))
            case order:
                raise AssertionError(f"nobody knows how to do {order!r}")

    # -- what came of it --------------------------------------------------------------------------------------

    def finals(self) -> list[ItemUpdate]:
        return [one.update for one in self.wishes.news if isinstance(one, Told) and one.update.state.final]

    def states(self) -> list[tuple[str, ItemState, str | None]]:
        return [(one.path[1:].decode(), one.state, one.error) for one in self.finals()]

    def nothing_is_left(self) -> None:
        """Nobody is busy, nothing waits, the batch has ended once."""
        assert not self.wishes.items
        assert self.work.under_way == 0
        assert [w for w in self.pool.workers.values() if w.state is State.BUSY] == []
        assert len([one for one in self.wishes.news if isinstance(one, Ended)]) == 1


def honest(job: int) -> records.Rendered:
    """What a renderer says of a picture it has made."""
    return records.Rendered(job, "RGB", 256, 192, 4000, 3000, "JPEG")
