"""The records that training leaves behind: input rule, metrics, and the model card; predictions are passed on."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from byod.schema.annotator_agreement import Agreement
from byod.schema.file_formats import Format
from byod.schema.keypoints import KeypointSet
from byod.schema.label_issue import LabelIssue as LabelIssue
from byod.schema.least_alike_score import LeastAlike, RandomSplit
from byod.schema.model_graph import GraphInput, Typicality
from byod.schema.model_predictions import FoundInstance as FoundInstance
from byod.schema.model_predictions import KeypointsPrediction as KeypointsPrediction
from byod.schema.model_predictions import Prediction as Prediction
from byod.schema.model_predictions import Unreadable as Unreadable
from byod.schema.open_enum import OpenEnum
from byod.schema.records import Record, Sha256, Split, TaskName
from byod.schema.right_labels import LabelQuality

Share = Annotated[float, Field(ge=-1e-9, le=1 + 1e-9)]
"""A number in 0..1, give or take the last bits."""
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number that is not below 0."""
Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""The number that logits are divided by."""
ShortText = Annotated[str, Field(max_length=1000)]
"""A name that is shown in lines and tables."""


class Stage(StrEnum):
    """The task of one of the two nets for points: where objects are, or where the points of one object are."""

    DETECTION = "heads"
    POINTS = "points"


class Resize(StrEnum):
    """The way a picture is brought to the size of a net's input."""

    SQUISH = "squish"
    CROP = "crop"
    PAD = "pad"


class PixelRule(StrEnum):
    """The rule by which a file becomes the pixels of a net's input: `reduced` is that of runs of an older byod."""

    REDUCED = "reduced"
    WHOLE = "whole"


class InputRule(Record):
    """The input of a net: its size in pixels and how pictures are brought to it."""

    width: int = Field(ge=8, le=2048)
    height: int = Field(ge=8, le=2048)
    resize: Resize = Resize.SQUISH
    pixels: PixelRule = PixelRule.REDUCED  # byod's own word, the same for all trainers
    grey_white: int | None = Field(None, ge=1)  # what is white in grey of 16 bits, for a whole set


class EyesRule(Record):
    """An upright frame around two eyes, in distances of the eyes.

    `side` is the frame's, `down` how far its centre lies below the middle between the eyes (of an upright object).
    """

    side: float = Field(gt=0, allow_inf_nan=False)
    down: float = Field(0.0, allow_inf_nan=False)


class ClassScore(Record):
    """The scores of one class; all but `pictures` in 0..1, None where nothing was there to count.

    `average_precision` is over all thresholds, one class against the others; calling it from the probability
    `threshold` on would have given the best F1 on the same pictures.
    """

    precision: Share | None
    recall: Share | None
    f1: Share | None
    pictures: int = Field(ge=0)
    average_precision: Share | None = None
    threshold: Share | None = None


class Measured(OpenEnum):
    """The pictures that a run's metrics were measured on."""

    TEST = "test"
    CROSS_VALIDATION = "cross-validation"
    FOLDER = "folder"


class Metrics(Record):
    """Metrics of the exported file on pictures it has never seen.

    `interval` is the 95 % interval of the accuracy (by groups that belong together). `confusion[i][j]` counts
    pictures of class i called class j. `ece` is the expected calibration error (15 bins), `ece_raw` the one
    without the temperature. `folds` are the accuracies of the parts of a cross-validation. `none_of_these` counts the
    pictures that are too little like those the model learned from (None: it does not say).
    """

    measured_on: Measured
    pictures: int
    unreadable: int = 0
    none_of_these: int | None = None
    accuracy: Share
    interval: tuple[Share, Share]
    macro_f1: Share
    log_loss: Amount
    ece: Share
    ece_raw: Share
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]
    folds: tuple[Share, ...] = ()


class Elsewhere(Record):
    """A measurement on labelled pictures from elsewhere, beside the run's own (`byod train --test`).

    `on` is the name of their folder; `learned` counts those left out since the model was trained on them, `near` the
    near-copies of such ones among those measured (None: nobody could look), `unreadable` those that did not open.
    """

    on: ShortText
    learned: int = Field(ge=0)
    near: int | None = Field(None, ge=0)
    unreadable: int = Field(0, ge=0)


class OtherKinds(Record):
    """Pictures of `kinds` that are none of a model's classes, and of how many of those `pictures` it says so.

    `kinds` counts them by folder, also those that do not open; `none_of_these` is None where a model never says it.
    """

    kinds: dict[ShortText, int]
    pictures: int = Field(ge=0)
    none_of_these: int | None = Field(None, ge=0)


class ClassesElsewhere(Elsewhere):
    """A measurement of classes from elsewhere; `apart` is that without near-copies, where there are some and others.

    `others` are pictures of other classes than the model's, which are no part of it.
    """

    metrics: Metrics
    apart: Metrics | None = None
    others: OtherKinds | None = None


class KeypointScore(Record):
    """The errors of one point, in sizes of the object, None where nothing was there to measure.

    `heads` counts the objects that have the point marked, `median` and `mean` are over those that were found, `pck` is
    the share (0..1) of all of them that lie within 0.1.
    """

    heads: int
    median: Amount | None
    mean: Amount | None
    pck: Share


class KeypointsScore(Record):
    """The errors of all points, counted over the objects that have a size to measure by.

    Errors are in sizes of the object: the distance of the two points that the set names for it, else the diagonal of
    its box. The error of an object is the mean over its marked points (NME). One that was missed has an infinite error:
    it counts as a failure in `median` (None: infinite), `pck` (share of points within 0.1), `fr` (share of objects with
    an error above 0.1), `within` (the others), `auc` (area under the cumulated errors up to 0.08, 0..1), `oks` and
    `glasses`, and not in `mean` and `worst_eye` (median of the worse eye's error), which are over the `found` ones.
    `oks` is COCO's object keypoint similarity, the mean over objects. `glasses` is the share of objects on which
    glasses would sit: centre of the eyes within 0.1 of their distance, angle within 5 degrees, scale within 15 %; None
    where the points have no eyes. Intervals are 95 % (bootstrap over duplicate groups).
    """

    heads: int
    found: int
    median: Amount | None
    interval: tuple[Amount | None, Amount | None]
    mean: Amount | None
    pck: Share
    fr: Share
    auc: Share
    oks: Share | None = None
    within: Share | None = None
    within_interval: tuple[Share, Share] | None = None
    worst_eye: Amount | None = None
    glasses: Share | None = None
    glasses_interval: tuple[Share, Share] | None = None
    per_point: dict[str, KeypointScore] = {}

    @property
    def achieved(self) -> tuple[float, tuple[float, float]]:
        """The share by which models are ranked, with its interval: glasses sit, or the error is within 0.1."""
        if self.glasses is not None and self.glasses_interval is not None:
            return self.glasses, self.glasses_interval
        share = 1 - self.fr if self.within is None else self.within
        return share, self.within_interval or (share, share)


class KeypointsMetrics(Record):
    """Metrics of the exported files on pictures they have never seen.

    `crops` is measured on crops around the true objects, `pipeline` on whole pictures, `single` on the pictures of
    `pipeline` that hold one object (None: there are none). `empty` counts the pictures without an object, `false_finds`
    the objects found where none is, `deceived` the pictures without an object in which one is found all the same (None:
    an older byod did not count them). `folds` are the medians on true crops of the parts of a cross-validation.
    """

    measured_on: Measured
    pictures: int
    unreadable: int = 0
    empty: int = 0
    false_finds: int = 0
    deceived: int | None = None
    crops: KeypointsScore
    pipeline: KeypointsScore
    single: KeypointsScore | None = None
    folds: tuple[Amount | None, ...] = ()


class KeypointsElsewhere(Elsewhere):
    """A measurement of points from elsewhere; `apart` as that of classes."""

    metrics: KeypointsMetrics
    apart: KeypointsMetrics | None = None


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
    difference: float = Field(ge=-1, le=1)
    interval: tuple[float, float]
    only_first: int
    only_second: int
    p_value: Share


class Probe(Record):
    """The instant bar on the same split: a simple classifier that learns in seconds, and the model against it."""

    plugin: str
    arch: str
    pretrained: str
    metrics: Metrics
    seconds: Amount
    against: Paired


class Card(Record):
    """The part of `model.json` that every run has: what its model was made from, by whom and how.

    `model_sha256` names the `model.onnx` it belongs to. `fingerprint` is the dataset's at the moment of training,
    `reviewed` counts the pictures on which a person's verdict held then, `licences` counts its pictures by licence.
    `suspects` counts the pictures whose labels look wrong (None: nobody looked). `split` is "grouped" where what
    belongs together was on one side, "ungrouped" where that left a class too little to test on, "given" for a split
    that somebody had ("": an older byod did not say); `grouped_by` says by what pictures were known to belong together.
    `label_quality` is how good the labels were by the last random sample of them, `agreement` how far people agreed.
    `measured` is false for `model-all.onnx`, which learned from all pictures: its metrics are those of its `twin` (the
    SHA-256 of the measured file), whose twin it is.
    """

    format: Format = 1
    run: ShortText
    created: datetime
    task: TaskName
    plugin: ShortText
    arch: ShortText
    pretrained: ShortText
    input: InputRule
    parity: Amount
    model_sha256: Sha256
    counts: dict[Split, dict[str, int]]
    fingerprint: str
    reviewed: int = 0
    licences: dict[str, int]
    parameters: int
    device: str
    seed: int
    seconds: Amount
    options: dict[str, JsonValue]
    notes: dict[str, JsonValue] = {}
    versions: dict[str, str]
    command: str
    lr_finder: LrFinder | None = None
    suspects: int | None = None
    split: ShortText = ""
    grouped_by: tuple[ShortText, ...] = ()
    measured: bool = True
    twin: Sha256 | None = None
    label_quality: LabelQuality | None = None
    agreement: Agreement | None = None

    @field_validator("created")
    @classmethod
    def _with_zone(cls, created: datetime) -> datetime:
        return created if created.tzinfo else created.replace(tzinfo=UTC)


class ModelCard(Card):
    """`model.json` of a model for classes, which are in the order of the probabilities.

    `typicality` is None where the model file does not say how much a picture is like those it learned from.
    """

    classes: tuple[str, ...] = Field(min_length=2)
    temperature: Temperature
    typicality: Typicality | None = None
    graph_input: GraphInput | None = None
    metrics: Metrics
    probe: Probe | None = None
    elsewhere: ClassesElsewhere | None = None
    least_alike: LeastAlike | None = None
    random_split: RandomSplit | None = None

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("it names a class twice")
        return classes

    @model_validator(mode="after")
    def _measured(self) -> Self:
        known = set(self.classes)
        others = (self.probe.metrics if self.probe else None, *_elsewhere(self.elsewhere))
        for metrics in (self.metrics, *(each for each in others if each is not None)):
            sides = {len(metrics.confusion), *(len(row) for row in metrics.confusion)}
            if set(metrics.per_class) != known or sides != {len(known)}:
                raise ValueError("its metrics are about other classes than its own")
        return self


def _elsewhere(measured: ClassesElsewhere | None) -> tuple[Metrics | None, ...]:
    return (None,) if measured is None else (measured.metrics, measured.apart)


class DetectionStage(Record):
    """The net that finds objects, `heads.onnx`: its input, and how what it says becomes frames for the points' net.

    A find counts from the confidence `threshold` (0..1) on: the score of its box, times the mean confidence of its two
    eyes in the points' net. `margin` is the side of the frame that is cut for the points,
    in longer sides of the object's box.
    """

    input: InputRule
    sha256: Sha256
    arch: str
    pretrained: str
    parameters: int
    parity: Amount
    threshold: float = Field(ge=0, le=1)
    margin: float = Field(ge=0.5, le=10)
    seconds: Amount = 0.0
    notes: dict[str, JsonValue] = {}


class KeypointsCard(Card):
    """`model.json` of a model for points: its `model.onnx` says where the points of one object are.

    `input` is that of `model.onnx`, a square; `refine` is how often the points are looked for again in a frame that
    stands upright on the eyes found before, as `eyes` says (None: never). `mean_face` is where the points of the
    training objects lie on the mean, 0..1 of their frames; `baseline` is what it achieves on the same true crops as
    `metrics.crops`. `counts` are pictures, objects and empty pictures of each part of the split. `typicality` is what
    `model.onnx` multiplies its confidence by: from all to none around the threshold (None: nothing).
    """

    points: KeypointSet
    heads: DetectionStage
    refine: int = Field(ge=0, le=5)
    eyes: EyesRule | None = None
    typicality: Typicality | None = None
    metrics: KeypointsMetrics
    elsewhere: KeypointsElsewhere | None = None
    mean_face: tuple[tuple[float, float], ...]
    baseline: KeypointsScore
