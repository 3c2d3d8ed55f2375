"""The dataset folder: one byod at a time, moves that survive a kill, a log that agrees with the catalog."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from byod.dataset import dataset_list as datasets
from byod.dataset.dataset_folder import Dataset
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError, DatasetLocked, UsageError
from byod.schema.keypoints import KeypointSet
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Placement, Sample, Status, Task, Verdict
from byod.tasks import TASKS

SHA = "ab" * 32


def made(folder: Path, *names: str) -> Dataset:
    recipe = Recipe()
    for name in names:
        recipe = recipe.with_class(name)
    return Dataset.create(folder, recipe, TASKS)


def with_file(dataset: Dataset, path: str = "images/cat/a.jpg", sha256: str = SHA) -> Sample:
    file = dataset.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"bytes")
    sample = Sample(sha256=sha256, label="cat", status=Status.KEPT, path=path, size=5)
    dataset.catalog.samples.add(sample, position=1, mtime_ns=file.stat().st_mtime_ns)
    return sample


def test_a_second_byod_is_told_that_the_dataset_is_in_use(tmp_path: Path):
    """While one byod holds a dataset, another gets one clear line instead of a corrupted catalog."""
    with made(tmp_path / "d", "cat"), pytest.raises(DatasetLocked, match="another byod"):
        Dataset(tmp_path / "d", TASKS)
    with Dataset(tmp_path / "d", TASKS):
        pass


def test_a_promised_move_is_made_good_after_a_kill(tmp_path: Path):
    """A move that was journalled but not carried out is carried out when the dataset is opened again."""
    with made(tmp_path / "d", "cat") as dataset:
        with_file(dataset)
        with dataset.catalog.transaction():  # what place() commits before it touches a file
            dataset.catalog.promise_move("images/cat/a.jpg", "rejected/duplicate/a.jpg")
            dataset.catalog.samples.place(
                Placement(
                    sha256=SHA,
                    label="cat",
                    status=Status.REJECTED,
                    reason=Reason.DUPLICATE,
                    path="rejected/duplicate/a.jpg",
                )
            )
    with Dataset(tmp_path / "d", TASKS) as dataset:
        assert (dataset.folder / "rejected/duplicate/a.jpg").read_bytes() == b"bytes"
        assert not (dataset.folder / "images/cat/a.jpg").exists()
        assert dataset.catalog.promised_moves() == []


def test_the_temporary_files_of_a_killed_writer_go_when_the_dataset_is_opened_again(tmp_path: Path):
    """None stays among the points, nor, once nobody can be writing it any more, beside the catalog."""
    recipe = Recipe(task=Task.KEYPOINTS.value, points=KeypointSet(names=("nose",))).with_class("cat")
    with Dataset.create(tmp_path / "d", recipe, TASKS) as dataset:
        dataset.files.make("points")
    left = [tmp_path / "d" / room / ".0123456789abcdef.part" for room in ("points", ".", ".byod")]
    for file in left:
        file.write_bytes(b"half")
    os.utime(left[1], (1, 1))
    os.utime(left[2], (1, 1))
    young = tmp_path / "d" / ".fedcba9876543210.part"
    young.write_bytes(b"check.html, as somebody writes it now")
    with Dataset(tmp_path / "d", TASKS):
        assert [file.exists() for file in (*left, young)] == [False, False, False, True]


def test_two_files_of_one_name_never_overwrite_each_other(tmp_path: Path):
    """Moving a sample to where another file of that name lies keeps both."""
    with made(tmp_path / "d", "cat", "dog") as dataset:
        with_file(dataset)
        (dataset.folder / "images/dog/a.jpg").write_bytes(b"somebody's own")
        dataset.place([Placement(sha256=SHA, label="dog", status=Status.KEPT)])
        assert (dataset.folder / "images/dog/a.jpg").read_bytes() == b"somebody's own"
        moved = dataset.catalog.samples.get(SHA)
        assert (dataset.folder / moved.path).read_bytes() == b"bytes"


def test_the_label_log_is_completed_and_a_torn_line_is_cut(tmp_path: Path):
    """After a kill in the middle of a line, the text copy ends up with each verdict exactly once."""
    verdicts = [
        Verdict(sha256=f"{n:064x}", label="cat", who="me", when=datetime.now(UTC), note="ü\n")
        for n in range(5)
    ]
    with made(tmp_path / "d", "cat") as dataset:
        dataset.catalog.verdicts.add(verdicts[:3])
    log = tmp_path / "d" / "labels.jsonl"
    log.write_bytes(log.read_bytes() + b'{"id": 4, "sha2')
    with Dataset(tmp_path / "d", TASKS) as dataset:
        dataset.catalog.verdicts.add(verdicts[3:])
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line.pop("id") for line in lines] == [1, 2, 3, 4, 5]
    assert {line.pop("format") for line in lines} == {1}
    assert [Verdict.model_validate(line) for line in lines] == verdicts


def test_a_damaged_catalog_is_set_aside_whole(tmp_path: Path):
    """A catalog that is not a database is rebuilt, what it was is kept, and the next look finds nothing to say."""
    with made(tmp_path / "d", "cat"):
        pass
    (tmp_path / "d" / "catalog.db").write_bytes(b"not a database at all" * 100)
    with Dataset(tmp_path / "d", TASKS) as dataset:
        assert "catalog.db is not as byod left it" in dataset.rebuilt
        (kept,) = (tmp_path / "d" / ".byod" / "replaced").iterdir()
        assert kept.name in dataset.rebuilt
    assert (kept / "catalog.db").read_bytes() == b"not a database at all" * 100
    with Dataset(tmp_path / "d", TASKS) as dataset:
        assert dataset.rebuilt == ""


def test_the_same_classes_in_any_order_find_the_same_dataset(tmp_path: Path):
    """`collect b a` continues what `collect a b` began; another task is refused."""
    first = datasets.find_for_classes(["brokkoli", "blumenkohl"], Task.CLASSIFY, tmp_path)
    assert first == tmp_path / "brokkoli-blumenkohl"
    with made(first, "brokkoli", "blumenkohl"):
        pass
    assert datasets.find_for_classes(["blumenkohl", "brokkoli"], Task.CLASSIFY, tmp_path) == first
    with pytest.raises(UsageError, match="task"):
        datasets.find_for_classes(["blumenkohl", "brokkoli"], Task.KEYPOINTS, tmp_path)
    with pytest.raises(UsageError, match="twice"):
        datasets.find_for_classes(["a", "a"], Task.CLASSIFY, tmp_path)


def test_a_recipe_without_pictures_is_never_the_default_dataset(tmp_path: Path):
    """Commands without a dataset take the one last written to, and never an empty recipe."""
    with made(tmp_path / "recipe", "cat"):
        pass
    with pytest.raises(DatasetError, match="byod collect"):
        datasets.find(None, tmp_path)
    with made(tmp_path / "real", "cat") as dataset:
        with_file(dataset)
    with Dataset(tmp_path / "recipe", TASKS):
        pass
    assert datasets.find(None, tmp_path) == tmp_path / "real"
    assert datasets.find("recipe", tmp_path) == tmp_path / "recipe"
    with pytest.raises(DatasetError, match="nothere"):
        datasets.find("nothere", tmp_path)


def test_two_words_never_begin_to_fill_somebodys_recipe(tmp_path: Path):
    """A recipe that was never run is left alone when the same classes are collected by name."""
    (tmp_path / "vegetables").mkdir()
    recipes.write(tmp_path / "vegetables", Recipe().with_class("brokkoli").with_class("blumenkohl"))
    found = datasets.find_for_classes(["brokkoli", "blumenkohl"], Task.CLASSIFY, tmp_path)
    assert found == tmp_path / "brokkoli-blumenkohl"


def moved_away(folder: Path, to: Path) -> None:
    """Work on a dataset, which somebody moves and makes anew meanwhile."""
    with made(folder, "cat") as dataset:
        with_file(dataset)
        folder.rename(to)
        folder.mkdir()
        dataset.files.create("images/dog/a.jpg", b"bytes")


def test_a_folder_that_is_removed_meanwhile_is_told_in_one_line(tmp_path: Path):
    """Work on a dataset that somebody moves or removes ends with what to do, whatever failed, and whatever is there."""
    with pytest.raises(DatasetError, match="moved or removed while byod was at work") as told:
        moved_away(tmp_path / "d", tmp_path / "elsewhere")
    assert isinstance(told.value.__cause__, FileNotFoundError)
    (tmp_path / "d").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "d")
    with Dataset(tmp_path / "d", TASKS) as dataset:
        assert dataset.catalog.samples.get(SHA)
