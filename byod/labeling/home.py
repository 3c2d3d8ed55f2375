"""The folder byod's own Label Studio lives in: private files in it, and one byod at a time that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from byod.schema import files
from byod.schema.config import Settings
from byod.schema.progress import Say


def home(settings: Settings) -> Path:
    """The folder of byod's own Label Studio: `BYOD_LABEL_STUDIO_HOME`, or one in the user's data folder."""
    told = settings.environment.get("BYOD_LABEL_STUDIO_HOME")
    if told:
        return Path(told).expanduser().absolute()
    return platformdirs.user_data_path("byod") / "label-studio"


def private_folder(folder: Path) -> None:
    """Make a folder that its owner alone can look into; one that is there is left as it is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_private(file: Path, text: str) -> None:
    """Replace a file at one stroke, readable by its owner alone."""
    files.replace(file, text.encode(), mode=0o600)


@contextmanager
def alone(folder: Path, name: str, say: Say) -> Iterator[None]:
    """Hold a lock of the folder; while another byod holds it, say so once and wait until it ends or is done."""
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another byod is at work in {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
