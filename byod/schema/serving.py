"""The records of a served model, and the protocol of a task that answers pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field, JsonValue

from byod.schema.keypoints import Box, Keypoints, KeypointSet, Pixels
from byod.schema.model_card import Card, InputRule
from byod.schema.model_graph import Typicality
from byod.schema.records import Record, TaskName

NO_PATH = "-"
"""What stands for a path: a client's names of files are never looked at."""


class Look(Record):
    """A map of where a model looked: where covering the picture took certainty away (warm) or gave some (cold).

    `veil` is a see-through PNG as a data: address, to be laid over the box `area` (x0, y0, x1, y1 in pixels of the
    upright picture; it may reach beyond it). `least` is the lowest probability of `label` (0..1) with a place
    covered. `clear` is false when no place mattered to speak of.
    """

    label: str
    veil: str
    area: Box
    least: float
    clear: bool


class ClassesSaid(Record):
    """The prediction of a classifier for a picture of `width` x `height` pixels, upright.

    `unsure`: the likeliest class is too improbable to be named; to be shown as "none of these". So is a picture that
    is too little like those the model learned from: `none_of_these` by its `typicality` (null: the model says neither).
    """

    path: str = NO_PATH
    width: int
    height: int
    label: str
    probability: float
    probabilities: dict[str, float]
    unsure: bool
    typicality: float | None = None
    none_of_these: bool | None = None
    look: Look | None = None


class Taken(Record):
    """The limits of an upload: picture types, bytes and pixels of one picture; a JPEG may have `jpeg_pixels`."""

    types: tuple[str, ...]
    bytes: int
    pixels: int
    jpeg_pixels: int | None = None


class About(Record):
    """The model behind the page.

    `classes`, `unsure_below` (the probability below which an answer counts as unsure) and `typicality` (null: the
    model does not say how much a picture is like those it learned from) are those of a model of classes, `points` and
    `threshold` (the least confidence of an object that is told) those of a model of points. `reports`: whether
    corrections are kept here. `look`: whether it can be asked what the model looked at. `metrics` are the card's own
    words on how good it is.
    """

    run: str
    task: TaskName
    arch: str
    plugin: str
    created: str
    input: InputRule
    classes: tuple[str, ...] = ()
    unsure_below: float | None = None
    typicality: Typicality | None = None
    points: KeypointSet | None = None
    threshold: float | None = None
    look: bool
    reports: bool
    takes: Taken
    metrics: dict[str, object]


class InstanceTruth(Record):
    """One object as a person sees it: its points (x, y; null: cannot be seen) and, if drawn, its box."""

    points: dict[str, tuple[Pixels, Pixels] | None]
    box: Box | None = None


class Truth(Record):
    """A person's word on a picture: a class in `label` (null: none of them), or `heads` (empty: there is none).

    Points and boxes are in pixels of the upright picture, which has `width` x `height` of them.
    """

    label: str | None = None
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    heads: tuple[InstanceTruth, ...] | None = Field(default=None, max_length=50)


class ServedModel(Protocol):
    """A model that answers, from any thread."""

    @property
    def card(self) -> Card:
        """Its model card."""
        ...

    @property
    def said(self) -> type[Record]:
        """The record that it answers with."""
        ...

    def facts(self) -> Mapping[str, object]:
        """The fields of `About` that are its task's own."""
        ...

    def answer(self, content: bytes, *, look: bool, threshold: float | None = None) -> Record:
        """Predict a picture; with `look`, also where the model looked, if it can say so.

        `threshold` (0..1) stands for the model's own, if it has one.

        Raises:
            PictureError: the picture cannot be opened.
        """
        ...

    def truth(self, truth: Truth) -> tuple[str | None, Keypoints | None]:
        """A person's word on a picture as label (None: none of the classes) or keypoints.

        Raises:
            ValueError: it is not about what the model knows; says what is wrong with it.
        """
        ...


class Serving(Protocol):
    """The way a task's runs are served."""

    def opened(self, run: Path, *, unsure_below: float, threads: int) -> ServedModel:
        """The model of a run, opened and checked; an answer below `unsure_below` (0..1) counts as unsure.

        Raises:
            ModelError: the run cannot be used.
        """
        ...

    def nets(self, card: Any) -> Mapping[str, str]:
        """The model files that a page in the browser runs, by the names that it knows them by."""
        ...

    def page_rule(self, card: Any) -> dict[str, JsonValue] | None:
        """The facts a page in the browser needs to make answers of their outputs, beside those of `About`."""
        ...

    def apart(self, card: Any, answers: Sequence[tuple[Any, Any]]) -> float:
        """The distance of two models' answers to the same pictures, in shares of what counts as the same (up to 1).

        Infinite where they do not see the same.
        """
        ...
