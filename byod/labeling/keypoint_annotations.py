"""Points as a reviewer left them, back as keypoints of the picture: which object each belongs to, in pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from byod.labeling.annotations import ReviewedKeypoint
from byod.schema.keypoints import Instance, Keypoint, Keypoints, is_inside

_KEY = re.compile(r"h(\d{1,4})\.")
_SAME_PIXELS = 0.01


def reviewed_keypoints(
    keypoints: Sequence[ReviewedKeypoint],
    before: Keypoints | None,
    names: Sequence[str],
    sha256: str,
    width: int,
    height: int,
) -> Keypoints:
    """The keypoints of the picture `sha256` of `width` x `height` pixels after a review.

    A point that was asked about keeps its object by its key; one that was taken away is unmarked; one outside of the
    frame was not shown and stays. A new point goes to the nearest object that has none of its name, else to a new one.
    """
    old = before.heads if before is not None else ()
    points = [_unshown(instance, width, height) for instance in old]
    new: list[tuple[str, Keypoint]] = []
    for keypoint in keypoints:
        placed = Keypoint(
            x=keypoint.x * width / 100.0,
            y=keypoint.y * height / 100.0,
            inside=is_inside(keypoint.x, keypoint.y, 100, 100),
        )
        known = _KEY.match(keypoint.key)
        number = int(known.group(1)) if known else len(old)
        if number < len(old) and points[number].get(keypoint.name) is None:
            points[number][keypoint.name] = _unmoved(old[number].points.get(keypoint.name), placed)
        else:
            new.append((keypoint.name, placed))
    for name, point in new:
        free = [instance for instance in points if instance.get(name) is None]
        if free:
            min(free, key=lambda instance: _distance(instance, point))[name] = point
        else:
            points.append({name: point})
    instances = [
        # a copy, so that what a newer byod noted of the object stays with it
        (old[number] if number < len(old) else Instance(points={})).model_copy(
            update={
                "points": {
                    name: instance.get(name) for name in (*names, *(n for n in instance if n not in names))
                }
            }
        )
        for number, instance in enumerate(points)
        if any(instance.values()) or (number < len(old) and old[number].box is not None)
    ]
    changed = {"sha256": sha256, "width": width, "height": height, "heads": tuple(instances)}
    return (before or Keypoints(width=width, height=height)).model_copy(update=changed)


def _unshown(instance: Instance, width: int, height: int) -> dict[str, Keypoint | None]:
    """The points of an object outside of the frame; the others are unmarked until somebody says where they are."""
    return {
        name: point if point is not None and not is_inside(point.x, point.y, width, height) else None
        for name, point in instance.points.items()
    }


def apart(one: Keypoints, other: Keypoints) -> float:
    """The distance of two people's keypoints, in parts of the object's size; infinite where one lacks a point."""
    if len(one.heads) != len(other.heads):
        return math.inf
    worst = 0.0
    for mine, yours in zip(one.heads, other.heads, strict=True):
        size = _size(mine)
        for name in set(mine.points) | set(yours.points):
            a, b = mine.points.get(name), yours.points.get(name)
            if (a is None) != (b is None):
                return math.inf
            if a is not None and b is not None:
                worst = max(worst, math.hypot(a.x - b.x, a.y - b.y) / size)
    return worst


def _unmoved(old: Keypoint | None, new: Keypoint) -> Keypoint:
    """The old point where nobody dragged it (percents are not exact to the last digit), else at its new place."""
    if old is None:
        return new
    if math.hypot(old.x - new.x, old.y - new.y) < _SAME_PIXELS:
        return old
    return old.model_copy(update={"x": new.x, "y": new.y, "inside": new.inside})


def _distance(instance: dict[str, Keypoint | None], point: Keypoint) -> float:
    """From a point to the nearest one of an object; an object without points is as far as can be."""
    return min(
        (math.hypot(p.x - point.x, p.y - point.y) for p in instance.values() if p is not None),
        default=math.inf,
    )


def _size(instance: Instance) -> float:
    there = list(instance.marked.values())
    if instance.box is not None:
        x0, y0, x1, y1 = instance.box
        return max(1.0, math.hypot(x1 - x0, y1 - y0))
    if len(there) < 2:
        return 50.0
    xs, ys = [p.x for p in there], [p.y for p in there]
    return max(1.0, math.hypot(max(xs) - min(xs), max(ys) - min(ys)))
