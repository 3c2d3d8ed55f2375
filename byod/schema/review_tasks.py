"""The records of a review: what people are asked about which picture; and the protocol of a task that asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    SAMPLE = "sample"


MERGED = frozenset({Purpose.SUSPECTS, Purpose.CONFLICTS})
"""The purposes that had a project of their own before there was one queue: what was said there still comes back."""


class ReviewQueue(Record):
    """One queue of questions, which is a project of its own on a server.

    `person` is the e-mail address of whose it is (empty: everybody's). `blind`: nobody sees the folder's label there.
    """

    purpose: Purpose
    person: str = ""
    blind: bool = False

    @property
    def name(self) -> str:
        """The queue in words, which name no other one of the dataset."""
        return f"{self.purpose}{' blind' if self.blind else ''}{f' for {self.person}' if self.person else ''}"

    @staticmethod
    def named(name: str) -> ReviewQueue | None:
        """The queue of a name; None where it is none, or one of a newer byod."""
        found = re.fullmatch(r"(\w+)( blind)?(?: for (\S+))?", name)
        if found is None or found[1] not in set(Purpose):
            return None
        return ReviewQueue(purpose=Purpose(found[1]), person=found[3] or "", blind=bool(found[2]))


class Kind(StrEnum):
    """The reason for which a picture is asked about, in the order of the queue."""

    CONFLICT = "conflict"
    SUSPECT = "suspect"
    WIDENED = "widened"
    LABEL = "label"
    POINTS = "points"


class Order(StrEnum):
    """The order of the pictures in the queue."""

    USUAL = "usual"
    RANDOM = "random"
    FOLDER = "folder"


class RunPrediction(Record):
    """A prediction shown to people: the class folder, or a run with its probability (0..1)."""

    by: str
    label: str
    score: float | None = Field(None, ge=0, le=1)


class ReviewTask(Record):
    """One picture to be reviewed.

    `label` is the class folder it stands in; `suspicion` in 0..1, the likeliest to be wrong first; `text` is shown
    above the picture; `last_verdict` the number of the last verdict in the label log when it was asked. `tier` is its
    place in the queue, which it may share with others; `draw` the number of the random sample it belongs to. `blind`:
    people see neither the label nor what anybody says of the picture.
    """

    sample: Sample
    label: str
    kind: Kind = Kind.LABEL
    tier: int = 0
    suspicion: float = 0.0
    text: str = ""
    predictions: tuple[RunPrediction, ...] = ()
    keypoints: Keypoints | None = None
    last_verdict: int = 0
    draw: int = 0
    blind: bool = False

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
    its name. `claimed` gives the class folders that each picture in conflict is claimed to be of. `only_conflicts`,
    `uncertain` and `sample` are as in the request.
    """

    snapshot: Snapshot
    last_verdict: int
    claimed: Mapping[str, Sequence[str]]
    issues: Sequence[LabelConcern] | None = None
    answers: Mapping[str, Mapping[str, float]] | None = None
    run: str = ""
    only_conflicts: bool = False
    uncertain: bool = False
    sample: bool = False


class Reviewing(Protocol):
    """What people are asked about a task's labels."""

    def review_tasks(self, context: ReviewContext, say: Say) -> Iterator[tuple[Purpose, list[ReviewTask]]]:
        """The tasks by purpose, in no order.

        Raises:
            UsageError: what is asked for is not a task of this kind.
        """
        ...


def queue(tasks: Iterable[ReviewTask], order: Order = Order.USUAL) -> list[ReviewTask]:
    """The one order in which people are asked: conflicts, suspects, pictures of widened searches, then all the rest.

    Inside each the likeliest to be wrong come first, where anything is known of that, else they come at random.
    """
    ranks = list(Kind)

    def tier(task: ReviewTask) -> tuple[float | str, ...]:
        if order is Order.RANDOM:
            return ()
        if order is Order.FOLDER:
            return (task.file,)
        return (ranks.index(task.kind), -round(task.suspicion, 4))

    tiers: dict[tuple[float | str, ...], list[ReviewTask]] = {}
    for task in tasks:
        tiers.setdefault(tier(task), []).append(task)
    return [
        task if task.tier == number else task.model_copy(update={"tier": number})
        for number, key in enumerate(sorted(tiers))
        for task in sorted(tiers[key], key=lambda task: _shuffled(b"queue", task))
    ]


def _shuffled(salt: bytes, task: ReviewTask) -> bytes:
    return hashlib.sha256(salt + bytes.fromhex(task.sha256)).digest()


def sampled(tasks: Sequence[ReviewTask], number: int, draw: int = 1) -> list[ReviewTask]:
    """A random few, the same ones at each push of one draw, in the order they had."""
    ranked = sorted(tasks, key=lambda task: _shuffled(f"sample {draw}".encode(), task))
    chosen = {task.sha256 for task in ranked[:number]}
    return [task.model_copy(update={"draw": draw}) for task in tasks if task.sha256 in chosen]
