"""One training from labelled pictures to a measured, calibrated, self-describing run folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from byod import __version__, fitting, judging, runfolder, splits, stories, suspects, trainers
from byod.about import UNKNOWN, About, told
from byod.errors import TrainerError
from byod.fitting import Log, Model, Work
from byod.judging import Judged
from byod.modelcard import Measured, Metrics, ModelCard, Probe, Suspect, Unreadable
from byod.records import Example, Split, Task
from byod.trainers import Trainer

MIN_TEST = 20  # with fewer test pictures than this, a set is cross-validated
MIN_GROUPS = 3  # different pictures a class needs: one each to learn from, to validate and to test
FOLDS = 5
SHARED = ("arch", "weights", "normalise", "from_scratch")
"""Options that a probe takes over from the training it stands beside, so that both begin with the same weights."""

Say = Callable[[str], None]


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Outcome:
    """One trainer on one set: its model, the parts it was made with, and what it said of unseen pictures."""

    model: Model
    sides: tuple[tuple[str, tuple[Example, ...]], ...]
    judged: list[Judged]
    unreadable: list[Unreadable]
    metrics: Metrics


def train_run(
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
    about: About = UNKNOWN,
    say: Say = lambda line: None,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = _never,
) -> ModelCard:
    """Train, check, calibrate and measure; `folder` appears when all of it is done, and not before.

    A `probe` learns first, on the same split, and looks for doubtful labels. `log` takes one epoch at a time:
    the trainer's numbers and `part` ("" or "fold 2/5"). A run that was killed goes on where it was when it is
    started again with the same examples, options, seed and devices. The folder then holds model.onnx,
    model.json, report.html, history.csv, predictions.csv (every picture measured on), examples.csv, and what
    else there is (weights, suspects).

    Raises:
        TrainerError: there is too little to train on, or the trainer cannot train it.
        UsageError: an option is unknown or does not fit.
    """
    used = usable(examples, classes, say)
    checked = trainers.options(trainer, options)
    if Task.CLASSIFY not in trainer.tasks:
        raise TrainerError(f"the trainer {trainer.name} does not train classes")
    plan = _plan(examples, used, trainer, options, seed, device, gpus, probe)
    with runfolder.unfinished(folder, plan, fresh=fresh, say=say) as part:
        work = Work(
            trainer, checked, used, part / runfolder.WORK, seed, device, gpus, cache, say, log, should_stop
        )
        bar = None if probe is None else _probe(work, probe, options, examples)
        doubted = None if bar is None else _suspects(bar[1], bar[0], examples)
        outcome = _learn(work, examples)
        beside = None if bar is None else _beside(bar[0], bar[1], outcome, seed)
        card = _card(work, outcome, folder.name, about, beside, doubted)
        by_sha = {example.sha256: example.path for example in examples}
        report = stories.tell(card, outcome.model, outcome.judged, doubted or (), by_sha, about.yields)
        runfolder.write(part, card, outcome.model, report, outcome.sides, outcome.judged, doubted or ())
    say(verdict(card.metrics))
    return card


def _plan(
    examples: Sequence[Example],
    classes: tuple[str, ...],
    trainer: Trainer,
    options: Mapping[str, str],
    seed: int,
    device: str | None,
    gpus: int,
    probe: Trainer | None,
) -> dict[str, JsonValue]:
    """All that decides how a training turns out; an unfinished run with the same plan can be taken up."""
    lines = "\n".join(sorted(f"{e.sha256} {e.label} {e.split} {e.group}" for e in examples))
    return {
        "byod": __version__,
        "plugin": trainer.name,
        "options": dict(options),
        "classes": list(classes),
        "examples": hashlib.sha256(lines.encode()).hexdigest(),
        "seed": seed,
        "device": device,
        "gpus": gpus,
        "probe": None if probe is None else probe.name,
    }


def _learn(work: Work, examples: Sequence[Example]) -> Outcome:
    """Train, and judge on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(example for example in examples if example.split is side) for side in Split)
    if len(test) >= MIN_TEST:
        _see_all_classes(train, valid, work.classes)
        model = fitting.fit(work, train, valid)
        judged, unreadable = judging.judge(
            model.content, model.fitted.input, work.classes, model.fitted.temperature, test
        )
        sides = (("train", train), ("valid", valid), ("test", test))
    else:
        parts = folds(examples, work.classes, work.seed)
        work.say(
            f"only {len(test)} test pictures (fewer than {MIN_TEST}): cross-validating in {len(parts)} parts, "
            "each picture tested once; the model kept is one more, trained on all parts but one"
        )
        judged, unreadable = cross_validate(work, parts)
        train, valid = tuple(example for each in parts[1:] for example in each), parts[0]
        model = fitting.fit(work, train, valid)
        sides = (("train", train), ("valid", valid), ("test", ()))
    metrics = judging.metrics(judged, unreadable, work.classes, seed=work.seed)
    return Outcome(model, sides, judged, unreadable, metrics)


def usable(examples: Sequence[Example], classes: Sequence[str], say: Say) -> tuple[str, ...]:
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
) -> tuple[tuple[Example, ...], ...]:
    """Parts for a cross-validation: whole duplicate groups, no more than the rarest class has."""
    groups = Counter(label for label, _ in {(e.label, e.group) for e in examples})
    count = min(count, *(groups[name] for name in classes))
    items = [splits.Item(sha256=e.sha256, label=e.label, group=e.group) for e in examples]
    by_sha = {example.sha256: example for example in examples}
    return tuple(tuple(by_sha[sha] for sha in fold) for fold in splits.folds(items, count, seed))


def cross_validate(
    work: Work, parts: Sequence[Sequence[Example]], leave_out: Collection[str] = ()
) -> tuple[list[Judged], list[Unreadable]]:
    """Each part is tested once by a model that trained on the others (one of them validates).

    Pictures to `leave_out` (SHA-256s) are tested, and nothing is learned from them.
    """
    judged: list[Judged] = []
    unreadable: list[Unreadable] = []
    clean = [tuple(e for e in part if e.sha256 not in leave_out) for part in parts]
    for number, test in enumerate(parts):
        beside = (number + 1) % len(parts)
        train = tuple(e for n, p in enumerate(clean) if n not in (number, beside) for e in p)
        _see_all_classes(train, clean[beside], work.classes)
        part = f"fold {number + 1}/{len(parts)}"
        model = fitting.fit(work, train, clean[beside], part)
        some, broken = judging.judge(
            model.content,
            model.fitted.input,
            work.classes,
            model.fitted.temperature,
            test,
            part,
        )
        judged += some
        unreadable += broken
    return judged, unreadable


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
            options=trainers.options(probe, given),
            folder=work.folder / "probe",
            gpus=1,
            log=lambda epoch: None,
        )
        try:
            outcome = _learn(bar, examples)
        except TrainerError as error:
            work.say(f"the probe cannot be trained{' with the same weights' if given else ''}: {error}")
            continue
        work.say(f"the probe ({outcome.model.fitted.arch}): {verdict(outcome.metrics)}")
        return bar, outcome
    return None


def _suspects(bar: Outcome, work: Work, examples: Sequence[Example]) -> tuple[Suspect, ...]:
    """Pictures whose labels the others speak against, by what the probe says of each from outside its fold."""
    crossed = bar.metrics.measured_on is Measured.CROSS_VALIDATION
    found = _doubted(replace(work, say=lambda line: None), examples, bar.judged if crossed else None)
    if found:
        work.say(f"{len(found)} labels look wrong; the report shows them, byod check --suspects lists them")
    return found


def doubts(
    examples: Sequence[Example],
    classes: Sequence[str],
    probe: Trainer,
    folder: Path,
    *,
    options: Mapping[str, str],
    cache: Path | None,
    say: Say,
) -> tuple[Suspect, ...]:
    """The pictures whose labels look wrong to a cross-validated probe, the likeliest first.

    Raises:
        TrainerError: there is too little to train on.
    """
    used = usable(examples, classes, say)
    work = aside(probe, options, used, folder, seed=0, cache=cache)
    say(f"asking the probe ({probe.name}) about each picture, trained on others …")
    return _doubted(work, examples, None)


def aside(
    probe: Trainer,
    options: Mapping[str, str],
    classes: tuple[str, ...],
    folder: Path,
    *,
    seed: int,
    cache: Path | None,
) -> Work:
    """Work that becomes no run: a probe asked in silence, since it would say the same for each fold."""
    checked = trainers.options(probe, options)
    return Work(
        probe, checked, classes, folder, seed, None, 1, cache, lambda line: None, lambda epoch: None, _never
    )


def _doubted(work: Work, examples: Sequence[Example], first: list[Judged] | None) -> tuple[Suspect, ...]:
    """Search for wrong labels; `first` is what was said when all pictures were learned from, where that is known."""
    parts = folds(examples, work.classes, work.seed)

    def ask(leave_out: Collection[str]) -> suspects.Answers:
        judged = first
        if judged is None or leave_out:
            place = work.folder / f"without-{len(leave_out)}"
            judged, _ = cross_validate(replace(work, folder=place), parts, leave_out)
        return judging.probabilities(judged, work.classes), [j.example for j in judged]

    return suspects.search(ask, work.classes)


def _beside(work: Work, bar: Outcome, outcome: Outcome, seed: int) -> Probe:
    fitted = bar.model.fitted
    return Probe(
        plugin=work.trainer.name,
        arch=fitted.arch,
        pretrained=fitted.pretrained,
        metrics=bar.metrics,
        seconds=fitted.seconds,
        against=judging.against(outcome.judged, bar.judged, seed=seed),
    )


def _card(
    work: Work,
    outcome: Outcome,
    run: str,
    about: About,
    probe: Probe | None,
    doubted: Sequence[Suspect] | None,
) -> ModelCard:
    fitted = outcome.model.fitted
    return ModelCard(
        **told(work, fitted, run, about),
        task=Task.CLASSIFY,
        classes=work.classes,
        temperature=fitted.temperature,
        metrics=outcome.metrics,
        counts={Split(name): dict(Counter(e.label for e in side)) for name, side in outcome.sides},
        seconds=fitted.seconds,
        probe=probe,
        suspects=None if doubted is None else len(doubted),
    )


def verdict(metrics: Metrics) -> str:
    """A model's accuracy in one line."""
    low, high = metrics.interval
    how = "test pictures" if metrics.measured_on is Measured.TEST else "pictures, cross-validated"
    return f"accuracy {metrics.accuracy:.1%} (95 %: {low:.1%} to {high:.1%}) on {metrics.pictures} {how}"
