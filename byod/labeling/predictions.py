"""Predictions of a model in Label Studio: from a backend it may ask, or written beforehand.

Label Studio asks a connected model only when it opens a task that has no prediction at all; the tasks that byod pushes
have one, the folder's. So the predictions of a run are also written, under the run's name, for every open task without.
The folder's label is always the one that is chosen already: whoever confirms without looking changes nothing.

https://labelstud.io/guide/ml (connecting), https://labelstud.io/guide/predictions (predictions)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from byod.labeling import questions
from byod.labeling.client import LabelStudio, passes
from byod.labeling.identity import key, queue_of
from byod.labeling.labeling_page import ShownChoice, choice, shown
from byod.schema.errors import ReviewError
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.schema.review_tasks import FOLDER, Purpose, RunPrediction

TITLE = "byod"
"""What the helper is called in a project; were it the run's name, a stopped helper would hide predictions."""
BATCH = 500
"""Tasks whose predictions are written at a time: a request costs the server about a second, however few it brings."""

_BANNED = "reserved network address"


class PredictedLabel(Record):
    """A model's prediction of a picture: a class folder, and how sure it is (0..1)."""

    label: str
    score: float


Answers = Callable[[Sequence[str]], Sequence[PredictedLabel | None]]
"""SHA-256s of pictures to predictions in the same order; None for a picture the model cannot say anything of."""


def prediction(said: PredictedLabel, model: str) -> dict[str, Any]:
    """A prediction as Label Studio takes it; `label` is the alias of a choice in the projects byod makes."""
    return {"model_version": model, "score": said.score, "result": [choice(said.label)]}


def projects_of(studio: LabelStudio, dataset: Path) -> list[int]:
    """The projects on this server in which people are asked for labels of a dataset and may see what a model says.

    Raises:
        ReviewError: the server cannot be used.
    """
    name = key(dataset)
    told = ((int(one["id"]), queue_of(name, str(one.get("description") or ""))) for one in studio.projects())
    return [
        number
        for number, queue in told
        if queue is not None and queue.purpose is not Purpose.POINTS and not queue.blind
    ]


def attach(studio: LabelStudio, project: int, url: str, say: Say) -> int:
    """Connect the helper at `url` (it must answer already) to a project; return the connection's number.

    A helper of byod that was connected before is replaced, so that there is never more than one. The webhook that
    Label Studio adds is removed again: byod asks for changes itself, and nobody's click should wait for it.

    Raises:
        ReviewError: the server refuses the address, or cannot reach it.
    """
    kept = _tidied(studio, project, url, say)
    if kept is not None:
        return kept
    try:
        made = studio.post(
            "/api/ml/", json={"project": project, "url": url, "title": TITLE, "is_interactive": False}
        )
    except ReviewError as error:
        raise _refused(studio, url, error) from error
    _drop_webhook(studio, project, url)
    return int(made["id"])


def _tidied(studio: LabelStudio, project: int, url: str, say: Say) -> int | None:
    """The connection to `url` that is there; connections to earlier helpers of byod are removed."""
    kept = None
    for one in studio.get("/api/ml/", params={"project": project}):
        if one["title"] != TITLE:
            say(
                f"project {project} has another model connected ({one['title']}); Label Studio asks the older one"
            )
        elif kept is None and str(one["url"]).rstrip("/") == url.rstrip("/"):
            kept = int(one["id"])
        else:
            _remove(studio, project, int(one["id"]), str(one["url"]))
    return kept


def _refused(studio: LabelStudio, url: str, error: ReviewError) -> ReviewError:
    if _BANNED in str(error):
        return ReviewError(
            f"the Label Studio at {studio.url} asks no model on its own machine ({url}); start it with "
            "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS=false and LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS="
            "10.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,fe80::/10"
        )
    if "health check" in str(error):
        return ReviewError(
            f"the Label Studio at {studio.url} cannot reach {url}; it must run on this machine"
        )
    return error


def detach(studio: LabelStudio, project: int, connection: int, url: str) -> None:
    """Take a helper out of a project; what it said stays.

    Raises:
        ReviewError: the server cannot be used.
    """
    _remove(studio, project, connection, url)


def _remove(studio: LabelStudio, project: int, connection: int, url: str) -> None:
    studio.delete(f"/api/ml/{connection}")
    _drop_webhook(studio, project, url)


def _drop_webhook(studio: LabelStudio, project: int, url: str) -> None:
    for hook in studio.get("/api/webhooks/", params={"project": project}):
        if hook["url"] == f"{url.rstrip('/')}/webhook" and hook["project"] == project:
            studio.delete(f"/api/webhooks/{hook['id']}/")


def lacking(studio: LabelStudio, project: int, model: str) -> list[tuple[int, dict[str, Any]]]:
    """The open tasks of a project without a prediction of this model: number and data."""
    filters = [
        passes("predictions_model_versions", "not_contains", "List", [model]),
        passes("total_annotations", "equal", "Number", 0),
    ]
    tasks = studio.tasks(project, include=("id", "data"), filters=filters)
    return [(int(task["id"]), task["data"]) for task in tasks if task["data"].get("byod_id")]


def write(studio: LabelStudio, project: int, model: str, answers: Answers, say: Say) -> int:
    """Write the model's prediction for every open task that lacks one; return how many were written.

    It is written into the question, too, since Label Studio shows people the chosen label's prediction alone. Stopped
    halfway, it goes on where it was: what is written is no longer lacking.

    Raises:
        ReviewError: the server cannot be used.
    """
    open_tasks = lacking(studio, project, model)
    written = 0
    choices = shown(str(studio.project(project, "label_config")["label_config"])) if open_tasks else {}
    for at in range(0, len(open_tasks), BATCH):
        some = open_tasks[at : at + BATCH]
        said = answers([str(data["byod_id"]) for _, data in some])
        rows = [
            {"task": task, **prediction(one, model)}
            for (task, _), one in zip(some, said, strict=True)
            if one is not None
        ]
        if rows:
            for (task, data), one in zip(some, said, strict=True):
                if one is not None:
                    _tell(studio, task, data, one, model, choices)
            studio.post(f"/api/projects/{project}/import/predictions", json=rows)
            written += len(rows)
        if left := len(open_tasks[at + BATCH :]):
            say(f"project {project}: {written} predictions written, {left} tasks to go")
    return written


def _tell(
    studio: LabelStudio,
    task: int,
    data: dict[str, Any],
    said: PredictedLabel,
    model: str,
    choices: Mapping[str, ShownChoice],
) -> None:
    """Have a task's question say what a model thinks of the picture."""
    one = RunPrediction(by=model, label=said.label, score=said.score)
    line = questions.said(one, str(data.get("label", "")), choices)
    question = questions.with_said(str(data.get("question", "")), line, model)
    if question != data.get("question"):
        studio.patch(f"/api/tasks/{task}/", json={"data": {**data, "question": question}})


def choose_folder(studio: LabelStudio, project: int) -> None:
    """Have the folder's label chosen already in a project, and never a model's."""
    chosen = studio.project(project, "model_version").get("model_version")
    if chosen != FOLDER and FOLDER in studio.get(f"/api/projects/{project}/model-versions/"):
        studio.patch(f"/api/projects/{project}/", json={"model_version": FOLDER})
