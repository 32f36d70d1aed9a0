"""Killing a daemon again and again in the middle of a durable batch, and accounting for every item.

A client is attached all the time: it connects again after each death, says hello, subscribes to the batch, says again
what was not answered, and drops what it has been told before. In the end it must know all; within one daemon's life
(an epoch) no final state is told twice; what was told in different lives agrees; and no thumbnail that was in the cache
when a daemon died is made again. Some files are missing, and come back after they have been told as failed: a final
state that was told was committed before, so it stays.

Used in a short form by the tests and in the long one by ``make durable`` (``python tests/durable_harness.py --help``).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from chaos_harness import paint
from durable_account import BATCH, Ledger, Report, Thumbnails
from thumbd_home import Home, wait_for
from wiring.raw import Gone, Map, Raw, Refused

_FLAVOR: Final = "normal"
#: A run that makes no progress for so long has failed, in seconds.
_STILL_S: Final = 60.0
#: One file of so many is missing at first.
_MISSING_EVERY: Final = 20
#: In a paused batch nothing may happen for so long.
_PAUSED_S: Final = 1.5


class Story:
    """A durable batch, its client and its daemons. With `plain` the batch is an ordinary one, which the client submits
    again after each restart; with `folder` it asks for the folder instead of for the files."""

    def __init__(self, name: str, items: int, *, plain: bool = False, folder: bool = False, seed: int = 0) -> None:
        self.report = Report(name, items, seed)
        self.ledger = Ledger()
        self.home = Home()
        self.paths = paint(self.home, items)
        for original in self.home.pictures.glob("first*.jpg"):
            original.unlink()  # a folder's listing would find them too
        # What is submitted again by a client is another submission, with another end; a folder lists what is there.
        self._missing = [] if plain or folder else self.paths[::_MISSING_EVERY]
        for path in self._missing:
            os.unlink(path)
        self.report.missing = len(self._missing)
        self.thumbnails = Thumbnails(self.home.cache / "thumbnails" / _FLAVOR)
        self._plain = plain
        self._began = time.monotonic()
        if folder:
            self._pad(10 * items)
        self._requests = [self._folder()] if folder else self._chunks(3)
        #: Requests that were not answered yet.
        self.open = list(self._requests)
        self.client: Raw | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._leave()
        self.home.close()

    # -- what is asked for ------------------------------------------------------------------------------------

    def _request(self, **fields: Any) -> Map:
        durable = {} if self._plain else {"durable": True}
        return {"id": os.urandom(16), "priority": "normal", "batch": BATCH, **durable, **fields}

    def _pad(self, count: int) -> None:
        """Files that are no pictures, each of which is looked into: the listing takes its time."""
        for number in range(count):
            if number % 500 == 0:
                folder = self.home.pictures / f"papers{number // 500}"
                folder.mkdir()
            (folder / f"{number}.data").write_bytes(b"nothing to see in here, nothing at all")

    def _folder(self) -> Map:
        folder = {"path": os.fsencode(self.home.pictures), "flavor": _FLAVOR, "recursive": True}
        return self._request(folder=folder)

    def _chunks(self, count: int) -> list[Map]:
        size = -(-len(self.paths) // count)
        parts = [self.paths[at : at + size] for at in range(0, len(self.paths), size)]
        return [
            self._request(items=[{"path": path, "flavor": _FLAVOR} for path in part], more=number + 1 < len(parts))
            for number, part in enumerate(parts)
        ]

    # -- lives ------------------------------------------------------------------------------------------------

    def start(self, kill_after_s: float | None = None) -> None:
        """A daemon's life begins; it is killed after so long, whatever happens then."""
        self._daemon = self.home.daemon()
        if kill_after_s is not None:
            self._timer = threading.Timer(kill_after_s, os.kill, (self._daemon.pid, signal.SIGKILL))
            self._timer.start()

    def connect(self) -> Raw:
        """Hello, and the batch's topic where the daemon has it. Raises Gone."""
        self._leave()
        self.client = Raw(self.home.socket, "durable")
        if self._plain:
            self.open = list(self._requests)
        elif len(self.open) < len(self._requests):
            self.client.ask("subscribe", topics=[f"batch:{BATCH}"])
        return self.client

    def say_open(self) -> None:
        """Say what was not answered, one after the other. Raises Gone."""
        assert self.client is not None
        while self.open:
            self.client.ask("submit", **self.open[0])
            self.open.pop(0)

    def attach(self) -> None:
        """All that a client does when a daemon is there. Raises Gone."""
        self.connect()
        self.say_open()

    def hear_until(self, reached: Callable[[], bool]) -> None:
        """Hear what is told until `reached`. Raises Gone, and TimeoutError when nothing happens any more."""
        assert self.client is not None
        still = time.monotonic()
        while not reached():
            message = self.client.hear(0.05)
            if message is not None:
                if message["type"] != "pong":
                    still = time.monotonic()
                self.ledger.take(message)
            elif time.monotonic() - still > _STILL_S:
                raise TimeoutError(f"nothing was told for {_STILL_S:.0f} s; {len(self.ledger.known)} final states are")

    def kill(self) -> None:
        """The daemon dies (if the timer has not killed it); its children go with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # from here on the pid may become another's
            self._timer = None
        assert self._daemon is not None
        self._daemon.kill()
        status = self._daemon.wait(10)
        if status != -signal.SIGKILL:
            self.report.trouble = (
                f"the daemon ended by itself (status {status}): {self.home.output(self._daemon)[1][-500:]}"
            )
        self.report.kills += 1
        self._leave()
        wait_for(lambda: not self.home.processes(), "the end of the daemon's children", 20)
        self.thumbnails.look()
        for path in self._missing:
            if path in self.ledger.known and not os.path.exists(path):
                os.link(next(other for other in self.paths if os.path.exists(other)), path)

    def _leave(self) -> None:
        if self.client is not None:
            self.report.gaps += self.client.gaps
            self.client.close()
            self.client = None

    @property
    def told(self) -> int:
        return len(self.ledger.known)

    @property
    def over(self) -> bool:
        """Whether the client knows all there is to know."""
        return self.ledger.end is not None and self.told >= self.report.items

    def finish(self) -> Report:
        """The last life goes on until all is told; what became of every item."""
        try:
            if self.client is None:
                self.start()
                self.attach()
            self.hear_until(lambda: self.ledger.end is not None)
            until = time.monotonic() + 5.0
            self.hear_until(lambda: self.told >= self.report.items or time.monotonic() > until)
        except (Gone, Refused, TimeoutError) as error:
            self.report.trouble = self.report.trouble or str(error)
        self._leave()
        self._account()
        return self.report

    def _account(self) -> None:
        report, known = self.report, self.ledger.known
        self.thumbnails.look()
        asked = set(self.paths)
        report.ready = sum(told[0] == "ready" for path, told in known.items() if path in asked)
        report.failed = dict(Counter(str(told[2]) for told in known.values() if told[0] != "ready"))
        report.lost = len(asked - known.keys())
        report.lives = len(self.ledger.by_epoch)
        report.twice = sum(count > 1 for told in self.ledger.by_epoch.values() for count in told.values())
        report.told_again = sum(sum(told.values()) for told in self.ledger.by_epoch.values()) - len(known)
        report.contradictory = len(self.ledger.contradictory)
        report.made_again = len(self.thumbnails.made_again)
        report.broken = len(self.thumbnails.broken)
        report.absent = sum(told[1] is not None and not os.path.exists(told[1]) for told in known.values())
        report.ends = sum(count - 1 for count in self.ledger.ends.values())
        end = self.ledger.end
        right = (report.items - report.missing, report.missing, 0)
        if end is not None and (end["ready"], end["failed"], end["cancelled"]) != right:
            report.wrong_end = f"{end['ready']} ready, {end['failed']} failed, {end['cancelled']} cancelled"
        report.seconds = round(time.monotonic() - self._began, 1)


# -- many kills at random ---------------------------------------------------------------------------------------------


def storm(items: int, kills: int, seed: int, *, plain: bool = False) -> Report:
    """Kill the daemon `kills` times before the batch is done: half of the times so long after it accepts, half of the
    times after it has told so much, both by chance. No life tells more than its share, so that all find work."""
    chance = random.Random(seed)
    with Story("plain storm" if plain else "storm", items, plain=plain, seed=seed) as story:
        share = max(1, items * 4 // (5 * kills))
        while story.report.kills < kills and not story.report.trouble:
            by_time = chance.random() < 0.5
            story.start(chance.uniform(0.0, 1.5) if by_time else None)
            enough = story.told + (share if by_time else chance.randint(1, share))
            try:
                story.attach()
                story.hear_until(lambda enough=enough: story.told >= enough or story.over)  # type: ignore[misc]
            except Gone:
                pass  # killed in the middle of it: what was not answered is said again
            except (Refused, TimeoutError) as error:
                story.report.trouble = f"life {story.report.kills + 1}: {error}"
            story.kill()
        return story.finish()


# -- kills at chosen instants -----------------------------------------------------------------------------------------


def before_accepted(story: Story) -> None:
    """The request is on its way."""
    client = story.connect()
    client.say("submit", **story.open[0])


def after_accepted(story: Story) -> None:
    """The first chunk is accepted, the others are not said."""
    client = story.connect()
    client.ask("submit", **story.open.pop(0))


def after_all_accepted(story: Story) -> None:
    story.attach()


def in_the_middle(story: Story) -> None:
    story.attach()
    story.hear_until(lambda: story.told >= story.report.items // 2)


def last_published(story: Story) -> None:
    """The last thumbnail is in the cache; whether its item is committed, nobody knows."""
    story.attach()
    whole = threading.Event()

    def watch() -> None:
        until = time.monotonic() + _STILL_S
        while story.thumbnails.count() < story.report.items - story.report.missing and time.monotonic() < until:
            time.sleep(0.0005)
        whole.set()

    watching = threading.Thread(target=watch)
    watching.start()
    story.hear_until(whole.is_set)
    watching.join()


def last_told(story: Story) -> None:
    """The last item is told, ``done`` is not heard."""
    story.attach()
    story.hear_until(lambda: story.told >= story.report.items or story.ledger.end is not None)


def after_done(story: Story) -> None:
    story.attach()
    story.hear_until(lambda: story.over)


def paused(story: Story) -> None:
    """Paused in the middle; after the kill it still is, until it is resumed."""
    story.attach()
    story.hear_until(lambda: story.told >= story.report.items // 4)
    assert story.client is not None
    story.client.ask("pause", batch=BATCH)
    story.kill()
    story.start()
    story.attach()
    # What was published and not told when it died may be told now; nothing may be made.
    before = story.thumbnails.count()
    until = time.monotonic() + _PAUSED_S
    story.hear_until(lambda: time.monotonic() > until)
    made = story.thumbnails.count() - before
    state = story.ledger.batch_state
    if made or state != "paused":
        story.report.trouble = f"after a restart a paused batch is '{state}', and {made} thumbnails of it were made"
    story.kill()
    story.start()
    story.attach()
    assert story.client is not None
    story.client.ask("resume", batch=BATCH)
    story.hear_until(lambda: story.told >= story.report.items // 2)


INSTANTS: Final[dict[str, Callable[[Story], None]]] = {
    "before_accepted": before_accepted,
    "after_accepted": after_accepted,
    "after_all_accepted": after_all_accepted,
    "in_the_middle": in_the_middle,
    "last_published": last_published,
    "last_told": last_told,
    "after_done": after_done,
    "paused": paused,
    "folder_being_listed": after_all_accepted,
    "folder_in_the_middle": in_the_middle,
}


def instant(name: str, items: int) -> Report:
    """Kill the daemon once, at the instant `name`; then let another finish."""
    with Story(name, items, folder=name.startswith("folder")) as story:
        story.start()
        try:
            INSTANTS[name](story)
        except (Gone, Refused, TimeoutError) as error:
            story.report.trouble = f"before the kill: {error}"
        story.kill()
        return story.finish()


def main(arguments: Sequence[str] | None = None) -> None:
    """The long form; one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--instants", nargs="*", choices=INSTANTS, default=list(INSTANTS), metavar="NAME")
    parser.add_argument("--instant-items", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="of each instant")
    parser.add_argument("--plain", action="store_true", help="also a storm over a batch that is not durable")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that the daemons go with it
    good = True

    def told(report: Report) -> None:
        nonlocal good
        good = good and report.good
        print(json.dumps(asdict(report) | {"good": report.good}), flush=True)  # noqa: T201

    for seed in given.seeds:
        if given.kills:
            told(storm(given.items, given.kills, seed))
        if given.kills and given.plain:
            told(storm(given.items, given.kills, seed, plain=True))
    for name in given.instants:
        for _ in range(given.rounds):
            told(instant(name, given.instant_items))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
