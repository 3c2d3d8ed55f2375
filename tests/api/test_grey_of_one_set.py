"""Grey of 12 bits: classes that differ in brightness alone are told apart, since one white holds for the whole set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byod.api import adding
from byod.api.evaluate import predict
from byod.api.train import TrainRequest, train
from byod.schema.recipe import Recipe


def silent(*_: object) -> None:
    """Nobody listens."""


@pytest.mark.slow
def test_dark_and_bright_pictures_of_twelve_bits_are_told_apart(tmp_path: Path):
    """The white is said in training and kept in the card; a dark picture alone is as dark as it was in its set."""
    rng = np.random.default_rng(0)
    for label, top in (("bright", 4000), ("dark", 900)):
        (tmp_path / "own" / label).mkdir(parents=True)
        for number in range(12):
            small = Image.fromarray(rng.integers(0, 256, (5, 6), dtype=np.uint8))
            shape = np.asarray(small.resize((260, 220), Image.Resampling.BICUBIC), np.float64) / 255
            Image.fromarray((shape * top).astype(np.uint16)).save(tmp_path / "own" / label / f"{number}.png")
    target, said = tmp_path / "set", []
    adding.add([tmp_path / "own"], None, target, Recipe(), say=silent, watch=silent)
    run, card = train(target, TrainRequest(plugin="sklearn", probe=False), say=said.append, log=silent)
    assert "grey of 16 bits: 0 to 4095 is black to white, in all pictures of the set" in said
    assert card.input.grey_white == 4095
    found = predict(run, [tmp_path / "own" / "dark" / "1.png", tmp_path / "own" / "bright" / "1.png"])
    assert [each.label for each in found] == ["dark", "bright"]
