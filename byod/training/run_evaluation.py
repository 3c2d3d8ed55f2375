"""Measure a run on other labelled pictures, or on its dataset's test pictures as they are labelled now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byod.dataset import likeness
from byod.dataset.likeness import Looks
from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import Card, Measured, Unreadable
from byod.schema.names import in_utf8
from byod.schema.records import Example, Record, Sha256
from byod.schema.task_learning import Evaluating, LabelledSet, Learning, MeetingOthers
from byod.training import learned_looks, run_folder
from byod.training.run_folder import TEST

_LONGEST = 1000
"""Characters of a folder's name that a record holds."""


class RunEvaluation(Record):
    """An evaluation of a run on other pictures; tasks add their metrics and what else they left out.

    `on` names the folder ("": the run's own dataset), `learned` counts pictures that it was trained on, which are left
    out. `near` counts near-copies of those, which are measured (None: nobody could look); `apart` are the metrics
    without them, where there are some and others.
    """

    run: str
    on: str
    learned: int
    near: int | None = None
    apart: Any = None
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class OtherPictures:
    """Labelled pictures to measure on, the folder they are from ("": the run's own dataset), and how they look."""

    labelled: LabelledSet
    on: str
    looks: Looks = field(default_factory=dict)

    @classmethod
    def below(cls, labelled: LabelledSet, place: Path) -> OtherPictures:
        """The pictures of a folder, which are looked at: near-copies and those of one session are a group."""
        looks = likeness.looks(labelled.examples, place)
        groups = likeness.groups(looks)
        grouped = (e.model_copy(update={"group": groups.get(e.sha256, e.group)}) for e in labelled.examples)
        return cls(labelled.of(grouped), shown_place(place), looks)


def shown_place(place: Path) -> str:
    """The name of a folder as a record can hold it: without bytes that are no text, and not endless."""
    return in_utf8(str(place))[-_LONGEST:]


@dataclass(frozen=True)
class Learned:
    """The pictures that a run's model was trained on, and how they look (None: that is not known)."""

    pictures: Collection[Sha256]
    looks: Looks | None


@dataclass(frozen=True)
class EvaluatedRun:
    """An evaluation with the pictures it was made on, what was said of each, and which are near-copies."""

    record: Any
    labelled: LabelledSet
    evaluated: Sequence[Any]
    near: frozenset[Sha256] = frozenset()


def evaluate_run(
    learning: Learning,
    evaluating: Evaluating,
    run: Path,
    card: Card,
    labelled: LabelledSet,
    on: str,
    looks: Looks | None = None,
) -> EvaluatedRun:
    """Ask the run's model about labelled pictures that it has not learned from; `looks` is how they look.

    Raises:
        ModelError: the run cannot be read.
        UsageError: no picture is left to measure on.
    """
    seen = run_folder.trained_on(run_folder.read_examples(run))
    learned = Learned(seen, learned_looks.read(run))
    others = OtherPictures(labelled, on, looks or {})
    with run_folder.named(run):
        return evaluate_model(
            learning, evaluating, card, lambda: evaluating.loaded(run, card), learned, others, name=str(run)
        )


def evaluate_model(
    learning: Learning,
    evaluating: Evaluating,
    card: Card,
    load: Callable[[], Any],
    learned: Learned,
    others: OtherPictures,
    *,
    name: str,
) -> EvaluatedRun:
    """Ask a model, which is loaded once it is known that there is something to ask, about other pictures.

    Raises:
        ModelError: the model cannot be run.
        UsageError: no picture is left to measure on.
    """
    labelled, on = others.labelled, others.on
    fresh = labelled.of(e for e in labelled.examples if e.sha256 not in learned.pictures)
    left = len(labelled.examples) - len(fresh.examples)
    known, left_out = evaluating.known_to(card, fresh)
    if not known.measured(known.examples):
        raise UsageError(evaluating.nothing_left(card, known, left_out, on, left))
    model = load()
    try:
        evaluated, unreadable = learning.evaluate_on(known, model, known.examples, TEST)
    except TrainerError as error:
        raise UsageError(str(error)) from error
    measured_on = Measured.FOLDER if on else Measured.TEST
    if isinstance(evaluating, MeetingOthers):
        said, broken = evaluating.others(card, fresh, model)
        left_out |= said
        unreadable = [*unreadable, *broken]
    near = _near(learned, others, known.examples)

    def metrics(some: Sequence[Any]) -> Any:
        return learning.metrics(known, some, unreadable, seed=card.seed, measured_on=measured_on)

    fields = {
        "run": name,
        "on": on,
        "learned": left,
        "near": None if near is None else sum(one.example.sha256 in near for one in evaluated),
        "apart": _apart(known, evaluated, near or (), metrics),
        "unreadable": tuple(unreadable),
        **left_out,
    }
    record = evaluating.evaluation(fields, metrics(evaluated), known, evaluated)
    return EvaluatedRun(record, known, evaluated, frozenset(near or ()))


def _near(learned: Learned, others: OtherPictures, measured: Sequence[Example]) -> Collection[Sha256] | None:
    """The near-copies of what was learned among the pictures measured; None where the looks of either are not known."""
    looks = {e.sha256: others.looks[e.sha256] for e in measured if e.sha256 in others.looks}
    if learned.looks is None or not looks:
        return None
    known = {sha256: look for sha256, look in learned.looks.items() if sha256 in learned.pictures}
    return likeness.near_copies(known, looks)


def _apart(
    known: LabelledSet,
    evaluated: Sequence[Any],
    near: Collection[Sha256],
    metrics: Callable[[Sequence[Any]], Any],
) -> Any:
    """The metrics without near-copies; None where there are none, or nothing is left that counts."""
    apart = [one for one in evaluated if one.example.sha256 not in near]
    if len(apart) == len(evaluated) or not known.measured([one.example for one in apart]):
        return None
    return metrics(apart)


def counts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of an evaluation, what a card holds beside the metrics: of the folder its name, since cards are given away."""
    return {
        "on": Path(record["on"]).name or record["on"],
        "learned": record["learned"],
        "near": record["near"],
        "unreadable": len(record["unreadable"]),
    }


def summary(learning: Learning, found: Any) -> str:
    """An evaluation in one line: what was achieved, and on what."""
    line = learning.summary(found.metrics)
    return f"{line} of {found.on}" if found.on else line


def remarks(learning: Learning, found: Any) -> list[str]:
    """What is to be known of an evaluation's pictures, in lines: copies of what was learned, and what did not open."""
    lines = []
    if found.learned:
        lines.append(f"{found.learned} pictures are left out: the model was trained on them")
    if found.near and found.apart is not None:
        without = learning.summary(found.apart)
        lines.append(
            f"{found.near} of them are near-copies of what the model was trained on; without those: {without}"
        )
    elif found.near:
        lines.append(
            f"{found.near} of them are near-copies of what the model was trained on, and no others are left"
        )
    elif found.near is None and found.on:
        lines.append(
            "nobody looked for near-copies of what the model was trained on: the run does not say how that looks"
        )
    if found.unreadable:
        lines.append(f"{len(found.unreadable)} pictures could not be opened and are not counted")
    return lines
