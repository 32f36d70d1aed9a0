"""Does the cage cost a format? Every file of a folder through two renderers, one locked in, one not.

usage: python tests/sandbox_diff.py [FOLDER...] [--edge N] [--patience S] [--strace] [--json FILE]

The folder is ``$THUMBD_CORPUS`` where none is given. Each file (whatever its name; what links name, too) goes to both,
one after the other, and its two outcomes must be alike: ready with the same numbers and the same pixels, or failed with
the same code and sentence, or the end of the renderer in the same way. A file that ended one, or came out differently,
is tried once more in two fresh ones, so that nothing depends on what was decoded before it. Nothing may be imported
behind the door. ``--strace`` has a third run say which system calls the cage denied, and for which files.

Used in a short form by the tests and for the whole corpus by ``make sandbox-diff``. The status is 1 when anything
differs or is imported late.
"""

import argparse
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from lone_renderer import Gone, LoneRenderer, Outcome, settings
from thumbd_daemon.records import NotRendered, Rendered
from thumbd_daemon.sentences import shown
from thumbd_daemon.settings import Sandbox
from thumbd_home import corpus_folder, wait_for

_PROBE: Final = Path(__file__).with_name("late_imports")
_LATE: Final = re.compile(r"^late import: (.+)$", re.MULTILINE)
_LOCKED: Final = re.compile(r"^locked at ([0-9.]+)$", re.MULTILINE)
#: ``PID TIME name(...) = -1 EPERM (...)``, by strace -f -ttt; a call that was interrupted by another is "resumed".
_DENIED: Final = re.compile(r"^(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)\b.* = -1 (EPERM|ENOSYS|EACCES)\b")


class Side:
    """Renderers of one kind, one after the other."""

    def __init__(
        self, sandbox: Sandbox, edge: int, patience_s: float, trace: Path | None = None, probe: Path = _PROBE
    ) -> None:
        self._settings = settings(sandbox)
        self._probe = probe
        self._caged = sandbox is not Sandbox.OFF
        self._edge = edge
        self._patience_s = patience_s
        self._trace = trace
        self._renderer: LoneRenderer | None = None
        #: Names of modules that were asked for behind the door, by the file that asked ("" for the start).
        self.late: dict[str, set[bytes]] = defaultdict(set)
        #: When each (by its pid) was locked, by the wall clock; and between which two times each file was rendered.
        self.locked: dict[int, float] = {}
        self.spans: list[tuple[float, float, bytes]] = []

    def outcome(self, path: bytes, *, alone: bool = False) -> Outcome:
        """What becomes of `path`; `alone` in a renderer that has rendered nothing before."""
        if alone:
            self.close()
        if self._renderer is None or self._renderer.job >= self._settings.renderer_tasks:
            self.close()
            self._renderer = self._start()
        began = time.time()
        outcome = self._renderer.render(path, self._edge, self._patience_s)
        self.spans.append((began, time.time(), path))
        self._listen(self._renderer, path)
        if outcome.died:
            self.close()
        return outcome

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            if self._trace is not None:
                self._wait_for_strace(self._renderer.pid)
            self._renderer = None

    def _start(self) -> LoneRenderer:
        wrapper: Sequence[str] = ()
        if self._trace is not None:
            # -D: strace is the renderer's grandchild, since a renderer whose parent is a stranger ends at once.
            wrapper = ("strace", "-D", "-f", "-q", "-Z", "-ttt", "-A", "-o", str(self._trace))
        modules = os.pathsep.join(filter(None, (str(self._probe), os.environ.get("PYTHONPATH"))))
        renderer = LoneRenderer(self._settings, wrapper=wrapper, environ={"PYTHONPATH": modules})
        if self._caged:
            self._listen(renderer, b"", started=True)
        return renderer

    def _listen(self, renderer: LoneRenderer, path: bytes, *, started: bool = False) -> None:
        words = renderer.words()
        if started and (found := _LOCKED.search(words)):
            self.locked[renderer.pid] = float(found[1])
        assert renderer.pid in self.locked or not started, f"a renderer that is locked in must say so: {words!r}"
        for name in _LATE.findall(words):
            self.late[name].add(path)

    def _wait_for_strace(self, pid: int) -> None:
        """Its last line about a process is that it has gone."""
        end = re.compile(rf"^(?:{pid} +)?[0-9.]+ \+\+\+ (exited|killed)", re.MULTILINE)
        assert self._trace is not None
        trace = self._trace
        wait_for(lambda: bool(end.search(trace.read_text(errors="replace"))), "the end of strace")


@dataclass
class Account:
    """What was compared, and what was found."""

    files: int = 0
    skipped: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    #: By path: with the cage, without.
    differences: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    #: Alike in fresh renderers only.
    unsteady: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    late: dict[str, set[bytes]] = field(default_factory=dict)
    #: "call ERROR" and the files for which it was denied.
    denied: dict[str, Counter[bytes]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return bool(self.files) and not self.differences and not self.late

    def count(self, outcome: Outcome) -> None:
        self.files += 1
        match outcome.end:
            case Rendered() as told:
                self.outcomes[f"ready {told.format}"] += 1
            case NotRendered(_job, code, _cause):
                self.outcomes[code] += 1
            case _:
                self.outcomes[str(outcome)] += 1

    def as_json(self) -> dict[str, Any]:
        def by_name(found: dict[bytes, tuple[str, str]]) -> dict[str, tuple[str, str]]:
            return {shown(path): pair for path, pair in found.items()}

        return {
            "files": self.files,
            "skipped": self.skipped,
            "outcomes": dict(sorted(self.outcomes.items())),
            "differences": by_name(self.differences),
            "unsteady": by_name(self.unsteady),
            "late": {name: sorted(map(shown, paths)) for name, paths in self.late.items()},
            "denied": {call: {shown(p): n for p, n in sorted(by.items())} for call, by in self.denied.items()},
            "good": self.good,
        }


def files_below(folders: Iterable[Path]) -> Iterator[bytes]:
    """All that is a file, or a link to one, in order."""
    for folder in folders:
        for place, below, names in os.walk(os.fsencode(folder)):
            below.sort()
            yield from (os.path.join(place, name) for name in sorted(names))


def compare(paths: Iterable[bytes], edge: int = 256, patience_s: float = 120.0, probe: Path = _PROBE) -> Account:
    """Have each rendered with and without the cage, by renderers whose Python imports `probe` first."""
    account = Account()
    caged = Side(Sandbox.REQUIRE, edge, patience_s, probe=probe)
    free = Side(Sandbox.OFF, edge, patience_s, probe=probe)
    try:
        for path in paths:
            if not _is_file(path):
                account.skipped += 1
                continue
            pair = caged.outcome(path), free.outcome(path)
            if pair[0] != pair[1] or pair[0].died:
                again = caged.outcome(path, alone=True), free.outcome(path, alone=True)
                if again[0] != again[1]:
                    account.differences[path] = _in_words(again)
                elif pair[0] != pair[1]:
                    account.unsteady[path] = _in_words(pair)
                pair = again
            account.count(pair[0])
    finally:
        caged.close()
        free.close()
    account.late = dict(caged.late)
    return account


def _in_words(pair: tuple[Outcome, Outcome]) -> tuple[str, str]:
    """Both; in full where they would read the same."""
    first, second = map(str, pair)
    return (first, second) if first != second else (repr(pair[0]), repr(pair[1]))


def denials(
    paths: Iterable[bytes], edge: int = 256, patience_s: float = 600.0, probe: Path = _PROBE
) -> dict[str, Counter[bytes]]:
    """Which calls the kernel denied a renderer behind its door, and for which files; b"" is its start and its end."""
    found: dict[str, Counter[bytes]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory(prefix="thumbd-") as folder:
        trace = Path(folder) / "trace"
        side = Side(Sandbox.REQUIRE, edge, patience_s, trace, probe)
        try:
            for path in filter(_is_file, paths):
                side.outcome(path)
        finally:
            side.close()
        with trace.open(errors="replace") as lines:
            for pid, at, call, error in (match.groups() for line in lines if (match := _DENIED.match(line))):
                whose = _whose(int(pid), float(at), side)
                if whose is not None:
                    found[f"{call} {error}"][whose] += 1
    return dict(found)


def _whose(pid: int, when: float, side: Side) -> bytes | None:
    """For which file it worked then: b"" when it made itself ready behind its door, or left; None before it was closed."""
    for began, ended, path in side.spans:
        if began <= when <= ended:
            return path
    return b"" if when >= side.locked.get(pid, when + 1) else None


def _is_file(path: bytes) -> bool:
    """What a scout would hand to a renderer: a file that can be read, also through a link."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK)
    except OSError:
        return False


def told(account: Account) -> Iterator[str]:
    """The account for a person to read."""
    for title, found in (("differs", account.differences), ("differs in company", account.unsteady)):
        for path, (with_it, without) in found.items():
            yield f"{title}: {shown(path)}\n  with the cage     {with_it}\n  without           {without}"
    for name, paths in sorted(account.late.items()):
        yield f"imported behind the door: {name} ({len(paths)} files, such as {shown(min(paths)) or 'at its start'})"
    for call, by in sorted(account.denied.items()):
        yield f"denied: {call} ({by.total()} times, {len(by)} files, such as {shown(min(by)) or 'when it starts or leaves'})"
    yield "  ".join(f"{name} {count}" for name, count in sorted(account.outcomes.items()))
    yield (
        f"{account.files} files ({account.skipped} names that are no readable file): {len(account.differences)} differ,"
        f" {len(account.unsteady)} in company alone; {len(account.late)} late imports"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--patience", type=float, default=120.0, metavar="S", help="a renderer that is silent so long")
    parser.add_argument("--strace", action="store_true", help="also tell which system calls are denied")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all that was found")
    given = parser.parse_args()
    folders = given.folders or [folder for folder in (corpus_folder(),) if folder]
    if not folders or not all(folder.is_dir() for folder in folders):
        sys.exit("name a folder of pictures, or have THUMBD_CORPUS name one")
    if given.strace and shutil.which("strace") is None:
        sys.exit("--strace needs strace, which is not installed (Debian: strace)")
    try:
        account = compare(files_below(folders), given.edge, given.patience)
        if given.strace:
            account.denied = denials(files_below(folders), given.edge)
    except Gone as gone:
        sys.exit(f"a renderer does not become ready: {gone}")
    for line in told(account):
        print(line)  # noqa: T201
    if given.json is not None:
        given.json.write_text(json.dumps(account.as_json(), indent=2))
    sys.exit(0 if account.good else 1)


if __name__ == "__main__":
    main()
