"""The real pictures, where they are at hand."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    """The folder of real pictures; without it a test is skipped, in CI it fails."""
    folder = os.environ.get("BYOD_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    reason = "BYOD_TEST_DATA does not name the folder of real pictures"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
