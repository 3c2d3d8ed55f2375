"""Runs on disk: find them, export them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from byod.dataset.dataset_list import datasets_under
from byod.schema import files, places
from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import Card
from byod.schema.progress import Say
from byod.schema.task_learning import Exporting, Predicting
from byod.tasks import of_run
from byod.web.static_site import runtime as web_runtime
from byod.web.static_site import site_folder as web_export

RUN_FORMATS = ("onnx", "safetensors")
"""What a run can be exported as: its model files, or the weights of them."""

WEB = "web"
"""What a run can be exported as beside that: a page that runs it."""


def export_run(run: Path, format: str, into: Path, *, with_resize: bool = False) -> Path:
    """Copy what a run gives away, with its card: the model (of points: both) as `onnx`, or weights as `safetensors`.

    Beside a model of classes lies `predict.py`, which uses it without byod; `with_resize` writes a model that takes
    pictures of any size.

    Raises:
        UsageError: no such format, the place is taken, or the run's resize cannot be inside.
        ModelError: the trainer kept no weights, or the model is damaged or none that byod runs.
    """
    task, card = of_run(run)
    if format not in RUN_FORMATS:
        raise UsageError(f"a run can be exported as {' or '.join(RUN_FORMATS)}, not as {format}")
    if into.exists():
        raise UsageError(f"{into} is there already; name another place with --into")
    task.predicting.predictor(run)  # whoever gets it should be able to use it
    names = [each[RUN_FORMATS.index(format)] for each in task.predicting.files(card)]
    if not all((run / file).is_file() for file in names):
        raise ModelError(f"{run} kept no weights: its trainer keeps none; export it with --format onnx")
    made = _beside(task.predicting, run, card, with_resize) if format == RUN_FORMATS[0] else {}
    with files.staging(into) as part:
        for file in (*names, "model.json"):
            if file not in made:
                files.copy(run / file, part / file)
        for file, content in made.items():
            files.replace(part / file, content)
        part.replace(into)
    return into


def _beside(predicting: Predicting, run: Path, card: Card, with_resize: bool) -> Mapping[str, bytes]:
    if isinstance(predicting, Exporting):
        return predicting.beside(run, card, with_resize=with_resize)
    if with_resize:
        raise UsageError(
            f"--with-resize is about models of classes, and {run} is one for {card.task}; remove it"
        )
    return {}


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
    of_run(run)
    if into.exists():  # before anything is fetched
        raise UsageError(f"{into} is there already; name another place with --into")
    return web_export.write(run, into, web_runtime.files(cache, given=runtime, say=say), say=say)


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
    cards = (card for place in places for card in _room(place).glob("[!.]*/model.json"))
    runs = [card.parent for card in cards if not card.parent.is_symlink()]
    if not runs:
        told = f"{named} is not a run and has none" if named is not None else f"no run under {root}/"
        raise ModelError(f"{told}; train first: byod train --plugin fastai")
    return sorted(runs, key=lambda run: (run / "model.json").stat().st_mtime)


def _room(dataset: Path) -> Path:
    """The folder of a dataset's runs, which is none behind a link."""
    return places.inside(dataset, "runs")
