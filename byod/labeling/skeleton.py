"""A drawing of which point is where on an object, for the page on which people set points.

It stands on the page as a picture of its own, since Label Studio draws no lines between points. Where the points of
the dataset are, on the average, is read when the drawing is first made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote
from xml.sax.saxutils import escape

from byod.schema.keypoints import Instance, Keypoints

WIDTH, HEIGHT = 280, 170
_ROOM = 16  # pixels left free on each side
_ENOUGH = 200
"""So many objects tell where points are."""

Pose = Mapping[str, tuple[float, float]]
"""Where each point is in the frame of an object's points, 0..1 from the left and the top edge."""


def mean_pose(marked: Iterable[Keypoints], names: Sequence[str]) -> Pose:
    """The mean place of each point on objects of which all points but few are marked."""
    places: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    objects = (instance for keypoints in marked for instance in keypoints.heads)
    for number, instance in enumerate(one for one in objects if 2 * len(one.marked) > len(names)):
        if number == _ENOUGH:
            break
        for name, place in _framed(instance).items():
            if name in places:
                places[name].append(place)
    return {
        name: (sum(x for x, _ in some) / len(some), sum(y for _, y in some) / len(some))
        for name, some in places.items()
        if some
    }


def _framed(instance: Instance) -> dict[str, tuple[float, float]]:
    """The points of an object in the frame of its points, whose longer side is 1."""
    points = instance.marked
    left, top = min(p.x for p in points.values()), min(p.y for p in points.values())
    wide = max(p.x for p in points.values()) - left
    tall = max(p.y for p in points.values()) - top
    side = max(wide, tall, 1e-9)
    across, down = (side - wide) / 2, (side - tall) / 2
    return {name: ((p.x - left + across) / side, (p.y - top + down) / side) for name, p in points.items()}


def drawn(
    pose: Pose, lines: Sequence[tuple[str, str]], keys: Mapping[str, str], colours: Mapping[str, str]
) -> str:
    """A style rule that draws the points, with the key of each, and lines between those that `lines` names."""

    def at(name: str) -> tuple[int, int]:
        x, y = pose[name]
        side = min(WIDTH, HEIGHT) - 2 * _ROOM
        return round(WIDTH / 2 + (x - 0.5) * side), round(HEIGHT / 2 + (y - 0.5) * side)

    parts = []
    for first, second in lines:
        if first in pose and second in pose:
            (x0, y0), (x1, y1) = at(first), at(second)
            parts.append(f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#8a8f98" stroke-width="2"/>')
    for name in pose:
        x, y = at(name)
        colour = colours[name]
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>')
        text = f'font-family="sans-serif" font-size="12" fill="{colour}"'
        parts.append(f'<text x="{x + 7}" y="{y - 4}" {text}>{escape(keys.get(name, ""))}</text>')
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'
    place = f"width: {WIDTH}px; height: {HEIGHT}px; margin: 0 0 8px"
    return f".byod-skeleton {{ {place}; background: url('data:image/svg+xml,{quote(svg)}') no-repeat }}"
