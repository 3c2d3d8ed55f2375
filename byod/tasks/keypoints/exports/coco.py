"""COCO keypoints: `images/<part>/` and `annotations/<part>.json`.

A point outside the frame is v = 1 with its true coordinates, one inside v = 2, one nobody marked v = 0. Besides what
COCO defines, the category carries `flip_pairs`, the points that change places in a mirror image, and `scale_pair`,
those whose distance errors are divided by.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from byod.dataset.export_selection import Leaving, place
from byod.schema.keypoints import Instance, Keypoints, KeypointSet, box_of
from byod.schema.records import Snapshot, Split
from byod.tasks.keypoints.exports.labels import keypoints_of, point_set, triples


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write pictures and one file of annotations for each part; returns each sample's path."""
    known = point_set(snapshot)
    files: dict[str, str] = {}
    (root / "annotations").mkdir()
    for split in sorted({item.split for item in items}):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, item in enumerate((item for item in items if item.split is split), start=1):
            keypoints = keypoints_of(snapshot, item)
            path, _ = place(snapshot, item, root, PurePosixPath("images") / split, links)
            files[item.sample.sha256] = path
            images.append(_image(number, PurePosixPath(path).name, keypoints, item))
            for instance in keypoints.heads:
                annotations.append(
                    _annotation(len(annotations) + 1, number, item.number + 1, instance, keypoints, known)
                )
        document = {
            "info": {"description": f"{snapshot.name}, part {Split(split).value}, exported by byod"},
            "images": images,
            "annotations": annotations,
            "categories": [
                _category(number, label, known) for number, label in enumerate(snapshot.classes, start=1)
            ],
        }
        file = root / "annotations" / f"{split}.json"
        file.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return files


def _image(number: int, name: str, keypoints: Keypoints, item: Leaving) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": number,
        "file_name": name,
        "width": keypoints.width,
        "height": keypoints.height,
    }
    if item.credit.url:
        said["coco_url"] = item.credit.url
    return said


def _category(number: int, label: str, known: KeypointSet) -> dict[str, Any]:
    pairs = [list(pair) for pair in known.flips]
    lines = [[known.names.index(name) + 1 for name in pair] for pair in known.skeleton]
    said = {
        "id": number,
        "name": label,
        "keypoints": list(known.names),
        "skeleton": lines,
        "flip_pairs": pairs,
    }
    return said | ({} if known.scale is None else {"scale_pair": list(known.scale)})


def _annotation(
    number: int, image: int, category: int, instance: Instance, keypoints: Keypoints, known: KeypointSet
) -> dict[str, Any]:
    numbers: list[float] = []
    for point in triples(instance, known.names):
        numbers += (
            (0, 0, 0) if point is None else (round(point[0], 3), round(point[1], 3), 2 if point[2] else 1)
        )
    said: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "iscrowd": 0,
        "keypoints": numbers,
        "num_keypoints": len(instance.marked),
        "area": 0,
    }
    box = box_of(instance, keypoints.width, keypoints.height)
    if box is not None:
        width, height = box[2] - box[0], box[3] - box[1]
        said["bbox"] = [round(value, 3) for value in (box[0], box[1], width, height)]
        said["area"] = round(width * height, 3)
    return said
