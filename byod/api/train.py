"""Train on a dataset, and what the probe is asked for besides: label errors and leakage."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from byod.api.datasets import assign, opened, say_split
from byod.labeling.annotations import REVIEW
from byod.report import check_page, dataset_statistics
from byod.schema import recipe
from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import (
    KeypointsCard,
    LabelIssue,
    ModelCard,
)
from byod.schema.progress import Say
from byod.schema.records import Example, Record, Snapshot, Task
from byod.tasks.classify import leakage
from byod.tasks.classify.train import find_label_issues
from byod.tasks.classify.train import train as train_classifier
from byod.tasks.keypoints.train import train as train_keypoints
from byod.tasks.keypoints.training_set import read_training_set as read_keypoints
from byod.training import protocol, run_folder
from byod.training.protocol import Launching, Trainer
from byod.training.provenance import Provenance
from byod.training.remote.host import Remote

PROBE = "sklearn"
"""The trainer that learns in seconds, before any other."""

NO_PROBE = (
    "no probe is installed, so nothing will say whether fine-tuning was worth it; "
    f"from a clone of byod: uv pip install -e plugins/byod-{PROBE}"
)


class TrainRequest(Record):
    """A request for a training: by which trainer, with which options, on which devices.

    `task` is what to learn (None: what the dataset is for). `python` is the Python of another environment in which the
    trainer lives. `probe` asks for the instant bar first (of classes); `fresh` starts anew where an unfinished run
    could be taken up.
    """

    plugin: str = "fastai"
    task: Task | None = None
    options: dict[str, str] = {}
    seed: int = 0
    device: str | None = None
    gpus: int = 1
    python: Path | None = None
    probe: bool = True
    fresh: bool = False


def train(
    folder: Path,
    wanted: TrainRequest,
    *,
    cache: Path | None = None,
    command: str = "",
    say: Say,
    log: Callable[[Mapping[str, object]], None],
) -> tuple[Path, ModelCard | KeypointsCard]:
    """Train on what survived, classes or points as the dataset's task says; the run's folder holds model and report.

    Raises:
        TrainerError: the dataset is for another task than the one wanted, or cannot be trained on.
    """
    _right_task(folder, wanted.task)
    trainer = find_trainer(wanted)
    snapshot, examples, reviewed = examples_of(folder, say)
    about = Provenance(
        fingerprint=snapshot.fingerprint,
        reviewed=reviewed,
        licences={
            licence or "unknown": number for licence, number in dataset_statistics.licence_counts(snapshot)
        },
        yields=snapshot.yields,
        command=command,
    )
    run = snapshot.folder / "runs" / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{wanted.plugin}"
    common: dict[str, Any] = {
        "folder": run,
        "seed": wanted.seed,
        "device": wanted.device,
        "gpus": wanted.gpus,
        "cache": cache,
        "fresh": wanted.fresh,
        "about": about,
        "say": say,
        "log": log,
    }
    if snapshot.task is Task.KEYPOINTS:
        points, keypoints = read_keypoints(snapshot)
        return run, train_keypoints(examples, keypoints, points, trainer, wanted.options, **common)
    probe = _probe(wanted, say)
    made = train_classifier(examples, list(snapshot.classes), trainer, wanted.options, probe=probe, **common)
    return run, made


def _right_task(folder: Path, wanted: Task | None) -> None:
    """The dataset's task decides; a contradiction is refused before anything is imported."""
    task = recipe.read(folder).task
    if wanted is not None and wanted is not task:
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


def _probe(wanted: TrainRequest, say: Say) -> Trainer | None:
    if not wanted.probe or wanted.plugin == PROBE:
        return None
    if PROBE not in protocol.installed():
        say(NO_PROBE)
        return None
    return protocol.load(PROBE)


def examples_of(folder: Path, say: Say) -> tuple[Snapshot, list[Example], int]:
    """A dataset as it stands, what to learn from, and on how many pictures a person's verdict holds."""
    with opened(folder, say) as dataset:
        say_split(assign(dataset), say)
        snapshot = dataset.snapshot()
        # a conflict that the review told is noted like a verdict, and is nobody's
        reviewed = sum(said.who != REVIEW for said in dataset.catalog.verdicts.holding().values())
        return snapshot, dataset.examples(snapshot), reviewed


def _labelled(folder: Path, say: Say) -> tuple[Snapshot, list[Example]]:
    """As `examples_of`, of a dataset for classes."""
    snapshot, examples, _ = examples_of(folder, say)
    if snapshot.task is not Task.CLASSIFY:
        raise TrainerError(f"{folder} is for the task {snapshot.task}; this needs class labels")
    return snapshot, examples


def suspects(
    folder: Path, options: Mapping[str, str], into: Path | None, *, cache: Path | None, say: Say
) -> tuple[Path, Snapshot, tuple[LabelIssue, ...]]:
    """Ask a cross-validated probe which labels look wrong; the check page shows them, suspects.csv lists them."""
    probe = _needed_probe()
    snapshot, examples = _labelled(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        found = find_label_issues(
            examples, list(snapshot.classes), probe, Path(place), options=options, cache=cache, say=say
        )
    run_folder.write_issues(snapshot.folder / "suspects.csv", LabelIssue, found)
    page = check_page.write_check(snapshot, into or snapshot.folder / "check.html", suspects=found)
    return page, snapshot, found


def leak(folder: Path, options: Mapping[str, str], *, cache: Path | None, say: Say) -> leakage.Leakage:
    """Compare what a random split would claim with what a split by near-copies finds."""
    probe = _needed_probe()
    snapshot, examples = _labelled(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        return leakage.measure(
            examples,
            list(snapshot.classes),
            probe,
            Path(place),
            options=dict(options),
            seed=0,
            cache=cache,
            say=say,
        )


def _needed_probe() -> Trainer:
    if PROBE not in protocol.installed():
        raise TrainerError(
            f"this needs the probe; from a clone of byod: uv pip install -e plugins/byod-{PROBE}"
        )
    return protocol.load(PROBE)
