"""What a review asks about: the pictures, what is known of each, and how many of them in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from byod.api import runs, train
from byod.api.review_session import ReviewSession
from byod.dataset import label_quality, review_log
from byod.dataset.dataset_folder import Dataset
from byod.dataset.review_log import is_reviewers
from byod.labeling import open_tasks
from byod.labeling.assignment import Involvement, shared_out
from byod.labeling.predictions import PredictedLabel
from byod.labeling.projects import Project
from byod.report import dataset_statistics
from byod.schema.errors import UsageError
from byod.schema.model_card import Unreadable
from byod.schema.progress import Say
from byod.schema.records import Record, Snapshot
from byod.schema.review_tasks import (
    Kind,
    LabelConcern,
    Order,
    Purpose,
    ReviewContext,
    ReviewQueue,
    ReviewTask,
    queue,
    sampled,
)
from byod.tasks.classify.predict import Predictor


class ReviewRequest(Record):
    """A request for labels (or points) of all pictures, unless `suspects` or `conflicts` are named.

    `run` adds what a run says of each picture, and `uncertain` orders by that. `sample` asks about a random few,
    `limit` about the first ones. `again` also asks about pictures somebody has reviewed. Each picture is asked of
    `overlap` people: of those in `people`, each in a queue of their own, or else of whoever comes. `blind`: nobody sees
    the folder's label.
    """

    suspects: bool = False
    conflicts: bool = False
    uncertain: bool = False
    run: str | None = None
    sample: int | None = None
    limit: int | None = None
    again: bool = False
    order: Order = Order.USUAL
    overlap: int = 1
    people: tuple[str, ...] = ()
    blind: bool = False


@dataclass(frozen=True)
class RunPredictions:
    """The predictions of a run: SHA-256 → class folder → probability."""

    name: str
    answers: Mapping[str, Mapping[str, float]]

    def said(self, sha256s: Sequence[str]) -> list[PredictedLabel | None]:
        """The likeliest class of each picture; None for one the run was not asked about."""
        known = [self.answers.get(sha256) for sha256 in sha256s]
        return [None if one is None else _likeliest(one) for one in known]


def _likeliest(said: Mapping[str, float]) -> PredictedLabel:
    label = max(said, key=lambda name: said[name])
    return PredictedLabel(label=label, score=min(1.0, said[label]))


def label_concerns(folder: Path, cache: Path, say: Say) -> list[LabelConcern]:
    """The labels that look wrong to a cross-validated probe, by class folder; none of pictures that are only hard."""
    _, snapshot, found = train.suspects(folder, {}, None, cache=cache, say=say)
    if not found.suspects:
        say("no label looks wrong to the probe: there is nothing to review")
    if found.hard:
        say(f"{len(found.hard)} pictures are hard for the probe, and nobody is asked about those")
    return [
        LabelConcern(sha256=one.sha256, suggested=snapshot.classes[one.suggested], quality=one.quality)
        for one in found.suspects or ()
    ]


def review_tasks(
    dataset: Dataset,
    snapshot: Snapshot,
    request: ReviewRequest,
    issues: Sequence[LabelConcern] | None,
    run: RunPredictions | None,
    say: Say,
) -> Iterator[tuple[Purpose, list[ReviewTask]]]:
    """The review tasks by purpose, as many as were asked for, in their order."""
    context = ReviewContext(
        snapshot=snapshot,
        last_verdict=dataset.catalog.verdicts.last(),
        claimed=claimed(snapshot),
        issues=issues,
        answers=run.answers if run else None,
        run=run.name if run else "",
        only_conflicts=request.conflicts,
        uncertain=request.uncertain,
        sample=request.sample is not None,
    )
    for purpose, found in dataset.task.reviewing.review_tasks(context, say):
        yield purpose, _chosen(dataset, purpose, found, request)


def _chosen(
    dataset: Dataset, purpose: Purpose, found: list[ReviewTask], request: ReviewRequest
) -> list[ReviewTask]:
    """The sample that was asked for, or the queue: without what somebody reviewed already, up to the limit."""
    if request.sample is not None:
        draw = _draw(dataset)
        noted = dataset.catalog.verdicts.noted(label_quality.NOTE)
        before = label_quality.drawn_before(noted, draw)
        # one that was rejected, or about which people differ, stays part of the sample: none takes its place
        gone = label_quality.drawn(noted).get(draw, set()) - {task.sha256 for task in found}
        left = max(0, request.sample - len(gone))
        found = sampled([task for task in found if task.sha256 not in before], left, draw)
    if not request.again and purpose is not Purpose.SAMPLE:
        evaluated = reviewed(dataset, request.overlap)
        found = [task for task in found if task.kind is Kind.CONFLICT or task.sha256 not in evaluated]
    order = Order.RANDOM if purpose is Purpose.SAMPLE else request.order
    return queue(found, order)[: request.limit]


def _draw(dataset: Dataset) -> int:
    """The number of the random sample that is being answered: once all of it is, the next one is drawn anew."""
    done = [one for one in dataset.catalog.reviews.rounds() if one.purpose == Purpose.SAMPLE]
    return 1 + sum(1 for one in done if one.asked and one.answered >= one.asked)


def reviewed(dataset: Dataset, overlap: int = 1) -> set[str]:
    """The pictures whose class stands as a reviewer said, and so many of them."""
    verdicts = dataset.catalog.verdicts
    found = {sha for sha, said in verdicts.holding().items() if is_reviewers(said)}
    if overlap == 1:
        return found
    people = {sha: review_log.said(log)[0] for sha, log in verdicts.said_of(found).items()}
    return {sha for sha, said in people.items() if len(said) >= overlap}


def queues(
    dataset: Dataset,
    session: ReviewSession,
    purpose: Purpose,
    tasks: list[ReviewTask],
    request: ReviewRequest,
    there: Mapping[ReviewQueue, Project],
) -> list[tuple[ReviewQueue, list[ReviewTask]]]:
    """The queues that the tasks go to: one for all, or one for each person; some have a project there already.

    Raises:
        ReviewError: the server stopped answering.
    """
    if request.blind:
        tasks = [task.model_copy(update={"blind": True}) for task in tasks]
    if not request.people:
        return [(ReviewQueue(purpose=purpose, blind=request.blind), tasks)]
    by_person = {
        person: ReviewQueue(purpose=purpose, person=person, blind=request.blind) for person in request.people
    }
    involved = Involvement(answered={} if request.again else _answered(dataset, tasks))
    for person, own in by_person.items():
        if own in there:
            involved.take(person, open_tasks.standing(session.studio, there[own], dataset))
    shares = shared_out(tasks, request.people, request.overlap, involved)
    return [(own, shares[person]) for person, own in by_person.items()]


def _answered(dataset: Dataset, tasks: Sequence[ReviewTask]) -> dict[str, set[str]]:
    """Who said something of each picture that stands; of a random sample, what was said in it."""
    logs = dataset.catalog.verdicts.said_of(task.sha256 for task in tasks)
    found = {}
    for task in tasks:
        said, _ = review_log.said(logs[task.sha256])
        drawn = label_quality.note(task.draw, "").removesuffix("()") if task.draw else ""
        found[task.sha256] = {who for who, one in said.items() if one.note.startswith(drawn)}
    return found


def claimed(snapshot: Snapshot) -> dict[str, list[str]]:
    """The class folders each picture in conflict is claimed to be of: all those of its look-alikes."""
    found: dict[str, list[str]] = {}
    for conflict in snapshot.conflicts:
        names = dataset_statistics.labels_claimed(snapshot, conflict)
        folders = [snapshot.classes[name] for name in names if name in snapshot.classes]
        found |= dict.fromkeys(conflict, folders)
    return found


def predict_all(
    dataset: Dataset, snapshot: Snapshot, request: ReviewRequest, say: Say
) -> RunPredictions | None:
    """Predict every kept picture with a run; None when no run was asked for."""
    if request.run is None and not request.uncertain:
        return None
    run = runs.find_run(request.run or str(dataset.folder), dataset.folder.parent)
    predictor = Predictor(run)
    folders = {name: snapshot.classes[name] for name in predictor.card.classes if name in snapshot.classes}
    if len(folders) < 2:
        told = ", ".join(predictor.card.classes)
        raise UsageError(f"{run} tells {told} apart, and {dataset.folder} has other classes")
    say(f"asking {predictor.card.run} about {len(snapshot.kept)} pictures …")
    kept = {str(dataset.folder / sample.path): sample.sha256 for sample in snapshot.kept}
    answers = {}
    for one in predictor.predict(Path(path) for path in kept):
        if not isinstance(one, Unreadable):
            answers[kept[one.path]] = {folders[n]: p for n, p in one.probabilities.items() if n in folders}
    return RunPredictions(predictor.card.run, answers)
