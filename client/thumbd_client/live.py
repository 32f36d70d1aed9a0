"""How a run of ``thumbctl render`` is shown on a terminal: a bar, counts, rate and time left."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from thumbd_protocol.items import ItemUpdate, Progress

from .show import in_words, summary_lines
from .summary import Summary


class Live:
    """A bar on a terminal."""

    def __init__(self) -> None:
        self._console = console = Console(highlight=False)
        self._bar = Bar(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("", total=None, words="looking for pictures")
        self._bar.start()

    def item(self, item: ItemUpdate) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        words = in_words(progress).partition(" · ")[2]
        self._bar.update(self._task, completed=progress.done, total=progress.total, words=words)

    def note(self, text: str) -> None:
        self._console.print(text, style="yellow", highlight=False, markup=False)

    def close(self, summary: Summary) -> None:
        self._bar.stop()
        *reasons, last = summary_lines(summary)
        for line in reasons:
            self._console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
        self._console.print(last, style="bold", highlight=False, markup=False, soft_wrap=True)

    def break_off(self, summary: Summary) -> None:
        if summary.total:
            self.close(summary)
        else:
            self._bar.stop()  # the terminal has its cursor back
