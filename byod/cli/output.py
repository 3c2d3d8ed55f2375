"""Print results to stdout, everything else to stderr, and errors as one line with an exit code."""

from __future__ import annotations

import errno
import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from byod.schema.errors import ByodError

_OUTSIDE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""What is wrong with the disk and not with byod: it is full, or not ours to write on."""

F = TypeVar("F", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
Named = Annotated[
    str | None,
    typer.Argument(metavar="[DATASET]", help="A dataset folder; default: the one byod last wrote to."),
]

StudioUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="ADDRESS",
        help="A Label Studio that runs already (or BYOD_LABEL_STUDIO_URL); default: byod's own, on this machine.",
    ),
]
StudioToken = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        help="Your token there (better: BYOD_LABEL_STUDIO_TOKEN, which nobody sees).",
    ),
]


def errors_in_one_line(command: F) -> F:
    """Turn byod's own errors into one line and an exit code, and Ctrl-C into 130; all else keeps its traceback."""

    @functools.wraps(command)
    def spoken(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ByodError as error:
            say(f"byod: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            say("stopped; no data was lost: run the same command again to continue")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            sys.stderr.close()  # whoever read us has enough
            raise typer.Exit(0) from None
        except OSError as error:
            if error.errno not in _OUTSIDE:
                raise
            say(
                f"byod: {error.filename or 'writing'}: {error.strerror}; no data was lost; fix this and run the "
                "command again"
            )
            raise typer.Exit(1) from None

    return spoken  # type: ignore[return-value]


def say(line: str) -> None:
    """One line to stderr."""
    typer.echo(line, err=True)


def print_result(document: Any) -> None:
    """One JSON document to stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0
) -> None:
    """A table to stdout; the last `numbers` columns are aligned right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        right = place >= len(columns) - numbers
        drawn.add_column(Text(column), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # whoever reads a file or a pipe does not want columns folded
    console.print(Text(title, style="bold"))
    console.print(drawn)
