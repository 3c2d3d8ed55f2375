"""One training in two processes, through byod's own way of starting them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from byod_torch import Torch

from byod.training import protocol
from byod.training.protocol import Run
from byod.training.remote.host import Remote

SHARES = """
import json, os, sys
from pathlib import Path
import numpy as np
import torch
from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split
from byod.training.protocol import Pixels
from byod_torch.batches import Batches
from byod_torch.processes import together

one = Example(sha256="0" * 64, path=Path("none"), label="x", split=Split.TRAIN, group="")
cpu = torch.device("cpu")
with together(2, cpu) as processes:
    torch.manual_seed(processes.rank)
    found = []
    for count in (1, 2, 3, 5, 13, 16):
        black = np.zeros((count, 8, 8, 3), np.uint8)
        pixels = Pixels([one] * count, InputRule(width=8, height=8), black, np.arange(count))
        batches = Batches(pixels, list(range(count)), 4, cpu, shuffle=True, rank=processes.rank, world=2)
        found.append([labels.tolist() for _, labels in batches])
    Path(sys.argv[1], f"{processes.rank}.json").write_text(json.dumps(found))
"""


@pytest.mark.long
def test_two_processes_share_one_order(tmp_path):
    """Both take the first one's order: every picture is shown once, and each has as many batches, of two at least."""
    script = tmp_path / "shares.py"
    script.write_text(SHARES)
    launcher = Torch().launch(2, "cpu")
    subprocess.run([sys.executable, *launcher, str(script), str(tmp_path)], check=True, timeout=120)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for count, one, other in zip((1, 2, 3, 5, 13, 16), first, second, strict=True):
        assert len(one) == len(other)
        assert all(len(batch) >= 2 for batch in [*one, *other])
        shown = [label for batches in zip(one, other, strict=True) for batch in batches for label in batch]
        if count >= 4:
            assert len(shown) == len(set(shown)) >= count - 3
        else:
            assert set(shown) == set(range(count))


@pytest.mark.long
def test_two_processes_train_one_model(small, tmp_path):
    """For two devices, each epoch comes once, the model learns, and a second start has nothing left to learn."""
    given = {"arch": "lenet", "size": "32", "from_scratch": "true", "epochs": "12", "lr": "0.004"}
    here = protocol.load("torch")
    remote = Remote("torch", Path(sys.executable), tuple(here.launch(2, "cpu")))
    epochs, said = [], []
    folder = tmp_path / "run"
    folder.mkdir()
    run = Run(folder=folder, device="cpu", gpus=2, log=epochs.append, say=said.append)
    trained = remote.train(small(40), remote.check(given), run)
    assert [e["epoch"] for e in epochs] == list(range(12))
    assert max(e["accuracy"] for e in epochs) >= 0.7
    assert any("2 processes" in line for line in said)
    assert trained.notes["processes"] == 2
    images = np.random.default_rng(0).random((3, 3, 32, 32), np.float32)
    logits = trained.logits(images)
    again = remote.train(small(40), remote.check(given), run)
    assert len(epochs) == 12
    assert np.array_equal(again.logits(images), logits)
