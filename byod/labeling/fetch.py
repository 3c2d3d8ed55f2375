"""What people said on a server since the last pull, read from its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from byod.labeling.annotations import Read
from byod.labeling.annotations import read as read_annotations
from byod.labeling.client import PAGE, LabelStudio, passes
from byod.labeling.projects import Project, Remembered, existing
from byod.schema.records import Record

OVERLAP = timedelta(seconds=30)
"""How far back a pull reads again: a change is stamped before it can be seen."""
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"  # the only form Label Studio's filter takes without an error
_SAID = (
    *("id", "data", "updated_at", "annotations", "result", "was_cancelled", "completed_by", "updated_by"),
    *("created_at", "lead_time", "parent_prediction"),
)
_ANSWERED = passes("total_annotations", "greater", "Number", 0)


class FetchedAnnotations(Record):
    """The new annotations of one project since the last pull, and how far they go."""

    project: Project
    read: Read
    updated_at: str


def fetch(studio: LabelStudio, wanted: Sequence[Remembered]) -> list[FetchedAnnotations]:
    """Read what was said in all projects since the last pull; does not look into the dataset.

    Raises:
        ReviewError: the server stopped answering; nothing is pulled then.
    """
    updated_at = {(one.purpose, one.number): one.updated_at for one in wanted}
    return [
        _fetched(studio, project, updated_at.get((project.purpose, project.number), ""))
        for project in existing(studio, wanted)
    ]


def _fetched(studio: LabelStudio, project: Project, updated_at: str) -> FetchedAnnotations:
    """Fetch the annotations of a project since a moment.

    Where it takes several pages, something may have been said in a task of an earlier page meanwhile: how far the
    pull goes is then told by the first page alone.
    """
    filters = [_ANSWERED]
    if updated_at:
        since = (datetime.fromisoformat(updated_at) - OVERLAP).astimezone(UTC).strftime(_STAMP)
        filters.append(passes("updated_at", "greater", "Datetime", since))
    changed = studio.tasks(project.number, include=_SAID, filters=filters)
    if any("result" not in annotation for task in changed for annotation in task["annotations"]):
        changed = studio.tasks(project.number, filters=filters)  # a server that takes `include` otherwise
    people = studio.people() if changed else {}
    latest = max([updated_at, *(str(task["updated_at"]) for task in changed[:PAGE])], key=_moment)
    return FetchedAnnotations(
        project=project, read=read_annotations(changed, project.purpose, people), updated_at=latest
    )


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp) if stamp else datetime.min.replace(tzinfo=UTC)
