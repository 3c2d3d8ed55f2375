"""Weights in files: reading them without executing anything, fitting them into a net, and keeping a trained one's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from byod.plugin import TrainerError

Tensors = dict[str, torch.Tensor]
Stats = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of the three colours, RGB in 0..1."""

IMAGENET: Stats = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IDENTITY: Stats = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
NORMALISE = {"none": IDENTITY, "imagenet": IMAGENET}

SIDES = ("classifier", "fc", "head", "heads", "AuxLogits", "aux1", "aux2")
"""What torchvision calls the layers that name the classes."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and what is known of the net they belong to.

    `arch` and `stats` (what it expects at its input) are None where the file does not say. `whole` is True for a file
    that `keep` wrote: its names are those of byod's own net (0 normalisation, 1 body, 2 head). `source` says where they
    come from, where that is not the file.
    """

    file: Path
    tensors: Tensors
    arch: str | None = None
    stats: Stats | None = None
    whole: bool = False
    source: str = ""

    @property
    def name(self) -> str:
        """Where they come from, as people are told it."""
        return self.source or self.file.name


def read(file: Path) -> Weights:
    """Read tensors and what stands beside them; nothing is unpickled (`weights_only=True`).

    `FILE.json` beside the weights may say {"arch": name, "normalise": "none" or "imagenet"}; a file that byod kept says
    it itself.

    Raises:
        TrainerError: no such file, no state dict in it, or a sidecar that cannot be used.
    """
    words = _sidecar(file)
    tensors, metadata = _tensors(file)
    stats = NORMALISE.get(words.get("normalise", ""))
    whole = {"arch", "classes"} <= metadata.keys() and {"0.mean", "0.std"} <= tensors.keys()
    if whole:
        mean, std = (tuple(tensors[name].flatten().tolist()) for name in ("0.mean", "0.std"))
        return Weights(file, tensors, words.get("arch", metadata["arch"]), stats or (mean, std), whole=True)
    return Weights(file, tensors, words.get("arch"), stats)


def keep(model: nn.Module, file: Path, arch: str, classes: Sequence[str]) -> Path:
    """Write a trained net (normalisation, body, head) as .safetensors; its metadata name architecture and classes.

    `read` takes such a file as the weights of another training. The class names stand one a line
    (https://huggingface.co/docs/safetensors/index#format allows only text).
    """
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(tensors, file, metadata={"format": "pt", "arch": arch, "classes": "\n".join(classes)})
    return file


def load(model: nn.Module, weights: Weights, arch: str) -> None:
    """Load a state dict into a whole net; the classifier at its end may be of another size, nothing else may.

    Raises:
        TrainerError: it does not fit.
    """
    classifier = _classifier(model)
    body = [name for name in model.state_dict() if not name.startswith(classifier)]
    _fill(model, weights.tensors, body, weights.name, arch)


def load_body(body: nn.Module, weights: Weights, arch: str) -> None:
    """Load the body of a net that byod kept, for classes or points; its head belongs to others and stays behind.

    Raises:
        TrainerError: it does not fit.
    """
    inside = {n.removeprefix("1."): t for n, t in weights.tensors.items() if n.startswith("1.")}
    if inside.keys().isdisjoint(body.state_dict()):  # a net for points has its body within an encoder
        inside = {name.removeprefix("body."): tensor for name, tensor in inside.items()}
    _fill(body, inside, list(body.state_dict()), weights.name, arch)


def _fill(model: nn.Module, tensors: Tensors, names: Sequence[str], file: str, arch: str) -> None:
    own = model.state_dict()
    wrong = [name for name in names if name not in tensors or tensors[name].shape != own[name].shape]
    if wrong:
        raise TrainerError(
            f"{file} does not fit {arch}: {len(wrong)} of {len(names)} tensors are missing or of another "
            f"shape (first: {wrong[0]}); name the architecture it belongs to with --arch"
        )
    if odd := next((name for name in names if not bool(torch.isfinite(tensors[name]).all())), None):
        raise TrainerError(
            f"{file} holds numbers that are none (NaN or infinite, first in {odd}); take an undamaged file"
        )
    model.load_state_dict({name: tensors[name] for name in names}, strict=False)


def _classifier(model: nn.Module) -> tuple[str, ...]:
    """The names under which the classifier's tensors stand."""
    if callable(getattr(model, "get_classifier", None)):
        last: Callable[[], nn.Module] = model.get_classifier
        return tuple(f"{name}." for name, module in model.named_modules() if module is last() and name)
    names = dict(model.named_children())
    return tuple(f"{name}." for name in SIDES if name in names)


def _tensors(file: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors of a file, and the metadata of a .safetensors one."""
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    if not file.is_file():
        raise TrainerError(f"there is no file {file}")
    try:
        if file.suffix == ".safetensors":
            return _safetensors(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        raise TrainerError(
            f"{file} is not a state dict that can be read safely ({first_line(error)})"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise TrainerError(f"{file} holds no state dict (tensors by name)")
    return loaded, {}


def _safetensors(file: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        names = opened.keys()
        return {name: opened.get_tensor(name) for name in names}, dict(opened.metadata() or {})


def first_line(error: Exception) -> str:
    """The first line of what an error says, short enough to stand in another line."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:100]


def _sidecar(weights: Path) -> dict[str, str]:
    """`FILE.json` beside the weights: {"arch": name, "normalise": "none" or "imagenet"}; {} without one."""
    file = weights.with_name(weights.name + ".json")
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrainerError(f"{file} is not JSON ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise TrainerError(f'{file} must look like {{"arch": "resnet18", "normalise": "imagenet"}}')
    if content.get("normalise") not in (None, *NORMALISE):
        raise TrainerError(f'{file}: normalise must be "none" or "imagenet", not {content["normalise"]!r}')
    return content
