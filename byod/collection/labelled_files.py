"""Pictures of this machine that bring labels along: the labels of each are written before it counts as read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any

from byod.collection import local_files
from byod.collection.pipeline import Arrival
from byod.dataset.dataset_folder import Dataset
from byod.dataset.label_files import write_labels
from byod.schema.records import Candidate, Fetched, Miss

LabelsOf = Callable[[str, bytes, Arrival], Any]
"""The labels of the picture of that address, as it arrived, in pixels of what is kept; None: it has none."""


class LabelledFiles:
    """Fetches pictures for a `Collection`, and writes their labels into the dataset.

    Args:
        dataset: open and locked, for a task whose labels lie in files of their own.
        addresses: those of the pictures that this knows; others are left to whoever offered them.
        labels_of: the labels of each.
        twice: told of a picture that came in before with other labels, which are kept: its address and the labels that
            it would have had.
        content: reads a picture that is no file of its own; None: it is one.
    """

    def __init__(
        self,
        dataset: Dataset,
        addresses: Iterable[str],
        labels_of: LabelsOf,
        twice: Callable[[str, Any, Any], None] = lambda address, there, new: None,
        content: Callable[[Candidate], bytes | Miss] | None = None,
    ) -> None:
        self._dataset, self._addresses, self._labels_of = dataset, set(addresses), labels_of
        self._twice, self._content = twice, content
        standing = dataset.catalog.samples.standing()
        self._standing = {sha: path for path, (sha, *_) in standing.items() if not path.startswith(".byod/")}
        self._lock = threading.Lock()

    def fetch(
        self,
        candidates: Iterable[Candidate | None],
        inspect: Callable[[Fetched, bytes], Arrival],
        waits: Callable[[], None],
    ) -> Generator[tuple[Fetched | Miss, Arrival | None], None, None]:
        """Read pictures; as `byod.collection.pipeline.Fetch`."""

        def labelled(fetched: Fetched, content: bytes) -> Arrival:
            arrival = inspect(fetched, content)
            if arrival.inspected is not None:
                labels = self._labels_of(fetched.url, content, arrival)
                if labels is not None:
                    self.write(fetched.url, arrival.sha256, labels)
            return arrival

        mine = (each for each in candidates if each is not None and each.url in self._addresses)
        if self._content is None:
            yield from local_files.read(mine, labelled, waits)
        else:
            yield from local_files.read(mine, labelled, waits, self._content)

    def write(self, address: str, sha256: str, labels: Any) -> None:
        """Write the labels of one picture, unless it has some."""
        name = self._dataset.label_file(self._standing.get(sha256, sha256[:20]))
        storage = self._dataset.task.storage
        if name is None or storage is None:
            return
        with self._lock:
            there = storage.read(self._dataset.folder / name)
            if there is None:
                write_labels(self._dataset, name, labels, flush=False)  # with its picture, by the round
            else:
                self._twice(address, there, labels)
