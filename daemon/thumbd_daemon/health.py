"""Is all well? From what is known of the daemon to a verdict, with one sentence for each reason. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .sentences import shown


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # work goes on, but not as it should
    FAILING = "failing"  # work can't go on


@dataclass(frozen=True)
class Facts:
    """What the verdict rests on. `ready` counts the kinds of children that work needs: how many are set up of each;
    `missing_s` is for how many seconds one of them has had none."""

    crash_loop: str | None = None
    last_words: str = ""
    ready: dict[str, int] | None = None
    missing_s: float = 0.0
    lingering: int = 0
    max_lingering: int = 8
    silent_mounts: Sequence[bytes] = ()
    memory: str | None = None
    journal: str | None = None
    cache: str | None = None


#: A daemon that has just begun has no children yet, and nothing is wrong with that, in seconds.
_PATIENCE_S = 10.0


def verdict(facts: Facts) -> tuple[Verdict, list[str]]:
    """How it goes, and why."""
    failing, degraded = _failing(facts), _degraded(facts)
    if failing:
        return Verdict.FAILING, failing + degraded
    return (Verdict.DEGRADED if degraded else Verdict.OK), degraded


def _failing(facts: Facts) -> list[str]:
    none = [kind for kind, count in (facts.ready or {}).items() if not count]
    if none and facts.missing_s >= _PATIENCE_S:
        return [f"there is no {' and no '.join(none)}, so nothing can be rendered"]
    return []


def _degraded(facts: Facts) -> list[str]:
    reasons: list[str] = []
    if facts.crash_loop is not None:
        words = f": {facts.last_words}" if facts.last_words else ""
        reasons.append(f"a {facts.crash_loop} can't be started, it is tried ever more slowly{words}")
    reasons += [f"the file system at {shown(mount)} does not answer" for mount in facts.silent_mounts]
    if facts.lingering >= facts.max_lingering:
        reasons.append(f"{facts.lingering} processes hang in file systems; no more of them are replaced")
    reasons += [told for told in (facts.memory, facts.journal, facts.cache) if told is not None]
    return reasons
