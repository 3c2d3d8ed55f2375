"""The model file: what a trainer's ONNX must look like, what byod appends to it, and how it is run."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byod.schema import files
from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, Stage
from byod.schema.names import shown
from byod.training import graph_check, model_trial

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]

PARITY = 1e-4
OUTPUTS: Mapping[Stage, tuple[str, str]] = {
    Stage.DETECTION: ("boxes", "scores"),
    Stage.POINTS: ("points", "confidence"),
}
"""What the model file of each stage gives, in this order."""
SECONDS = model_trial.SECONDS
"""How long a model may take for each picture."""
MEMORY = 8_000_000_000
"""How many bytes the pictures on their way through all models of a process may take."""
GRACE = 5.0
"""How many seconds a model is given to notice that it is to stop."""
SLACK = 1e-3
_ARENA = threading.Lock()
_arena: list[int] = []


def session(content: bytes, *, threads: int = 0, trained: bool = False) -> onnxruntime.InferenceSession:
    """Open a model from its bytes (so that it cannot reach for other files beside it) on the CPU.

    Its graph is looked at first; one that this machine does not know is tried out in a process of its own, unless it
    was `trained` just now. `threads` 0 takes one a core.

    Raises:
        ModelError: its graph is not a plain one, or onnxruntime cannot read or run it within its bounds.
    """
    graph_check.check(content)
    if not trained:
        model_trial.ensure_tried(content)
    import onnxruntime

    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # waiting threads would keep their cores from everything else: no quicker alone, a tenth slower beside others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except model_trial.runtime_errors() as error:
        raise model_trial.fault(_first_line(error)) from error


def _bound_memory() -> None:
    """Let all models of this process take their memory from one place, which ends at `MEMORY`."""
    import onnxruntime

    with _ARENA:
        if _arena:
            return
        kinds = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
        place = onnxruntime.OrtMemoryInfo("Cpu", kinds[0].ORT_ARENA_ALLOCATOR, 0, kinds[1].DEFAULT)
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(MEMORY, -1, -1, -1))
        _arena.append(MEMORY)


def check(opened: onnxruntime.InferenceSession, rule: InputRule, output: str, classes: int) -> None:
    """See that a model takes `image` of the rule's size and gives `output` with a number for each class.

    Raises:
        ModelError: it does not.
    """
    _check_input(opened, rule)
    outputs = opened.get_outputs()
    if [(o.name, o.type) for o in outputs] != [(output, "tensor(float)")]:
        raise ModelError(f"the model must give one output, `{output}`, of float32")
    if len(outputs[0].shape) != 2 or outputs[0].shape[1] not in (classes, None):
        raise ModelError(f"`{output}` must be [N, {classes}], not {outputs[0].shape}")


def check_stage(opened: onnxruntime.InferenceSession, rule: InputRule, stage: Stage, points: int) -> None:
    """See that a model takes `image` of the rule's size, a square, and gives what its stage gives (`OUTPUTS`).

    Raises:
        ModelError: it does not.
    """
    _check_input(opened, rule)
    if rule.width != rule.height:
        raise ModelError(f"a net for points takes squares, not {rule.width} x {rule.height} pixels")
    names = OUTPUTS[stage]
    outputs = opened.get_outputs()
    if [(o.name, o.type) for o in outputs] != [(name, "tensor(float)") for name in names]:
        raise ModelError(f"the model must give two outputs, `{names[0]}` and `{names[1]}`, of float32")
    count, last = (points, 2) if stage is Stage.POINTS else (None, 4)
    for output, rest in zip(outputs, ([count, last], [count]), strict=True):
        # a free dimension is written as a name
        given = [each if isinstance(each, int) else None for each in output.shape[1:]]
        fits = all(None in pair or pair[0] == pair[1] for pair in zip(given, rest, strict=False))
        if len(given) != len(rest) or not fits:
            wanted = ", ".join("Q" if each is None else str(each) for each in rest)
            raise ModelError(f"`{output.name}` must be [N, {wanted}], not {output.shape}")


def _check_input(opened: onnxruntime.InferenceSession, rule: InputRule) -> None:
    inputs = opened.get_inputs()
    if [(i.name, i.type) for i in inputs] != [("image", "tensor(float)")]:
        raise ModelError("the model must take one input, `image`, of float32")
    pictures, *rest = inputs[0].shape
    if isinstance(pictures, int) or rest != [3, rule.height, rule.width]:
        raise ModelError(
            f"`image` must be [N, 3, {rule.height}, {rule.width}] with N free, not {inputs[0].shape}"
        )


def run(opened: onnxruntime.InferenceSession, images: Floats, *, batch: int = 32) -> Floats:
    """The first output for float32 [N, 3, height, width], computed `batch` pictures at a time.

    Raises:
        ModelError: the model fails, or gives what is no number.
    """
    return outputs(opened, images, batch=batch)[opened.get_outputs()[0].name]


def outputs(opened: onnxruntime.InferenceSession, images: Floats, *, batch: int = 32) -> dict[str, Floats]:
    """All outputs by name for float32 [N, 3, height, width], N at least 1, computed `batch` pictures at a time.

    Raises:
        ModelError: the model fails, takes too long, wants too much memory, or gives what is no number.
    """
    names = [output.name for output in opened.get_outputs()]
    parts = [_outputs(opened, names, images[at : at + batch]) for at in range(0, len(images), batch)]
    said = {
        name: np.concatenate([part[at] for part in parts]).astype(np.float32, copy=False)
        for at, name in enumerate(names)
    }
    check_finite(said)
    return said


def _outputs(opened: onnxruntime.InferenceSession, names: Sequence[str], images: Floats) -> list[Floats]:
    """The outputs of a few pictures, on a thread that is left behind where it does not end in time."""
    import onnxruntime

    how = onnxruntime.RunOptions()
    answer: Future[list[Floats]] = Future()

    def work() -> None:
        try:
            answer.set_result(opened.run(names, {"image": images}, how))
        except model_trial.runtime_errors() as error:
            answer.set_exception(error)

    seconds = SECONDS * len(images)
    thread = threading.Thread(target=work, name="byod-model", daemon=True)
    thread.start()
    try:
        said = answer.result(timeout=seconds)
    except TimeoutError:
        how.terminate = True
        thread.join(GRACE)
        raise ModelError(model_trial.too_slow(SECONDS)) from None
    except model_trial.runtime_errors() as error:
        raise model_trial.fault(_first_line(error)) from error
    for name, block in zip(names, said, strict=True):
        if len(block) != len(images):
            raise ModelError(f"the model gives {len(block)} rows of `{name}` for {len(images)} pictures")
    return said


def probabilities(opened: onnxruntime.InferenceSession, images: Floats) -> Floats:
    """The first output for float32 [N, 3, height, width], which must be probabilities.

    Raises:
        ModelError: the model fails, or gives a number outside of 0..1.
    """
    said = run(opened, images)
    if ((said < -SLACK) | (said > 1 + SLACK)).any():
        raise ModelError("the model gives probabilities outside of 0..1; it is none that byod made")
    return said


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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # the first level alone: it computes what is constant, and keeps to ONNX's own operators
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    folded = file.with_suffix(".folded.onnx")
    options.optimized_model_filepath = str(folded)
    try:
        onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except model_trial.runtime_errors() as error:
        raise TrainerError(f"the model that was exported cannot be run ({_first_line(error)})") from error
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
            f"the model that was exported is not one that ONNX knows ({_first_line(error)[:200]}); "
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
    files.replace(target, content)
    sha256 = hashlib.sha256(content).hexdigest()
    model_trial.remember(sha256)
    return sha256


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise TrainerError(
            "training needs the package onnx; a trainer brings it: uv pip install onnx"
        ) from error
    return onnx


def _first_line(error: Exception) -> str:
    return shown((str(error).splitlines() or [type(error).__name__])[0])
