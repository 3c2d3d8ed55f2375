"""The command line: options in, one call to `byod.api`, and what to print. Nothing heavy is imported up here."""

from __future__ import annotations

import gc
import warnings
from typing import Annotated

import typer

from byod import __version__
from byod.cli import collect, convert, datasets, evaluate, review, serve, system, train

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
        typer.echo(f"byod {__version__}")
        raise typer.Exit


@app.callback()
def byod(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Bring your own data: from two words to a picture model you can trust and give away."""


for room in (collect, convert, datasets, review, train, evaluate, serve, system):
    room.register(app)


def main() -> None:
    """The `byod` command."""
    # what Pillow thinks of a stranger's metadata is nobody's concern: each picture is judged by its reason
    warnings.filterwarnings("ignore", module=r"PIL\.")
    gc.set_threshold(50_000, 20, 20)  # records by the hundred thousand, and hardly a cycle among them
    app()
