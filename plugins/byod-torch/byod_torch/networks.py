"""Nets by name: a body from torchvision, timm or byod, with the weights asked for, and a head for the classes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.error import URLError

import requests
import timm
import torch
import torchvision
from torch import nn

from byod.plugin import TrainerError
from byod_torch import packaged_weights, weights
from byod_torch.architectures import TABLE
from byod_torch.beginning import Choice, chosen, packaged
from byod_torch.classics import CLASSICS
from byod_torch.weights import IMAGENET, NORMALISE, Stats, Weights, first_line


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

    `arch` is the name in torchvision, timm or byod, whatever common name was asked for. `size` is the side of its
    input in pixels where it takes no other, else None.
    """

    model: nn.Sequential
    arch: str
    pretrained: str
    size: int | None


@dataclass(frozen=True)
class Body:
    """A net without its head: its name, what it expects at its input, and where its weights come from."""

    module: nn.Module
    stats: Stats
    arch: str
    pretrained: str


def body(options: Choice) -> Body:
    """The body that the options name, with its weights.

    Raises:
        TrainerError: no such architecture, or its weights do not fit or cannot be had.
    """
    own = weights.read(options.weights) if options.weights else None
    arch = chosen(options, None if own is None else own.arch)
    if own is None and packaged(options, arch):
        own = packaged_weights.read()
    module, stats = _body(arch, options.from_scratch, own)
    if own is not None and options.normalise is None and own.stats is None:
        raise TrainerError(
            f"{own.file} does not say what input it expects; "
            "add --set normalise=imagenet (or none, for RGB 0..1 as it is)"
        )
    if options.normalise is not None:
        stats = NORMALISE[options.normalise]
    elif own is not None and own.stats is not None:
        stats = own.stats
    start = "scratch" if options.from_scratch else own.name if own else "hub"
    return Body(module, stats, arch, start)


def net(options: Choice, classes: int) -> Net:
    """Build normalisation, body and head.

    Raises:
        TrainerError: no such architecture, or its weights do not fit or cannot be had.
    """
    start = body(options)
    head = _head(start.module, classes)
    model = nn.Sequential(Normalise(start.stats), start.module, head)
    known = getattr(start.module, "default_cfg", {})
    size = known["input_size"][-1] if known.get("fixed_input_size") else None
    return Net(model, start.arch, start.pretrained, size)


def groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters from the input on, for discriminative rates: half the body's layers, the other half, the head."""
    layers = [own for module in model[1].modules() if (own := list(module.parameters(recurse=False)))]
    half = (len(layers) + 1) // 2
    body = ([p for layer in part for p in layer] for part in (layers[:half], layers[half:]))
    return [*body, list(model[2].parameters())]


def accepts(built: Net, size: int) -> None:
    """See that a net takes square pictures of this many pixels.

    Raises:
        TrainerError: it does not.
    """
    if built.size and size != built.size:
        raise TrainerError(f"{built.arch} takes pictures of {built.size} px alone; remove --set size={size}")
    training = built.model.training
    built.model.eval()
    try:
        with torch.no_grad():
            built.model(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TrainerError(
            f"{built.arch} cannot take pictures of {size} px ({first_line(error)}); "
            "give another size (--set size=…)"
        ) from error
    finally:
        built.model.train(training)


def _body(arch: str, scratch: bool, own: Weights | None) -> tuple[nn.Module, Stats]:
    build = _builder(arch)
    if scratch or own is not None:
        return build(arch, False, own)
    try:
        with redirect_stdout(sys.stderr):  # the hubs' clients print there, where a command's answer belongs
            return build(arch, True, None)
    except (URLError, OSError, RuntimeError) as error:
        raise TrainerError(
            f"the pretrained weights of {arch} cannot be had ({first_line(error)}); take the net whose weights are "
            f"installed (--arch {packaged_weights.ARCH}), give them as a file (--weights FILE), or train without "
            "(--from-scratch)"
        ) from error


def _builder(arch: str) -> Callable[[str, bool, Weights | None], tuple[nn.Module, Stats]]:
    if arch in CLASSICS:
        return _classic_body
    if arch in torchvision.models.list_models(module=torchvision.models):
        return _torchvision_body
    if timm.is_model(arch.split(".")[0]):
        return _timm_body
    raise TrainerError(f"neither torchvision nor timm has an architecture called {arch!r}{_similar(arch)}")


def _similar(arch: str) -> str:
    """Suggest names that may have been meant, as the end of a line."""
    known = [each.name for each in TABLE]
    known += [*torchvision.models.list_models(module=torchvision.models), *timm.list_models()]
    close = list(dict.fromkeys(get_close_matches(arch, known, n=3)))
    return (
        f"; did you mean {' or '.join(close)}?"
        if close
        else f"; {packaged_weights.ARCH} and resnet18 are two"
    )


def _classic_body(arch: str, pretrained: bool, own: Weights | None) -> tuple[nn.Module, Stats]:
    if pretrained:
        raise TrainerError(f"nobody publishes pretrained weights of {arch}; train it with --from-scratch")
    model = CLASSICS[arch]()
    if own is not None:
        (weights.load_body if own.whole else weights.load)(model, own, arch)
    return model, IMAGENET


def _torchvision_body(arch: str, pretrained: bool, own: Weights | None) -> tuple[nn.Module, Stats]:
    """Everything before the pooling or the classifier, whichever comes first."""
    if arch.startswith(("vit_", "maxvit")):
        raise TrainerError(
            f"torchvision's {arch} cannot be cut before its classifier; take one of timm's, "
            "such as vit_small_patch16_224 or maxvit_tiny_tf_224"
        )
    model = torchvision_net(arch, "DEFAULT" if pretrained else None)
    if own is not None and not own.whole:
        weights.load(model, own, arch)
    body = _cut(model)
    if own is not None and own.whole:
        weights.load_body(body, own, arch)
    return body, IMAGENET


def torchvision_net(arch: str, pretrained: str | None = None) -> nn.Module:
    """A whole net of torchvision's for 1,000 classes; without weights, also without side classifiers for training."""
    helped = pretrained is None and arch in ("googlenet", "inception_v3")
    extra = {"init_weights": True, "aux_logits": False} if helped else {}
    return torchvision.models.get_model(arch, weights=pretrained, **extra)


def _cut(model: nn.Module) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in model.named_children():
        if name in ("avgpool", "classifier", "fc", "head", "heads"):
            break
        if not name.lower().startswith("aux"):
            layers[name] = child
    return nn.Sequential(layers)


def _timm_body(arch: str, pretrained: bool, own: Weights | None) -> tuple[nn.Module, Stats]:
    """The net up to and with its own pooling."""
    with _patience() if pretrained else nullcontext():
        model = timm.create_model(arch, pretrained=pretrained)
    if own is not None and not own.whole:
        weights.load(model, own, arch)
    model.reset_classifier(0)
    if own is not None and own.whole:
        weights.load_body(model, own, arch)
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


def _head(body: nn.Module, classes: int) -> nn.Sequential:
    """One linear layer on the mean of the body's features.

    The two layers with dropout that fastai puts there need more steps than a fine-tuning has: on pictures of other days
    they cost eight to twelve points (`benchmarks/recipes.py`).
    """
    size = getattr(body, "default_cfg", {}).get("input_size", (3, 224, 224))
    body.eval()
    with torch.no_grad():
        shape = body(torch.zeros(1, *size)).shape
    body.train()
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if len(shape) == 4 else []
    return nn.Sequential(*pool, nn.Linear(shape[1], classes))
