"""Choose Keras's backend (torch, jax or tensorflow) before Keras is imported, and its device.

Keras reads the environment variable KERAS_BACKEND once, when it is imported (https://keras.io/getting_started/).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from byod.plugin import TrainerError, give_way

BACKENDS = ("torch", "jax", "tensorflow")
"""In the order in which they are looked for."""

INSTALL = "from a clone of byod: uv pip install -e 'plugins/byod-keras[jax]' (or [torch], or [tensorflow])"


def missing() -> list[str]:
    """List what keeps Keras from running here, one line each; imports nothing heavy."""
    lines = [
        f"{name} is missing; from a clone of byod: uv pip install -e plugins/byod-keras"
        for name in ("keras", "onnx", "safetensors")
        if _version(name) is None
    ]
    try:
        backend()
    except TrainerError as error:
        lines.append(str(error))
    return lines


def backend() -> str:
    """The backend Keras runs on already, or else the one that KERAS_BACKEND names, or else the first one installed.

    Raises:
        TrainerError: none is installed, or not the one asked for.
    """
    asked = os.environ.get("KERAS_BACKEND")
    if asked and asked not in BACKENDS:
        raise TrainerError(f"KERAS_BACKEND={asked} is none that can train; set it to {', '.join(BACKENDS)}")
    if asked and find_spec(asked) is None:
        raise TrainerError(f"KERAS_BACKEND asks for {asked}, which is not installed; {INSTALL}")
    there = [name for name in BACKENDS if find_spec(name)]
    if not there:
        raise TrainerError(f"Keras needs torch, jax or tensorflow, and none is installed; {INSTALL}")
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    return asked or there[0]


def load() -> Any:
    """Import Keras on its backend, with pictures as [N, height, width, channels].

    Raises:
        TrainerError: Keras or every backend is missing, or Keras already runs on another backend than is asked for.
    """
    wanted = backend()
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = wanted
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # tensorflow greets on stderr otherwise
        give_way()
    try:
        import keras
    except ImportError as error:
        raise TrainerError(f"Keras cannot be imported on {wanted} ({error}); {INSTALL}") from error
    if wanted not in BACKENDS or os.environ.get("KERAS_BACKEND", wanted) != wanted:
        raise TrainerError(
            f"Keras already runs on {wanted} here; set KERAS_BACKEND to {', '.join(BACKENDS)} before it is imported"
        )
    keras.config.set_image_data_format("channels_last")
    return keras


def versions() -> dict[str, str]:
    """The versions of Keras and of what it computes with."""
    found = {name: _version(name) for name in ("keras", backend())}
    return {name: number for name, number in found.items() if number}


def device(wanted: str | None) -> str:
    """The device of that name ("cuda", "cuda:1", "mps", "cpu"); None takes the best that the backend can use.

    Raises:
        TrainerError: the backend has no such device.
    """
    there = [*_accelerators(), "cpu"]
    kind = (wanted or there[0]).split(":")[0]
    if kind not in there:
        raise TrainerError(
            f"Keras on {backend()} has no device {kind!r} here; it has: {', '.join(there)} (--device)"
        )
    return wanted or kind


def _accelerators() -> list[str]:
    name = backend()
    if name == "torch":
        import torch

        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        return [kind for kind, found in there.items() if found]
    if name == "jax":
        import jax

        return ["cuda"] if jax.default_backend() in ("gpu", "cuda") else []
    import tensorflow

    return ["cuda"] if tensorflow.config.list_physical_devices("GPU") else []


@contextmanager
def placed(where: str, *, half: bool = False) -> Iterator[None]:
    """A net made in here lies on this device and names its layers anew; with `half`, it computes in bfloat16."""
    keras = load()
    before = keras.config.dtype_policy()
    # layers are named by counting from here on; this forgets policy and device as well, so it comes first
    keras.utils.clear_session()
    keras.config.set_dtype_policy("mixed_bfloat16" if half else "float32")
    try:
        with on(where):
            yield
    finally:
        keras.config.set_dtype_policy(before)


def on(where: str) -> Any:
    """A context in which Keras computes on this device ("cuda", "cuda:1", "mps", "cpu")."""
    kind, _, number = where.partition(":")
    if kind == "cpu" and backend() == "torch":
        return load().device("cpu")  # torch takes cpu:0 for another device, and nothing would have a gradient
    return load().device(f"{'gpu' if kind == 'cuda' else kind}:{number or 0}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
