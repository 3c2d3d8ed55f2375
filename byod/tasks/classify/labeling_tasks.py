"""What people are asked about classes: `byod.schema.review.Reviewing` for the task classify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from byod.schema.progress import Say
from byod.schema.records import Sample, Snapshot
from byod.schema.review_tasks import (
    FOLDER,
    Kind,
    LabelConcern,
    Purpose,
    ReviewContext,
    ReviewTask,
    RunPrediction,
)

OTHERS = "the other pictures"
"""Whose prediction it is where a probe, trained on the others, takes a picture for another class."""


def review_tasks(context: ReviewContext, say: Say) -> Iterator[tuple[Purpose, list[ReviewTask]]]:
    """Labels or suspects; conflicts always go along, since nothing trains on them until somebody decides.

    A random sample goes alone: what is asked for another reason would bend the figure that it gives.
    """
    snapshot, last = context.snapshot, context.last_verdict
    undecided = conflicts(snapshot, context.claimed, last_verdict=last)
    if context.only_conflicts and not undecided:
        say("no picture is in conflict: there is nothing to decide")
    rest: list[ReviewTask] = []
    if context.issues is not None:
        rest = suspects(snapshot, context.issues, last_verdict=last)
    elif not context.only_conflicts:
        rest = labels(snapshot, last_verdict=last, answers=context.answers, run=context.run)
    yield (Purpose.SAMPLE, rest) if context.sample else (Purpose.LABELS, [*undecided, *rest])


def labels(
    snapshot: Snapshot,
    *,
    last_verdict: int,
    answers: Mapping[str, Mapping[str, float]] | None = None,
    run: str = "",
) -> list[ReviewTask]:
    """Is the label right? All kept pictures.

    `answers` are what the run says: SHA-256 → class folder → probability. Suspicion is then the best other class
    against the picture's own, as for suspects.
    """
    asked = []
    for sample in snapshot.kept:
        label = snapshot.classes[sample.label]
        predictions = [RunPrediction(by=FOLDER, label=label)]
        suspicion = 0.0
        if answers is not None and sample.sha256 in answers:
            said = answers[sample.sha256]
            best = max(said, key=lambda name: said[name])
            predictions.append(RunPrediction(by=run, label=best, score=min(1.0, max(0.0, said[best]))))
            suspicion = _suspicion(said, label)
        asked.append(
            ReviewTask(
                sample=sample,
                label=label,
                kind=Kind.WIDENED if _is_widened(snapshot, sample) else Kind.LABEL,
                suspicion=suspicion,
                text=f"Stands in {sample.label}",
                predictions=tuple(predictions),
                last_verdict=last_verdict,
            )
        )
    return asked


def _is_widened(snapshot: Snapshot, sample: Sample) -> bool:
    """True if only searches for other words than the class's own offered a picture."""
    origins = snapshot.origins.get(sample.sha256, ())
    return bool(origins) and all(origin.widened for origin in origins)


def _suspicion(said: Mapping[str, float], label: str) -> float:
    own = said.get(label, 0.0)
    rival = max((p for name, p in said.items() if name != label), default=0.0)
    return rival / max(own + rival, 1e-12)


def suspects(snapshot: Snapshot, issues: Sequence[LabelConcern], *, last_verdict: int) -> list[ReviewTask]:
    """Is this label wrong? The likeliest to be wrong comes first."""
    kept = {sample.sha256: sample for sample in snapshot.kept}
    asked = []
    for issue in issues:
        if (sample := kept.get(issue.sha256)) is None:
            continue
        asked.append(
            ReviewTask(
                sample=sample,
                label=snapshot.classes[sample.label],
                kind=Kind.SUSPECT,
                suspicion=1.0 - issue.quality,
                text=f"Stands in {sample.label}",
                predictions=(
                    RunPrediction(by=FOLDER, label=snapshot.classes[sample.label]),
                    RunPrediction(by=OTHERS, label=issue.suggested, score=1.0 - issue.quality),
                ),
                last_verdict=last_verdict,
            )
        )
    return asked


def conflicts(
    snapshot: Snapshot, claimed: Mapping[str, Sequence[str]], *, last_verdict: int
) -> list[ReviewTask]:
    """Make a task for each picture whose class nobody has decided: which of the claimed ones is it?

    `claimed` gives the class folders that a picture was offered for or said to be: SHA-256 → folders. None of them is
    better than another, so none is predicted.
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
                kind=Kind.CONFLICT,
                suspicion=1.0,
                text="Claimed to be: "
                + " / ".join(names[folder] for folder in folders)
                + (f" ({sample.detail})" if sample.detail else ""),
                last_verdict=last_verdict,
            )
        )
    return asked
