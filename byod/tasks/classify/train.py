"""One training from labelled pictures to a measured, calibrated, self-describing run folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from byod.schema.errors import TrainerError
from byod.schema.model_card import LabelIssue, Measured, Metrics, ModelCard, Probe, Unreadable
from byod.schema.progress import Say, never, silent
from byod.schema.records import Example, Sha256, Split, Task
from byod.tasks.classify import evaluate, label_errors, run_files
from byod.tasks.classify.calibrate import fit
from byod.tasks.classify.evaluate import EvaluatedExample
from byod.tasks.classify.report import contents, page
from byod.training import cross_validation, protocol, run_folder
from byod.training.cross_validation import FOLDS, MIN_GROUPS, MIN_TEST, Part
from byod.training.fit import Log, Model, Work
from byod.training.protocol import Trainer
from byod.training.provenance import UNKNOWN, Provenance, card_fields
from byod.training.run_folder import TEST

SHARED = ("arch", "weights", "normalise", "from_scratch")
"""Options that a probe takes over from the training it stands beside, so that both begin with the same weights."""


@dataclass(frozen=True)
class Outcome:
    """One trainer on one set: its model, the parts it was made with, and what it said of unseen pictures."""

    model: Model
    sides: tuple[tuple[str, tuple[Example, ...]], ...]
    evaluated: list[EvaluatedExample]
    unreadable: list[Unreadable]
    metrics: Metrics


def train(
    examples: Sequence[Example],
    classes: Sequence[str],
    trainer: Trainer,
    options: Mapping[str, str],
    *,
    folder: Path,
    seed: int = 0,
    device: str | None = None,
    gpus: int = 1,
    cache: Path | None = None,
    probe: Trainer | None = None,
    fresh: bool = False,
    about: Provenance = UNKNOWN,
    say: Say = silent,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = never,
) -> ModelCard:
    """Train, check, calibrate and measure; `folder` appears when all of it is done, and not before.

    A `probe` trains first, on the same split, and looks for label errors. `log` takes one epoch at a time: the
    trainer's numbers and `part` ("" or "fold 2/5"). A run that was killed is resumed when it is started again with
    the same examples, options, seed and devices. The folder then holds model.onnx, model.json, report.html,
    history.csv, predictions.csv (every picture measured on), examples.csv, and weights and suspects where known.

    Raises:
        TrainerError: there is too little to train on, or the trainer cannot train it.
        UsageError: an option is unknown or does not fit.
    """
    used = usable_classes(examples, classes, say)
    protocol.check_task(trainer, Task.CLASSIFY)
    checked = protocol.options(trainer, options)
    plan = run_folder.plan(trainer.name, options, seed, device, gpus) | _plan(examples, used, probe)
    with run_folder.unfinished(folder, plan, fresh=fresh, say=say) as part:
        work = Work(
            trainer, checked, used, part / run_folder.WORK, seed, device, gpus, cache, say, log, should_stop
        )
        bar = None if probe is None else _probe(work, probe, options, examples)
        issues = None if bar is None else _probe_issues(bar[1], bar[0], examples)
        outcome = _train_and_evaluate(work, examples)
        beside = None if bar is None else _compared_with_probe(bar[0], bar[1], outcome, seed)
        card = _card(work, outcome, folder.name, about, beside, issues)
        paths = {example.sha256: example.path for example in examples}
        shown = contents.build(card, outcome.model, outcome.evaluated, issues or (), paths, about.yields)
        run_files.write(
            part, card, outcome.model, page.render(shown), outcome.sides, outcome.evaluated, issues or ()
        )
    say(summary(card.metrics))
    return card


def _plan(examples: Sequence[Example], classes: Sequence[str], probe: Trainer | None) -> dict[str, JsonValue]:
    """The part of a run's plan that is this task's."""
    lines = "\n".join(sorted(f"{e.sha256} {e.label} {e.split} {e.group}" for e in examples))
    return {
        "classes": list(classes),
        "examples": hashlib.sha256(lines.encode()).hexdigest(),
        "probe": None if probe is None else probe.name,
    }


def _train_and_evaluate(work: Work, examples: Sequence[Example]) -> Outcome:
    """Train, and evaluate on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(example for example in examples if example.split is side) for side in Split)
    if len(test) >= MIN_TEST:
        _see_all_classes(train, valid, work.classes)
        model = fit(work, train, valid)
        evaluated, unreadable = _tested(work, model, test)
    else:
        parts = folds(examples, work.classes, work.seed)
        work.say(
            f"only {len(test)} test pictures (fewer than {MIN_TEST}): cross-validating in {len(parts)} parts, "
            "each picture tested once; the model kept is one more, trained on all parts but one"
        )
        evaluated, unreadable = cross_validate(work, parts)
        train, valid = cross_validation.last_model(parts)
        model, test = fit(work, train, valid), ()
    metrics = evaluate.metrics(evaluated, unreadable, work.classes, seed=work.seed)
    sides = (("train", train), ("valid", valid), ("test", test))
    return Outcome(model, sides, evaluated, unreadable, metrics)


def usable_classes(examples: Sequence[Example], classes: Sequence[str], say: Say) -> tuple[str, ...]:
    """The classes that have pictures, in the order given; refuses what no trainer could learn from."""
    groups: dict[str, set[str]] = {name: set() for name in classes}
    for example in examples:
        groups.setdefault(example.label, set()).add(example.group)
    used = tuple(name for name, members in groups.items() if members)
    if not used:
        raise TrainerError(
            "there is nothing to train on: no class holds a picture; fill one with byod collect or byod add"
        )
    if len(used) == 1:
        raise TrainerError(
            f"there is only one class with pictures ({used[0]}); a model needs a second one to tell it from"
        )
    fewest = min(used, key=lambda name: len(groups[name]))
    if len(groups[fewest]) < MIN_GROUPS:
        raise TrainerError(
            f"{len(examples)} pictures are too few: {fewest} has {len(groups[fewest])} different from each other, "
            f"and a class needs at least {MIN_GROUPS} (some 50 for a result worth having)"
        )
    for name in groups.keys() - set(used):
        say(f"{name} has no pictures and is left out")
    return used


def _see_all_classes(train: Sequence[Example], valid: Sequence[Example], classes: Sequence[str]) -> None:
    """A split must leave every class something to learn from, and something to validate on."""
    missing = [name for name in classes if name not in {example.label for example in train}]
    if missing:
        raise TrainerError(
            f"no picture of {missing[0]} is in the training part; collect more of them, or split again"
        )
    if not valid:
        raise TrainerError("the validation part is empty; split again (byod split)")


def folds(
    examples: Sequence[Example], classes: Sequence[str], seed: int, count: int = FOLDS
) -> tuple[Part, ...]:
    """Parts for a cross-validation: whole duplicate groups, no more than the rarest class has."""
    groups = Counter(label for label, _ in {(e.label, e.group) for e in examples})
    count = min(count, *(groups[name] for name in classes))
    return cross_validation.folds(examples, lambda example: example.label, count, seed)


def cross_validate(
    work: Work, parts: Sequence[Part], leave_out: Collection[Sha256] = ()
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """As `byod.training.cross_validation.cross_validate`, of classes."""

    def fold(
        train: Part, valid: Part, test: Part, name: str
    ) -> tuple[list[EvaluatedExample], list[Unreadable]]:
        _see_all_classes(train, valid, work.classes)
        return _tested(work, fit(work, train, valid, name), test, name)

    return cross_validation.cross_validate(parts, fold, leave_out)


def _tested(
    work: Work, model: Model, test: Sequence[Example], part: str = TEST
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    fitted = model.fitted
    return evaluate.evaluate(model.content, fitted.input, work.classes, fitted.temperature, test, part)


def _probe(
    work: Work, probe: Trainer, options: Mapping[str, str], examples: Sequence[Example]
) -> tuple[Work, Outcome] | None:
    """The instant bar, on the same split; where it cannot begin with the same weights, it says so and takes its own."""
    work.say(f"first the probe ({probe.name}): the bar that training has to clear")
    shared = {k: v for k, v in options.items() if k in SHARED and k in probe.Options.model_fields}
    for given in (shared, {}) if shared else ({},):
        bar = replace(
            work,
            trainer=probe,
            options=protocol.options(probe, given),
            folder=work.folder / "probe",
            gpus=1,
            log=lambda epoch: None,
        )
        try:
            outcome = _train_and_evaluate(bar, examples)
        except TrainerError as error:
            work.say(f"the probe cannot be trained{' with the same weights' if given else ''}: {error}")
            continue
        work.say(f"the probe ({outcome.model.fitted.arch}): {summary(outcome.metrics)}")
        return bar, outcome
    return None


def _probe_issues(bar: Outcome, work: Work, examples: Sequence[Example]) -> tuple[LabelIssue, ...]:
    """Pictures whose labels the others speak against, by what the probe says of each from outside its fold."""
    crossed = bar.metrics.measured_on is Measured.CROSS_VALIDATION
    found = _cross_validated_issues(replace(work, say=silent), examples, bar.evaluated if crossed else None)
    if found:
        work.say(f"{len(found)} labels look wrong; the report shows them, byod check --suspects lists them")
    return found


def find_label_issues(
    examples: Sequence[Example],
    classes: Sequence[str],
    probe: Trainer,
    folder: Path,
    *,
    options: Mapping[str, str],
    cache: Path | None,
    say: Say,
) -> tuple[LabelIssue, ...]:
    """The pictures whose labels look wrong to a cross-validated probe, the likeliest first.

    Raises:
        TrainerError: there is too little to train on.
    """
    used = usable_classes(examples, classes, say)
    work = silent_work(probe, options, used, folder, seed=0, cache=cache)
    say(f"asking the probe ({probe.name}) about each picture, trained on others …")
    return _cross_validated_issues(work, examples, None)


def silent_work(
    probe: Trainer,
    options: Mapping[str, str],
    classes: tuple[str, ...],
    folder: Path,
    *,
    seed: int,
    cache: Path | None,
) -> Work:
    """Work that becomes no run: a probe asked in silence, since it would say the same for each fold."""
    checked = protocol.options(probe, options)
    return Work(
        probe, checked, classes, folder, seed, None, 1, cache, lambda line: None, lambda epoch: None, never
    )


def _cross_validated_issues(
    work: Work, examples: Sequence[Example], first: list[EvaluatedExample] | None
) -> tuple[LabelIssue, ...]:
    """Search for wrong labels; `first` is what was said when all pictures were learned from, where that is known."""
    parts = folds(examples, work.classes, work.seed)

    def predict(leave_out: Collection[str]) -> label_errors.OutOfFold:
        evaluated = first
        if evaluated is None or leave_out:
            place = work.folder / f"without-{len(leave_out)}"
            evaluated, _ = cross_validate(replace(work, folder=place), parts, leave_out)
        return evaluate.probabilities(evaluated, work.classes), [j.example for j in evaluated]

    return label_errors.find_label_issues(predict, work.classes)


def _compared_with_probe(work: Work, bar: Outcome, outcome: Outcome, seed: int) -> Probe:
    fitted = bar.model.fitted
    return Probe(
        plugin=work.trainer.name,
        arch=fitted.arch,
        pretrained=fitted.pretrained,
        metrics=bar.metrics,
        seconds=fitted.seconds,
        against=evaluate.paired(outcome.evaluated, bar.evaluated, seed=seed),
    )


def _card(
    work: Work,
    outcome: Outcome,
    run: str,
    about: Provenance,
    probe: Probe | None,
    issues: Sequence[LabelIssue] | None,
) -> ModelCard:
    fitted = outcome.model.fitted
    return ModelCard(
        **card_fields(work, fitted, run, about),
        task=Task.CLASSIFY,
        classes=work.classes,
        temperature=fitted.temperature,
        metrics=outcome.metrics,
        counts={Split(name): dict(Counter(e.label for e in side)) for name, side in outcome.sides},
        seconds=fitted.seconds,
        probe=probe,
        suspects=None if issues is None else len(issues),
    )


def summary(metrics: Metrics) -> str:
    """A model's accuracy in one line."""
    low, high = metrics.interval
    how = "test pictures" if metrics.measured_on is Measured.TEST else "pictures, cross-validated"
    return f"accuracy {metrics.accuracy:.1%} (95 %: {low:.1%} to {high:.1%}) on {metrics.pictures} {how}"
