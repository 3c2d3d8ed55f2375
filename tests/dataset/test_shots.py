"""Tests of byod.dataset.shots: search hits that are two shots of one scene both stay, and their copies go."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from byod.api import adding
from byod.dataset.dataset_folder import Dataset
from byod.dataset.placement import place_samples
from byod.dataset.shots import Shots
from byod.schema.reasons import Reason
from byod.schema.recipe import OwnRecipe, Recipe
from byod.schema.records import Status
from byod.tasks import TASKS


def texture(seed: int) -> Image.Image:
    """Something as rich as a photo."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (320, 256), (120, 120, 120))
    for cells, share in ((4, 0.7), (9, 0.5), (40, 0.5)):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        image = Image.blend(image, noise.resize(image.size, Image.Resampling.BICUBIC), share)
    return image


def shot(move: int) -> Image.Image:
    """A shot in which what is in front stands some pixels further right."""
    image, mask = texture(0), Image.new("L", (320, 256))
    mask.paste(255, (90, 60, 230, 210))
    image.paste(texture(1).transform((320, 256), Image.Transform.AFFINE, (1, 0, -move, 0, 1, 0)), mask=mask)
    return image.filter(ImageFilter.GaussianBlur(1)).crop((8, 0, 312, 256))


def collected(folder: Path) -> Path:
    """A dataset that sets near-copies aside: two shots, each also smaller and worse."""
    (folder / "drawn" / "a").mkdir(parents=True)
    for name, image in {"one": shot(0), "two": shot(2)}.items():
        for kind, size, quality in (
            ("", (304, 256), 95),
            (" smaller", (200, 168), 90),
            (" worse", (304, 256), 30),
        ):
            body = io.BytesIO()
            image.resize(size, Image.Resampling.LANCZOS).save(body, "JPEG", quality=quality)
            (folder / "drawn" / "a" / f"{name}{kind}.jpg").write_bytes(body.getvalue())
    recipe = Recipe(own=OwnRecipe(duplicates="near"))
    adding.add([folder / "drawn"], None, folder / "set", recipe, say=str, watch=lambda tallies: None)
    return folder / "set"


def test_two_shots_of_a_scene_both_stay(tmp_path: Path):
    """Of each shot the best stands, and its copies name it, though their hashes are nearly those of the other, too."""
    with Dataset(collected(tmp_path), TASKS) as dataset:
        names = {
            sha256: Path(offers[0][2]).stem
            for sha256, offers in dataset.catalog.candidates.addresses().items()
        }
        samples = {
            names[sample.sha256].replace("%20", " "): sample for sample in dataset.catalog.samples.all()
        }
        assert {name for name, sample in samples.items() if sample.status is Status.KEPT} == {"one", "two"}
        for name, sample in samples.items():
            if sample.status is not Status.KEPT:
                assert sample.reason is Reason.DUPLICATE
                assert sample.keeper == samples[name.split()[0]].sha256
        assert len(set(dataset.catalog.samples.groups().values())) == 1  # and one side of a split


def test_a_pair_is_compared_once(tmp_path: Path, monkeypatch):
    """Placing again opens no picture: what came of it is known, also when files are gone."""
    with Dataset(collected(tmp_path), TASKS, lock=True) as dataset:
        before = dataset.catalog.samples.compared()
        assert any(found.moved for found in before.values())
        monkeypatch.setattr(dataset.catalog.samples, "paths", lambda sha256s: {})  # as if no file were there
        shots = Shots(dataset, None)
        assert all(shots.compare(other, one) == found for (one, other), found in before.items())
        placed = place_samples(dataset)
        assert placed.changed == 0
        assert dataset.catalog.samples.compared() == before
