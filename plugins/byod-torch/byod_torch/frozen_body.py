"""A frozen body as an extractor: a net cut before its classifier, its feature maps averaged, written as ONNX."""

from __future__ import annotations

import hashlib
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns about its own parts while it is imported
    import torch

    from byod_torch import body_features, networks, onnx_export

from byod.plugin import ExportedGraph, Floats, InputRule, Resize, TrainerError
from byod_torch import beginning
from byod_torch.beginning import Choice

SIZE = 160
STALL = 10.0
"""Seconds that a hub may stay silent before its weights count as not to be had."""


class Frozen(torch.nn.Module):
    """A body as a function from pictures to numbers: the means of its last feature maps, and of those of `middle`.

    The last layers know the classes the body was trained on, those before more of colour and texture; both together
    tell new classes apart better. `middle` is None where a body has no feature maps on the way. With `last` False the
    means of `middle` are all there is, and an export holds nothing of what comes after it.
    """

    def __init__(
        self,
        normalise: torch.nn.Module,
        body: torch.nn.Module,
        middle: torch.nn.Module | None,
        *,
        last: bool = True,
    ) -> None:
        super().__init__()
        self.normalise, self.body, self.last = normalise, body, last
        self._seen: list[torch.Tensor] = []
        if middle is not None:
            middle.register_forward_hook(lambda module, given, maps: self._seen.append(maps))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width] to [N, F]."""
        self._seen.clear()
        last = self.body(self.normalise(image))
        wanted = (last, *self._seen) if self.last else self._seen
        return torch.cat([body_features.means(maps) for maps in wanted], dim=1)


def export(
    options: Choice,
    side: int | None,
    resize: Resize,
    folder: Path,
    say: Callable[[str], None],
    layer: str | None = None,
) -> ExportedGraph:
    """The body that the options name, with its pretrained weights, as a graph; up to a `layer` of it, where named.

    Raises:
        TrainerError: it is unknown, or its weights do not fit, or cannot be had (then the error has a cause), or it
            has no such layer.
    """
    with _patience():
        built = networks.net(options, 2)
    side = side or built.size or SIZE
    networks.accepts(built, side)
    frozen = freeze(built, side) if layer is None else _until(built, side, layer)
    rule = InputRule(width=side, height=side, resize=resize)
    file = onnx_export.write(frozen, rule, folder / "features.onnx", say, ("features",))

    @torch.no_grad()
    def original(images: Floats) -> Floats:
        return np.asarray(frozen(torch.from_numpy(images)).numpy(), np.float32)

    return ExportedGraph(
        onnx=file,
        input=rule,
        arch=f"{built.arch} features",
        pretrained=built.pretrained,
        weights=beginning.weights_sha256(options) or _sha256(frozen),
        parameters=sum(p.numel() for p in frozen.parameters()),
        versions={name: version(name) for name in ("torch", "torchvision", "timm")},
        original=original,
    )


def _sha256(frozen: torch.nn.Module) -> str:
    """Of all numbers in it, for weights that came from a hub."""
    digest = hashlib.sha256()
    for name, tensor in frozen.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def freeze(built: networks.Net, side: int) -> Frozen:
    """The net without its head, for pictures of `side` pixels."""
    normalise, body = built.model[0].eval(), built.model[1].eval()
    return Frozen(normalise, body, body_features.middle(body, side)).eval()


@torch.no_grad()
def _until(built: networks.Net, side: int, layer: str) -> Frozen:
    """The net up to one of its parts."""
    body = built.model[1].eval()
    parts = dict(body.named_modules())
    if layer not in parts or not layer:
        known = ", ".join(name for name, _ in body.named_children())
        raise TrainerError(f"{built.arch} has no layer {layer!r}; it has {known}, and what is inside these")
    frozen = Frozen(built.model[0].eval(), body, parts[layer], last=False).eval()
    if frozen(torch.zeros(1, 3, side, side)).ndim != 2:
        raise TrainerError(f"the layer {layer!r} of {built.arch} gives no feature maps; name another")
    return frozen


@contextmanager
def _patience() -> Iterator[None]:
    """A hub that stays silent for ten seconds is not there; by itself torch's client would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
