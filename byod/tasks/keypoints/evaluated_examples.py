"""Evaluate the exported files on objects their trainer never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from byod.images.decode import open_picture
from byod.schema.errors import PictureError, TrainerError
from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import (
    FoundInstance,
    KeypointsMetrics,
    KeypointsScore,
    Measured,
    Paired,
    Share,
    Unreadable,
)
from byod.schema.records import Example, Record, Sha256
from byod.schema.task_learning import Table
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.geometry.crops import Bytes, Numbers, of_box
from byod.tasks.keypoints.geometry.metrics import Errors
from byod.tasks.keypoints.geometry.targets import TrueInstance, eyes_of, true_instances
from byod.tasks.keypoints.predict import Finder
from byod.tasks.keypoints.training_set import TrainingSet, unmeasured
from byod.training import statistics
from byod.training.run_folder import TEST, read_lines, short_path


@dataclass(frozen=True)
class EvaluatedInstance:
    """A measurable object and what was said of it: points float64 [K, 2] in pixels of the picture.

    `crop` are those found on the true crop, with their confidence `sure` [K]; `mean` those of the mean face there;
    `found` is what the whole pipeline found (None: missed it). `alone` says that the picture holds no other object;
    `part` names the fold, or "test".
    """

    truth: TrueInstance
    crop: Numbers
    sure: Numbers
    mean: Numbers
    found: FoundInstance | None
    alone: bool
    part: str


@dataclass(frozen=True)
class EvaluatedExample:
    """A test picture: its measurable objects, what was found beside its objects, and whether it holds none at all.

    `width` and `height` are the upright picture's, in pixels.
    """

    example: Example
    width: int
    height: int
    heads: tuple[EvaluatedInstance, ...]
    extra: tuple[FoundInstance, ...]
    empty: bool
    part: str


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be asked, and the mean face of its training objects, [K, 2] in 0..1."""

    finder: Finder
    mean: Numbers


def evaluate(
    model: LoadedModel, marked: TrainingSet, test: Sequence[Example], part: str = TEST
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """Ask a model about every picture of `test`.

    Raises:
        TrainerError: not one picture can be opened, or one is of another size than its keypoints say.
    """
    evaluated, unreadable = [], []
    for example in test:
        try:
            pixels = np.asarray(open_picture(example.path))
        except PictureError as error:
            unreadable.append(
                Unreadable(path=short_path(example.path), reason=error.reason, error=error.detail)
            )
            continue
        evaluated.append(_evaluate(model.finder, model.mean, marked, example, pixels, part))
    if not evaluated:
        why = f" ({unreadable[0].error})" if unreadable else ""
        raise TrainerError(f"not one of the {len(test)} test pictures can be opened any more{why}")
    return evaluated, unreadable


def _evaluate(
    finder: Finder, mean: Numbers, marked: TrainingSet, example: Example, pixels: Bytes, part: str
) -> EvaluatedExample:
    keypoints = marked.keypoints[example.sha256]
    if pixels.shape[:2] != (keypoints.height, keypoints.width):
        raise TrainerError(
            f"{example.path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, but its points were marked on "
            f"{keypoints.width} x {keypoints.height}; fix its file in points/, or move the picture away"
        )
    margin = finder.rule.margin
    instances = true_instances([example], marked.keypoints, marked.points)
    found = finder.find(pixels)
    pairs = metrics.matched(instances, found, marked.points)
    given = {instance.number: number for instance, number in zip(instances, pairs.numbers, strict=True)}
    chosen = metrics.measurable(instances, marked.points)
    places, sure = finder.points_in(pixels, [of_box(instance.box, margin) for instance in chosen])
    means = metrics.mean_faces(chosen, mean, margin)
    answers = []
    for at, instance in enumerate(chosen):
        number = given[instance.number]
        find = None if number is None else found[number]
        answers.append(
            EvaluatedInstance(
                instance, places[at], sure[at], means[at], find, len(keypoints.heads) == 1, part
            )
        )
    extra = tuple(found[number] for number in pairs.extra)
    return EvaluatedExample(
        example, keypoints.width, keypoints.height, tuple(answers), extra, not keypoints.heads, part
    )


def instances_of(evaluated: Sequence[EvaluatedExample]) -> list[EvaluatedInstance]:
    """All objects in order."""
    return [instance for each in evaluated for instance in each.heads]


def on_crops(instances: Sequence[EvaluatedInstance], points: KeypointSet) -> Errors:
    """The errors on true crops."""
    return metrics.measured(
        [h.truth for h in instances], _stacked([h.crop for h in instances], points), points
    )


def through_pipeline(instances: Sequence[EvaluatedInstance], points: KeypointSet) -> Errors:
    """The errors of the whole pipeline; a miss is infinitely wrong."""
    found = [metrics.places(h.found, points) for h in instances]
    return metrics.measured([h.truth for h in instances], _stacked(found, points), points)


def of_mean_face(instances: Sequence[EvaluatedInstance], points: KeypointSet) -> Errors:
    """The errors of the mean face on true crops."""
    return metrics.measured(
        [h.truth for h in instances], _stacked([h.mean for h in instances], points), points
    )


def _stacked(places: Sequence[Numbers], points: KeypointSet) -> Numbers:
    return np.array(places, np.float64).reshape(-1, len(points.names), 2)


def measure(
    evaluated: Sequence[EvaluatedExample],
    unreadable: Sequence[Unreadable],
    points: KeypointSet,
    *,
    seed: int,
    measured_on: Measured,
) -> KeypointsMetrics:
    """All that is measured of a model.

    Raises:
        TrainerError: no object is there to measure on.
    """
    instances = instances_of(evaluated)
    if not instances:
        raise TrainerError(unmeasured("the test pictures", points))
    groups = [h.truth.example.group for h in instances]
    crops, pipeline = on_crops(instances, points), through_pipeline(instances, points)
    alone = np.array([h.alone for h in instances], np.bool_)
    parts = list(dict.fromkeys(each.part for each in evaluated))
    crossed = measured_on is Measured.CROSS_VALIDATION
    return KeypointsMetrics(
        measured_on=measured_on,
        pictures=len(evaluated),
        unreadable=len(unreadable),
        empty=sum(each.empty for each in evaluated),
        false_finds=sum(len(each.extra) for each in evaluated),
        deceived=sum(each.empty and bool(each.extra) for each in evaluated),
        crops=metrics.score(crops, groups, points, seed=seed),
        pipeline=metrics.score(pipeline, groups, points, seed=seed),
        single=metrics.score(
            pipeline.of(alone), [g for g, one in zip(groups, alone, strict=True) if one], points, seed=seed
        )
        if alone.any()
        else None,
        folds=tuple(_median(crops, [h.part == part for h in instances]) for part in parts) if crossed else (),
    )


def baseline(evaluated: Sequence[EvaluatedExample], points: KeypointSet, *, seed: int) -> KeypointsScore:
    """The metrics of the mean face on the same true crops."""
    instances = instances_of(evaluated)
    groups = [h.truth.example.group for h in instances]
    return metrics.score(of_mean_face(instances, points), groups, points, seed=seed)


def paired(
    first: Sequence[EvaluatedExample],
    second: Sequence[EvaluatedExample],
    points: KeypointSet,
    *,
    seed: int = 0,
) -> Paired:
    """Two models compared on the objects that both were measured on: which of them finds more of them well?"""
    one, other = (
        {(h.truth.example.sha256, h.truth.number): h for h in instances_of(s)} for s in (first, second)
    )
    both = [key for key in one if key in other]
    sit, also = (
        through_pipeline([instances[key] for key in both], points).achieved for instances in (one, other)
    )
    return statistics.paired(sit, also, [one[key].truth.example.group for key in both], seed=seed)


def _median(errors: Errors, chosen: Sequence[bool]) -> float | None:
    some = errors.nme[np.array(chosen, np.bool_)]
    middle = float(np.median(some)) if len(some) else float("inf")
    return middle if np.isfinite(middle) else None


def _not_negative(error: float) -> float:
    if error < 0:  # nan is not
        raise ValueError("an error is below 0")
    return error


PointError = Annotated[float, AfterValidator(_not_negative)]


class PredictionRow(Record):
    """One line of a run's predictions.csv: an object, and the errors of its points in sizes of the object.

    An error is nan where a point does not count, infinite where the object was missed. `confidence` is the find's.
    """

    file: str
    sha256: Sha256
    group: str
    part: str
    head: int = Field(ge=0)
    alone: bool
    confidence: Share | None
    crop_glasses: bool | None
    pipeline_glasses: bool | None
    mean_face_error: float = Field(ge=0)
    crop_oks: Share | None = None
    pipeline_oks: Share | None = None
    crop: tuple[PointError, ...]
    pipeline: tuple[PointError, ...]


COLUMNS = tuple(name for name in PredictionRow.model_fields if name not in ("crop", "pipeline"))


def predictions(evaluated: Sequence[EvaluatedExample], points: KeypointSet) -> Table:
    """The table predictions.csv: what a PredictionRow has, the mean error of either way, and those of each point."""
    instances = instances_of(evaluated)
    crops, pipeline = on_crops(instances, points), through_pipeline(instances, points)
    mean = of_mean_face(instances, points)
    rows = []
    for at, instance in enumerate(instances):
        example = instance.truth.example
        row = [short_path(example.path), example.sha256, example.group, instance.part, instance.truth.number]
        row += [int(instance.alone), "" if instance.found is None else f"{instance.found.confidence:.6f}"]
        row += [_flag(crops, at), _flag(pipeline, at), _written(mean.nme[at])]
        row += [f"{crops.oks[at]:.6f}", f"{pipeline.oks[at]:.6f}"]
        row += [_written(crops.nme[at]), _written(pipeline.nme[at])]
        rows.append([*row, *(_written(e) for e in (*crops.points[at], *pipeline.points[at]))])
    named = [f"{way}({name})" for way in ("crop", "pipeline") for name in points.names]
    return [*COLUMNS, "crop_error", "pipeline_error", *named], rows


def _flag(errors: Errors, at: int) -> int | str:
    """1 if glasses would sit on an object, else 0; nothing where there are no eyes."""
    return "" if errors.glasses is None else int(errors.glasses[at])


def _written(error: float) -> str:
    return "" if np.isnan(error) else f"{error:.6f}"


def read_predictions(run: Path, points: KeypointSet) -> list[PredictionRow]:
    """The lines of a run's predictions.csv.

    Raises:
        ModelError: it is missing, or damaged.
    """

    def line(row: dict[str, str]) -> PredictionRow:
        both = {
            way: tuple(float(row[f"{way}({name})"] or "nan") for name in points.names)
            for way in ("crop", "pipeline")
        }
        # an empty cell is nothing, and so is a column that an older byod did not write
        known = {name: row[name] or None for name in COLUMNS if name in row}
        return PredictionRow.model_validate({**known, **both})

    return read_lines(run, line)


def errors_of(lines: Sequence[PredictionRow], points: KeypointSet, *, crops: bool) -> Errors:
    """The errors that a run wrote down, on true crops or through the whole pipeline."""
    each = np.array([line.crop if crops else line.pipeline for line in lines], np.float64)
    each = each.reshape(-1, len(points.names))
    counted = np.maximum((~np.isnan(each)).sum(axis=1), 1)
    nme = np.nansum(each, axis=1) / counted
    alike = [line.crop_oks if crops else line.pipeline_oks for line in lines]
    oks = np.array([np.nan if one is None else one for one in alike])
    pair = eyes_of(points)
    if pair is None:
        return Errors(each, nme, oks)
    flags = [line.crop_glasses if crops else line.pipeline_glasses for line in lines]
    return Errors(each, nme, oks, each[:, list(pair)].max(axis=1), np.array(flags, np.bool_))
