"""The nets on an encoder: a decoder that brings its maps back to a fine one, or a direct answer."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate

from byod_torch.keypoints.encoders import Encoder

WIDTHS = {1: 32, 2: 48, 3: 64, 4: 96, 5: 128}
"""Channels of a decoder on a map whose side is 2, 4, … 32 times smaller than the picture's, at most."""
HIDDEN = 256


def _block(before: int, after: int) -> nn.Sequential:
    """A 3 x 3 convolution with batch norm."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class Decoder(nn.Module):
    """From an encoder's maps to `outputs` maps of the finest size: float32 [N, outputs, h, h], logits or numbers.

    Each map is enlarged, the encoder's map of that size laid beside it, and both are mixed, as in U-Net
    (https://arxiv.org/abs/1505.04597).
    """

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        halved = [round(math.log2(encoder.size / side)) for side in encoder.sides]
        widths = [min(WIDTHS[times], many) for times, many in zip(halved, encoder.channels, strict=True)]
        self.sides = nn.ModuleList(
            nn.Conv2d(many, some, 1) for many, some in zip(encoder.channels, widths, strict=True)
        )
        self.last = _block(widths[-1], widths[-1])
        self.mixed = nn.ModuleList(
            nn.Sequential(_block(coarse + fine, fine), _block(fine, fine))
            for fine, coarse in pairwise(widths)
        )
        self.out = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Maps, the finest first, to the outputs."""
        own = [side(each) for side, each in zip(self.sides, maps, strict=True)]
        seen: torch.Tensor = self.last(own[-1])
        for mix, fine in zip(reversed(self.mixed), reversed(own[:-1]), strict=True):
            size = int(fine.shape[2]), int(fine.shape[3])
            large = interpolate(seen, size=size)  # to the nearest: the convolutions after it smooth as well
            seen = mix(torch.cat([large, fine], 1))
        maps: torch.Tensor = self.out(seen)
        return maps


class Direct(nn.Module):
    """Three numbers a point straight from the coarsest map, as tutorials have it: float32 [N, K, 3].

    They are x and y in 0..1 of the picture, and the logit of being near.
    """

    def __init__(self, encoder: Encoder, points: int) -> None:
        super().__init__()
        self.points = points
        self.out = nn.Sequential(
            nn.Conv2d(encoder.channels[-1], 32, 1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(32 * encoder.sides[-1] ** 2, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, 3 * points),
        )

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Places begin in the middle of the picture."""
        said: torch.Tensor = self.out(maps[-1]).view(-1, self.points, 3)
        return said + said.new_tensor((0.5, 0.5, 0.0))
