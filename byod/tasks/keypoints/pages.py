"""What the pages of a dataset of keypoints say: `byod.schema.task.Pages` for the task keypoints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from byod.report import dataset_statistics
from byod.report.i18n import Phrase, many, say
from byod.schema import recipe
from byod.schema.keypoints import NOTHING, keypoints_file, read_keypoints
from byod.schema.records import Snapshot
from byod.schema.task import Drawing, LabelCount, OddLabel
from byod.tasks.keypoints.odd_points import Oddity, plausible

if TYPE_CHECKING:
    from PIL.Image import Image

hub = "keypoint-detection"
least_classes = 1
no_classes = frozenset({NOTHING})


def label_count(snapshot: Snapshot) -> LabelCount:
    """Count the keypoints of the usable pictures: how many objects have each point marked, and where.

    Raises:
        DatasetError: a file of points cannot be read.
    """
    everything = dataset_statistics.usable(snapshot)
    files = (read_keypoints(snapshot.folder / keypoints_file(sample.path)) for sample in everything)
    keypoints = [found for found in files if found is not None]
    instances = [instance for one in keypoints for instance in one.heads]
    counts = Counter(name for instance in instances for name in instance.marked)
    outside = sum(not point.inside for instance in instances for point in instance.marked.values())
    unmarked = len(everything) - len(keypoints)
    return LabelCount(
        heading=say("Points"),
        words=_words(len(keypoints), len(instances), outside, unmarked),
        where=say(
            "The points of `images/<class>/<name>.jpg` lie in `points/<name>.json`, in pixels of the upright picture; "
            "left and right are the viewer's."
        ),
        unlabelled=unmarked,
        head=(say("point"), say("marked in objects")),
        rows=tuple(counts.items()),
        facts={
            "marked": len(keypoints),
            "unmarked": unmarked,
            "heads": len(instances),
            "points": dict(counts),
            "outside": outside,
        },
    )


def _words(marked: int, instances: int, outside: int, unmarked: int) -> Phrase:
    """Say how far the marking has come."""
    counted = many(instances, "{count} object", "{count} objects", context="after in")
    if outside:
        counted += many(
            outside,
            "({count} point lies outside the frame)",
            "({count} points lie outside the frame)",
        )
    done = many(
        marked,
        "{count} picture is marked, with {objects};",
        "{count} pictures are marked, with {objects};",
        objects=counted,
    )
    return done + many(unmarked, "{count} is not marked yet.", "{count} are not marked yet.")


_ODD = {
    Oddity.UNSET: say("at 0, 0, where nobody sets a point"),
    Oddity.FAR: say("far outside the picture"),
    Oddity.SAME_SPOT: say("on one spot"),
    Oddity.SWAPPED: say("left and right are exchanged"),
    Oddity.NOTHING: say("none of the points can be true"),
}


def odd_labels(snapshot: Snapshot) -> tuple[OddLabel, ...]:
    """The pictures with points that cannot be true by their geometry.

    Raises:
        DatasetError: a file of points, or the recipe, cannot be read.
    """
    known = recipe.read(snapshot.folder).points
    found = []
    for sample in dataset_statistics.usable(snapshot):
        keypoints = read_keypoints(snapshot.folder / keypoints_file(sample.path))
        if keypoints is None or known is None:
            continue
        for instance in keypoints.heads:
            for oddity, names in plausible(instance, known, keypoints.width, keypoints.height)[1]:
                words = say("{points}: {why}", points=names, why=_ODD[oddity]) if names else _ODD[oddity]
                found.append(OddLabel(sha256=sample.sha256, words=words))
    return tuple(found)


def drawing(folder: Path) -> Drawing:
    """Draws the points that are marked in a picture of the dataset at `folder`."""
    from PIL import ImageDraw

    def draw(name: str, image: Image) -> None:
        keypoints = read_keypoints(folder / keypoints_file(name))
        if keypoints is None:
            return
        across, down = image.width / keypoints.width, image.height / keypoints.height
        pen = ImageDraw.Draw(image)
        for instance in keypoints.heads:
            for point in instance.marked.values():
                x, y = point.x * across, point.y * down
                pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill="#00e5ff", outline="#003b46")

    return draw
