"""Use what was trained: evaluate it, compare runs, predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from byod.api.train import dataset_of_task, other_pictures
from byod.collection.sources import folder as own_pictures
from byod.schema.errors import ModelError, UsageError
from byod.schema.files import replace
from byod.schema.names import unreadable
from byod.schema.progress import Say
from byod.schema.records import Record, Split
from byod.schema.task import TaskDefinition
from byod.tasks import of_run
from byod.training import comparison
from byod.training.run_evaluation import OtherPictures, RunEvaluation, evaluate_run


def evaluate(run: Path, place: Path | None, report: Path | None, *, say: Say) -> RunEvaluation:
    """Measure a run on other people's labelled pictures, or on its dataset's test pictures as they are labelled now.

    Raises:
        ModelError: the run cannot be read.
        UsageError: `place` holds no labelled pictures for its task, or none is left to measure on.
    """
    task, card = of_run(run)
    others = _test_pictures(task, run, say) if place is None else other_pictures(task, place, say)
    say(f"asking the model about {len(others.labelled.examples)} pictures …")
    found = evaluate_run(task.learning, task.evaluating, run, card, others.labelled, others.on, others.looks)
    if report is not None:
        shown = task.evaluating.shown_card(card, found.record)
        replace(report, task.learning.report(shown, found.labelled, found.evaluated).encode())
    evaluation: RunEvaluation = found.record
    return evaluation


def _test_pictures(task: TaskDefinition, run: Path, say: Say) -> OtherPictures:
    """The test pictures of the run's own dataset, as they are labelled now."""
    snapshot, examples = dataset_of_task(task, run.resolve().parent.parent, say)
    chosen = [e for e in examples if e.split is Split.TEST]
    return OtherPictures(task.learning.labelled(snapshot, chosen), "")


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
    """The pictures, and what may not be read below a folder, which the model then finds it cannot open."""
    for image in images:
        if isinstance(image, Path) and image.is_dir():
            passed = unreadable()
            yield from (c.path for c in own_pictures.pictures(image, "-", passed) if c.path is not None)
            yield from (Path(name) for name in passed.names)
        else:
            yield image
