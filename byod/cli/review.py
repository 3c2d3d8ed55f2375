"""`byod review`: labels in front of people, and their verdicts back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byod.cli.output import Json, StudioToken, StudioUrl, errors_in_one_line, print_result, print_table, say

if TYPE_CHECKING:
    from byod.api.review import ReviewRequest, ReviewSession, ServerChoice, Standing
    from byod.labeling.pull import Pulled
    from byod.labeling.push import Pushed
    from byod.schema.config import Settings

ACTIONS = ("open", "push", "pull", "status", "undo", "close")


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("review")(review)


@errors_in_one_line
def review(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[open|push|pull|status|undo|close] [DATASET]",
            help="Without a verb: open, push, and pull what people say until Ctrl-C.",
        ),
    ] = None,
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Ask about the labels that a cross-validated probe doubts.")
    ] = False,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Ask only about pictures claimed by several classes.")
    ] = False,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="The pictures the latest run is least sure of come first.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Show what this run says of each picture (a run's folder, or a dataset); default: no run is asked.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Ask about so many pictures, drawn at random (default: about all of them).",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Ask only about the first so many (default: about all of them)."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also ask about pictures that somebody reviewed already.")
    ] = False,
    url: StudioUrl = None,
    token: StudioToken = None,
    files_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder that server shows local files from; without it, previews are uploaded.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Put labels in front of people in Label Studio, and bring their verdicts back into the class folders."""
    from byod.api.review import ReviewRequest, ServerChoice
    from byod.dataset import dataset_folder
    from byod.schema.config import Settings
    from byod.schema.errors import UsageError

    verb, named = _split(words or [])
    settings = Settings.load()
    where = ServerChoice(url=url, token=token, files=files_root)
    asked = ReviewRequest(
        suspects=suspects,
        conflicts=conflicts,
        uncertain=uncertain,
        run=run,
        sample=sample,
        limit=limit,
        again=again,
    )
    if suspects and (conflicts or uncertain or run):
        raise UsageError("--suspects goes alone: it brings its own order and opinions")
    if verb == "close":
        _close(settings, as_json)
        return
    folder = dataset_folder.find(named)
    if verb == "":
        _whole(folder, where, asked, settings, no_browser)
    elif verb == "open":
        _open(folder, where, settings, no_browser, as_json)
    elif verb == "push":
        _push(folder, where, asked, settings, as_json)
    elif verb == "pull":
        _pull(folder, where, settings, as_json)
    elif verb == "status":
        _status(folder, where, settings, as_json)
    else:
        _undo(folder, as_json)


def _split(words: Sequence[str]) -> tuple[str, str | None]:
    """The verb and the dataset among what was typed."""
    from byod.schema.errors import UsageError

    rest = list(words)
    verb = rest.pop(0) if rest and rest[0] in ACTIONS else ""
    if len(rest) > 1:
        raise UsageError(f"{' '.join(rest)!r}: name one dataset, after one of: {', '.join(ACTIONS)}")
    return verb, rest[0] if rest else None


def _whole(
    folder: Path, where: ServerChoice, asked: ReviewRequest, settings: Settings, no_browser: bool
) -> None:
    """Open, push, and pull until Ctrl-C."""
    from byod.api import review

    with review.at(where, settings, say) as session:
        pushed = _pushed(folder, session, asked, settings)
        _print_pushed(pushed)
        projects = [one.project for one in pushed] or review.addresses(folder, session, say=say)
        address = projects[0].stream if projects else session.studio.url
        _enter(session, address, no_browser)
        say("verdicts come back into the class folders every few seconds; Ctrl-C ends it")
        review.watch(folder, session, say=say, tell=_print_pulled)


def _open(folder: Path, where: ServerChoice, settings: Settings, no_browser: bool, as_json: bool) -> None:
    from byod.api import review

    with review.at(where, settings, say, stay=True) as session:
        projects = review.addresses(folder, session, say=say)
        address = projects[0].stream if projects else session.studio.url
        if as_json:
            document = {"url": session.studio.url, "email": session.email, "password": session.password}
            print_result(
                {
                    **document,
                    "projects": [one.model_dump(mode="json", exclude={"config"}) for one in projects],
                }
            )
        else:
            for one in projects:
                typer.echo(f"{one.purpose}: {one.url} ({one.tasks} pictures)")
            if not projects:
                typer.echo("nothing is asked there yet: byod review push")
        _enter(session, address, no_browser or as_json)
        if session.server == review.OWN:
            say("it stays until you stop it: byod review close")


def _enter(session: ReviewSession, address: str, no_browser: bool) -> None:
    """Say where to go and how to enter; open the browser there."""
    say(f"Look at {address}")
    if session.password:
        say(f"Log in as {session.email} with the password {session.password}")
    if not no_browser:
        typer.launch(address)


def _pushed(folder: Path, session: ReviewSession, asked: ReviewRequest, settings: Settings) -> list[Pushed]:
    from byod.api import review

    with _Bar() as progress:
        return review.push(folder, session, asked, settings.cache / "pixels", say=say, progress=progress)


def _push(folder: Path, where: ServerChoice, asked: ReviewRequest, settings: Settings, as_json: bool) -> None:
    from byod.api import review

    with review.at(where, settings, say) as session:
        pushed = _pushed(folder, session, asked, settings)
        if as_json:
            print_result(
                [
                    {
                        **one.model_dump(mode="json", exclude={"project"}),
                        **one.project.model_dump(mode="json", include={"number", "purpose", "url"}),
                    }
                    for one in pushed
                ]
            )
        else:
            _print_pushed(pushed)
            say("people answer in the browser: byod review open; their verdicts come back: byod review pull")


def _print_pushed(pushed: Sequence[Pushed]) -> None:
    for one in pushed:
        unshown = f", {one.unshown} cannot be shown" if one.unshown else ""
        typer.echo(
            f"{one.project.purpose}: {one.added} pictures added, {one.already} were there already{unshown}: "
            f"{one.project.url}"
        )
    if not pushed:
        typer.echo("nothing to ask")


def _pull(folder: Path, where: ServerChoice, settings: Settings, as_json: bool) -> None:
    from byod.api import review

    with review.at(where, settings, say) as session:
        pulled = review.pull(folder, session, say=say)
    if as_json:
        print_result(pulled.model_dump(mode="json"))
    else:
        _print_pulled(pulled)


def _print_pulled(pulled: Pulled) -> None:
    people = ", ".join(f"{number} by {who}" for who, number in pulled.by.items())
    points = f", points of {pulled.points} changed" if pulled.points else ""
    typer.echo(
        f"{pulled.answers} verdicts{f' ({people})' if people else ''}: {pulled.relabelled} relabelled, "
        f"{pulled.rejected} rejected{points}, {len(pulled.conflicts)} in conflict"
    )
    for clash in pulled.conflicts:
        say(f"conflict: {clash.file}: {clash.why}")
    for name, number in pulled.waiting.items():
        say(
            f"{number} verdicts name the class {name!r}, which byod.toml does not have; they wait until it is back: "
            f'[classes."{name}"] with name = "…"'
        )
    if pulled.unreadable:
        say(
            f"{pulled.unreadable} answers name no class or several; they are left out until somebody mends them"
        )


def _undo(folder: Path, as_json: bool) -> None:
    from byod.api import review

    undone = review.undo(folder, say=say)
    if as_json:
        print_result(undone.model_dump(mode="json"))
    else:
        typer.echo(
            f"{undone.pictures} pictures stand again as before the pull of {undone.at.astimezone():%c}"
        )


def _close(settings: Settings, as_json: bool) -> None:
    from byod.api import review

    stopped = review.close(settings, say=say)
    if as_json:
        print_result({"stopped": stopped})
    else:
        typer.echo("Label Studio is stopped" if stopped else "Label Studio does not run")


def _status(folder: Path, where: ServerChoice, settings: Settings, as_json: bool) -> None:
    from byod.api import review

    with review.at(where, settings, say) as session:
        standing = review.status(folder, session, say=say)
    if as_json:
        print_result(standing.model_dump(mode="json"))
    else:
        _print_standing(standing)


def _print_standing(standing: Standing) -> None:
    if not standing.tallies:
        typer.echo("nothing was pushed: byod review push")
        return
    rows = [
        (t.purpose, t.project, t.pushed, t.done, t.skipped, t.disagreeing, t.pulled) for t in standing.tallies
    ]
    head = ("asked about", "project", "pictures", "answered", "skipped", "people differ", "pulled")
    print_table("Review", head, rows, numbers=6)
    by: dict[str, int] = {}
    for tally in standing.tallies:
        for who, number in tally.by.items():
            by[who] = by.get(who, 0) + number
    if by:
        most = sorted(by, key=lambda who: -by[who])
        print_table("Answers", ("by", "pictures"), [(who, by[who]) for who in most], numbers=1)
    pairs = [*standing.people, *standing.models]
    if pairs:
        rows_of = [
            (p.first, p.second, p.tasks, f"{p.agreement:.1%}", "–" if p.kappa is None else f"{p.kappa:.2f}")
            for p in pairs
        ]
        print_table("Agreement", ("", "and", "pictures", "agree", "Cohen's kappa"), rows_of, numbers=3)


class _Bar:
    """Progress of a push on stderr: a bar on a terminal, a line now and then without one."""

    def __enter__(self) -> Callable[[int, int], None]:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True) if console.is_terminal else None
        if self._progress is not None:
            self._progress.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _show(self, done: int, total: int) -> None:
        if self._progress is None:
            if done and total > 1000:
                say(f"{done} of {total} pictures are in Label Studio")
            return
        if done == 0:
            self._task = self._progress.add_task("to Label Studio", total=total)
        self._progress.update(self._task, completed=done)
