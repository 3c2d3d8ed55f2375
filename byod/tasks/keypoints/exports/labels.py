"""Pictures that leave together with their points."""

from __future__ import annotations

from pathlib import PurePosixPath

from byod.dataset.export_selection import Leaving
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError
from byod.schema.keypoints import Instance, Keypoints, KeypointSet, keypoints_file, read_keypoints
from byod.schema.records import Snapshot


def point_set(snapshot: Snapshot) -> KeypointSet:
    """The points of the dataset.

    Raises:
        DatasetError: its recipe names none.
    """
    known = recipes.read(snapshot.folder).points
    if known is None:
        raise DatasetError(f"{snapshot.folder / recipes.FILE} names no points")
    return known


def keypoints_of(snapshot: Snapshot, item: Leaving) -> Keypoints:
    """Read the keypoints of a picture.

    Raises:
        DatasetError: the file is gone or damaged, or belongs to a picture of another size.
    """
    file = snapshot.folder / keypoints_file(item.sample.path)
    keypoints = read_keypoints(file)
    if keypoints is None:
        raise DatasetError(f"{file} is gone; run `byod status` first")
    size = (item.sample.width, item.sample.height)
    if (keypoints.width, keypoints.height) != size:
        raise DatasetError(
            f"{file} is of a picture of {keypoints.width} x {keypoints.height} pixels; "
            f"{item.sample.path} has another size"
        )
    return keypoints


def name_of(item: Leaving) -> str:
    """The name of a picture in a message."""
    return item.credit.title or PurePosixPath(item.sample.path).name


def triples(instance: Instance, names: tuple[str, ...]) -> list[tuple[float, float, bool] | None]:
    """The points of an object in order, as x, y and whether it lies inside; None for one nobody marked."""
    found = (instance.points.get(name) for name in names)
    return [None if point is None else (point.x, point.y, point.inside) for point in found]
