"""Use what was trained: evaluate it, compare runs, predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from byod.api.train import examples_of
from byod.collection.sources import folder as own_pictures
from byod.schema import recipe
from byod.schema.errors import ModelError, UsageError
from byod.schema.files import replace
from byod.schema.progress import Say
from byod.schema.records import Record, Split
from byod.schema.task import TaskDefinition
from byod.schema.task_learning import LabelledSet
from byod.tasks import of_run
from byod.training import comparison
from byod.training.run_evaluation import RunEvaluation, evaluate_run


def evaluate(run: Path, place: Path | None, report: Path | None, *, say: Say) -> RunEvaluation:
    """Measure a run on other people's labelled pictures, or on its dataset's test pictures as they are labelled now.

    Raises:
        ModelError: the run cannot be read.
        UsageError: `place` holds no labelled pictures for its task, or none is left to measure on.
    """
    task, card = of_run(run)
    labelled = None if place is None else task.evaluating.pictures_in(place)
    if labelled is None:
        labelled = _of_dataset(task, run, place, say)
    say(f"asking the model about {len(labelled.examples)} pictures …")
    found = evaluate_run(task.learning, task.evaluating, run, card, labelled, str(place) if place else "")
    if report is not None:
        shown = task.evaluating.shown_card(card, found.record)
        replace(report, task.learning.report(shown, found.labelled, found.evaluated).encode())
    evaluation: RunEvaluation = found.record
    return evaluation


def _of_dataset(task: TaskDefinition, run: Path, place: Path | None, say: Say) -> LabelledSet:
    """The pictures of another dataset, or the test pictures of the run's own."""
    home = place or run.resolve().parent.parent
    if not (home / recipe.FILE).is_file():
        raise UsageError(f"{home} is not a dataset; a run for {task.name} is measured on one")
    snapshot, examples, *_ = examples_of(home, say)
    if snapshot.task != task.name:
        raise UsageError(f"{home} is a dataset for the task {snapshot.task}, and {run} a run for {task.name}")
    chosen = examples if place else [e for e in examples if e.split is Split.TEST]
    labelled: LabelledSet = task.learning.labelled(snapshot, chosen)
    return labelled


def compare(runs: Sequence[Path], page: Path) -> Record:
    """Measure runs on what they were all asked about, and draw the page.

    Raises:
        ModelError: they are for different tasks.
    """
    opened = [of_run(run) for run in runs]
    names = {task.name: run for run, (task, _) in zip(runs, opened, strict=True)}
    if len(names) > 1:
        said = " and ".join(f"{run} is for {name}" for name, run in names.items())
        raise ModelError(f"{said}; they cannot be compared")
    if not opened:
        raise UsageError("comparing takes two runs at least; byod train makes them")
    task = opened[0][0]
    found = comparison.compare(task.comparing, task.predicting, runs, [card for _, card in opened])
    replace(page, task.comparing.page(found).encode())
    return found


def predict(run: Path, images: Sequence[Path | tuple[str, bytes]]) -> Iterator[Any]:
    """Predict with a run's model: files, all below folders, or (name, bytes) pairs; some may be `Unreadable`."""
    task, _ = of_run(run)
    return task.predicting.predictor(run).predict(_pictures(images))


def _pictures(images: Iterable[Path | tuple[str, bytes]]) -> Iterator[Path | tuple[str, bytes]]:
    for image in images:
        if isinstance(image, Path) and image.is_dir():
            yield from (c.path for c in own_pictures.pictures(image, "-") if c.path is not None)
        else:
            yield image
