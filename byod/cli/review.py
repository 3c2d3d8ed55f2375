"""`byod review`: labels in front of people, and their verdicts back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import byod
from byod.cli.output import (
    FollowLinks,
    Json,
    StudioToken,
    StudioUrl,
    errors_in_one_line,
    print_result,
    print_table,
    put,
    say,
)

if TYPE_CHECKING:
    from byod.api.review import Standing
    from byod.api.review_actions import ReviewOpened
    from byod.dataset.catalog.reviews import Round
    from byod.labeling.pulled import Pulled
    from byod.labeling.push import Pushed
    from byod.labeling.rounds import Undone
    from byod.schema.annotator_agreement import Pair, ReviewAgreement

ACTIONS = ("open", "push", "pull", "status", "undo", "redo", "list", "close")


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("review")(review)


@errors_in_one_line
def review(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[open|push|pull|status|undo|redo|list|close] [DATASET]",
            help="Without a verb: open, push, and pull what people say until Ctrl-C.",
        ),
    ] = None,
    suspects: Annotated[
        bool,
        typer.Option("--suspects", help="Ask about the labels that look wrong to a cross-validated probe."),
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
    order: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The order of the queue: usual (conflicts, suspects, pictures found by other words, then the rest, "
            "the least sure first where a run was asked), random, or folder.",
        ),
    ] = "usual",
    overlap: Annotated[
        int, typer.Option(min=1, metavar="N", help="Ask so many people about each picture (default: one).")
    ] = 1,
    assign: Annotated[
        str,
        typer.Option(
            metavar="PEOPLE",
            help="Give each of these people a queue of their own, such as anna,ben (default: one queue for all).",
        ),
    ] = "",
    blind: Annotated[
        bool, typer.Option("--blind", help="Show nobody the folder's label, nor what a model says.")
    ] = False,
    drop_withdrawn: Annotated[
        bool,
        typer.Option(
            "--drop-withdrawn",
            help="With pull: verdicts fall whose answers were deleted on the server, or turned into a skip.",
        ),
    ] = False,
    take_in: Annotated[
        bool,
        typer.Option(
            "--take-in",
            help="With pull: add the classes and the answered pictures that people brought into Label Studio.",
        ),
    ] = False,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete",
            help="With close: also delete the dataset's projects there, with tasks and previews, once all is pulled.",
        ),
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
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Put labels in front of people in Label Studio, and bring their verdicts back into the class folders."""
    verb, named = _split(words or [])
    options: dict[str, Any] = {
        "suspects": suspects,
        "conflicts": conflicts,
        "uncertain": uncertain,
        "run": run,
        "sample": sample,
        "limit": limit,
        "again": again,
        "order": order,
        "overlap": overlap,
        "assign": assign,
        "blind": blind,
        "drop_withdrawn": drop_withdrawn,
        "take_in": take_in,
        "url": url,
        "token": token,
        "files_root": files_root,
        "browser": not no_browser and not (as_json and verb == "open"),
        "tell": _print_told,
    }
    if verb == "close" and not delete:
        _print_closed(byod.close_review(), 0, as_json)
        return
    dataset = byod.Dataset(named, follow_links=follow_links)
    if verb == "":
        dataset.review(**options)
    elif verb == "open":
        _print_opened(dataset.review("open", **options), as_json)
    elif verb == "push":
        _print_push(dataset.review("push", **options), as_json)
    elif verb == "pull":
        _print_pull(_pulled(dataset, options, ask=not as_json), as_json)
    elif verb == "status":
        _print_status(dataset.review("status", **options), as_json)
    elif verb == "list":
        _print_rounds(dataset.review("list", **options), as_json)
    elif verb == "close":
        deleted = dataset.review("delete", **options)
        _print_closed(url is None and byod.close_review(), deleted, as_json)
    else:
        _print_undone(verb, dataset.review("undo" if verb == "undo" else "redo", **options), as_json)


def _pulled(dataset: byod.Dataset, options: dict[str, Any], *, ask: bool) -> Pulled:
    """Pull; where answers were taken back on the server and somebody can be asked, ask what becomes of the verdicts."""
    pulled = dataset.review("pull", **options)
    if not (pulled.withdrawn and ask and sys.stdin.isatty() and sys.stderr.isatty()):
        return pulled
    _print_pulled(pulled)
    number = len(pulled.withdrawn)
    if typer.confirm(f"Shall the {number} verdicts fall whose answers were taken back?", err=True):
        return dataset.review("pull", **{**options, "drop_withdrawn": True})
    return pulled.model_copy(update={"withdrawn": ()})


def _split(words: Sequence[str]) -> tuple[str, str | None]:
    """The verb and the dataset among what was typed."""
    from byod.schema.errors import UsageError

    rest = list(words)
    verb = rest.pop(0) if rest and rest[0] in ACTIONS else ""
    if len(rest) > 1:
        raise UsageError(f"{' '.join(rest)!r}: name one dataset, after one of: {', '.join(ACTIONS)}")
    return verb, rest[0] if rest else None


def _print_told(done: list[Pushed] | Pulled) -> None:
    """The lines on what was pushed, and what each pull brought, while people review."""
    if isinstance(done, list):
        _print_pushed(done)
    else:
        _print_pulled(done)


def _print_opened(opened: ReviewOpened, as_json: bool) -> None:
    if as_json:
        print_result(
            {
                **opened.model_dump(mode="json", exclude={"projects"}),
                "projects": [one.model_dump(mode="json", exclude={"config"}) for one in opened.projects],
            }
        )
        return
    for one in opened.projects:
        put(f"{one.purpose}: {one.url} ({one.tasks} pictures)")
    if not opened.projects:
        put("nothing is asked there yet: byod review push")


def _print_push(pushed: Sequence[Pushed], as_json: bool) -> None:
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
        return
    _print_pushed(pushed)
    say("people answer in the browser: byod review open; their verdicts come back: byod review pull")


def _print_pushed(pushed: Sequence[Pushed]) -> None:
    for line in [one.summary for one in pushed] or ["nothing to ask"]:
        put(line)


def _print_pull(pulled: Pulled, as_json: bool) -> None:
    if as_json:
        print_result(pulled.model_dump(mode="json"))
    else:
        _print_pulled(pulled)


def _print_pulled(pulled: Pulled) -> None:
    put(pulled.summary)
    for line in pulled.concerns:
        say(line)


def _print_undone(verb: str, undone: Undone, as_json: bool) -> None:
    if as_json:
        print_result(undone.model_dump(mode="json"))
    else:
        when = "before" if verb == "undo" else "after"
        put(f"{undone.pictures} pictures stand again as {when} the round of {undone.at.astimezone():%c}")


def _print_rounds(rounds: Sequence[Round], as_json: bool) -> None:
    if as_json:
        print_result([one.model_dump(mode="json") for one in rounds])
        return
    if not rounds:
        put("there was no round of review yet: byod review")
        return
    rows = [
        (
            f"{one.at.astimezone():%c}",
            f"{one.purpose}{', blind' if one.blind else ''}",
            _asked_of(one),
            one.asked,
            one.answered,
            "taken back" if one.undone else "",
        )
        for one in rounds
    ]
    print_table("Rounds", ("began", "about", "of", "asked", "answered", ""), rows, numbers=5)


def _asked_of(one: Round) -> str:
    """The people that a round asked: whoever comes, or those it was shared out to."""
    each = f"{one.overlap} people each" if one.overlap > 1 else ""
    return "; ".join(part for part in (each, ", ".join(one.people)) if part) or "whoever comes"


def _print_closed(stopped: bool, deleted: int, as_json: bool) -> None:
    if as_json:
        print_result({"stopped": stopped, "deleted": deleted})
    else:
        if deleted:
            put(f"{deleted} projects are deleted, with their tasks and previews")
        put("Label Studio is stopped" if stopped else "Label Studio does not run")


def _print_status(standing: Standing, as_json: bool) -> None:
    if as_json:
        print_result(standing.model_dump(mode="json"))
    else:
        _print_standing(standing)


def _print_standing(standing: Standing) -> None:
    if not standing.tallies:
        put("nothing was pushed: byod review push")
        return
    rows = [
        (
            f"{t.purpose}{f' for {t.person}' if t.person else ''}",
            *(t.project, t.pushed, t.done, t.skipped, t.drafts, t.disagreeing, t.pulled),
        )
        for t in standing.tallies
    ]
    head = ("asked about", "project", "pictures", "answered", "skipped", "begun", "people differ", "pulled")
    print_table("Review", head, rows, numbers=7)
    for tally in standing.tallies:
        if others := sum(tally.by.values()) - tally.by.get(tally.person, 0) if tally.person else 0:
            say(f"{others} answers in the queue of {tally.person} are by others: {tally.url}")
    by: dict[str, int] = {}
    for tally in standing.tallies:
        for who, number in tally.by.items():
            by[who] = by.get(who, 0) + number
    if by:
        most = sorted(by, key=lambda who: -by[who])
        print_table("Answers", ("by", "pictures"), [(who, by[who]) for who in most], numbers=1)
    if standing.agreement is not None:
        _print_agreement(standing.agreement)
    if standing.models:
        print_table("Models", _PAIR, [_pair(pair) for pair in standing.models], numbers=3)


_PAIR = ("", "and", "pictures", "agree", "Cohen's kappa")


def _pair(pair: Pair) -> tuple[str, str, int, str, str]:
    return pair.first, pair.second, pair.tasks, f"{pair.agreement:.1%}", _figure(pair.kappa)


def _figure(found: float | None) -> str:
    """A figure of agreement; none where chance alone would make all agree."""
    return "–" if found is None else f"{found:.2f}"


def _print_agreement(agreed: ReviewAgreement) -> None:
    """How far people agree: over all, by class, by person, by pair."""
    put(f"{agreed.summary}; they differ about {agreed.differing}")
    classes = [
        (one.label or "rejected", one.answers, f"{one.agreement:.1%}", _figure(one.alpha))
        for one in agreed.classes
    ]
    head = ("class", "answers", "specific agreement", "Krippendorff's alpha")
    print_table("Agreement by class", head, classes, numbers=3)
    people = [(one.person, one.pictures, f"{one.agreement:.1%}", _figure(one.kappa)) for one in agreed.people]
    head = ("by", "pictures shared", "agrees with the others", "Cohen's kappa")
    print_table("Agreement by person", head, people, numbers=3)
    print_table("Agreement by pair", _PAIR, [_pair(pair) for pair in agreed.pairs], numbers=3)
