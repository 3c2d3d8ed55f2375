"""onnxruntime, the one place where byod calls it: a model file is opened from its bytes and asked, in this process."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from byod.schema.errors import ModelError
from byod.schema.names import shown

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]

SECONDS = 60.0
"""How long a model may take for each picture."""
MEMORY = 8_000_000_000
"""How many bytes the pictures on their way through all models of a process may take."""
GRACE = 5.0
"""How many seconds a model is given to notice that it is to stop."""
UNUSABLE = "do not use it, or train it anew"
_NO_MEMORY = (
    "bad_alloc",
    "bad allocation",
    "MemoryError",
    "BFCArena",
    "Failed to allocate",
    "would require more than",
    "Integer overflow",
)
_ARENA = threading.Lock()
_arena: list[int] = []


class Port(NamedTuple):
    """An input or output of a model: its name, its type, and its sides, of which those that are free are no numbers."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class OpenedModel(Protocol):
    """A model that can be asked; `batch` is how many pictures it takes at once, 0 for any number."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    batch: int

    def answer(self, images: Floats) -> list[Floats]:
        """All outputs for float32 [N, 3, height, width], in their order.

        Raises:
            ModelError: the model fails, takes too long, or wants too much memory.
        """
        ...


class OwnModel:
    """A model that byod made on this machine, run in this process; see `OpenedModel`."""

    batch = 0

    def __init__(self, content: bytes, threads: int) -> None:
        try:
            self._session = opened(content, threads)
        except runtime_errors() as error:
            raise fault(first_line(error)) from error
        self.inputs, self.outputs = ports(self._session)
        self._stuck = False

    def answer(self, images: Floats) -> list[Floats]:
        """Ask it on a thread, which is left behind where it does not end in time; then it is asked no more."""
        import onnxruntime

        if self._stuck:
            raise ModelError(f"this model does not stop when it is told to; {UNUSABLE}, and start byod again")
        how = onnxruntime.RunOptions()
        answer: Future[list[Floats]] = Future()
        seconds = SECONDS

        def work() -> None:
            try:
                answer.set_result(self._session.run(None, {self.inputs[0].name: images}, how))
            except runtime_errors() as error:
                answer.set_exception(error)

        thread = threading.Thread(target=work, name="byod-model", daemon=True)
        thread.start()
        try:
            return answer.result(timeout=seconds * len(images))
        except TimeoutError:
            how.terminate = True
            thread.join(GRACE)
            self._stuck = thread.is_alive()
            raise ModelError(too_slow(seconds)) from None
        except runtime_errors() as error:
            raise fault(first_line(error)) from error


def opened(
    source: bytes | Path, threads: int, *, optimized: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session on the CPU, whose tensors take their memory from one place that ends at `MEMORY`.

    Args:
        source: the bytes of a model, so that it cannot reach for other files beside it; the path of one made here.
        threads: 0 takes one a core.
        optimized: where the graph is written with its constants computed, still in ONNX's own operators.
    """
    import onnxruntime

    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # waiting threads would keep their cores from everything else: no quicker alone, a tenth slower beside others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    if optimized is not None:
        # the first level alone
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimized)
    given = source if isinstance(source, bytes) else str(source)
    # falling back from the CPU to the CPU, it would print four lines and fail again
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _bound_memory() -> None:
    import onnxruntime

    with _ARENA:
        if _arena:
            return
        kinds = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
        place = onnxruntime.OrtMemoryInfo("Cpu", kinds[0].ORT_ARENA_ALLOCATOR, 0, kinds[1].DEFAULT)
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(MEMORY, -1, -1, -1))
        _arena.append(MEMORY)


def ports(session: onnxruntime.InferenceSession) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The inputs and the outputs of a session.

    Raises:
        ModelError: their names are no text.
    """
    said = session.get_inputs(), session.get_outputs()
    try:
        inputs, outputs = (
            tuple(Port(each.name, each.type, tuple(each.shape)) for each in some) for some in said
        )
    except UnicodeDecodeError as error:
        raise fault("its inputs and outputs have names that are no text") from error
    return inputs, outputs


def too_slow(seconds: float) -> str:
    """What is said of a model that takes too long."""
    return f"this model takes more than {seconds:.0f} seconds for a picture; {UNUSABLE}"


def fault(line: str) -> ModelError:
    """The error for what onnxruntime says of a model."""
    if any(word in line for word in _NO_MEMORY):
        return ModelError(f"this model wants more memory than byod gives it; {UNUSABLE}")
    plain = line.rpartition("Status Message: ")[2]
    return ModelError(f"this is not a model that onnxruntime can run ({plain[:200]})")


def runtime_errors() -> tuple[type[Exception], ...]:
    """onnxruntime's exceptions share no base of their own; these are those that a file or its inputs lead to."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError, TypeError, IndexError, KeyError, MemoryError, OverflowError)


def first_line(error: Exception) -> str:
    """The first line of what an error says, with its kind where that is all it says."""
    return shown((str(error).splitlines() or [type(error).__name__])[0])
