"""Progress of a verb for whoever looks on: a live table on a terminal or in a notebook, else a line now and then."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from byod.schema import names
from byod.schema.records import Record

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from byod.collection.pipeline import ClassTally
    from byod.schema.recipe import Recipe

LOG = logging.getLogger("byod")
"""Gets the lines that nobody is to see (`progress=False`), at the level INFO."""
_COLUMNS = ("class", "", "offered", "fetched", "kept", "refused")
_MOST = 20
"""So many classes are named in one line."""
_NUMBERS = ("offered", "fetched", "kept")


class Row(Record):
    """One bar: whose it is, how much is done of how much, and the numbers beside it."""

    name: str
    done: int
    total: int
    cells: tuple[str, ...] = ()


class Log:
    """Shows nothing: lines go to the logger `byod`."""

    seconds = float("inf")

    def say(self, line: str) -> None:
        """Note a line."""
        LOG.info(line)

    def draw(self, rows: Sequence[Row]) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Leave nothing behind."""


class Lines:
    """Lines on stderr, for a file or a pipe."""

    seconds = 10.0

    def say(self, line: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def draw(self, rows: Sequence[Row]) -> None:
        """Write how far all of it is, in one line."""
        if all(row.cells for row in rows):
            told = " · ".join(f"{r.name}: {r.cells[1]} fetched, {r.cells[2]} kept" for r in rows[:_MOST])
            self.say(told + (f" · and {len(rows) - _MOST} more" if len(rows) > _MOST else ""))
        else:
            self.say(" · ".join(f"{row.name}: {row.done} of {row.total}" for row in rows))

    def close(self) -> None:
        """Leave the lines as they are."""


class Terminal:
    """A live table below the lines on stderr, with rich."""

    seconds = 0.1

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._live = Live(console=console, refresh_per_second=8)
        self._drawing = False

    def say(self, line: str) -> None:
        """Write a line; above the table where there is one."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def draw(self, rows: Sequence[Row]) -> None:
        """Draw the table anew."""
        if not self._drawing:
            self._live.start()
            self._drawing = True
        self._live.update(_table(rows))

    def close(self) -> None:
        """Leave the last table standing."""
        if self._drawing:
            self._live.stop()


class Notebook:
    """One output of a notebook's cell, drawn anew: the lines, and a bar for each row."""

    seconds = 0.25

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rows: Sequence[Row] = ()
        self._handle: Any = None

    def say(self, line: str) -> None:
        """Add a line."""
        self._lines.append(line)
        self._show()

    def draw(self, rows: Sequence[Row]) -> None:
        """Draw the bars anew."""
        self._rows = rows
        self._show()

    def close(self) -> None:
        """Leave the output as it is."""

    def _show(self) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        """The lines alone, where no HTML is shown."""
        return "\n".join(self._lines)

    def _repr_html_(self) -> str:
        lines = "\n".join(escape(line) for line in self._lines)
        bars = "".join(
            f'<tr><td style="text-align:left">{escape(row.name)}</td>'
            f'<td><progress value="{row.done}" max="{max(1, row.total)}"></progress></td>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells)
            + "</tr>"
            for row in self._rows
        )
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        head = f"<thead><tr>{head}</tr></thead>" if any(row.cells for row in self._rows) else ""
        table = f"<table>{head}<tbody>{bars}</tbody></table>" if bars else ""
        return f"<pre>{lines}</pre>{table}" if lines else table


class ProgressDisplay:
    """The progress of a verb while it runs; `say`, `epoch` and `share` are given to it, and what `watch` makes."""

    def __init__(self, screen: Log | Lines | Terminal | Notebook) -> None:
        self.screen = screen
        # the first state is worth no line of its own where lines stay
        self._last = time.monotonic() if isinstance(screen, Lines) else 0.0
        self._pending: Callable[[], Sequence[Row]] | None = None

    def say(self, line: str) -> None:
        """Show a line, which may hold strangers' words."""
        self.screen.say(names.shown(line))

    def watch(self, recipe: Recipe | None = None) -> Callable[[Mapping[str, ClassTally]], None]:
        """A function that takes the tallies of a collection; classes have the names they have in a recipe."""
        shown = {} if recipe is None else {label: entry.name for label, entry in recipe.classes.items()}

        def watching(tallies: Mapping[str, ClassTally]) -> None:
            self._draw(lambda: [_row(shown.get(label, label), tally) for label, tally in tallies.items()])

        return watching

    def epoch(self, numbers: Mapping[str, object]) -> None:
        """One epoch, one line, with the trainer's own numbers."""
        parts = [str(numbers["part"])] if numbers.get("part") else []
        parts.append(f"epoch {numbers.get('epoch')}")
        for key in ("train_loss", "valid_loss", "accuracy"):
            value = numbers.get(key)
            if isinstance(value, float | int):
                parts.append(f"{key} {value:.4f}")
        if isinstance(seconds := numbers.get("seconds"), float | int):
            parts.append(f"{seconds:.1f} s")
        self.say("  ".join(parts))

    def share(self, done: int, total: int) -> None:
        """The count of pictures that are in Label Studio, of all."""
        self._draw(lambda: [Row(name="pictures in Label Studio", done=done, total=total)])

    def _draw(self, made: Callable[[], Sequence[Row]]) -> None:
        """Draw at most as often as the screen can bear; the last state is drawn at the end."""
        now = time.monotonic()
        if isinstance(self.screen, Log):
            return
        self._pending = made
        if now - self._last >= self.screen.seconds:
            self.screen.draw(made())
            self._pending, self._last = None, now

    def close(self) -> None:
        """Leave the last state standing."""
        if self._pending is not None and not isinstance(self.screen, Lines):
            self.screen.draw(self._pending())
        self.screen.close()


@contextlib.contextmanager
def progress_display(progress: bool) -> Iterator[ProgressDisplay]:
    """The display of one call of a verb: as fits where it runs, or none."""
    display = ProgressDisplay(_screen() if progress else Log())
    with warnings.catch_warnings():
        # what Pillow thinks of a stranger's metadata is nobody's concern: each picture has its own reason
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield display
        finally:
            display.close()


def _screen() -> Lines | Terminal | Notebook:
    if _in_notebook():
        return Notebook()
    if not sys.stderr.isatty():
        return Lines()
    from rich.console import Console

    console = Console(stderr=True)
    return Terminal(console) if console.is_terminal else Lines()


def _in_notebook() -> bool:
    """True if a kernel of Jupyter runs this; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _row(name: str, tally: ClassTally) -> Row:
    refused = ", ".join(f"{number} {reason}" for reason, number in tally.refused.most_common(4))
    return Row(
        name=names.shown(name),
        done=tally.kept
        if tally.wanted
        else tally.fetched,  # without a limit, nothing is kept until all are here
        total=tally.wanted or tally.offered,
        cells=(str(tally.offered), str(tally.fetched), str(tally.kept), names.shown(refused)),
    )


def _table(rows: Sequence[Row]) -> RenderableType:
    from rich import box
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(row.cells for row in rows))
    width = 2 + max((len(row.cells) for row in rows), default=0)
    for column in _COLUMNS[:width]:
        drawn.add_column(column, justify="right" if column in _NUMBERS else "left")
    for row in rows:
        bar = ProgressBar(total=max(1, row.total), completed=row.done, width=24)
        drawn.add_row(Text(row.name), bar, *(Text(cell) for cell in row.cells))
    return drawn
