"""The public names for those who write a trainer: all that a plugin imports.

A trainer is a class that keeps to `Trainer`: it is given `TrainingData` and a `Run`, and gives back a `Trained` with
one ONNX file, whose input is what its `InputRule` says. docs/writing-a-trainer.md has a whole plugin on one page;
`byod.testing` checks one. What stands here stays as it is; everything else in byod may move.

Examples:
    >>> byod.plugin.InputRule(width=64, height=64).resize.value
    'squish'
"""

from byod.images.resize import as_input
from byod.schema.errors import TrainerError, UsageError
from byod.schema.keypoints import Instance, Keypoint, Keypoints, KeypointSet
from byod.schema.model_card import InputRule, LrFinder, Resize, Stage
from byod.schema.records import Example, Split, Task
from byod.tasks.keypoints.geometry import (
    DetectionBatch,
    DetectionFeed,
    Jitter,
    KeypointBatch,
    KeypointFeed,
    eyes_of,
)
from byod.training.extractors import ExportedGraph, Extractor, FeatureGraph, extractor
from byod.training.extractors import identity as extractor_identity
from byod.training.library_homes import cache_folder
from byod.training.onnx_model import onnx_function
from byod.training.protocol import (
    Answering,
    Architecture,
    Beginning,
    Checking,
    Checkpoint,
    Floats,
    Launching,
    Listing,
    Pixels,
    Run,
    Trained,
    Trainer,
    TrainingData,
    give_way,
)

__all__ = [
    "Answering",
    "Architecture",
    "Beginning",
    "Checking",
    "Checkpoint",
    "DetectionBatch",
    "DetectionFeed",
    "Example",
    "ExportedGraph",
    "Extractor",
    "FeatureGraph",
    "Floats",
    "InputRule",
    "Instance",
    "Jitter",
    "Keypoint",
    "KeypointBatch",
    "KeypointFeed",
    "KeypointSet",
    "Keypoints",
    "Launching",
    "Listing",
    "LrFinder",
    "Pixels",
    "Resize",
    "Run",
    "Split",
    "Stage",
    "Task",
    "Trained",
    "Trainer",
    "TrainerError",
    "TrainingData",
    "UsageError",
    "as_input",
    "cache_folder",
    "extractor",
    "extractor_identity",
    "eyes_of",
    "give_way",
    "onnx_function",
]
