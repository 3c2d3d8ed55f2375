"""Settling only around what somebody said comes to the same as settling everything."""

import io
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from byod.api import adding
from byod.dataset import placement
from byod.dataset.dataset_folder import Dataset
from byod.dataset.no_copies import NoCopies
from byod.schema.reasons import Reason
from byod.schema.recipe import OwnRecipe, Recipe
from byod.schema.records import Placement, Status, Verdict
from byod.tasks import TASKS

CLASSES = ("ant", "bee", "cow")


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    body = io.BytesIO()
    image.save(body, "JPEG", quality=quality)
    return body.getvalue()


def relatives(image: Image.Image) -> dict[str, bytes]:
    """Copies of a picture, look-alikes, and the picture itself."""
    noise = Image.effect_noise(image.size, 60).convert("RGB")
    return {
        "itself": jpeg(image),
        "smaller": jpeg(image.resize((240, 192))),
        "worse": jpeg(image, 40),
        "mirrored": jpeg(ImageOps.mirror(image)),
        "framed": jpeg(ImageOps.expand(image, 40, "white")),
        "alike": jpeg(Image.blend(image, noise, 0.25)),
        "much alike": jpeg(Image.blend(image, noise, 0.12)),
    }


@pytest.fixture(scope="module")
def related(tmp_path_factory) -> Path:
    """A dataset of families of pictures, strewn over three classes."""
    home, chance = tmp_path_factory.mktemp("related"), random.Random(0)
    for number in range(30):
        blocks = np.random.default_rng(number).integers(0, 256, (6, 7, 3), np.uint8)
        image = Image.fromarray(blocks).resize((320, 256), Image.Resampling.BICUBIC)
        for kind, body in relatives(image).items():
            if kind == "itself" or chance.random() < 0.35:
                room = home / "drawn" / chance.choice(CLASSES)
                room.mkdir(parents=True, exist_ok=True)
                (room / f"{number} {kind}.jpg").write_bytes(body)
    adding.add(
        [home / "drawn"],
        None,
        home / "set",
        Recipe(own=OwnRecipe(duplicates="near")),
        say=str,
        watch=lambda tallies: None,
    )
    return home / "set"


def findings(dataset: Dataset) -> dict[str, object]:
    samples = dataset.catalog.samples
    return {
        "groups": samples.groups(),
        "lookalikes": samples.lookalikes(),
        "conflicts": samples.conflicts(),
        "samples": sorted(
            (s.sha256, s.label, s.status, s.reason or "", s.keeper or "", s.path.rsplit("/", 1)[0])
            for s in samples.all()
        ),
    }


def say_something(dataset: Dataset, chance: random.Random) -> list[str]:
    """Verdicts about some pictures that were compared, as a review brings them; copies brought back are none."""
    compared = [
        sample
        for sample in dataset.catalog.samples.all()
        if sample.status is Status.KEPT or sample.reason.traits.compared
    ]
    chosen = chance.sample(compared, chance.randint(1, 8))
    placements, verdicts = [], []
    no_copies = NoCopies(dataset.catalog.samples)
    for sample in chosen:
        label = chance.choice([*CLASSES, None])
        reason = None if label else chance.choice([Reason.REVIEW, Reason.CONFLICT])
        verdicts.append(
            Verdict(
                sha256=sample.sha256,
                label=label,
                who="a@b",
                when=datetime.now(UTC),
                not_copy_of=no_copies.stated_by(sample) if label else (),
            )
        )
        placements.append(
            Placement(
                sha256=sample.sha256,
                label=label or sample.label,
                status=Status.KEPT if label else Status.REJECTED,
                reason=reason,
            )
        )
    dataset.catalog.verdicts.add(verdicts)
    dataset.place(placements)
    return [sample.sha256 for sample in chosen]


@pytest.mark.slow
def test_around_what_was_said_or_anew(related, tmp_path):
    """Whatever is said in whatever order, places, groups, look-alikes and conflicts are those of settling anew."""
    with Dataset(related, TASKS) as dataset:
        before = findings(dataset)
        assert len(before["lookalikes"]) > 3
        assert len(before["conflicts"]) > 3
        assert len({s[3] for s in before["samples"]}) > 2
    moved = 0
    for seed in range(12):
        folder = Path(shutil.copytree(related, tmp_path / str(seed)))
        chance = random.Random(seed)
        with Dataset(folder, TASKS) as dataset:
            for _ in range(4):
                around = say_something(dataset, chance)
                moved += placement.place_samples(dataset, around=around).moved
                near = findings(dataset)
                anew = placement.place_samples(dataset)
                assert (anew.changed, anew.moved) == (0, 0)
                assert findings(dataset) == near
    assert moved  # some verdict brought others with it
