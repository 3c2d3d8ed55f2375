"""A picture that was deleted by hand stays away, and so do its copies, also when the catalog is lost."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byod.api import adding
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.schema.recipe import OwnRecipe, Recipe
from byod.schema.records import Status
from byod.tasks import TASKS


def drawn(seed: int, quality: int) -> bytes:
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), np.uint8)
    body = io.BytesIO()
    Image.fromarray(blocks).resize((280, 240), Image.Resampling.BICUBIC).save(body, "JPEG", quality=quality)
    return body.getvalue()


def added(home: Path, name: str, content: bytes) -> None:
    room = home / name / "a"
    room.mkdir(parents=True)
    (room / f"{name}.jpg").write_bytes(content)
    recipe = Recipe(own=OwnRecipe(duplicates="near"))
    adding.add([home / name], None, home / "set", recipe, say=str, watch=lambda tallies: None)


def kept(home: Path) -> int:
    with Dataset(home / "set", TASKS) as dataset:
        sync(dataset)
        return sum(sample.status is Status.KEPT for sample in dataset.catalog.samples.all())


@pytest.fixture
def deleted(tmp_path: Path) -> Path:
    """Two pictures, of which one was deleted by hand, and then the catalog was lost."""
    added(tmp_path, "one", drawn(1, 95))
    added(tmp_path, "two", drawn(2, 95))
    gone = next((tmp_path / "set/images/a").iterdir())
    assert kept(tmp_path) == 2
    gone.unlink()
    assert kept(tmp_path) == 1
    (tmp_path / "set/catalog.db").unlink()
    return tmp_path


def test_a_copy_of_a_deleted_picture_stays_away_after_a_lost_catalog(deleted: Path):
    """Both pictures saved anew are copies: of what stands, and of what somebody deleted."""
    assert kept(deleted) == 1
    added(deleted, "again", drawn(1, 60))
    added(deleted, "more", drawn(2, 60))
    assert kept(deleted) == 1


@pytest.mark.parametrize("look", [None, 7, {}, {"phash": "0"}, {"rgb": "zz"}, {"width": -1}])
def test_looks_that_are_none_are_passed_over(deleted: Path, look):
    """A line whose looks were changed still is a verdict."""
    log = deleted / "set/labels.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    (told,) = (line for line in lines if "look" in line)
    told["look"] = {**told["look"], **look} if isinstance(look, dict) and look else look
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with Dataset(deleted / "set", TASKS) as dataset:
        sync(dataset)
        sample = dataset.catalog.samples.get(told["sha256"])
        assert sample is not None
        assert sample.fingerprint is None
        assert sample.status is Status.REJECTED
