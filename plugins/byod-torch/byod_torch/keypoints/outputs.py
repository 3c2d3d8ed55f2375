"""From a net's maps to what the exported file gives: points with confidence, or boxes with scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import max_pool2d

NEAR = 1 / 12
"""A point's confidence is the share of its heatmap within so much of the frame's side."""
FINDS = 20
"""So many peaks are given at most."""
FAINT = 0.05
"""Scores count from here on, and are stretched to 0..1: in even areas all cells say the same but for rounding, and
which of them are peaks would be chance."""

Pair = tuple[torch.Tensor, torch.Tensor]


def centres(cells: int, like: torch.Tensor) -> torch.Tensor:
    """The centres of cells in 0..1, float32 [cells]."""
    return (torch.arange(cells, device=like.device, dtype=torch.float32) + 0.5) / cells


def places(heat: torch.Tensor) -> Pair:
    """The mean place (x, y in 0..1) of each heatmap, and the heatmaps themselves: softmax over all cells.

    Args:
        heat: logits, float32 [N, K, h, w].

    Returns:
        float32 [N, K, 2] and [N, K, h, w]. Source: https://arxiv.org/abs/1711.08229
    """
    share = heat.flatten(2).softmax(2).view(heat.shape)
    x = (share.sum(2) * centres(int(heat.shape[3]), heat)).sum(2)
    y = (share.sum(3) * centres(int(heat.shape[2]), heat)).sum(2)
    return torch.stack([x, y], 2), share


def near(share: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """The share of each heatmap (softmax, [N, K, h, w]) near its point [N, K, 2]: [N, K] in 0..1.

    A cell across the edge counts by the part of its width that lies within, so that the last digit of a point moves
    the confidence by its last digit too, and not by a whole cell.
    """
    dx = centres(int(share.shape[3]), share).view(1, 1, 1, -1) - points[..., 0, None, None]
    dy = centres(int(share.shape[2]), share).view(1, 1, -1, 1) - points[..., 1, None, None]
    within = (NEAR - (dx * dx + dy * dy).sqrt()) * int(share.shape[3])
    weight = (within + 0.5).clamp(0, 1)
    return (share * weight).sum((2, 3)).clamp(0, 1)


class PointAnswer(nn.Module):
    """`points` [N, K, 2] (0..1 of the frame) and `confidence` [N, K] of float32 images [N, 3, S, S], RGB 0..1.

    With a permutation each answer is the mean of that on the picture and that on its mirror image, whose points change
    places by it.
    """

    def __init__(self, net: nn.Module, permutation: Sequence[int] | None, *, direct: bool) -> None:
        super().__init__()
        self.net, self.direct = net, direct
        self.permutation = list(permutation) if permutation else None

    def forward(self, image: torch.Tensor) -> Pair:
        """See above."""
        points, sure = self._once(image)
        if self.permutation is None:
            return points, sure
        mirrored, sure_mirrored = self._once(image.flip(3))
        mirrored, sure_mirrored = mirrored[:, self.permutation], sure_mirrored[:, self.permutation]
        back = torch.stack([1 - mirrored[..., 0], mirrored[..., 1]], 2)
        return (points + back) / 2, (sure + sure_mirrored) / 2

    def _once(self, image: torch.Tensor) -> Pair:
        said = self.net(image)
        if self.direct:
            return said[..., :2], said[..., 2].sigmoid()
        points, share = places(said)
        return points, near(share, points)


class DetectionAnswer(nn.Module):
    """`boxes` [N, 20, 4] (x0, y0, x1, y1 in 0..1) and `scores` [N, 20], best first, of float32 images [N, 3, S, S].

    A peak is a cell that no neighbour exceeds; with fewer peaks than 20 the last scores and boxes are 0.
    """

    def __init__(self, net: nn.Module, *, mirror: bool) -> None:
        super().__init__()
        self.net, self.mirror = net, mirror

    def forward(self, image: torch.Tensor) -> Pair:
        """See above."""
        score, boxes = self._once(image)
        if self.mirror:
            other, turned = self._once(image.flip(3))
            turned = turned.flip(3)
            back = torch.stack([1 - turned[:, 2], turned[:, 1], 1 - turned[:, 0], turned[:, 3]], 1)
            score, boxes = (score + other.flip(3)) / 2, (boxes + back) / 2
        seen = (score - FAINT).clamp_min(0) / (1 - FAINT)
        peaks = seen * (seen >= max_pool2d(seen, 3, 1, 1)).float()
        best, at = peaks.flatten(1).topk(FINDS, 1)
        chosen = boxes.flatten(2).gather(2, at[:, None, :].expand(-1, 4, -1))
        return chosen.transpose(1, 2) * (best > 0).float()[..., None], best

    def _once(self, image: torch.Tensor) -> Pair:
        """Scores [N, 1, h, w], and the box that each cell speaks for [N, 4, h, w]."""
        maps = self.net(image)
        return maps[:, :1].sigmoid(), boxes_of(maps[:, 1:])


def boxes_of(maps: torch.Tensor) -> torch.Tensor:
    """Boxes (x0, y0, x1, y1 in 0..1) from maps [N, 4, h, w]: shift from the cell, and log of the sides.

    The shift of the centre is counted in sides of the box, so that a small object is placed as well as a large one.
    """
    width, height = maps[:, 2].clamp(-6, 1).exp(), maps[:, 3].clamp(-6, 1).exp()
    x = centres(int(maps.shape[3]), maps).view(1, 1, -1) + maps[:, 0] * width
    y = centres(int(maps.shape[2]), maps).view(1, -1, 1) + maps[:, 1] * height
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)
