"""A model on labelled pictures from elsewhere: other people's class folders, or the test pictures as they are now."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from byod.collection.sources import folder as class_folders
from byod.schema import recipe
from byod.schema.errors import UsageError
from byod.schema.model_card import Measured, Metrics, ModelCard, Unreadable
from byod.schema.records import Example, Record, Split
from byod.tasks.classify import evaluate
from byod.tasks.classify.evaluate import EvaluatedExample
from byod.tasks.classify.predict import read_model
from byod.training import run_folder


class Evaluation(Record):
    """An evaluation of a run on other pictures.

    `unknown` counts the pictures of folders whose names are none of the model's classes, `absent` are its
    classes that no folder shows, `learned` counts pictures that it was trained on (all of these are left out).
    """

    run: str
    on: str
    metrics: Metrics
    unknown: dict[str, int]
    absent: tuple[str, ...]
    learned: int
    unreadable: tuple[Unreadable, ...]


def evaluate_run(
    run: Path, pictures: Iterable[Example], on: str
) -> tuple[Evaluation, list[EvaluatedExample]]:
    """Ask the run's model about labelled pictures.

    Raises:
        ModelError: the run cannot be read.
        UsageError: no picture is left to measure on.
    """
    card, content = read_model(run)
    named = {name: name for name in card.classes} | {recipe.safe_folder(name): name for name in card.classes}
    seen = run_folder.trained_on(run_folder.read_examples(run))
    unknown: Counter[str] = Counter()
    learned, kept = 0, []
    for example in pictures:
        if example.label not in named:
            unknown[example.label] += 1
        elif example.sha256 in seen:
            learned += 1
        else:
            kept.append(example.model_copy(update={"label": named[example.label]}))
    if not kept:
        raise UsageError(_nothing(card, on, unknown, learned))
    evaluated, unreadable = evaluate.evaluate(content, card.input, card.classes, card.temperature, kept)
    metrics = evaluate.metrics(
        evaluated,
        unreadable,
        card.classes,
        seed=card.seed,
        measured_on=Measured.FOLDER if on else Measured.TEST,
    )
    evaluation = Evaluation(
        run=str(run),
        on=on,
        metrics=metrics,
        unknown=dict(unknown),
        absent=tuple(name for name in card.classes if not metrics.per_class[name].pictures),
        learned=learned,
        unreadable=tuple(unreadable),
    )
    return evaluation, evaluated


def read_class_folders(place: Path) -> list[Example]:
    """The pictures of class folders, each its own group, named by its bytes.

    Raises:
        UsageError: there is no such folder, or no class folder in it.
    """
    if not place.is_dir():
        raise UsageError(
            f"{place} is not a folder; byod evaluate takes a folder with a folder for each class"
        )
    found = []
    for candidate in class_folders.pictures(place):
        if candidate.path is not None:
            with candidate.path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            found.append(
                Example(
                    sha256=sha256,
                    path=candidate.path,
                    label=candidate.label,
                    split=Split.TEST,
                    group=sha256,
                )
            )
    if not found:
        raise UsageError(f"{place} holds no class folders with pictures (a folder for each class)")
    return found


def _nothing(card: ModelCard, on: str, unknown: Counter[str], learned: int) -> str:
    where = on or "the dataset"
    if unknown:
        return (
            f"no folder of {where} is called {' or '.join(card.classes)}; it has {', '.join(sorted(unknown))}"
        )
    if learned:
        return f"the model has learned from all {learned} pictures of {where}; it takes others to measure it"
    return f"{where} has no test pictures; name a folder with a folder for each class"
