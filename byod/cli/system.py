"""Commands about this machine: doctor and demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byod.cli.output import Json, errors_in_one_line, print_result, put


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("doctor")(doctor)
    app.command("demo")(demo)


@errors_in_one_line
def doctor(as_json: Json = False) -> None:
    """Say what is wrong with this installation, and what to do."""
    from byod.cli.doctor import examine
    from byod.schema.config import Settings

    findings = examine(Settings.load())
    if as_json:
        print_result([finding.model_dump() for finding in findings])
    else:
        signs = {"ok": "✓", "note": "·", "fault": "✗"}
        for finding in findings:
            remedy = f" — {finding.remedy}" if finding.remedy else ""
            put(f"{signs[finding.level]} {finding.what}{remedy}")
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)


@errors_in_one_line
def demo(
    folder: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="Where the demo leaves its dataset.")
    ] = Path("byod-demo"),
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Class folders of your own to plant the trouble among (default: pictures are drawn).",
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop after this step: collect (default: go on).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the whole road, offline: plant trouble, serve it on loopback, collect, train, predict, compare."""
    from byod.cli.demo import demo as show

    show(folder, pictures, only, as_json)
