"""Weights of a body from a file, and what a training keeps: tensors by name, never pickled.

A .safetensors file names a tensor `layer/variable` (`stem_conv/kernel`), as byod-keras writes it, or as torchvision
does (`features.0.weight`), where a net's layers are named after torchvision's. A .h5 file is Keras's own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byod.plugin import TrainerError
from byod_keras.backends import load

keras = load()

Tensors = dict[str, NDArray[Any]]

NORMALISE = ("none", "imagenet", "signed", "255", "caffe")
"""What weights may expect at their input; see `architectures.KerasNet.scaling`."""


@dataclass(frozen=True)
class Start:
    """The start of a training: a net's name, ImageNet's weights or a file's, and what those expect as input."""

    arch: str
    imagenet: bool = False
    file: Path | None = None
    normalise: str | None = None

    @property
    def pretrained(self) -> bool:
        """True if it does not begin with random weights."""
        return self.imagenet or self.file is not None


def said_by(file: Path) -> dict[str, str]:
    """Read a file of weights' own header, or `FILE.json` beside it: arch, normalise.

    Raises:
        TrainerError: there is something else in FILE.json.
    """
    beside = file.with_name(file.name + ".json")
    if not beside.is_file():
        return _header(file) if file.suffix == ".safetensors" and file.is_file() else {}
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrainerError(f"{beside} is not JSON ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise TrainerError(f'{beside} must look like {{"arch": "squeezenet1_1", "normalise": "imagenet"}}')
    if content.get("normalise") not in (None, *NORMALISE):
        raise TrainerError(
            f"{beside}: normalise must be one of {', '.join(NORMALISE)}, not {content['normalise']!r}"
        )
    return content


def _header(file: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            words = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise TrainerError(
            f"{file} is no safetensors file that can be read ({_first_line(error)})"
        ) from error
    return {key: value for key, value in words.items() if key in ("arch", "normalise")}


def fill(body: Any, file: Path, arch: str) -> None:
    """Put a file's tensors into a body; whatever stands in the file beside them (a head) is left out.

    Raises:
        TrainerError: there is no such file, it cannot be read safely, or it belongs to another net.
    """
    if not file.is_file():
        raise TrainerError(f"there is no file {file}")
    if file.suffix == ".safetensors":
        _by_name(body, _tensors(file), file.name, arch)
    elif file.suffix == ".h5":
        _from_h5(body, file, arch)
    else:
        raise TrainerError(
            f"{file.name}: Keras takes weights as .safetensors, .weights.h5 or .h5; whole models (.keras) and pickles "
            "(.pth) can run code when they are opened, and are not read"
        )


def tensors(model: Any) -> Tensors:
    """A model's weights by name (`layer/variable`), nested bodies included."""
    return {name: keras.ops.convert_to_numpy(variable) for name, variable in _named(model)}


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _named(layer)
        else:
            yield from ((f"{layer.name}/{variable.name}", variable) for variable in layer.weights)


def _by_name(body: Any, found: Tensors, file: str, arch: str) -> None:
    fitting, wrong = [], []
    for name, variable in _named(body):
        tensor = found.get(name, _from_torch(found, name))
        if tensor is None or tuple(tensor.shape) != tuple(variable.shape):
            wrong.append(name)
        else:
            fitting.append((variable, tensor))
    if wrong or not fitting:
        raise TrainerError(
            f"{file} does not fit {arch}: {len(wrong)} of {len(wrong) + len(fitting)} tensors are missing or of "
            f"another shape (first: {next(iter(wrong), 'all')}); name the architecture it belongs to with --arch"
        )
    for variable, tensor in fitting:
        variable.assign(tensor)
    _check_finite(body, file)


def _from_torch(found: Tensors, name: str) -> NDArray[Any] | None:
    """torchvision's tensor for a convolution's variable: [out, in, h, w] becomes [h, w, in, out]."""
    layer, variable = name.split("/", 1)
    kind = {"kernel": "weight", "bias": "bias"}.get(variable)
    tensor = found.get(f"{layer.replace('_', '.')}.{kind}")
    return tensor.transpose(2, 3, 1, 0) if tensor is not None and tensor.ndim == 4 else tensor


def _tensors(file: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(file))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise TrainerError(
            f"{file} is no safetensors file that can be read ({_first_line(error)})"
        ) from error


def _from_h5(body: Any, file: Path, arch: str) -> None:
    """Keras's own file of weights: by the layers' paths (.weights.h5), or by their order (.h5).

    Keras skips what a .weights.h5 lacks with no more than a warning, so all variables are made not-a-number before,
    and none may be that afterwards.
    """
    body.set_weights([np.full_like(value, np.nan) for value in body.get_weights()])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body.load_weights(file)
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise TrainerError(f"{file.name} does not fit {arch} ({_first_line(error)}); {_REMEDY}") from error
    after = body.get_weights()
    left = sum(bool(np.isnan(value).any()) for value in after)
    if left:
        raise TrainerError(
            f"{file.name} does not fit {arch}: it lacks {left} of {len(after)} tensors, or they hold NaN; {_REMEDY}"
        )
    _check_finite(body, file.name)


def _check_finite(body: Any, file: str) -> None:
    for name, variable in _named(body):
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise TrainerError(
                f"{file} holds numbers that are none (NaN or infinite, first in {name}); take an undamaged file"
            )


_REMEDY = "name the architecture it belongs to with --arch, and take a file without its classifier (no_top)"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:160]
