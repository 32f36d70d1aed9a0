"""How the daemon is and what it has done: the answers to ``stats`` and ``health``, and the notices of its changes."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import psutil

from thumbd_protocol.items import Rank
from thumbd_protocol.replies import Health, Stats

from . import machine
from .care import Care
from .hands import Hands
from .health import Facts, Verdict, verdict
from .lanes import Stage
from .pool import MAX_LINGERING, Kind, State, Worker
from .sessions import Session
from .wishes import Wishes
from .work import Work

_IN_WORDS: Final = {
    Kind.QUICK: "quick scout",
    Kind.LISTING: "listing scout",
    Kind.WATCHING: "watching scout",
}
#: Latest deaths of children that ``health`` tells.
_FAILURES = 10
#: A mount that is slow for less than this is nobody's concern, in seconds.
_SILENT_S = 2.0


class Reports:
    """Looks at everything, changes nothing. `sessions` are the open ones, `journal_trouble` says why it can't be
    written."""

    def __init__(
        self,
        hands: Hands,
        work: Work,
        care: Care,
        wishes: Wishes,
        sessions: Callable[[], Iterable[Session]],
        journal_trouble: Callable[[], str | None],
        epoch: bytes,
    ) -> None:
        self._hands = hands
        self._work = work
        self._care = care
        self._wishes = wishes
        self._sessions = sessions
        self._journal_trouble = journal_trouble
        self._epoch = epoch
        self._started = hands.clock()
        self._told = Verdict.OK
        self._told_memory = False
        self._missing_since: float | None = None
        self._self = psutil.Process()

    # -- health -----------------------------------------------------------------------------------------------

    def verdict(self) -> tuple[Verdict, list[str]]:
        """How it goes now, and why."""
        return verdict(self._facts())

    def _facts(self) -> Facts:
        now, pool = self._hands.clock(), self._hands.pool
        loop = pool.crash_loop()
        deaths = [d for d in self._hands.jobs.stats.deaths if d.kind == loop]
        ready = {
            "renderer" if kind is Kind.RENDERER else "scout": sum(
                w.state in (State.READY, State.BUSY) for w in pool.of(kind)
            )
            for kind in (Kind.RENDERER, Kind.QUICK)
        }
        if all(ready.values()):
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        return Facts(
            crash_loop=None if loop is None else _IN_WORDS.get(loop, str(loop)),
            last_words=(deaths[-1].last_words.rpartition(" | ")[2] or deaths[-1].detail) if deaths else "",
            ready=ready,
            missing_s=0.0 if self._missing_since is None else now - self._missing_since,
            lingering=len(pool.lingering(now)),
            max_lingering=MAX_LINGERING,
            silent_mounts=self._hands.mounts.in_trouble(now - _SILENT_S),
            memory=self._care.memory,
            journal=self._journal_trouble(),
            cache=self._work.renders.prints.trouble,
        )

    def notices(self) -> list[tuple[str, str]]:
        """What has changed since the last call: (kind, sentence) of ``degraded``, ``recovered``, ``memory``."""
        told: list[tuple[str, str]] = []
        now, reasons = self.verdict()
        if now is not self._told:
            kind = "recovered" if now is Verdict.OK else "degraded"
            told.append((kind, "; ".join(reasons) or "all is well again"))
            self._told = now
        if (self._care.memory is not None) != self._told_memory:
            self._told_memory = self._care.memory is not None
            if self._care.memory is not None:
                told.append(("memory", self._care.memory))
        return told

    def health(self, request: bytes) -> Health:
        """The answer to ``health``."""
        now, pool = self._hands.clock(), self._hands.pool
        found, reasons = self.verdict()
        self._weigh()
        sandbox, why = self._hands.crew.walls.state()
        return Health(
            reply_to=request,
            verdict=found,
            reasons=reasons,
            workers=[self._worker(worker, now) for worker in pool.workers.values()],
            restarts=pool.restarts,
            crash_loop=pool.crash_loop() is not None,
            lingering=len(pool.lingering(now)),
            quarantined=len(self._hands.quarantine),
            sandbox={"state": sandbox, "reason": why},
            journal_writable=self._journal_trouble() is None,
            cache_writable=self._work.renders.prints.trouble is None,
            failures=self._failures(now),
            slowed=self._hands.sizer.reason,
        )

    def _weigh(self) -> None:
        """How much memory each child takes now."""
        for worker in self._hands.pool.workers.values():
            if worker.pid and (found := machine.vitals(worker.pid)) is not None:
                worker.rss = found.rss

    @staticmethod
    def _worker(worker: Worker, now: float) -> dict[str, Any]:
        told: dict[str, Any] = {
            "pid": worker.pid,
            "kind": "renderer" if worker.kind is Kind.RENDERER else "scout",  # it decodes nothing
            "role": str(worker.kind),
            "state": "stuck" if worker.stuck is not None else worker.state.name.lower(),
            "rss": worker.rss,
            "age_ms": round((now - worker.born) * 1000),
            "tasks": worker.tasks,
        }
        if worker.file is not None:
            told |= {"task": worker.file, "task_ms": round((now - worker.since) * 1000)}
        return told

    def _failures(self, now: float) -> list[dict[str, Any]]:
        return [
            {
                "ago_ms": round((now - death.at) * 1000),
                "kind": death.kind,
                "pid": death.pid,
                "cause": str(death.cause),
                "detail": death.detail,
                "last_words": death.last_words,
                "rss_peak": death.rss_peak,
                "seconds": round(death.seconds, 3),
                **({"file": death.file} if death.file is not None else {}),
            }
            for death in list(self._hands.jobs.stats.deaths)[-_FAILURES:]
        ]

    # -- stats ------------------------------------------------------------------------------------------------

    def stats(self, request: bytes) -> Stats:
        """The answer to ``stats``."""
        now, stats = self._hands.clock(), self._hands.jobs.stats
        sessions = list(self._sessions())
        self._weigh()
        return Stats(
            reply_to=request,
            uptime_ms=round((now - self._started) * 1000),
            epoch=self._epoch,
            queue=self._queue(sessions),
            wait_ms=stats.wait.told(),
            render_ms=stats.render.told(),
            throughput=stats.throughput.told(now),
            items={
                "ready": stats.ready,
                "failed": dict(stats.failed),
                "cancelled": self._wishes.cancelled,
                "cache_hits": stats.cache_hits,
                "joined": self._wishes.joined,
            },
            retries=stats.retries,
            batches={"open": sum(b.ended is None for b in self._wishes.batches.values()), "durable": self._durable()},
            sessions=[
                {
                    "name": session.client.name,
                    "pid": session.client.pid,
                    "credit": session.outbox.credit,
                    "outbox": len(session.outbox),
                    "parked": session.parked_at is not None,
                }
                for session in sessions
            ],
            memory={
                "daemon_rss": self._self.memory_info().rss,
                "workers_rss": sum(worker.rss for worker in self._hands.pool.workers.values()),
                "budget": self._hands.budget.total,
                "granted": self._hands.budget.used,
                "waiting": len(self._hands.budget),
            },
        )

    def _durable(self) -> int:
        return sum(b.terms.durable and b.ended is None for b in self._wishes.batches.values())

    def _queue(self, sessions: list[Session]) -> dict[str, Any]:
        by_class: Counter[str] = Counter()
        by_client: Counter[bytes] = Counter()
        for stage in Stage:
            for rank, client, count in self._wishes.schedule.counts(stage):
                by_class[Rank(rank).name.lower()] += count
                by_client[client.session] += count
        names = {session.ident: session.name for session in sessions}
        return {
            "by_class": dict(by_class),
            "by_client": {names[client]: count for client, count in by_client.items() if client in names},
            "total": len(self._wishes.items),
            "capacity": self._wishes.capacity,
        }
