"""The encoder of a net for points: the feature maps of any body."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn.functional import pad

from byod.plugin import TrainerError

COARSEST = 32
"""Maps with larger cells than so many pixels are left out."""
PADS = (0, 1, 2, 3)


class Encoder(nn.Module):
    """A body's feature maps, the finest first, float32 [N, 3, S, S] to [N, channels, h, h] each.

    `channels` and `sides` (cells) are those of the maps for pictures of `size` pixels a side.
    """

    def __init__(self, body: nn.Module, size: int, finest: int) -> None:
        """Find out where the body gives which map: the last one of each size.

        Args:
            body: a net without its head.
            size: pixels a side of the pictures.
            finest: pixels a side of the cells of the finest map to use.

        Raises:
            TrainerError: it gives none.
        """
        super().__init__()
        self.body, self.size = body, size
        self.walks = isinstance(body, nn.Sequential)
        self.pad = _pad(body, size) if isinstance(body, nn.Sequential) else 0
        training = body.training
        body.eval()
        try:
            with torch.no_grad():
                maps = self._all(torch.zeros(1, 3, size, size))
        except (AttributeError, RuntimeError, AssertionError, TypeError, ValueError) as error:
            raise TrainerError(_NONE) from error
        body.train(training)
        sides = [each.shape[2] if each.ndim == 4 and each.shape[2] == each.shape[3] else 0 for each in maps]
        halved = {round(math.log2(size / side)): at for at, side in enumerate(sides) if side}
        self.taken = [at for times, at in halved.items() if finest <= 2**times <= COARSEST]
        self.sides = tuple(sides[at] for at in self.taken)
        self.channels = tuple(int(maps[at].shape[1]) for at in self.taken)
        # maps with the channels last (swin's) look like others, of sizes that do not shrink
        if not self.taken or self.taken != sorted(self.taken):
            raise TrainerError(_NONE)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """See above."""
        maps = self._all(image, self.taken[-1])
        return [maps[at] for at in self.taken]

    def _all(self, image: torch.Tensor, end: int | None = None) -> Sequence[torch.Tensor]:
        """The outputs of the layers, or what timm calls the intermediates; up to the one of number `end`."""
        if not self.walks:
            chosen = None if end is None else list(range(end + 1))
            early = {"indices": chosen, "intermediates_only": True, "stop_early": True}
            maps: Sequence[torch.Tensor] = self.body.forward_intermediates(image, **early)  # type: ignore[operator]
            return maps
        return _walk(self.body, _padded(image, self.pad), end)


_NONE = "this net gives no feature maps that points could be found on; choose another, such as resnet18"


def _walk(body: nn.Module, image: torch.Tensor, end: int | None = None) -> list[torch.Tensor]:
    """Yield the output of each layer in turn, those of nested sequences too."""
    seen: list[torch.Tensor] = []
    for layer in _layers(body):
        image = layer(image)
        seen.append(image)
        if end is not None and len(seen) > end:
            break
    return seen


def _layers(body: nn.Module) -> Iterator[nn.Module]:
    for layer in body.children():
        if type(layer) is nn.Sequential:
            yield from _layers(layer)
        else:
            yield layer


def _padded(image: torch.Tensor, by: int) -> torch.Tensor:
    return pad(image, (by, by, by, by), mode="replicate") if by else image


def _pad(body: nn.Sequential, size: int) -> int:
    """The padding in pixels that makes the maps divide the picture evenly (SqueezeNet's first layer has no padding).

    Cells then lie where they should; a map of 63 cells for 128 pixels would put points off towards the border.
    """
    training = body.training
    body.eval()
    found = 0
    for by in PADS:
        with torch.no_grad():
            maps = _walk(body, _padded(torch.zeros(1, 3, size, size), by))
        sides = {each.shape[2] for each in maps if each.ndim == 4 and each.shape[2] * COARSEST >= size}
        if all(size % side == 0 for side in sides):
            found = by
            break
    body.train(training)
    return found
