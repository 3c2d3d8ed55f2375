"""Marked points, the truth of a keypoints dataset: `points/<stem>.json` beside the pictures, one file a picture.

A file lists the objects of its picture. A point's x and y are pixels of the upright picture, from the left and the
top edge; `inside` is False where it lies outside the frame (kept, never clipped); a point nobody marked is null.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator

from byod.schema import file_formats, files, places
from byod.schema.errors import DatasetError
from byod.schema.records import Record, Sha256

FOLDER = "points"
NOTHING = "nothing"
"""The class folder of pictures that hold none of the objects: no class, and nothing to mark."""
MAX_BYTES = 2_000_000
WIDER = 0.1
"""By how much of its longer side a derived box is larger than its points, on each side."""

Pixels = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Box = tuple[Pixels, Pixels, Pixels, Pixels]
_SIDES = ("left", "right")
_CAT_EYES = ("eye_image_left", "eye_image_right")


class KeypointSet(Record):
    """The points of an object, in order, and which of them change places in a mirror image."""

    names: tuple[str, ...] = Field(min_length=1, description="the points of an object, in order")
    flips: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of points that a mirror image exchanges"
    )
    scale: tuple[str, str] | None = Field(
        None,
        description="two points whose distance errors are divided by; left out: the diagonal of the object's box",
    )
    skeleton: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of points between which a line is drawn, for people who set points"
    )

    @field_validator("names")
    @classmethod
    def _plain(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a point is named twice")
        if wrong := [name for name in names if not re.fullmatch(r"\w[\w .-]{0,60}", name)]:
            raise ValueError(f"{wrong[0]!r} cannot name a point: use letters, digits and _")
        return names

    @model_validator(mode="after")
    def _paired(self) -> KeypointSet:
        paired = [name for pair in self.flips for name in pair]
        if unknown := [name for name in paired if name not in self.names]:
            raise ValueError(f"flips name {unknown[0]!r}, which is none of the points")
        if len(set(paired)) != len(paired):
            raise ValueError("flips name a point twice")
        if unknown := [name for pair in self.skeleton for name in pair if name not in self.names]:
            raise ValueError(f"skeleton names {unknown[0]!r}, which is none of the points")
        if self.scale is not None and (len(set(self.scale)) != 2 or not set(self.scale) <= set(self.names)):
            raise ValueError(
                "scale names two different points of the set, whose distance errors are divided by"
            )
        return self

    @property
    def measured_by(self) -> tuple[int, int] | None:
        """The numbers of the two points whose distance errors are divided by; None: the diagonal of the object's box.

        They are those of `scale`. Sets with the eyes of the Cat Dataset, made before there was such a key, have them.
        """
        pair = self.scale or (_CAT_EYES if set(_CAT_EYES) <= set(self.names) else None)
        return None if pair is None else (self.names.index(pair[0]), self.names.index(pair[1]))

    @property
    def permutation(self) -> tuple[int, ...]:
        """For each point of a mirrored object, the number (from 0) of the point that it was before."""
        partner = {a: b for pair in self.flips for a, b in (pair, pair[::-1])}
        return tuple(self.names.index(partner.get(name, name)) for name in self.names)

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Points whose names speak of a side and that are in no flip pair: a mirror image would mislabel them."""
        paired = {name for pair in self.flips for name in pair}
        sided = (name for name in self.names if _words(name) & set(_SIDES))
        return tuple(name for name in sided if name not in paired)


class Keypoint(Record):
    """One marked point, in pixels of the upright picture."""

    x: Pixels
    y: Pixels
    inside: bool = True


class Instance(Record):
    """One object: its points by name (null: not marked), and its box (x0, y0, x1, y1) where somebody drew one."""

    points: Mapping[str, Keypoint | None]
    box: Box | None = None

    @property
    def marked(self) -> dict[str, Keypoint]:
        """The points that somebody marked."""
        return {name: point for name, point in self.points.items() if point is not None}


class Keypoints(Record):
    """All that is marked in one picture of `width` x `height` pixels; `sha256` names the picture."""

    format: file_formats.Format = 1
    sha256: Sha256 | None = None
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    heads: tuple[Instance, ...] = ()

    def scaled(self, sha256: str, width: int, height: int) -> Keypoints:
        """The same keypoints in pixels of a larger or smaller copy of the picture, which `sha256` names."""
        across, down = width / self.width, height / self.height
        instances = []
        for instance in self.heads:
            moved = {
                name: None if p is None else p.model_copy(update={"x": p.x * across, "y": p.y * down})
                for name, p in instance.points.items()
            }
            x0, y0, x1, y1 = instance.box or (0.0, 0.0, 0.0, 0.0)
            box = (x0 * across, y0 * down, x1 * across, y1 * down) if instance.box is not None else None
            instances.append(instance.model_copy(update={"points": moved, "box": box}))
        changed = {"sha256": sha256, "width": width, "height": height, "heads": tuple(instances)}
        return self.model_copy(update=changed)

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, values: object) -> object:
        """Where there is no object, nobody needs to know the picture's size."""
        if isinstance(values, dict) and values.get("heads", True) in ([], ()):
            return {"width": 1, "height": 1, **values}
        return values

    def fits(self, width: int, height: int) -> bool:
        """True if they can be those of an upright picture of that size in pixels."""
        return not self.heads or (self.width, self.height) == (width, height)

    def named(self, sha256: Sha256) -> Keypoints:
        """The same keypoints as those of this picture."""
        return self.model_copy(update={"sha256": sha256})

    @property
    def digest(self) -> str:
        """A short name for the keypoints: equal for equal objects."""
        instances = ",".join(instance.model_dump_json() for instance in self.heads)
        return hashlib.sha256(instances.encode()).hexdigest()[:16]


def mirrored_pairs(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of names that differ only in "left" and "right": what a mirror image exchanges."""
    known = list(names)
    found = []
    for name in known:
        other = re.sub(r"(?i)(?<![a-z])left(?![a-z])", _right_for_left, name)
        if other != name and other in known:
            found.append((name, other))
    return tuple(found)


def _right_for_left(match: re.Match[str]) -> str:
    word = match[0]
    return "RIGHT" if word.isupper() else "Right" if word[0].isupper() else "right"


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))


def is_inside(x: float, y: float, width: int, height: int) -> bool:
    """True if a point lies within the frame."""
    return 0 <= x <= width and 0 <= y <= height


def upright(x: float, y: float, width: int, height: int, orientation: int) -> tuple[float, float]:
    """Turn a point of the picture as it is stored to where it lies once its EXIF orientation is applied.

    Args:
        x, y: pixels from the left and top edge of the stored picture.
        width, height: the stored picture's size.
        orientation: EXIF's number, 1..8 (1: it is upright already).
    """
    if orientation in (2, 3, 7, 8):
        x = width - x
    if orientation in (3, 4, 6, 7):
        y = height - y
    # 5..8 also exchange the axes; the mirroring above is that of the stored axes
    return (y, x) if orientation >= 5 else (x, y)


def box_of(instance: Instance, width: int, height: int) -> Box | None:
    """The object's box within the frame: the one somebody drew, else its points made wider; None without either.

    A derived box leaves a tenth of its longer side around the points, and is nowhere less than half as high as wide
    (or as wide as high) before that: two eyes lie on one line.
    """
    if instance.box is not None:
        x0, y0, x1, y1 = instance.box
    elif instance.marked:
        xs, ys = [p.x for p in instance.marked.values()], [p.y for p in instance.marked.values()]
        x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
        longer = max(x1 - x0, y1 - y0, 1.0)
        across, down = (max(0.0, longer / 2 - (high - low)) / 2 for low, high in ((x0, x1), (y0, y1)))
        across, down = across + WIDER * longer, down + WIDER * longer
        x0, y0, x1, y1 = x0 - across, y0 - down, x1 + across, y1 + down
    else:
        return None
    clipped = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    return clipped if clipped[0] < clipped[2] and clipped[1] < clipped[3] else None


def keypoints_file(path: str) -> str:
    """The file with the points of a picture: `images/cat/3fa9.jpg` has `points/3fa9.json`."""
    return places.beside(FOLDER, path)


def read_keypoints(file: Path) -> Keypoints | None:
    """The keypoints in a file; None when there is no such file.

    Raises:
        DatasetError: it is not a file of keypoints, or a newer byod wrote it.
    """
    try:
        if file.lstat().st_size > MAX_BYTES:
            raise DatasetError(f"{file} is too large for a file of points; fix or remove it")
        return file_formats.read(Keypoints, files.read(file), file, DatasetError)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DatasetError(f"{file}: {file_formats.fault(error)}; fix or remove that file") from error
