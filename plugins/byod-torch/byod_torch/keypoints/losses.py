"""The losses: how far points are off, and how objects are missed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from byod_torch.keypoints.outputs import NEAR, boxes_of, centres, places

SPREAD = 0.12
"""The standard deviation of an object's target, in sides of its box; at least half a cell."""
SURE = 0.3
"""From this height of its target on, a cell also learns the object's box."""

SPOT, ROUND = 0.3, 0.03
"""How much the round spot counts, and its standard deviation in sides of the frame."""
RARE = -3.0
"""Where the logit of an object's centre begins: hardly any cell is one."""

Floats = NDArray[np.float32]


def _mean(each: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (each * weights).sum() / weights.sum().clamp_min(1)


def of_heatmaps(
    heat: torch.Tensor, points: torch.Tensor, weights: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """The loss of heatmaps [N, K, h, w] (logits) for points [N, K, 2] in 0..1, over those of weight above 0, [N, K].

    The mean absolute error of their places (in tenths of the frame), and the cross-entropy with a small round spot,
    which tells a new net where to look long before the places mean anything. Where no object is `there` ([N], 0 or 1)
    the spot is as large as the frame, and no place is right: such a heatmap has no peak, and its point no confidence.
    """
    found, _ = places(heat)
    off = (found - points).abs().sum(2) * 10 * there[:, None]
    told = heat.flatten(2).log_softmax(2)
    spot = torch.where(there[:, None, None] > 0, _spots(points, heat), 1 / told.shape[2])
    return _mean(off - SPOT * (spot * told).sum(2), weights)


def _spots(points: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A normal distribution around each point [N, K, 2] on the cells of `like`: [N, K, h w], of sum 1."""
    x = (centres(int(like.shape[3]), like) - points[..., :1]) / ROUND
    y = (centres(int(like.shape[2]), like) - points[..., 1:]) / ROUND
    high = -(x[:, :, None, :].square() + y[:, :, :, None].square()) / 2
    return high.flatten(2).softmax(2)


def of_numbers(
    said: torch.Tensor, points: torch.Tensor, weights: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """The same for a direct head [N, K, 3], with what it says of being near."""
    apart = (said[..., :2] - points) * there[:, None, None]
    close = (apart.detach().square().sum(2) < NEAR * NEAR).float() * there[:, None]
    sure = binary_cross_entropy_with_logits(said[..., 2], close, reduction="none")
    return _mean(apart.abs().sum(2) * 10 + 0.1 * sure, weights)


def of_instances(maps: torch.Tensor, boxes: Sequence[Floats]) -> torch.Tensor:
    """Focal loss of the scores (https://arxiv.org/abs/1904.07850), and absolute errors of the boxes where objects are.

    Args:
        maps: float32 [N, 5, h, w]: the logit of an object's centre, and the box as `boxes_of` reads it.
        boxes: the objects' boxes of each picture, float32 [n, 4] in 0..1.
    """
    height, width = int(maps.shape[2]), int(maps.shape[3])
    made = [_target(each, height, width) for each in boxes]
    heat = torch.stack([each[0] for each in made]).to(maps.device)
    truth = torch.stack([each[1] for each in made]).to(maps.device)
    instances = sum(len(each) for each in boxes)
    logit = maps[:, 0]
    share = logit.detach().sigmoid()
    top = heat >= 1
    there = (1 - share).square() * logsigmoid(logit) * top
    not_there = (1 - heat).pow(4) * share.square() * logsigmoid(-logit) * ~top
    score = -(there + not_there).sum() / max(instances, 1)
    # in sides of the box: small objects count as much as large ones
    side = (truth[:, 2:] - truth[:, :2]).clamp_min(1e-3).repeat(1, 2, 1, 1)
    off = ((boxes_of(maps[:, 1:]) - truth).abs() / side).sum(1)
    return score + _mean(off, heat * (heat >= SURE))


def _target(boxes: Floats, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The heatmap [h, w], 1 in the cell of each centre, and for each cell the box it speaks for [4, h, w]."""
    heat, truth = torch.zeros(height, width), torch.zeros(4, height, width)
    x, y = centres(width, heat), centres(height, heat)
    for box in torch.from_numpy(np.asarray(boxes, np.float32)):
        cx, cy = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
        sx = max(SPREAD * float(box[2] - box[0]), 0.5 / width)
        sy = max(SPREAD * float(box[3] - box[1]), 0.5 / height)
        column = min(max(math.floor(cx * width), 0), width - 1)
        row = min(max(math.floor(cy * height), 0), height - 1)
        # measured from the middle of the centre's cell, so that this cell has exactly 1
        dx, dy = (x - x[column]) / sx, (y - y[row]) / sy
        own = torch.exp(-(dx[None, :].square() + dy[:, None].square()) / 2)
        more = own > heat
        heat = torch.where(more, own, heat)
        truth = torch.where(more, box.view(4, 1, 1), truth)
    return heat, truth
