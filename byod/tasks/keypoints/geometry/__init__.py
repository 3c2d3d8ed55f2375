"""Keypoints: one geometry and one pixel rule for training, measuring, predicting and serving alike.

Trainers get what they need of it through `byod.plugin`; `metrics` measures, `byod.tasks.keypoints.predict` predicts.
"""

from byod.tasks.keypoints.geometry.batch_feeds import (
    MARGIN,
    HeadBatch,
    HeadFeed,
    Jitter,
    KeypointBatch,
    KeypointFeed,
    Stage,
)
from byod.tasks.keypoints.geometry.crops import Frame, cut, of_box, of_eyes, whole
from byod.tasks.keypoints.geometry.targets import TrueHead, eyes_of, eyes_rule, true_heads

__all__ = [
    "MARGIN",
    "Frame",
    "HeadBatch",
    "HeadFeed",
    "Jitter",
    "KeypointBatch",
    "KeypointFeed",
    "Stage",
    "TrueHead",
    "cut",
    "eyes_of",
    "eyes_rule",
    "of_box",
    "of_eyes",
    "true_heads",
    "whole",
]
