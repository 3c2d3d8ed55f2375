"""What the pages of a dataset of classes say: `byod.schema.task.Pages` for the task classify."""

from __future__ import annotations

from pathlib import Path

from byod.schema.records import Snapshot
from byod.schema.task import OddLabel

hub = "image-classification"
least_classes = 2
no_classes = frozenset[str]()


def label_count(snapshot: Snapshot) -> None:
    """Nothing more than the class folders say."""


def odd_labels(snapshot: Snapshot) -> tuple[OddLabel, ...]:
    """None: a folder's name alone cannot be odd."""
    return ()


def drawing(folder: Path) -> None:
    """Nothing: the label of a picture is not in it."""
