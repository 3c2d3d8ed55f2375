"""The command line: options in, one call to `byod.api`, and what to print. Nothing heavy is imported up here."""

from __future__ import annotations

import gc
import io
import sys
import warnings
from typing import IO, Annotated, Protocol, runtime_checkable

import typer

from byod import __version__
from byod.cli import add, collect, convert, datasets, evaluate, output, review, serve, sources, system, train

__all__ = ["app", "main"]

app = typer.Typer(
    name="byod",
    help="Bring your own data: from two words to a picture model you can trust and give away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        output.put(f"byod {__version__}")
        raise typer.Exit


@app.callback()
def byod(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Bring your own data: from two words to a picture model you can trust and give away."""


for room in (collect, add, convert, datasets, review, train, evaluate, serve, sources, system):
    room.register(app)


@runtime_checkable
class _Mistyped(Protocol):
    """An error of click, which typer brings along under a name of its own: it shows itself."""

    exit_code: int

    def show(self, file: IO[str] | None = None) -> None:
        """Write the usage and what is wrong."""


def main() -> None:
    """The `byod` command."""
    # what Pillow thinks of a stranger's metadata is nobody's concern: each picture has its own reason
    warnings.filterwarnings("ignore", module=r"PIL\.")
    gc.set_threshold(50_000, 20, 20)  # records by the hundred thousand, and hardly a cycle among them
    output.ready_streams()
    sys.excepthook = output.say_traceback
    try:
        code = typer.main.get_command(app)(standalone_mode=False)
    except typer.Abort:
        output.say("Aborted!")
        code = 1
    except Exception as error:
        if isinstance(error, _Mistyped):
            sys.exit(_say_mistyped(error))
        raise
    sys.exit(code)


def _say_mistyped(error: _Mistyped) -> int:
    """Say what was typed wrongly, which may be the name of a file; returns the exit code."""
    said = io.StringIO()
    error.show(said)
    for line in said.getvalue().splitlines():
        output.say(line)
    return error.exit_code
