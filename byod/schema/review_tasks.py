"""The records of a review: what people are asked about which picture; and the protocol of a task that asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from byod.schema.keypoints import Keypoints
from byod.schema.progress import Say
from byod.schema.records import Record, Sample, Sha256, Snapshot

FOLDER = "folder"
"""The prediction of the class folder a picture stands in."""


class Purpose(StrEnum):
    """The purpose of a review project: one project for each dataset and purpose."""

    LABELS = "labels"
    SUSPECTS = "suspects"
    CONFLICTS = "conflicts"
    POINTS = "points"


class RunPrediction(Record):
    """A prediction shown to people: the class folder, or a run with its probability (0..1)."""

    by: str
    label: str
    score: float | None = Field(None, ge=0, le=1)


class ReviewTask(Record):
    """One picture to be reviewed.

    `label` is the class folder it stands in; `suspicion` in 0..1, the likeliest to be wrong first; `text` is shown
    above the picture; `last_verdict` the number of the last verdict in the label log when it was asked.
    """

    sample: Sample
    label: str
    suspicion: float = 0.0
    text: str = ""
    predictions: tuple[RunPrediction, ...] = ()
    keypoints: Keypoints | None = None
    last_verdict: int = 0

    @property
    def sha256(self) -> str:
        """The picture asked about."""
        return self.sample.sha256

    @property
    def file(self) -> str:
        """The end of its path, for people: class folder and file name."""
        return "/".join(self.sample.path.split("/")[-2:])


class LabelConcern(Record):
    """A label that looks wrong, by class folders; `quality` in 0..1, the lowest first."""

    sha256: Sha256
    suggested: str
    quality: float


@dataclass(frozen=True)
class ReviewContext:
    """What a task asks people about: a dataset as it stands, and what else is known of its pictures.

    `last_verdict` is the number of the last verdict in its label log. `issues` are the labels that look wrong to a
    probe (None: nobody asked for them). `answers` are what a run says (SHA-256 → class folder → probability), `run`
    its name. `claimed` gives the class folders that each picture in conflict is claimed to be of. `only_conflicts` and
    `uncertain` are as in the request.
    """

    snapshot: Snapshot
    last_verdict: int
    claimed: Mapping[str, Sequence[str]]
    issues: Sequence[LabelConcern] | None = None
    answers: Mapping[str, Mapping[str, float]] | None = None
    run: str = ""
    only_conflicts: bool = False
    uncertain: bool = False


class Reviewing(Protocol):
    """What people are asked about a task's labels."""

    def review_tasks(self, context: ReviewContext, say: Say) -> Iterator[tuple[Purpose, list[ReviewTask]]]:
        """The tasks by purpose; those that may be sampled and limited are all but conflicts.

        Raises:
            UsageError: what is asked for is not a task of this kind.
        """
        ...


def sampled(tasks: Sequence[ReviewTask], number: int) -> list[ReviewTask]:
    """A random few, the same ones at each push, in the order they had."""
    ranked = sorted(tasks, key=lambda task: hashlib.sha256(b"sample" + bytes.fromhex(task.sha256)).digest())
    chosen = {task.sha256 for task in ranked[:number]}
    return [task for task in tasks if task.sha256 in chosen]
