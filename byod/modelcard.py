"""What training leaves behind, in order of appearance: input rule, predictions, metrics, and the model card."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from byod.records import Reason, Record, Sha256, Split, Task


class Resize(StrEnum):
    """How a picture is brought to the size of a net's input."""

    SQUISH = "squish"
    CROP = "crop"
    PAD = "pad"


class InputRule(Record):
    """What a net's input looks like: its size in pixels and how pictures are brought to it."""

    width: int = Field(ge=8, le=2048)
    height: int = Field(ge=8, le=2048)
    resize: Resize = Resize.SQUISH


class Prediction(Record):
    """What a model says of one picture: the likeliest class, and the probability (0..1) of every class."""

    path: str
    label: str
    probability: float
    probabilities: dict[str, float]


class Unreadable(Record):
    """A picture that could not be opened for predicting, and why."""

    path: str
    reason: Reason
    error: str


class ClassScore(Record):
    """How well one class is recognised; all but `pictures` in 0..1, None where nothing was there to count."""

    precision: float | None
    recall: float | None
    f1: float | None
    pictures: int


class Measured(StrEnum):
    """What a run's metrics were measured on."""

    TEST = "test"
    CROSS_VALIDATION = "cross-validation"


class Metrics(Record):
    """What the exported file achieves on pictures it has never seen.

    `interval` is the 95 % interval of the accuracy (bootstrap over duplicate groups). `confusion[i][j]` counts
    pictures of class i called class j. `ece` is the expected calibration error (15 bins), `ece_raw` the one
    without the temperature. `folds` are the accuracies of the parts of a cross-validation.
    """

    measured_on: Measured
    pictures: int
    unreadable: int = 0
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    log_loss: float
    ece: float
    ece_raw: float
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]
    folds: tuple[float, ...] = ()


class ModelCard(Record):
    """`model.json`: what a run's `model.onnx` is, was made from, and achieves.

    `classes` are in the order of the probabilities. `model_sha256` names the `model.onnx` it belongs to.
    `fingerprint` is the dataset's at the moment of training, `licences` counts its pictures by licence.
    """

    format: int = 1
    run: str
    created: datetime
    task: Task
    plugin: str
    arch: str
    pretrained: str
    classes: tuple[str, ...] = Field(min_length=2)
    input: InputRule
    temperature: float = Field(gt=0)
    parity: float
    model_sha256: Sha256
    metrics: Metrics
    counts: dict[Split, dict[str, int]]
    fingerprint: str
    licences: dict[str, int]
    parameters: int
    device: str
    seed: int
    seconds: float
    options: dict[str, JsonValue]
    notes: dict[str, JsonValue] = {}
    versions: dict[str, str]
    command: str
