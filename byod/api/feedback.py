"""Taking reports up: pictures that a served model got wrong come into its dataset, with what people said they show.

They come in as a collection does, so that a kill at any point is made good by running the same command again. What
strangers say is not a verdict of its owner's: `byod review` asks about these pictures as about all others.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from byod.api.datasets import finish, opened
from byod.collection.labelled_files import LabelledFiles
from byod.collection.pipeline import Arrival, Collection, Watch
from byod.dataset import feedback_inbox
from byod.dataset.dataset_folder import Dataset
from byod.dataset.feedback_inbox import Feedback
from byod.schema.keypoints import Keypoints
from byod.schema.progress import Say
from byod.schema.records import Candidate, Record, Snapshot

SOURCE = "reports"


class ImportedFeedback(Record):
    """The dataset as it stands, how many reports came in, and how many wait for a class of their own."""

    snapshot: Snapshot
    taken: int
    left: int


def import_feedback(folder: Path, *, say: Say, watch: Watch) -> ImportedFeedback:
    """Bring the reports that wait in a dataset into it; their files go once the dataset has their pictures.

    A report that says "none of the classes", or one that the dataset no longer has, stays and is said.

    Raises:
        DatasetError: a report is none of byod's, or the dataset cannot be opened.
    """
    with opened(folder, say) as dataset:
        taking = _Importing(dataset)
        reading = LabelledFiles(dataset, taking.by_url, taking.labels_of)
        collection = Collection(dataset, reading.fetch, watch, per_class=None)
        collection.take((candidate, None) for candidate in taking.candidates)
        known = {url for found in dataset.catalog.candidates.addresses().values() for _, _, url in found}
        done = [one for url, one in taking.by_url.items() if url in known]
        for one in done:
            for file in feedback_inbox.files_of(dataset.folder, one.sha256):
                dataset.files.remove(f"{feedback_inbox.ROOM}/{file.name}")
        for line in taking.lines():
            say(line)
        left = len(taking.by_url) - len(done) + sum(taking.homeless.values())
        return ImportedFeedback(snapshot=finish(dataset), taken=len(done), left=left)


class _Importing:
    """The reports of a dataset as candidates of a source."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.by_url: dict[str, Feedback] = {}
        self.candidates: list[Candidate] = []
        self.homeless: Counter[str | None] = Counter()
        for correction in feedback_inbox.waiting(dataset.folder):
            self._offer(correction)

    def _offer(self, correction: Feedback) -> None:
        label = self._label(correction)
        if label is None:
            self.homeless[correction.label] += 1
            return
        picture, _ = feedback_inbox.files_of(self.dataset.folder, correction.sha256)
        # said anew at another time, it is another candidate
        url = f"{picture.as_uri()}#{correction.when.isoformat()}"
        self.by_url[url] = correction
        rank = len(self.candidates)
        self.candidates.append(
            Candidate(url=url, path=picture, label=label, source=SOURCE, terms=correction.run, rank=rank)
        )

    def _label(self, correction: Feedback) -> str | None:
        """The class folder of a report; pictures with points have no class but that of the dataset."""
        recipe = self.dataset.recipe
        if correction.marks is not None:
            return next(iter(recipe.classes), None)
        return None if correction.label is None else recipe.folder_of(correction.label)

    def labels_of(self, url: str, content: bytes, arrival: Arrival) -> Keypoints | None:
        """The points of a picture, in pixels of what is kept of it."""
        marks, kept = self.by_url[url].marks, arrival.inspected
        return (
            None if marks is None or kept is None else marks.scaled(arrival.sha256, kept.width, kept.height)
        )

    def lines(self) -> list[str]:
        """Say which reports stay, and why."""
        return [
            f"{number} reports say {'none of the classes' if label is None else label!r}, for which there is no class"
            f" here; they stay in {self.dataset.folder / feedback_inbox.ROOM}"
            for label, number in self.homeless.items()
        ]
