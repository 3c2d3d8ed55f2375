"""What people said on a server since the last pull, read from its tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from byod.dataset.catalog.reviews import Progressed, ReadAnnotation
from byod.labeling.annotations import Read, picture, reference
from byod.labeling.annotations import read as read_annotations
from byod.labeling.client import PAGE, LabelStudio, passes
from byod.labeling.projects import Memory, Project, Remembered, existing
from byod.schema.records import Record

OVERLAP = timedelta(seconds=30)
"""How far back a pull reads again: a change is stamped before it can be seen."""
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"  # the only form Label Studio's filter takes without an error
_SAID = (
    *("id", "data", "updated_at", "annotations", "result", "was_cancelled", "completed_by", "updated_by"),
    *("created_at", "lead_time", "parent_prediction"),
)
_ANSWERED = passes("total_annotations", "greater", "Number", 0)
_SKIPPED = [
    passes("total_annotations", "equal", "Number", 0),
    passes("cancelled_annotations", "greater", "Number", 0),
]
_FEW = 50
"""As many annotations are read anew at every pull, since no clock and no count tells as surely what has changed."""
_PARTIAL = 20
"""After so many pulls of what has changed, everything is read again."""
_SLACK = timedelta(seconds=2)
"""A server's clock is not said to have gone back by less: it is told in whole seconds."""
_ASKED_AT_ONCE = 500  # pictures whose tasks are looked up in one request


class FetchedAnnotations(Record):
    """The annotations of one project that are new since the last pull, and how far they go.

    `current` are the annotations that were read, as they are now, and those that are gone; those in `deleted` went with
    their tasks.
    """

    project: Project
    read: Read
    progressed: Progressed
    current: tuple[ReadAnnotation, ...] = ()
    deleted: tuple[str, ...] = ()


def fetch(studio: LabelStudio, memory: Memory, *, whole: bool = False) -> list[FetchedAnnotations]:
    """Read what was said in all projects since the last pull, or ever (`whole`); does not look into the dataset.

    Raises:
        ReviewError: the server stopped answering; nothing is pulled then.
    """
    return [
        _fetched(studio, project, memory.of(project.queue), whole) for project in existing(studio, memory)
    ]


def _fetched(studio: LabelStudio, project: Project, before: Remembered, whole: bool) -> FetchedAnnotations:
    """Fetch what is new in a project: what its clock says has changed, or all where clock or counts say otherwise.

    Where it takes several pages, something may have been said in a task of an earlier page meanwhile: how far the
    pull goes is then told by the first page alone.
    """
    same = before.number == project.number
    known = {ref: one for ref, one in before.known.items() if same}
    progressed = before.progressed if same else Progressed()
    clock = studio.clock
    since = "" if whole or _all_is_read(progressed, known, clock) else progressed.updated_at
    changed = _answered(studio, project, since)
    if since and _count(known, changed) != project.annotations:
        since, changed = "", _answered(studio, project, "")
    people = studio.people() if changed else {}
    current, deleted = _compared(studio, project, known, changed, whole=not since)
    latest = max([since, *(str(task["updated_at"]) for task in changed[:PAGE])], key=_moment)
    if clock is not None and _moment(latest) > clock:  # stamped by a clock that was put back since
        latest = clock.isoformat()
    return FetchedAnnotations(
        project=project,
        read=read_annotations(changed, project.purpose, people),
        progressed=Progressed(
            updated_at=latest,
            clock="" if clock is None else clock.isoformat(),
            partial=progressed.partial + 1 if since else 0,
        ),
        current=tuple(current),
        deleted=tuple(deleted),
    )


def _all_is_read(progressed: Progressed, known: Mapping[str, ReadAnnotation], clock: datetime | None) -> bool:
    """True if what has changed cannot be told by the time at which it did."""
    if not progressed.updated_at or len(known) <= _FEW or progressed.partial >= _PARTIAL or clock is None:
        return True
    return clock < max(_moment(progressed.updated_at), _moment(progressed.clock)) - _SLACK


def _answered(studio: LabelStudio, project: Project, since: str) -> list[dict[str, Any]]:
    """The tasks of a project that somebody answered or skipped, those changed since a moment."""
    changed: list[dict[str, object]] = []
    if since:
        moment = (datetime.fromisoformat(since) - OVERLAP).astimezone(UTC).strftime(_STAMP)
        changed = [passes("updated_at", "greater", "Datetime", moment)]
    found: list[dict[str, Any]] = []
    for filters in ([_ANSWERED, *changed], [*_SKIPPED, *changed]):
        tasks = studio.tasks(project.number, include=_SAID, filters=filters)
        if any("result" not in annotation for task in tasks for annotation in task["annotations"]):
            tasks = studio.tasks(project.number, filters=filters)  # a server that takes `include` otherwise
        found += tasks
    return found


def _count(known: Mapping[str, ReadAnnotation], changed: Sequence[Mapping[str, Any]]) -> int:
    """The number of annotations that a project has if nothing but these tasks has changed."""
    tasks = {int(task["id"]) for task in changed}
    still = sum(1 for one in known.values() if one.task not in tasks and (one.skipped or not one.gone))
    return still + sum(len(task["annotations"]) for task in changed)


def _compared(
    studio: LabelStudio,
    project: Project,
    known: Mapping[str, ReadAnnotation],
    changed: Sequence[Mapping[str, Any]],
    *,
    whole: bool,
) -> tuple[list[ReadAnnotation], list[str]]:
    """The annotations of these tasks and the known ones that are gone from them; and those gone with their task."""
    current: dict[str, ReadAnnotation] = {}
    for task in changed:
        sha256 = picture(task)
        for annotation in task["annotations"]:
            if sha256 and (name := reference(annotation)):
                skipped = bool(annotation.get("was_cancelled"))
                current[name] = ReadAnnotation(
                    reference=name,
                    sha256=sha256,
                    task=int(task["id"]),
                    skipped=skipped,
                    gone=skipped and name in known and (known[name].gone or not known[name].skipped),
                )
    tasks = {int(task["id"]) for task in changed}
    missing = [one for ref, one in known.items() if ref not in current and (whole or one.task in tasks)]
    there = _tasks_of(studio, project, {one.sha256 for one in missing})
    gone = [one.model_copy(update={"gone": True, "skipped": False}) for one in missing if one.task in there]
    return [*current.values(), *gone], [one.reference for one in missing if one.task not in there]


def _tasks_of(studio: LabelStudio, project: Project, pictures: Collection[str]) -> set[int]:
    """The numbers of the tasks that ask about some pictures."""
    found: set[int] = set()
    ordered = sorted(pictures)
    for at in range(0, len(ordered), _ASKED_AT_ONCE):
        some = ordered[at : at + _ASKED_AT_ONCE]
        filters = [passes("data.byod_id", "in_list", "List", some)]
        found |= {int(task["id"]) for task in studio.tasks(project.number, include=("id",), filters=filters)}
    return found


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp) if stamp else datetime.min.replace(tzinfo=UTC)
