"""Check a person's word on a picture against what the model knows."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from byod.schema.keypoints import Head, Keypoint, Keypoints, is_inside
from byod.schema.records import Task
from byod.web.schemas import About, HeadTruth, Truth

MAX_BYTES = 200_000


def read(content: bytes | None, about: About) -> tuple[str | None, Keypoints | None]:
    """The label (None: none of the classes) or the marks in the part `truth` of a form.

    Raises:
        HTTPException: 400 with a line that says what is wrong with it.
    """
    if not content or len(content) > MAX_BYTES:
        raise _wrong("it is missing or too long")
    try:
        truth = Truth.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _wrong(f"{where}: {first['msg']}" if where else first["msg"]) from None
    if about.task is Task.CLASSIFY:
        return _label(truth, about), None
    return None, _marks(truth, about)


def _label(truth: Truth, about: About) -> str | None:
    if "label" not in truth.model_fields_set or truth.heads is not None:
        raise _wrong("this model is about classes: send label, null for none of them")
    if truth.label is not None and truth.label not in about.classes:
        raise _wrong("label is none of the model's classes; send null for none of them")
    return truth.label


def _marks(truth: Truth, about: About) -> Keypoints:
    if truth.heads is None or truth.width is None or truth.height is None or truth.label is not None:
        raise _wrong("this model is about points: send heads, and the picture's width and height")
    names = about.points.names if about.points else ()
    heads = tuple(_head(head, names, truth.width, truth.height) for head in truth.heads)
    return Keypoints(width=truth.width, height=truth.height, heads=heads)


def _head(head: HeadTruth, names: tuple[str, ...], width: int, height: int) -> Head:
    if not set(head.points) <= set(names):
        raise _wrong("a head has a point that the model does not know")
    points = {name: _point(head.points.get(name), width, height) for name in names}
    if not any(points.values()) and head.box is None:
        raise _wrong("a head has neither a point nor a box")
    return Head(points=points, box=head.box)


def _point(place: tuple[float, float] | None, width: int, height: int) -> Keypoint | None:
    return (
        None if place is None else Keypoint(x=place[0], y=place[1], inside=is_inside(*place, width, height))
    )


def _wrong(why: str) -> HTTPException:
    return HTTPException(400, f"truth: {' '.join(why.split())[:300]}")
