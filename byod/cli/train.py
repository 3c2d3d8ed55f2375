"""Commands that learn: train, and which trainers there are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import byod
from byod.cli.output import FollowLinks, Json, Named, errors_in_one_line, print_result, print_table, put


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (train, plugins):
        app.command(command.__name__)(command)


@errors_in_one_line
def train(
    named: Named = None,
    plugin: Annotated[
        str, typer.Option(metavar="NAME", help="The trainer; byod plugins lists them.")
    ] = "fastai",
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="classify or keypoints; default: what the dataset is for."),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The net; byod plugins --architectures lists them (default: the trainer's, tf_efficientnet_lite0 for "
            "most).",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Epochs of the whole net, after its head was trained (default: the trainer's).",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=32, metavar="PIXELS", help="Side of the pictures the net sees (default: the trainer's)."
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with random weights instead of pretrained ones.")
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Begin with the weights of this file (default: pretrained ones, downloaded)."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any option of the trainer (byod plugins NAME); repeat for several.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="The seed of all random numbers: the same seed, the same training."),
    ] = 0,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="cuda, mps or cpu; default: the best there is.")
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, metavar="N", help="Train on so many GPUs of this machine.")] = 1,
    python: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The Python of another environment, in which the trainer lives (default: this one).",
        ),
    ] = None,
    no_probe: Annotated[
        bool,
        typer.Option(
            "--no-probe",
            help="Do not train the probe first; the report then says nothing of what it would reach.",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew where an unfinished run could be continued.")
    ] = False,
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Measure on these pictures too: class folders (of points: a dataset) of other people.",
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="Also keep a model of all pictures, which is not measured (model-all.onnx)."
        ),
    ] = False,
    min_class: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Leave out classes with fewer pictures than this (default: 3)."
        ),
    ] = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Fine-tune a model on the pictures that survived, and measure it on ones it never saw.

    A dataset of keypoints gets two nets: one finds objects, the other the points of each. A training that was killed or
    stopped goes on where it was when the same command is given again.
    """
    import shlex

    run = byod.Dataset(named, follow_links=follow_links).train(
        plugin,
        task=task,
        arch=arch,
        epochs=epochs,
        size=size,
        from_scratch=from_scratch,
        weights=weights,
        options=pairs(setting or []),
        seed=seed,
        device=device,
        gpus=gpus,
        python=python,
        probe=not no_probe,
        fresh=fresh,
        test=test,
        refit=refit,
        min_class=min_class,
        command=shlex.join(["byod", *sys.argv[1:]]),
    )
    if as_json:
        print_result({**run.card.model_dump(mode="json"), "run": str(run.folder)})
        return
    put(f"Run: {run.folder}")
    put(f"Report: {run.report}   use it: byod predict PHOTO")


def pairs(settings: Sequence[str]) -> dict[str, str]:
    """Read the values of --set, by key."""
    from byod.schema.errors import UsageError

    found = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text!r}: write KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


@errors_in_one_line
def plugins(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A trainer: show its options; default: list all trainers."),
    ] = None,
    architectures: Annotated[
        bool, typer.Option("--architectures", help="The nets that can be trained, by name.")
    ] = False,
    python: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="With a trainer's name: the Python of the environment it lives in (default: this one).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the trainers, what each says of itself, and how to install those that are missing."""
    from byod.schema.errors import UsageError
    from byod.training import registry

    if architectures:
        nets = registry.architectures(name)
        if as_json:
            print_result(nets)
        else:
            _nets(nets)
    elif name is not None:
        described = registry.describe(name, python)
        if as_json:
            print_result(described.model_dump(mode="json"))
        else:
            _options(described.name, described.options)
    elif python is not None:
        raise UsageError("--python needs the name of a trainer: byod plugins NAME --python PATH")
    else:
        _trainers(as_json)


def _trainers(as_json: bool) -> None:
    from byod.training import registry

    found = registry.plugins()
    if as_json:
        print_result([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.name, one.version or "not installed", ", ".join(one.tasks), one.word, one.install)
        for one in found
    ]
    print_table(
        "Trainers", ("name", "version", "tasks", "doctor says", "to install, from a clone of byod"), rows
    )


def _options(name: str, schema: Mapping[str, Any]) -> None:
    rows = []
    for key, option in schema.get("properties", {}).items():
        kinds = option.get("anyOf", [option])
        kind = " or ".join(str(k.get("type") or k.get("$ref", "").rpartition("/")[2]) for k in kinds)
        default = option.get("default")
        rows.append((key, kind, "" if default is None else str(default), option.get("description", "")))
    print_table(f"Options of {name} (--set NAME=VALUE)", ("name", "type", "default", "what it does"), rows)


def _nets(nets: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for net in nets for key in net))
    print_table(
        "Architectures (--arch NAME)", columns, [[net.get(key, "") for key in columns] for net in nets]
    )
