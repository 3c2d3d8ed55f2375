"""A task as Label Studio takes it: where the picture stands, what models think, and which key accepts that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from byod.labeling.labeling_page import POINTS, POINTS_TYPE, ShownChoice, choice
from byod.schema.keypoints import Keypoints, is_inside
from byod.schema.review_tasks import FOLDER, Kind, ReviewTask, RunPrediction

POINT_WIDTH = 0.6
"""How large a point is drawn, in percent of the picture's width."""

BLIND = "Which class is it?"
"""The question of whoever sees no label."""
_SIGN = " ▸ "
"""Before each prediction of a model in a question."""


def task(wanted_task: ReviewTask, image: str, choices: Mapping[str, ShownChoice]) -> dict[str, Any]:
    """A task as Label Studio imports it."""
    return {
        "data": {"image": image, **data(wanted_task, choices)},
        "predictions": list(predictions(wanted_task)),
    }


def data(wanted_task: ReviewTask, choices: Mapping[str, ShownChoice]) -> dict[str, Any]:
    """What a task says beside its picture; all that byod must know again stands here."""
    told: dict[str, Any] = {
        "byod_id": wanted_task.sha256,
        "file": wanted_task.file,
        "kind": str(wanted_task.kind),
        "label": wanted_task.label,
        "seen": wanted_task.last_verdict,
        "suspicion": round(wanted_task.suspicion, 4),
        "question": question(wanted_task.text, wanted_task.label, wanted_task.predictions, choices),
    }
    if wanted_task.blind and wanted_task.kind is not Kind.POINTS:  # a task's data can be looked at, too
        told |= {"file": "", "kind": str(Kind.LABEL), "label": "", "suspicion": 0.0, "question": BLIND}
    if wanted_task.draw:
        told["draw"] = wanted_task.draw
    if wanted_task.keypoints is not None:
        told["marks"] = wanted_task.keypoints.digest
    return told


def predictions(wanted_task: ReviewTask) -> Iterator[dict[str, Any]]:
    """The predictions of a task, the folder's last: Label Studio keeps to whoever came last in the first import."""
    if wanted_task.blind:
        return
    yield from (
        {
            "model_version": prediction.by,
            **({} if prediction.score is None else {"score": round(prediction.score, 4)}),
            "result": [choice(prediction.label)],
        }
        for prediction in sorted(wanted_task.predictions, key=lambda each: each.by == FOLDER)
    )
    if wanted_task.keypoints is not None and (drawn := list(points_result(wanted_task.keypoints))):
        yield {"model_version": FOLDER, "result": drawn}


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


def question(
    text: str, label: str, predictions: Iterable[RunPrediction], choices: Mapping[str, ShownChoice]
) -> str:
    """A question with what models think of the picture beside it.

    The folder's label is the chosen one, whatever a model says: one key accepts the model's, and no habit does.
    """
    told = [said(one, label, choices) for one in predictions if one.by != FOLDER and one.score is not None]
    return text + "".join(f"{_SIGN}{line}" for line in told)


def said(prediction: RunPrediction, label: str, choices: Mapping[str, ShownChoice]) -> str:
    """What a model thinks of a picture that stands under a label, on one line."""
    shown = choices.get(prediction.label)
    name = shown.name if shown else prediction.label
    line = f"{prediction.by}: {name} {prediction.score or 0:.0%}"
    if prediction.label == label:
        return f"{line}, as it stands"
    return f"{line} (key {shown.key})" if shown and shown.key else line


def with_said(text: str, line: str, by: str) -> str:
    """A question with one more line of a model; what the same model said before is replaced."""
    first, *told = text.split(_SIGN)
    kept = [other for other in told if not other.startswith(f"{by}: ")]
    return _SIGN.join([first, *kept, line])
