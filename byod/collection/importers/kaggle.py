"""The Cat Dataset from Kaggle, fetched with kagglehub, which resumes, checks and caches what it fetches.

Source: https://github.com/Kaggle/kagglehub
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from byod.schema.errors import DatasetError, UsageError

HANDLE = "crawford/cat-dataset"


def download(environment: Mapping[str, str] = os.environ) -> tuple[Path, str]:
    """Fetch the set, or find it in kagglehub's cache; returns its folder and the page of its version.

    Raises:
        UsageError: kagglehub or the credentials are missing.
        DatasetError: Kaggle did not give it.
    """
    try:
        import kagglehub
        from kagglehub.exceptions import BackendError, DataCorruptionError, NotFoundError
    except ModuleNotFoundError as error:
        raise UsageError("--kaggle needs kagglehub: uv pip install kagglehub") from error
    if not _credentials(environment):
        raise UsageError(
            "--kaggle needs your Kaggle token: set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put"
            " kaggle.json into ~/.kaggle (https://www.kaggle.com/settings)"
        )
    refusals = (OSError, ValueError, RuntimeError, BackendError, DataCorruptionError, NotFoundError)
    try:
        folder = Path(kagglehub.dataset_download(HANDLE))
    except refusals as error:  # those of requests are OSErrors
        words = " ".join(str(error).split())
        raise DatasetError(
            f"Kaggle did not give {HANDLE}: {words[:300]}; run the same command to go on"
        ) from error
    return folder, page(folder)


def page(folder: Path) -> str:
    """The page of the version that lies in a folder of kagglehub's cache (`…/versions/2`)."""
    numbers = [
        after for name, after in zip(folder.parts, folder.parts[1:], strict=False) if name == "versions"
    ]
    version = f"/versions/{numbers[-1]}" if numbers else ""
    return f"https://www.kaggle.com/datasets/{HANDLE}{version}"


def _credentials(environment: Mapping[str, str]) -> bool:
    if environment.get("KAGGLE_API_TOKEN"):
        return True
    if environment.get("KAGGLE_USERNAME") and environment.get("KAGGLE_KEY"):
        return True
    place = Path(environment.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    return any((place / name).is_file() for name in ("kaggle.json", "access_token"))
