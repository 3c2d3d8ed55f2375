"""The pictures that a run for points trains on and is measured on, their parts of the split, and their keypoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from byod.schema import recipe
from byod.schema.errors import DatasetError, TrainerError
from byod.schema.keypoints import Keypoints, KeypointSet, keypoints_file, read_keypoints
from byod.schema.progress import Say
from byod.schema.records import Example, Sha256, Snapshot
from byod.tasks.keypoints import verification
from byod.tasks.keypoints.geometry.metrics import measurable
from byod.tasks.keypoints.geometry.targets import true_instances
from byod.training.run_training import digest


@dataclass(frozen=True)
class TrainingSet:
    """Pictures whose objects are marked (or that are marked as having none), and which points an object has."""

    examples: tuple[Example, ...]
    keypoints: Mapping[Sha256, Keypoints]
    points: KeypointSet

    def of(self, examples: Iterable[Example]) -> TrainingSet:
        """The same points with these pictures alone."""
        kept = tuple(examples)
        return replace(self, examples=kept, keypoints=self.keypoints_of(kept))

    def keypoints_of(self, examples: Iterable[Example]) -> dict[Sha256, Keypoints]:
        """The keypoints of those of some pictures that are marked."""
        shas = (example.sha256 for example in examples)
        return {sha256: self.keypoints[sha256] for sha256 in shas if sha256 in self.keypoints}

    def measured(self, examples: Sequence[Example]) -> int:
        """Count the objects in some pictures with a size to measure errors by."""
        return len(measurable(true_instances(examples, self.keypoints, self.points), self.points))

    def count(self, examples: Sequence[Example]) -> dict[str, int]:
        """Pictures, objects and empty pictures, for a card."""
        instances = [len(self.keypoints[example.sha256].heads) for example in examples]
        return (
            {"pictures": len(instances), "heads": sum(instances), "empty": instances.count(0)}
            if instances
            else {}
        )

    def plan(self) -> dict[str, JsonValue]:
        """The points, every picture with its part, group and keypoints, and who looks at finds a second time."""
        lines = [f"{e.sha256} {e.split} {e.group} {self.keypoints[e.sha256].digest}" for e in self.examples]
        return {
            "points": list(self.points.names),
            "flips": [list(pair) for pair in self.points.flips],
            "examples": digest(lines),
            "verification": verification.identity(),
        }


def usable(labelled: TrainingSet, say: Say) -> TrainingSet:
    """The pictures that are marked; says of the others why they are left out.

    Raises:
        TrainerError: there is nothing to learn from, or nothing to measure.
    """
    examples, keypoints, known = labelled.examples, labelled.keypoints, labelled.points
    kept = tuple(example for example in examples if example.sha256 in keypoints)
    if left_out := len(examples) - len(kept):
        say(f"{left_out} pictures have no file of points and are left out")
    if not kept:
        raise TrainerError(
            "there is nothing to train on: no picture has its points marked; byod convert brings pictures with theirs"
        )
    marked = TrainingSet(kept, keypoints, known)
    if not marked.measured(kept):
        raise TrainerError(f"{unmeasured('the dataset', known)}; mark them first")
    counts = Counter(name for e in kept for instance in keypoints[e.sha256].heads for name in instance.marked)
    if unmarked := [name for name in known.names if not counts[name]]:
        raise TrainerError(
            f"{unmarked[0]} is marked in no picture and cannot be learned; mark it, or take it out of [points] in "
            "byod.toml"
        )
    return marked


def unmeasured(where: str, points: KeypointSet) -> str:
    """Say why nothing can be measured: no object is marked with what errors are divided by."""
    pair = points.measured_by
    if pair is None:
        return f"no object in {where} has a point marked inside the picture, so there is nothing to measure"
    one, other = (points.names[at] for at in pair)
    return (
        f"no object in {where} has both {one} and {other} marked inside the picture, and errors are measured by the "
        "distance between them"
    )


def labelled(snapshot: Snapshot, examples: Sequence[Example]) -> TrainingSet:
    """Some pictures of a dataset with its points, and what is marked in them.

    Raises:
        DatasetError: its recipe names no points, or a file of points is damaged or of a picture of another size.
    """
    known = recipe.read(snapshot.folder).points
    if known is None:
        raise DatasetError(
            f"{snapshot.folder / recipe.FILE} names no points; it is not a dataset of keypoints"
        )
    found = {}
    for sample in snapshot.kept:
        file = snapshot.folder / keypoints_file(sample.path)
        keypoints = read_keypoints(file)
        if keypoints is None:
            continue
        if not keypoints.fits(sample.width or 0, sample.height or 0):
            raise DatasetError(
                f"{file} is of a picture of {keypoints.width} x {keypoints.height} pixels, and {sample.path} has "
                f"{sample.width} x {sample.height}; mark it again, or remove that file"
            )
        found[sample.sha256] = keypoints
    return TrainingSet(tuple(examples), found, known)
