"""``thumbctl health``, ``pool`` and ``quarantine``: how the daemon is, and what a person may change of it."""

import json
import os
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from thumbd_protocol.items import Flavor, Item
from thumbd_protocol.replies import Health, Ok
from thumbd_protocol.requests import HealthRequest, Message, Pool, Quarantine, Request

from .asking import ask_once
from .events import NoDaemon, NotDone
from .exits import EXIT_FAILED, EXIT_NO_DAEMON, fail
from .session import new_id
from .show import shown, span

#: Exit status of ``health`` by verdict; a verdict of the future is taken for a bad one.
_STATUS = {"ok": 0, "degraded": 1}
_FAILING = 2
#: Files released by one request; its answer names each.
_RELEASE_AT_ONCE = 500


class Action(StrEnum):
    """What is done with quarantined files."""

    LIST = "list"
    RELEASE = "release"
    CLEAR = "clear"


def answer(request: Request) -> Message:
    """The answer to `request`; ends the command when there is none."""
    try:
        return ask_once(request)
    except NoDaemon as error:
        fail(str(error), EXIT_NO_DAEMON)
    except NotDone as error:
        fail(str(error), EXIT_FAILED)


def plain(value: Any) -> Any:
    """`value` for JSON: bytes as text, what is not UTF-8 escaped."""
    if isinstance(value, bytes):
        return shown(value)
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def health(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Whether all is well, and why not: exit status 0 ok, 1 degraded, 2 failing, 3 no daemon."""
    found = answer(HealthRequest(id=new_id()))
    assert isinstance(found, Health)
    if as_json:
        names = [name for name in found.__struct_fields__ if name != "reply_to"]
        print(json.dumps({name: plain(getattr(found, name)) for name in names}, ensure_ascii=False))
    else:
        for line in health_lines(found):
            print(line)
    status = _STATUS.get(found.verdict, _FAILING)
    if status:
        raise typer.Exit(status)


def health_lines(found: Health) -> list[str]:
    """The verdict, its reasons, and the figures that matter."""
    lines = [found.verdict, *(f"  {reason}" for reason in found.reasons)]
    kinds: dict[str, int] = {}
    for worker in found.workers:
        kinds[str(worker["kind"])] = kinds.get(str(worker["kind"]), 0) + 1
    children = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items()))
    lines.append(f"{children or 'no children'}; {found.restarts} replaced, {found.lingering} lingering")
    if found.slowed:
        lines.append(f"fewer renderers at present: {found.slowed}")
    if found.quarantined:
        lines.append(f"{found.quarantined} files are quarantined (thumbctl quarantine)")
    state, reason = found.sandbox.get("state", "?"), found.sandbox.get("reason", "")
    lines.append(f"sandbox: {state}{f' ({reason})' if reason else ''}")
    return lines


def pool(
    least: Annotated[int | None, typer.Option("--min", min=1, max=256, help="Renderers kept while idle.")] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, max=256, help="Renderers at work, at most.")] = None,
) -> None:
    """How many renderers there may be; with --min or --max, change it while the daemon runs."""
    found = answer(Pool(id=new_id(), min=least, max=most))
    assert isinstance(found, Ok)
    workers = found.workers or []
    states = [str(worker["state"]) for worker in workers]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"{found.min} to {found.max} renderers, and one warm spare; now {len(workers)} ({counts or 'none'})")


def quarantine(
    action: Annotated[Action, typer.Argument(help="list, release (name the files) or clear (all).")] = Action.LIST,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file, for programs.")] = False,
) -> None:
    """Files that took renderers down again and again; released, they are tried anew when next asked for."""
    if (action is Action.RELEASE) != bool(paths):
        raise typer.BadParameter(
            "name the files to release" if action is Action.RELEASE else "only release takes files"
        )
    items = [Item(os.path.abspath(os.fsencode(path)), Flavor.NORMAL) for path in paths or []]
    told: list[dict[str, Any]] = []
    total = 0
    for start in range(0, max(1, len(items)), _RELEASE_AT_ONCE):
        chunk = items[start : start + _RELEASE_AT_ONCE]
        found = answer(Quarantine(id=new_id(), action=action.value, items=chunk or None))
        assert isinstance(found, Ok)
        told += found.items or []
        total += found.total if found.total is not None else len(found.items or [])
    for entry in told:
        print(json.dumps(plain(entry), ensure_ascii=False) if as_json else _line(entry))
    missing = {item.path for item in items} - {entry["path"] for entry in told}
    if not as_json:
        _sum_up(action, total, len(told))
    if missing:
        fail("; ".join(f"{shown(path)} is not quarantined" for path in sorted(missing)), EXIT_FAILED)


def _line(entry: dict[str, Any]) -> str:
    return f"{shown(entry['path'])}: {entry['reason']} ({span(entry['since_ms'] / 1000)} ago)"


def _sum_up(action: Action, count: int, told: int) -> None:
    if told < count:
        print(f"... and {count - told} more")
    files = "1 file" if count == 1 else f"{count} files"
    done = {Action.LIST: "quarantined", Action.RELEASE: "released", Action.CLEAR: "released"}[action]
    print(f"{files if count else 'no file'} {done}")


#: The commands of this module, by name.
COMMANDS: dict[str, Callable[..., None]] = {"health": health, "pool": pool, "quarantine": quarantine}
