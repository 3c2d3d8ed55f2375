"""One training from marked pictures to a measured, self-describing run folder with two model files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from byod import __version__, runfolder, splits, trainers, training
from byod.about import UNKNOWN, About, told
from byod.errors import TrainerError
from byod.fitting import Log, Work
from byod.keypoints.frames import Numbers
from byod.keypoints.metrics import mean_face
from byod.keypoints.truth import true_heads
from byod.modelcard import HeadsStage, PointsCard, PointsMetrics, PointsScore, Unreadable
from byod.pointruns import folder as files
from byod.pointruns import judging, stages, stories, suspects
from byod.pointruns.joining import Joined, join
from byod.pointruns.judging import Judged
from byod.pointruns.marked import Marked, Say, usable
from byod.pointruns.suspects import MarkSuspect
from byod.points import Marks, PointSet
from byod.records import Example, Sha256, Split, Task
from byod.trainers import Trainer
from byod.training import FOLDS, MIN_TEST


@dataclass(frozen=True)
class Outcome:
    """A model, the parts it was made with, and what it said of unseen pictures."""

    model: Joined
    sides: tuple[tuple[str, tuple[Example, ...]], ...]
    judged: list[Judged]
    unreadable: list[Unreadable]
    metrics: PointsMetrics
    baseline: PointsScore


def _never() -> bool:
    return False


def train_run(
    examples: Sequence[Example],
    marks: Mapping[Sha256, Marks],
    points: PointSet,
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
    about: About = UNKNOWN,
    say: Say = lambda line: None,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = _never,
) -> PointsCard:
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
    marked = usable(examples, marks, points, say)
    checked = trainers.options(trainer, options)
    if Task.KEYPOINTS not in trainer.tasks:
        raise TrainerError(
            f"the trainer {trainer.name} does not train points; byod plugins says which ones do (tasks)"
        )
    plan = _plan(marked, trainer, options, seed, device, gpus, crossed)
    with runfolder.unfinished(folder, plan, fresh=fresh, say=say) as part:
        work = Work(
            trainer, checked, (), part / runfolder.WORK, seed, device, gpus, cache, say, log, should_stop
        )
        outcome = _learn(work, marked, crossed)
        doubted = suspects.search(outcome.judged, points)
        card = _card(work, marked, outcome, folder.name, about, doubted)
        report = stories.tell(card, outcome.model.pair, outcome.judged, doubted, about.yields)
        files.write(part, card, outcome.model.pair, report, outcome.sides, outcome.judged, doubted)
    say(verdict(card.metrics))
    return card


def _plan(
    marked: Marked,
    trainer: Trainer,
    options: Mapping[str, str],
    seed: int,
    device: str | None,
    gpus: int,
    crossed: bool,
) -> dict[str, JsonValue]:
    """All that decides how a training turns out; an unfinished run with the same plan can be taken up."""
    return {
        "byod": __version__,
        "task": Task.KEYPOINTS.value,
        "plugin": trainer.name,
        "options": dict(options),
        "points": list(marked.points.names),
        "flips": [list(pair) for pair in marked.points.flips],
        "examples": marked.digest(),
        "seed": seed,
        "device": device,
        "gpus": gpus,
        "crossed": crossed,
    }


def _learn(work: Work, marked: Marked, crossed: bool) -> Outcome:
    """Train, and judge on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(e for e in marked.examples if e.split is side) for side in Split)
    heads = marked.measured(test)
    if heads >= MIN_TEST and not crossed:
        model = fit(work, marked, train, valid)
        judged, unreadable = judging.judge(model.finder, _mean(marked, model, train), marked, test)
        sides = (("train", train), ("valid", valid), ("test", test))
    else:
        parts = folds(marked, work.seed)
        why = "" if crossed else f"only {heads} test heads (fewer than {MIN_TEST}): "
        work.say(
            f"{why}cross-validating in {len(parts)} parts, each picture tested once; the model kept is one more, "
            "trained on all parts but one"
        )
        judged, unreadable = cross_validate(work, marked, parts)
        train, valid = tuple(example for each in parts[1:] for example in each), parts[0]
        model = fit(work, marked, train, valid)
        sides = (("train", train), ("valid", valid), ("test", ()))
    metrics, baseline = judging.measure(judged, unreadable, marked.points, seed=work.seed)
    return Outcome(model, sides, judged, unreadable, metrics, baseline)


def fit(
    work: Work, marked: Marked, train: tuple[Example, ...], valid: tuple[Example, ...], part: str = ""
) -> Joined:
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
    return join(stages.fit(work, marked, train, valid, part), marked, train, valid)


def folds(marked: Marked, seed: int) -> tuple[tuple[Example, ...], ...]:
    """Parts for a cross-validation: whole duplicate groups, pictures with heads and without spread alike.

    Raises:
        TrainerError: there are fewer than three different pictures with heads.
    """
    items = [
        splits.Item(
            sha256=e.sha256, label="heads" if marked.marks[e.sha256].heads else "empty", group=e.group
        )
        for e in marked.examples
    ]
    groups = len({item.group for item in items if item.label == "heads"})
    if groups < training.MIN_GROUPS:
        raise TrainerError(
            f"{groups} different pictures with heads are too few: it takes {training.MIN_GROUPS} at least, one each "
            "to learn from, to validate and to test"
        )
    by_sha = {example.sha256: example for example in marked.examples}
    parts = splits.folds(items, min(FOLDS, groups), seed)
    return tuple(tuple(by_sha[sha] for sha in part) for part in parts)


def cross_validate(
    work: Work, marked: Marked, parts: Sequence[tuple[Example, ...]]
) -> tuple[list[Judged], list[Unreadable]]:
    """Each part is tested once by a model that trained on the others (one of them validates)."""
    judged: list[Judged] = []
    unreadable: list[Unreadable] = []
    for number, test in enumerate(parts):
        beside = (number + 1) % len(parts)
        train = tuple(e for n, p in enumerate(parts) if n not in (number, beside) for e in p)
        part = f"fold {number + 1}/{len(parts)}"
        model = fit(work, marked, train, parts[beside], part)
        some, broken = judging.judge(model.finder, _mean(marked, model, train), marked, test, part)
        judged += some
        unreadable += broken
    return judged, unreadable


def _mean(marked: Marked, model: Joined, train: Sequence[Example]) -> Numbers:
    heads = true_heads(train, marked.marks, marked.points)
    return mean_face(heads, marked.points, model.rule.margin)


def _card(
    work: Work,
    marked: Marked,
    outcome: Outcome,
    run: str,
    about: About,
    doubted: Sequence[MarkSuspect],
) -> PointsCard:
    rule, points = outcome.model.rule, outcome.model.pair.points.fitted
    train = dict(outcome.sides)["train"]
    return PointsCard(
        **told(work, points, run, about),
        task=Task.KEYPOINTS,
        counts={Split(name): marked.count(side) for name, side in outcome.sides},
        seconds=outcome.model.pair.heads.fitted.seconds + points.seconds,
        suspects=len(doubted),
        points=marked.points,
        heads=_heads(outcome.model),
        refine=rule.refine,
        eyes=rule.eyes,
        metrics=outcome.metrics,
        mean_face=tuple((float(x), float(y)) for x, y in _mean(marked, outcome.model, train)),
        baseline=outcome.baseline,
    )


def _heads(model: Joined) -> HeadsStage:
    """What the card says of the net that finds heads."""
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


def verdict(metrics: PointsMetrics) -> str:
    """How good a model is, in one line."""
    crops, pipeline = metrics.crops, metrics.pipeline
    median = "none" if crops.median is None else f"{crops.median:.1%}"
    low, high = pipeline.glasses_interval
    return (
        f"points are off by {median} of the distance of the eyes (median, {crops.heads} true crops); glasses sit on "
        f"{pipeline.glasses:.1%} of the heads in whole pictures (95 %: {low:.1%} to {high:.1%})"
    )
