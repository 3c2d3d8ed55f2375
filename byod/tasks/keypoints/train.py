"""One training from marked pictures to a measured, self-describing run folder with two model files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from byod.images.keypoint_crops import Numbers
from byod.schema.errors import TrainerError
from byod.schema.keypoints import Keypoints, KeypointSet
from byod.schema.model_card import HeadsStage, KeypointsCard, KeypointsMetrics, KeypointsScore, Unreadable
from byod.schema.progress import Say, never, silent
from byod.schema.records import Example, Sha256, Split, Task
from byod.tasks.keypoints import evaluate, label_errors, run_files, stages
from byod.tasks.keypoints.calibrate import KeypointModel, calibrate
from byod.tasks.keypoints.evaluate import EvaluatedExample
from byod.tasks.keypoints.geometry.metrics import mean_face
from byod.tasks.keypoints.geometry.targets import true_heads
from byod.tasks.keypoints.label_errors import KeypointIssue
from byod.tasks.keypoints.report import contents, page
from byod.tasks.keypoints.training_set import TrainingSet, usable_set
from byod.training import cross_validation, protocol, run_folder
from byod.training.cross_validation import FOLDS, MIN_GROUPS, MIN_TEST, Part
from byod.training.fit import Log, Work
from byod.training.protocol import Trainer
from byod.training.provenance import UNKNOWN, Provenance, card_fields


@dataclass(frozen=True)
class Outcome:
    """A model, the parts it was made with, and what it said of unseen pictures."""

    model: KeypointModel
    sides: tuple[tuple[str, tuple[Example, ...]], ...]
    evaluated: list[EvaluatedExample]
    unreadable: list[Unreadable]
    metrics: KeypointsMetrics
    baseline: KeypointsScore


def train(
    examples: Sequence[Example],
    keypoints: Mapping[Sha256, Keypoints],
    points: KeypointSet,
    trainer: Trainer,
    options: Mapping[str, str],
    *,
    folder: Path,
    seed: int = 0,
    device: str | None = None,
    gpus: int = 1,
    cache: Path | None = None,
    crossed: bool = False,
    fresh: bool = False,
    about: Provenance = UNKNOWN,
    say: Say = silent,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = never,
) -> KeypointsCard:
    """Train both nets, check and measure them; `folder` appears when all of it is done, and not before.

    Measured is on the test part, or by cross-validation where that holds fewer than 20 heads or `crossed` asks for it.
    `log` takes one epoch at a time: the trainer's numbers and `part` ("heads", "points" or "fold 2/5 heads"). A run
    that was killed goes on where it was when it is started again with the same examples, marks, options and devices.
    The folder then holds model.onnx (points), heads.onnx, model.json, report.html, history.csv, predictions.csv
    (every head measured on), examples.csv, suspects.csv, and the weights where the trainer kept them.

    Raises:
        TrainerError: there is too little to train on, or the trainer cannot train it.
        UsageError: an option is unknown or does not fit.
    """
    marked = usable_set(examples, keypoints, points, say)
    protocol.check_task(trainer, Task.KEYPOINTS)
    checked = protocol.options(trainer, options)
    plan = run_folder.plan(trainer.name, options, seed, device, gpus) | _plan(marked, crossed)
    with run_folder.unfinished(folder, plan, fresh=fresh, say=say) as part:
        work = Work(
            trainer, checked, (), part / run_folder.WORK, seed, device, gpus, cache, say, log, should_stop
        )
        outcome = _train_and_evaluate(work, marked, crossed)
        issues = label_errors.find_issues(outcome.evaluated, points)
        card = _card(work, marked, outcome, folder.name, about, issues)
        report = page.render(
            contents.build(card, outcome.model.pair, outcome.evaluated, issues, about.yields)
        )
        run_files.write(part, card, outcome.model.pair, report, outcome.sides, outcome.evaluated, issues)
    say(summary(card.metrics))
    return card


def _plan(marked: TrainingSet, crossed: bool) -> dict[str, JsonValue]:
    """The part of a run's plan that is this task's."""
    return {
        "task": Task.KEYPOINTS.value,
        "points": list(marked.points.names),
        "flips": [list(pair) for pair in marked.points.flips],
        "examples": marked.digest(),
        "crossed": crossed,
    }


def _train_and_evaluate(work: Work, marked: TrainingSet, crossed: bool) -> Outcome:
    """Train, and judge on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(e for e in marked.examples if e.split is side) for side in Split)
    heads = marked.measured(test)
    if heads >= MIN_TEST and not crossed:
        model = fit(work, marked, train, valid)
        evaluated, unreadable = evaluate.evaluate(model.finder, _mean(marked, model, train), marked, test)
    else:
        parts = folds(marked, work.seed)
        why = "" if crossed else f"only {heads} test heads (fewer than {MIN_TEST}): "
        work.say(
            f"{why}cross-validating in {len(parts)} parts, each picture tested once; the model kept is one more, "
            "trained on all parts but one"
        )
        evaluated, unreadable = cross_validate(work, marked, parts)
        train, valid = cross_validation.last_model(parts)
        model, test = fit(work, marked, train, valid), ()
    sides = (("train", train), ("valid", valid), ("test", test))
    metrics, baseline = evaluate.measure(evaluated, unreadable, marked.points, seed=work.seed)
    return Outcome(model, sides, evaluated, unreadable, metrics, baseline)


def fit(
    work: Work, marked: TrainingSet, train: tuple[Example, ...], valid: tuple[Example, ...], part: str = ""
) -> KeypointModel:
    """One model: both nets, and the rule that joins them.

    Raises:
        TrainerError: a part holds no head with both eyes marked, or the trainer cannot train this.
    """
    for name, side in (("training", train), ("validation", valid)):
        if not marked.measured(side):
            raise TrainerError(
                f"no head with both eyes marked is in the {name} part{f' ({part})' if part else ''}; mark more "
                "pictures, or split again (byod split)"
            )
    return calibrate(stages.fit(work, marked, train, valid, part), marked, train, valid)


def folds(marked: TrainingSet, seed: int) -> tuple[Part, ...]:
    """Parts for a cross-validation: whole duplicate groups, pictures with heads and without spread alike.

    Raises:
        TrainerError: there are fewer than three different pictures with heads.
    """

    def label(example: Example) -> str:
        return "heads" if marked.keypoints[example.sha256].heads else "empty"

    groups = len({example.group for example in marked.examples if label(example) == "heads"})
    if groups < MIN_GROUPS:
        raise TrainerError(
            f"{groups} different pictures with heads are too few: it takes {MIN_GROUPS} at least, one each "
            "to learn from, to validate and to test"
        )
    return cross_validation.folds(marked.examples, label, min(FOLDS, groups), seed)


def cross_validate(
    work: Work, marked: TrainingSet, parts: Sequence[Part]
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """As `byod.training.cross_validation.cross_validate`, of keypoints."""

    def fold(
        train: Part, valid: Part, test: Part, name: str
    ) -> tuple[list[EvaluatedExample], list[Unreadable]]:
        model = fit(work, marked, train, valid, name)
        return evaluate.evaluate(model.finder, _mean(marked, model, train), marked, test, name)

    return cross_validation.cross_validate(parts, fold)


def _mean(marked: TrainingSet, model: KeypointModel, train: Sequence[Example]) -> Numbers:
    heads = true_heads(train, marked.keypoints, marked.points)
    return mean_face(heads, marked.points, model.rule.margin)


def _card(
    work: Work,
    marked: TrainingSet,
    outcome: Outcome,
    run: str,
    about: Provenance,
    issues: Sequence[KeypointIssue],
) -> KeypointsCard:
    rule, points = outcome.model.rule, outcome.model.pair.points.fitted
    train = dict(outcome.sides)["train"]
    return KeypointsCard(
        **card_fields(work, points, run, about),
        task=Task.KEYPOINTS,
        counts={Split(name): marked.count(side) for name, side in outcome.sides},
        seconds=outcome.model.pair.heads.fitted.seconds + points.seconds,
        suspects=len(issues),
        points=marked.points,
        heads=_heads(outcome.model),
        refine=rule.refine,
        eyes=rule.eyes,
        metrics=outcome.metrics,
        mean_face=tuple((float(x), float(y)) for x, y in _mean(marked, outcome.model, train)),
        baseline=outcome.baseline,
    )


def _heads(model: KeypointModel) -> HeadsStage:
    """The card's entry on the net that finds heads."""
    heads = model.pair.heads.fitted
    return HeadsStage(
        input=heads.input,
        sha256=heads.sha256,
        arch=heads.arch,
        pretrained=heads.pretrained,
        parameters=heads.parameters,
        parity=heads.parity,
        threshold=model.rule.threshold,
        margin=model.rule.margin,
        seconds=heads.seconds,
        notes=heads.notes,
    )


def summary(metrics: KeypointsMetrics) -> str:
    """Summarise a model in one line."""
    crops, pipeline = metrics.crops, metrics.pipeline
    median = "none" if crops.median is None else f"{crops.median:.1%}"
    low, high = pipeline.glasses_interval
    return (
        f"points are off by {median} of the distance of the eyes (median, {crops.heads} true crops); glasses sit on "
        f"{pipeline.glasses:.1%} of the heads in whole pictures (95 %: {low:.1%} to {high:.1%})"
    )
