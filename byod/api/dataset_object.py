"""A dataset as an object: `byod.Dataset`. It is opened for each call and closed again, so no lock is held between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from byod.api import datasets, failed_addresses
from byod.api.dataset_results import CheckPage, Deduplicated
from byod.api.picture_table import picture_table
from byod.api.plan import SplitOptions, at_least, folder_given, pixel_folder, several, texts, training_call
from byod.api.progress_display import progress_display
from byod.api.run_object import Run
from byod.dataset import dataset_list, feedback_inbox
from byod.dataset.assign_splits import SplitDone
from byod.report import dataset_statistics
from byod.schema import recipe as recipes
from byod.schema.errors import ModelError, UsageError
from byod.schema.names import in_utf8
from byod.schema.picture_files import following
from byod.schema.recipe import Recipe
from byod.schema.records import FailedAddress, Snapshot

if TYPE_CHECKING:
    import pandas

    from byod.api import review_actions as reviews
    from byod.api.adding import Added
    from byod.api.address_lists import CollectedList
    from byod.api.convert import Converted
    from byod.api.feedback import ImportedFeedback
    from byod.api.review_actions import ReviewOptions
    from byod.tasks.classify.leakage import Leakage


class Dataset:
    """A dataset folder: its counts, and the verbs that work on it.

    Each call opens the dataset, takes up what people did to its folders, and closes it again; nothing is locked
    between two calls. `folder` is where it lies; `result` is the record of the call that returned this object (of
    `convert` the pictures and objects it found, say), None if it was opened by its folder.

    Args:
        folder: the folder, or its name below `datasets/`; by default the dataset that byod last wrote to.
        follow_links: also read pictures below `images/` that lie behind links; nothing is changed there.

    Raises:
        DatasetError: there is none.

    Examples:
        >>> dataset = byod.Dataset("datasets/shapes")
        >>> dataset.counts
        {'circle': 30, 'square': 30}
    """

    result: Snapshot | Added | CollectedList | Converted | ImportedFeedback | None = None
    """The record of the call that returned this object; None if it was opened by its folder."""

    def __init__(self, folder: str | Path | None = None, *, follow_links: bool = False) -> None:
        self._follow_links = follow_links
        self.folder = dataset_list.find(None if folder is None else str(folder))

    def __repr__(self) -> str:
        """The call that opens it."""
        return f"byod.Dataset({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from byod.api import notebook

        return notebook.dataset_html(self.status(progress=False))

    @property
    def recipe(self) -> Recipe:
        """The recipe as it stands in `byod.toml`: classes, queries, sources, filters and licence policy."""
        return recipes.read(self.folder)

    @property
    def counts(self) -> dict[str, int]:
        """The number of pictures that each class keeps."""
        return dataset_statistics.kept_counts(self.status(progress=False))

    @property
    def rejected(self) -> dict[str, int]:
        """The number of pictures refused or set aside for each reason, the commonest first."""
        return dataset_statistics.rejected_counts(self.status(progress=False))

    @property
    def failed(self) -> tuple[FailedAddress, ...]:
        """The addresses that gave no picture: where each was offered, and why it failed."""
        return failed_addresses.failed(self.folder)

    @property
    def reports(self) -> int:
        """The number of reports of a served model that wait here; `byod.add(reports=True)` takes them up."""
        return feedback_inbox.count(self.folder)

    @property
    def runs(self) -> list[Run]:
        """Its runs, the oldest first."""
        from byod.api.runs import find_runs

        try:
            return [Run(folder) for folder in find_runs(str(self.folder), dataset_list.ROOT)]
        except ModelError:  # nothing was trained yet
            return []

    def status(self, *, where: str | Iterable[str] = (), progress: bool = True) -> Snapshot:
        """The dataset as it stands: its samples, their origins and splits, conflicts, and what each query brought.

        While another byod is at work on it, as far as that one has come. With `where` only the samples that fulfil all
        these conditions, like `"similarity>=0.3"` on a column of a list.

        Examples:
            >>> len(dataset.status(progress=False).kept)
            60
        """
        with following(self._follow_links), progress_display(progress) as display:
            return datasets.status(self.folder, several(where), say=display.say)

    def check(
        self,
        *,
        into: str | Path | None = None,
        suspects: bool = False,
        options: Mapping[str, object] | None = None,
        progress: bool = True,
    ) -> CheckPage:
        """Write a page of thumbnails: imbalance, copies, conflicts, placeholders, near-empty classes.

        Args:
            into: the page to write; by default `check.html` in the dataset.
            suspects: also train the probe, and show the labels that look wrong to it.
            options: options of the probe.
            progress: show what is being done.

        Examples:
            >>> dataset.check(progress=False).page.name
            'check.html'
        """
        page = folder_given(into)
        with following(self._follow_links), progress_display(progress) as display:
            if not suspects:
                written, snapshot, found = datasets.check(self.folder, page, say=display.say)
                return CheckPage(page=written, snapshot=snapshot, found=found)
            from byod.api import train

            written, snapshot, found = train.suspects(
                self.folder, texts(options), page, cache=pixel_folder(), say=display.say
            )
            return CheckPage(page=written, snapshot=snapshot, found=found)

    def dedupe(self, *, progress: bool = True) -> Deduplicated:
        """Decide again which pictures are copies, and set them aside.

        Examples:
            >>> dataset.dedupe(progress=False).changed
            0
        """
        with following(self._follow_links), progress_display(progress) as display:
            done, snapshot = datasets.dedupe(self.folder, say=display.say)
            return Deduplicated(changed=done.changed, moved=done.moved, snapshot=snapshot)

    def split(self, *, progress: bool = True, **options: Unpack[SplitOptions]) -> SplitDone:
        """Assign pictures to train, valid and test, what belongs together on one side, each as before if it can stay.

        Args:
            progress: show lines; False sends them to the logger `byod`.
            **options: `by` says what is kept together from now on: "session", "folder", "features" (what looks as if
                taken together, written down in captures.csv), "pattern=REGEX", "column=NAME" or "none"; `fixed` is a
                CSV of files and their parts ("none" forgets it), `test_from` a folder of the pictures to test.

        Examples:
            >>> dataset.split(progress=False).counts["train"]
            {'circle': 18, 'square': 18}
        """
        with following(self._follow_links), progress_display(progress) as display:
            fixed, test_from = folder_given(options.get("fixed")), folder_given(options.get("test_from"))
            done = datasets.split(self.folder, options.get("by"), fixed, test_from, say=display.say)
            datasets.say_split(done, display.say)
            return done

    def leak(self, *, options: Mapping[str, object] | None = None, progress: bool = True) -> Leakage:
        """Train the probe on a random split too, and measure how much better that claims to be.

        Args:
            options: options of the probe.
            progress: show what is being done.

        Examples:
            >>> found = dataset.leak(options={"from_scratch": True}, progress=False)
            >>> found.pictures
            60
        """
        from byod.api import train

        with following(self._follow_links), progress_display(progress) as display:
            return train.leak(self.folder, texts(options), cache=pixel_folder(), say=display.say)

    def restore(self, *wanted: str, progress: bool = True) -> int:
        """Bring rejected pictures back, for good, and return how many.

        Args:
            wanted: reasons like `duplicate` or `surplus`, or files in `rejected/`.
            progress: show what is being done.

        Raises:
            UsageError: nothing rejected goes by one of these names.

        Examples:
            >>> dataset.restore("duplicate", progress=False)
            0
        """
        if not wanted:
            raise UsageError("say which pictures: a reason, or files in rejected/")
        with following(self._follow_links), progress_display(progress) as display:
            return datasets.restore(self.folder, wanted, say=display.say)

    def export(
        self,
        format: str = "folders",
        *,
        into: str | Path | None = None,
        links: bool = False,
        keep_metadata: bool = False,
        originals: bool = False,
        where: str | Iterable[str] = (),
        progress: bool = True,
    ) -> Path:
        """Write the dataset, with its split, in a format other tools read, and return the folder.

        Files leave without what they say of camera, place and time; pictures from the web keep who made them and how
        they may be used. No JPEG is encoded anew for that.

        Args:
            format: `folders`, `hf`, `webdataset` or `croissant`; of points `cat`, `coco` or `yolo-pose`.
            into: where to; by default `exports/<dataset>-<format>`.
            links: hard links instead of copies, where a file leaves as it is.
            keep_metadata: leave everything in the files: EXIF, XMP, IPTC, comments.
            originals: also the files for which a JPEG stands (HEIC, camera raw), whole.
            where: only pictures that fulfil all these conditions, like `"caption~two cats"`.
            progress: show what is being done.

        Examples:
            >>> exported = dataset.export("folders", into="exported", progress=False)
            >>> sorted(path.name for path in exported.iterdir() if path.is_dir())
            ['test', 'train', 'valid']
        """
        place = folder_given(into) or Path("exports") / f"{self.folder.resolve().name}-{format}"
        with following(self._follow_links), progress_display(progress) as display:
            how: dict[str, Any] = {"links": links, "keep_metadata": keep_metadata, "originals": originals}
            how["where"] = several(where)
            return datasets.export(self.folder, format, place, **how, say=display.say)

    def train(
        self,
        plugin: str = "fastai",
        *,
        task: str | None = None,
        arch: str | None = None,
        epochs: int | str | None = None,
        size: int | str | None = None,
        from_scratch: bool = False,
        weights: str | Path | None = None,
        options: Mapping[str, object] | None = None,
        seed: int = 0,
        device: str | None = None,
        gpus: int = 1,
        python: str | Path | None = None,
        probe: bool = True,
        fresh: bool = False,
        test: str | Path | None = None,
        refit: bool = False,
        min_class: int | None = None,
        command: str | None = None,
        progress: bool = True,
    ) -> Run:
        """Fine-tune a model on the pictures that survived, measure it on ones it never saw, and return its run.

        A training that was killed or stopped goes on where it was when the same call is made again.

        Args:
            plugin: the trainer; `byod plugins` lists them.
            task: `classify` or `keypoints`; by default what the dataset is for.
            arch: the net's name; `byod plugins --architectures` lists them.
            epochs: epochs after the head was trained.
            size: the side of the pictures the net sees, in pixels.
            from_scratch: begin with no weights at all.
            weights: begin with the weights of this file.
            options: any option of the trainer, by name; they go before the four above.
            seed: the same seed gives the same training.
            device: `cuda`, `mps` or `cpu`; by default the best there is.
            gpus: on how many GPUs of this machine to train.
            python: the Python of another environment, in which the trainer lives.
            probe: train the probe first, the bar to beat.
            fresh: do not take up an unfinished run.
            test: class folders (of points: a dataset) with other people's pictures, to measure the model on as well.
            refit: also keep a model that learned from all pictures, and is not measured (`model-all.onnx`).
            min_class: leave classes with fewer pictures out (default 3).
            command: what the model card says the model was made with; by default this call.
            progress: show each epoch.

        Raises:
            UsageError: an option that the trainer does not have, or that is out of range.
            TrainerError: the trainer is missing, or cannot train on this dataset.

        Examples:
            >>> run = dataset.train("sklearn", from_scratch=True, progress=False)
            >>> run.metrics.pictures
            60
        """
        from byod.api import train

        at_least("--gpus", gpus, 1)
        named = {"arch": arch, "epochs": epochs, "size": size, "from_scratch": from_scratch or None}
        given = texts({**named, "weights": weights, **(options or {})})
        request = train.TrainRequest(
            plugin=plugin,
            task=task,
            options=given,
            seed=seed,
            device=device,
            gpus=gpus,
            python=folder_given(python),
            probe=probe,
            fresh=fresh,
            test=folder_given(test),
            refit=refit,
            **({} if min_class is None else {"min_class": min_class}),
        )
        made_with = in_utf8(command or training_call(self, plugin, given, seed))
        with following(self._follow_links), progress_display(progress) as display:
            run, _ = train.train(
                self.folder,
                request,
                cache=pixel_folder(),
                command=made_with,
                say=display.say,
                log=display.epoch,
            )
        return Run(run)

    @overload
    def review(self, action: Literal["push"], **options: Unpack[ReviewOptions]) -> list[reviews.Pushed]: ...
    @overload
    def review(self, action: Literal["pull"], **options: Unpack[ReviewOptions]) -> reviews.Pulled: ...
    @overload
    def review(self, action: Literal["status"], **options: Unpack[ReviewOptions]) -> reviews.Standing: ...
    @overload
    def review(self, action: Literal["undo", "redo"], **options: Unpack[ReviewOptions]) -> reviews.Undone: ...
    @overload
    def review(self, action: Literal["list"], **options: Unpack[ReviewOptions]) -> list[reviews.Round]: ...
    @overload
    def review(self, action: Literal["delete"], **options: Unpack[ReviewOptions]) -> int: ...
    @overload
    def review(self, action: Literal["open"], **options: Unpack[ReviewOptions]) -> reviews.ReviewOpened: ...
    @overload
    def review(self, action: Literal[""] = "", **options: Unpack[ReviewOptions]) -> None: ...
    def review(self, action: str = "", **options: Unpack[ReviewOptions]) -> object:
        """Put labels in front of people in Label Studio, and bring their verdicts back into the class folders.

        Args:
            action: `push`, `pull`, `status`, `open`, `undo`, `redo`, `list` or `delete`; without one: all until Ctrl-C.
            options: as `byod.api.review_actions.ReviewOptions` has them, `suspects` and `sample` among them.

        Returns:
            The record of the action: what was pushed or pulled, how far people have come, where the server is.

        Raises:
            UsageError: what is asked for does not go together.
            ReviewError: the server cannot be used.
        """
        from byod.api.review_actions import review_dataset

        with following(self._follow_links):
            return review_dataset(self.folder, action, options)

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row for each picture, kept or rejected: where it stands, its size, split and origin.

        Raises:
            ByodError: pandas is not installed.

        Examples:
            >>> table = dataset.to_pandas()
            >>> table[table.status == "kept"].groupby("label").size().to_dict()
            {'circle': 30, 'square': 30}
        """
        return picture_table(self.status(progress=False))


def dataset_with(
    folder: Path, result: Snapshot | Added | CollectedList | Converted | ImportedFeedback
) -> Dataset:
    """The dataset at a folder, with the record of the call that made or filled it."""
    dataset = Dataset(folder)
    dataset.result = result
    return dataset
