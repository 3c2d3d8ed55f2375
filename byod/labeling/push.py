"""Questions to a project: each picture once, by its hash, in batches with one writer.

What is asked follows the folders: an open task whose picture was moved, renamed or deleted is brought in step or
withdrawn, so that nobody confirms what is no longer so. Importing is not idempotent in Label Studio, and a request
that byod did not live to see answered may still be carried out. So each batch is noted before it leaves. After a push
that was cut off the next one waits for the batch under way, and removes what came twice before anything is added and
again at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from byod.dataset.dataset_folder import Dataset
from byod.labeling import labeling_page, open_tasks, questions
from byod.labeling.client import LabelStudio
from byod.labeling.image_urls import Ahead
from byod.labeling.projects import Project
from byod.schema.errors import ReviewError
from byod.schema.progress import Progress
from byod.schema.records import Record
from byod.schema.review_tasks import Kind, ReviewTask

BATCH = 1000
_IMPORT_SECONDS = 600.0
_LOOK_SECONDS = 0.5
_WAIT_SECONDS = 20.0


class Pushed(Record):
    """The result of a push: tasks added, those that were there already, and pictures that cannot be shown.

    `refreshed` counts open tasks that now say what is so, `withdrawn` those that are asked no more, and `open` the
    answers that are to be given now.
    """

    project: Project
    added: int
    already: int
    unshown: int = 0
    refreshed: int = 0
    withdrawn: int = 0
    open: int = 0

    @property
    def summary(self) -> str:
        """The result in one line."""
        more = "".join(
            f", {number} {what}"
            for number, what in (
                (self.refreshed, "brought in step with the folders"),
                (self.withdrawn, "asked no more"),
                (self.unshown, "cannot be shown"),
            )
            if number
        )
        return (
            f"{self.project.queue.name}: {self.added} pictures added, {self.already} were there already{more}; "
            f"{self.open} to answer{self._each}: {self.project.stream}"
        )

    @property
    def _each(self) -> str:
        overlap = self.project.overlap
        return f" ({overlap} people each)" if overlap > 1 else ""


def push(
    dataset: Dataset,
    studio: LabelStudio,
    server: str,
    project: Project,
    wanted: Sequence[ReviewTask],
    address: Ahead,
    progress: Progress,
) -> Pushed:
    """Make the open tasks of a project those that are wanted, in their order; what was answered stays as it is.

    Raises:
        ReviewError: the server stopped answering; the same push goes on where it was.
    """
    reviews = dataset.catalog.reviews
    name = project.queue.name
    cut_off = reviews.pushing(server, name)
    if cut_off:
        _await(studio, project, cut_off)
    there = open_tasks.standing(studio, project, dataset) if cut_off or project.tasks else open_tasks.Asked()
    plan = open_tasks.plan(there, wanted, labeling_page.shown(project.config))
    open_tasks.carry_out(studio, project, plan)
    left = there.number - len(plan.gone)

    def expect(tasks: int) -> None:
        with dataset.catalog.transaction():
            reviews.set_pushing(server, name, tasks)

    new = [each for each in plan.new if each.sha256 not in there.open]
    pushed = Pushed(
        project=project,
        added=0,
        already=len(wanted) - len(new),
        refreshed=plan.refreshed,
        withdrawn=plan.withdrawn,
        open=sum(_to_give(there, each, project.overlap) for each in wanted),
    )
    if plan.new:
        pushed = _import(studio, pushed, plan.new, address, progress, lambda sent: expect(left + sent))
    if cut_off:
        open_tasks.look(studio, project)
    expect(0)
    return pushed.model_copy(update={"added": max(0, len(new) - pushed.unshown)})


def _to_give(there: open_tasks.Asked, task: ReviewTask, overlap: int) -> int:
    """The number of answers that a task still wants; one answer decides a conflict."""
    if task.sha256 in there.touched:
        return max(0, overlap - there.answers.get(task.sha256, overlap)) if overlap > 1 else 0
    return 1 if task.kind is Kind.CONFLICT else overlap


def follow(
    dataset: Dataset, studio: LabelStudio, project: Project, askable: Mapping[str, ReviewTask]
) -> Pushed:
    """Bring the open tasks of a project that nobody pushes to now in step with the folders.

    Raises:
        ReviewError: the server stopped answering.
    """
    there = open_tasks.standing(studio, project, dataset)
    still = [askable[sha256] for sha256 in there.open if sha256 in askable]
    wanted = [task.model_copy(update={"tier": 0}) for task in still]
    plan = open_tasks.plan(there, wanted, labeling_page.shown(project.config), in_place=True)
    open_tasks.carry_out(studio, project, plan)
    return Pushed(
        project=project, added=0, already=len(still), refreshed=plan.refreshed, withdrawn=plan.withdrawn
    )


def _import(
    studio: LabelStudio,
    pushed: Pushed,
    new: Sequence[ReviewTask],
    address: Ahead,
    progress: Progress,
    expect: Callable[[int], None],
) -> Pushed:
    """Send the tasks; the previews of the next batch are made while the server works on this one.

    `expect` is told before each batch how many will have been added with it.
    """
    added = unshown = 0
    choices = labeling_page.shown(pushed.project.config)
    progress(0, len(new))
    for batch, addresses in _prepared(new, address):
        if not added + unshown:
            _check_shown(studio, addresses)
        tasks: list[Any] = [
            questions.task(each, studio.prefix + addresses[each.sha256], choices)
            for each in batch
            if each.sha256 in addresses
        ]
        if tasks:
            expect(added + len(tasks))
            # not through the SDK, which looks at every value of every task again before it sends them
            studio.post(f"/api/projects/{pushed.project.number}/import", json=tasks, timeout=_IMPORT_SECONDS)
        added += len(tasks)
        unshown += len(batch) - len(tasks)
        progress(added + unshown, len(new))
    return pushed.model_copy(update={"added": added, "unshown": unshown})


def _check_shown(studio: LabelStudio, addresses: Mapping[str, str]) -> None:
    """Load a picture back as a browser will, before anything is asked that nobody could see.

    Raises:
        ReviewError: the server does not show it.
    """
    for address in list(addresses.values())[:1]:
        if not studio.download(address):
            raise ReviewError(f"the Label Studio at {studio.url} shows an empty picture at {address}")


def _prepared(
    wanted: Sequence[ReviewTask], address: Ahead
) -> Iterator[tuple[Sequence[ReviewTask], dict[str, str]]]:
    batches = [wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)]
    for number, batch in enumerate(batches):
        addresses = address([each.sample for each in batch])
        if number + 1 < len(batches):
            address.begin([each.sample for each in batches[number + 1]])
        yield batch, addresses


def _await(studio: LabelStudio, project: Project, expected: int) -> None:
    """Wait until the server has carried out what a push that was cut off had asked for, if it ever received it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if int(studio.project(project.number, "task_number")["task_number"]) >= expected:
            return
        time.sleep(_LOOK_SECONDS)
