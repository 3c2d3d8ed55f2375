"""A frozen body as an extractor: a net cut before its classifier, its feature maps averaged, written as ONNX."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import onnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns about its own parts while it is imported
    import torch
    from byod_torch import body_features, networks, onnx_export

from byod.plugin import Floats, InputRule, Run
from byod_sklearn.extractor import Extractor
from byod_sklearn.options import Options

SIZE = 160
STALL = 10.0
"""Seconds that a hub may stay silent before its weights count as not to be had."""


class Frozen(torch.nn.Module):
    """A body as a function from pictures to numbers: the means of its last feature maps, and of those of `middle`.

    The last layers know the classes the body was trained on, those before more of colour and texture; both together
    tell new classes apart better. `middle` is None where a body has no feature maps on the way.
    """

    def __init__(
        self, normalise: torch.nn.Module, body: torch.nn.Module, middle: torch.nn.Module | None
    ) -> None:
        super().__init__()
        self.normalise, self.body = normalise, body
        self._seen: list[torch.Tensor] = []
        if middle is not None:
            middle.register_forward_hook(lambda module, given, maps: self._seen.append(maps))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width] to [N, F]."""
        self._seen.clear()
        last = self.body(self.normalise(image))
        return torch.cat([body_features.means(maps) for maps in (last, *self._seen)], dim=1)


def extractor(options: Options, run: Run) -> Extractor:
    """The body that the options name, with its pretrained weights, as an extractor.

    Raises:
        TrainerError: it is unknown, or its weights do not fit, or cannot be had (then the error has a cause).
    """
    with _patience():
        built = networks.net(options, 2)
    side = options.size or built.size or SIZE
    networks.accepts(built, side)
    frozen = freeze(built, side)
    rule = InputRule(width=side, height=side, resize=options.resize)
    file = onnx_export.write(frozen, rule, run.folder / "features.onnx", run.say)

    @torch.no_grad()
    def original(images: Floats) -> Floats:
        return np.asarray(frozen(torch.from_numpy(images)).numpy(), np.float32)

    return Extractor(
        content=_renamed(onnx.load(str(file))),
        rule=rule,
        name=f"{built.arch} features",
        pretrained=built.pretrained,
        parameters=sum(p.numel() for p in frozen.parameters()),
        versions={name: version(name) for name in ("torch", "torchvision", "timm")},
        original=original,
    )


def freeze(built: networks.Net, side: int) -> Frozen:
    """The net without its head, for pictures of `side` pixels."""
    normalise, body = built.model[0].eval(), built.model[1].eval()
    return Frozen(normalise, body, body_features.middle(body, side)).eval()


@contextmanager
def _patience() -> Iterator[None]:
    """A hub that stays silent for ten seconds is not there; by itself torch's client would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _renamed(model: onnx.ModelProto) -> bytes:
    """The same graph with its output called `features`."""
    for node in model.graph.node:
        node.output[:] = ["features" if name == "logits" else name for name in node.output]
        node.input[:] = ["features" if name == "logits" else name for name in node.input]
    model.graph.output[0].name = "features"
    content: bytes = model.SerializeToString()
    return content
