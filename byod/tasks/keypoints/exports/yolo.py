"""YOLO pose: `images/<part>/`, `labels/<part>/<name>.txt` and `data.yaml`, everything in shares of the picture's sides.

A line an object: class, box centre and size, then x, y and visibility of each point. Readers of this format refuse
coordinates outside the frame, so a point that lies there is written as not marked (0 0 0); boxes end at the frame.
Source: https://docs.ultralytics.com/datasets/pose/
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from byod.dataset.export_selection import Leaving, place
from byod.schema.keypoints import Instance, Keypoints, KeypointSet, box_of
from byod.schema.records import Snapshot, Split
from byod.tasks.keypoints.exports.labels import keypoints_of, point_set, triples

_PARTS = {Split.TRAIN: "train", Split.VALID: "val", Split.TEST: "test"}


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write pictures, labels and `data.yaml`; returns each sample's path. One without objects has an empty file."""
    known = point_set(snapshot)
    files = {}
    for item in items:
        keypoints = keypoints_of(snapshot, item)
        part = _PARTS[item.split]
        path, _ = place(snapshot, item, root, PurePosixPath("images") / part, links)
        label = root / "labels" / part / f"{PurePosixPath(path).stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        lines = (_line(item.number, instance, keypoints, known) for instance in keypoints.heads)
        label.write_text("".join(f"{line}\n" for line in lines if line), encoding="ascii")
        files[item.sample.sha256] = path
    (root / "data.yaml").write_text(_yaml(snapshot, items, known), encoding="utf-8")
    return files


def _line(number: int, instance: Instance, keypoints: Keypoints, known: KeypointSet) -> str | None:
    box = box_of(instance, keypoints.width, keypoints.height)
    if box is None:
        return (
            None  # neither a point nor a box within the frame: there is nothing this format could say of it
        )
    x0, y0, x1, y1 = box
    words = [str(number)]
    words += _shares(((x0 + x1) / 2, (y0 + y1) / 2), keypoints) + _shares((x1 - x0, y1 - y0), keypoints)
    for point in triples(instance, known.names):
        if point is None or not point[2]:
            words += ("0", "0", "0")
        else:
            words += (*_shares(point[:2], keypoints), "2")
    return " ".join(words)


def _shares(place: tuple[float, float], keypoints: Keypoints) -> list[str]:
    return [f"{place[0] / keypoints.width:.7f}", f"{place[1] / keypoints.height:.7f}"]


def _yaml(snapshot: Snapshot, items: tuple[Leaving, ...], known: KeypointSet) -> str:
    """The description that trainers read; a JSON string is a YAML string as well.

    It names no root folder: without one the paths are taken from where the file lies.
    """
    used = {item.split for item in items}
    lines = [f"{part}: images/{part}" for split, part in _PARTS.items() if split in used]
    lines += [f"kpt_shape: [{len(known.names)}, 3]", f"flip_idx: {list(known.permutation)}", "names:"]
    lines += [f"  {n}: {json.dumps(label, ensure_ascii=False)}" for n, label in enumerate(snapshot.classes)]
    lines.append("kpt_names:")
    for number, _ in enumerate(snapshot.classes):
        lines.append(f"  {number}: {json.dumps(list(known.names), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
