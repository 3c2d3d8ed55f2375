"""Print results to stdout, everything else to stderr, and errors as one line with an exit code.

All that byod prints goes through here (and progress through `byod.api.progress_display`): names and words of strangers
are written so that they cannot steer the terminal, whatever the encoding of the stream is.
"""

from __future__ import annotations

import errno
import functools
import io
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from contextvars import ContextVar
from types import TracebackType
from typing import Annotated, Any, TextIO, TypeVar

import typer

from byod.schema import names
from byod.schema.errors import ByodError

_AMISS = {
    "ENOSPC": "make room there",
    "EDQUOT": "remove some of your files there, or ask for a larger quota",
    "EROFS": "choose a folder that can be written to",
    "EACCES": "see who owns it, or choose another folder",
    "EPERM": "see who owns it, or choose another folder",
    "EIO": "see that the disk is there and sound",
    "ENXIO": "see that the disk is there",
    "ENODEV": "see that the disk is there",
    "ESTALE": "the network drive was away: see that it is there",
    "ETIMEDOUT": "the network drive does not answer: see that it is there",
    "EHOSTDOWN": "the network drive does not answer: see that it is there",
    "ENOLCK": "this network drive has no locks to give: move the dataset to a disk of this machine",
    "EFBIG": "the file system, or a limit of this account, allows no file of this size: move it to another disk",
    "EMFILE": "close other programs, or raise the limit of open files (ulimit -n)",
    "ENFILE": "close other programs: this machine has no more files to open",
    "ENOMEM": "close other programs: this machine has no memory left",
    "EXDEV": "its parts lie on two disks: move them to one",
    "EBUSY": "another program is using it: close that program",
    "ETXTBSY": "another program is using it: close that program",
    "ENAMETOOLONG": "choose a shorter name, or a folder that lies less deep",
    "EILSEQ": "this file system cannot hold the name: rename it",
    "ELOOP": "links lead round in a circle there: remove them",
}
_OUTSIDE = {getattr(errno, name): advice for name, advice in _AMISS.items() if hasattr(errno, name)}
"""What is wrong with the disk and not with byod, by its number, and what to do about it."""

_answers: ContextVar[TextIO | None] = ContextVar("_answers", default=None)
"""Where a JSON document belongs while a command with --json runs."""

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


FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="Also read pictures that lie behind links (or BYOD_FOLLOW_LINKS=1); nothing is changed there.",
    ),
]


def errors_in_one_line(command: F) -> F:
    """Turn byod's own errors into one line and an exit code, and Ctrl-C into 130; all else keeps its traceback.

    With --json, what others print to stdout meanwhile (a trainer, a client of a hub) goes to stderr.
    """

    @functools.wraps(command)
    def spoken(*args: Any, **kwargs: Any) -> Any:
        try:
            if kwargs.get("as_json"):
                return _answering(command, *args, **kwargs)
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
            where = names.in_utf8(os.fsdecode(error.filename)) if error.filename is not None else "writing"
            say(
                f"byod: {where}: {error.strerror}; {_OUTSIDE[error.errno]}. No data was lost: then run the same command"
                " again"
            )
            raise typer.Exit(1) from None

    return spoken  # type: ignore[return-value]


def _answering(command: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    before = _answers.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            return command(*args, **kwargs)
    finally:
        _answers.reset(before)


def ready_streams() -> None:
    """See that a sign which the encoding of a stream lacks is written out, and never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """One line to stderr."""
    _write(sys.stderr, names.shown(line))


def put(line: str) -> None:
    """One line of a result to stdout."""
    _write(sys.stdout, names.shown(line))


def say_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of a fault in byod to stderr (a `sys.excepthook`)."""
    _write(
        sys.stderr, names.shown("".join(traceback.format_exception(kind, error, trace)).rstrip(), lines=True)
    )


def _write(stream: TextIO, text: str) -> None:
    # not click's echo, which writes UTF-8 where it takes the encoding of the stream for a mistake
    stream.write(f"{text}\n")
    stream.flush()


def print_result(document: Any) -> None:
    """One JSON document to stdout: valid whatever names it holds, and in ASCII where the stream is not UTF-8."""
    stream = _answers.get() or sys.stdout
    in_ascii = (stream.encoding or "utf-8").lower().replace("-", "") != "utf8"
    written = json.dumps(_plain(document), ensure_ascii=in_ascii, indent=2, allow_nan=False)
    _write(stream, names.shown_json(written))


def _plain(value: Any) -> Any:
    """A value of a document as JSON has it: a number that is none becomes null, a byte that is not UTF-8 is escaped."""
    if isinstance(value, Mapping):
        return {names.in_utf8(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else names.in_utf8(str(value))


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
        drawn.add_column(Text(names.shown(column)), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(names.shown(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # whoever reads a file or a pipe does not want columns folded
    console.print(Text(names.shown(title), style="bold"))
    console.print(drawn)
