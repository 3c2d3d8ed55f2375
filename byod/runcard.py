"""Reading `model.json`: the card of a run, of whichever task it is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from byod.errors import ModelError
from byod.modelcard import Card, ModelCard, PointsCard
from byod.records import Task

MAX_CARD_BYTES = 20_000_000


def read_card(run: Path) -> ModelCard | PointsCard:
    """`model.json` of a run folder, checked: a `PointsCard` for the task keypoints, else a `ModelCard`.

    Raises:
        ModelError: it is missing, or not what byod writes.
    """
    file = run / "model.json"
    if not file.is_file():
        raise ModelError(f"{run} is not a run: it has no model.json (a run is a folder in a dataset's runs/)")
    if file.stat().st_size > MAX_CARD_BYTES:
        raise ModelError(f"{file} is too large to be a model card")
    content = file.read_bytes()
    kind: type[ModelCard | PointsCard] = PointsCard if _task(content) == Task.KEYPOINTS else ModelCard
    try:
        card = kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"{file} is no model card of byod ({where + ': ' if where else ''}{first['msg']})"
        ) from error
    if isinstance(card, ModelCard):
        if len(set(card.classes)) != len(card.classes):
            raise ModelError(f"{file} names a class twice")
        if card.task is not Task.CLASSIFY:
            raise ModelError(f"{file} is no model card of byod (task: {card.task})")
    return card


class _Kind(BaseModel):
    """Of a card, what it is for."""

    task: Any = None


def _task(content: bytes) -> object:
    """What the card says it is for; None where it cannot be read that far (its check will say why)."""
    try:
        return _Kind.model_validate_json(content).task
    except ValidationError:
        return None


def class_card(run: Path) -> ModelCard:
    """The card of a run for classes.

    Raises:
        ModelError: as `read_card`, or it is a run for points.
    """
    card = read_card(run)
    if not isinstance(card, ModelCard):
        raise _other(run, card, "classes")
    return card


def points_card(run: Path) -> PointsCard:
    """The card of a run for points.

    Raises:
        ModelError: as `read_card`, or it is a run for classes.
    """
    card = read_card(run)
    if not isinstance(card, PointsCard):
        raise _other(run, card, "points")
    return card


def _other(run: Path, card: Card, wanted: str) -> ModelError:
    return ModelError(f"{run} is a model for {card.task}, not for {wanted}")


def model_file(file: Path, sha256: str) -> bytes:
    """The bytes of a model file, which must be the one that a card names.

    Raises:
        ModelError: it is missing, or another one.
    """
    if not file.is_file():
        raise ModelError(f"there is no {file.name} in {file.parent}")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{file} is not the file that model.json describes; train again, or restore it")
    return content
