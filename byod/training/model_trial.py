"""The first run of a model that byod does not know: in a process of its own, with a deadline and a bound on memory.

What is legal in ONNX may still take hours, more memory than there is, or end the process that runs it. So a model that
this machine neither wrote nor tried before answers two made pictures here first; that it did is remembered by its hash.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO

from byod.schema import process_limits
from byod.schema.config import Settings
from byod.schema.errors import ModelError
from byod.schema.names import shown

SECONDS = 60.0
"""How long a model may take for one picture."""
SECONDS_TO_OPEN = 60.0
"""How long it may take besides, until it is read and its first picture is begun."""
MEMORY = 4_000_000_000
"""How many bytes it may take for one picture, besides three times its file."""
_REFUSED = 3
_NO_MEMORY = (
    "bad_alloc",
    "bad allocation",
    "MemoryError",
    "BFCArena",
    "Failed to allocate",
    "would require more than",
    "Integer overflow",
)


def ensure_tried(content: bytes) -> None:
    """Try a model out, unless this machine knows it.

    Raises:
        ModelError: it took too long, wanted too much memory, or ended the process that ran it.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    mark = _mark(sha256)
    if sha256 in _known or mark.is_file():
        return
    _try(content)
    remember(sha256)


_known: set[str] = set()


def remember(sha256: str) -> None:
    """Write down that a model needs no trial here: byod made it, or has tried it."""
    _known.add(sha256)
    mark = _mark(sha256)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        return  # a cache that cannot be written costs a second trial, nothing else


def _mark(sha256: str) -> Path:
    return Settings.load().cache / "tried-models" / f"{sha256}-{_runtime()}"


@cache
def _runtime() -> str:
    return version("onnxruntime")


def _try(content: bytes) -> None:
    command = [sys.executable, "-m", "byod.training.model_trial", str(MEMORY + 3 * len(content))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            said, _ = child.communicate(content, timeout=SECONDS + SECONDS_TO_OPEN)
        except subprocess.TimeoutExpired:
            raise ModelError(too_slow(SECONDS)) from None
        finally:
            child.kill()
    if child.returncode == 0:
        return
    line = shown(said.decode("utf-8", "replace").strip())
    if child.returncode != _REFUSED:
        raise ModelError(f"this model ends the process that runs it (code {child.returncode}); {_UNUSABLE}")
    raise fault(line)


_UNUSABLE = "do not use it, or train it anew"


def too_slow(seconds: float) -> str:
    """What is said of a model that takes too long."""
    return f"this model takes more than {seconds:.0f} seconds for a picture; {_UNUSABLE}"


def fault(line: str) -> ModelError:
    """The error for what onnxruntime says of a model."""
    if any(word in line for word in _NO_MEMORY):
        return ModelError(f"this model wants more memory than byod gives it; {_UNUSABLE}")
    plain = line.rpartition("Status Message: ")[2]
    return ModelError(f"this is not a model that onnxruntime can run ({plain[:200]})")


def runtime_errors() -> tuple[type[Exception], ...]:
    """onnxruntime's exceptions share no base of their own; these are those that a file or its inputs lead to."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError, TypeError, IndexError, KeyError, MemoryError, OverflowError)


def main(arguments: list[str], given: IO[bytes], put: Callable[[bytes], object]) -> int:
    """Read a model, run it on two made pictures, and say in one line why that cannot be; returns the exit code."""
    import numpy as np
    import onnxruntime

    content = given.read()
    process_limits.bound(int(arguments[0]), may_write=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        opened = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        first = opened.get_inputs()[0]
        shape = [side if isinstance(side, int) else 1 for side in first.shape]
        for picture in (np.zeros(shape, np.float32), np.random.default_rng(0).random(shape, np.float32)):
            opened.run(None, {first.name: picture})
    except runtime_errors() as error:
        line = (str(error).splitlines() or [""])[0]
        put(f"{type(error).__name__}: {line}".encode("utf-8", "replace"))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer.write))
