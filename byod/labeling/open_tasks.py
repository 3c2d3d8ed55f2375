"""The tasks of a project that nobody has touched: what becomes of each when the folders or the queue have changed.

A task is touched by an answer, a skip or a draft. Touched ones are never changed or deleted; should what they say be
out of date, the answer is read with what the log says since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from byod.dataset.dataset_folder import Dataset
from byod.dataset.review_log import REVIEW, is_reviewers
from byod.labeling import questions
from byod.labeling.client import LabelStudio, passes
from byod.labeling.labeling_page import ShownChoice
from byod.labeling.projects import Project
from byod.schema.review_tasks import ReviewTask

_MANY = 2000  # tasks a page, where only little is asked of each
_TOUCHED = ("total_annotations", "cancelled_annotations", "draft_exists")
_UNTOUCHED = [
    passes("total_annotations", "equal", "Number", 0),
    passes("cancelled_annotations", "equal", "Number", 0),
    passes("draft_exists", "equal", "Boolean", False),
]
_SAYS = ("file", "kind", "label", "question", "marks", "draw")
"""The part of a task's data that is brought in step with the folders."""
_AT_ONCE = 200
"""So many tasks are changed one by one; more are made anew, a thousand at a time."""


@dataclass
class Asked:
    """The tasks of a project: the open ones by picture, in the order they are shown, and which pictures were touched.

    `touched` has the number of the last verdict in the label log when the picture was asked about last, `answers` how
    many were given,
    and `skipped` those with skips alone.
    """

    open: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    number: int = 0


@dataclass
class Plan:
    """What is to be done with a project's tasks: open ones deleted, changed in place, and tasks to import in order."""

    gone: list[int] = field(default_factory=list)
    changed: list[tuple[Mapping[str, Any], ReviewTask, dict[str, Any]]] = field(default_factory=list)
    new: list[ReviewTask] = field(default_factory=list)
    refreshed: int = 0
    withdrawn: int = 0


def look(studio: LabelStudio, project: Project) -> Asked:
    """The tasks of a project, one for each picture: further ones that nobody has touched are deleted.

    One that was asked later than those that were touched stays: people differed, and it asks which it is.
    """
    listed = studio.tasks(project.number, include=("id", "data", *_TOUCHED), page_size=_MANY)
    found = Asked(number=len(listed))
    spare: list[int] = []
    # the touched ones first, then by number: the first of a picture stays
    for one in sorted(listed, key=lambda one: (not is_touched(one), int(one["id"]))):
        sha256, number = str(one["data"].get("byod_id", "")), int(one["id"])
        if len(sha256) != 64:
            continue  # somebody's own
        if is_touched(one):
            found.touched[sha256] = max(found.touched.get(sha256, -1), _seen(one))
            found.answers[sha256] = found.answers.get(sha256, 0) + int(one.get("total_annotations") or 0)
            if one.get("cancelled_annotations") and not found.answers[sha256]:
                found.skipped.add(sha256)
        elif sha256 in found.open or found.touched.get(sha256, -1) >= _seen(one):
            spare.append(number)
            continue
        else:
            found.open[sha256] = one
    if spare:
        delete(studio, project, spare)
        found.number -= len(spare)
    return found


def standing(studio: LabelStudio, project: Project, dataset: Dataset) -> Asked:
    """The tasks of a project as they are to be read with what the label log says."""
    there = look(studio, project)
    leave_answered(there, dataset, project.person)
    reopen(there, dataset)
    return there


def leave_answered(there: Asked, dataset: Dataset, person: str = "") -> None:
    """Count as touched what was answered and pulled, though the answer is gone from the server: a pull tells of it.

    In the queue of one person, what that person said counts, and not what others did.
    """
    verdicts = dataset.catalog.verdicts
    if person:
        said_of = verdicts.said_of(there.open)
        mine = {sha: [one for one in log if one[1].who == person] for sha, log in said_of.items()}
        holding = {sha: log[-1] for sha, log in mine.items() if log}
    else:
        holding = verdicts.numbered(there.open)
    for sha256, (number, said) in holding.items():
        if is_reviewers(said) and number > _seen(there.open[sha256]):
            del there.open[sha256]
            there.touched[sha256] = number


def reopen(there: Asked, dataset: Dataset) -> None:
    """Count as untouched what people differ about since they were asked: it is a question anew, beside the old one."""
    for sha256, (number, said) in dataset.catalog.verdicts.numbered(there.touched).items():
        if said.who == REVIEW and number > there.touched[sha256]:
            del there.touched[sha256]
            there.answers.pop(sha256, None)
            there.skipped.discard(sha256)


def _seen(task: Mapping[str, Any]) -> int:
    """The number of the last verdict in the label log when a task was made."""
    return int(task["data"].get("seen") or 0)


def is_touched(task: Mapping[str, Any]) -> bool:
    """True if somebody answered, skipped or began to answer a task."""
    return any(task.get(sign) for sign in _TOUCHED)


def plan(
    there: Asked,
    wanted: Sequence[ReviewTask],
    choices: Mapping[str, ShownChoice],
    *,
    in_place: bool = False,
) -> Plan:
    """Find what makes the open tasks those that are wanted, in their order; Label Studio shows them by number.

    Open tasks stay as long as they are in order: behind the first that is not, they are made anew. Among those of one
    tier the ones that are there come first. `in_place`: nothing is made anew.
    """
    asked = [task for task in wanted if task.sha256 not in there.touched]
    last = max((int(one["id"]) for one in there.open.values()), default=0)
    numbers = {sha256: int(one["id"]) for sha256, one in there.open.items()}
    asked.sort(key=lambda task: (task.tier, numbers.get(task.sha256, last + 1)))
    named = {task.sha256 for task in asked}
    made = Plan(gone=[number for sha256, number in numbers.items() if sha256 not in named])
    made.withdrawn = len(made.gone)
    stale = {task.sha256: says for task in asked if (says := _stale(there, task, choices))}
    made.refreshed = len(stale)
    before, anew = 0, False
    for task in asked:
        number = numbers.get(task.sha256)
        anew = anew or (not in_place and (number is None or number < before or len(stale) > _AT_ONCE))
        if anew:
            made.new.append(task)
            made.gone += [] if number is None else [number]
        elif task.sha256 in stale:
            made.changed.append((there.open[task.sha256], task, stale[task.sha256]))
        before = number or before
    return made


def _stale(there: Asked, task: ReviewTask, choices: Mapping[str, ShownChoice]) -> dict[str, Any]:
    """What the open task of a picture is to say, where it says something else now."""
    one = there.open.get(task.sha256)
    if one is None:
        return {}
    says = questions.data(task, choices)
    return says if any(one["data"].get(name) != says.get(name) for name in _SAYS) else {}


def carry_out(studio: LabelStudio, project: Project, plan: Plan) -> None:
    """Delete and change what is planned; the new tasks are imported afterwards."""
    if plan.gone:
        delete(studio, project, plan.gone)
    moved = [
        (one, task)
        for one, task, says in plan.changed
        if any(one["data"].get(name) != says.get(name) for name in ("label", "kind", "marks"))
    ]
    for one, _, says in plan.changed:
        studio.patch(f"/api/tasks/{one['id']}/", json={"data": {"image": one["data"].get("image"), **says}})
    if moved:
        act(studio, project, "delete_tasks_predictions", [int(one["id"]) for one, _ in moved])
        rows = [{"task": one["id"], **said} for one, task in moved for said in questions.predictions(task)]
        if rows:
            studio.post(f"/api/projects/{project.number}/import/predictions", json=rows)


def delete(studio: LabelStudio, project: Project, numbers: Iterable[int]) -> None:
    """Delete tasks by number, but for those that somebody has touched by now."""
    act(studio, project, "delete_tasks", numbers, _UNTOUCHED)


def act(
    studio: LabelStudio,
    project: Project,
    action: str,
    numbers: Iterable[int],
    filters: Sequence[Mapping[str, object]] = (),
) -> None:
    """Do what the data manager calls an action with the tasks of these numbers that pass the filters."""
    studio.post(
        "/api/dm/actions/",
        params={"id": action, "project": project.number},
        json={
            "selectedItems": {"all": False, "included": list(numbers)},
            "filters": {"conjunction": "and", "items": list(filters)},
            "project": project.number,
        },
    )
