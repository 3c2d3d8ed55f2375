"""Pictures that were taken together: what tells it, and that a split keeps them on one side."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import byod
from byod.dataset import captures, grouping, sessions, splits
from byod.dataset.captures import Capture
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sessions import Tie
from byod.images import camera
from byod.schema import files, recipe
from byod.schema.errors import DatasetError, RecipeError, UsageError
from byod.schema.records import Sample, Split, Status
from byod.tasks import TASKS


def sha(number: int) -> str:
    return f"{number:064x}"


def sample(number: int, label: str = "a") -> Sample:
    return Sample(
        sha256=sha(number), label=label, status=Status.KEPT, path=f"images/{label}/{number}.jpg", size=1
    )


def capture(number: int, name: str = "", **more) -> Capture:
    return Capture(sha256=sha(number), name=name or f"a/{number}x.jpg", **more)


def tied(*known: Capture, by: str = "session") -> list[tuple[str, list[int]]]:
    found = sessions.ties({one.sha256: one for one in known}, by)
    return sorted((tie.kind, [int(member, 16) for member in tie.members]) for tie in found)


def photo(file: Path, seed: int, taken: str | None = None, model: str = "Camera 1") -> Path:
    """A picture like no other, with what a camera writes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    exif = Image.Exif()
    if taken is not None:
        exif[0x010F], exif[0x0110] = "Maker", model
        exif.get_ifd(0x8769)[0x9003] = taken
    Image.fromarray(drawn).resize((64, 48), Image.Resampling.BICUBIC).save(file, exif=exif)
    return file


def test_one_camera_within_a_minute_is_one_session():
    """No more than a minute lies between two of them; another camera, or a pause, begins another one."""
    start = datetime(2026, 5, 1, 12, 0, 0)
    at = [(1, 0, "A"), (2, 50, "A"), (3, 100, "A"), (4, 161, "A"), (5, 30, "B"), (6, 190, "A")]
    known = [capture(n, taken=start + timedelta(seconds=s), camera=c) for n, s, c in at]
    assert tied(*known) == [("camera", [1, 2, 3]), ("camera", [4, 6])]


def test_running_numbers_in_one_folder_are_a_sequence():
    """Names that are alike but for numbers that follow each other; a camera's clock says more than its numbers."""
    known = [capture(n, f"a/IMG_{n:04}.jpg") for n in (1, 2, 4, 40, 41)]
    known += [capture(50, "b/IMG_0003.jpg"), capture(60, "a/other.jpg")]
    known += [capture(70, "a/IMG_0005.jpg", taken=datetime(2026, 5, 1))]
    assert tied(*known) == [("sequence", [1, 2, 4]), ("sequence", [40, 41])]


def test_a_folder_below_the_class_is_a_session():
    """`brokkoli/markt/` is one; the class folder itself is none."""
    known = [capture(n, f"a/markt/{'xyz'[n]}.jpg") for n in range(3)] + [
        capture(9, "a/q.jpg"),
        capture(8, "a/p.jpg"),
    ]
    assert tied(*known) == [("folder", [0, 1, 2])]
    assert tied(*known, by="folder") == [("folder", [0, 1, 2])]
    assert tied(*known, by="none") == []


def test_people_say_by_what():
    """A group in captures.csv, the same find of an expression, the same value in any column."""
    known = [
        capture(1, "a/shelf3_x.jpg", group="g", more={"shop": "1"}),
        capture(2, "a/shelf3_y.jpg", group="g"),
        capture(3, "a/shelf4_z.jpg", more={"shop": "1"}),
    ]
    assert ("group", [1, 2]) in tied(*known)
    assert tied(*known, by=r"pattern=shelf(\d)") == [("pattern", [1, 2])]
    assert tied(*known, by="pattern=shelf") == [("pattern", [1, 2, 3])]
    assert tied(*known, by="column=shop") == [("column", [1, 3])]


@pytest.mark.parametrize("by", ["", "sessions", "pattern=", "pattern=(", "column=", "none=1"])
def test_what_is_no_way_to_group_is_refused(by):
    """The line says which words there are, or what is the matter with the expression."""
    with pytest.raises(UsageError, match="--by"):
        sessions.check(by)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(0, 30))
def test_sessions_never_leave_a_part_empty(sizes, alone):
    """However large sessions are, a class of ten pictures or more has groups for three parts; small ones stay whole."""
    numbers = iter(range(1, 1000))
    ties = [Tie("camera", tuple(sha(next(numbers)) for _ in range(size))) for size in sizes]
    samples = [sample(n) for n in range(1, sum(sizes) + alone + 1)]
    found = grouping.groups(samples, {}, {}, ties)
    held = Counter(found.of.values())
    assert found.of.keys() == {one.sha256 for one in samples}
    if len(samples) >= 10:
        assert max(held.values()) <= len(samples) / 3
        assert not found.ungrouped
        plan = splits.split(
            [splits.Item(sha256=s.sha256, label="a", group=found.of[s.sha256]) for s in samples]
        )
        assert set(plan.assigned.values()) == set(Split)
    for tie in ties:
        if len(tie.members) <= len(samples) / 3:
            assert len({found.of[member] for member in tie.members}) == 1


def test_a_long_session_is_cut_into_stretches():
    """Neighbours stay together: of one hundred pictures in a row no group has more than ten, all in a row."""
    samples = [sample(n) for n in range(1, 101)]
    found = grouping.groups(samples, {}, {}, [Tie("sequence", tuple(one.sha256 for one in samples))])
    groups: dict[str, list[int]] = {}
    for sha256, key in found.of.items():
        groups.setdefault(key, []).append(int(sha256, 16))
    assert [len(members) for members in groups.values()] == [10] * 10
    assert all(max(members) - min(members) == 9 for members in groups.values())
    assert found.by == ("sequence",)


def test_exif_says_camera_and_time(tmp_path):
    """Maker, model and DateTimeOriginal; a picture without them, or with a date that is none, says nothing."""
    found = camera.taken(photo(tmp_path / "1.jpg", 1, "2026:05:01 12:00:05").read_bytes())
    assert found == ("Maker Camera 1", datetime(2026, 5, 1, 12, 0, 5))
    assert camera.taken(photo(tmp_path / "2.jpg", 1).read_bytes()) == ("", None)
    assert camera.taken(photo(tmp_path / "3.jpg", 1, "0000:00:00 00:00:00").read_bytes()).moment is None
    assert camera.taken(b"no picture") == ("", None)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_exif_says_nothing_and_breaks_nothing(noise, at):
    """Whatever stands in the metadata, reading it ends with what can be read."""
    content = bytearray(PHOTO)
    content[at : at + len(noise)] = noise
    camera.taken(bytes(content))


def _photo() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        return photo(Path(place) / "1.jpg", 1, "2026:05:01 12:00:05").read_bytes()


PHOTO = _photo()


def test_captures_come_back_as_they_were_written(tmp_path):
    """Names, times, parts, groups and further columns; also what a spreadsheet would take for a formula."""
    known = {
        sha(1): capture(1, "=a/1.jpg", camera="C", taken=datetime(2026, 5, 1), split=Split.TEST, group="g"),
        sha(2): capture(2, "a/ü,\n2.jpg", more={"shop": "+1"}),
    }
    with files.opened(tmp_path) as within:
        captures.write(within, known)
    assert captures.read(tmp_path) == known
    (tmp_path / "captures.csv").write_text("sha256,split\nabc,test\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"captures.csv, line 2: .*sha256"):
        captures.read(tmp_path)


def shelves(own: Path) -> Path:
    """Two classes of sixteen photos each, of four sessions."""
    for label in ("a", "b"):
        for number in range(16):
            moment = f"2026:05:0{1 + number // 4} 12:00:{number:02}"
            photo(own / label / f"{label}{number}z.jpg", 100 * ord(label) + number, moment)
    return own


@pytest.mark.slow
def test_a_split_keeps_sessions_together(tmp_path):
    """Photos of one session are in one part, also after a lost catalog, and the split says by what it goes."""
    own, folder = shelves(tmp_path / "own"), tmp_path / "set"
    byod.add(own, into=folder, progress=False)
    for lost in (False, True):
        if lost:
            (folder / "catalog.db").unlink()
        done = byod.Dataset(folder).split(progress=False)
        assert done.by == ("camera",)
        assert done.kind == "grouped"
        with Dataset(folder, TASKS) as dataset:
            parts = dataset.catalog.samples.splits()
        of_session: dict[tuple[str, int], set[Split]] = {}
        for sha256, one in captures.read(folder).items():
            assert one.taken is not None
            of_session.setdefault((one.name[0], one.taken.day), set()).add(parts[sha256])
        assert {len(found) for found in of_session.values()} == {1}
        assert len(of_session) == 8


def test_a_recipe_that_groups_by_nonsense_is_refused(tmp_path):
    """The line names the file and the key."""
    byod.add(shelves(tmp_path / "own"), into=tmp_path / "set", progress=False)
    changed = recipe.read(tmp_path / "set").model_copy(update={"split_by": "moon"})
    recipe.write(tmp_path / "set", changed)
    with pytest.raises(RecipeError, match=r"byod.toml: split_by"):
        byod.Dataset(tmp_path / "set").split(progress=False)


def laid_out(own: Path, **counts: int) -> Path:
    """Parts above class folders, with so many pictures of each class."""
    seeds = iter(range(1, 10_000))
    for part, count in counts.items():
        for label in ("a", "b"):
            for _ in range(count):
                seed = next(seeds)
                photo(own / part / label / f"{'abcdefghij'[seed % 10]}{seed}q.jpg", seed)
    return own


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_folders_of_parts_are_the_split(tmp_path, names):
    """`train/`, `val/` and `test/` above class folders are no classes; each picture is in its own part."""
    own = laid_out(tmp_path / "own", **dict(zip(names, (6, 2, 3), strict=True)))
    byod.add(own, into=tmp_path / "set", progress=False)
    done = byod.Dataset(tmp_path / "set").split(progress=False)
    assert done.name == "given"
    assert done.counts == {
        Split.TRAIN: {"a": 6, "b": 6},
        Split.VALID: {"a": 2, "b": 2},
        Split.TEST: {"a": 3, "b": 3},
    }


def test_without_a_test_folder_what_validates_is_tested(tmp_path):
    """With `train/` and `val/` alone, val is the test part whole, and some of train validates."""
    own = laid_out(tmp_path / "own", train=10, val=4)
    byod.add(own, into=tmp_path / "set", progress=False)
    counts = byod.Dataset(tmp_path / "set").split(progress=False).counts
    assert counts[Split.TEST] == {"a": 4, "b": 4}
    assert counts[Split.VALID] == {"a": 2, "b": 2}
    assert counts[Split.TRAIN] == {"a": 8, "b": 8}


@pytest.mark.slow
def test_folders_of_parts_may_be_classes(tmp_path):
    """`split_from_folders` False, or whoever is asked and says no, makes them classes; so does a further folder."""
    own = laid_out(tmp_path / "own", train=3, val=3)
    byod.add(own, into=tmp_path / "no", split_from_folders=False, progress=False)
    byod.add(own, into=tmp_path / "asked", choose=lambda question: False, progress=False)
    laid_out(tmp_path / "own", other=3)
    byod.add(own, into=tmp_path / "third", progress=False)
    assert byod.Dataset(tmp_path / "no").counts == {"train": 6, "val": 6}
    assert byod.Dataset(tmp_path / "asked").counts == {"train": 6, "val": 6}
    assert set(byod.Dataset(tmp_path / "third").counts) == {"train", "val", "other"}


def test_a_list_fixes_the_split(tmp_path, caplog):
    """Files by the names they were added under; what is no picture here is said, and `none` forgets it all."""
    own, folder = shelves(tmp_path / "own"), tmp_path / "set"
    byod.add(own, into=folder, progress=False)
    with (tmp_path / "parts.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["file", "split", "shop"])
        for label in ("a", "b"):
            for number in range(16):
                part = "test" if number < 4 else "val" if number < 6 else "train"
                writer.writerow([f"{label}/{label}{number}z.jpg", part, number % 3])
        writer.writerow(["nowhere.jpg", "test", ""])
    dataset = byod.Dataset(folder)
    with caplog.at_level("INFO", logger="byod"):
        done = dataset.split(fixed=tmp_path / "parts.csv", progress=False)
    assert {part: sum(found.values()) for part, found in done.counts.items()} == {
        "train": 20,
        "valid": 4,
        "test": 8,
    }
    assert any("nowhere.jpg" in line for line in caplog.messages)
    assert {one.more.get("shop") for one in captures.read(folder).values()} == {"0", "1", "2"}
    assert dataset.split(fixed="none", by="column=shop", progress=False).by == ("column",)
    (tmp_path / "parts.csv").write_text("file,split\na0z.jpg,sometimes\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2: split 'sometimes': write train, valid or test"):
        dataset.split(fixed=tmp_path / "parts.csv", progress=False)


def test_a_folder_says_what_is_tested(tmp_path):
    """Pictures of the set that also lie there are the test part, whatever they are called, and no others."""
    own, folder = shelves(tmp_path / "own"), tmp_path / "set"
    byod.add(own, into=folder, progress=False)
    (tmp_path / "held").mkdir()
    for number in range(3):
        for label in ("a", "b"):
            content = (own / label / f"{label}{number}z.jpg").read_bytes()
            (tmp_path / "held" / f"{label} {number}.jpg").write_bytes(content)
    done = byod.Dataset(folder).split(test_from=tmp_path / "held", progress=False)
    assert done.counts[Split.TEST] == {"a": 3, "b": 3}
    with pytest.raises(UsageError, match="there is no such folder"):
        byod.Dataset(folder).split(test_from=tmp_path / "nowhere", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="names not one picture"):
        byod.Dataset(folder).split(test_from=tmp_path / "empty", progress=False)


def test_labels_and_parts_may_stand_in_one_list(tmp_path):
    """A CSV with the columns file, label, split and group labels pictures and fixes their split."""
    rows = [["file", "label", "split", "group"]]
    for number in range(12):
        photo(tmp_path / "own" / f"p{number}q.jpg", number)
        part = ("train", "train", "valid", "test")[number % 4]
        rows.append([f"p{number}q.jpg", "ab"[number // 6], part, f"g{number % 6}"])
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)
    byod.add(tmp_path / "own", labels=tmp_path / "labels.csv", into=tmp_path / "set", progress=False)
    done = byod.Dataset(tmp_path / "set").split(progress=False)
    assert {part: sum(found.values()) for part, found in done.counts.items()} == {
        "train": 6,
        "valid": 3,
        "test": 3,
    }
    assert {one.group for one in captures.read(tmp_path / "set").values()} == {f"g{n}" for n in range(6)}
