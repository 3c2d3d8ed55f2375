"""The contract of byod's trainers, run on byod-fastai."""

import pytest
from byod_fastai import Fastai

from byod.testing import check_trainer


@pytest.mark.long
def test_it_keeps_the_contract():
    """Everything that byod expects of a trainer holds, with a small net from random weights."""
    found = check_trainer(
        Fastai, {"arch": "squeezenet1_1", "size": "64", "from_scratch": "true", "epochs": "6"}
    )
    assert found.accuracy >= 0.8
    assert len(found.resumed) == 3
