"""The contract of byod's trainers, run on byod-torch."""

import pytest
from byod_torch import Torch

from byod.schema.records import Task
from byod.testing import check_trainer


@pytest.mark.long
def test_it_keeps_the_contract():
    """Everything that byod expects of a trainer holds, with a small net from random weights."""
    found = check_trainer(
        Torch, {"arch": "squeezenet1_1", "size": "64", "from_scratch": "true", "epochs": "6"}
    )
    assert found.accuracy >= 0.8
    assert len(found.resumed) == 3


@pytest.mark.long
def test_it_keeps_the_contract_for_points():
    """The same holds where it learns heads and their points."""
    small = {"size": "64", "heads_size": "96", "from_scratch": "true", "epochs": "30"}
    found = check_trainer(Torch, small, per_class=40, accuracy=0.6, task=Task.KEYPOINTS)
    assert found.accuracy >= 0.6
    assert len(found.resumed) == 3
