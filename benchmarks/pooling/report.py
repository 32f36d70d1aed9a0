"""What was measured, as markdown tables and as a plot."""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

#: The name of the case in which workers are killed again and again.
STEADY: Final = "a kill every {} s"
#: Whom the others' CPU is compared with.
_BESIDE: Final = "ProcessPoolExecutor"


@dataclass
class Run:
    """One contender's run of `tasks` tasks: outcomes, seconds until it was over and until the last result.

    CPU is seconds of the timed part and of all before it, and milliseconds of an empty task (None where that was not
    measured); `how` says how its workers are started, `errors` counts them by name, `kills` workers killed.
    """

    tasks: int
    done: int
    failed: int
    never: int
    wall_s: float
    last_s: float
    cpu_s: float
    start_cpu_s: float
    empty_cpu_ms: float | None
    how: str
    errors: dict[str, int] = field(default_factory=dict)
    kills: int = 0

    @property
    def per_s(self) -> float:
        """Pictures a second, until the last result."""
        return self.done / self.last_s if self.last_s else 0.0

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a task."""
        return self.cpu_s * 1000 / self.tasks


@dataclass
class Figures:
    """All runs by contender: `clean` ones, and those of each case with kills."""

    cores: int
    python: str
    clean: dict[str, list[Run]]
    killed: dict[str, dict[str, list[Run]]]

    @classmethod
    def read(cls, text: str) -> Self:
        """From the JSON of them."""
        raw = json.loads(text)
        clean = {name: [Run(**run) for run in runs] for name, runs in raw["clean"].items()}
        killed = {
            case: {name: [Run(**run) for run in runs] for name, runs in by_name.items()}
            for case, by_name in raw["killed"].items()
        }
        return cls(raw["cores"], raw["python"], clean, killed)

    def beside(self, name: str) -> list[float]:
        """CPU a task of `name`, each round's divided by that of ProcessPoolExecutor in the same round."""
        other = self.clean.get(_BESIDE, [])
        return [run.cpu_ms / base.cpu_ms for run, base in zip(self.clean[name], other, strict=False)]


def _spread(values: Sequence[float], digits: int) -> str:
    """Median (least to most)."""
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _of(runs: Sequence[Run], value: Callable[[Run], float]) -> list[float]:
    return [value(run) for run in runs]


def _errors(runs: Sequence[Run]) -> str:
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.errors)
    return ", ".join(f"{name} {count:,}" for name, count in total.most_common(2)) or "-"


def markdown(figures: Figures) -> str:
    """Two tables: undisturbed (medians and spread), and with kills (sums over the rounds)."""
    lines = [*_clean_table(figures)]
    if figures.killed:
        lines += ["", *_killed_table(figures)]
    return "\n".join(lines)


def _head(*cells: str) -> list[str]:
    return [_row(cells), "|---" * len(cells) + "|"]


def _clean_table(figures: Figures) -> Iterator[str]:
    yield from _head(
        "contender",
        "workers by",
        "tasks/s",
        "CPU ms a task",
        f"of {_BESIDE}'s, same round",
        "CPU ms an empty task",
        "CPU s to start",
    )
    for name, runs in figures.clean.items():
        yield _row(
            (
                name,
                runs[0].how,
                _spread(_of(runs, lambda run: run.per_s), 1),
                _spread(_of(runs, lambda run: run.cpu_ms), 2),
                _spread(figures.beside(name), 3),
                _spread([run.empty_cpu_ms for run in runs if run.empty_cpu_ms is not None], 2),
                f"{statistics.median(run.start_cpu_s for run in runs):.1f}",
            )
        )


def _killed_table(figures: Figures) -> Iterator[str]:
    yield from _head("killed", "contender", "workers killed", "done", "failed", "never resolved", "done/s", "errors")
    for case, by_name in figures.killed.items():
        for name, runs in by_name.items():
            counts = [f"{sum(_of(runs, value)):,.0f}" for value in (_killed, _done, _failed, _never)]
            yield _row((case, name, *counts, _spread(_of(runs, lambda run: run.per_s), 1), _errors(runs)))


def _killed(run: Run) -> float:
    return run.kills


def _done(run: Run) -> float:
    return run.done


def _failed(run: Run) -> float:
    return run.failed


def _never(run: Run) -> float:
    return run.never


# -- the plot -------------------------------------------------------------------------------------------------------

_WIDTH: Final = 860
_NAMES: Final = 172
_ROW: Final = 30
_BAR: Final = 16
#: A card with a ground of its own is read on any page, whatever that page's theme is.
_STYLE: Final = """
  .card { fill: #ffffff; stroke: #d1d9e0 }
  text { fill: #1f2328; font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 13px }
  .title { font-weight: 600 } .small { fill: #59636e; font-size: 12px } .right { text-anchor: end }
  .grid { stroke: #d1d9e0 } .whisker { stroke: #1f2328 }
  .ours { fill: #0a7ea4 } .others { fill: #8c959f } .done { fill: #0969da } .failed { fill: #bf8700 }
  .never { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .small { fill: #9198a1 }
    .grid { stroke: #3d444d } .whisker { stroke: #f0f6fc }
    .ours { fill: #39c5cf } .others { fill: #6e7681 } .done { fill: #4493f8 } .failed { fill: #d29922 }
    .never { fill: #f85149 }
  }
"""


def _text(x: float, y: float, kind: str, words: str) -> str:
    escaped = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escaped}</text>'


def _rect(x: float, y: float, width: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}" class="{kind}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


class _Drawing:
    """Bars below each other; `y` is where the next one goes."""

    def __init__(self) -> None:
        self.y = 34.0
        self._parts: list[str] = []
        self._left = 20.0 + _NAMES
        self._room = _WIDTH - self._left - 150

    def title(self, words: str, note: str) -> None:
        self._parts += [_text(20, self.y, "title", words), _text(20, self.y + 19, "small", note)]
        self.y += 34

    def measured(self, name: str, values: Sequence[float], most: float, kind: str) -> None:
        """A bar for the median with a whisker from the least to the most."""
        scale, middle = self._room / most, statistics.median(values)
        low, high = (self._left + scale * value for value in (min(values), max(values)))
        self._parts += [
            self._name(name),
            _rect(self._left, self.y, scale * middle, kind),
            _line(low, self.y + _BAR / 2, high, self.y + _BAR / 2, "whisker"),
            *(_line(x, self.y + 4, x, self.y + _BAR - 4, "whisker") for x in (low, high)),
            _text(max(high, self._left + scale * middle) + 8, self.y + 13, "", f"{middle:.1f}"),
        ]
        self.y += _ROW

    def shares(self, name: str, parts: Sequence[tuple[str, float]], words: str) -> None:
        """A bar as long as all others, made of parts (class, count)."""
        total, x = sum(count for _kind, count in parts) or 1.0, self._left
        self._parts.append(self._name(name))
        for kind, count in parts:
            width = self._room * count / total
            if count:
                self._parts.append(_rect(x, self.y, max(width, 1.5), kind))
            x += width
        self._parts.append(_text(self._left + self._room + 8, self.y + 13, "", words))
        self.y += _ROW

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        x = self._left
        for kind, words in entries:
            self._parts += [_rect(x, self.y, _BAR, kind), _text(x + 22, self.y + 13, "small", words)]
            x += 130
        self.y += _ROW

    def axis(self, top: float) -> None:
        """The line that all bars since `top` begin at."""
        self._parts.append(_line(self._left, top - 5, self._left, self.y - 9, "grid"))

    def _name(self, name: str) -> str:
        return _text(self._left - 10, self.y + 13, "right", name)

    def whole(self) -> str:
        height = self.y + 4
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}"'
            f' viewBox="0 0 {_WIDTH} {height:.0f}" role="img">\n'
            "<title>thumbd's pool beside ProcessPoolExecutor, loky and pebble</title>\n"
            f"<style>{_STYLE}</style>\n"
            f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1:.0f}" rx="6" class="card"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def svg(figures: Figures) -> str:
    """CPU a task undisturbed, and what became of the tasks when workers were killed."""
    drawing = _Drawing()
    rounds = max(len(runs) for runs in figures.clean.values())
    drawing.title("CPU a task, milliseconds", f"all processes together; median of {rounds} rounds, least to most")
    top, most = drawing.y, max(run.cpu_ms for runs in figures.clean.values() for run in runs)
    for name, runs in figures.clean.items():
        drawing.measured(name, _of(runs, lambda run: run.cpu_ms), most, "ours" if "thumbd" in name else "others")
    drawing.axis(top)
    for case, by_name in figures.killed.items():
        drawing.y += 26
        drawing.title(f"Workers killed: {case}", "what became of the tasks, all rounds together")
        top = drawing.y
        for name, runs in by_name.items():
            done, failed, never = (sum(_of(runs, value)) for value in (_done, _failed, _never))
            total = done + failed + never
            words = f"{done:,.0f} of {total:,.0f} done"
            drawing.shares(name, (("done", done), ("failed", failed), ("never", never)), words)
        drawing.axis(top)
    if figures.killed:
        drawing.legend((("done", "done"), ("failed", "failed"), ("never", "never resolved")))
    return drawing.whole()
