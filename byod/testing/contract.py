"""The contract of trainers, to be run: what byod and its users may expect of every plugin, tried out on a CPU.

`check_trainer` draws pictures and trains on them as `byod train` would, so that a plugin needs one line. In this order:

1. `name`, `tasks`, `resumes`, `Options` and `doctor` are as `byod.trainers.Trainer` says, and the doctor imports
   nothing heavy.
2. An unknown option is refused with a UsageError that names the known ones.
3. Odd pictures in the training part stop nothing.
4. It learns the drawn classes: at least `accuracy` (0..1) of the test pictures are right.
5. It opens no test picture and asks for no pixels but those of its own pictures.
6. The exported logits are the trained ones, within 1e-4 of their scale.
7. The same seed gives the same weights and logits, within 1e-5.
8. Killed at three different epochs and started again, it logs every epoch once and ends with a final validation
   loss within 5 % (or 0.001) of the uninterrupted run's, by the median of the three. If it does not resume,
   it is killed once and ends with one complete run.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Literal

import numpy as np

from byod import onnxfile, trainers
from byod.errors import UsageError
from byod.records import Example, Split
from byod.testing import oddities
from byod.testing.drawing import draw_classes
from byod.testing.form import form, refuses_unknown_options
from byod.testing.jobs import Job, place, send
from byod.testing.trials import Bench, Model, trained, watched
from byod.testing.watching import Broken
from byod.trainers import Run, Trainer, TrainingData

EPOCHS = "6"
"""How long is trained unless the options say otherwise."""
SAME = 1e-5
"""By how much two trainings with the same seed may differ."""
NEAR = 0.05
"""By how much, relative to it, a resumed training's validation loss may differ from an uninterrupted one's."""
LEAST = 1e-3
"""Validation losses closer than this are equal: near zero a relative difference says nothing."""
TESTED = 20
"""Test pictures that byod needs, not to cross-validate instead."""


@dataclass(frozen=True)
class Checked:
    """What was measured of a trainer that keeps the contract.

    `accuracy` (0..1) is that on the test pictures, `parity` the largest relative difference of exported and trained
    logits, `repeated` the largest difference of weights or logits in a second training with the same seed.
    `valid_loss` and `resumed` are the final validation losses uninterrupted and after each kill.
    """

    accuracy: float
    parity: float
    repeated: float
    valid_loss: float | None
    resumed: tuple[float, ...]


def check_trainer(
    cls: type[Trainer],
    options: Mapping[str, str] | None = None,
    *,
    classes: Sequence[str] = ("circle", "square"),
    per_class: int = 60,
    size: tuple[int, int] = (160, 120),
    epochs_option: str = "epochs",
    accuracy: float = 0.8,
    seed: int = 0,
) -> Checked:
    """Train on drawn pictures, on the CPU, and see that a trainer keeps the contract above; says what was measured.

    `options` are those of `byod train --set`; choose a small, fast net that needs no download. Where there is an
    option called `epochs_option` and it is not among them, 6 epochs are trained. `per_class` pictures of `size`
    (width, height in pixels) are drawn for each class. It takes one short training, two whole ones
    and three that are killed in processes of their own and resumed here; those import the class by module and name.
    `accuracy` is the share of test pictures (0..1) that must be right.

    Raises:
        AssertionError: it breaks the contract; one sentence that says how.
    """
    given = dict(options or {})
    name = form(cls)
    if epochs_option in cls().Options.model_fields:
        given.setdefault(epochs_option, EPOCHS)
    refuses_unknown_options(cls, name, given)
    with tempfile.TemporaryDirectory(prefix="byod-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        examples = _drawn(folder / "pictures", classes, per_class, size, seed)
        bench = Bench(cls, name, given, tuple(classes), examples, folder, seed)
        return _tried(bench, epochs_option, accuracy)


def _tried(bench: Bench, epochs_option: str, accuracy: float) -> Checked:
    """All rules that it takes a training to see, the cheapest first."""
    _takes_odd_pictures(bench, epochs_option)
    first = trained(bench, "first")
    if first.accuracy < accuracy:
        raise Broken(
            f"{bench.name} does not learn drawn classes: {first.accuracy:.0%} of {len(bench.test)} test pictures are "
            f"right, and {accuracy:.0%} should be"
        )
    repeated = _repeats(bench, first)
    resumed = _survives_kills(bench, first, accuracy)
    return Checked(first.accuracy, first.parity, repeated, first.valid_loss, resumed)


def _drawn(
    folder: Path, classes: Sequence[str], per_class: int, size: tuple[int, int], seed: int
) -> tuple[Example, ...]:
    """Drawn pictures with their places in the split: a fifth validates, a fifth tests (at least 20 in all)."""
    test = max(ceil(TESTED / len(classes)), per_class // 5)
    valid = max(4, per_class // 5)
    if per_class < test + 2 * valid:
        raise UsageError(f"check_trainer needs at least {test + 2 * valid} pictures a class, not {per_class}")
    examples = []
    for number, (label, paths) in enumerate(draw_classes(folder, classes, per_class, size, seed).items()):
        for at, path in enumerate(paths):
            split = Split.TEST if at < test else Split.VALID if at < test + valid else Split.TRAIN
            examples.append(_example(path, label, split, number * per_class + at))
    return tuple(examples)


def _example(path: Path, label: str, split: Split, number: int) -> Example:
    return Example(sha256=f"{number:064x}", path=path, label=label, split=split, group=path.name)


def _takes_odd_pictures(bench: Bench, epochs_option: str) -> None:
    """A short training with odd pictures among a few drawn ones."""
    train, valid = (
        [e for name in bench.classes for e in bench.examples if e.label == name and e.split is split][::2]
        for split in (Split.TRAIN, Split.VALID)
    )
    odd = [
        _example(path, bench.classes[at % len(bench.classes)], Split.TRAIN, len(bench.examples) + at)
        for at, path in enumerate(oddities.draw(bench.folder / "odd"))
    ]
    learning = TrainingData(classes=bench.classes, train=(*train, *odd), valid=tuple(valid))
    short = {**bench.options, **({epochs_option: "1"} if epochs_option in bench.options else {})}
    run = Run(folder=bench.folder / "short", seed=bench.seed, device="cpu")
    run.folder.mkdir()
    with bench.rule(f"cannot train with {oddities.WORDS} pictures in the training part"):
        trainer = bench.cls()
        learned = watched(bench, trainer.train, learning, trainers.options(trainer, short), run)
        shape = (2, 3, learned.input.height, learned.input.width)
        finite = np.isfinite(learned.logits(np.full(shape, 0.5, np.float32))).all()
        learned.release()
    if not finite:
        raise Broken(f"{bench.name} trains to numbers that are none with {oddities.WORDS} pictures")


def _repeats(bench: Bench, first: Model) -> float:
    """The same seed once more; the largest difference."""
    again = trained(bench, "again")
    if [tensor.shape for tensor in first.tensors] != [tensor.shape for tensor in again.tensors]:
        raise Broken(f"{bench.name} exports tensors of other shapes when it trains again with the same seed")
    differences = [
        float(np.abs(a - b).max(initial=0)) for a, b in zip(first.tensors, again.tensors, strict=True)
    ]
    worst = max(*differences, onnxfile.difference(first.logits, again.logits), 0.0)
    if worst > SAME:
        raise Broken(
            f"{bench.name} trains to another model each time: with the same seed weights or logits differ by "
            f"{worst:.1e}, and {SAME:.0e} is allowed"
        )
    return worst


def _survives_kills(bench: Bench, whole: Model, accuracy: float) -> tuple[float, ...]:
    """Kill it in the middle and start it again; the final validation losses, where it resumes."""
    count = len(whole.history)
    if not bench.cls().resumes:
        _resumed(bench, whole, "logged", 1)
        return ()
    if count < 4 or whole.valid_loss is None:
        raise Broken(
            f"{bench.name} resumes and logs {count} epochs; 4 are needed, each with its valid_loss, to try it"
        )
    losses = []
    when: Literal["logged", "saved"]
    for when, epochs in (("logged", 2), ("saved", count // 2 + 1), ("saved", count)):
        model = _resumed(bench, whole, when, epochs)
        if model.valid_loss is None or not isfinite(model.valid_loss) or model.accuracy < accuracy:
            raise Broken(
                f"{bench.name}, killed after epoch {epochs} was {when} and resumed, ends with an accuracy of "
                f"{model.accuracy:.0%} and a validation loss of {model.valid_loss}, uninterrupted with "
                f"{whole.accuracy:.0%} and {whole.valid_loss}"
            )
        losses.append(model.valid_loss)
    away = [max(0.0, abs(loss - whole.valid_loss) - LEAST) / max(whole.valid_loss, LEAST) for loss in losses]
    if statistics.median(away) > NEAR:
        said = ", ".join(f"{loss:.4f}" for loss in losses)
        raise Broken(
            f"{bench.name} does not go on where it was killed: the final validation losses are {said}, that of an "
            f"uninterrupted run {whole.valid_loss:.4f}"
        )
    return tuple(losses)


def _resumed(bench: Bench, whole: Model, when: Literal["logged", "saved"], epochs: int) -> Model:
    """Train in another process until it dies, and then here to the end."""
    name = f"{when}-{epochs}"
    job = Job(
        trainer=place(bench.cls),
        task="train",
        answer=bench.folder / name,
        classes=bench.classes,
        examples=bench.examples,
        options=dict(bench.options),
        folder=bench.folder / f"{name}-killed" / "run",
        seed=bench.seed,
        when=when,
        epochs=epochs,
    )
    answer, last = send(job)
    if not answer:
        wrong = f"cannot be trained in another process: {last}"
        if when == "saved" and job.folder.exists():
            wrong = f"resumes, and yet it has not saved epoch {epochs} (run.save) when its training ends"
        raise Broken(f"{bench.name} {wrong}")
    model = trained(bench, f"{name}-killed")
    found, wanted = ([row["epoch"] for row in rows] for rows in (model.history, whole.history))
    if found != wanted:
        raise Broken(
            f"{bench.name}, killed after epoch {epochs} was {when} and started again, logs the epochs "
            f"{' '.join(found)} instead of {' '.join(wanted)}"
        )
    left = sorted(path.name for path in job.folder.parent.iterdir())
    if left != ["run"]:
        raise Broken(
            f"{bench.name}, killed and started again, leaves {' '.join(left)} instead of one run folder"
        )
    return model
