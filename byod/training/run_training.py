"""The order of a training, whatever is learned: check, fit, measure on unseen pictures, explain, leave a run folder.

What differs from task to task is `byod.schema.task_learning.Learning`, handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from byod.schema.errors import TrainerError
from byod.schema.model_card import Card, Measured, Unreadable
from byod.schema.progress import Say, never, silent
from byod.schema.records import Sha256, Split
from byod.schema.task_learning import (
    Asking,
    Evaluating,
    LabelledSet,
    Learning,
    Outcome,
    OutOfFold,
    Refitting,
    Table,
)
from byod.training import cross_validation, protocol, refit, run_evaluation, run_files, run_folder
from byod.training.cross_validation import MIN_TEST, Part
from byod.training.fit import Log, Model, Work
from byod.training.protocol import Trainer
from byod.training.provenance import UNKNOWN, Provenance, card_fields
from byod.training.run_evaluation import EvaluatedRun, Learned, OtherPictures, evaluate_model
from byod.training.run_folder import TEST, WORK

SHARED = ("arch", "weights", "normalise", "from_scratch")
"""Options that a probe takes over from the training it stands beside, so that both begin with the same weights."""


@dataclass(frozen=True)
class Bar:
    """The probe's training: what the real one has to beat."""

    work: Work
    outcome: Outcome


@dataclass(frozen=True)
class Elsewhere:
    """Labelled pictures from elsewhere that a training is measured on as well, and how its task measures them."""

    evaluating: Evaluating
    pictures: OtherPictures


def train(
    learning: Learning,
    labelled: LabelledSet,
    trainer: Trainer,
    options: Mapping[str, str],
    *,
    folder: Path,
    seed: int = 0,
    device: str | None = None,
    gpus: int = 1,
    cache: Path | None = None,
    probe: Trainer | None = None,
    crossed: bool = False,
    fresh: bool = False,
    about: Provenance = UNKNOWN,
    elsewhere: Elsewhere | None = None,
    refitted: bool = False,
    say: Say = silent,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = never,
) -> Card:
    """Train, check, calibrate and measure; `folder` appears when all of it is done, and not before.

    Measured is on the test part, or by cross-validation where that holds too little or `crossed` asks for it. A `probe`
    trains first, on the same split. `log` takes one epoch at a time: the trainer's numbers and `part` ("", "fold 2/5",
    or with a stage: "heads", "fold 2/5 heads"). A run that was killed is resumed when it is started again with the same
    pictures, labels, options, seed and devices. `elsewhere` are other pictures, which the model is measured on as well;
    `refitted` asks for a model of all pictures too. What the folder then holds: `byod.training.run_files.write`.

    Raises:
        TrainerError: there is too little to train on, or the trainer cannot train it.
        UsageError: an option is unknown or does not fit.
    """
    usable = learning.usable(labelled, say)
    protocol.check_task(trainer, learning.task)
    checked = protocol.options(trainer, options)
    plan = run_folder.plan(trainer.name, options, seed, device, gpus) | usable.plan()
    plan |= {"task": learning.task, "crossed": crossed, "probe": probe and probe.name}
    plan |= {"beginning": [*_beginnings(trainer, checked, probe, options)]}
    with run_folder.unfinished(folder, plan, fresh=fresh, say=say) as part:
        work = Work(trainer, checked, part / WORK, seed, device, gpus, cache, say, log, should_stop)
        bar = None if probe is None else _train_probe(learning, work, usable, probe, options)
        outcome = train_and_evaluate(learning, work, usable, crossed=crossed)
        again = (
            learning.refit(work, usable, outcome) if refitted and isinstance(learning, Refitting) else None
        )
        card = _finish(learning, part, work, usable, outcome, bar, folder.name, about, elsewhere, again)
    say(learning.summary(outcome.metrics))
    return card


def _beginnings(
    trainer: Trainer, checked: BaseModel, probe: Trainer | None, given: Mapping[str, str]
) -> list[str]:
    """The nets and weights that a run begins with, the probe's too: part of what decides how it turns out."""
    said = [protocol.beginning(trainer, checked)]
    if probe is not None:
        said.append(protocol.beginning(probe, protocol.options(probe, _shared(given, probe))))
    return said


def _shared(given: Mapping[str, str], probe: Trainer) -> dict[str, str]:
    """The options of a training that its probe takes over."""
    return {k: v for k, v in given.items() if k in SHARED and k in probe.Options.model_fields}


def _finish(
    learning: Learning,
    part: Path,
    work: Work,
    labelled: LabelledSet,
    outcome: Outcome,
    bar: Bar | None,
    run: str,
    about: Provenance,
    elsewhere: Elsewhere | None,
    again: Model | None,
) -> Card:
    """Look for wrong labels, measure elsewhere, and write all files of the run."""
    asked = None if bar is None else out_of_fold(learning, bar.work, labelled, bar.outcome)
    issues = learning.find_issues(labelled, outcome.evaluated, asked, work.say)
    chance = None if bar is None or asked is None else _at_random(learning, labelled, bar, asked)
    card = _card(learning, work, labelled, outcome, bar, run, about, issues, chance)
    if isinstance(learning, Asking):
        for line in learning.warnings(card):
            work.say(line)
    card, found = _elsewhere(learning, labelled, outcome, card, about, elsewhere, work.say)
    twin = None
    if again is not None:
        twin = refit.card_of(card, again, labelled.count(labelled.examples)), again
        card = card.model_copy(update={"twin": again.fitted.sha256})
    suspected = issues.found if issues else ()
    report = learning.report(
        card, labelled, outcome.evaluated, outcome=outcome, issues=suspected, yields=about.yields
    )
    tables = _tables(learning, labelled, outcome, bar, found)
    models = learning.models(outcome.model)
    run_files.write(part, card, models, tables, outcome.sides, issues, report, about.looks, twin)
    return card


def _at_random(learning: Learning, labelled: LabelledSet, bar: Bar, asked: OutOfFold) -> Any:
    """The numbers a split at random would have promised of the probe; None where no pictures belong together."""
    if not isinstance(learning, Asking) or not isinstance(bar.work.trainer, protocol.Answering):
        return None
    if len({example.group for example in labelled.examples}) == len(labelled.examples):
        return None
    alone = labelled.of(e.model_copy(update={"group": e.sha256}) for e in labelled.examples)
    said = out_of_fold(learning, bar.work, alone)(())
    arch = learning.models(bar.outcome.model)[-1].model.fitted.arch
    return learning.random_split(labelled, asked(()), said, arch)


def _elsewhere(
    learning: Learning,
    labelled: LabelledSet,
    outcome: Outcome,
    card: Card,
    about: Provenance,
    elsewhere: Elsewhere | None,
    say: Say,
) -> tuple[Card, EvaluatedRun | None]:
    """Measure the model on pictures from elsewhere, if there are any, and note on its card what came of it."""
    if elsewhere is None:
        return card, None
    sides = dict(outcome.sides)
    seen = frozenset(e.sha256 for name, side in outcome.sides if name != TEST for e in side)
    evaluated = evaluate_model(
        learning,
        elsewhere.evaluating,
        card,
        lambda: learning.loaded(labelled, outcome.model, sides["train"]),
        Learned(seen, about.looks or None),
        elsewhere.pictures,
        name=card.run,
    )
    found = evaluated.record
    say(run_evaluation.summary(learning, found))
    for line in (*elsewhere.evaluating.table(found)[2], *run_evaluation.remarks(learning, found)):
        say(line)
    for one in found.unreadable:
        say(f"{one.path}: {one.error}")
    return elsewhere.evaluating.beside(card, found), evaluated


def _tables(
    learning: Learning,
    labelled: LabelledSet,
    outcome: Outcome,
    bar: Bar | None,
    found: EvaluatedRun | None,
) -> dict[str, Table]:
    """The tables of all answers that were counted, by file: the model's, the probe's, and those on other pictures."""
    tables = {"predictions.csv": learning.predictions(labelled, outcome.evaluated)}
    if bar is not None:
        tables["predictions-probe.csv"] = learning.predictions(labelled, bar.outcome.evaluated)
    if found is not None:
        head, rows = learning.predictions(found.labelled, found.evaluated)
        place = list(head).index("sha256")
        marked = [[*row, int(str(row[place]) in found.near)] for row in rows]
        tables["predictions-elsewhere.csv"] = ([*head, "near"], marked)
    return tables


def train_and_evaluate(
    learning: Learning, work: Work, labelled: LabelledSet, *, crossed: bool = False
) -> Outcome:
    """Train, and evaluate on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(e for e in labelled.examples if e.split is side) for side in Split)
    if (count := labelled.measured(test)) >= MIN_TEST and not crossed:
        model = learning.fit(work, labelled, train, valid, "")
        evaluated, unreadable = learning.evaluate_on(
            labelled, learning.loaded(labelled, model, train), test, TEST
        )
    else:
        parts = learning.folds(labelled, work.seed)
        few = f"only {count} test {learning.counted} (fewer than {MIN_TEST}): "
        work.say(
            f"{'' if crossed else few}cross-validating in {len(parts)} parts, each picture tested once; the model kept "
            "is one more, trained on all parts but one"
        )
        evaluated, unreadable = cross_validate(learning, work, labelled, parts)
        train, valid = cross_validation.last_model(parts)
        model, test = learning.fit(work, labelled, train, valid, ""), ()
    metrics = learning.metrics(
        labelled,
        evaluated,
        unreadable,
        seed=work.seed,
        measured_on=Measured.TEST if test else Measured.CROSS_VALIDATION,
    )
    sides = (("train", train), ("valid", valid), ("test", test))
    return Outcome(model, sides, evaluated, unreadable, metrics)


def cross_validate(
    learning: Learning,
    work: Work,
    labelled: LabelledSet,
    parts: Sequence[Part],
    leave_out: Collection[Sha256] = (),
) -> tuple[list[Any], list[Unreadable]]:
    """Test each part once with a model that was trained on the others, of which the next one validates.

    Pictures to `leave_out` are tested, and nothing is learned from them.
    """

    def fold(train: Part, valid: Part, test: Part, name: str) -> tuple[list[Any], list[Unreadable]]:
        model = learning.fit(work, labelled, train, valid, name)
        return learning.evaluate_on(labelled, learning.loaded(labelled, model, train), test, name)

    return cross_validation.cross_validate(parts, fold, leave_out)


def out_of_fold(
    learning: Learning, work: Work, labelled: LabelledSet, known: Outcome | None = None
) -> OutOfFold:
    """Asks a probe about all pictures, each from outside its fold; `known` is what it said before.

    Where pictures are left out, the folds are others than where none are: a second view.
    """
    crossed = known is not None and known.metrics.measured_on is Measured.CROSS_VALIDATION

    @cache
    def ask(leave_out: frozenset[Sha256]) -> list[Any]:
        if known is not None and crossed and not leave_out:
            return known.evaluated
        parts = learning.folds(labelled, work.seed + bool(leave_out))
        quiet = replace(work, folder=work.folder / f"without-{len(leave_out)}", say=silent)
        if isinstance(learning, Asking) and isinstance(work.trainer, protocol.Answering):
            return cross_validation.cross_validate(parts, _asked(learning, quiet, labelled), leave_out)[0]
        return cross_validate(learning, quiet, labelled, parts, leave_out)[0]

    return lambda leave_out: ask(frozenset(leave_out))


def _asked(learning: Asking, work: Work, labelled: LabelledSet) -> cross_validation.Fold[Any]:
    """A fold whose model is asked at once, and not kept."""

    def fold(train: Part, valid: Part, test: Part, name: str) -> tuple[list[Any], list[Unreadable]]:
        return learning.ask(work, labelled, train, valid, test, name), []

    return fold


def probe_work(
    probe: Trainer, options: Mapping[str, str], folder: Path, seed: int, cache: Path | None
) -> Work:
    """Work that becomes no run: a probe asked in silence, since it would say the same for each fold."""
    checked = protocol.options(probe, options)
    return Work(probe, checked, folder, seed, None, 1, cache, silent, lambda epoch: None, never)


def _train_probe(
    learning: Learning, work: Work, labelled: LabelledSet, probe: Trainer, options: Mapping[str, str]
) -> Bar | None:
    """The instant bar, on the same split; where it cannot begin with the same weights, it says so and takes its own."""
    work.say(f"first the probe ({probe.name}): the bar that training has to clear")
    shared = _shared(options, probe)
    for given in (shared, {}) if shared else ({},):
        bar = replace(
            work,
            trainer=probe,
            options=protocol.options(probe, given),
            folder=work.folder / "probe",
            typicality=False,  # nobody predicts with it
            gpus=1,
            log=lambda epoch: None,
        )
        try:
            outcome = train_and_evaluate(learning, bar, labelled)
        except TrainerError as error:
            work.say(f"the probe cannot be trained{' with the same weights' if given else ''}: {error}")
            continue
        arch = learning.models(outcome.model)[-1].model.fitted.arch
        work.say(f"the probe ({arch}): {learning.summary(outcome.metrics)}")
        return Bar(bar, outcome)
    return None


def _card(
    learning: Learning,
    work: Work,
    labelled: LabelledSet,
    outcome: Outcome,
    bar: Bar | None,
    run: str,
    about: Provenance,
    issues: Any,
    chance: Any = None,
) -> Card:
    """The model card: what every run says of itself, and what the task adds."""
    models = [each.model.fitted for each in learning.models(outcome.model)]
    fields = {
        **card_fields(work, models[-1], run, about),
        "task": learning.task,
        "counts": {Split(name): labelled.count(side) for name, side in outcome.sides},
        "seconds": sum(fitted.seconds for fitted in models),
        "suspects": None if issues is None else len(issues.found),
        **({} if chance is None else {"random_split": chance}),
    }
    if bar is None:
        return learning.card(fields, labelled, outcome, None)
    against = learning.paired(labelled, outcome.evaluated, bar.outcome.evaluated, seed=work.seed)
    return learning.card(fields, labelled, outcome, (bar.work.trainer.name, bar.outcome, against))


def digest(lines: Sequence[str]) -> str:
    """A hash of what is learned from and measured on: equal for equal lines, in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
