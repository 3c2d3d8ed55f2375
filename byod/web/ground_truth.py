"""Check a person's word on a picture against what the model knows."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from byod.schema.keypoints import Keypoints
from byod.schema.serving import ServedModel, Truth

MAX_BYTES = 200_000


def read(content: bytes | None, model: ServedModel) -> tuple[str | None, Keypoints | None]:
    """The label (None: none of the classes) or the keypoints in the part `truth` of a form.

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
    try:
        return model.truth(truth)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _wrong(why: str) -> HTTPException:
    return HTTPException(400, f"truth: {' '.join(why.split())[:300]}")
