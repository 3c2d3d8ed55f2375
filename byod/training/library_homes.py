"""Folders of the libraries below a trainer: what they keep for themselves lies in byod's cache, not in the user's home.

To be said before they are imported. A folder that the user has already, and a variable that is set, are left alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from byod.schema.config import Settings

_FOLDERS = {
    "MPLCONFIGDIR": ("matplotlib", ("~/.config/matplotlib", "~/.matplotlib")),
    "KERAS_HOME": ("keras", ("~/.keras",)),
    "TORCHINDUCTOR_CACHE_DIR": ("torchinductor", ()),
}
"""The variable, the folder in byod's cache, and where the library's own is when the user has one."""


def cache_folder(name: str) -> Path:
    """The folder of a name in byod's cache (`BYOD_CACHE`), for the user alone; made where it is missing."""
    folder = Settings.load().cache / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def keep_in_cache() -> None:
    """Give each library a folder in byod's cache, and switch off what one would tell its makers."""
    cache = Settings.load().cache
    for variable, (folder, usual) in _FOLDERS.items():
        if variable not in os.environ and not any(Path(place).expanduser().exists() for place in usual):
            os.environ[variable] = str(cache / folder)
    # huggingface_hub (timm, fastai) otherwise says with each download which libraries of which versions are here
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
