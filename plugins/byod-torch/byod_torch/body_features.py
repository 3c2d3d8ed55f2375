"""The features of a net, as a second output beside its logits: what its body sees, averaged over the picture.

The last layers know the classes the net was trained on, those before more of colour and texture; both together tell
pictures of other kinds apart better than either.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

OUTPUTS = ("logits", "features")
DEPTH, FEWEST = 0.75, 4
"""How far through the body the second feature maps are taken, where it has at least so many blocks."""


class WithFeatures(nn.Module):
    """A net of normalisation, body and head, which gives logits [N, classes] and features [N, D].

    With `flips` the logits are the mean of those of a picture and of its mirror image; the features are the picture's.
    """

    def __init__(self, net: nn.Sequential, side: int, flips: bool = False) -> None:
        """`side` is that of the pictures, in pixels."""
        super().__init__()
        self.flips = flips
        self.normalise, self.body, self.head = net
        self._seen: list[torch.Tensor] = []
        block = middle(self.body, side)
        if block is not None:
            block.register_forward_hook(lambda module, given, maps: self._seen.append(maps))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 [N, 3, height, width] to both."""
        self._seen.clear()
        last = self.body(self.normalise(image))
        logits, features = self.head(last), torch.cat([means(maps) for maps in (last, *self._seen)], dim=1)
        if self.flips:
            logits = (logits + self.head(self.body(self.normalise(image.flip(3))))) / 2
        return logits, features


def means(maps: torch.Tensor) -> torch.Tensor:
    """The mean of each feature map; what has none is taken as it is."""
    return maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps.flatten(1)


@torch.no_grad()
def middle(body: nn.Module, side: int) -> nn.Module | None:
    """The block three quarters of the way through a body, among those that give feature maps; None where few do."""
    giving: list[nn.Module] = []

    def note(block: nn.Module, given: object, maps: object) -> None:
        if isinstance(maps, torch.Tensor) and maps.ndim == 4:
            giving.append(block)

    hooks = [block.register_forward_hook(note) for block in _blocks(body)]
    body(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return giving[round(DEPTH * (len(giving) - 1))] if len(giving) >= FEWEST else None


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of the body, one after the other: the members of its sequences, not what is inside them."""
    for child in module.children():
        if isinstance(module, nn.Sequential) and not isinstance(child, nn.Sequential):
            yield child
        else:
            yield from _blocks(child)
