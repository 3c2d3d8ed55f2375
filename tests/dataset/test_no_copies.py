"""Who brings copies back says that they are none: both stay, whatever is done and said afterwards."""

import json
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interrupted_verbs import drawn, silent
from PIL import Image

from byod.api import adding, datasets
from byod.dataset import placement
from byod.dataset.dataset_folder import Dataset
from byod.dataset.restore import restore
from byod.schema.recipe import OwnRecipe, Recipe
from byod.tasks import TASKS

SIZES = ((250, 200), (275, 220))
OTHER = {"cat": "dog", "dog": "cat"}


def smaller(original: Path, size: tuple[int, int], target: Path) -> None:
    with Image.open(original) as image:
        image.resize(size).save(target, quality=70)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Three pictures of cats with five smaller copies among them, and two of dogs with one."""
    home = tmp_path_factory.mktemp("copies")
    for label, pictures in {"cat": {1: 2, 2: 2, 3: 1}, "dog": {11: 1, 12: 0}}.items():
        for seed, copies in pictures.items():
            original = home / "own" / label / f"{seed}.jpg"
            drawn(original, seed)
            for size in SIZES[:copies]:
                smaller(original, size, original.with_name(f"{seed} {size[0]}.jpg"))
    adding.add(
        [home / "own"], None, home / "set", Recipe(own=OwnRecipe(duplicates="near")), say=silent, watch=silent
    )
    return home / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A dataset of its own, with five rejected copies of cats and one of a dog."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def standing(folder: Path) -> set[str]:
    """The files that stand, as the folders and the catalog have them alike."""
    there = {path.name for path in (folder / "images").rglob("*") if path.is_file()}
    assert there == {Path(sample.path).name for sample in datasets.status(folder, say=silent).kept}
    return there


def aside(folder: Path, reason: str = "duplicate") -> list[Path]:
    return sorted((folder / "rejected" / reason).glob("*"))


def keeper_of(folder: Path, copy: Path) -> Path:
    snapshot = datasets.status(folder, say=silent)
    by_hash = {sample.sha256: sample for sample in snapshot.samples}
    (sample,) = (s for s in snapshot.samples if Path(s.path).name == copy.name)
    return folder / by_hash[sample.keeper or ""].path


def test_what_is_restored_and_what_was_kept_for_it_both_stand(folder: Path):
    """Of six copies three are restored, one of them by name: they stand, all that stood stands, the others stay out."""
    before, copies = standing(folder), aside(folder)
    assert (len(before), len(copies)) == (5, 6)
    chosen = copies[:3]
    assert datasets.restore(folder, [f"rejected/duplicate/{file.name}" for file in chosen], say=silent) == 3
    wanted = before | {file.name for file in chosen}
    for _ in range(2):
        datasets.dedupe(folder, say=silent)
        assert standing(folder) == wanted
    assert {file.name for file in aside(folder)} == {file.name for file in copies[3:]}


def test_to_restore_again_changes_nothing_and_says_so(folder: Path):
    """The reason, and a file that stands already, are a line each; nothing moves, and no verdict is added."""
    copies = aside(folder)
    assert datasets.restore(folder, ["duplicate"], say=silent) == 6
    before, log = standing(folder), (folder / "labels.jsonl").read_bytes()
    lines: list[str] = []
    names = ["duplicate", f"rejected/duplicate/{copies[0].name}", copies[1].name]
    assert datasets.restore(folder, names, say=lines.append) == 0
    assert len(lines) == 3
    assert "nothing is rejected as duplicate" in lines[0]
    assert all("stands in its class folder already" in line for line in lines[1:])
    assert (standing(folder), (folder / "labels.jsonl").read_bytes()) == (before, log)


def test_the_pair_is_in_one_group_and_listed_and_the_export_has_both(folder: Path, tmp_path: Path):
    """Both are on one side of the split, the page of look-alikes shows the pair, and an export holds all."""
    datasets.restore(folder, ["duplicate"], say=silent)
    done = datasets.split(folder, say=silent)
    assert done is not None
    snapshot = datasets.status(folder, say=silent)
    assert sorted(len(group.members) for group in snapshot.groups) == [2, 2, 3, 3]
    cats = {sample.sha256 for sample in snapshot.kept if sample.label == "cat"}
    for group in snapshot.groups:
        if cats.issuperset(
            group.members
        ):  # of the dogs' three pictures two are copies: no part would be left for one
            assert len({snapshot.splits[member] for member in group.members}) == 1
    assert done.ungrouped == ("dog",)
    linked = {sha256 for a, b, rule in snapshot.lookalikes for sha256 in (a, b)}
    assert linked == {member for group in snapshot.groups for member in group.members}
    datasets.export(folder, "folders", tmp_path / "out", links=False, say=silent)
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 11


@pytest.mark.parametrize("way", ["restored", "moved back by hand"])
def test_what_comes_back_for_another_reason_takes_nothing_away(tmp_path: Path, way: str):
    """Pictures that were too small, and are copies of one that stands, come back beside it, and so does each other."""
    own, folder = tmp_path / "own" / "cat", tmp_path / "set"
    drawn(own / "large.jpg", 1)
    drawn(own / "other.jpg", 2)
    for number, size in enumerate(((90, 72), (80, 64), (70, 56))):
        smaller(own / "large.jpg", size, own / f"small {number}.jpg")
    adding.add(
        [tmp_path / "own"],
        None,
        folder,
        Recipe(own=OwnRecipe(duplicates="near", min_side=128)),
        say=silent,
        watch=silent,
    )
    small = aside(folder, "too-small")
    assert (len(standing(folder)), len(small)) == (2, 3)
    if way == "restored":
        assert datasets.restore(folder, ["too-small"], say=silent) == 3
    else:
        for file in small:
            file.rename(folder / "images" / "cat" / file.name)
    for _ in range(2):
        datasets.dedupe(folder, say=silent)
        assert len(standing(folder)) == 5
    groups = [group.members for group in datasets.status(folder, say=silent).groups]
    assert [len(members) for members in groups] == [4]


def deleted(picture: Path) -> None:
    picture.unlink()


def relabelled(picture: Path) -> None:
    picture.rename(picture.parents[1] / OTHER[picture.parent.name] / picture.name)


def rejected(picture: Path) -> None:
    room = picture.parents[2] / "rejected" / "review"
    room.mkdir(exist_ok=True)
    picture.rename(room / picture.name)


@pytest.mark.parametrize("act", [deleted, relabelled, rejected])
@pytest.mark.parametrize("on", ["kept", "restored"])
def test_what_becomes_of_one_of_a_pair_does_not_touch_the_other(folder: Path, act, on):
    """The kept or the restored one is deleted, relabelled or rejected: nothing else goes, and nothing else comes."""
    copy = aside(folder)[0]
    keeper = keeper_of(folder, copy)
    datasets.restore(folder, [copy.name], say=silent)
    before = standing(folder)
    touched = keeper if on == "kept" else folder / "images" / keeper.parent.name / copy.name
    act(touched)
    for _ in range(2):
        datasets.dedupe(folder, say=silent)
        assert standing(folder) == before - (set() if act is relabelled else {touched.name})
    assert datasets.status(folder, say=silent).conflicts == ()


def test_what_is_brought_back_after_it_was_rejected_again_replaces_nothing(folder: Path):
    """Restored, rejected by hand, and restored from there: the picture that was kept for it stands all the time."""
    copy = aside(folder)[0]
    datasets.restore(folder, [copy.name], say=silent)
    before = standing(folder)
    (back,) = (folder / "images").rglob(copy.name)
    rejected(back)
    assert standing(folder) == before - {copy.name}
    datasets.restore(folder, ["review"], say=silent)
    assert standing(folder) == before


def moved_back(copy: Path, room: Path) -> None:
    copy.rename(room / copy.name)


def copied_back(copy: Path, room: Path) -> None:
    shutil.copy(copy, room / copy.name)


@pytest.mark.parametrize("act", [moved_back, copied_back])
@pytest.mark.parametrize("room", ["cat", "dog"])
def test_a_copy_brought_back_by_hand_is_none(folder: Path, act, room):
    """One moved or copied from rejected/duplicate into a class folder stands there, beside all that stood."""
    before = standing(folder)
    copy = aside(folder)[0]
    act(copy, folder / "images" / room)
    for _ in range(2):
        assert standing(folder) == before | {copy.name}
        datasets.dedupe(folder, say=silent)
    assert datasets.status(folder, say=silent).conflicts == ()
    assert (folder / "images" / room / copy.name).exists()


def test_a_lost_catalog_knows_it_still(folder: Path):
    """Rebuilt from the folders and the log, the dataset has the same pictures standing, in the same groups."""
    datasets.restore(folder, [aside(folder)[0].name], say=silent)
    before, groups = standing(folder), datasets.status(folder, say=silent).groups
    for path in folder.glob("catalog.db*"):
        path.unlink()
    assert standing(folder) == before
    datasets.dedupe(folder, say=silent)
    assert standing(folder) == before
    assert datasets.status(folder, say=silent).groups == groups


def test_lines_of_other_verdicts_say_nothing_of_it(folder: Path):
    """In labels.jsonl the pairs stand in the lines of copies that came back, and in no others."""
    keeper = keeper_of(folder, aside(folder)[0])
    relabelled(keeper)
    datasets.restore(folder, ["duplicate"], say=silent)
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    said = {line["who"] for line in lines if "not_copy_of" in line}
    assert said == {"restore"}
    assert all(line["not_copy_of"] for line in lines if line["who"] == "restore")


def test_placing_around_what_was_said_comes_to_the_same(folder: Path):
    """Where only what is near a restored copy is decided anew, the pair stands as well."""
    with Dataset(folder, TASKS) as dataset:
        samples = {Path(s.path).name: s.sha256 for s in dataset.catalog.samples.all()}
        copy = aside(folder)[0]
        assert restore(dataset, [copy.name], silent) == 1
        around = placement.place_samples(dataset, around=[samples[copy.name]])
        assert around.moved == 0
        anew = placement.place_samples(dataset)
        assert (anew.changed, anew.moved) == (0, 0)
    assert len(standing(folder)) == 6


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "restore",
                "restore all",
                "restore rejected",
                "dedupe",
                "back by hand",
                "reject",
                "relabel",
                "delete",
                "lose the catalog",
            ]
        ),
        st.integers(0, 50),
    ),
    min_size=1,
    max_size=8,
)


def act_on(folder: Path, what: str, number: int, expected: dict[str, str]) -> None:
    """Do one thing, and to what should stand (file: class) as well."""
    copies, there = aside(folder), sorted((folder / "images").rglob("*.jpg"))
    copy = copies[number % len(copies)] if copies else None
    picture = there[number % len(there)] if there else None
    labels = LABELS[folder.parent]
    if what == "lose the catalog":
        for path in folder.glob("catalog.db*"):
            path.unlink()
    elif what == "restore rejected":
        expected |= {file.name: labels[file.name] for file in aside(folder, "review")}
        datasets.restore(folder, ["review"], say=silent)
    elif what == "dedupe":
        datasets.dedupe(folder, say=silent)
    elif what == "restore all":
        datasets.restore(folder, ["duplicate"], say=silent)
        expected |= {file.name: labels[file.name] for file in copies}
    elif what == "restore" and copy:
        datasets.restore(folder, [copy.name], say=silent)
        expected[copy.name] = labels[copy.name]
    elif what == "back by hand" and copy:
        room = ("cat", "dog")[number % 2]
        moved_back(copy, folder / "images" / room)
        expected[copy.name] = labels[copy.name] = room
    elif what == "relabel" and picture:
        relabelled(picture)
        expected[picture.name] = labels[picture.name] = OTHER[picture.parent.name]
    elif what in ("reject", "delete") and picture:
        (rejected if what == "reject" else deleted)(picture)
        del expected[picture.name]
    datasets.status(folder, say=silent)


LABELS: defaultdict[Path, dict[str, str]] = defaultdict(dict)
"""The class that each picture was last in, by dataset."""


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTS)
def test_whatever_is_done_only_that_changes(made: Path, tmp_path_factory, acts):
    """After any acts exactly those pictures stand that people left standing or brought back, each in its class."""
    home = tmp_path_factory.mktemp("acts")
    folder = Path(shutil.copytree(made, home / "set"))
    expected = {path.name: path.parent.name for path in (folder / "images").rglob("*.jpg")}
    LABELS[home] = {
        Path(sample.path).name: sample.label for sample in datasets.status(folder, say=silent).samples
    }
    names = [what for what, _ in acts]
    for at, (what, number) in enumerate(acts):
        if what == "lose the catalog" and "delete" in names[:at]:
            continue  # nothing but the catalog knows what a deleted picture looked like: its copies come back
        act_on(folder, what, number, expected)
        found = {path.name: path.parent.name for path in (folder / "images").rglob("*.jpg")}
        assert found == expected, (what, number)
    shutil.rmtree(home)


@pytest.mark.long
def test_a_restore_killed_at_any_moment_is_ended_by_the_next_one(made: Path, tmp_path: Path):
    """However far it came, after the same command again all copies stand, and all that stood."""
    names = {path.name for path in [*(made / "images").rglob("*.jpg"), *aside(made)]}
    command = [sys.executable, "-m", "byod", "restore", "duplicate", "--dataset", "set"]
    shutil.copytree(made, tmp_path / "whole" / "set")
    start = time.monotonic()
    subprocess.run(command, cwd=tmp_path / "whole", check=True, capture_output=True)
    whole = time.monotonic() - start
    for number in range(20):
        home = tmp_path / str(number)
        shutil.copytree(made, home / "set")
        running = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * number / 20)
        running.kill()
        running.wait()
        done = subprocess.run(command, cwd=home, check=True, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        assert standing(home / "set") == names
