"""Keypoints on disk: `points/<name>.json` beside each picture; `byod.schema.task.Storage` for the task keypoints."""

from __future__ import annotations

from byod.schema import keypoints
from byod.schema.keypoints import Keypoints

folder = keypoints.FOLDER
read = keypoints.read_keypoints


def of_folder(name: str, width: int, height: int) -> Keypoints | None:
    """No objects at all, for what stands in the folder of pictures that hold none of them."""
    return Keypoints(width=width, height=height) if name == keypoints.NOTHING else None


def content(labels: Keypoints) -> bytes:
    """The keypoints of one picture as its file holds them."""
    return f"{labels.model_dump_json(indent=1)}\n".encode()
