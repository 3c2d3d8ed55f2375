"""Taking reports up: pictures that a served model got wrong come into its dataset, with what people said they show.

They come in as a collection does, so that a kill at any point is made good by running the same command again. What
strangers say is not a verdict of its owner's: `byod review` asks about these pictures as about all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from byod.api.datasets import finish, opened
from byod.collection import local_files
from byod.collection.pipeline import Arrival, Collection, Watch
from byod.dataset import feedback_inbox
from byod.dataset.dataset_folder import Dataset
from byod.dataset.feedback_inbox import Feedback
from byod.schema.keypoints import Keypoints, keypoints_file, read_keypoints, write_keypoints
from byod.schema.progress import Say
from byod.schema.records import Candidate, Fetched, Miss, Record, Snapshot, Task

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
        collection = Collection(dataset, taking.fetch, watch, per_class=None)
        collection.take((candidate, None) for candidate in taking.candidates)
        known = {url for offers in dataset.catalog.candidates.addresses().values() for _, _, url in offers}
        done = [one for url, one in taking.by_url.items() if url in known]
        for one in done:
            for file in feedback_inbox.files_of(dataset.folder, one.sha256):
                file.unlink(missing_ok=True)
        for line in taking.lines():
            say(line)
        left = len(taking.by_url) - len(done) + sum(taking.homeless.values())
        return ImportedFeedback(snapshot=finish(dataset), taken=len(done), left=left)


class _Importing:
    """The reports of a dataset as offers of a source."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.by_url: dict[str, Feedback] = {}
        self.candidates: list[Candidate] = []
        self.homeless: Counter[str | None] = Counter()
        standing = dataset.catalog.samples.standing()
        self._standing = {sha: path for path, (sha, *_) in standing.items() if not path.startswith(".byod/")}
        for correction in feedback_inbox.waiting(dataset.folder):
            self._offer(correction)

    def _offer(self, correction: Feedback) -> None:
        label = self._label(correction)
        if label is None:
            self.homeless[correction.label] += 1
            return
        picture, _ = feedback_inbox.files_of(self.dataset.folder, correction.sha256)
        # said anew at another time, it is another offer
        url = f"{picture.as_uri()}#{correction.when.isoformat()}"
        self.by_url[url] = correction
        rank = len(self.candidates)
        self.candidates.append(
            Candidate(url=url, path=picture, label=label, source=SOURCE, terms=correction.run, rank=rank)
        )

    def _label(self, correction: Feedback) -> str | None:
        """The class folder of a report; pictures with points have no class but that of the dataset."""
        recipe = self.dataset.recipe
        if recipe.task is Task.KEYPOINTS:
            return next(iter(recipe.classes), None) if correction.marks is not None else None
        return None if correction.label is None else recipe.folder_of(correction.label)

    def fetch(
        self, candidates: Iterable[Candidate], inspect: Callable[[Fetched, bytes], Arrival]
    ) -> Generator[tuple[Fetched | Miss, Arrival | None], None, None]:
        """Read the pictures, and write the points of each before it counts as read."""

        def marked(fetched: Fetched, content: bytes) -> Arrival:
            arrival = inspect(fetched, content)
            marks = self.by_url[fetched.url].marks
            if marks is not None and arrival.inspected is not None:
                self._mark(marks, arrival, arrival.inspected.width, arrival.inspected.height)
            return arrival

        mine = (candidate for candidate in candidates if candidate.url in self.by_url)
        yield from local_files.read(mine, marked)

    def _mark(self, marks: Keypoints, arrival: Arrival, width: int, height: int) -> None:
        path = self._standing.get(arrival.sha256, arrival.sha256[:20])
        name = keypoints_file(path)
        if read_keypoints(self.dataset.folder / name) is None:
            write_keypoints(self.dataset.files, name, marks.scaled(arrival.sha256, width, height))

    def lines(self) -> list[str]:
        """Say which reports stay, and why."""
        return [
            f"{number} reports say {'none of the classes' if label is None else label!r}, for which there is no class"
            f" here; they stay in {self.dataset.folder / feedback_inbox.ROOM}"
            for label, number in self.homeless.items()
        ]
