"""The contract of byod's trainers, run on byod-keras."""

import pytest
from byod_keras import Keras

from byod.testing import check_trainer


@pytest.mark.long
def test_it_keeps_the_contract():
    """Everything that byod expects of a trainer holds, with its own small net."""
    found = check_trainer(Keras, {"size": "64", "epochs": "6"})
    assert found.accuracy >= 0.8
    assert len(found.resumed) == 3
