"""Questions to a project: each picture once, by its hash, in batches with one writer.

Importing is not idempotent in Label Studio, and a request that byod did not live to see answered may still be
carried out. So each batch is noted before it leaves. After a push that was cut off the next one waits for the batch
under way, and removes what came twice before anything is added and again at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from byod.dataset.dataset_folder import Dataset
from byod.labeling.client import LabelStudio
from byod.labeling.image_urls import Addressed
from byod.labeling.projects import POINTS, POINTS_TYPE, Project, choice
from byod.schema.keypoints import Keypoints, is_inside
from byod.schema.progress import Progress
from byod.schema.records import Record
from byod.schema.review_tasks import FOLDER, ReviewTask

BATCH = 1000
_IMPORT_SECONDS = 600.0
_LOOK_SECONDS = 0.5
_MANY = 2000  # tasks a page, where only little is asked of each
_TOUCHED = ("total_annotations", "cancelled_annotations", "draft_exists")
_WAIT_SECONDS = 20.0
POINT_WIDTH = 0.6
"""How large a point is drawn, in percent of the picture's width."""


class Pushed(Record):
    """The result of a push: tasks added, those that were there already, and pictures that cannot be shown."""

    project: Project
    added: int
    already: int
    unshown: int = 0

    @property
    def summary(self) -> str:
        """The result in one line."""
        unshown = f", {self.unshown} cannot be shown" if self.unshown else ""
        return (
            f"{self.project.purpose}: {self.added} pictures added, {self.already} were there already{unshown}: "
            f"{self.project.url}"
        )


def push(
    dataset: Dataset,
    studio: LabelStudio,
    server: str,
    project: Project,
    wanted: Sequence[ReviewTask],
    address: Addressed,
    progress: Progress,
) -> Pushed:
    """Ask what the project does not ask yet; the rest stays as it is.

    Raises:
        ReviewError: the server stopped answering; the same push goes on where it was.
    """
    reviews = dataset.catalog.reviews
    cut_off = reviews.pushing(server, project.purpose)
    if cut_off:
        _await(studio, project, cut_off)
    known = _drop_doubles(studio, project) if cut_off or project.tasks else {}
    there = sum(known.values())
    new = [each for each in wanted if each.sha256 not in known]

    def expect(tasks: int) -> None:
        with dataset.catalog.transaction():
            reviews.set_pushing(server, project.purpose, tasks)

    pushed = Pushed(project=project, added=0, already=len(wanted) - len(new))
    if new:
        pushed = _import(studio, pushed, new, address, progress, lambda sent: expect(there + sent))
    if cut_off:
        _drop_doubles(studio, project)
    expect(0)
    return pushed


def _import(
    studio: LabelStudio,
    pushed: Pushed,
    new: Sequence[ReviewTask],
    address: Addressed,
    progress: Progress,
    expect: Callable[[int], None],
) -> Pushed:
    """Send the tasks; the previews of the next batch are made while the server works on this one.

    `expect` is told before each batch how many will have been added with it.
    """
    added = unshown = 0
    progress(0, len(new))
    for batch, addresses in _prepared(new, address):
        tasks: list[Any] = [task(each, addresses[each.sha256]) for each in batch if each.sha256 in addresses]
        if tasks:
            expect(added + len(tasks))
            # not through the SDK, which looks at every value of every task again before it sends them
            studio.post(f"/api/projects/{pushed.project.number}/import", json=tasks, timeout=_IMPORT_SECONDS)
        added += len(tasks)
        unshown += len(batch) - len(tasks)
        progress(added + unshown, len(new))
    return pushed.model_copy(update={"added": added, "unshown": unshown})


def _prepared(
    wanted: Sequence[ReviewTask], address: Addressed
) -> Iterator[tuple[Sequence[ReviewTask], dict[str, str]]]:
    batches = [wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)]
    with ThreadPoolExecutor(max_workers=1) as ahead:
        coming = ahead.submit(address, [each.sample for each in batches[0]])
        for number, batch in enumerate(batches):
            addresses = coming.result()
            if number + 1 < len(batches):
                coming = ahead.submit(address, [each.sample for each in batches[number + 1]])
            yield batch, addresses


def task(wanted_task: ReviewTask, image: str) -> Any:
    """A task as Label Studio imports it; all that byod must know again stands in `data`."""
    data = {
        "image": image,
        "byod_id": wanted_task.sha256,
        "file": wanted_task.file,
        "label": wanted_task.label,
        "seen": wanted_task.last_verdict,
        "suspicion": round(wanted_task.suspicion, 4),
        "question": wanted_task.text,
    }
    if wanted_task.keypoints is not None:
        data["marks"] = wanted_task.keypoints.digest
    predictions = [
        {
            "model_version": prediction.by,
            **({} if prediction.score is None else {"score": round(prediction.score, 4)}),
            "result": [choice(prediction.label)],
        }
        # the folder's last: Label Studio preselects that, and keeps to whoever came last in the first import
        for prediction in sorted(wanted_task.predictions, key=lambda each: each.by == FOLDER)
    ]
    if wanted_task.keypoints is not None and (drawn := list(points_result(wanted_task.keypoints))):
        predictions.append({"model_version": FOLDER, "result": drawn})
    return {"data": data, "predictions": predictions}


def points_result(keypoints: Keypoints) -> Iterator[dict[str, Any]]:
    """Points as Label Studio draws them, in percent of the picture; those outside of the frame are not drawn.

    The number of a point's object stands in its id, which stays when somebody drags it.
    """
    for number, instance in enumerate(keypoints.heads):
        for name, point in instance.points.items():
            if point is None or not is_inside(point.x, point.y, keypoints.width, keypoints.height):
                continue
            yield {
                "id": f"h{number}.{name}",
                "from_name": POINTS,
                "to_name": "image",
                "type": POINTS_TYPE,
                "original_width": keypoints.width,
                "original_height": keypoints.height,
                "image_rotation": 0,
                "value": {
                    "x": 100.0 * point.x / keypoints.width,
                    "y": 100.0 * point.y / keypoints.height,
                    "width": POINT_WIDTH,
                    POINTS_TYPE: [name],
                },
            }


def _await(studio: LabelStudio, project: Project, expected: int) -> None:
    """Wait until the server has carried out what a push that was cut off had asked for, if it ever received it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if int(studio.get(f"/api/projects/{project.number}/")["task_number"]) >= expected:
            return
        time.sleep(_LOOK_SECONDS)


def _drop_doubles(studio: LabelStudio, project: Project) -> dict[str, int]:
    """Count the tasks of each picture in a project: one, since further ones that nobody has touched are deleted.

    Answers and drafts are never deleted.
    """
    known: dict[str, list[int]] = {}
    touched: set[int] = set()
    for one in studio.tasks(project.number, include=("id", "data", *_TOUCHED), page_size=_MANY):
        known.setdefault(str(one["data"].get("byod_id", "")), []).append(int(one["id"]))
        if any(one.get(sign) for sign in _TOUCHED):
            touched.add(int(one["id"]))
    spare: list[int] = []
    for sha256, numbers in known.items():
        first = min((number for number in numbers if number in touched), default=min(numbers))
        spare += [number for number in numbers if sha256 and number != first and number not in touched]
    if spare:
        delete_tasks(studio, project, spare)
    gone = set(spare)
    return {sha256: sum(n not in gone for n in numbers) for sha256, numbers in known.items()}


def delete_tasks(studio: LabelStudio, project: Project, numbers: Iterable[int]) -> None:
    """Delete tasks by number."""
    chosen = {"all": False, "included": list(numbers)}
    studio.post(
        "/api/dm/actions/",
        params={"id": "delete_tasks", "project": project.number},
        json={
            "selectedItems": chosen,
            "filters": {"conjunction": "and", "items": []},
            "project": project.number,
        },
    )
