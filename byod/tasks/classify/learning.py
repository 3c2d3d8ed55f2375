"""How classes are learned: `byod.schema.task_learning.Learning` for the task classify."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from byod.report.run_wording import PROBE
from byod.schema.least_alike_score import RandomSplit
from byod.schema.model_card import LabelIssue, Measured, Metrics, ModelCard, Paired, Probe, Unreadable
from byod.schema.model_graph import GraphInput
from byod.schema.progress import Say
from byod.schema.records import Example, Task, Yield
from byod.schema.task_learning import Issues, ModelFile, Outcome, OutOfFold, Table
from byod.tasks.classify import (
    asking,
    calibrate,
    class_set,
    evaluated_examples,
    label_errors,
    least_alike,
)
from byod.tasks.classify.class_set import ClassSet, see_all_classes
from byod.tasks.classify.evaluated_examples import EvaluatedExample, LoadedModel
from byod.tasks.classify.report import contents, page, wording
from byod.training import cross_validation
from byod.training.cross_validation import FOLDS, Part
from byod.training.fit import Model, Work
from byod.training.refit import work_like
from byod.training.run_folder import WEIGHTS

task = Task.CLASSIFY.value
counted = "pictures"
probe = PROBE
labelled = class_set.labelled
usable = class_set.usable


def fit(
    work: Work, labelled: ClassSet, train: tuple[Example, ...], valid: tuple[Example, ...], part: str
) -> Model:
    """One classifier, with its temperature."""
    see_all_classes(train, valid, labelled.classes)
    return calibrate.fit(work, labelled.classes, train, valid, part)


def refit(work: Work, labelled: ClassSet, outcome: Outcome) -> Model:
    """A classifier of all pictures with the settings, epochs and temperature of the measured one.

    The validation pictures are among those that it learns from: they only say whether its export is faithful.
    """
    measured: Model = outcome.model
    work.say("training once more, on all pictures (--refit): this model is not measured, its twin is")
    again = work_like(work, measured.fitted)
    valid = dict(outcome.sides)["valid"]
    return calibrate.fit(
        again, labelled.classes, labelled.examples, valid, "all pictures", measured.fitted.temperature
    )


def folds(labelled: ClassSet, seed: int) -> tuple[Part, ...]:
    """Parts for a cross-validation: whole duplicate groups, no more than the rarest class has."""
    groups = Counter(label for label, _ in {(e.label, e.group) for e in labelled.examples})
    count = min(FOLDS, *(groups[name] for name in labelled.classes))
    return cross_validation.folds(labelled.examples, lambda example: example.label, count, seed)


def loaded(labelled: ClassSet, model: Model, train: Sequence[Example]) -> LoadedModel:
    """The exported file, ready to be asked."""
    fitted = model.fitted
    return LoadedModel(model.content, fitted.input, labelled.classes, fitted.temperature, fitted.typicality)


def evaluate_on(
    labelled: ClassSet, loaded: LoadedModel, test: Sequence[Example], part: str
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """Ask the exported file about every picture of `test`."""
    return evaluated_examples.evaluate(loaded, test, part)


def ask(
    work: Work, labelled: ClassSet, train: Part, valid: Part, test: Part, part: str
) -> list[EvaluatedExample]:
    """Ask a model that is not kept about every picture of `test`, at once and without a file."""
    return asking.ask(work, labelled, train, valid, test, part)[0]


def random_split(
    labelled: ClassSet,
    grouped: Sequence[EvaluatedExample],
    alone: Sequence[EvaluatedExample],
    probe: str,
) -> RandomSplit:
    """The numbers that a split at random would have promised of a probe."""
    sizes = Counter(each.example.group for each in grouped)
    return RandomSplit(
        probe=probe,
        pictures=len(grouped),
        together=sum(size for size in sizes.values() if size > 1),
        grouped=sum(each.right for each in grouped) / len(grouped),
        random=sum(each.right for each in alone) / len(alone),
    )


def warnings(card: ModelCard) -> list[str]:
    """The share owed to pictures like learned ones, where that is much."""
    found = wording.least_alike(card)
    return [found.words.text()] if found is not None and found.level else []


def metrics(
    labelled: ClassSet,
    evaluated: Sequence[EvaluatedExample],
    unreadable: Sequence[Unreadable],
    *,
    seed: int,
    measured_on: Measured,
) -> Metrics:
    """Accuracy and its interval, calibration, confusions."""
    return evaluated_examples.metrics(
        evaluated, unreadable, labelled.classes, seed=seed, measured_on=measured_on
    )


def paired(
    labelled: ClassSet, first: Sequence[EvaluatedExample], second: Sequence[EvaluatedExample], *, seed: int
) -> Paired:
    """Two models on the same pictures."""
    return evaluated_examples.paired(first, second, seed=seed)


def find_issues(
    labelled: ClassSet, evaluated: Sequence[EvaluatedExample], probe: OutOfFold | None, say: Say
) -> Issues | None:
    """Pictures whose labels the others speak against, by what the probe says of each from outside its fold."""
    if probe is None:
        return None
    found = label_errors.find_label_issues(probe, labelled.classes)
    if found.doubtful:
        say(
            f"{len(found.doubtful)} labels look wrong; the report shows them, byod check --suspects lists them"
        )
    return Issues(LabelIssue, found.doubtful, found.hard)


def card(
    fields: Mapping[str, Any],
    labelled: ClassSet,
    outcome: Outcome,
    probe: tuple[str, Outcome, Paired] | None,
) -> ModelCard:
    """The model card."""
    rule, like = outcome.model.fitted.input, None
    if probe is not None:
        crossed = outcome.metrics.measured_on is Measured.CROSS_VALIDATION
        sides = dict(outcome.sides)
        learned = () if crossed else (*sides["train"], *sides["valid"])
        arch = probe[1].model.fitted.arch
        like = least_alike.measure(outcome.evaluated, learned, arch, seed=fields["seed"])
    return ModelCard(
        **fields,
        classes=labelled.classes,
        temperature=outcome.model.fitted.temperature,
        typicality=outcome.model.fitted.typicality,
        graph_input=GraphInput(shape=("N", 3, rule.height, rule.width)),
        metrics=outcome.metrics,
        probe=None if probe is None else _probe(*probe),
        least_alike=like,
    )


def _probe(plugin: str, outcome: Outcome, against: Paired) -> Probe:
    fitted = outcome.model.fitted
    return Probe(
        plugin=plugin,
        arch=fitted.arch,
        pretrained=fitted.pretrained,
        metrics=outcome.metrics,
        seconds=fitted.seconds,
        against=against,
    )


def models(model: Model) -> tuple[ModelFile, ...]:
    """The one model file."""
    return (ModelFile("model.onnx", WEIGHTS, model),)


def predictions(labelled: ClassSet, evaluated: Sequence[EvaluatedExample]) -> Table:
    """A line a picture: what it is, what was said, and the probability of each class."""
    return evaluated_examples.predictions(evaluated, labelled.classes)


def report(
    card: ModelCard,
    labelled: ClassSet,
    evaluated: Sequence[EvaluatedExample],
    *,
    outcome: Outcome | None = None,
    issues: Sequence[LabelIssue] = (),
    yields: Sequence[Yield] = (),
) -> str:
    """The page of a run or an evaluation."""
    model = None if outcome is None else outcome.model
    paths = {example.sha256: example.path for example in labelled.examples}
    return page.render(contents.build(card, model, evaluated, issues, paths, yields))


def summary(metrics: Metrics) -> str:
    """A model's accuracy in one line."""
    low, high = metrics.interval
    return (
        f"accuracy {metrics.accuracy:.1%} (95 %: {low:.1%} to {high:.1%}) on {metrics.pictures} "
        f"{_MEASURED_ON[metrics.measured_on]}"
    )


_MEASURED_ON = {
    Measured.TEST: "test pictures",
    Measured.CROSS_VALIDATION: "pictures, cross-validated",
    Measured.FOLDER: "pictures",
}
