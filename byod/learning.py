"""byod's verbs for what is learned, one function each: train, evaluate, compare, doubt labels, predict, give away."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from byod import (
    comparing,
    evaluation,
    leaks,
    pages,
    pointruns,
    recipe,
    reports,
    runfolder,
    stories,
    trainers,
    training,
)
from byod.about import About
from byod.dataset import datasets_under
from byod.errors import ModelError, TrainerError, UsageError
from byod.keypoints.finder import PointsPredictor
from byod.modelcard import (
    Comparison,
    ModelCard,
    PointsCard,
    PointsComparison,
    PointsPrediction,
    Prediction,
    Suspect,
    Unreadable,
)
from byod.pipeline import Say, assign, opened, tell_split
from byod.predictor import Predictor
from byod.records import Example, Record, Snapshot, Split, Task
from byod.remote.host import Remote
from byod.review.answers import REVIEW
from byod.runcard import class_card, read_card
from byod.sources import folder as own_pictures
from byod.trainers import Launching, Trainer
from byod.web import export as web_export
from byod.web import runtime as web_runtime
from byod.writing import overview

PROBE = "sklearn"
"""The trainer that learns in seconds, before any other."""

NO_PROBE = (
    "no probe is installed, so nothing will say whether fine-tuning was worth it; "
    f"from a clone of byod: uv pip install -e plugins/byod-{PROBE}"
)

RUN_FORMATS = {"onnx": "model.onnx", "safetensors": runfolder.WEIGHTS}
"""What a run can be exported as, and the file that is."""
HEADS_FORMATS = {"onnx": "heads.onnx", "safetensors": "heads.safetensors"}
"""The same of the second net that a run for points has."""
WEB = "web"
"""What a run can be exported as beside that: a page that runs it."""


class Wanted(Record):
    """How a training is wanted: by which trainer, with which options, where.

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
    wanted: Wanted,
    *,
    cache: Path | None = None,
    command: str = "",
    say: Say,
    log: Callable[[Mapping[str, object]], None],
) -> tuple[Path, ModelCard | PointsCard]:
    """Train on what survived, classes or points as the dataset's task says; the run's folder holds model and report.

    Raises:
        TrainerError: the dataset is for another task than the one wanted, or cannot be trained on.
    """
    _right_task(folder, wanted.task)
    trainer = find_trainer(wanted)
    snapshot, examples, reviewed = _examples(folder, say)
    about = About(
        fingerprint=snapshot.fingerprint,
        reviewed=reviewed,
        licences={licence or "unknown": number for licence, number in overview.licence_counts(snapshot)},
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
        points, marks = pointruns.read(snapshot)
        return run, pointruns.train_run(examples, marks, points, trainer, wanted.options, **common)
    probe = _probe(wanted, say)
    made = training.train_run(
        examples, list(snapshot.classes), trainer, wanted.options, probe=probe, **common
    )
    return run, made


def _right_task(folder: Path, wanted: Task | None) -> None:
    """The dataset's task decides; a contradiction is refused before anything is imported."""
    task = recipe.read(folder).task
    if wanted is not None and wanted is not task:
        raise UsageError(f"{folder} is a dataset for the task {task}: leave --task {wanted} out")


def find_trainer(wanted: Wanted) -> Trainer:
    """The trainer of that name: in this environment, in another one, or as several processes.

    Raises:
        TrainerError: there is none, or it does not use several GPUs.
    """
    if wanted.gpus < 2:
        return Remote(wanted.plugin, wanted.python) if wanted.python else trainers.load(wanted.plugin)
    here = trainers.load(wanted.plugin)
    if not isinstance(here, Launching):
        raise TrainerError(f"the trainer {wanted.plugin} trains on one GPU; leave --gpus out")
    launcher = tuple(here.launch(wanted.gpus, wanted.device))
    return Remote(wanted.plugin, wanted.python or Path(sys.executable), launcher)


def _probe(wanted: Wanted, say: Say) -> Trainer | None:
    if not wanted.probe or wanted.plugin == PROBE:
        return None
    if PROBE not in trainers.installed():
        say(NO_PROBE)
        return None
    return trainers.load(PROBE)


def _examples(folder: Path, say: Say) -> tuple[Snapshot, list[Example], int]:
    """A dataset as it stands, what to learn from, and on how many pictures a person's verdict holds."""
    with opened(folder, say) as dataset:
        tell_split(assign(dataset), say)
        snapshot = dataset.snapshot()
        # a conflict that the review told is noted like a verdict, and is nobody's
        reviewed = sum(said.who != REVIEW for said in dataset.catalog.verdicts.holding().values())
        return snapshot, dataset.examples(snapshot), reviewed


def _labelled(folder: Path, say: Say) -> tuple[Snapshot, list[Example]]:
    """As `_examples`, of a dataset for classes."""
    snapshot, examples, _ = _examples(folder, say)
    if snapshot.task is not Task.CLASSIFY:
        raise TrainerError(f"{folder} is for the task {snapshot.task}; this needs class labels")
    return snapshot, examples


def evaluate(
    run: Path, place: Path | None, report: Path | None, *, say: Say
) -> evaluation.Evaluation | pointruns.PointsEvaluation:
    """Measure a run on other people's class folders, or on its dataset's test pictures as they are labelled now.

    A run for points is measured on another dataset of keypoints.
    """
    if isinstance(read_card(run), PointsCard):
        return _evaluate_points(run, place, report, say)
    if place is None:
        home = run.resolve().parent.parent
        with opened(home, say) as dataset:
            snapshot = dataset.snapshot()
            pictures = [e for e in dataset.examples(snapshot) if e.split is Split.TEST]
    else:
        pictures = evaluation.folders(place)
    say(f"asking the model about {len(pictures)} pictures …")
    found, judged = evaluation.evaluate(run, pictures, str(place) if place else "")
    if report is not None:
        card = class_card(run)
        shown = card.model_copy(update={"metrics": found.metrics, "probe": None, "suspects": None})
        page = reports.render(reports.Story(card=shown, answers=stories.answers(judged, card.classes)))
        report.write_text(page, encoding="utf-8")
    return found


def _evaluate_points(
    run: Path, place: Path | None, report: Path | None, say: Say
) -> pointruns.PointsEvaluation:
    home = place or run.resolve().parent.parent
    if not (home / recipe.FILE).is_file():
        raise UsageError(f"{home} is no dataset; a run for points is measured on one (byod convert makes it)")
    snapshot, examples, _ = _examples(home, say)
    if snapshot.task is not Task.KEYPOINTS:
        raise UsageError(f"{home} is a dataset for the task {snapshot.task}, and {run} a run for points")
    _, marks = pointruns.read(snapshot)
    chosen = examples if place else [e for e in examples if e.split is Split.TEST]
    say(f"asking the model about {len(chosen)} pictures …")
    found, judged, card = pointruns.evaluate(run, chosen, marks, str(place) if place else "")
    if report is not None:
        shown = card.model_copy(update={"metrics": found.metrics, "baseline": found.baseline})
        report.write_text(pointruns.tell(shown, None, judged, ()), encoding="utf-8")
    return found


def compare(runs: Sequence[Path], page: Path) -> Comparison | PointsComparison:
    """Measure runs on the pictures (runs for points: on the heads) they share, and draw the page.

    Raises:
        ModelError: some are for classes and some for points.
    """
    kinds = {run: isinstance(read_card(run), PointsCard) for run in runs}
    if len(set(kinds.values())) == 2:
        classes, points = (next(run for run in runs if kinds[run] is kind) for kind in (False, True))
        raise ModelError(f"{classes} tells classes apart and {points} finds points; they cannot be compared")
    if any(kinds.values()):
        found = pointruns.compare(runs)
        page.write_text(reports.compare_points_page(found), encoding="utf-8")
        return found
    comparison = comparing.compare(runs)
    page.write_text(reports.compare_page(comparison), encoding="utf-8")
    return comparison


def suspects(
    folder: Path, options: Mapping[str, str], into: Path | None, *, cache: Path | None, say: Say
) -> tuple[Path, Snapshot, tuple[Suspect, ...]]:
    """Ask a cross-validated probe which labels look wrong; the check page shows them, suspects.csv lists them."""
    probe = _needed_probe()
    snapshot, examples = _labelled(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        found = training.doubts(
            examples, list(snapshot.classes), probe, Path(place), options=options, cache=cache, say=say
        )
    runfolder.write_suspects(snapshot.folder / "suspects.csv", Suspect, found)
    page = pages.write_check(snapshot, into or snapshot.folder / "check.html", suspects=found)
    return page, snapshot, found


def leak(folder: Path, options: Mapping[str, str], *, cache: Path | None, say: Say) -> leaks.Leak:
    """What a random split would claim, beside what a split by near-copies finds."""
    probe = _needed_probe()
    snapshot, examples = _labelled(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        return leaks.measure(
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
    if PROBE not in trainers.installed():
        raise TrainerError(
            f"this needs the probe; from a clone of byod: uv pip install -e plugins/byod-{PROBE}"
        )
    return trainers.load(PROBE)


def predict(
    run: Path, images: Sequence[Path | tuple[str, bytes]]
) -> Iterator[Prediction | PointsPrediction | Unreadable]:
    """What a run's model says of pictures (a class, or heads): files, all below folders, or (name, bytes) pairs."""
    if isinstance(read_card(run), PointsCard):
        return PointsPredictor(run).predict(_pictures(images))
    return Predictor(run).predict(_pictures(images))


def _pictures(images: Iterable[Path | tuple[str, bytes]]) -> Iterator[Path | tuple[str, bytes]]:
    for image in images:
        if isinstance(image, Path) and image.is_dir():
            yield from (c.path for c in own_pictures.pictures(image, "-") if c.path is not None)
        else:
            yield image


def export_run(run: Path, format: str, into: Path) -> Path:
    """Copy what a run gives away, with its card: the model (of points: both) as `onnx`, or weights as `safetensors`.

    Raises:
        UsageError: no such format, or the place is taken.
        ModelError: the trainer kept no weights.
    """
    points = isinstance(read_card(run), PointsCard)
    if format not in RUN_FORMATS:
        raise UsageError(f"a run can be exported as {' or '.join(RUN_FORMATS)}, not as {format}")
    files = [RUN_FORMATS[format], *([HEADS_FORMATS[format]] if points else [])]
    if not all((run / file).is_file() for file in files):
        raise ModelError(f"{run} kept no weights: its trainer keeps none; export it with --format onnx")
    if into.exists():
        raise UsageError(f"{into} is there already; name another place with --into")
    into.mkdir(parents=True)
    for file in files:
        shutil.copyfile(run / file, into / file)
    shutil.copyfile(run / "model.json", into / "model.json")
    return into


def export_page(run: Path, into: Path, *, cache: Path, runtime: Path | None = None, say: Say) -> Path:
    """Write a folder of plain files that runs the model in the browser, from any host, without a server.

    Args:
        run: a run's folder.
        into: where to; nothing may be there yet.
        cache: keeps the program that runs ONNX in browsers, which is fetched with npm the first time.
        runtime: that program as a file, as `npm pack` makes it; nothing is fetched then.
        say: gets a line for what is to be known.

    Raises:
        UsageError: the place is taken, or the file given is another one.
        ModelError: the run cannot be used.
        ByodError: the program cannot be fetched.
    """
    read_card(run)
    if into.exists():  # before anything is fetched
        raise UsageError(f"{into} is there already; name another place with --into")
    return web_export.write(run, into, web_runtime.files(cache, given=runtime, say=say))


def find_run(named: str | None, root: Path) -> Path:
    """The run a command means: the folder given, the latest run of the dataset given, or the latest of all.

    Raises:
        ModelError: there is none.
    """
    return max(find_runs(named, root), key=lambda run: (run / "model.json").stat().st_mtime)


def find_runs(named: str | None, root: Path) -> list[Path]:
    """The run given, all runs of the dataset given, or all there are, oldest first.

    Raises:
        ModelError: there is none.
    """
    if named is not None and (Path(named) / "model.json").is_file():
        return [Path(named)]
    if named is not None:
        places = [Path(named), root / named]
    else:
        places = list(datasets_under(root))
    runs = [card.parent for place in places for card in place.glob("runs/[!.]*/model.json")]
    if not runs:
        told = f"{named} is no run and has none" if named is not None else f"no run under {root}/"
        raise ModelError(f"{told}; train first: byod train --plugin fastai")
    return sorted(runs, key=lambda run: (run / "model.json").stat().st_mtime)
