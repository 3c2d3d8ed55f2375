"""byod's verb that asks people: the questions go to projects on a server, which are found, made and kept in step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from byod.api.datasets import opened
from byod.api.review_queue import (
    ReviewRequest,
    RunPredictions,
    claimed,
    label_concerns,
    predict_all,
    queues,
    review_tasks,
)
from byod.api.review_session import ReviewSession
from byod.dataset.dataset_folder import Dataset
from byod.labeling import identity, predictions, projects
from byod.labeling.assignment import people_named
from byod.labeling.image_urls import Ahead, LocalFiles, Uploads
from byod.labeling.projects import Project
from byod.labeling.push import BATCH, Pushed
from byod.labeling.push import follow as follow_folders
from byod.labeling.push import push as push_tasks
from byod.schema.progress import Progress, Say
from byod.schema.records import Snapshot
from byod.schema.review_tasks import (
    MERGED,
    LabelConcern,
    Purpose,
    ReviewContext,
    ReviewQueue,
    ReviewTask,
)


def push(
    folder: Path, session: ReviewSession, request: ReviewRequest, cache: Path, *, say: Say, progress: Progress
) -> list[Pushed]:
    """Ask people about the dataset's pictures; what is asked already stays as it is.

    Raises:
        UsageError: what is asked does not go together.
        ReviewError: the server stopped answering; the same push goes on where it was.
    """
    issues: list[LabelConcern] | None = None
    if request.suspects:
        issues = label_concerns(folder, cache, say)
    with opened(folder, say) as dataset:
        identity.find_again(dataset, session.studio, session.server, say)
        identity.tell_from_copies(dataset.folder, say)
        if request.people:
            people = tuple(people_named(session.studio, request.people))
            request = request.model_copy(update={"people": people})
        snapshot = dataset.snapshot()
        run = predict_all(dataset, snapshot, request, say)
        # the dataset is locked, so that no other push makes projects meanwhile: they are looked up once
        there = projects.by_queue(session.studio, projects.remembered(dataset, session.server))
        previews = None if session.files is None else _previews(dataset, session.files)
        pushing = _Push(dataset, session, previews, request, run, say, progress)
        done = [
            pushing.ask(queue, tasks, there.get(queue))
            for purpose, found in review_tasks(dataset, snapshot, request, issues, run, say)
            for queue, tasks in queues(dataset, session, purpose, found, request, there)
            if tasks or queue in there
        ]
        pushed = {one.project.queue for one in done}
        others = [project for queue, project in there.items() if queue not in pushed]
        _follow(dataset, session, snapshot, others, {*MERGED, *(queue.purpose for queue in pushed)})
        if done and previews is not None:
            previews.tidy({sample.sha256 for sample in snapshot.samples if sample.path})
        _begin_rounds(dataset, done, request)
        return done


@dataclass(frozen=True)
class _Push:
    """All that a push needs for each of its queues; without `previews` the pictures are sent to the server."""

    dataset: Dataset
    session: ReviewSession
    previews: LocalFiles | None
    request: ReviewRequest
    run: RunPredictions | None
    say: Say
    progress: Progress

    def ask(self, queue: ReviewQueue, tasks: Sequence[ReviewTask], before: Project | None) -> Pushed:
        """Ask about the pictures of a queue in its project, which is made where there is none before."""
        studio = self.session.studio
        if self.previews is None:
            project = self._project(queue, before)
            with Ahead(Uploads(self.dataset.folder, studio, project.number)) as sent:
                return self._asked(project, tasks, sent)
        with Ahead(self.previews) as made:
            if (
                before is None
            ):  # byod makes the first pictures fit to be seen while the server makes the project
                made.begin([task.sample for task in tasks[:BATCH]])
            project = self._project(queue, before)
            projects.serve_files(studio, project, self.previews.folder, new=before is None)
            return self._asked(project, tasks, made)

    def _project(self, queue: ReviewQueue, before: Project | None) -> Project:
        """The project of a queue, in step with the dataset, whose list shows what people look for."""
        overlap = 1 if queue.person else self.request.overlap
        project = projects.ensure(
            self.dataset, self.session.studio, self.session.server, queue, before, self.say, overlap=overlap
        )
        projects.show_list(self.session.studio, project, new=before is None)
        return project

    def _asked(self, project: Project, tasks: Sequence[ReviewTask], address: Ahead) -> Pushed:
        """Have a project ask about pictures, and say what a run does, where people are to see that."""
        studio, run = self.session.studio, self.run
        done = push_tasks(self.dataset, studio, self.session.server, project, tasks, address, self.progress)
        if not project.blind:
            if run is not None and project.purpose in (Purpose.LABELS, Purpose.SAMPLE):
                predictions.write(studio, project.number, run.name, run.said, self.say)
            predictions.choose_folder(studio, project.number)
        return done


def _previews(dataset: Dataset, files: Path) -> LocalFiles:
    """The previews of a dataset, in the folder that the server shows."""
    return LocalFiles(dataset.folder, files, f"byod-{identity.key(dataset.folder)}")


def _begin_rounds(dataset: Dataset, done: Sequence[Pushed], request: ReviewRequest) -> None:
    """Begin a round for each purpose that was pushed, of all its queues."""
    with dataset.catalog.transaction():
        for purpose in dict.fromkeys(one.project.purpose for one in done):
            dataset.catalog.reviews.begin_round(
                datetime.now(UTC),
                purpose,
                sum(one.open for one in done if one.project.purpose is purpose),
                overlap=request.overlap,
                people=request.people,
                blind=request.blind,
            )


def _follow(
    dataset: Dataset,
    session: ReviewSession,
    snapshot: Snapshot,
    others: Sequence[Project],
    over: Collection[Purpose],
) -> None:
    """Bring what is still asked in the dataset's other projects in step with the folders; of some purposes it is over.

    What had a project of its own before there was one queue is asked there no more, and what is asked in other queues
    for the same purpose gives way to what was pushed now.
    """
    if not others:
        return
    context = ReviewContext(
        snapshot=snapshot, last_verdict=dataset.catalog.verdicts.last(), claimed=claimed(snapshot)
    )
    for project in others:
        askable: dict[str, ReviewTask] = {}
        if project.purpose not in over:
            for _, found in dataset.task.reviewing.review_tasks(context, _nobody):
                askable |= {t.sha256: t.model_copy(update={"blind": project.blind}) for t in found}
        follow_folders(dataset, session.studio, project, askable)


def _nobody(line: str) -> None:
    """What is said of a question that nobody put goes nowhere."""
