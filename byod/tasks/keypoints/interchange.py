"""How datasets of keypoints come and go: `byod.schema.task.Exchange` for the task keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from byod.schema.errors import UsageError
from byod.schema.keypoints import keypoints_file
from byod.schema.recipe import Recipe
from byod.schema.records import Sample, Snapshot
from byod.schema.task import ExportFormat, Labelling

holds = "points"
exports = {
    "cat": ExportFormat(
        module="byod.tasks.keypoints.exports.cat", read_by="what reads the Cat Dataset: a .cat file a picture"
    ),
    "coco": ExportFormat(
        module="byod.tasks.keypoints.exports.coco", read_by="pycocotools and others like it: COCO keypoints"
    ),
    "yolo-pose": ExportFormat(
        module="byod.tasks.keypoints.exports.yolo", read_by="YOLO pose trainers: text files"
    ),
}


def leaves(snapshot: Snapshot, sample: Sample) -> bool:
    """Only a picture with a file of points: one without is not marked yet, and says nothing of objects."""
    return (snapshot.folder / keypoints_file(sample.path)).is_file()


def read(file: Path, pictures: Sequence[Path], recipe: Recipe | None) -> Labelling:
    """Refuse: annotations of keypoints come in by their own commands, which know their forms."""
    raise UsageError(f"{file}: keypoints are brought in by byod convert coco, voc or cats")
