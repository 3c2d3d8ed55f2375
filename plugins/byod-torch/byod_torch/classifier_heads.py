"""The classifier head on a body: from its features to one number a class."""

from __future__ import annotations

import torch
from torch import nn

HIDDEN = 512


class ConcatPool(nn.Module):
    """Maximum and mean of each feature map, side by side: float32 [N, C, h, w] to [N, 2 C]."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The maxima come first."""
        return torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1)


def plain(features: int, classes: int, *, maps: bool) -> nn.Sequential:
    """One linear layer on the mean of the features: what a net from random weights gets."""
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if maps else []
    return nn.Sequential(*pool, nn.Linear(features, classes))


def deep(features: int, classes: int, *, maps: bool) -> nn.Sequential:
    """Two linear layers with batch norm and dropout: what pretrained features get.

    The same layers as fastai's `create_head` (https://docs.fast.ai/vision.learner.html#create_head).
    """
    pool: list[nn.Module] = [ConcatPool()] if maps else []
    wide = features * 2 if maps else features
    first, last = nn.Linear(wide, HIDDEN, bias=False), nn.Linear(HIDDEN, classes, bias=False)
    for layer in (first, last):
        nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(
        *pool,
        nn.BatchNorm1d(wide),
        nn.Dropout(0.25),
        first,
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(HIDDEN),
        nn.Dropout(0.5),
        last,
    )
