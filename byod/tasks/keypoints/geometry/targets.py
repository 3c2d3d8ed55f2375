"""The marked objects of a dataset as numbers: what feeds train on, and what metrics measure against."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byod.schema.keypoints import Keypoints, KeypointSet, box_of
from byod.schema.model_card import EyesRule
from byod.schema.records import Example, Sha256
from byod.tasks.keypoints.geometry.crops import Numbers, of_box

PROFILE = 0.36
"""The least distance of two eyes, in longer sides of the object's box: below, the object is taken to be in profile."""


@dataclass(frozen=True, slots=True)
class TrueInstance:
    """One marked object: the example it is in, its number there (from 0), and its box x0, y0, x1, y1.

    `points` are float64 [K, 2] in the order of the point set, nan where nobody marked them; `known` says which are
    marked and inside the picture. All in pixels of the upright picture, which is `width` x `height`.
    """

    example: Example
    number: int
    box: tuple[float, float, float, float]
    points: Numbers
    known: NDArray[np.bool_]
    width: int
    height: int


def true_instances(
    examples: Sequence[Example], keypoints: Mapping[Sha256, Keypoints], points: KeypointSet
) -> tuple[TrueInstance, ...]:
    """The objects of some examples in their order; one of which nothing at all is marked, not even a box, is none."""
    instances = []
    for example in examples:
        marked = keypoints.get(example.sha256)
        for number, instance in enumerate(marked.heads if marked else ()):
            if marked is None or (box := box_of(instance, marked.width, marked.height)) is None:
                continue
            places = [instance.points.get(name) for name in points.names]
            instances.append(
                TrueInstance(
                    example,
                    number,
                    box,
                    np.array([(p.x, p.y) if p else (np.nan, np.nan) for p in places]),
                    np.array([p is not None and p.inside for p in places]),
                    marked.width,
                    marked.height,
                )
            )
    return tuple(instances)


def eyes_of(points: KeypointSet) -> tuple[int, int] | None:
    """The numbers of the two eyes in the point set, the one that stands left for the viewer first; None without eyes.

    They are the flip pair with "eye" in its names, if there is just one. A side is the viewer's where the name says
    "image" (`eye_image_left`), else the animal's own, as in COCO, whose left eye the viewer sees on the right.
    """
    pairs = [pair for pair in points.flips if all("eye" in re.split(r"[^a-z]+", n.lower()) for n in pair)]
    if len(pairs) != 1:
        return None
    first, second = sorted(pairs[0], key=lambda name: "left" not in name.lower())
    places = points.names.index(first), points.names.index(second)
    return places if "image" in first.lower() else places[::-1]


def eyes_rule(instances: Sequence[TrueInstance], points: KeypointSet, margin: float) -> EyesRule | None:
    """The upright frame around the eyes that is on the whole as large, and lies as, the frames around boxes do.

    It is measured on training objects whose eyes are both marked (medians); None without any.
    """
    pair = eyes_of(points)
    if pair is None:
        return None
    left, right = pair
    sides, downs = [], []
    for instance in instances:
        if not (instance.known[left] and instance.known[right]):
            continue
        across = instance.points[right] - instance.points[left]
        frame = of_box(instance.box, margin)
        apart = max(float(np.hypot(*across)), PROFILE * frame.side / margin)
        centre = np.array((frame.cx, frame.cy)) - (instance.points[left] + instance.points[right]) / 2
        downwards = np.array((-across[1], across[0])) / max(float(np.hypot(*across)), 1e-9)
        sides.append(frame.side / apart)
        downs.append(float(centre @ downwards) / apart)
    return EyesRule(side=float(np.median(sides)), down=float(np.median(downs))) if sides else None
