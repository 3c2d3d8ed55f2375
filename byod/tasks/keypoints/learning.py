"""How keypoints are learned: `byod.schema.task_learning.Learning` for the task keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from byod.schema.errors import TrainerError
from byod.schema.model_card import (
    DetectionStage,
    KeypointsCard,
    KeypointsMetrics,
    Measured,
    Paired,
    Unreadable,
)
from byod.schema.progress import Say
from byod.schema.records import Example, Task, Yield
from byod.schema.task_learning import Issues, ModelFile, Outcome, OutOfFold, Table
from byod.tasks.keypoints import calibrate, evaluated_examples, label_errors, stages, training_set
from byod.tasks.keypoints.calibrate import KeypointModel
from byod.tasks.keypoints.evaluated_examples import EvaluatedExample, LoadedModel
from byod.tasks.keypoints.geometry.crops import Numbers
from byod.tasks.keypoints.geometry.metrics import mean_face
from byod.tasks.keypoints.geometry.targets import true_instances
from byod.tasks.keypoints.label_errors import KeypointIssue
from byod.tasks.keypoints.report import contents, page
from byod.tasks.keypoints.run import MODELS, WEIGHTS
from byod.tasks.keypoints.training_set import TrainingSet
from byod.training import cross_validation
from byod.training.cross_validation import FOLDS, MIN_GROUPS, Part
from byod.training.fit import Work

task = Task.KEYPOINTS.value
counted = "objects"
probe = None
labelled = training_set.labelled
usable = training_set.usable


def fit(
    work: Work, labelled: TrainingSet, train: tuple[Example, ...], valid: tuple[Example, ...], part: str
) -> KeypointModel:
    """One model: both nets, and the rule that joins them.

    Raises:
        TrainerError: a part holds no object to measure, or the trainer cannot train this.
    """
    for name, side in (("training", train), ("validation", valid)):
        if not labelled.measured(side):
            raise TrainerError(
                f"{training_set.unmeasured(f'the {name} part', labelled.points)}{f' ({part})' if part else ''}; mark "
                "more pictures, or split again (byod split)"
            )
    return calibrate.calibrate(stages.fit(work, labelled, train, valid, part), labelled, train, valid)


def folds(labelled: TrainingSet, seed: int) -> tuple[Part, ...]:
    """Parts for a cross-validation: whole duplicate groups, pictures with objects and without spread alike.

    Raises:
        TrainerError: there are fewer than three different pictures with objects.
    """

    def label(example: Example) -> str:
        return "heads" if labelled.keypoints[example.sha256].heads else "empty"

    groups = len({example.group for example in labelled.examples if label(example) == "heads"})
    if groups < MIN_GROUPS:
        raise TrainerError(
            f"{groups} different pictures with objects are too few: it takes {MIN_GROUPS} at least, one each "
            "to learn from, to validate and to test"
        )
    return cross_validation.folds(labelled.examples, label, min(FOLDS, groups), seed)


def loaded(labelled: TrainingSet, model: KeypointModel, train: Sequence[Example]) -> LoadedModel:
    """The exported files, and the mean places of the points that they learned from."""
    return LoadedModel(model.finder, _mean(labelled, model, train))


def evaluate_on(
    labelled: TrainingSet, loaded: LoadedModel, test: Sequence[Example], part: str
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """Ask the exported files about every picture of `test`."""
    return evaluated_examples.evaluate(loaded, labelled, test, part)


def metrics(
    labelled: TrainingSet,
    evaluated: Sequence[EvaluatedExample],
    unreadable: Sequence[Unreadable],
    *,
    seed: int,
    measured_on: Measured,
) -> KeypointsMetrics:
    """Errors on true crops and through the whole pipeline."""
    return evaluated_examples.measure(
        evaluated, unreadable, labelled.points, seed=seed, measured_on=measured_on
    )


def paired(
    labelled: TrainingSet,
    first: Sequence[EvaluatedExample],
    second: Sequence[EvaluatedExample],
    *,
    seed: int,
) -> Paired:
    """Two models on the same objects of whole pictures."""
    return evaluated_examples.paired(first, second, labelled.points, seed=seed)


def find_issues(
    labelled: TrainingSet, evaluated: Sequence[EvaluatedExample], probe: OutOfFold | None, say: Say
) -> Issues:
    """Objects on which a model that never saw them is far off."""
    return Issues(KeypointIssue, label_errors.find_issues(evaluated, labelled.points))


def card(
    fields: Mapping[str, Any],
    labelled: TrainingSet,
    outcome: Outcome,
    probe: tuple[str, Outcome, Paired] | None,
) -> KeypointsCard:
    """The model card."""
    model: KeypointModel = outcome.model
    train = dict(outcome.sides)["train"]
    return KeypointsCard(
        **fields,
        points=labelled.points,
        heads=_heads(model),
        refine=model.rule.refine,
        eyes=model.rule.eyes,
        typicality=model.pair.points.fitted.typicality,
        metrics=outcome.metrics,
        mean_face=tuple((float(x), float(y)) for x, y in _mean(labelled, model, train)),
        baseline=evaluated_examples.baseline(outcome.evaluated, labelled.points, seed=fields["seed"]),
    )


def _mean(labelled: TrainingSet, model: KeypointModel, train: Sequence[Example]) -> Numbers:
    instances = true_instances(train, labelled.keypoints, labelled.points)
    return mean_face(instances, labelled.points, model.rule.margin)


def _heads(model: KeypointModel) -> DetectionStage:
    """The card's entry on the net that finds objects."""
    instances = model.pair.heads.fitted
    return DetectionStage(
        input=instances.input,
        sha256=instances.sha256,
        arch=instances.arch,
        pretrained=instances.pretrained,
        parameters=instances.parameters,
        parity=instances.parity,
        threshold=model.rule.threshold,
        margin=model.rule.margin,
        seconds=instances.seconds,
        notes=instances.notes,
    )


def models(model: KeypointModel) -> tuple[ModelFile, ...]:
    """The model files of both nets, in the order in which they learned."""
    return tuple(
        ModelFile(MODELS[stage], WEIGHTS[stage], each, stage.value) for stage, each in model.pair.parts
    )


def predictions(labelled: TrainingSet, evaluated: Sequence[EvaluatedExample]) -> Table:
    """A line an object: how far each of its points is off."""
    return evaluated_examples.predictions(evaluated, labelled.points)


def report(
    card: KeypointsCard,
    labelled: TrainingSet,
    evaluated: Sequence[EvaluatedExample],
    *,
    outcome: Outcome | None = None,
    issues: Sequence[KeypointIssue] = (),
    yields: Sequence[Yield] = (),
) -> str:
    """The page of a run or an evaluation."""
    pair = None if outcome is None else outcome.model.pair
    return page.render(contents.build(card, pair, evaluated, issues, yields))


def summary(metrics: KeypointsMetrics) -> str:
    """Summarise a model in one line."""
    crops, pipeline = metrics.crops, metrics.pipeline
    median = "none" if crops.median is None else f"{crops.median:.1%}"
    share, (low, high) = pipeline.achieved
    if metrics.empty and metrics.deceived is not None:
        strangers = (
            f"in {metrics.deceived} of {metrics.empty} pictures without an object one is found all the same"
        )
    else:
        strangers = (
            "no tested picture was without an object, so false finds were NOT measured: byod add FOLDER --nothing "
            "brings such pictures"
        )
    well = "are found within 0.1" if pipeline.glasses is None else "are found so well that glasses sit"
    of = f", in {metrics.pictures} pictures" if metrics.measured_on is Measured.FOLDER else ""
    return (
        f"points are off by {median} of the object's size (median, {crops.heads} true crops); {share:.1%} of the "
        f"objects in whole pictures {well} (95 %: {low:.1%} to {high:.1%}){of}; {strangers}"
    )
