"""The model file: what a trainer's ONNX and a run's must look like, and how they are run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from byod.schema.config import Settings
from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, Stage
from byod.schema.names import shown
from byod.training import graph_check, typicality_graph
from byod.training.model_process import ForeignModel
from byod.training.model_runtime import Floats, OpenedModel, OwnModel, Port, first_line

PARITY = 1e-4
OUTPUTS: Mapping[Stage, tuple[str, str]] = {
    Stage.DETECTION: ("boxes", "scores"),
    Stage.POINTS: ("points", "confidence"),
}
"""What the model file of each stage gives, in this order."""
FURTHER: Mapping[str, tuple[str, ...]] = {
    "logits": ("features",),
    "probabilities": ("features", typicality_graph.NAME),
}
"""What a model of classes may give besides, by its first output."""
SLACK = 1e-3


def session(content: bytes, *, threads: int = 0, trained: bool = False) -> OpenedModel:
    """Open a model from its bytes (so that it cannot reach for other files beside it) on the CPU.

    Its graph is looked at first; one that this machine did not make runs in a process of its own, unless it was
    `trained` just now. `threads` 0 takes one a core.

    Raises:
        ModelError: its graph is not a plain one, or onnxruntime cannot read or run it within its bounds.
    """
    graph_check.check(content)
    own = trained or is_own(hashlib.sha256(content).hexdigest())
    return OwnModel(content, threads) if own else ForeignModel(content, threads)


def onnx_function(content: bytes, *, batch: int = 32) -> Callable[[Floats], Floats]:
    """A model that a trainer exported just now, as a function from float32 [N, 3, height, width] to its first output.

    The function computes `batch` pictures at a time.

    Raises:
        TrainerError: byod does not run it; the function does when the model fails, or gives NaN or infinite numbers.
    """
    try:
        opened = session(content, trained=True)
    except ModelError as error:
        raise TrainerError(str(error)) from error

    def compute(images: Floats) -> Floats:
        try:
            return run(opened, images, batch=batch)
        except ModelError as error:
            raise TrainerError(str(error)) from error

    return compute


def is_own(sha256: str) -> bool:
    """True if byod made this model on this machine."""
    return sha256 in _own or _mark(sha256).is_file()


def remember(sha256: str) -> None:
    """Write down that byod made this model on this machine."""
    _own.add(sha256)
    mark = _mark(sha256)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        return  # without it the model runs in a process of its own, which costs a second


_own: set[str] = set()


def _mark(sha256: str) -> Path:
    return Settings.load().cache / "own-models" / sha256


def check(opened: OpenedModel, rule: InputRule, output: str, classes: int) -> None:
    """See that a model takes `image` of the rule's size and gives `output` with a number for each class.

    Besides it may give what `FURTHER` names, in that order.

    Raises:
        ModelError: it does not.
    """
    _check_input(opened, rule)
    first, *others = opened.outputs or (Port("", "", ()),)
    if (first.name, first.type) != (output, "tensor(float)"):
        raise ModelError(f"the model must give `{output}` of float32 first")
    if len(first.shape) != 2 or first.shape[1] not in (classes, None):
        raise ModelError(f"`{output}` must be [N, {classes}], not {_words(first)}")
    known = FURTHER[output]
    if [port.name for port in others] != [name for name in known if name in {port.name for port in others}]:
        raise ModelError(f"besides `{output}` the model may give {' and '.join(known)} alone")
    for port in others:
        sides = 1 if port.name == typicality_graph.NAME else 2
        if port.type != "tensor(float)" or len(port.shape) != sides:
            wanted = "[N]" if sides == 1 else "[N, D]"
            raise ModelError(f"`{port.name}` must be {wanted} of float32, not {_words(port)}")


def check_stage(opened: OpenedModel, rule: InputRule, stage: Stage, points: int) -> None:
    """See that a model takes `image` of the rule's size, a square, and gives what its stage gives (`OUTPUTS`).

    Raises:
        ModelError: it does not.
    """
    _check_input(opened, rule)
    if rule.width != rule.height:
        raise ModelError(f"a net for points takes squares, not {rule.width} x {rule.height} pixels")
    names = OUTPUTS[stage]
    outputs = opened.outputs
    if [(o.name, o.type) for o in outputs] != [(name, "tensor(float)") for name in names]:
        raise ModelError(f"the model must give two outputs, `{names[0]}` and `{names[1]}`, of float32")
    count, last = (points, 2) if stage is Stage.POINTS else (None, 4)
    for output, rest in zip(outputs, ([count, last], [count]), strict=True):
        # a free dimension is written as a name
        given = [each if isinstance(each, int) else None for each in output.shape[1:]]
        fits = all(None in pair or pair[0] == pair[1] for pair in zip(given, rest, strict=False))
        if len(given) != len(rest) or not fits:
            wanted = ", ".join("Q" if each is None else str(each) for each in rest)
            raise ModelError(f"`{output.name}` must be [N, {wanted}], not {_words(output)}")


def _check_input(opened: OpenedModel, rule: InputRule) -> None:
    inputs = opened.inputs
    if [(i.name, i.type) for i in inputs] != [("image", "tensor(float)")]:
        raise ModelError("the model must take one input, `image`, of float32")
    pictures, *rest = inputs[0].shape
    if isinstance(pictures, int) or rest != [3, rule.height, rule.width]:
        raise ModelError(
            f"`image` must be [N, 3, {rule.height}, {rule.width}] with N free, not {_words(inputs[0])}"
        )


def _words(port: Port) -> str:
    return shown(str(list(port.shape))[:200])


def run(opened: OpenedModel, images: Floats, *, batch: int = 32) -> Floats:
    """The first output for float32 [N, 3, height, width], computed `batch` pictures at a time.

    Raises:
        ModelError: the model fails, or gives what is no number.
    """
    return outputs(opened, images, batch=batch)[opened.outputs[0].name]


def outputs(opened: OpenedModel, images: Floats, *, batch: int = 32) -> dict[str, Floats]:
    """All outputs by name for float32 [N, 3, height, width], N at least 1, computed `batch` pictures at a time.

    Raises:
        ModelError: the model fails, takes too long, wants too much memory, or gives what is no number.
    """
    batch = min(batch, opened.batch or batch)
    parts = [_outputs(opened, images[at : at + batch]) for at in range(0, len(images), batch)]
    try:
        said = {
            port.name: np.concatenate([part[at] for part in parts]).astype(np.float32, copy=False)
            for at, port in enumerate(opened.outputs)
        }
    except ValueError as error:
        raise ModelError(f"the model gives outputs of several shapes ({first_line(error)[:200]})") from error
    check_finite(said)
    return said


def _outputs(opened: OpenedModel, images: Floats) -> list[Floats]:
    """The outputs for a few pictures, of the shapes that the model says it gives, a row for each picture."""
    said = opened.answer(images)
    for port, block in zip(opened.outputs, said, strict=True):
        stated = [side if isinstance(side, int) else None for side in port.shape]
        fits = len(block.shape) == len(stated) and all(
            told in (None, side) for told, side in zip(stated[1:], block.shape[1:], strict=True)
        )
        if not fits:
            raise ModelError(
                f"the model gives {list(block.shape)} for `{port.name}`, and says of itself {_words(port)}; it "
                "is damaged, or none that byod made"
            )
        if len(block) != len(images):
            raise ModelError(f"the model gives {len(block)} rows of `{port.name}` for {len(images)} pictures")
    return said


def probabilities(opened: OpenedModel, images: Floats, classes: int) -> Floats:
    """The first output for float32 [N, 3, height, width], which must be probabilities of so many classes.

    Raises:
        ModelError: the model fails, or gives a number outside of 0..1.
    """
    return classified(opened, images, classes)[0]


def classified(opened: OpenedModel, images: Floats, classes: int) -> tuple[Floats, Floats | None]:
    """The probabilities of so many classes, and the `typicality` of each picture where the model gives it.

    Raises:
        ModelError: the model fails, or gives a number outside of 0..1.
    """
    found = outputs(opened, images)
    said = found[opened.outputs[0].name]
    if said.shape[1:] != (classes,):
        raise ModelError(f"the model gives {list(said.shape)} probabilities for {classes} classes")
    if ((said < -SLACK) | (said > 1 + SLACK)).any():
        raise ModelError("the model gives probabilities outside of 0..1; it is none that byod made")
    return said, found.get(typicality_graph.NAME)


def stage_answer(opened: OpenedModel, images: Floats, stage: Stage, points: int) -> tuple[Floats, Floats]:
    """Both outputs of a stage (`OUTPUTS`) for float32 [N, 3, side, side]: as many boxes as scores, or all points.

    Raises:
        ModelError: the model fails, or gives something else.
    """
    said = outputs(opened, images)
    first, second = (said[name] for name in OUTPUTS[stage])
    rows, last = (second.shape[1], 4) if stage is Stage.DETECTION else (points, 2)
    if first.shape[1:] != (rows, last) or second.shape[1:] != (rows,):
        names = " and ".join(OUTPUTS[stage])
        raise ModelError(f"the model gives {list(first.shape)} and {list(second.shape)} for {names}")
    return first, second


def check_finite(said: Mapping[str, Floats]) -> None:
    """See that what a model said of pictures are numbers.

    Raises:
        ModelError: one is not (NaN), or is infinite.
    """
    for name, block in said.items():
        if not np.isfinite(block).all():
            raise ModelError(
                f"the model gives numbers that are none (NaN or infinite, in `{name}`): its training went wrong or its "
                "file is damaged; train again with a lower rate (--set lr=…), or use another run"
            )


def difference(trained: Floats, exported: Floats) -> float:
    """The largest difference of two sets of logits, relative to their scale (at least 1).

    Raises:
        TrainerError: they cannot be compared, or there are numbers that are none.
    """
    if trained.shape != exported.shape:
        raise TrainerError(
            f"the exported model gives {exported.shape} numbers, the trained one {trained.shape}"
        )
    if not np.isfinite(trained).all() or not np.isfinite(exported).all():
        raise TrainerError(
            "the trained model gives numbers that are not finite; train with a lower rate (--set lr=…)"
        )
    scale = max(1.0, float(np.abs(trained).max(initial=0.0)))
    return float(np.abs(trained - exported).max(initial=0.0)) / scale
