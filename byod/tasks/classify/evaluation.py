"""A classifier on labelled pictures from elsewhere: class folders, or its dataset's test pictures as they are now."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from byod.collection.sources import folder as class_folders
from byod.schema import files, folder_names
from byod.schema.errors import UsageError
from byod.schema.model_card import ClassesElsewhere, Metrics, ModelCard, OtherKinds, Unreadable
from byod.schema.names import in_utf8, unreadable
from byod.schema.records import Example, Split
from byod.schema.task_learning import Table
from byod.tasks.classify import other_kinds
from byod.tasks.classify.class_set import ClassSet
from byod.tasks.classify.evaluated_examples import EvaluatedExample, LoadedModel
from byod.tasks.classify.predict import read_model
from byod.training.run_evaluation import RunEvaluation, counts


class Evaluation(RunEvaluation):
    """An evaluation of a run for classes.

    `unknown` counts the pictures of folders whose names are none of the model's classes, which are left out of the
    metrics; `others` is what the model says of them. `absent` are its classes that no folder shows.
    """

    metrics: Metrics
    apart: Metrics | None = None
    unknown: dict[str, int]
    others: OtherKinds | None = None
    absent: tuple[str, ...]


def pictures_in(place: Path) -> ClassSet:
    """The pictures of class folders, each its own group, named by its bytes.

    What may not be read is among them, so that it is counted as what cannot be opened.

    Raises:
        UsageError: there is no such folder, or no class folder in it.
    """
    if not place.is_dir():
        raise UsageError(
            f"{place} is not a folder; byod evaluate takes a folder with a folder for each class"
        )
    passed = unreadable()
    offered = [(c.label, c.path) for c in class_folders.pictures(place, None, passed) if c.path is not None]
    locked = [(_class_of(Path(name), place), Path(name)) for name in passed.names]
    found = [_example(label, path) for label, path in (*offered, *locked)]
    if not found:
        raise UsageError(f"{place} holds no class folders with pictures (a folder for each class)")
    return ClassSet(tuple(found), tuple(dict.fromkeys(example.label for example in found)))


def _example(label: str, path: Path) -> Example:
    try:
        sha256 = files.sha256(path)
    except OSError:  # its name stands for its bytes; it comes back as a picture that cannot be opened
        sha256 = hashlib.sha256(os.fsencode(path)).hexdigest()
    return Example(sha256=sha256, path=path, label=label, split=Split.TEST, group=sha256)


def _class_of(path: Path, place: Path) -> str:
    """The class folder that something below the place lies in, or is."""
    return unicodedata.normalize("NFC", in_utf8(path.relative_to(place.absolute()).parts[0]))


def known_to(card: ModelCard, labelled: ClassSet) -> tuple[ClassSet, dict[str, Any]]:
    """The pictures whose folders are classes of the model, by name or as a safe folder name; others are `unknown`."""
    named = _named(card)
    unknown = Counter(e.label for e in labelled.examples if e.label not in named)
    kept = tuple(
        example.model_copy(update={"label": named[example.label]})
        for example in labelled.examples
        if example.label in named
    )
    return ClassSet(kept, card.classes), {"unknown": dict(unknown)}


def _named(card: ModelCard) -> dict[str, str]:
    """The class that each name of a folder stands for."""
    return {name: name for name in card.classes} | {
        folder_names.safe_folder(name): name for name in card.classes
    }


def others(
    card: ModelCard, labelled: ClassSet, model: LoadedModel
) -> tuple[dict[str, Any], list[Unreadable]]:
    """The answers to the pictures of folders that are none of its classes."""
    named = _named(card)
    found, broken = other_kinds.measure(model, [e for e in labelled.examples if e.label not in named])
    return {"others": found}, broken


def nothing_left(
    card: ModelCard, labelled: ClassSet, left_out: Mapping[str, Any], on: str, learned: int
) -> str:
    """Say why no picture is left to measure on."""
    where = on or "the dataset"
    if left_out["unknown"]:
        return (
            f"no folder of {where} is called {' or '.join(card.classes)}; it has "
            f"{', '.join(sorted(left_out['unknown']))}"
        )
    if learned:
        return f"the model has learned from all {learned} pictures of {where}; it takes others to measure it"
    return f"{where} has no test pictures; name a folder with a folder for each class"


def loaded(run: Path, card: ModelCard) -> LoadedModel:
    """The run's model file."""
    card, content = read_model(run)
    return LoadedModel(content, card.input, card.classes, card.temperature, card.typicality)


def evaluation(
    fields: Mapping[str, Any], metrics: Metrics, labelled: ClassSet, evaluated: Sequence[EvaluatedExample]
) -> Evaluation:
    """The record of an evaluation."""
    absent = tuple(name for name in labelled.classes if not metrics.per_class[name].pictures)
    return Evaluation(**fields, metrics=metrics, absent=absent)


def shown_card(card: ModelCard, evaluation: Evaluation) -> ModelCard:
    """The run's card with the metrics of the evaluation in place of its own."""
    shown = card.model_copy(update={"metrics": evaluation.metrics, "probe": None, "suspects": None})
    return beside(shown, evaluation) if evaluation.on else shown.model_copy(update={"elsewhere": None})


def beside(card: ModelCard, evaluation: Evaluation) -> ModelCard:
    """The run's card with the evaluation beside its own metrics."""
    found = ClassesElsewhere(
        **counts(dict(evaluation)),
        metrics=evaluation.metrics,
        apart=evaluation.apart,
        others=evaluation.others,
    )
    return card.model_copy(update={"elsewhere": found})


def table(evaluation: Evaluation) -> tuple[str, Table, list[str]]:
    """Recall and precision by class, and what was left out."""
    rows = [
        (
            name,
            score.pictures,
            *("–" if rate is None else f"{rate:.1%}" for rate in (score.recall, score.precision)),
        )
        for name, score in evaluation.metrics.per_class.items()
    ]
    remarks = [] if evaluation.others is None else [other_kinds.words(evaluation.others).text()]
    if evaluation.absent:
        remarks.append(f"no picture of {', '.join(evaluation.absent)} is there: nothing is said of it")
    if (unlike := evaluation.metrics.none_of_these) is not None:
        remarks.append(
            f"{unlike} of {evaluation.metrics.pictures} pictures are unlike all classes: none of these"
        )
    head = ("class", "pictures", "found (recall)", "right when called (precision)")
    return "Classes", (head, rows), remarks
