"""The work of a daemon without processes: a crew that records what each child is told, and a clock moved by hand."""

from collections.abc import Sequence
from typing import cast
from unittest import mock

from thumbd_daemon import care, channel, records
from thumbd_daemon.batches import MAX_RETRIES, Terms
from thumbd_daemon.budget import Budget
from thumbd_daemon.care import Care
from thumbd_daemon.crew import Crew
from thumbd_daemon.hands import Hands
from thumbd_daemon.items import Item
from thumbd_daemon.jobs import Jobs, urgency
from thumbd_daemon.listings import Listings
from thumbd_daemon.load import Machine, Sizer
from thumbd_daemon.machine import Vitals
from thumbd_daemon.mounts import Mounts
from thumbd_daemon.news import Ended, Told
from thumbd_daemon.pool import Kind, Pool, State, Worker
from thumbd_daemon.quarantine import Quarantine, Quarantined
from thumbd_daemon.records import Record
from thumbd_daemon.settings import Settings
from thumbd_daemon.stats import Stats
from thumbd_daemon.steering import Steering
from thumbd_daemon.walls import Walls
from thumbd_daemon.wishes import Wishes
from thumbd_daemon.work import Work
from thumbd_daemon.worker_handle import Exit
from thumbd_protocol.items import Flavor, ItemUpdate
from thumbd_protocol.items import State as ItemState

SESSION = b"session"
SEGV = Exit(1, None, 11, "last words", 0, 0.1)
KILLED = Exit(1, None, 9, "", 0, 0.1)
LEFT = Exit(1, 0, None, "", 0, 0.1)
MB = 1 << 20

#: What is said to a child without being a task.
_ASIDES = (records.Ping, records.Go, records.GiveBack, records.StopListing)


def mountinfo(*points: str) -> bytes:
    """What the kernel says when there are these mounts, and the root."""
    rows = (f"{n} 1 0:{n} / {point} rw - tmpfs tmpfs rw" for n, point in enumerate(("/", *points), 20))
    return "\n".join(rows).encode()


class Store:
    """A store of quarantined files that forgets nothing it was told."""

    def __init__(self) -> None:
        self.kept: list[Quarantined] = []
        self.forgotten: list[bytes] = []

    def keep(self, entry: Quarantined) -> None:
        self.kept.append(entry)

    def forget(self, path: bytes) -> None:
        self.forgotten.append(path)


def signs(
    *, stopped: bool = False, waits: bool = False, asleep: bool = False, cpu: float = 0.0, sleeps: int = 0, rss: int = 0
) -> Vitals:
    """Vital signs of a child; it `waits` in a file system, or computes."""
    return Vitals(stopped=stopped, kept_waiting=waits, asleep=asleep, cpu=cpu, sleeps=sleeps, rss=rss)


class Ground:
    """Stands in for the machine: mounts, vital signs, load, as a test sets them. Nothing is known of a child whose
    `signs` (by serial) are not set, but that a scout which does not answer waits in a file system."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.mounts = mountinfo()
        self.signs: dict[int, Vitals] = {}
        self.state = Machine()

    @property
    def MOUNTINFO(self) -> "Ground":
        return self

    def read_bytes(self) -> bytes:
        return self.mounts

    def vitals(self, pid: int) -> Vitals | None:
        worker = next((w for w in self._pool.workers.values() if w.pid == pid), None)
        if worker is None or worker.serial in self.signs:
            return self.signs.get(worker.serial) if worker is not None else None
        return signs(waits=True) if worker.kind in (Kind.QUICK, Kind.LISTING) else None

    def machine(self) -> Machine:
        return self.state


class FakeCrew:
    """Stands in for the processes: what is said to each child is kept, whom is killed or retired is remembered."""

    def __init__(self, shop: "Workshop") -> None:
        self._shop = shop
        self._serial = 0
        self.said: dict[int, list[Record]] = {}
        self.killed: list[Worker] = []
        self.retired: list[Worker] = []
        #: Children that answer no ping.
        self.deaf: set[int] = set()
        #: New children are ready at once.
        self.born_ready = True
        self.walls = Walls()

    def send(self, worker: Worker, record: Record) -> None:
        channel.encode(record)  # it must fit a packet
        self.said.setdefault(worker.serial, []).append(record)
        if isinstance(record, records.Ping) and worker.serial not in self.deaf:
            self._shop.pool.answered_ping(worker, self._shop.now)

    def kill(self, worker: Worker, why: str) -> None:
        self.killed.append(worker)
        self._shop.pool.kill(worker, why, self._shop.now)

    def sweep(self) -> None:
        """Nobody is left behind here."""

    def retire(self, worker: Worker, why: str) -> None:
        """It leaves as soon as it is asked to."""
        self.retired.append(worker)
        self._shop.pool.retire(worker, why, self._shop.now)
        self._shop.pool.died(worker, self._shop.now)
        self._shop.work.lost(worker, LEFT)

    def fill(self) -> None:
        for worker in self._shop.pool.surplus(self._shop.now):
            self.retire(worker, "it is not needed any more")
        for kind in self._shop.pool.missing(self._shop.now):
            self._serial += 1
            worker = self._shop.pool.spawned(self._serial, kind, self._shop.now, 1000 + self._serial)
            if self.born_ready:
                self._shop.pool.ready(worker, self._shop.now)


class Workshop:
    """Everything that decides, with children that a test speaks for."""

    def __init__(
        self,
        *,
        scouts: int = 2,
        renderers: int = 1,
        memory: int = 1024 * MB,
        capacity: int = 1000,
        reserve: int = 100,
        known: Sequence[Quarantined] = (),
    ) -> None:
        self.now = 100.0
        self.turns = 0
        self.settings = Settings(
            least_renderers=renderers, most_renderers=renderers, scouts=scouts, memory_budget=memory
        )
        self.wishes = Wishes(capacity, reserve)
        self.stats = Stats()
        self.store = Store()
        self.quarantine = Quarantine(known, self.store, "r1")
        self.budget: Budget[Item] = Budget(memory, renderers, urgency)
        self.mounts: Mounts[Item] = Mounts(self.settings.scout_patience_s, self.settings.suspect_patience_s)
        self.sizer = Sizer(renderers, renderers)
        self.steering = Steering(self.wishes)
        self.jobs = Jobs(self.wishes, self.mounts, self.budget, self.quarantine, self.stats, self.wall_ms)
        self.pool = Pool({Kind.QUICK: scouts, Kind.RENDERER: renderers + 1, Kind.LISTING: 1})
        self.crew = FakeCrew(self)
        self.ground = Ground(self.pool)
        self.hands = Hands(
            self.settings,
            self.pool,
            cast(Crew, self.crew),
            self.jobs,
            self.mounts,
            self.sizer,
            self.budget,
            self.quarantine,
            self.clock,
            self.wall_ms,
        )
        self.listings = Listings(self.hands)
        self.work = Work(self.hands, self.listings)
        self.care = Care(self.hands, self.work)
        self.turn()

    def clock(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return round(self.now * 1000) + 1_000_000_000_000

    # -- time -------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One turn of the house: look after the children, give them work."""
        self.turns += 1
        with mock.patch.object(care, "machine", self.ground):
            self.care.check()
        self.give()

    def give(self) -> None:
        """Give work, in as many turns as the house asks for."""
        more = True
        while more:
            self.jobs.catch_up(self.now)
            self.work.give()
            more = self.jobs.unfinished()

    def passes(self, seconds: float) -> None:
        """Time goes by, with a turn whenever one is due."""
        end = self.now + seconds
        while self.now < end:
            due = self.care.next_deadline(self.now)
            self.now = end if due is None else min(end, max(due, self.now + 0.001))
            self.turn()

    # -- children ---------------------------------------------------------------------------------------------

    def submit(self, *names: str, batch: str = "b", max_retries: int | None = None) -> None:
        keys = [(b"/" + name.encode(), Flavor.LARGE) for name in names]
        terms = Terms(max_retries=MAX_RETRIES if max_retries is None else max_retries)
        self.wishes.submit(SESSION, batch, keys, terms, self.now, more=False, listing=False)
        self.give()

    def order(self, worker: Worker) -> Record | None:
        """The task that a child was given last."""
        said = self.crew.said.get(worker.serial, [])
        return next((record for record in reversed(said) if not isinstance(record, _ASIDES)), None)

    def all_busy_with(self, kind: type[Record]) -> list[Worker]:
        """The children that work on a task of `kind`."""
        workers = self.pool.workers.values()
        return [w for w in workers if w.state is State.BUSY and isinstance(self.order(w), kind)]

    def busy_with(self, kind: type[Record]) -> tuple[Worker, Record]:
        """The first such child, and its task."""
        for worker in self.all_busy_with(kind):
            order = self.order(worker)
            assert order is not None
            return worker, order
        raise AssertionError(f"no child is busy with {kind.__name__}")

    def answer(self, worker: Worker, record: Record) -> None:
        self.work.answer(worker, record)
        self.give()

    def dies(self, worker: Worker, end: Exit = SEGV) -> None:
        """A child ends, as the crew would tell it; another takes its place."""
        self.pool.died(worker, self.now)
        self.work.lost(worker, end)
        self.crew.fill()
        self.give()

    # -- one item's straight way, step by step ----------------------------------------------------------------

    def looking(self) -> tuple[Worker, records.Look]:
        scout, order = self.busy_with(records.Look)
        assert isinstance(order, records.Look)
        return scout, order

    def miss(self, size: int = 1000, mtime_ns: int = 5) -> None:
        """A scout finds no thumbnail of anything it looks at."""
        scout, look = self.looking()
        results: list[records.Hit | records.Miss | records.NoUse] = [
            records.Miss(n, size, mtime_ns) for n, _path, _flavor in look.files
        ]
        self.answer(scout, records.Looked(look.job, results, 0))

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

    def header(self, need: int, width: int = 100, height: int = 100) -> tuple[Worker, int]:
        """A renderer tells what its picture needs."""
        worker, job = self.renderer()
        self.answer(worker, records.Header(job, width, height, need))
        return worker, job

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

    def to_the_end(self, *, but_the_stuck: bool = False) -> None:
        """Every child does what it is told, well, until nothing is left to do; scouts for folders aside."""
        for _ in range(1000):
            self.give()
            busy = [w for w in self.pool.workers.values() if w.state is State.BUSY and w.kind is not Kind.LISTING]
            if but_the_stuck:
                busy = [w for w in busy if w.stuck is None]
            if not busy:
                return
            for worker in busy:
                if worker.state is State.BUSY:
                    self._do_well(worker)
        raise AssertionError("it never ends")

    def to_the_end_but_the_stuck(self) -> None:
        """The same, while those who are stuck stay so."""
        self.to_the_end(but_the_stuck=True)

    def _do_well(self, worker: Worker) -> None:
        match self.order(worker):
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
        """Nobody is busy, nothing waits, no memory is granted, the batch has ended once."""
        assert not self.wishes.items
        assert self.work.under_way == 0
        assert [w for w in self.pool.workers.values() if w.state is State.BUSY] == []
        assert (self.budget.used, len(self.budget)) == (0, 0)
        assert len([one for one in self.wishes.news if isinstance(one, Ended)]) == 1


def honest(job: int) -> records.Rendered:
    """What a renderer says of a picture it has made."""
    return records.Rendered(job, "RGB", 256, 192, 256 * 192 * 3, 4000, 3000, "JPEG")
