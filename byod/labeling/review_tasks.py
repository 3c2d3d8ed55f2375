"""Make the tasks of a review: one a picture, in the order of suspicion, with what the folder and a run say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from byod.schema.keypoints import Keypoints
from byod.schema.records import Record, Sample, Sha256, Snapshot

FOLDER = "folder"
"""The opinion of the class folder a picture stands in."""


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
    """One picture to be judged.

    `label` is the class folder it stands in; `suspicion` in 0..1, the most doubtful first; `text` is shown above
    the picture; `last_verdict` the number of the last verdict in the label log when it was asked.
    """

    sample: Sample
    label: str
    suspicion: float = 0.0
    text: str = ""
    opinions: tuple[RunPrediction, ...] = ()
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


def labels(
    snapshot: Snapshot,
    *,
    last_verdict: int,
    answers: Mapping[str, Mapping[str, float]] | None = None,
    run: str = "",
) -> list[ReviewTask]:
    """Is the label right? All kept pictures, the most suspicious first.

    `answers` are what the run says: SHA-256 → class folder → probability. Suspicion is then the best other class
    against the picture's own, as for suspects.
    """
    asked = []
    names = {folder: name for name, folder in snapshot.classes.items()}
    for sample in snapshot.kept:
        label = snapshot.classes[sample.label]
        opinions = [RunPrediction(by=FOLDER, label=label)]
        suspicion, text = 0.0, f"Stands in {sample.label}"
        if answers is not None and sample.sha256 in answers:
            said = answers[sample.sha256]
            best = max(said, key=lambda name: said[name])
            opinions.append(RunPrediction(by=run, label=best, score=min(1.0, max(0.0, said[best]))))
            suspicion = _suspicion(said, label)
            text += f"; {run} says {names[best]} ({said[best]:.0%})"
        asked.append(
            ReviewTask(
                sample=sample,
                label=label,
                suspicion=suspicion,
                text=text,
                opinions=tuple(opinions),
                last_verdict=last_verdict,
            )
        )
    return sorted(
        asked, key=lambda question: -question.suspicion
    )  # stable: else as they stand in the dataset


def _suspicion(said: Mapping[str, float], label: str) -> float:
    own = said.get(label, 0.0)
    rival = max((p for name, p in said.items() if name != label), default=0.0)
    return rival / max(own + rival, 1e-12)


class LabelConcern(Record):
    """A doubted label, by class folders; `quality` in 0..1, the lowest first."""

    sha256: Sha256
    suggested: str
    quality: float


def suspects(snapshot: Snapshot, issues: Sequence[LabelConcern], *, last_verdict: int) -> list[ReviewTask]:
    """Is this doubted label wrong? In the order of doubt."""
    kept = {sample.sha256: sample for sample in snapshot.kept}
    names = {folder: name for name, folder in snapshot.classes.items()}
    asked = []
    for doubt in issues:
        if (sample := kept.get(doubt.sha256)) is None:
            continue
        asked.append(
            ReviewTask(
                sample=sample,
                label=snapshot.classes[sample.label],
                suspicion=1.0 - doubt.quality,
                text=f"Stands in {sample.label}; the other pictures speak for {names[doubt.suggested]}",
                opinions=(
                    RunPrediction(by=FOLDER, label=snapshot.classes[sample.label]),
                    RunPrediction(by="other pictures", label=doubt.suggested, score=1.0 - doubt.quality),
                ),
                last_verdict=last_verdict,
            )
        )
    return asked


def conflicts(
    snapshot: Snapshot, claimed: Mapping[str, Sequence[str]], *, last_verdict: int
) -> list[ReviewTask]:
    """Make a task for each picture whose class nobody has decided: which of the claimed ones is it?

    `claimed` gives the class folders that a picture was offered for or said to be: SHA-256 → folders.
    """
    by_hash = {sample.sha256: sample for sample in snapshot.samples}
    names = {folder: name for name, folder in snapshot.classes.items()}
    asked = []
    for sha256 in dict.fromkeys(sha256 for conflict in snapshot.conflicts for sha256 in conflict):
        sample = by_hash.get(sha256)
        if sample is None or not sample.path:
            continue
        folders = [folder for folder in claimed.get(sha256, ()) if folder in names]
        asked.append(
            ReviewTask(
                sample=sample,
                label=snapshot.classes.get(sample.label, ""),
                suspicion=1.0,
                text="Claimed to be: "
                + " / ".join(names[folder] for folder in folders)
                + (f" ({sample.detail})" if sample.detail else ""),
                opinions=tuple(RunPrediction(by=f"{names[f]}?", label=f) for f in folders),
                last_verdict=last_verdict,
            )
        )
    return asked


def points(snapshot: Snapshot, keypoints: Mapping[str, Keypoints], *, last_verdict: int) -> list[ReviewTask]:
    """Are the points right? All kept pictures of a keypoints dataset; those without any points first."""
    asked = [
        ReviewTask(
            sample=sample,
            label=snapshot.classes[sample.label],
            suspicion=0.0 if sample.sha256 in keypoints else 1.0,
            keypoints=keypoints.get(sample.sha256),
            last_verdict=last_verdict,
        )
        for sample in snapshot.kept
    ]
    return sorted(asked, key=lambda question: -question.suspicion)


def sampled(questions: Sequence[ReviewTask], number: int) -> list[ReviewTask]:
    """A random few, the same ones at each push, in the order they had."""
    ranked = sorted(questions, key=lambda q: hashlib.sha256(b"sample" + bytes.fromhex(q.sha256)).digest())
    chosen = {question.sha256 for question in ranked[:number]}
    return [question for question in questions if question.sha256 in chosen]
