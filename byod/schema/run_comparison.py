"""The records of runs side by side: what each is, costs and achieves on the same pictures."""

from __future__ import annotations

from pydantic import Field

from byod.schema.model_card import KeypointsScore, Paired
from byod.schema.records import Record, Task, TaskName


class Entrant(Record):
    """A run in a comparison, of whichever task: what it is, and what it costs.

    `reviewed` is as in its card; `seconds` is how long it trained, `milliseconds` what one picture takes to predict on
    this machine, decoding included; `model_bytes` is the size of its model files.
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
    reviewed: int = 0


class Contender(Entrant):
    """One run in a comparison, measured on the pictures that all of its runs can be measured by."""

    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    ece: float


class Comparison(Record):
    """Runs side by side on the same pictures, in the order they were named.

    `pictures` counts what all were measured by, `note` says in a line which they are. `pairs` are (first run, second
    run, how they differ); `classes` are in the order of the first run. `rounds` names, in the order they learned, the
    runs of the latest run's dataset if people changed it between them.
    """

    task: TaskName = Task.CLASSIFY.value
    runs: tuple[Contender, ...] = Field(min_length=1)
    classes: tuple[str, ...]
    pictures: int
    note: str = ""
    pairs: tuple[tuple[str, str, Paired], ...] = ()
    rounds: tuple[str, ...] = ()


class KeypointsContender(Entrant):
    """One run for points in a comparison, measured on the objects that all of its runs can be measured by.

    `crops` is on crops around the true objects, `pipeline` through the whole pipeline.
    """

    crops: KeypointsScore
    pipeline: KeypointsScore


class KeypointsComparison(Record):
    """Runs for points side by side on the same objects; `pairs` compare where glasses would sit (whole pipeline)."""

    task: TaskName = Task.KEYPOINTS.value
    runs: tuple[KeypointsContender, ...] = Field(min_length=1)
    points: tuple[str, ...]
    heads: int
    note: str = ""
    pairs: tuple[tuple[str, str, Paired], ...] = ()
    rounds: tuple[str, ...] = ()
