"""Keypoints: one geometry and one pixel rule for training, measuring, predicting and serving alike.

Trainers get what they need of it through `byod.plugin`; `metrics` measures, `byod.tasks.keypoints.predict` predicts.
"""

from byod.tasks.keypoints.geometry.batch_feeds import (
    MARGIN,
    DetectionBatch,
    DetectionFeed,
    Jitter,
    KeypointBatch,
    KeypointFeed,
    Stage,
)
from byod.tasks.keypoints.geometry.crops import Frame, cut, of_box, of_eyes, whole
from byod.tasks.keypoints.geometry.targets import TrueInstance, eyes_of, eyes_rule, true_instances

__all__ = [
    "MARGIN",
    "DetectionBatch",
    "DetectionFeed",
    "Frame",
    "Jitter",
    "KeypointBatch",
    "KeypointFeed",
    "Stage",
    "TrueInstance",
    "cut",
    "eyes_of",
    "eyes_rule",
    "of_box",
    "of_eyes",
    "true_instances",
    "whole",
]
