"""byod's verbs for what is learned, one function each: train, evaluate, compare, doubt labels, predict, give away."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from byod import (
    comparing,
    evaluation,
    leaks,
    pages,
    reports,
    runfolder,
    stories,
    trainers,
    training,
)
from byod.dataset import datasets_under
from byod.errors import ModelError, TrainerError, UsageError
from byod.modelcard import Comparison, ModelCard, Prediction, Suspect, Unreadable
from byod.pipeline import Say, assign, opened, say_moved
from byod.predictor import Predictor, read_card
from byod.records import Example, Record, Snapshot, Split
from byod.remote.host import Remote
from byod.sources import folder as own_pictures
from byod.trainers import Launching, Trainer
from byod.writing import overview

PROBE = "sklearn"
"""The trainer that learns in seconds, before any other."""

NO_PROBE = (
    "no probe is installed, so nothing will say whether fine-tuning was worth it; "
    f"from a clone of byod: uv pip install -e plugins/byod-{PROBE}"
)

RUN_FORMATS = {"onnx": "model.onnx", "safetensors": runfolder.WEIGHTS}
"""What a run can be exported as, and the file that is."""


class Wanted(Record):
    """How a training is wanted: by which trainer, with which options, where.

    `python` is the Python of another environment in which the trainer lives. `probe` asks for the instant bar first;
    `fresh` starts anew where an unfinished run could be taken up.
    """

    plugin: str = "fastai"
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
) -> tuple[Path, ModelCard]:
    """Train on what survived; the run's folder holds the model, its card and its report."""
    trainer = find_trainer(wanted)
    snapshot, examples = _examples(folder, say)
    about = training.About(
        fingerprint=snapshot.fingerprint,
        licences={licence or "unknown": number for licence, number in overview.licence_counts(snapshot)},
        yields=snapshot.yields,
        command=command,
    )
    run = snapshot.folder / "runs" / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{wanted.plugin}"
    made = training.train_run(
        examples,
        list(snapshot.classes),
        trainer,
        wanted.options,
        folder=run,
        seed=wanted.seed,
        device=wanted.device,
        gpus=wanted.gpus,
        cache=cache,
        probe=_probe(wanted, say),
        fresh=wanted.fresh,
        about=about,
        say=say,
        log=log,
    )
    return run, made


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


def _examples(folder: Path, say: Say) -> tuple[Snapshot, list[Example]]:
    with opened(folder, say) as dataset:
        say_moved(assign(dataset), say)
        snapshot = dataset.snapshot()
        return snapshot, dataset.examples(snapshot)


def evaluate(run: Path, place: Path | None, report: Path | None, *, say: Say) -> evaluation.Evaluation:
    """Measure a run on other people's class folders, or on its dataset's test pictures as they are labelled now."""
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
        card = read_card(run)
        shown = card.model_copy(update={"metrics": found.metrics, "probe": None, "suspects": None})
        page = reports.render(reports.Story(card=shown, answers=stories.answers(judged, card.classes)))
        report.write_text(page, encoding="utf-8")
    return found


def compare(runs: Sequence[Path], page: Path) -> Comparison:
    """Measure runs on the pictures they share, and draw the page."""
    comparison = comparing.compare(runs)
    page.write_text(reports.compare_page(comparison), encoding="utf-8")
    return comparison


def suspects(
    folder: Path, options: Mapping[str, str], into: Path | None, *, cache: Path | None, say: Say
) -> tuple[Path, Snapshot, tuple[Suspect, ...]]:
    """Ask a cross-validated probe which labels look wrong; the check page shows them, suspects.csv lists them."""
    probe = _needed_probe()
    snapshot, examples = _examples(folder, say)
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        found = training.doubts(
            examples, list(snapshot.classes), probe, Path(place), options=options, cache=cache, say=say
        )
    runfolder.write_suspects(snapshot.folder / "suspects.csv", found)
    page = pages.write_check(snapshot, into or snapshot.folder / "check.html", suspects=found)
    return page, snapshot, found


def leak(folder: Path, options: Mapping[str, str], *, cache: Path | None, say: Say) -> leaks.Leak:
    """What a random split would claim, beside what a split by near-copies finds."""
    probe = _needed_probe()
    snapshot, examples = _examples(folder, say)
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


def predict(run: Path, images: Sequence[Path | tuple[str, bytes]]) -> Iterator[Prediction | Unreadable]:
    """What a run's model says of pictures: files, all below folders, or (name, bytes) pairs."""
    return Predictor(run).predict(_pictures(images))


def _pictures(images: Iterable[Path | tuple[str, bytes]]) -> Iterator[Path | tuple[str, bytes]]:
    for image in images:
        if isinstance(image, Path) and image.is_dir():
            yield from (c.path for c in own_pictures.pictures(image, "-") if c.path is not None)
        else:
            yield image


def export_run(run: Path, format: str, into: Path) -> Path:
    """Copy what a run gives away, with its card: the model as `onnx`, or its weights as `safetensors`.

    Raises:
        UsageError: no such format, or the place is taken.
        ModelError: the trainer kept no weights.
    """
    read_card(run)
    if format not in RUN_FORMATS:
        raise UsageError(f"a run can be exported as {' or '.join(RUN_FORMATS)}, not as {format}")
    source = run / RUN_FORMATS[format]
    if not source.is_file():
        raise ModelError(f"{run} kept no weights: its trainer keeps none; export it with --format onnx")
    if into.exists():
        raise UsageError(f"{into} is there already; name another place with --into")
    into.mkdir(parents=True)
    shutil.copyfile(source, into / RUN_FORMATS[format])
    shutil.copyfile(run / "model.json", into / "model.json")
    return into


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
