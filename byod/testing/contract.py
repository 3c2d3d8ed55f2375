"""The contract of trainers, to be run: what byod and its users may expect of every plugin, tried out on a CPU.

`check_trainer` draws pictures and trains on them as `byod train` would, so that a plugin needs one line. In this order:

1. `name`, `tasks`, `resumes`, `Options` and `doctor` are as `byod.training.protocol.Trainer` says, and the doctor
   imports nothing heavy.
2. An unknown option is refused with a UsageError that names the known ones.
3. Odd pictures in the training part stop nothing; nor do heads of which only the eyes are marked.
4. It learns the drawn classes: at least `accuracy` (0..1) of the test pictures are right. Or the drawn heads: at least
   `accuracy` of their points are within 0.1 of the distance of the eyes on true crops, and as many heads are found.
5. It opens no test picture and asks for no pixels but those of its own pictures.
6. The exported logits (or outputs of each stage) are the trained ones, within 1e-4 of their scale.
7. The same seed gives the same weights and outputs, within 1e-5.
8. Killed at three different epochs and started again, it logs every epoch once and ends with a final validation
   loss within 5 % (or 0.001) of the uninterrupted run's, by the median of the three. If it does not resume,
   it is killed once and ends with one complete run.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np

from byod.schema.errors import UsageError
from byod.schema.keypoints import Instance, Keypoint, Keypoints
from byod.schema.model_card import Stage
from byod.schema.records import Example, Split
from byod.testing import drawn_sets, edge_cases
from byod.testing.drawn_sets import Drawn
from byod.testing.jobs import TrialJob, place, send
from byod.testing.spies import Broken
from byod.testing.trainer_class import form, refuses_unknown_options
from byod.testing.trials import Bench, TrialModel, trained, watched
from byod.training import onnx_model, protocol
from byod.training.protocol import Run, Trained, Trainer, TrainingData

EPOCHS = "6"
"""How long is trained unless the options say otherwise."""
SAME = 1e-5
"""By how much two trainings with the same seed may differ."""
NEAR = 0.05
"""By how much, relative to it, a resumed training's validation loss may differ from an uninterrupted one's."""
LEAST = 1e-3
"""Validation losses closer than this are equal: near zero a relative difference says nothing."""


@dataclass(frozen=True)
class Checked:
    """The result of a check that a trainer passed.

    `accuracy` (0..1) is that on the test pictures (for points: the share of them that is within 0.1 of the distance of
    the eyes on true crops), `parity` the largest relative difference of exported and trained outputs, `repeated` the
    largest difference of weights or outputs in a second training with the same seed. `valid_loss` and `resumed` are the
    final validation losses uninterrupted and after each kill. `found` is the share of heads found in whole pictures.
    """

    accuracy: float
    parity: float
    repeated: float
    valid_loss: float | None
    resumed: tuple[float, ...]
    found: float = 1.0


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
    task: str | None = None,
) -> Checked:
    """Train on drawn pictures, on the CPU, and see that a trainer keeps the contract above; says what was measured.

    `task` is which of the trainer's tasks to try (None: the first one it names). `options` are those of
    `byod train --set`; choose a small, fast net that needs no download. Where there is an option called `epochs_option`
    and it is not among them, 6 epochs are trained. `per_class` pictures of `size` (width, height in pixels) are drawn
    for each class; for the task keypoints as many pictures of heads as all classes have together. It takes one short
    training, two whole ones and three that are killed in processes of their own and resumed here; those import the
    class by module and name. `accuracy` is the share of test pictures (0..1) that must be right; of points and heads
    see above.

    Raises:
        AssertionError: it breaks the contract; one sentence that says how.
    """
    given = dict(options or {})
    name = form(cls)
    task = task or cls().tasks[0]
    if task not in cls().tasks or task not in drawn_sets.OF_TASK:
        raise UsageError(f"{name} does not learn {task}; its tasks are {', '.join(cls().tasks)}")
    if epochs_option in cls().Options.model_fields:
        given.setdefault(epochs_option, EPOCHS)
    refuses_unknown_options(cls, name, given)
    with tempfile.TemporaryDirectory(prefix="byod-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        drawn = drawn_sets.OF_TASK[task](folder / "pictures", classes, per_class, size, seed)
        bench = Bench(cls, name, given, drawn, folder, seed)
        return _tried(bench, epochs_option, accuracy)


def _tried(bench: Bench, epochs_option: str, accuracy: float) -> Checked:
    """All rules that it takes a training to see, the cheapest first."""
    _takes_odd_pictures(bench, epochs_option)
    first = trained(bench, "first")
    _learns(bench, first, accuracy)
    repeated = _repeats(bench, first)
    resumed = _survives_kills(bench, first, accuracy)
    return Checked(first.accuracy, first.parity, repeated, first.valid_loss, resumed, first.found)


def _learns(bench: Bench, model: TrialModel, accuracy: float) -> None:
    if model.accuracy < accuracy:
        what = f"{model.accuracy:.0%} of {len(bench.test)} test pictures are right"
        if bench.drawn.points is not None:
            what = (
                f"{model.accuracy:.0%} of the points of test heads are within 0.1 of the distance of the eyes"
            )
        raise Broken(
            f"{bench.name} does not learn drawn {bench.drawn.things}: {what}, and {accuracy:.0%} should be"
        )
    if model.found < accuracy:
        raise Broken(
            f"{bench.name} does not learn to find drawn heads: {model.found:.0%} of those of the test pictures are "
            f"found, and {accuracy:.0%} should be"
        )


def _takes_odd_pictures(bench: Bench, epochs_option: str) -> None:
    """A short training with odd pictures among a few drawn ones."""
    short = {**bench.options, **({epochs_option: "1"} if epochs_option in bench.options else {})}
    for learning in _odd(bench):
        stage = learning.stage or ""
        run = Run(folder=bench.folder / f"short{stage}", seed=bench.seed, device="cpu")
        run.folder.mkdir()
        with bench.rule(f"cannot train with {edge_cases.WORDS} pictures in the training part"):
            trainer = bench.cls()
            learned = watched(bench, trainer.train, learning, protocol.options(trainer, short), run)
            finite = _says_numbers(learned, learning.stage)
            learned.release()
        if not finite:
            raise Broken(f"{bench.name} trains to numbers that are none with {edge_cases.WORDS} pictures")


def _says_numbers(learned: Trained, stage: Stage | None) -> bool:
    grey = np.full((2, 3, learned.input.height, learned.input.width), 0.5, np.float32)
    said = [learned.logits(grey)] if stage is None else list(learned.outputs(grey).values())
    return all(bool(np.isfinite(each).all()) for each in said)


def _odd(bench: Bench) -> list[TrainingData]:
    """The data of a short training, for each stage: a few drawn pictures and the odd ones."""
    drawn = bench.drawn
    groups = dict.fromkeys(e.label for e in drawn.examples)
    train, valid = (
        [e for name in groups for e in [each for each in drawn.part(split) if each.label == name][::2]]
        for split in (Split.TRAIN, Split.VALID)
    )
    labels = drawn.classes or ("cat",)
    odd = [
        drawn_sets.example(path, labels[at % len(labels)], Split.TRAIN, len(drawn.examples) + at)
        for at, path in enumerate(edge_cases.draw(bench.folder / "odd"))
    ]
    if drawn.points is None:
        data = TrainingData(classes=drawn.classes, train=(*train, *odd), valid=tuple(valid))
        return [data]
    keypoints = {e.sha256: drawn.keypoints[e.sha256] for e in (*train, *valid)} | _odd_keypoints(odd, drawn)
    return [
        TrainingData(
            task=drawn.task,
            train=(*train, *odd),
            valid=tuple(valid),
            stage=stage,
            points=drawn.points,
            keypoints=keypoints,
        )
        for stage in Stage
    ]


def _odd_keypoints(odd: Sequence[Example], drawn: Drawn) -> dict[str, Keypoints]:
    """The one-pixel picture has no head; the others have one, of which only the eyes are marked."""
    from byod.images.decode import open_picture

    assert drawn.points is not None
    names, found = drawn.points.names, {}
    for example in odd:
        width, height = open_picture(example.path).size
        eyes = {
            names[0]: Keypoint(x=width * 0.4, y=height / 2),
            names[1]: Keypoint(x=width * 0.6, y=height / 2),
        }
        heads = (Instance(points={name: eyes.get(name) for name in names}),) if min(width, height) > 1 else ()
        found[example.sha256] = Keypoints(sha256=example.sha256, width=width, height=height, heads=heads)
    return found


def _repeats(bench: Bench, first: TrialModel) -> float:
    """The same seed once more; the largest difference."""
    again = trained(bench, "again")
    if [tensor.shape for tensor in first.tensors] != [tensor.shape for tensor in again.tensors]:
        raise Broken(f"{bench.name} exports tensors of other shapes when it trains again with the same seed")
    differences = [
        float(np.abs(a - b).max(initial=0)) for a, b in zip(first.tensors, again.tensors, strict=True)
    ]
    said = [onnx_model.difference(a, b) for a, b in zip(first.said, again.said, strict=True)]
    worst = max(*differences, *said, 0.0)
    if worst > SAME:
        raise Broken(
            f"{bench.name} trains to another model each time: with the same seed weights or outputs differ by "
            f"{worst:.1e}, and {SAME:.0e} is allowed"
        )
    return worst


def _survives_kills(bench: Bench, whole: TrialModel, accuracy: float) -> tuple[float, ...]:
    """Kill it in the middle and start it again; the final validation losses, where it resumes."""
    stages = (None,) if bench.drawn.points is None else tuple(Stage)
    if not bench.cls().resumes:
        _resumed(bench, whole, stages[-1], "logged", 1)
        return ()
    for stage in stages:
        if (count := whole.epochs_of(stage)) < 4 or whole.valid_loss is None:
            raise Broken(
                f"{bench.name} resumes and logs {count} epochs{f' ({stage})' if stage else ''}; 4 are needed, each "
                "with its valid_loss, to try it"
            )
    losses = []
    count = whole.epochs_of(stages[-1])
    when: Literal["logged", "saved"]
    kills = ((stages[0], "logged", 2), (stages[-1], "saved", count // 2 + 1), (stages[-1], "saved", count))
    for stage, when, epochs in kills:  # type: ignore[assignment]
        model = _resumed(bench, whole, stage, when, epochs)
        if model.valid_loss is None or not isfinite(model.valid_loss) or model.accuracy < accuracy:
            raise Broken(
                f"{bench.name}, killed after epoch {epochs} was {when} and resumed, ends with an accuracy of "
                f"{model.accuracy:.0%} and a validation loss of {model.valid_loss}, uninterrupted with "
                f"{whole.accuracy:.0%} and {whole.valid_loss}"
            )
        losses.append(model.valid_loss)
    assert whole.valid_loss is not None
    away = [max(0.0, abs(loss - whole.valid_loss) - LEAST) / max(whole.valid_loss, LEAST) for loss in losses]
    if statistics.median(away) > NEAR:
        said = ", ".join(f"{loss:.4f}" for loss in losses)
        raise Broken(
            f"{bench.name} does not go on where it was killed: the final validation losses are {said}, that of an "
            f"uninterrupted run {whole.valid_loss:.4f}"
        )
    return tuple(losses)


def _resumed(
    bench: Bench, whole: TrialModel, stage: Stage | None, when: Literal["logged", "saved"], epochs: int
) -> TrialModel:
    """Train in another process until it dies (in this stage), and then here to the end."""
    name = f"{stage or ''}{when}-{epochs}"
    drawn = bench.drawn
    job = TrialJob(
        trainer=place(bench.cls),
        task="train",
        answer=bench.folder / name,
        learns=drawn.task,
        classes=drawn.classes,
        examples=drawn.examples,
        keypoints=drawn.keypoints,
        points=drawn.points,
        options=dict(bench.options),
        folder=bench.folder / f"{name}-killed" / "run",
        seed=bench.seed,
        stage=stage,
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
    found, wanted = model.epochs, whole.epochs
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
