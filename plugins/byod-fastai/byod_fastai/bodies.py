"""Nets by name: a body from torchvision or timm, with the weights asked for, and a head for the classes."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import requests
import timm
import torch
import torchvision
from fastai.vision.learner import create_head
from torch import nn

from byod.errors import TrainerError

if TYPE_CHECKING:
    from byod_fastai import Options

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IDENTITY = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

Stats = tuple[tuple[float, ...], tuple[float, ...]]


class Normalise(nn.Module):
    """The first layer of every net: RGB 0..1 to what its body was trained with."""

    def __init__(self, stats: Stats) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(stats[0]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(stats[1]).view(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width] to the same shape."""
        return (image - self.mean) / self.std


@dataclass(frozen=True)
class Net:
    """A net ready to train, how it was named, and where its weights come from ("scratch", "hub", a file).

    `size` is the side of its input in pixels where it takes no other, else None.
    """

    model: nn.Sequential
    arch: str
    pretrained: str
    size: int | None


def net(options: Options, classes: int) -> Net:
    """Build normalisation, body and head.

    Raises:
        TrainerError: no such architecture, or its weights do not fit or cannot be had.
    """
    sidecar = _sidecar(options.weights) if options.weights else {}
    chosen = "arch" in options.model_fields_set
    arch = options.arch if chosen else sidecar.get("arch", options.arch)
    body, stats = _body(arch, options)
    named = options.normalise or sidecar.get("normalise")
    if options.weights and named is None:
        raise TrainerError(
            f"{options.weights} does not say what input it expects; "
            "add --set normalise=imagenet (or none, for RGB 0..1 as it is)"
        )
    stats = {"none": IDENTITY, "imagenet": IMAGENET, None: stats}[named]
    model = nn.Sequential(Normalise(stats), body, _head(body, classes, options.from_scratch))
    start = "scratch" if options.from_scratch else options.weights.name if options.weights else "hub"
    known = getattr(body, "default_cfg", {})
    return Net(model, arch, start, known["input_size"][-1] if known.get("fixed_input_size") else None)


def groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters from the input on, for discriminative rates: half the body's layers, the other half, the head."""
    layers = [own for module in model[1].modules() if (own := list(module.parameters(recurse=False)))]
    half = (len(layers) + 1) // 2
    body = ([p for layer in part for p in layer] for part in (layers[:half], layers[half:]))
    return [*body, list(model[2].parameters())]


def _body(arch: str, options: Options) -> tuple[nn.Module, Stats]:
    pretrained = not options.from_scratch and options.weights is None
    if arch in torchvision.models.list_models(module=torchvision.models):
        build: Callable[[str, bool, Path | None], tuple[nn.Module, Stats]] = _torchvision_body
    elif timm.is_model(arch.split(".")[0]):
        build = _timm_body
    else:
        raise TrainerError(
            f"neither torchvision nor timm has an architecture called {arch!r}{_similar(arch)}"
        )
    if not pretrained:
        return build(arch, False, options.weights)
    try:
        return build(arch, True, None)
    except (URLError, OSError, RuntimeError) as error:
        raise TrainerError(
            f"the pretrained weights of {arch} cannot be had ({_first_line(error)}); "
            "give them as a file (--weights FILE) or train without (--from-scratch)"
        ) from error


def _similar(arch: str) -> str:
    """What may have been meant, as the end of a line."""
    known = [*torchvision.models.list_models(module=torchvision.models), *timm.list_models()]
    close = list(dict.fromkeys(get_close_matches(arch, known, n=3)))
    return (
        f"; did you mean {' or '.join(close)}?" if close else "; resnet18 and mobilenetv3_small_100 are two"
    )


def _torchvision_body(arch: str, pretrained: bool, weights: Path | None) -> tuple[nn.Module, Stats]:
    """Everything before the pooling or the classifier, whichever comes first."""
    if arch.startswith(("vit_", "maxvit")):
        raise TrainerError(
            f"torchvision's {arch} cannot be cut before its classifier; take one of timm's, "
            "such as vit_small_patch16_224 or maxvit_tiny_tf_224"
        )
    model = _torchvision_net(arch, "DEFAULT" if pretrained else None)
    if weights:
        _load(model, weights, arch)
    return _cut(model), IMAGENET


def _torchvision_net(arch: str, weights: str | None) -> nn.Module:
    helped = weights is None and arch in (
        "googlenet",
        "inception_v3",
    )  # by classifiers halfway, for training alone
    extra = {"init_weights": True, "aux_logits": False} if helped else {}
    return torchvision.models.get_model(arch, weights=weights, **extra)


def _cut(model: nn.Module) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in model.named_children():
        if name in ("avgpool", "classifier", "fc", "head", "heads"):
            break
        if not name.lower().startswith("aux"):
            layers[name] = child
    return nn.Sequential(layers)


def _timm_body(arch: str, pretrained: bool, weights: Path | None) -> tuple[nn.Module, Stats]:
    """The net up to and with its own pooling."""
    with _patience() if pretrained else nullcontext():
        model = timm.create_model(arch, pretrained=pretrained)
    if weights:
        _load(model, weights, arch)
    model.reset_classifier(0)
    return model, (tuple(model.default_cfg["mean"]), tuple(model.default_cfg["std"]))


@contextmanager
def _patience() -> Iterator[None]:
    """Ask once, for ten seconds, whether timm's hub is there; if not, only what is on this machine is used.

    By itself the hub's client would try a dozen times, for three quarters of a minute.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    try:
        requests.head(constants.ENDPOINT, timeout=10)
    except requests.RequestException:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _head(body: nn.Module, classes: int, scratch: bool) -> nn.Module:
    """fastai's head on feature maps, and on pooled features the same without pooling."""
    size = getattr(body, "default_cfg", {}).get("input_size", (3, 224, 224))
    body.eval()
    with torch.no_grad():
        shape = body(torch.zeros(1, *size)).shape
    body.train()
    if scratch:
        pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if len(shape) == 4 else []
        return nn.Sequential(*pool, nn.Linear(shape[1], classes))
    head = create_head(shape[1], classes, pool=len(shape) == 4)
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    return head


def _load(model: nn.Module, file: Path, arch: str) -> None:
    """Load a state dict into a whole net; the classifier at its end may be of another size, nothing else may."""
    state = _state(file)
    own = model.state_dict()
    classifier = _classifier(model)
    body = [name for name in own if not name.startswith(classifier)]
    wrong = [name for name in body if name not in state or state[name].shape != own[name].shape]
    if wrong:
        raise TrainerError(
            f"{file.name} does not fit {arch}: {len(wrong)} of {len(body)} tensors are missing or of another "
            f"shape (first: {wrong[0]}); name the architecture it belongs to with --arch"
        )
    model.load_state_dict({name: state[name] for name in body}, strict=False)


def _classifier(model: nn.Module) -> tuple[str, ...]:
    """The names under which the classifier's tensors stand."""
    if callable(getattr(model, "get_classifier", None)):
        last: Callable[[], nn.Module] = model.get_classifier
        return tuple(f"{name}." for name, module in model.named_modules() if module is last() and name)
    names = dict(model.named_children())
    return tuple(
        f"{name}."
        for name in ("classifier", "fc", "head", "heads", "AuxLogits", "aux1", "aux2")
        if name in names
    )


def _state(file: Path) -> dict[str, torch.Tensor]:
    """Read tensors by name; nothing is unpickled (`weights_only=True`).

    Raises:
        TrainerError: no such file, or no state dict in it.
    """
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    if not file.is_file():
        raise TrainerError(f"there is no file {file}")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        raise TrainerError(
            f"{file} is no state dict that can be read safely ({_first_line(error)})"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise TrainerError(f"{file} holds no state dict (tensors by name)")
    return loaded


def _first_line(error: Exception) -> str:
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
    if content.get("normalise") not in (None, "none", "imagenet"):
        raise TrainerError(f'{file}: normalise must be "none" or "imagenet", not {content["normalise"]!r}')
    return content
