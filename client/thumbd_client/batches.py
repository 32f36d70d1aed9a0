"""``thumbctl batches``, ``attach``, ``pause``, ``resume``, ``cancel``, ``retry``: batches that somebody has asked for.

A batch is named by the beginning of its name, as long as no other begins so. A daemon is started where one is named
(the journal may hold it), but not to list them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from thumbd_protocol.errors import ItemCode
from thumbd_protocol.items import BatchInfo
from thumbd_protocol.replies import Ok
from thumbd_protocol.requests import Batches, Cancel, Pause, Resume, Retry, Selection

from .asking import ask_once
from .connection import Connection
from .events import NoDaemon, NotDone, Trouble
from .exits import EXIT_FAILED, EXIT_NO_DAEMON, complain, fail
from .following import follow, show_for
from .render import Run
from .session import new_id
from .show import in_words, shown, span

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Batches; the beginning will do.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


@contextmanager
def troubles_end_the_command() -> Iterator[None]:
    """What can't be done is told in a sentence, with the status that it stands for."""
    try:
        yield
    except NoDaemon as error:
        fail(str(error), EXIT_NO_DAEMON)
    except Trouble as error:
        fail(str(error), EXIT_FAILED)


def listed(found: object) -> list[BatchInfo]:
    assert isinstance(found, Ok)
    return found.batches or []


def resolve(connection: Connection, given: str) -> str:
    """The batch whose name is `given`, or begins so. Raises NotDone where several do; a name that nobody knows is
    returned as it is, for the daemon to say what there is to say."""
    names = [batch.batch for batch in listed(connection.ask(Batches(id=new_id())))]
    found = [name for name in names if name.startswith(given)]
    if given in names or not found:
        return given
    if len(found) > 1 or not given:
        raise NotDone(f"several batches begin with '{given}': {', '.join(sorted(found))}")
    return found[0]


def batches(as_json: AsJson = False) -> None:
    """Which batches there are, and how far each is."""
    with troubles_end_the_command():
        known = listed(ask_once(Batches(id=new_id())))
    if as_json:
        for batch in known:
            print(json.dumps(as_object(batch), ensure_ascii=False))
        return
    width = max((len(batch.batch) for batch in known), default=0)
    for batch in sorted(known, key=lambda batch: batch.age_ms):
        print(line(batch, width))
    if not known:
        print("there is no batch")


def line(batch: BatchInfo, width: int) -> str:
    """A batch in one line."""
    where = f"  {shown(batch.folder)}" if batch.folder is not None else ""
    kept = "" if batch.durable else ", ends with its client"
    asked = f"asked for {span(batch.age_ms / 1000)} ago{kept}"
    return f"{batch.batch:<{width}}  {batch.state:<7}  {in_words(batch.progress)}{where}  ({asked})"


def as_object(batch: BatchInfo) -> dict[str, object]:
    """A batch for programs."""
    progress = {name: getattr(batch.progress, name) for name in batch.progress.__struct_fields__ if name != "batch"}
    return {
        "batch": batch.batch,
        "state": batch.state,
        "durable": batch.durable,
        "age_ms": batch.age_ms,
        "folder": None if batch.folder is None else batch.folder.decode("utf-8", "replace"),
        **progress,
    }


def attach(ids: Ids, as_json: AsJson = False) -> None:
    """Follow batches to their end, as render does. Ctrl+C leaves, and they go on."""
    with Connection("thumbctl") as connection:
        with troubles_end_the_command():
            names = [resolve(connection, given) for given in ids]
        show = show_for(as_json)
        run = Run(connection, show)

        def leave() -> None:
            run.leave()
            show.note(f"left; what has not ended goes on: thumbctl attach {' '.join(names)}")

        follow(run, show, lambda: run.attach(names), leave)


def _steer(ids: list[str], request: Callable[[str], Selection], done: str) -> None:
    """Say the same of each batch, and tell what it came to."""
    refused = False
    with Connection("thumbctl") as connection, troubles_end_the_command():
        for given in ids:
            try:
                name = resolve(connection, given)
                answer = connection.ask(request(name))
            except NotDone as error:
                complain(str(error))
                refused = True
                continue
            assert isinstance(answer, Ok)
            print(f"{name}: {done}{_what_of(answer)}")
    if refused:
        raise typer.Exit(EXIT_FAILED)


def _what_of(answer: Ok) -> str:
    parts = [
        f"{count:,} {words}"
        for count, words in (
            (answer.dropped, "not begun yet"),
            (answer.running, "under way"),
            (answer.shared, "wanted by others too"),
        )
        if count
    ]
    return f" ({', '.join(parts)})" if parts else ""


def pause(ids: Ids) -> None:
    """Begin nothing more of these batches, until they are resumed."""
    _steer(ids, lambda name: Pause(id=new_id(), batch=name), "paused")


def resume(ids: Ids) -> None:
    """Go on with batches that were paused."""
    _steer(ids, lambda name: Resume(id=new_id(), batch=name), "goes on")


def cancel(ids: Ids) -> None:
    """Give up batches; what is ready stays."""
    _steer(ids, lambda name: Cancel(id=new_id(), batch=name), "cancelled")


def retry(
    ident: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all batches, and quarantined files.")] = False,
    kind: Annotated[ItemCode | None, typer.Option(help="Only what failed so.", show_default=False)] = None,
) -> None:
    """Ask again for what has failed, of one batch or of all."""
    if (ident is None) != every:
        raise typer.BadParameter("name a batch, or say --all")
    with Connection("thumbctl") as connection, troubles_end_the_command():
        name = None if ident is None else resolve(connection, ident)
        answer = connection.ask(Retry(id=new_id(), batch=name, kind=kind))
    assert isinstance(answer, Ok)
    count = answer.requeued or 0
    files = "1 file is" if count == 1 else f"{count:,} files are"
    print(f"{files} asked for again" if count else "nothing has failed that could be asked for again")


#: The commands of this module, by name.
COMMANDS: dict[str, Callable[..., None]] = {
    "batches": batches,
    "attach": attach,
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
    "retry": retry,
}
