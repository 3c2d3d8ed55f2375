"""A Label Studio at work, and a dataset to be reviewed there."""

import pytest
from review_round import collected, drawn

from byod.api.review import ReviewSession
from byod.labeling.client import LabelStudio


@pytest.fixture
def session(live_studio):
    studio = LabelStudio(live_studio.url, live_studio.token)
    return ReviewSession(studio=studio, server="own", files=live_studio.files)


@pytest.fixture
def folder(tmp_path):
    """A dataset of two classes, six pictures each."""
    return collected(drawn(tmp_path / "drawn", "Katze", "Hund"), tmp_path / "set")
