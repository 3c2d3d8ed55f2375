"""Datasets that a test has reviewed: made, pushed and pulled by the command line, and read from the disk afterwards."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from test_cli import byod

from byod.api import datasets
from byod.dataset.dataset_folder import Dataset
from byod.schema.recipe import Recipe
from byod.testing import draw_classes


def silent(line):
    """Nobody listens."""


def added(folder: Path, own: Path, recipe: Recipe | None = None) -> Path:
    """A dataset of one's own class folders."""
    datasets.add([own], None, folder, recipe or Recipe(), say=silent, watch=lambda tallies: None)
    return folder


def shapes(tmp_path: Path, classes=("circle", "square", "star"), per_class: int = 2) -> Path:
    """A dataset of drawn pictures."""
    draw_classes(tmp_path / "own", classes=classes, per_class=per_class, size=(640, 480), seed=5)
    return added(tmp_path / "datasets" / f"shapes-{tmp_path.name}", tmp_path / "own")


def named(tmp_path: Path, names) -> Path:
    """A dataset with classes of these names, one noise picture each."""
    recipe = Recipe()
    for name in names:
        recipe = recipe.with_class(name)
    for number, folder in enumerate(recipe.classes):
        target = tmp_path / "own" / folder
        target.mkdir(parents=True)
        noise = np.random.default_rng(number).integers(0, 256, (4, 5, 3), np.uint8)
        picture = Image.fromarray(noise).resize((400, 300), Image.Resampling.BICUBIC)
        picture.save(target / "a.jpg", quality=90)
    return added(tmp_path / "datasets" / f"named-{tmp_path.name}", tmp_path / "own", recipe)


def pushed(folder: Path, *arguments: str) -> dict[str, int]:
    """Push with the command line: the numbers of the projects, by purpose."""
    done = byod("review", "push", str(folder), "--json", *arguments, folder=folder.parent)
    return {one["purpose"]: one["number"] for one in json.loads(done.stdout)}


def pulled(folder: Path) -> dict:
    return json.loads(byod("review", "pull", str(folder), "--json", folder=folder.parent).stdout)


def samples(folder: Path):
    with Dataset(folder) as dataset:
        return {sample.sha256: sample for sample in dataset.snapshot().samples}


def standing(folder: Path) -> dict[str, str]:
    """The folder each picture lies in, as the disk has it."""
    found = {}
    for sha256, sample in samples(folder).items():
        assert (folder / sample.path).is_file()
        found[sha256] = str(Path(sample.path).parent)
    return found


def said(folder: Path, since: int) -> list[tuple[str, str | None, str]]:
    """What the label log says since a line: picture, label, who."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()[since:]
    return [(line["sha256"], line["label"], line["who"]) for line in map(json.loads, lines)]


def logged(folder: Path) -> int:
    return len((folder / "labels.jsonl").read_text(encoding="utf-8").splitlines())
