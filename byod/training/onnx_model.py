"""The model file: what a trainer's ONNX must look like, what byod appends to it, and how it is run."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from byod.schema import files
from byod.schema.config import Settings
from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, Stage
from byod.schema.names import shown
from byod.training import graph_check, model_runtime
from byod.training.model_process import ForeignModel
from byod.training.model_runtime import Floats, OpenedModel, OwnModel, Port, first_line

PARITY = 1e-4
OUTPUTS: Mapping[Stage, tuple[str, str]] = {
    Stage.DETECTION: ("boxes", "scores"),
    Stage.POINTS: ("points", "confidence"),
}
"""What the model file of each stage gives, in this order."""
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

    Raises:
        ModelError: it does not.
    """
    _check_input(opened, rule)
    outputs = opened.outputs
    if [(o.name, o.type) for o in outputs] != [(output, "tensor(float)")]:
        raise ModelError(f"the model must give one output, `{output}`, of float32")
    if len(outputs[0].shape) != 2 or outputs[0].shape[1] not in (classes, None):
        raise ModelError(f"`{output}` must be [N, {classes}], not {_words(outputs[0])}")


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
    said = run(opened, images)
    if said.shape[1:] != (classes,):
        raise ModelError(f"the model gives {list(said.shape)} probabilities for {classes} classes")
    if ((said < -SLACK) | (said > 1 + SLACK)).any():
        raise ModelError("the model gives probabilities outside of 0..1; it is none that byod made")
    return said


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


def fold(file: Path, arch: str) -> None:
    """Make a plain graph of what a trainer exported: functions are inlined, and an If that is constant is folded.

    A file that is one already stays as it is.

    Raises:
        TrainerError: a branch or a loop is left, whose course depends on the picture.
    """
    onnx = _onnx()
    model = _loaded(file)
    if model.functions:
        from onnx.inliner import inline_local_functions

        with _exported():
            model = inline_local_functions(model)
            onnx.save(model, str(file))
    if not graph_check.control_flow(file.read_bytes()):
        return
    folded = file.with_suffix(".folded.onnx")
    try:
        model_runtime.opened(file, 0, optimized=folded)
    except model_runtime.runtime_errors() as error:
        raise TrainerError(f"the model that was exported cannot be run ({first_line(error)})") from error
    folded.replace(file)
    if left := graph_check.control_flow(file.read_bytes()):
        raise TrainerError(
            f"{arch} is exported as a graph with {' and '.join(left)}, which byod does not run; "
            "choose another architecture"
        )


def finish(source: Path, target: Path, *, temperature: float, metadata: dict[str, str]) -> str:
    """Append division by the temperature and a softmax, write one file, and return its SHA-256.

    The graph's operators are those of opset 13 and later (https://onnx.ai/onnx/operators/onnx__Softmax.html).

    Raises:
        TrainerError: `onnx` is missing, or the file is not what a trainer must write.
    """
    onnx = _onnx()
    model = _loaded(source)
    graph = model.graph
    if [output.name for output in graph.output] != ["logits"]:
        raise TrainerError("a trainer's ONNX file must have one output, `logits`")
    dims = graph.output[0].type.tensor_type.shape.dim
    if len(dims) != 2:
        raise TrainerError(
            f"a trainer's ONNX file must give logits of [N, classes], not of {len(dims)} dimensions"
        )
    pictures, classes = dims
    size: list[Any] = [pictures.dim_param or "pictures", classes.dim_value]
    graph.initializer.append(
        onnx.helper.make_tensor("byod_temperature", onnx.TensorProto.FLOAT, [], [temperature])
    )
    graph.node.extend(
        [
            onnx.helper.make_node("Div", ["logits", "byod_temperature"], ["byod_scaled"], "byod_divide"),
            onnx.helper.make_node("Softmax", ["byod_scaled"], ["probabilities"], "byod_softmax", axis=-1),
        ]
    )
    del graph.output[:]
    with _exported():
        said = onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, size)
    graph.output.append(said)
    return _written(model, target, metadata)


def finish_stage(source: Path, target: Path, *, metadata: dict[str, str]) -> str:
    """Write what a trainer of points exported as one file that says who made it, and return its SHA-256.

    Raises:
        TrainerError: `onnx` is missing, or the file is too large.
    """
    return _written(_loaded(source), target, metadata)


@contextlib.contextmanager
def _exported() -> Iterator[None]:
    """Turn what ONNX's library says of a trainer's file into one line."""
    from google.protobuf.message import Error  # type: ignore[import-untyped]

    onnx = _onnx()
    try:
        yield
    except (onnx.checker.ValidationError, Error, RuntimeError, ValueError, TypeError, OSError) as error:
        raise TrainerError(
            f"the model that was exported is not one that ONNX knows ({first_line(error)[:200]}); "
            "choose another architecture"
        ) from error


def _loaded(file: Path) -> Any:
    with _exported():
        return _onnx().load(str(file), load_external_data=True)


def _written(model: Any, target: Path, metadata: dict[str, str]) -> str:
    onnx = _onnx()
    onnx.helper.set_model_props(model, metadata)
    model.producer_name = "byod"
    with _exported():
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
    if len(content) > graph_check.MAX_BYTES:
        raise TrainerError(f"the model has {len(content) / 1e9:.1f} GB; byod keeps models below 1.9 GB")
    try:
        graph_check.check(content)
    except ModelError as error:
        raise TrainerError(f"the exported model is none that byod runs: {error}") from error
    files.replace(target, content)
    sha256 = hashlib.sha256(content).hexdigest()
    remember(sha256)
    return sha256


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise TrainerError(
            "training needs the package onnx; a trainer brings it: uv pip install onnx"
        ) from error
    return onnx
