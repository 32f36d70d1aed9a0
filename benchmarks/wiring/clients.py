"""What the clients do, each in a process of its own: submit and follow a batch, scroll a window, ask again and again.

All times are of the monotonic clock, which every process of a machine shares.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from .figures import NEVER
from .people import Stage
from .raw import Gone, Map, Raw, Refused, chunks, finals

#: A batch that makes no progress for so long has failed, in seconds.
STILL_S: Final = 60.0
#: A full queue is asked again after so long.
_AGAIN_S: Final = 0.25


class Account:
    """What has been told of some paths."""

    def __init__(self) -> None:
        #: The final state of each path, and who has made it ready; how often one was told.
        self.state: dict[bytes, str] = {}
        self.rendered: set[bytes] = set()
        self.told: Counter[bytes] = Counter()
        #: When each first final state came.
        self.times: list[float] = []
        self.contradictory = 0

    def take(self, message: Map, now: float) -> None:
        for item in finals(message):
            path = item["path"]
            known = self.state.get(path)
            if known is None:
                self.times.append(now)
            self.contradictory += known is not None and known != item["state"]
            self.state[path] = item["state"]
            self.told[path] += 1
            if item.get("source") == "render" and item["state"] == "ready":
                self.rendered.add(path)

    def summary(self, paths: Sequence[bytes]) -> dict[str, Any]:
        return {
            "asked": len(paths),
            "told": sum(path in self.state for path in paths),
            "ready": sum(self.state.get(path) == "ready" for path in paths),
            "rendered": len(self.rendered),
            "contradictory": self.contradictory,
        }


def submit(
    client: Raw, paths: Sequence[bytes], flavor: str, priority: str, batch: str, heard: Callable[[Map], None]
) -> None:
    """All of `paths` as one batch, chunk by chunk; a queue that is full is asked again."""
    parts = chunks(paths)
    for number, part in enumerate(parts):
        items = [{"path": path, "flavor": flavor} for path in part]
        until = time.monotonic() + STILL_S
        while True:
            try:
                client.ask("submit", items=items, priority=priority, batch=batch, more=number + 1 < len(parts))
                break
            except Refused as refused:
                if refused.code != "queue_full" or time.monotonic() > until:
                    raise
            again = time.monotonic() + _AGAIN_S
            while (left := again - time.monotonic()) > 0:
                if (message := client.hear(left)) is not None:
                    heard(message)


def submitter(
    stage: Stage, socket: Path, name: str, paths: Sequence[bytes], flavor: str, priority: str
) -> dict[str, Any]:
    """Submit a batch and follow it to its ``done``, or until asked to stop."""
    client = Raw(socket, name)
    account = Account()
    batch = f"{name}-{time.time_ns()}"
    ended: list[float] = []

    def heard(message: Map) -> None:
        now = time.monotonic()
        account.take(message, now)
        if message["type"] == "done" and message["batch"] == batch:
            ended.append(now)

    stage.ready()
    began = still = time.monotonic()
    submit(client, paths, flavor, priority, batch, heard)
    accepted = time.monotonic()
    stage.note(accepted)
    while not ended and not stage.stopped:
        message = client.hear(0.1)
        if message is not None:
            still = time.monotonic()
            heard(message)
        elif time.monotonic() - still > STILL_S:
            raise TimeoutError(
                f"{name}: nothing was told for {STILL_S:.0f} s, {len(account.state)} of {len(paths)} are"
            )
    heard_in = {"messages": client.messages, "bytes": client.bytes, "gaps": client.gaps}
    client.bye()
    times = {"began": began, "accepted": accepted, "ended": ended[0] if ended else None, "times": account.times}
    twice = sum(count > 1 for count in account.told.values())
    return account.summary(paths) | times | heard_in | {"twice": twice, "rendered_paths": list(account.rendered)}


def window(
    stage: Stage,
    socket: Path,
    name: str,
    screens: Sequence[tuple[Sequence[bytes], Sequence[bytes]]],
    flavor: str,
    every_s: tuple[float, float],
    also: Sequence[bytes],
) -> dict[str, Any]:
    """Show one screen (visible, near) after the other; how long each visible item took, ``NEVER`` for one that had to
    leave before. `also` is asked for in a batch of low priority, and followed to its end."""
    client = Raw(socket, name)
    account = Account()
    chance = random.Random(name)
    batch, ended = f"{name}-all", not also
    latencies: list[float] = []
    near_told = near_asked = 0
    stage.ready()
    began = time.monotonic()
    if also:
        submit(client, also, flavor, "low", batch, lambda message: account.take(message, time.monotonic()))
    for number, (visible, near) in enumerate(screens, 1):
        shown = time.monotonic()
        client.focus("grid", number, flavor, visible, near)
        until = shown + chance.uniform(*every_s)
        waiting = set(visible)
        beside = set(near)
        while (left := until - time.monotonic()) > 0:
            message = client.hear(left)
            if message is None:
                continue
            now = time.monotonic()
            account.take(message, now)
            ended = ended or (message["type"] == "done" and message["batch"] == batch)
            came = {item["path"] for item in finals(message)}
            latencies += [now - shown] * len(waiting & came)
            waiting -= came
            near_told += len(beside & came)
            beside -= came
        latencies += [NEVER] * len(waiting)
        near_asked += len(near)
    scrolled = time.monotonic()
    still = scrolled
    while not ended:
        if (message := client.hear(0.1)) is not None:
            still = time.monotonic()
            account.take(message, still)
            ended = message["type"] == "done" and message["batch"] == batch
        elif time.monotonic() - still > STILL_S:
            raise TimeoutError(f"{name}: nothing was told for {STILL_S:.0f} s")
    gaps = client.gaps
    client.bye()
    told = {"began": began, "scrolled": scrolled, "latencies": latencies, "screens": len(screens), "gaps": gaps}
    paths = also or [path for visible, _near in screens for path in visible]
    near_share = round(near_told / max(near_asked, 1), 3)
    return account.summary(paths) | told | {"near_share": near_share, "rendered_paths": list(account.rendered)}


def prober(
    stage: Stage, socket: Path, paths: Sequence[bytes], flavor: str, on_screen: int, most: int, pause_s: float
) -> dict[str, Any]:
    """Show screens of items that are in the cache, up to `most` or until asked to stop: for each when, how long until
    the first final state was told, and until all of them were."""
    client = Raw(socket, "prober")
    chance = random.Random(1)
    found: list[tuple[float, float, float]] = []
    before: set[bytes] = set()
    stage.ready()
    for number in range(1, most + 1):
        if stage.stopped:
            break
        # Only what enters the focus is told: none of the screen before.
        new = [path for path in chance.sample(paths, 2 * on_screen) if path not in before]
        waiting = before = set(new[:on_screen])
        shown = time.monotonic()
        client.focus("grid", number, flavor, list(waiting), [])
        first = last = NEVER
        until = shown + 10.0
        while waiting and (left := until - time.monotonic()) > 0:
            message = client.hear(left)
            came = {item["path"] for item in finals(message)} & waiting if message is not None else set()
            if came:
                last = time.monotonic() - shown
                first = min(first, last)
                waiting = waiting - came
        found.append((shown, first, NEVER if waiting else last))
        rest = time.monotonic() + chance.uniform(0.5, 1.5) * pause_s
        while (left := rest - time.monotonic()) > 0:
            client.hear(left)
    gaps = client.gaps
    client.bye()
    return {"probes": found, "gaps": gaps}


def stopped(
    stage: Stage,
    socket: Path,
    paths: Sequence[bytes],
    flavor: str,
    batch: str,
    topics: Sequence[str | bytes],
    heartbeat_ms: int,
) -> dict[str, Any]:
    """A batch, and some topics, of a client that the kernel may stop at any time: when it knows all, whatever the
    daemon has done with its session meanwhile."""
    account = Account()
    done: list[float] = []
    again = 0
    session: bytes | None = None
    client: Raw | None = None

    def heard(message: Map) -> None:
        now = time.monotonic()
        account.take(message, now)
        if message["type"] == "done" and message["batch"] == batch:
            done.append(now)

    stage_set = False
    still = time.monotonic()
    while not (done and len(account.state) >= len(paths)):
        try:
            if client is None:
                client = Raw(socket, "stopped", heartbeat_ms=heartbeat_ms, session=session)
                session = client.session
                for topic in topics:
                    client.ask("subscribe", topics=[topic])
                if not stage_set:
                    stage.ready()
                    stage_set = True
                submit(client, paths, flavor, "normal", batch, heard)
                stage.note(time.monotonic())
            message = client.hear(0.1)
        except Gone:
            again += 1
            if client is not None:
                client.close()
            client = None
            continue
        if message is not None:
            still = time.monotonic()
            heard(message)
            if message["type"] == "done" and message["batch"] == batch and len(account.state) < len(paths):
                raise RuntimeError(f"done was told with {len(paths) - len(account.state)} items missing")
        elif time.monotonic() - still > STILL_S:
            raise TimeoutError(
                f"a client that was stopped knows {len(account.state)} of {len(paths)} and hears nothing"
            )
    assert client is not None
    gaps = client.gaps
    client.bye()
    return account.summary(paths) | {"done": done[0], "last": account.times[-1], "again": again, "gaps": gaps}
