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
    FOLDER = "folder"


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


class LrFinder(Record):
    """The learning-rate finder's curve: losses at rising rates, the rate it suggests, and the one that was used."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float
    used: float


class Paired(Record):
    """Two models on the same pictures: whether their difference is more than chance.

    `difference` is accuracy of the first minus the second (-1..1) with its 95 % interval (bootstrap over duplicate
    groups), `p_value` that of an exact sign test over the groups on which one of the two is right more often.
    """

    pictures: int
    difference: float
    interval: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float


class Probe(Record):
    """The instant bar on the same split: a simple classifier that learns in seconds, and the model against it."""

    plugin: str
    arch: str
    pretrained: str
    metrics: Metrics
    seconds: float
    against: Paired


class Suspect(Record):
    """A picture whose label is probably wrong.

    `file` is the end of its path; `label` what it is called, `suggested` what the other pictures speak for;
    `quality` is the out-of-fold probability of its label against the best other one, 0..1, lowest first.
    """

    sha256: Sha256
    file: str
    label: str
    suggested: str
    quality: float


class ModelCard(Record):
    """`model.json`: what a run's `model.onnx` is, was made from, and achieves.

    `classes` are in the order of the probabilities. `model_sha256` names the `model.onnx` it belongs to.
    `fingerprint` is the dataset's at the moment of training, `licences` counts its pictures by licence.
    `suspects` counts the pictures whose labels are doubted (None: nobody looked).
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
    probe: Probe | None = None
    lr_finder: LrFinder | None = None
    suspects: int | None = None


class Contender(Record):
    """One run in a comparison, measured on the pictures that all of its runs can be judged by.

    `seconds` is how long it trained, `milliseconds` what one picture takes to predict on this machine, decoding
    included; `model_bytes` is the size of its model.onnx.
    """

    run: str
    plugin: str
    arch: str
    pretrained: str
    parameters: int
    device: str
    model_bytes: int
    seconds: float
    milliseconds: float
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    ece: float


class Comparison(Record):
    """Runs side by side on the same pictures, in the order they were named.

    `pictures` counts what all were judged by, `note` says in a line which they are. `pairs` are (first run, second
    run, how they differ); `classes` are in the order of the first run.
    """

    runs: tuple[Contender, ...] = Field(min_length=1)
    classes: tuple[str, ...]
    pictures: int
    note: str = ""
    pairs: tuple[tuple[str, str, Paired], ...] = ()
