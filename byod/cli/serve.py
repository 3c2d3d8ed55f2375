"""The command that serves a model to other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import byod
from byod.cli.output import Json, StudioToken, StudioUrl, errors_in_one_line, print_result

if TYPE_CHECKING:
    from byod.api.serve import Page, Place


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("serve")(serve)


@errors_in_one_line
def serve(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="A run, or a dataset (its latest run); default: the latest run."
        ),
    ] = None,
    label_studio: Annotated[
        bool,
        typer.Option(
            "--label-studio", help="No page: show what the run thinks to people who label in Label Studio."
        ),
    ] = False,
    url: StudioUrl = None,
    token: StudioToken = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where the page listens. Another address than this one, like 0.0.0.0 for all of this machine's, lets"
            " in everybody who can reach it: without a password, and unencrypted.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            metavar="PORT",
            help="Which port; default: 8000 (9090 for Label Studio), or any that is free.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which others call this machine; repeat for several (its address always works with --host).",
        ),
    ] = None,
    allow_reports: Annotated[
        bool,
        typer.Option(
            "--allow-reports",
            help="Keep pictures that people report as wrong, with what they really show, in the run's dataset.",
        ),
    ] = False,
    unsure_below: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="PROBABILITY", help='Below this probability the page says "none of these".'
        ),
    ] = 0.7,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Use the model of all pictures, which is not measured (train --refit)."),
    ] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Show a web page on which a run says what it thinks of pictures, until Ctrl-C; or let it answer a Label Studio."""
    from byod.schema.errors import UsageError

    if label_studio and open_it:
        raise UsageError("--open is about the page, not --label-studio")

    def ready(page: Page | Place) -> None:
        if as_json:
            print_result(page.model_dump(mode="json"))
        if open_it:
            typer.launch(page.url)

    byod.Run(run, refit=refit).serve(
        label_studio=label_studio,
        url=url,
        token=token,
        host=host,
        port=port,
        names=name or (),
        allow_reports=allow_reports,
        unsure_below=unsure_below,
        ready=ready,
    )
