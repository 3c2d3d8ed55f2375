"""The protocols of learning: how a task learns, is measured, and sets its runs side by side; types only.

What only the task itself looks into (models, answers, metrics) is `Any` here. A module may stand for a part: its
functions are then the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import JsonValue

from byod.schema.model_card import Card, Measured, Paired, Unreadable
from byod.schema.progress import Say
from byod.schema.records import Example, Record, Sha256, Snapshot, Yield

Sides = tuple[tuple[str, tuple[Example, ...]], ...]
"""The parts of a split by name ("train", "valid", "test"); "test" is empty where each picture was tested once."""

Table = tuple[Sequence[str], Sequence[Sequence[object]]]
"""The head of a table, and its rows."""


class LabelledSet(Protocol):
    """Labelled pictures, as a task learns from them and is measured on them."""

    @property
    def examples(self) -> tuple[Example, ...]:
        """The pictures."""
        ...

    def of(self, examples: Iterable[Example]) -> Self:
        """The same with these pictures alone."""
        ...

    def measured(self, examples: Sequence[Example]) -> int:
        """The number of answers that some of the pictures can be measured by: pictures, or what is marked in them."""
        ...

    def count(self, examples: Sequence[Example]) -> dict[str, int]:
        """The words of a model card on some of the pictures: counts by class, or by kind."""
        ...

    def plan(self) -> dict[str, JsonValue]:
        """All of it that decides how a training turns out."""
        ...


@dataclass(frozen=True)
class ModelFile:
    """One model of a run: its file, the file of its weights, what it is (`byod.training.fit.Model`), and its stage."""

    file: str
    weights: str
    model: Any
    stage: str = ""


@dataclass(frozen=True)
class Outcome:
    """One trainer on one set: its model, the parts it was made with, and what it said of unseen pictures."""

    model: Any
    sides: Sides
    evaluated: list[Any]
    unreadable: list[Unreadable]
    metrics: Any


@dataclass(frozen=True)
class Issues:
    """Labels that look wrong, the likeliest first, and the record that each of them is.

    Pictures that are `hard` are taken for something else too, but as others are whose labels are right.
    """

    kind: type[Record]
    found: tuple[Any, ...]
    hard: tuple[Any, ...] = ()


OutOfFold = Callable[[Collection[Sha256]], list[Any]]
"""Asks a cross-validated probe about all pictures; it is given those that nothing is to be learned from."""


@runtime_checkable
class Asking(Protocol):
    """A task whose probe can be asked at once, where it answers without a file (`byod.training.protocol.Answering`).

    Its card may then say what a split at random would have promised, and what there is to warn of.
    """

    def ask(self, work: Any, labelled: Any, train: Any, valid: Any, test: Any, part: str) -> list[Any]:
        """What a model that learned from `train` says of every picture of `test`; it is not kept."""
        ...

    def random_split(self, labelled: Any, grouped: Any, alone: Any, probe: str) -> Record:
        """The record of what a probe said in a cross-validation by groups, and in one of every picture alone."""
        ...

    def warnings(self, card: Any) -> Sequence[str]:
        """Lines to be said of a training's numbers besides them."""
        ...


class Learning(Protocol):
    """How a task learns and is measured; `work` is a `byod.training.fit.Work`."""

    @property
    def probe(self) -> str | None:
        """The trainer that learns this in seconds, before any other: the bar that the others have to clear."""
        ...

    @property
    def task(self) -> str:
        """The task's name."""
        ...

    @property
    def counted(self) -> str:
        """The things counted when it is measured, in the plural: "pictures", "objects"."""
        ...

    def labelled(self, snapshot: Snapshot, examples: Sequence[Example]) -> Any:
        """The pictures of a dataset with their labels.

        Raises:
            DatasetError: a label cannot be read.
        """
        ...

    def usable(self, labelled: Any, say: Say) -> Any:
        """The examples that can be learned from; says which are left out.

        Raises:
            TrainerError: too little.
        """
        ...

    def fit(
        self, work: Any, labelled: Any, train: tuple[Example, ...], valid: tuple[Example, ...], part: str
    ) -> Any:
        """Fit one model, or take the one that a killed run finished for this part ("fold 2/5"; "": the whole).

        Raises:
            TrainerError: the trainer cannot train this, or what it exports is not what it trained.
        """
        ...

    def folds(self, labelled: Any, seed: int) -> tuple[tuple[Example, ...], ...]:
        """The parts of a cross-validation: whole duplicate groups, each kind of picture spread alike."""
        ...

    def loaded(self, labelled: Any, model: Any, train: Sequence[Example]) -> Any:
        """A fitted model, ready to be asked; `train` is what it learned from."""
        ...

    def evaluate_on(
        self, labelled: Any, loaded: Any, test: Sequence[Example], part: str
    ) -> tuple[list[Any], list[Unreadable]]:
        """Ask a model about pictures that it has not seen.

        Raises:
            TrainerError: not one of them can be opened.
        """
        ...

    def metrics(
        self,
        labelled: Any,
        evaluated: Sequence[Any],
        unreadable: Sequence[Unreadable],
        *,
        seed: int,
        measured_on: Measured,
    ) -> Any:
        """All that is measured of a model, from what it said."""
        ...

    def paired(self, labelled: Any, first: Sequence[Any], second: Sequence[Any], *, seed: int) -> Paired:
        """Two models on the same pictures: whether their difference is more than chance."""
        ...

    def find_issues(
        self, labelled: Any, evaluated: Sequence[Any], probe: OutOfFold | None, say: Say
    ) -> Issues | None:
        """The labels that look wrong, by what was said of unseen pictures, or by the probe; None: nobody looked."""
        ...

    def card(
        self,
        fields: Mapping[str, Any],
        labelled: Any,
        outcome: Outcome,
        probe: tuple[str, Outcome, Paired] | None,
    ) -> Card:
        """The model card; `fields` are those that every card has, `probe` the bar's plugin, outcome and difference."""
        ...

    def models(self, model: Any) -> Sequence[ModelFile]:
        """The model files of a run, the one that its card is about last."""
        ...

    def predictions(self, labelled: Any, evaluated: Sequence[Any]) -> Table:
        """predictions.csv: all that was measured on, and what was said of it."""
        ...

    def report(
        self,
        card: Any,
        labelled: Any,
        evaluated: Sequence[Any],
        *,
        outcome: Outcome | None = None,
        issues: Sequence[Any] = (),
        yields: Sequence[Yield] = (),
    ) -> str:
        """The page of a run, or (without an `outcome`) of an evaluation on other pictures."""
        ...

    def summary(self, metrics: Any) -> str:
        """A model's metrics in one line."""
        ...


@runtime_checkable
class Refitting(Protocol):
    """A task that also keeps a model of all pictures: what `Learning` has besides, if it does."""

    def refit(self, work: Any, labelled: Any, outcome: Outcome) -> Any:
        """Fit the model once more, on all pictures, with the settings and epochs found."""
        ...


class Evaluating(Protocol):
    """The way a finished run is measured on other pictures."""

    def pictures_in(self, place: Path) -> Any:
        """The labelled pictures of a folder that is no dataset; None where only datasets can be measured on.

        Raises:
            UsageError: there are none.
        """
        ...

    def known_to(self, card: Any, labelled: Any) -> tuple[Any, dict[str, Any]]:
        """The examples a run can be measured on, in its own terms; and those left out, as fields of the evaluation."""
        ...

    def nothing_left(
        self, card: Any, labelled: Any, left_out: Mapping[str, Any], on: str, learned: int
    ) -> str:
        """Say in one line why no picture is left to measure on; `learned` of them it was trained on."""
        ...

    def loaded(self, run: Path, card: Any) -> Any:
        """The model of a run, ready to be asked.

        Raises:
            ModelError: it is missing or damaged.
        """
        ...

    def evaluation(
        self, fields: Mapping[str, Any], metrics: Any, labelled: Any, evaluated: Sequence[Any]
    ) -> Record:
        """The record of an evaluation; `fields` are those that every task has, and what was left out."""
        ...

    def shown_card(self, card: Any, evaluation: Any) -> Any:
        """The card as the report of an evaluation shows it."""
        ...

    def beside(self, card: Any, evaluation: Any) -> Any:
        """The card with an evaluation on pictures from elsewhere beside its own metrics."""
        ...

    def table(self, evaluation: Any) -> tuple[str, Table, Sequence[str]]:
        """An evaluation for the terminal: a title, a table whose first column are names, and remarks."""
        ...


@runtime_checkable
class MeetingOthers(Protocol):
    """A task whose models are also asked about pictures that they cannot know: what `Evaluating` has besides, if so."""

    def others(self, card: Any, labelled: Any, model: Any) -> tuple[dict[str, Any], list[Unreadable]]:
        """The answers to the examples that `known_to` leaves out, as fields of the evaluation."""
        ...


class Predictor(Protocol):
    """A model that is asked about pictures."""

    def predict(self, pictures: Iterable[Path | tuple[str, bytes]]) -> Iterator[Any]:
        """Say of each picture, in order, what the model sees; one that cannot be opened becomes an `Unreadable`."""
        ...


class Predicting(Protocol):
    """The way a finished run is used."""

    def predictor(self, run: Path) -> Predictor:
        """The model of a run.

        Raises:
            ModelError: it is missing or damaged.
        """
        ...

    def table(self, predictions: Sequence[Any]) -> Table:
        """Predictions for the terminal."""
        ...

    def files(self, card: Any) -> Sequence[tuple[str, str]]:
        """The model files of a run, and the file of the weights of each, where its trainer kept them."""
        ...


@runtime_checkable
class Exporting(Protocol):
    """The part of `Predicting` of a task whose exports hold more than the run's own files."""

    def beside(self, run: Path, card: Any, *, with_resize: bool) -> Mapping[str, bytes]:
        """The further files of an export as `onnx`, by name; with the resize inside, also model and card anew.

        Raises:
            UsageError: the resize cannot be inside.
            ModelError: the run cannot be used.
        """
        ...


class Comparing(Protocol):
    """How runs are set side by side, by the lines of their predictions.csv."""

    @property
    def counted(self) -> str:
        """As in `Learning`."""
        ...

    def unlike(self, card: Any, other: Any) -> str:
        """Say why two runs cannot be compared: "tells a, b apart, and the other c, d"; "" where they can."""
        ...

    def lines(self, run: Path, card: Any) -> dict[Any, Any]:
        """The lines of a run by what they are about; each has `sha256`, `group`, `file`, and `label` where it has one.

        Raises:
            ModelError: predictions.csv is missing or damaged.
        """
        ...

    def parameters(self, card: Any) -> int:
        """Of all nets of a run."""
        ...

    def contender(self, entrant: Mapping[str, Any], card: Any, evaluated: Sequence[Any]) -> Any:
        """One run as it is compared; `entrant` are the fields that all tasks have."""
        ...

    def evaluated(self, card: Any, lines: Sequence[Any], truth: Sequence[Any]) -> Sequence[Any]:
        """The predictions of a run, with the labels and groups of the lines in `truth`."""
        ...

    def paired(self, card: Any, first: Sequence[Any], second: Sequence[Any]) -> Paired:
        """Two runs on the same lines: whether their difference is more than chance."""
        ...

    def comparison(self, card: Any, number: int, fields: Mapping[str, Any]) -> Record:
        """The record of a comparison on so many lines; `card` is the first run's."""
        ...

    def page(self, comparison: Any) -> str:
        """The page that shows it."""
        ...

    def table(self, comparison: Any) -> tuple[str, Table]:
        """The material it was measured on ("24 pictures") and the metrics of each run; the first column ranks them."""
        ...
