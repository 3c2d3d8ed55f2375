"""The layout of the Cat Dataset: `CAT_xx/<file>` with a `.cat` file beside each picture, points as whole pixels.

The split goes into the folders as the literature reads them: `CAT_00` to train, `CAT_05` to validate, `CAT_06` to test.
A `.cat` file holds exactly one head with all of its nine points.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from byod.dataset.export_selection import Leaving, place
from byod.schema.errors import DatasetError
from byod.schema.records import Snapshot, Split
from byod.tasks.keypoints.exports.labels import keypoints_of, name_of, point_set
from byod.tasks.keypoints.importers import cat_file

FOLDERS = {Split.TRAIN: "CAT_00", Split.VALID: "CAT_05", Split.TEST: "CAT_06"}


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write pictures and `.cat` files; returns each sample's path.

    Raises:
        DatasetError: a picture has no head or several, or a head lacks a point.
    """
    missing = [name for name in cat_file.POINTS.names if name not in point_set(snapshot).names]
    if missing:
        raise DatasetError(f"{snapshot.name} has no point {missing[0]!r}; a .cat file needs all nine")
    lines = {item.sample.sha256: _line(snapshot, item) for item in items}
    files = {}
    for item in items:
        path, _ = place(snapshot, item, root, PurePosixPath(FOLDERS[item.split]), links)
        (root / (path + cat_file.SUFFIX)).write_text(lines[item.sample.sha256], encoding="ascii")
        files[item.sample.sha256] = path
    return files


def _line(snapshot: Snapshot, item: Leaving) -> str:
    heads = keypoints_of(snapshot, item).heads
    if len(heads) != 1:
        raise DatasetError(
            f"{name_of(item)} has {len(heads)} heads, and a .cat file holds exactly one: use --format coco"
        )
    marked = heads[0].marked
    missing = [name for name in cat_file.POINTS.names if name not in marked]
    if missing:
        raise DatasetError(
            f"{name_of(item)} has no {missing[0]} ({len(missing)} points are not marked), and a .cat file holds all"
            " nine: use --format coco"
        )
    return cat_file.text([(marked[name].x, marked[name].y) for name in cat_file.POINTS.names])
