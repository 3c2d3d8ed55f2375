"""Train on a dataset, and what the probe is asked for besides: label errors and leakage."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from byod.api import likely_sessions
from byod.api.datasets import SplitDone, assign, opened, say_split
from byod.dataset import read_only
from byod.dataset.likeness import Look
from byod.dataset.review_log import REVIEW
from byod.images.grey import white_of_set
from byod.report import check_findings, check_page, dataset_statistics
from byod.report.check_findings import CheckFindings
from byod.schema import recipe
from byod.schema.annotator_agreement import Agreement
from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import Card, LabelIssue
from byod.schema.progress import Say, silent
from byod.schema.records import Example, Record, Snapshot
from byod.schema.task import TaskDefinition
from byod.schema.task_learning import Refitting
from byod.tasks import TASKS
from byod.tasks.classify import leakage
from byod.training import protocol, run_folder, run_training
from byod.training.cross_validation import MIN_GROUPS
from byod.training.protocol import Launching, Trainer
from byod.training.provenance import Provenance
from byod.training.remote.host import Remote
from byod.training.run_evaluation import OtherPictures, shown_place

MOST_FOR_PROBE = 1_000_000
"""Pictures times classes beyond which a training begins without its probe, and without asking it for label errors."""


class TrainRequest(Record):
    """A request for a training: by which trainer, with which options, on which devices.

    `task` is what to learn (None: what the dataset is for). `python` is the Python of another environment in which the
    trainer lives. `probe` asks for the instant bar first (where there is one for the task); `fresh` starts anew where
    an unfinished run could be taken up. `test` is a folder of other pictures to measure on as well; `refit` asks
    for a model of all pictures too. Classes with fewer
    pictures than `min_class` are left out.
    """

    plugin: str = "fastai"
    task: str | None = None
    options: dict[str, str] = {}
    seed: int = 0
    device: str | None = None
    gpus: int = 1
    python: Path | None = None
    probe: bool = True
    fresh: bool = False
    test: Path | None = None
    refit: bool = False
    min_class: int = MIN_GROUPS


class LabelledPictures(NamedTuple):
    """A dataset as it stands, its pictures with their parts, on how many somebody's verdict holds, and the split."""

    snapshot: Snapshot
    examples: list[Example]
    reviewed: int
    split: SplitDone


def train(
    folder: Path,
    wanted: TrainRequest,
    *,
    cache: Path | None = None,
    command: str = "",
    say: Say,
    log: Callable[[Mapping[str, object]], None],
) -> tuple[Path, Card]:
    """Train on what survived, whatever the dataset's task is; the run's folder holds model and report.

    Raises:
        TrainerError: the dataset is for another task than the one wanted, or cannot be trained on.
        UsageError: the folder to measure on as well holds nothing of the dataset's classes.
    """
    _right_task(folder, wanted.task)
    trainer = find_trainer(wanted)
    pictures = examples_of(folder, say)
    snapshot, examples = _of_enough(pictures.snapshot, pictures.examples, wanted.min_class, say)
    elsewhere = _elsewhere(snapshot, wanted.test, say)
    if wanted.refit and not isinstance(TASKS[snapshot.task].learning, Refitting):
        raise UsageError(f"the task {snapshot.task} keeps no model of all pictures; remove --refit")
    run = _new_run(_runs_of(snapshot), wanted.plugin)
    learning = TASKS[snapshot.task].learning
    card = run_training.train(
        learning,
        learning.labelled(snapshot, examples),
        trainer,
        wanted.options,
        folder=run,
        seed=wanted.seed,
        device=wanted.device,
        gpus=wanted.gpus,
        cache=cache,
        probe=_probe(wanted, learning.probe, len(examples) * len(snapshot.classes), say),
        fresh=wanted.fresh,
        about=_provenance(snapshot, pictures, command),
        elsewhere=elsewhere,
        refitted=wanted.refit,
        say=say,
        log=log,
    )
    return run, card


def _provenance(snapshot: Snapshot, pictures: LabelledPictures, command: str) -> Provenance:
    """Where a run's pictures are from, how they were split and look, how good their labels are, and the command."""
    licences = dataset_statistics.licence_counts(snapshot)
    return Provenance(
        fingerprint=snapshot.fingerprint,
        reviewed=pictures.reviewed,
        split=pictures.split.kind,
        grouped_by=pictures.split.by,
        licences={licence or "unknown": number for licence, number in licences},
        yields=snapshot.yields,
        command=command,
        looks=looks_of(snapshot),
        label_quality=snapshot.label_quality,
        agreement=_over_all(snapshot),
    )


def _elsewhere(snapshot: Snapshot, place: Path | None, say: Say) -> run_training.Elsewhere | None:
    """The pictures of a folder that the model is to be measured on as well; looked at before hours of training.

    Raises:
        UsageError: there are none, or none of the dataset's classes.
    """
    if place is None:
        return None
    task = TASKS[snapshot.task]
    others = other_pictures(task, place, say)
    labels = {example.label for example in others.labelled.examples}
    known = {*snapshot.classes, *snapshot.classes.values()}
    if labels.isdisjoint(known):
        raise UsageError(
            f"no folder of {place} is called {' or '.join(snapshot.classes)}; it has {', '.join(sorted(labels))}"
        )
    return run_training.Elsewhere(task.evaluating, others)


def other_pictures(task: TaskDefinition, place: Path, say: Say) -> OtherPictures:
    """Labelled pictures from elsewhere, as a task takes them: class folders, or another dataset.

    Raises:
        UsageError: there are none for the task.
    """
    if not (place / recipe.FILE).is_file() and (labelled := task.evaluating.pictures_in(place)) is not None:
        return OtherPictures.below(labelled, place)
    snapshot, examples = dataset_of_task(task, place, say)
    return OtherPictures(task.learning.labelled(snapshot, examples), shown_place(place), looks_of(snapshot))


def dataset_of_task(task: TaskDefinition, place: Path, say: Say) -> tuple[Snapshot, list[Example]]:
    """A dataset that a run is measured on, and its pictures.

    Raises:
        UsageError: it is none, or for another task.
    """
    if not (place / recipe.FILE).is_file():
        raise UsageError(f"{place} is not a dataset; a run for {task.name} is measured on one")
    snapshot, examples, *_ = examples_of(place, say)
    if snapshot.task != task.name:
        raise UsageError(
            f"{place} is a dataset for the task {snapshot.task}, and the run one for {task.name}"
        )
    return snapshot, examples


def looks_of(snapshot: Snapshot) -> dict[str, Look]:
    """How the kept pictures of a dataset look, as far as its catalog says."""
    return {s.sha256: Look(s.label, s.fingerprint) for s in snapshot.kept if s.fingerprint is not None}


def _over_all(snapshot: Snapshot) -> Agreement | None:
    """How far people agree about a dataset's labels, without who they are: a run is given away."""
    found = snapshot.agreement
    if found is None:
        return None
    return Agreement(pictures=found.pictures, agreement=found.agreement, alpha=found.alpha)


def _runs_of(snapshot: Snapshot) -> Path:
    """The folder of a dataset's runs; in the current folder, where its own cannot be written to."""
    if read_only.is_read_only(snapshot.folder):
        return Path.cwd() / "runs" / snapshot.name
    return snapshot.folder / "runs"


def _new_run(runs: Path, plugin: str) -> Path:
    """A folder of a run that is not there yet: when it was, and by which trainer."""
    name = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{plugin}"
    number, run = 2, runs / name
    while run.exists():
        number, run = number + 1, runs / f"{name}-{number}"
    return run


def _right_task(folder: Path, wanted: str | None) -> None:
    """The dataset's task decides; a contradiction is refused before anything is imported."""
    task = recipe.read(folder).task
    if wanted is not None and wanted not in TASKS:
        raise UsageError(f"--task {wanted}: byod trains {' or '.join(TASKS)}")
    if wanted is not None and wanted != task:
        raise UsageError(f"{folder} is a dataset for the task {task}: remove --task {wanted}")


def find_trainer(wanted: TrainRequest) -> Trainer:
    """The trainer of that name: in this environment, in another one, or as several processes.

    Raises:
        TrainerError: there is none, or it does not use several GPUs.
    """
    if wanted.gpus < 2:
        return Remote(wanted.plugin, wanted.python) if wanted.python else protocol.load(wanted.plugin)
    here = protocol.load(wanted.plugin)
    if not isinstance(here, Launching):
        raise TrainerError(f"the trainer {wanted.plugin} trains on one GPU; remove --gpus")
    launcher = tuple(here.launch(wanted.gpus, wanted.device))
    return Remote(wanted.plugin, wanted.python or Path(sys.executable), launcher)


def _probe(wanted: TrainRequest, name: str | None, size: int, say: Say) -> Trainer | None:
    """The task's probe, where it has one, it is installed, seconds are enough, and it was not said to leave it out.

    `size` is the number of pictures times that of classes.
    """
    if not wanted.probe or name in (None, wanted.plugin):
        return None
    if size > MOST_FOR_PROBE:
        say(
            f"no probe: pictures times classes are {size:,}, and above {MOST_FOR_PROBE:,} it would take minutes; "
            f"ask it by itself: byod train --plugin {name}, byod check --suspects"
        )
        return None
    if name not in protocol.installed():
        say(f"no probe is installed, so nothing will say whether fine-tuning was worth it; {_install(name)}")
        return None
    return protocol.load(name)


def _install(probe: str | None) -> str:
    return f"from a clone of byod: uv pip install -e plugins/byod-{probe}"


def _of_enough(
    snapshot: Snapshot, examples: list[Example], least: int, say: Say
) -> tuple[Snapshot, list[Example]]:
    """The dataset without the classes of too few pictures, where two or more are left."""
    count = Counter(example.label for example in examples)
    few = [name for name in snapshot.classes if 0 < count[name] < least]
    if not few or len(count) - len(few) < 2:
        return snapshot, examples
    for name in few:
        say(
            f"{name} has {count[name]} of the {least} pictures that a class needs (--min-class), and is left out"
        )
    classes = {name: folder for name, folder in snapshot.classes.items() if name not in few}
    return snapshot.model_copy(update={"classes": classes}), [one for one in examples if one.label not in few]


def examples_of(folder: Path, say: Say) -> LabelledPictures:
    """A dataset as it stands, and what to learn from."""
    with opened(folder, say, reading=True) as dataset:
        say_split(split := assign(dataset), say)
        snapshot = dataset.snapshot()
        # a conflict that the review told is noted like a verdict, and is nobody's
        reviewed = sum(said.who != REVIEW for said in dataset.catalog.verdicts.holding().values())
        examples = _of_one_white(dataset.examples(snapshot, split.group_of), say)
        return LabelledPictures(snapshot, examples, reviewed, split)


def _of_one_white(examples: list[Example], say: Say) -> list[Example]:
    """The examples with the value that is white in all deep grey pictures among them, which is said."""
    white = white_of_set(example.path for example in examples)
    if white is None:
        return examples
    say(f"grey of 16 bits: 0 to {white} is black to white, in all pictures of the set")
    return [example.model_copy(update={"grey_white": white}) for example in examples]


def _probed(folder: Path, say: Say) -> tuple[Snapshot, Any, Trainer]:
    """A dataset as it stands, what can be learned from it, and the probe of its task.

    Raises:
        TrainerError: the task has no probe, it is not installed, or there is too little to train on.
    """
    name = recipe.read(folder).task
    if name not in TASKS or (probe := TASKS[name].learning.probe) is None:
        raise TrainerError(f"{folder} is for the task {name}, which has no probe; this needs class labels")
    if probe not in protocol.installed():
        raise TrainerError(f"this needs the probe; {_install(probe)}")
    learning = TASKS[name].learning
    snapshot, examples, *_ = examples_of(folder, say)
    return snapshot, learning.usable(learning.labelled(snapshot, examples), say), protocol.load(probe)


def suspects(
    folder: Path, options: Mapping[str, str], into: Path | None, *, cache: Path | None, say: Say
) -> tuple[Path, Snapshot, CheckFindings]:
    """Ask a cross-validated probe which labels look wrong; the check page shows them, suspects.csv lists them."""
    snapshot, usable, probe = _probed(folder, say)
    task = TASKS[snapshot.task]
    say(f"asking the probe ({probe.name}) about each picture, trained on others …")
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        work = run_training.probe_work(probe, options, Path(place), 0, cache)
        asked = run_training.out_of_fold(task.learning, work, usable)
        issues = task.learning.find_issues(usable, (), asked, silent)
    wrong, hard = (issues.found, issues.hard) if issues else ((), ())
    run_folder.write_issues(snapshot.folder / "suspects.csv", LabelIssue, wrong)
    together = likely_sessions.noted(snapshot)
    found = check_findings.look(snapshot, task.pages, suspects=wrong, hard=hard, together=together)
    page = check_page.write_check(snapshot, task.pages, into or snapshot.folder / "check.html", found=found)
    return page, snapshot, found


def leak(folder: Path, options: Mapping[str, str], *, cache: Path | None, say: Say) -> leakage.Leakage:
    """Compare what a random split would claim with what a split by near-copies finds."""
    _, usable, probe = _probed(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        return leakage.measure(
            usable, probe, Path(place), options=dict(options), seed=0, cache=cache, say=say
        )
