"""Points that cannot be true, by their geometry alone: the same rules for whatever dataset they came from.

Some points were never set (at 0, 0 or -1, -1), some lie far from the picture, some share a spot where a living head has
none, and left and right are exchanged at times. Nothing is corrected here: what it should be instead would be a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

from byod.schema.keypoints import Instance, Keypoint, KeypointSet

FAR = 0.5
"""How far outside the frame a point may lie, in parts of the picture's longer side: a cut-off ear lies nearer."""
SAME_SPOT = 0.03
"""The two points that errors are measured by lie further apart than this part of the object's diagonal."""
_UNSET = ((0.0, 0.0), (-1.0, -1.0))
_EYES, _MOUTH = ("eye_image_left", "eye_image_right"), "mouth"
_TURNED = -0.2
"""Sine of the angle from the eyes' line to the mouth, below which the mouth lies on the wrong side of it."""


class Oddity(StrEnum):
    """The reasons why points cannot be true."""

    UNSET = "unset"
    FAR = "far"
    SAME_SPOT = "same-spot"
    SWAPPED = "swapped"
    NOTHING = "nothing"


def without_unset(instance: Instance) -> tuple[Instance, tuple[tuple[Oddity, str], ...]]:
    """An object as annotated without the points that programs write for "not set": at 0, 0 or at -1, -1; and these."""
    unset = [name for name, point in instance.marked.items() if (point.x, point.y) in _UNSET]
    points = {**instance.points, **dict.fromkeys(unset)}
    return instance.model_copy(update={"points": points}), tuple((Oddity.UNSET, name) for name in unset)


def plausible(
    instance: Instance, known: KeypointSet, width: int, height: int
) -> tuple[Instance | None, tuple[tuple[Oddity, str], ...]]:
    """Take away what cannot be true of an object.

    Args:
        instance: its points in pixels of the upright picture.
        known: the points of the dataset.
        width, height: the upright picture's size in pixels.

    Returns:
        The object without points that cannot be true (None: nothing of it can be), and what was found: the reason
        and the points' names.
    """
    found: list[tuple[Oddity, str]] = []
    points = dict(instance.points)
    for name, point in instance.marked.items():
        if _outside(point, width, height) > FAR * max(width, height):
            points[name] = None
            found.append((Oddity.FAR, name))
    marked = {name: point for name, point in points.items() if point is not None}
    pair = _pair(known)
    if pair is not None and all(name in marked for name in pair):
        if _on_one_spot(marked, pair, instance):
            found.append((Oddity.SAME_SPOT, " and ".join(pair)))
            points |= dict.fromkeys(pair)
        elif pair == _EYES and _MOUTH in marked and _are_swapped(*(marked[name] for name in (*pair, _MOUTH))):
            found.append((Oddity.SWAPPED, " and ".join(pair)))
            return None, tuple(found)
    if instance.marked and not any(points.values()):
        return None, (*found, (Oddity.NOTHING, ""))
    return instance.model_copy(update={"points": points}), tuple(found)


def _pair(known: KeypointSet) -> tuple[str, str] | None:
    """The two points that errors are measured by."""
    numbers = known.measured_by
    return None if numbers is None else (known.names[numbers[0]], known.names[numbers[1]])


def _outside(point: Keypoint, width: int, height: int) -> float:
    """Pixels by which a point lies outside the frame."""
    return max(-point.x, point.x - width, -point.y, point.y - height, 0.0)


def _on_one_spot(marked: Mapping[str, Keypoint], pair: tuple[str, str], instance: Instance) -> bool:
    apart = math.dist(*((marked[name].x, marked[name].y) for name in pair))
    xs, ys = [point.x for point in marked.values()], [point.y for point in marked.values()]
    x0, y0, x1, y1 = instance.box or (min(xs), min(ys), max(xs), max(ys))
    return apart < max(1.0, SAME_SPOT * math.hypot(x1 - x0, y1 - y0))


def _are_swapped(left: Keypoint, right: Keypoint, mouth: Keypoint) -> bool:
    """True if the mouth lies above the eyes of a head that is the right way round: left and right are exchanged."""
    across = right.x - left.x, right.y - left.y
    down = mouth.x - (left.x + right.x) / 2, mouth.y - (left.y + right.y) / 2
    length = math.hypot(*across) * math.hypot(*down)
    return length > 0 and (across[0] * down[1] - across[1] * down[0]) / length < _TURNED
