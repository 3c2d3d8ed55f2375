"""Random frames and colours for training: turned, moved, larger, smaller, mirrored, never the same twice.

A mirror image exchanges the points that have a side (`KeypointSet.permutation`). Chance comes from the generator
that is passed in, so that a run repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from byod.schema.errors import TrainerError
from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import EyesRule
from byod.tasks.keypoints.geometry.crops import Bytes, Frame, Numbers, cut, of_box, of_eyes, whole
from byod.tasks.keypoints.geometry.targets import PROFILE

LUMA = np.array((0.299, 0.587, 0.114), np.float32)
TRIES = 8
THERE, GONE = 0.6, 0.15
"""An object of which this share is in the frame is there; below the other it is not; between them nobody can say."""
FILLED = 0.2
"""The share of a frame without objects that one may fill at most."""

Box = tuple[float, float, float, float]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Jitter:
    """The range in which training moves frames and colours.

    `rotation` degrees to either side; `zoom` the largest factor of the side, up and down; `shift` shares of the side to
    either side; `mirror` the share of mirrored frames; `colour` the strength of changes in colour (0: none); `blur` the
    share of pictures with half the detail; `upright` the share of frames around the eyes instead of the box, as they
    are refined from, which move a third as much.
    """

    rotation: float = 45.0
    zoom: float = 1.25
    shift: float = 0.12
    mirror: float = 0.5
    colour: float = 1.0
    blur: float = 0.1
    upright: float = 0.4


def check_mirror(points: KeypointSet, jitter: Jitter) -> None:
    """Refuse to mirror objects whose points would change their meaning.

    Raises:
        TrainerError: a point has a side and no partner to change places with.
    """
    if jitter.mirror and points.unpaired:
        raise TrainerError(
            f"{', '.join(points.unpaired)}: a mirror image would mislabel these points, since they have no partner; "
            "name their pairs under [points] flips in byod.toml, or train without mirroring"
        )


def moved(frame: Frame, jitter: Jitter, random: Random, *, share: float = 1.0) -> Frame:
    """A frame near another one; `share` (0..1) of the jitter is used."""
    turn = math.radians(jitter.rotation) * share * float(random.random() + random.random() - 1)
    zoom = math.exp(math.log(jitter.zoom) * share * float(random.uniform(-1, 1)))
    dx, dy = random.uniform(-1, 1, 2) * jitter.shift * share * frame.side
    return Frame(
        frame.cx + float(dx),
        frame.cy + float(dy),
        frame.side * zoom,
        frame.angle + turn,
        bool(random.random() < jitter.mirror),
    )


def of_instance(
    box: Box,
    eyes: tuple[tuple[float, float], tuple[float, float]] | None,
    rule: EyesRule | None,
    margin: float,
    jitter: Jitter,
    random: Random,
) -> Frame:
    """A frame for the points of one object: near its box, or near the frame that its eyes (left, right) define."""
    if eyes is None or rule is None or random.random() >= jitter.upright:
        return moved(of_box(box, margin), jitter, random)
    longer = max(box[2] - box[0], box[3] - box[1])
    return moved(of_eyes(*eyes, rule, at_least=PROFILE * longer), jitter, random, share=1 / 3)


def exchanged(
    unit: Numbers, known: NDArray[np.bool_], permutation: tuple[int, ...]
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Points [K, 2] of a mirrored frame, each at the number it has in a mirror image."""
    order = list(permutation)
    return unit[order], known[order]


def recoloured(pixels: Bytes, strength: float, random: Random) -> Bytes:
    """Other light on the same picture, uint8 [..., 3]: brightness, contrast, saturation and tint."""
    saturation = 0.0 if random.random() < 0.1 * strength else 1 + strength * float(random.uniform(-0.5, 0.4))
    contrast = math.exp(strength * float(random.uniform(-0.3, 0.3)))
    bright = 25 * strength * float(random.uniform(-1, 1))
    tint = np.exp(strength * random.uniform(-0.08, 0.08, 3)).astype(np.float32)
    mix = np.eye(3, dtype=np.float32) * saturation + (1 - saturation) * LUMA[:, None]
    mix = mix * (contrast * tint)
    mixed = pixels.reshape(-1, 3).astype(np.float32) @ mix
    mixed += np.float32((1 - contrast) * 127 + bright + 0.5)
    changed: Bytes = np.clip(mixed, 0, 255).astype(np.uint8).reshape(pixels.shape)
    return changed


def taken(pixels: Bytes, frame: Frame, size: int, jitter: Jitter, random: Random) -> Bytes:
    """A frame's pixels with other colours, now and then with half the detail: uint8 [size, size, 3]."""
    if random.random() < jitter.blur:
        half = cut(pixels, frame, size // 2)
        image = cut(half, Frame(len(half) / 2, len(half) / 2, float(len(half))), size)
    else:
        image = cut(pixels, frame, size)
    return recoloured(image, jitter.colour, random) if jitter.colour else image


def seen(boxes: Numbers, frame: Frame) -> tuple[Numbers, Numbers]:
    """Boxes [n, 4] in pixels as boxes of a frame (0..1, cut at its border), and the share (0..1) of each that is in it.

    In a turned frame a box is that of the ellipse that filled it: an object is round rather than square.
    """
    centre = frame.to_unit((boxes[:, :2] + boxes[:, 2:]) / 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    cos, sin = abs(math.cos(frame.angle)), abs(math.sin(frame.angle))
    across = np.hypot(half[:, 0] * cos, half[:, 1] * sin)
    down = np.hypot(half[:, 0] * sin, half[:, 1] * cos)
    half = np.stack([across, down], axis=1) / frame.side
    full = np.concatenate([centre - half, centre + half], axis=1)
    inside = np.clip(full, 0, 1)
    areas = [(each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1]) for each in (inside, full)]
    return inside, areas[0] / np.maximum(areas[1], 1e-12)


def of_picture(
    boxes: Numbers, width: int, height: int, jitter: Jitter, random: Random, *, sizes: tuple[float, float]
) -> tuple[Frame, Numbers]:
    """A frame for finding objects, and the boxes float64 [n, 4] (0..1) of the objects that are in it.

    Half of the frames lie near the whole picture; the others are laid around one of the objects, which then takes any
    share of the side within `sizes`, anywhere. No object is cut so that nobody could say whether it is there.
    """
    near = random.random() < 0.5 or not len(boxes)
    for _ in range(TRIES):
        frame = moved(whole(width, height), jitter, random)
        if not near:
            frame = _around(boxes[random.integers(len(boxes))], frame, max(width, height), sizes, random)
        inside, share = seen(boxes, frame)
        if not ((share > GONE) & (share < THERE)).any() and (near or (share >= THERE).any()):
            return frame, inside[share >= THERE]
    frame = replace(whole(width, height), mirrored=bool(random.random() < jitter.mirror))
    inside, share = seen(boxes, frame)
    return frame, inside[share >= THERE]


def _around(box: Numbers, frame: Frame, longer: int, sizes: tuple[float, float], random: Random) -> Frame:
    instance = float(max(box[2] - box[0], box[3] - box[1]))
    share = math.exp(float(random.uniform(math.log(sizes[0]), math.log(sizes[1]))))
    side = min(max(instance / share, 0.4 * longer), 1.6 * longer)
    room = max(0.0, 1 - instance / side) / 2
    dx, dy = random.uniform(-1, 1, 2) * room * side
    return replace(frame, cx=(box[0] + box[2]) / 2 + dx, cy=(box[1] + box[3]) / 2 + dy, side=side)


def beside(boxes: Numbers, width: int, height: int, jitter: Jitter, random: Random) -> Frame | None:
    """A frame of the picture in which hardly anything of an object is to be seen; None where none was found.

    Nor does an object fill more than a fifth of it: an eye alone is not nothing.
    """
    for _ in range(TRIES):
        side = float(random.uniform(0.25, 0.5 if len(boxes) else 1)) * max(width, height)
        cx, cy = random.uniform(
            (side / 3, side / 3), (max(width - side / 3, side / 3 + 1), max(height - side / 3, side / 3 + 1))
        )
        turn = math.radians(jitter.rotation) * float(random.random() + random.random() - 1)
        frame = Frame(float(cx), float(cy), side, turn, bool(random.random() < jitter.mirror))
        inside, share = seen(boxes, frame)
        filled = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
        if not ((share > GONE / 2) | (filled > FILLED)).any():
            return frame
    return None
