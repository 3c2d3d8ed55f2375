"""Answers into the dataset: each once into the label log, then the files move; and a whole pull back again.

What a pull does is a function of the server's answers and the label log, and is one transaction: killed at any
point, it has happened or it has not. An answer is known by picture, person and time, so that it is taken once
however often it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from byod.dataset import label_quality
from byod.dataset.catalog import Catalog
from byod.dataset.catalog.reviews import Before
from byod.dataset.dataset_folder import Dataset
from byod.dataset.placement import place_samples
from byod.dataset.review_log import REVIEW, WITHDRAWN, has_looked, standing_references
from byod.labeling import keypoint_annotations
from byod.labeling.annotations import Annotation, Decision, decide, decides, without
from byod.labeling.fetch import FetchedAnnotations
from byod.labeling.pulled import Clash, Pulled, Withdrawn
from byod.labeling.rounds import keypoints_text, placement_of, stage_keypoints
from byod.schema.keypoints import Keypoints, keypoints_file, read_keypoints
from byod.schema.reasons import Reason
from byod.schema.records import Placement, Sample, Status, Verdict
from byod.schema.review_tasks import Purpose

APART = 0.1
"""Two people's points differ when they lie further apart than this part of the object's size."""


def apply(
    dataset: Dataset, server: str, fetched: Sequence[FetchedAnnotations], *, drop_withdrawn: bool = False
) -> Pulled:
    """Take up the answers that are not in the log yet, and those that were taken back on the server.

    The verdict of an answer that was deleted there, or turned into a skip, holds unless `drop_withdrawn` says that it
    falls with it.
    """
    catalog = dataset.catalog
    everything = [answer for one in fetched for answer in one.read.answers]
    history = catalog.verdicts.said_of(answer.sha256 for answer in everything)
    logged = {(sha, said.who, said.when) for sha, rows in history.items() for _, said in rows}
    fresh = [answer for answer in everything if answer.name not in logged]
    passed_over = _in_vain(fresh, everything, history)
    fresh = [answer for answer in fresh if answer not in passed_over]
    known, waiting = _of_known_classes(dataset, fresh)
    with dataset.changing():
        _note(catalog, server, fetched)
        change = _Change(dataset, history, everything)
        for sha256, group in groupby(
            sorted(known, key=lambda a: (a.sha256, a.when, a.who)), lambda a: a.sha256
        ):
            change.take(sha256, list(group))
        withdrawn = _withdrawn(dataset, server, fetched)
        if drop_withdrawn:
            withdrawn = change.drop(withdrawn, taken={answer.sha256 for answer in known})
        pulled = change.done()
        for one in fetched:
            # what waits for its class is read again next time
            if not any(a.purpose is one.project.purpose and a.label in waiting for a in fresh):
                catalog.reviews.pulled_until(server, one.project.queue.name, one.progressed)
    current = catalog.reviews.last_round()
    drawn = any(answer.draw for answer in known)
    sampled = catalog.verdicts.noted(label_quality.NOTE) if drawn else []
    quality = label_quality.label_quality(sampled, catalog.verdicts)
    return pulled.model_copy(
        update={
            "round_answered": 0 if current is None else min(current.answered, current.asked),
            "round_asked": 0 if current is None else current.asked,
            "label_quality": quality,
            "waiting": waiting,
            "unreadable": sum(one.read.unreadable for one in fetched),
            "in_bulk": len(passed_over),
            "withdrawn": tuple(withdrawn),
            "imported": sum(one.read.foreign for one in fetched),
        }
    )


def _note(catalog: Catalog, server: str, fetched: Sequence[FetchedAnnotations]) -> None:
    """Note which annotations each project has now."""
    for one in fetched:
        name = one.project.queue.name
        catalog.reviews.remember(server, name, one.project.number)
        catalog.reviews.note_annotations(server, name, one.current)
        catalog.reviews.forget_annotations(server, name, one.deleted)


def _withdrawn(dataset: Dataset, server: str, fetched: Sequence[FetchedAnnotations]) -> list[Withdrawn]:
    """The verdicts that hold although their answer is gone; what is gone and holds no more is forgotten."""
    reviews = dataset.catalog.reviews
    found: list[Withdrawn] = []
    for queue in [one.project.queue for one in fetched]:
        gone = [one for one in reviews.annotations(server, queue.name).values() if one.gone]
        history = dataset.catalog.verdicts.said_of(one.sha256 for one in gone)
        for one in gone:
            verdict = standing_references(history[one.sha256]).get(one.reference)
            sample = dataset.catalog.samples.get(one.sha256)
            if verdict is None or sample is None:
                reviews.forget_annotations(server, queue.name, [one.reference])
                continue
            found.append(
                Withdrawn(
                    file=sample.path or one.sha256[:12],
                    sha256=one.sha256,
                    reference=one.reference,
                    purpose=queue.purpose,
                    who=verdict.who,
                    label=verdict.label,
                )
            )
    return found


def _in_vain(
    fresh: Sequence[Annotation],
    everything: Sequence[Annotation],
    history: Mapping[str, list[tuple[int, Verdict]]],
) -> list[Annotation]:
    """The new answers that were made in bulk of pictures at which somebody has looked."""
    looked = {answer.sha256 for answer in everything if not answer.in_bulk}
    looked |= {sha256 for sha256, said in history.items() if has_looked(said)}
    return [answer for answer in fresh if answer.in_bulk and answer.sha256 in looked]


def _of_known_classes(
    dataset: Dataset, fresh: Iterable[Annotation]
) -> tuple[list[Annotation], dict[str, int]]:
    """The answers that name a class of the recipe (or none), and how many name which other."""
    known: list[Annotation] = []
    waiting: dict[str, int] = {}
    for answer in fresh:
        if answer.label is None or answer.label in dataset.recipe.classes:
            known.append(answer)
        else:
            waiting[answer.label] = waiting.get(answer.label, 0) + 1
    return known, waiting


class _Change:
    """One pull under way, inside its transaction."""

    def __init__(
        self, dataset: Dataset, history: Mapping[str, list[tuple[int, Verdict]]], read: Iterable[Annotation]
    ) -> None:
        self.dataset, self.history = dataset, history
        self.verdicts = dataset.catalog.verdicts
        self.holding = {sha: number for sha, (number, _) in self.verdicts.numbered(history).items()}
        self.read = list(read)
        self.now = datetime.now(UTC)
        self.before: list[Before] = []
        self.placements: list[Placement] = []
        self.keypoints: list[tuple[str, Keypoints]] = []
        self.conflicts: list[Clash] = []
        self.counts = {"answers": 0, "relabelled": 0, "rejected": 0, "points": 0, "dropped": 0}
        self.by: dict[str, int] = {}

    def take(self, sha256: str, new: Sequence[Annotation]) -> None:
        """Log the new answers of one picture, and decide what becomes of it."""
        sample = self.dataset.catalog.samples.get(sha256)
        if sample is None:
            return  # another dataset's picture, or one whose catalog was lost: its answers stay on the server
        decision = decide(self.history[sha256], new)
        keypoints, note = None, ""
        if new[-1].keypoints is not None and not decision.conflict:
            keypoints, clash, note = self._keypoints(sample, new[-1])
            if clash:
                decision = Decision(label=None, who=REVIEW, conflict=clash)
        if not sample.path and (decision.label is not None or decision.conflict):
            told = decision.conflict or f"{decision.who} says {decision.label}"
            decision = Decision(label=None, who=REVIEW, conflict=f"{told}, but the file was deleted by hand")
        said = [self._verdict(sample, answer, note) for answer in new]
        if decision.conflict:
            said.append(Verdict(sha256=sha256, label=None, who=REVIEW, when=self.now, note=decision.conflict))
            self.conflicts.append(Clash(file=sample.path or sha256[:12], why=decision.conflict))
        self.verdicts.add(said)
        for answer in new:
            self.by[answer.who] = self.by.get(answer.who, 0) + 1
        self.counts["answers"] += len(new)
        self._remember(sample, keypoints is not None, {answer.who for answer in new})
        self._place(sample, decision)
        if keypoints is not None and not decision.conflict:
            self.keypoints.append((sha256, keypoints))
            self.counts["points"] += 1

    def _verdict(self, sample: Sample, answer: Annotation, note: str) -> Verdict:
        """The verdict of an annotation for the log; a sample's label that people were not shown is the one it has."""
        if answer.draw and not answer.asked:
            answer = answer.model_copy(update={"asked": sample.label})
        decided = decides(self.history[sample.sha256], answer)
        told = answer.note(note, decided)
        return Verdict(sha256=sample.sha256, label=answer.label, who=answer.who, when=answer.when, note=told)

    def drop(self, withdrawn: Sequence[Withdrawn], taken: Collection[str]) -> list[Withdrawn]:
        """Let verdicts fall whose answers are gone; return those that hold all the same.

        Where somebody answered anew in this pull (`taken`), that decides; points are taken back by an undo alone.
        """
        kept = [one for one in withdrawn if one.sha256 in taken or one.purpose is Purpose.POINTS]
        falling: dict[str, list[Withdrawn]] = {}
        for one in withdrawn:
            if one not in kept:
                falling.setdefault(one.sha256, []).append(one)
        history = self.verdicts.said_of(falling)
        for sha256, some in falling.items():
            sample = self.dataset.catalog.samples.get(sha256)
            if sample is None:
                continue
            decision = without(history[sha256], {one.reference for one in some})
            was = self.dataset.catalog.reviews.before_all(sha256)
            label = decision.label if decision else was.label if was and was.status is Status.KEPT else None
            self.holding |= {
                sha256: number for sha256, (number, _) in self.verdicts.numbered([sha256]).items()
            }
            self.verdicts.add(
                Verdict(
                    sha256=sha256,
                    label=label,
                    who=WITHDRAWN,
                    when=self.now,
                    note=f"withdrawn #{one.reference}",
                )
                for one in some
            )
            self.counts["dropped"] += len(some)
            self._remember(sample, False)
            if decision is None and was is not None and sample.path:
                self.placements.append(was.model_copy(update={"path": ""}))
            else:
                self._place(sample, decision or Decision(label=sample.label, who=WITHDRAWN))
        return kept

    def _place(self, sample: Sample, decision: Decision) -> None:
        if not sample.path:
            return
        if decision.conflict or decision.label is None:
            reason = Reason.CONFLICT if decision.conflict else Reason.REVIEW
            detail = decision.conflict or f"rejected by {decision.who}"
            if (sample.status, sample.reason) != (Status.REJECTED, reason):
                self.counts["rejected"] += reason is Reason.REVIEW
            self.placements.append(
                Placement(
                    sha256=sample.sha256,
                    label=sample.label,
                    status=Status.REJECTED,
                    reason=reason,
                    detail=detail,
                )
            )
        elif (sample.status, sample.label) != (Status.KEPT, decision.label):
            self.counts["relabelled"] += 1
            self.placements.append(Placement(sha256=sample.sha256, label=decision.label, status=Status.KEPT))

    def _keypoints(self, sample: Sample, answer: Annotation) -> tuple[Keypoints | None, str, str]:
        """The picture's new keypoints (None: as before), what speaks against them, and the note for the log."""
        file = self.dataset.folder / keypoints_file(sample.path)
        current = read_keypoints(file)
        names = self.dataset.recipe.points.names if self.dataset.recipe.points else ()
        width, height = sample.width or 1, sample.height or 1
        if current is not None:
            width, height = current.width, current.height
        wanted = keypoint_annotations.reviewed_keypoints(
            answer.keypoints or (), current, names, sample.sha256, width, height
        )
        note = f"points {wanted.digest}"
        others = [
            a
            for a in self.read
            if a.sha256 == sample.sha256 and a.who != answer.who and a.keypoints is not None
        ]
        for other in others:
            theirs = keypoint_annotations.reviewed_keypoints(
                other.keypoints or (), current, names, sample.sha256, width, height
            )
            if keypoint_annotations.apart(wanted, theirs) > APART:
                return None, f"{other.who} and {answer.who} put the points in different places", note
        if current is not None and current.digest not in (wanted.digest, self._base(sample, answer)):
            return None, "its points file was changed by hand since it was asked", f"points {current.digest}"
        return (None if current == wanted else wanted), "", note

    def _base(self, sample: Sample, answer: Annotation) -> str:
        """The points that the answer builds on: those of the last review, else those it was asked with."""
        for _, said in reversed(self.history[sample.sha256]):
            if said.note.startswith("points "):
                return said.note.split()[1]
        return answer.base

    def _remember(self, sample: Sample, with_marks: bool, people: Collection[str] = ()) -> None:
        text = keypoints_text(self.dataset, sample) if with_marks else None
        self.before.append(
            Before(
                sha256=sample.sha256,
                placement=placement_of(sample),
                keypoints=text,
                verdict=self.holding.get(sample.sha256, 0),
                last=self.verdicts.last(),
                people=tuple(sorted(people)),
            )
        )

    def done(self) -> Pulled:
        """Write down the pull, and let everything move."""
        if not self.before:
            return Pulled()
        moved = self.dataset.place(self.placements)
        for sha256, keypoints in self.keypoints:
            sample = self.dataset.catalog.samples.get(sha256)
            if sample is not None:
                stage_keypoints(self.dataset, sample, keypoints.model_dump_json(indent=1) + "\n")
        self.dataset.catalog.reviews.add_pull(self.now, self.before)
        compared = all(_compared(one.placement) for one in self.before)
        around = [one.sha256 for one in self.before] if compared else None
        placed = place_samples(self.dataset, around=around)
        return Pulled(moved=moved + placed.moved, by=self.by, conflicts=tuple(self.conflicts), **self.counts)


def _compared(placement: Placement) -> bool:
    """True if the last placing compared a sample with all others."""
    return placement.status is Status.KEPT or (
        placement.reason is not None and placement.reason.traits.compared
    )
