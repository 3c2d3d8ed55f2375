"""Use what was trained: evaluate it, compare runs, predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from byod.api.datasets import opened
from byod.api.train import examples_of
from byod.collection.sources import folder as own_pictures
from byod.schema import recipe
from byod.schema.errors import ModelError, UsageError
from byod.schema.files import replace
from byod.schema.model_card import (
    Comparison,
    KeypointsCard,
    KeypointsComparison,
    KeypointsPrediction,
    Prediction,
    Unreadable,
)
from byod.schema.progress import Say
from byod.schema.records import Split, Task
from byod.tasks.classify import evaluate_folder
from byod.tasks.classify.compare import compare as compare_classifiers
from byod.tasks.classify.predict import Predictor
from byod.tasks.classify.report import contents
from byod.tasks.classify.report.contents import ReportContents
from byod.tasks.classify.report.page import render
from byod.tasks.compare_page import compare_page, compare_points_page
from byod.tasks.keypoints.compare import compare as compare_keypoints
from byod.tasks.keypoints.evaluate_folder import KeypointsEvaluation
from byod.tasks.keypoints.evaluate_folder import evaluate_run as evaluate_keypoints
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.report import contents as keypoints_contents
from byod.tasks.keypoints.report import page as keypoints_page
from byod.tasks.keypoints.training_set import read_training_set as read_keypoints
from byod.training.run_folder import classifier_card, read_card


def evaluate(
    run: Path, place: Path | None, report: Path | None, *, say: Say
) -> evaluate_folder.Evaluation | KeypointsEvaluation:
    """Measure a run on other people's class folders, or on its dataset's test pictures as they are labelled now.

    A run for points is measured on another dataset of keypoints.
    """
    if isinstance(read_card(run), KeypointsCard):
        return _evaluate_points(run, place, report, say)
    if place is None:
        home = run.resolve().parent.parent
        with opened(home, say) as dataset:
            snapshot = dataset.snapshot()
            pictures = [e for e in dataset.examples(snapshot) if e.split is Split.TEST]
    else:
        pictures = evaluate_folder.read_class_folders(place)
    say(f"asking the model about {len(pictures)} pictures …")
    found, evaluated = evaluate_folder.evaluate_run(run, pictures, str(place) if place else "")
    if report is not None:
        card = classifier_card(run)
        shown = card.model_copy(update={"metrics": found.metrics, "probe": None, "suspects": None})
        page = render(ReportContents(card=shown, answers=contents.shown_predictions(evaluated, card.classes)))
        replace(report, page.encode())
    return found


def _evaluate_points(run: Path, place: Path | None, report: Path | None, say: Say) -> KeypointsEvaluation:
    home = place or run.resolve().parent.parent
    if not (home / recipe.FILE).is_file():
        raise UsageError(
            f"{home} is not a dataset; a run for points is measured on one (byod convert makes it)"
        )
    snapshot, examples, _ = examples_of(home, say)
    if snapshot.task is not Task.KEYPOINTS:
        raise UsageError(f"{home} is a dataset for the task {snapshot.task}, and {run} a run for points")
    _, keypoints = read_keypoints(snapshot)
    chosen = examples if place else [e for e in examples if e.split is Split.TEST]
    say(f"asking the model about {len(chosen)} pictures …")
    found, evaluated, card = evaluate_keypoints(run, chosen, keypoints, str(place) if place else "")
    if report is not None:
        shown = card.model_copy(update={"metrics": found.metrics, "baseline": found.baseline})
        page = keypoints_page.render(keypoints_contents.build(shown, None, evaluated, ()))
        replace(report, page.encode())
    return found


def compare(runs: Sequence[Path], page: Path) -> Comparison | KeypointsComparison:
    """Measure runs on the pictures (runs for points: on the heads) they share, and draw the page.

    Raises:
        ModelError: some are for classes and some for points.
    """
    kinds = {run: isinstance(read_card(run), KeypointsCard) for run in runs}
    if len(set(kinds.values())) == 2:
        classes, points = (next(run for run in runs if kinds[run] is kind) for kind in (False, True))
        raise ModelError(f"{classes} tells classes apart and {points} finds points; they cannot be compared")
    if any(kinds.values()):
        found = compare_keypoints(runs)
        replace(page, compare_points_page(found).encode())
        return found
    comparison = compare_classifiers(runs)
    replace(page, compare_page(comparison).encode())
    return comparison


def predict(
    run: Path, images: Sequence[Path | tuple[str, bytes]]
) -> Iterator[Prediction | KeypointsPrediction | Unreadable]:
    """Predict with a run's model (a class, or heads): files, all below folders, or (name, bytes) pairs."""
    if isinstance(read_card(run), KeypointsCard):
        return KeypointsPredictor(run).predict(_pictures(images))
    return Predictor(run).predict(_pictures(images))


def _pictures(images: Iterable[Path | tuple[str, bytes]]) -> Iterator[Path | tuple[str, bytes]]:
    for image in images:
        if isinstance(image, Path) and image.is_dir():
            yield from (c.path for c in own_pictures.pictures(image, "-") if c.path is not None)
        else:
            yield image
