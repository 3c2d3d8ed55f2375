"""Commands about this machine: doctor and demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byod.cli.output import Json, errors_in_one_line, print_result, put, say

_SIGNS = {"ok": "✓", "note": "·", "fault": "✗"}


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("doctor")(doctor)
    app.command("demo")(demo)


@errors_in_one_line
def doctor(
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask each source one cheap question as well, and say what it answered: key, what is left of its "
            "allowance, certificate.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this installation, and what to do."""
    from byod.cli.doctor import Diagnosis, examine, examine_online
    from byod.schema.config import Settings

    settings = Settings.load()
    findings: list[Diagnosis] = []

    def told(finding: Diagnosis) -> None:
        findings.append(finding)
        if not as_json:
            remedy = f" — {finding.remedy}" if finding.remedy else ""
            put(f"{_SIGNS[finding.level]} {finding.what}{remedy}")

    for finding in examine(settings):
        told(finding)
    if online:
        say("asking the sources …")
        for finding in examine_online(settings):
            told(finding)
    if as_json:
        print_result([finding.model_dump() for finding in findings])
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
