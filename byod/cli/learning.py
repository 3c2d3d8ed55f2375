"""Commands that learn and use what was learned: train, predict, plugins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from byod.cli.speech import Json, Named, answer, plainly, say, table


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (train, predict, plugins):
        app.command(command.__name__)(command)


@plainly
def train(
    named: Named = None,
    plugin: Annotated[str, typer.Option(help="The trainer; byod plugins lists them.")] = "fastai",
    task: Annotated[str, typer.Option(help="What to learn; this byod trains: classify.")] = "classify",
    arch: Annotated[str | None, typer.Option(help="The net's name, as torchvision or timm call it.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs after the head was trained.")] = None,
    size: Annotated[
        int | None, typer.Option(min=32, help="Side of the pictures the net sees, in pixels.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with no weights at all.")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="Begin with the weights of this file.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option of the trainer.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same training.")] = 0,
    device: Annotated[str | None, typer.Option(help="cuda, mps or cpu; default: the best there is.")] = None,
    as_json: Json = False,
) -> None:
    """Fine-tune a model on the pictures that survived, and measure it on ones it never saw."""
    import shlex

    from byod import dataset, pipeline
    from byod.errors import UsageError

    if task != "classify":
        raise UsageError(f"--task {task}: this byod trains classify only")
    typed = {"arch": arch, "epochs": epochs, "size": size, "weights": weights}
    options = {key: str(value) for key, value in typed.items() if value is not None}
    if from_scratch:
        options["from_scratch"] = "true"
    for text in setting or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text!r}: write KEY=VALUE")
        options[key.strip()] = value.strip()
    run, card = pipeline.train(
        dataset.find(named),
        plugin,
        options,
        seed=seed,
        device=device,
        command=shlex.join(["byod", *sys.argv[1:]]),
        say=say,
        log=epoch,
    )
    if as_json:
        answer({**card.model_dump(mode="json"), "run": str(run)})
        return
    typer.echo(f"Run: {run}")
    typer.echo(f"Report: {run / 'report.html'}   use it: byod predict PHOTO")


def epoch(numbers: Mapping[str, object]) -> None:
    """One epoch, one line, with fastai's own numbers."""
    parts = [str(numbers["part"])] if numbers.get("part") else []
    parts.append(f"epoch {numbers.get('epoch')}")
    for key in ("train_loss", "valid_loss", "accuracy"):
        value = numbers.get(key)
        if isinstance(value, float | int):
            parts.append(f"{key} {value:.4f}")
    if isinstance(seconds := numbers.get("seconds"), float | int):
        parts.append(f"{seconds:.1f} s")
    say("  ".join(parts))


@plainly
def predict(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE…", help="Pictures, folders, or - for stdin.")],
    run: Annotated[
        str | None, typer.Option(help="A run's folder, or a dataset; default: the latest run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what pictures show; runs on onnxruntime alone."""
    from byod import dataset, pipeline
    from byod.modelcard import Unreadable

    folder = pipeline.find_run(run, dataset.ROOT)
    given: list[Path | tuple[str, bytes]] = [
        ("-", sys.stdin.buffer.read(200_000_000)) if name == "-" else Path(name) for name in images
    ]
    found = []
    failed = 0
    for one in pipeline.predict(folder, given):
        if isinstance(one, Unreadable):
            failed += 1
            say(f"byod: {one.path}: {one.error}")
        else:
            found.append(one)
    if as_json:
        answer([one.model_dump(mode="json") for one in found])
    elif found:
        rows = [
            (one.path, one.label, f"{one.probability:6.1%}", "█" * round(one.probability * 20))
            for one in found
        ]
        table(f"Model: {folder}", ("picture", "class", "probability", ""), rows)
    if failed:
        raise typer.Exit(1)


@plainly
def plugins(as_json: Json = False) -> None:
    """List the trainers that are installed, and what each says of itself."""
    from importlib.metadata import PackageNotFoundError, version

    from byod import trainers
    from byod.errors import TrainerError

    rows = []
    for name in trainers.installed():
        try:
            trainer = trainers.load(name)
            tasks, word = ", ".join(trainer.tasks), "; ".join(trainer.doctor()) or "ready"
        except TrainerError as error:
            tasks, word = "", str(error)
        try:
            number = version(f"byod-toolkit-{name}")
        except PackageNotFoundError:
            number = "?"
        rows.append((name, number, tasks, word))
    if as_json:
        answer([dict(zip(("name", "version", "tasks", "doctor"), row, strict=True)) for row in rows])
        return
    if not rows:
        say("no trainer is installed; from a clone of byod: uv pip install -e plugins/byod-fastai")
        return
    table("Trainers", ("name", "version", "tasks", "doctor says"), rows)
