"""Training pictures made anew in each epoch: a whole batch at once, in one resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample

TURN = math.radians(10)
ZOOM = 1.1
SHIFT = 0.05  # of half the side
ASPECT = math.log(4 / 3)
LIGHT = 0.2


@dataclass(frozen=True)
class Augmentation:
    """Mirrors, turns, zooms, moves and lights each picture of a batch by its own chance.

    `size` is the side of what comes out in pixels. `crop` is the smallest share of a picture's area that is shown;
    at 1.0 the whole picture is shown, zoomed in a little.
    """

    size: int
    crop: float = 1.0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width], 0..1, to [N, 3, size, size].

        All chance comes from torch's generator on the CPU, whatever the device.
        """
        there = images.device
        if (
            there.type == "mps"
        ):  # has no reflecting grid_sample (https://github.com/pytorch/pytorch/issues/98222)
            images = images.cpu()
        count = len(images)
        moves = _moves(torch.rand(count, 6), self.crop).to(images.device)
        grid = affine_grid(moves, [count, 3, self.size, self.size], align_corners=False)
        moved = grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return _lit(moved, torch.rand(count, 2).to(images.device)).to(there)


def _moves(chance: torch.Tensor, crop: float) -> torch.Tensor:
    """Map each place of the new picture to the old one, both in -1..1: [N, 2, 3] from [N, 6] in 0..1."""
    mirror, turn, area, aspect, right, down = chance.unbind(1)
    if crop < 1:
        share, shape = crop + (1 - crop) * area, torch.exp(ASPECT * (2 * aspect - 1))
        width, height = (share * shape).sqrt().clamp(max=1), (share / shape).sqrt().clamp(max=1)
        room = torch.stack([1 - width, 1 - height])
    else:
        width = height = 1 / (1 + (ZOOM - 1) * area)
        room = (1 - width).clamp(min=SHIFT).expand(2, -1)
    angle = TURN * (2 * turn - 1)
    sign = torch.where(mirror < 0.5, -1.0, 1.0)
    x, y = room[0] * (2 * right - 1), room[1] * (2 * down - 1)
    across = torch.stack([sign * width * angle.cos(), -height * angle.sin(), x], 1)
    along = torch.stack([sign * width * angle.sin(), height * angle.cos(), y], 1)
    return torch.stack([across, along], 1)


def _lit(images: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """Another contrast and brightness for each picture, from [N, 2] in 0..1; the result stays in 0..1."""
    contrast, brightness = torch.exp(LIGHT * (2 * chance - 1)).view(-1, 2, 1, 1, 1).unbind(1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean).mul_(brightness).clamp_(0, 1)


def mixed(images: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend every picture and its target with another one's of the batch (MixUp, https://arxiv.org/abs/1710.09412).

    `targets` are float32 [N, classes]. Of the two the first always has the larger share, as in fastai.
    """
    share = torch.distributions.Beta(alpha, alpha).sample((len(images),))
    share = torch.maximum(share, 1 - share).to(images.device)
    other = torch.randperm(len(images)).to(images.device)
    return (
        images[other].lerp(images, share.view(-1, 1, 1, 1)),
        targets[other].lerp(targets, share.view(-1, 1)),
    )
