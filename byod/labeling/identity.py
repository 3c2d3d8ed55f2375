"""The name of a dataset on every server: kept when its folder is renamed, anew for a copy, found again when lost."""

from __future__ import annotations

import posixpath
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from byod.dataset.dataset_folder import Dataset
from byod.labeling.client import LabelStudio
from byod.schema import files
from byod.schema.progress import Say
from byod.schema.review_tasks import ReviewQueue

_KEY = ".byod/review-key"
_HOME = ".byod/review-home"
"""Where the key was made or last used: the folder's number on its disk, and its path."""
_MARKER = re.compile(r"\[byod ([0-9a-f]{16}) (\w+[^\[\]]*)\]")
_LOOKED_AT = 50  # tasks by which a project is recognised


def key(dataset: Path) -> str:
    """The name of a dataset on every server, however its folder is called: 16 hexadecimal digits, made once."""
    known = _read(dataset)
    return _write(dataset, secrets.token_hex(8)) if known is None else known


def is_known(dataset: Path) -> bool:
    """True if a dataset has a name for servers."""
    return _read(dataset) is not None


def marker(key: str, queue: ReviewQueue) -> str:
    """The words in a project's description that say whose it is: the name of the dataset, and the queue."""
    return f"[byod {key} {queue.name}]"


def queue_of(key: str, description: str) -> ReviewQueue | None:
    """The queue of the dataset of this name that a project is, by its description; None where it is none."""
    for told in _MARKER.finditer(description):
        if told[1] == key and (queue := ReviewQueue.named(told[2])) is not None:
            return queue
    return None


def place(dataset: Path) -> str:
    """The words in a project's description that tell its dataset's folder from every other one on this machine."""
    return f"[folder {_number(dataset):x}]"


def _read(dataset: Path) -> str | None:
    file = dataset / _KEY
    if file.exists() and re.fullmatch(rb"[0-9a-f]{16}", text := files.read(file).strip()):
        return text.decode()
    return None


def _write(dataset: Path, made: str) -> str:
    with files.opened(dataset) as folder:
        folder.make(posixpath.dirname(_KEY))
        folder.replace(_KEY, f"{made}\n".encode())
        folder.replace(_HOME, f"{_number(dataset)} {dataset}\n".encode())
    return made


def _number(dataset: Path) -> int:
    """The number of a folder on its disk: a renamed folder keeps it, a copy has its own."""
    return dataset.stat().st_ino


def tell_from_copies(dataset: Path, say: Say) -> None:
    """Give a copy of a dataset a name of its own, so that it is reviewed apart from the one it was copied from."""
    known, home = _read(dataset), dataset / _HOME
    if known is None:
        return
    number, _, place = files.read(home).decode().strip().partition(" ") if home.exists() else ("", "", "")
    here = number == str(_number(dataset))
    original = Path(place)
    if not here and place and original != dataset and original.is_dir() and _read(original) == known:
        _write(dataset, secrets.token_hex(8))
        say(f"{dataset.name} is a copy of {original}: it is reviewed apart from it from now on")
    elif not here or original != dataset:
        _write(dataset, known)


def find_again(dataset: Dataset, studio: LabelStudio, server: str, say: Say) -> None:
    """Find the name of a dataset that lost it: by the projects that its catalog remembers, or that name its folder.

    Raises:
        ReviewError: the server stopped answering.
    """
    if is_known(dataset.folder):
        return
    remembered = set(dataset.catalog.reviews.queues(server).values())
    listed = list(studio.projects())
    likely = [row for row in listed if row["id"] in remembered]
    likely += [row for row in listed if place(dataset.folder) in str(row.get("description") or "")]
    for row in likely:
        found = _MARKER.search(str(row.get("description") or ""))
        if found is not None and _is_ours(dataset, studio.tasks_page(int(row["id"]), _LOOKED_AT)):
            _write(dataset.folder, found[1])
            say(f"the review of {dataset.name} was found again on {studio.url}: project {row['id']}")
            return


def _is_ours(dataset: Dataset, tasks: Iterable[dict[str, Any]]) -> bool:
    """True if most of some tasks are about pictures of a dataset."""
    asked = [str(task["data"].get("byod_id", "")) for task in tasks]
    return 2 * sum(dataset.catalog.samples.get(sha256) is not None for sha256 in asked) > len(asked)
