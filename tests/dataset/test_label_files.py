"""Files of points follow their pictures, whatever people do to the folders."""

import json
import os
import shutil

import pytest
from marked_pictures import cat_files, jpeg, keypoints, laid_out

from byod.api import convert, datasets
from byod.collection.importers import archives
from byod.dataset import label_files
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.schema.keypoints import keypoints_file, read_keypoints
from byod.schema.reasons import Reason
from byod.schema.records import Placement, Status
from byod.tasks import TASKS
from byod.tasks.keypoints.importers import cat_dataset


@pytest.fixture
def folder(tmp_path):
    """A dataset of six marked cats."""
    source = laid_out(tmp_path / "in", cat_files({"CAT_00": 6}))
    with archives.opened([source]) as stores:
        convert.convert(cat_dataset.read(stores), tmp_path / "cats", say=lambda _: None, watch=lambda _: None)
    return tmp_path / "cats"


def status(folder):
    said = []
    return datasets.status(folder, say=said.append), said


def pictures(folder):
    return sorted((folder / "images" / "cat").iterdir())


def fits(folder):
    """Whether every file of points names the picture beside it; gives how many there are."""
    snapshot, _ = status(folder)
    known = {stem: said["sha256"] for stem, said in keypoints(folder).items()}
    assert known == {keypoints_file(s.path)[7:-5]: s.sha256 for s in snapshot.samples if s.path}
    return len(known)


def test_a_renamed_picture_takes_its_points_along(folder):
    """Another file name, or another class folder and name at once, moves the points as well."""
    first, second, *_ = pictures(folder)
    first.rename(first.with_name("tiger.jpg"))
    (folder / "images" / "lion").mkdir()
    second.rename(folder / "images" / "lion" / "leo.jpg")
    assert fits(folder) == 6
    assert {"tiger", "leo"} <= set(keypoints(folder))


def test_two_pictures_may_exchange_their_names(folder):
    """Points follow their pictures also where each takes the other's name."""
    first, second, *_ = pictures(folder)
    before = keypoints(folder)
    first.rename(folder / "aside.jpg")
    second.rename(first)
    (folder / "aside.jpg").rename(second)
    assert fits(folder) == 6
    after = keypoints(folder)
    assert after[first.stem] == before[second.stem]
    assert after[second.stem] == before[first.stem]


def test_points_of_a_picture_that_is_gone_wait_and_come_back(folder):
    """Deleting a picture sets its points aside; the picture put back under any name finds them again."""
    first = pictures(folder)[0]
    content, before = first.read_bytes(), keypoints(folder)[first.stem]
    first.unlink()
    _, said = status(folder)
    assert any("files of points set aside" in line for line in said)
    assert first.stem not in keypoints(folder)
    assert (folder / label_files.ASIDE / f"{before['sha256'][:20]}.json").exists()
    assert status(folder)[1] == []
    (folder / "images" / "cat" / "again.jpg").write_bytes(content)
    assert fits(folder) == 6
    assert keypoints(folder)["again"] == before


def test_rejected_and_restored_pictures_keep_their_points(folder):
    """A picture moved to rejected/ keeps its points in points/, and a restored one has them still."""
    first = pictures(folder)[0]
    before = keypoints(folder)
    (folder / "rejected" / "review").mkdir(parents=True)
    shutil.move(first, folder / "rejected" / "review" / first.name)
    assert fits(folder) == 6
    assert datasets.restore(folder, ["review"], say=lambda _: None) == 1
    assert fits(folder) == 6
    assert keypoints(folder) == before


def test_pictures_that_would_share_a_file_of_points_are_told_apart(folder):
    """Two names that differ only in their ending or folder get a file of points each."""
    first = pictures(folder)[0]
    (folder / "images" / "cat" / f"{first.stem}.png").write_bytes(jpeg(99, format="PNG"))
    snapshot, said = status(folder)
    assert any("shared a name" in line for line in said)
    stems = [os.path.splitext(os.path.basename(s.path))[0] for s in snapshot.samples]
    assert len(set(stems)) == 7
    owner = next(s for s in snapshot.samples if s.path.endswith(f"/{first.name}"))
    assert keypoints(folder)[first.stem]["sha256"] == owner.sha256


def test_a_file_of_points_made_by_hand_is_taken_up(folder):
    """Points written for a dropped-in picture, without its hash, are that picture's from then on."""
    (folder / "images" / "cat" / "new.jpg").write_bytes(jpeg(98))
    head = {"points": {"eye_image_left": {"x": 3, "y": 4}}}
    text = json.dumps({"width": 120, "height": 90, "heads": [head]})
    (folder / "points" / "new.json").write_text(text)
    assert fits(folder) == 7
    (folder / "points" / "stray.json").write_text(text)
    assert any("stray.json belongs to no picture" in line for line in status(folder)[1])


@pytest.mark.parametrize(("size", "stays"), [((120, 90), True), ((60, 45), False)])
def test_a_picture_edited_in_place_keeps_its_points_only_at_its_size(folder, size, stays):
    """Points stay with an edited picture of the same size, and are set aside when it was resized; both are said."""
    first = pictures(folder)[0]
    first.write_bytes(jpeg(97, size))
    snapshot, said = status(folder)
    now = next(s for s in snapshot.samples if s.path.endswith(f"/{first.name}"))
    assert any(("its points stay" if stays else "has another size") in line for line in said)
    assert (first.stem in keypoints(folder)) is stays
    if stays:
        assert keypoints(folder)[first.stem]["sha256"] == now.sha256


def test_a_lost_catalog_costs_no_points(folder):
    """Without catalog.db everything is known again from the folders, also for pictures renamed meanwhile."""
    before = {said["sha256"]: said for said in keypoints(folder).values()}
    for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
        (folder / name).unlink(missing_ok=True)
    first = pictures(folder)[0]
    first.rename(first.with_name("tiger.jpg"))
    assert fits(folder) == 6
    assert {said["sha256"]: said for said in keypoints(folder).values()} == before


def test_a_kill_between_the_two_steps_of_a_move_is_made_good(folder):
    """A file of points left under its name in between is put where its picture is."""
    first = pictures(folder)[0]
    sha256 = keypoints(folder)[first.stem]["sha256"]
    (folder / "points" / f"{first.stem}.json").rename(folder / "points" / f".{sha256}-0.moving")
    assert fits(folder) == 6


def test_a_damaged_file_of_points_is_named_and_stops_nothing_else(folder):
    """Reconciling goes on past a file of points that cannot be read, and says which it is."""
    first = pictures(folder)[0]
    (folder / "points" / f"{first.stem}.json").write_text("{")
    first.rename(first.with_name("tiger.jpg"))
    with Dataset(folder, TASKS) as dataset:
        changes = sync(dataset)
    assert any(f"{first.stem}.json" in line for line in changes.lines)


def test_what_a_settlement_renames_takes_its_points_along(folder):
    """A picture that gets another name on its way to rejected/ has its points under that name."""
    first = pictures(folder)[0]
    (folder / "rejected" / "review").mkdir(parents=True)
    (folder / "rejected" / "review" / first.name).write_bytes(b"somebody's own")
    with Dataset(folder, TASKS) as dataset:
        sample = next(s for s in dataset.catalog.samples.all() if s.path.endswith(first.name))
        known = sample.model_dump(include={"sha256", "label"})
        dataset.place([Placement(**known, status=Status.REJECTED, reason=Reason.REVIEW)])
        moved = dataset.catalog.samples.get(sample.sha256)
    assert moved.path != f"rejected/review/{first.name}"
    assert read_keypoints(folder / keypoints_file(moved.path)).sha256 == sample.sha256


def test_the_fingerprint_of_a_dataset_tells_of_its_points(folder):
    """Another point is another dataset, as another label is."""
    before = status(folder)[0].fingerprint
    file = folder / keypoints_file(pictures(folder)[0].name)
    file.write_text(file.read_text().replace('"x": ', '"x": 1', 1))
    assert status(folder)[0].fingerprint != before
