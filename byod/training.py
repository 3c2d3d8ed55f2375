"""One training from labelled pictures to a measured, calibrated, self-describing run folder."""

from __future__ import annotations

import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, JsonValue

from byod import __version__, measures, onnxfile, runfolder, splits, trainers
from byod.errors import TrainerError
from byod.modelcard import Measured, Metrics, ModelCard, Unreadable
from byod.predictor import predictions
from byod.records import Example, Split, Task
from byod.resizing import as_input, pixels
from byod.trainers import Run, Trained, Trainer, TrainingData

MIN_TEST = 20  # with fewer test pictures than this, a set is cross-validated
MIN_GROUPS = 3  # different pictures a class needs: one each to learn from, to validate and to test
FOLDS = 5
HISTORY = ("epoch", "train_loss", "valid_loss", "accuracy", "seconds")

Epoch = Mapping[str, float]
Log = Callable[[dict[str, Any]], None]


def _never() -> bool:
    return False


@dataclass(frozen=True)
class _Work:
    """What every training of one run shares."""

    trainer: Trainer
    options: BaseModel
    classes: tuple[str, ...]
    part: Path
    seed: int
    device: str | None
    say: Callable[[str], None]
    log: Log
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class _Model:
    """One finished training: the exported file with its temperature, and how it came about."""

    trained: Trained
    content: bytes
    sha256: str
    temperature: float
    parity: float
    seconds: float
    history: tuple[Epoch, ...]


def train_run(
    examples: Sequence[Example],
    classes: Sequence[str],
    trainer: Trainer,
    options: Mapping[str, str],
    *,
    folder: Path,
    seed: int = 0,
    device: str | None = None,
    fingerprint: str = "",
    licences: Mapping[str, int] | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
    log: Log = lambda epoch: None,
    should_stop: Callable[[], bool] = _never,
) -> ModelCard:
    """Train, check, calibrate and measure; `folder` appears when all of it is done, and not before.

    `log` takes one epoch at a time: the trainer's numbers and `part` ("" or "fold 2/5"). The folder holds
    model.onnx, model.json, report.html, history.csv and predictions.csv (every picture measured on).

    Raises:
        TrainerError: there is too little to train on, or the trainer cannot train it.
        UsageError: an option is unknown or does not fit.
    """
    used = _classes(examples, classes, say)
    checked = trainers.options(trainer, options)
    if Task.CLASSIFY not in trainer.tasks:
        raise TrainerError(f"the trainer {trainer.name} does not train classes")
    with runfolder.unfinished(folder) as part:
        work = _Work(trainer, checked, used, part, seed, device, say, log, should_stop)
        sides, model, judged, unreadable = _learn(work, examples)
        metrics = _metrics(judged, unreadable, used, seed)
        card = _card(work, model, metrics, sides, folder.name, fingerprint, licences or {}, command)
        runfolder.write(part, card, model.content, model.history, judged)
    say(_verdict(card))
    return card


_Sides = tuple[tuple[Example, ...], tuple[Example, ...], tuple[Example, ...]]


def _learn(
    work: _Work, examples: Sequence[Example]
) -> tuple[_Sides, _Model, list[runfolder.Judged], list[Unreadable]]:
    """Train, and judge on unseen pictures: the test part, or each part of a cross-validation in turn."""
    train, valid, test = (tuple(example for example in examples if example.split is side) for side in Split)
    if len(test) >= MIN_TEST:
        _see_all_classes(train, valid, work.classes)
        model = _train(work, train, valid)
        return (train, valid, test), model, *_judge(model, work.classes, test, "test")
    parts = _folds(examples, work.classes, work.seed)
    work.say(
        f"only {len(test)} test pictures (fewer than {MIN_TEST}): cross-validating in {len(parts)} parts, "
        "each picture tested once; the model kept is one more, trained on all parts but one"
    )
    judged, unreadable = _cross_validate(work, parts)
    most, least = tuple(example for each in parts[1:] for example in each), parts[0]
    return (most, least, ()), _train(work, most, least), judged, unreadable


def _classes(
    examples: Sequence[Example], classes: Sequence[str], say: Callable[[str], None]
) -> tuple[str, ...]:
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


def _folds(examples: Sequence[Example], classes: Sequence[str], seed: int) -> tuple[tuple[Example, ...], ...]:
    groups = Counter(label for label, _ in {(e.label, e.group) for e in examples})
    count = min(FOLDS, *(groups[name] for name in classes))
    items = [splits.Item(sha256=e.sha256, label=e.label, group=e.group) for e in examples]
    by_sha = {example.sha256: example for example in examples}
    return tuple(tuple(by_sha[sha] for sha in fold) for fold in splits.folds(items, count, seed))


def _cross_validate(
    work: _Work, parts: Sequence[Sequence[Example]]
) -> tuple[list[runfolder.Judged], list[Unreadable]]:
    """Each part is tested once by a model that trained on the others (one of them validates)."""
    judged: list[runfolder.Judged] = []
    unreadable: list[Unreadable] = []
    for number, test in enumerate(parts):
        beside = (number + 1) % len(parts)
        train = tuple(e for n, p in enumerate(parts) if n not in (number, beside) for e in p)
        _see_all_classes(train, parts[beside], work.classes)
        name = f"fold {number + 1}/{len(parts)}"
        model = _train(work, train, tuple(parts[beside]), name)
        some, broken = _judge(model, work.classes, test, name)
        judged += some
        unreadable += broken
    return judged, unreadable


def _train(work: _Work, train: tuple[Example, ...], valid: tuple[Example, ...], name: str = "") -> _Model:
    """Let the trainer learn, compare its export with what it trained, and add temperature and softmax."""
    history: list[Epoch] = []
    lines = None if name else work.part / "history.csv"

    def log(epoch: Epoch) -> None:
        history.append(dict(epoch))
        if lines:
            runfolder.append(lines, HISTORY, [epoch.get(key, "") for key in HISTORY])
        work.log({**epoch, "part": name})

    scratch = work.part / "work"
    scratch.mkdir()
    run = Run(scratch, work.seed, work.device, work.say, log, work.should_stop)
    started = time.perf_counter()
    data = TrainingData(classes=work.classes, train=train, valid=valid)
    trained = work.trainer.train(data, work.options, run)
    seconds = time.perf_counter() - started
    logits, parity = _exported_logits(trained, valid, work)
    truth = _numbers(valid, work.classes)
    temperature = measures.temperature(logits, truth)
    target = scratch / "model.onnx"
    sha256 = onnxfile.finish(
        trained.onnx,
        target,
        temperature=temperature,
        metadata={"byod": __version__, "classes": "\n".join(work.classes)},
    )
    content = target.read_bytes()
    shutil.rmtree(scratch)
    return _Model(trained, content, sha256, temperature, parity, seconds, tuple(history))


def _exported_logits(
    trained: Trained, valid: Sequence[Example], work: _Work
) -> tuple[onnxfile.Floats, float]:
    """The exported file's logits on all validation pictures; refuses an export that is not the trained model."""
    opened = onnxfile.session(trained.onnx.read_bytes())
    onnxfile.check(opened, trained.input, "logits", len(work.classes))
    exported, worst = [], 0.0
    for at in range(0, len(valid), 32):
        images = as_input(np.stack([pixels(e.path, trained.input) for e in valid[at : at + 32]]))
        exported.append(onnxfile.run(opened, images))
        worst = max(worst, onnxfile.difference(trained.logits(images), exported[-1]))
    if worst >= onnxfile.PARITY:
        raise TrainerError(
            f"the exported model differs from the trained one by {worst:.1e} (allowed: {onnxfile.PARITY:.0e}); "
            f"{trained.arch} cannot be exported faithfully, choose another architecture"
        )
    return np.concatenate(exported), worst


def _judge(
    model: _Model, classes: Sequence[str], test: Sequence[Example], part: str
) -> tuple[list[runfolder.Judged], list[Unreadable]]:
    """What the exported file, run by onnxruntime, says of pictures the trainer never saw."""
    opened = onnxfile.session(model.content)
    onnxfile.check(opened, model.trained.input, "probabilities", len(classes))
    judged, unreadable = [], []
    said = predictions(opened, model.trained.input, classes, (example.path for example in test))
    for example, answer in zip(test, said, strict=True):
        if isinstance(answer, Unreadable):
            unreadable.append(answer)
        else:
            judged.append(runfolder.Judged(example, answer, model.temperature, part))
    if not judged:
        raise TrainerError(
            f"not one of the {len(test)} test pictures can be opened any more ({unreadable[0].error})"
        )
    return judged, unreadable


def _numbers(examples: Sequence[Example], classes: Sequence[str]) -> measures.Labels:
    number = {name: at for at, name in enumerate(classes)}
    return np.array([number[example.label] for example in examples], np.int64)


def _metrics(
    judged: Sequence[runfolder.Judged], unreadable: Sequence[Unreadable], classes: tuple[str, ...], seed: int
) -> Metrics:
    truth = _numbers([j.example for j in judged], classes)
    probabilities = np.array([[j.said.probabilities[name] for name in classes] for j in judged])
    temperatures = np.array([[j.temperature] for j in judged])
    raw = measures.softmax(np.log(np.clip(probabilities, 1e-38, 1.0)) * temperatures)
    said = probabilities.argmax(axis=1)
    table = measures.confusion(truth, said, len(classes))
    scores = measures.class_scores(table, classes)
    right = said == truth
    parts = list(dict.fromkeys(j.part for j in judged))
    by_part = [float(right[[j.part == part for j in judged]].mean()) for part in parts]
    crossed = parts != ["test"]
    return Metrics(
        measured_on=Measured.CROSS_VALIDATION if crossed else Measured.TEST,
        pictures=len(judged),
        unreadable=len(unreadable),
        accuracy=measures.accuracy(table),
        interval=measures.interval(right, [j.example.group for j in judged], seed=seed),
        macro_f1=measures.macro_f1(scores),
        log_loss=measures.log_loss(probabilities, truth),
        ece=measures.calibration_error(probabilities, truth),
        ece_raw=measures.calibration_error(raw, truth),
        per_class=scores,
        confusion=tuple(tuple(int(n) for n in row) for row in table),
        folds=tuple(by_part) if crossed else (),
    )


def _card(
    work: _Work,
    model: _Model,
    metrics: Metrics,
    parts: tuple[Sequence[Example], Sequence[Example], Sequence[Example]],
    run: str,
    fingerprint: str,
    licences: Mapping[str, int],
    command: str,
) -> ModelCard:
    trained = model.trained
    own = {name: version(name) for name in ("numpy", "onnxruntime", "pillow")}
    return ModelCard(
        run=run,
        created=datetime.now(UTC),
        task=Task.CLASSIFY,
        plugin=work.trainer.name,
        arch=trained.arch,
        pretrained=trained.pretrained,
        classes=work.classes,
        input=trained.input,
        temperature=model.temperature,
        parity=model.parity,
        model_sha256=model.sha256,
        metrics=metrics,
        counts={
            split: dict(Counter(example.label for example in part))
            for split, part in zip(Split, parts, strict=True)
        },
        fingerprint=fingerprint,
        licences=dict(licences),
        parameters=trained.parameters,
        device=trained.device,
        seed=work.seed,
        seconds=model.seconds,
        options=_given(work.options),
        notes=dict(trained.notes),
        versions={"byod": __version__, "python": platform.python_version(), **own, **trained.versions},
        command=command,
    )


def _given(options: BaseModel) -> dict[str, JsonValue]:
    """The options that were set, files by their names alone: a card is for giving away."""
    chosen = options.model_dump(mode="json", exclude_unset=True)
    return {
        k: getattr(options, k).name if isinstance(getattr(options, k), Path) else v for k, v in chosen.items()
    }


def _verdict(card: ModelCard) -> str:
    metrics = card.metrics
    low, high = metrics.interval
    how = "test pictures" if metrics.measured_on is Measured.TEST else "pictures, cross-validated"
    return f"accuracy {metrics.accuracy:.1%} (95 %: {low:.1%} to {high:.1%}) on {metrics.pictures} {how}"
