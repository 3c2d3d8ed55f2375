"""The protocols of a task: all that differs between learning classes, finding keypoints, and what others may add.

A task is one object in `byod.tasks.TASKS`, whose parts are looked at one by one: how labels are stored, how they are
learned, what pages say of them, how they come and go. Rooms to the left of `tasks` are given the task they need; no
room but `tasks` asks which one it is. A module stands for a part: its functions are the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, runtime_checkable

from pydantic import ConfigDict, JsonValue

from byod.schema import places
from byod.schema.errors import RecipeError, UsageError
from byod.schema.model_card import Card
from byod.schema.recipe import Recipe
from byod.schema.records import Record, Sample, Sha256, Snapshot
from byod.schema.review_tasks import Reviewing
from byod.schema.serving import Serving
from byod.schema.task_learning import Comparing, Evaluating, Learning, Predicting
from byod.schema.version import VERSION

if TYPE_CHECKING:
    from PIL.Image import Image


class Labels(Protocol):
    """The labels of one picture, read from the file that holds them."""

    @property
    def sha256(self) -> Sha256 | None:
        """The picture they belong to, where the file names it."""
        ...

    def fits(self, width: int, height: int) -> bool:
        """True if they can be those of an upright picture of that size in pixels."""
        ...

    def named(self, sha256: Sha256) -> Self:
        """The same labels as those of this picture."""
        ...


class Storage(Protocol):
    """Labels in files of their own, one for each picture: `points/3fa9.json` beside `images/cat/3fa9.jpg`."""

    @property
    def folder(self) -> str:
        """The folder of these files in a dataset; also the word for the labels in messages ("points")."""
        ...

    def read(self, file: Path) -> Any:
        """The `Labels` in a file; None when there is no such file.

        Raises:
            DatasetError: it is damaged.
        """
        ...

    def content(self, labels: Any) -> bytes:
        """The labels as the file holds them."""
        ...

    def of_folder(self, name: str, width: int, height: int) -> Any:
        """The `Labels` that a picture of that size has by standing in that class folder; None in nearly all of them."""
        ...


def label_file(storage: Storage | None, path: str) -> str | None:
    """The file with the labels of a picture: `images/cat/3fa9.jpg` has `points/3fa9.json`.

    None where its class folder is its label.
    """
    return None if storage is None else places.beside(storage.folder, path)


@runtime_checkable
class Words(Protocol):
    """Words for people, in any language: a `Phrase` of `byod.report.i18n`."""

    def text(self, code: str = "en") -> str:
        """The words in one language."""
        ...


class LabelCount(Record):
    """The state of the labelling of a dataset, for pages and terminals.

    `heading` names the labels ("Points"), `words` is a sentence with the counts, `where` one for the dataset card that
    says where they lie. `head` and `rows` are a table of names and numbers, `facts` all of it for programs.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    heading: Words
    words: Words
    where: Words
    unlabelled: int
    head: tuple[Words, Words]
    rows: tuple[tuple[str, int], ...]
    facts: dict[str, JsonValue]


class OddLabel(Record):
    """A picture whose label cannot be true, or hardly, by itself: no model was asked. `words` say why."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    sha256: Sha256
    words: Words


Drawing = Callable[[str, "Image"], None]
"""Draws the labels of the picture of that file name into its small copy."""


class Pages(Protocol):
    """The words of the dataset's own pages about a task."""

    @property
    def hub(self) -> str:
        """The name of the task on the Hugging Face Hub (https://huggingface.co/tasks)."""
        ...

    @property
    def least_classes(self) -> int:
        """With fewer classes than this there is nothing to learn."""
        ...

    @property
    def no_classes(self) -> frozenset[str]:
        """Folders below `images/` that are no classes: pictures that hold nothing of what is looked for, say."""
        ...

    def label_count(self, snapshot: Snapshot) -> LabelCount | None:
        """The numbers of pictures that are labelled, and how; None where the class folders say it all.

        Raises:
            DatasetError: a label cannot be read.
        """
        ...

    def odd_labels(self, snapshot: Snapshot) -> tuple[OddLabel, ...]:
        """The usable pictures whose labels are odd by themselves, in the order of their files.

        Raises:
            DatasetError: a label cannot be read.
        """
        ...

    def drawing(self, folder: Path) -> Drawing | None:
        """Draws labels into the small pictures of a dataset's page; None where there is nothing to draw."""
        ...


class ExportFormat(Record):
    """A format of datasets: the module with `write`, and who reads it."""

    module: str
    read_by: str


class LabelledPicture(Record):
    """A picture on this machine, the class it is of, and its `Labels` as the task stores them (None: it has none)."""

    path: Path
    label: str
    labels: Any = None


class Exchange(Protocol):
    """The ways of labels in from other files, and out to other programs."""

    @property
    def holds(self) -> str:
        """The labels of the task's datasets, in words: "class labels", "points"."""
        ...

    @property
    def exports(self) -> Mapping[str, ExportFormat]:
        """The export formats by name."""
        ...

    def leaves(self, snapshot: Snapshot, sample: Sample) -> bool:
        """True if a picture has the labels that an export takes along."""
        ...

    def read(self, file: Path, pictures: Sequence[Path], recipe: Recipe | None) -> Labelling:
        """Read a file of labels, and find its pictures among files and below folders.

        Args:
            file: what somebody wrote elsewhere.
            pictures: files and folders.
            recipe: that of the dataset they come into, as far as there is one.

        Raises:
            UsageError: this task takes no such file.
            DatasetError: it cannot be read, or a picture is missing.
        """
        ...


class Labelling(Record):
    """Labelled pictures from elsewhere, and the recipe of the dataset that takes them."""

    recipe: Recipe
    pictures: tuple[LabelledPicture, ...]


@dataclass(frozen=True)
class TaskDefinition:
    """One task with all its parts, which are modules of its package; one is imported when it is asked for.

    Args:
        name: as in `byod.toml`, `--task` and model cards.
        package: where its modules lie: `learning`, `evaluation`, `predict`, `compare`, `served_model`,
            `labeling_tasks`, `pages`, `interchange`, and `storage` where its labels lie in files of their own.
        card: the record of its model cards.
        stored: whether its labels lie in files of their own; else the class folders are the labels.
        wrong_recipe: says what a recipe lacks for this task, in one line; "" when nothing.
    """

    name: str
    package: str
    card: type[Card]
    stored: bool = False
    wrong_recipe: Callable[[Recipe], str] = lambda recipe: ""

    def _part(self, name: str) -> Any:
        module = f"{self.package}.{name}"
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise UsageError(
                f"byod cannot do this for the task {self.name}: it has no part {name!r}"
            ) from error

    @property
    def storage(self) -> Storage | None:
        """Where labels lie; None: the class folders are the labels."""
        return cast(Storage, self._part("storage")) if self.stored else None

    @property
    def learning(self) -> Learning:
        """How it learns."""
        return cast(Learning, self._part("learning"))

    @property
    def evaluating(self) -> Evaluating:
        """How its runs are measured on other pictures."""
        return cast(Evaluating, self._part("evaluation"))

    @property
    def predicting(self) -> Predicting:
        """How its runs are used."""
        return cast(Predicting, self._part("predict"))

    @property
    def serving(self) -> Serving:
        """How its runs are served."""
        return cast(Serving, self._part("served_model"))

    @property
    def comparing(self) -> Comparing:
        """How its runs are compared."""
        return cast(Comparing, self._part("compare"))

    @property
    def reviewing(self) -> Reviewing:
        """What people are asked about its labels."""
        return cast(Reviewing, self._part("labeling_tasks"))

    @property
    def pages(self) -> Pages:
        """What its datasets' pages say."""
        return cast(Pages, self._part("pages"))

    @property
    def exchange(self) -> Exchange:
        """How its labels come and go."""
        return cast(Exchange, self._part("interchange"))


Tasks = Mapping[str, TaskDefinition]
"""The tasks by name."""


def unknown_task(name: str, tasks: Tasks) -> str:
    """The error for a file that is for a task that there is not."""
    known = ", ".join(tasks)
    return f"byod {VERSION} knows no {name!r} (it knows {known}); if it is right, update byod"


def task_of(recipe: Recipe, file: Path, tasks: Tasks) -> TaskDefinition:
    """The task that a recipe is for; `file` is where it stands.

    Raises:
        RecipeError: there is no such task, or the recipe lacks what it needs.
    """
    if recipe.task not in tasks:
        raise RecipeError(f"{file}: task: {unknown_task(recipe.task, tasks)}")
    task = tasks[recipe.task]
    if wrong := task.wrong_recipe(recipe):
        raise RecipeError(f"{file}: {wrong}")
    return task
