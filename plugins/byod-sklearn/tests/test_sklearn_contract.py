"""The contract of byod's trainers, run on byod-sklearn."""

import pytest
from byod_sklearn import Sklearn

from byod.testing import check_trainer


@pytest.mark.long
def test_it_keeps_the_contract():
    """Everything that byod expects of a trainer holds, with its hand-made descriptor, which needs no weights."""
    found = check_trainer(Sklearn, {"from_scratch": "true"})
    assert found.accuracy >= 0.8
    assert len(found.resumed) == 0
