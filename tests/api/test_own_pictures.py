"""Pictures that somebody brings: nothing is judged, they are known by their bytes, and their labels are theirs."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import byod as command
from PIL import Image

import byod
from byod.dataset.dataset_folder import Dataset
from byod.images import decode
from byod.images.decode import ANY_PICTURE
from byod.schema.config import Settings
from byod.schema.errors import UsageError
from byod.schema.records import Candidate, Fetched, Sample, Status
from byod.tasks import TASKS


def noise(file: Path, seed: int, size: tuple[int, int] = (64, 48), **how) -> Path:
    """A picture like no other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(drawn).resize(size, Image.Resampling.BICUBIC).save(file, **how)
    return file


def added(folder: Path, *paths: Path, **options) -> byod.Added:
    result = byod.add(*paths, into=folder, progress=False, **options).result
    assert isinstance(result, byod.Added)
    return result


def classes(folder: Path) -> dict[str, int]:
    return byod.Dataset(folder).counts


def test_nothing_is_judged_unless_it_is_asked_for(tmp_path):
    """Small, long and plain pictures are taken; `--min-side`, `--max-aspect` and the table `own` refuse them."""
    own = tmp_path / "own"
    noise(own / "a" / "small.png", 1, (16, 16))
    noise(own / "a" / "long.png", 2, (600, 20))
    Image.new("RGB", (64, 64), (250, 250, 250)).save(own / "a" / "plain.png")
    assert added(tmp_path / "all", own).new == 3
    refused = added(tmp_path / "some", own, min_side=18, max_aspect=2.0).refused
    assert sorted((Path(each.file).name, each.reason) for each in refused) == [
        ("long.png", "bad-aspect"),
        ("small.png", "too-small"),
    ]
    assert "min_side = 18" in (tmp_path / "some" / "byod.toml").read_text(encoding="utf-8")
    assert added(tmp_path / "some", own, min_side=1, max_aspect=100.0).new == 2  # asked again, and taken now
    assert classes(tmp_path / "some") == {"a": 3}


def test_the_same_place_with_other_bytes_is_another_picture(tmp_path):
    """A second memory card with the same names at the same place is added; the first one, again, is known."""
    card, folder = tmp_path / "card", tmp_path / "set"
    for number in range(3):
        noise(card / "cat" / f"IMG_{number}.jpg", number)
    first = shutil.copytree(card, tmp_path / "first")
    assert added(folder, card).new == 3
    shutil.rmtree(card)
    for number in range(3):
        noise(card / "cat" / f"IMG_{number}.jpg", 10 + number)
    done = added(folder, card)
    assert (done.new, done.known) == (3, 0)
    shutil.rmtree(card)
    shutil.copytree(first, card)
    done = added(folder, card)
    assert (done.new, done.known) == (0, 3)
    assert classes(folder) == {"cat": 6}


def test_a_picture_that_came_out_broken_is_read_again(tmp_path):
    """What was damaged the first time is taken once the file is whole."""
    good = noise(tmp_path / "own" / "a" / "one.jpg", 1)
    whole = good.read_bytes()
    good.write_bytes(whole[: len(whole) // 2])
    done = added(tmp_path / "set", tmp_path / "own")
    assert (done.new, [each.reason for each in done.refused]) == (0, ["broken"])
    good.write_bytes(whole)
    assert added(tmp_path / "set", tmp_path / "own").new == 1


@pytest.mark.slow
def test_near_copies_of_ones_own_stay(tmp_path):
    """Shots that look the same all stay in one group; the same pixels in another file are set aside."""
    own = tmp_path / "own" / "a"
    first = noise(own / "1.png", 1, (320, 240))
    with Image.open(first) as picture:
        picture.resize((300, 225)).save(own / "2.jpg", quality=80)
        picture.save(own / "3.bmp")
    done = added(tmp_path / "set", tmp_path / "own")
    assert (done.new, done.copies) == (3, 1)
    snapshot = byod.Dataset(tmp_path / "set").status(progress=False)
    assert len(snapshot.kept) == 2
    assert len(snapshot.groups) == 1
    assert added(tmp_path / "near", tmp_path / "own", duplicates="near").copies == 2
    assert added(tmp_path / "off", tmp_path / "own", duplicates="off").copies == 0


def test_only_the_same_pixels_in_two_classes_are_a_conflict(tmp_path):
    """A lamp that is on and one that is off look alike and are two classes; one picture in both is a conflict."""
    for label, size in (("on", (320, 240)), ("off", (300, 225))):
        noise(tmp_path / "own" / label / "lamp.png", 1, size)
    added(tmp_path / "set", tmp_path / "own")
    assert classes(tmp_path / "set") == {"off": 1, "on": 1}
    shutil.copy(tmp_path / "own" / "on" / "lamp.png", tmp_path / "own" / "off" / "same bytes.png")
    with Image.open(tmp_path / "own" / "off" / "lamp.png") as picture:
        picture.save(tmp_path / "own" / "on" / "same pixels.bmp")
    added(tmp_path / "set", tmp_path / "own")
    snapshot = byod.Dataset(tmp_path / "set").status(progress=False)
    assert sorted(len(each) for each in snapshot.conflicts) == [1, 2]


def test_pictures_that_differ_in_one_sign_are_not_the_same(tmp_path):
    """Pages of text with another digit have the same fingerprint; their pixels tell them apart."""
    page = np.full((600, 440, 3), 255, np.uint8)
    rows = np.random.default_rng(1).integers(0, 2, (56, 40)).repeat(10, 0).repeat(10, 1)
    page[20:580, 20:420][rows == 1] = 20
    for number in range(4):
        mine = page.copy()
        mine[300:302, 100 + 20 * number] = 128
        (tmp_path / "own" / "page").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mine).save(tmp_path / "own" / "page" / f"{number}.png")
    added(tmp_path / "set", tmp_path / "own")
    assert classes(tmp_path / "set") == {"page": 4}


def test_the_label_is_the_persons_and_no_review(tmp_path, monkeypatch):
    """BYOD_REVIEWER is who said so, in the catalog and in the label log; nobody counts as having reviewed it."""
    monkeypatch.setenv("BYOD_REVIEWER", "Ada")
    noise(tmp_path / "own" / "a" / "1.png", 1)
    added(tmp_path / "set", tmp_path / "own")
    line = json.loads((tmp_path / "set" / "labels.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (line["who"], line["label"], line["note"]) == ("Ada", "a", "added")
    with Dataset(tmp_path / "set", TASKS) as dataset:
        assert dataset.catalog.verdicts.holding() == {}


@pytest.mark.parametrize(
    ("name", "noted"), [("Ada", "Ada"), ("search", "user search"), ("\u202eAda\n B", "Ada B"), ("  ", "user")]
)
def test_the_name_of_a_reviewer_is_none_of_byods_own(name, noted):
    """A name that byod's own notes have is told apart from them, and what nobody sees goes."""
    assert Settings.load({"BYOD_REVIEWER": name}).reviewer == noted


def test_rights_are_ones_own_unless_they_are_given(tmp_path):
    """Without a word all rights are reserved, and CREDITS.csv says so; a licence and a name go along."""
    noise(tmp_path / "own" / "a" / "1.png", 1)
    added(tmp_path / "plain", tmp_path / "own")
    assert '"ARR"' in (tmp_path / "plain" / "CREDITS.csv").read_text(encoding="utf-8")
    added(tmp_path / "given", tmp_path / "own", license="CC BY 4.0", creator="Ada")
    credits = (tmp_path / "given" / "CREDITS.csv").read_text(encoding="utf-8")
    assert '"CC-BY-4.0"' in credits
    assert '"Ada"' in credits
    with pytest.raises(UsageError, match="--license beer: no licence goes by this name"):
        byod.add(tmp_path / "own", into=tmp_path / "given", license="beer", progress=False)


@pytest.mark.slow
def test_what_was_not_taken_is_named_with_the_next_step(tmp_path):
    """Each file, why, and what to do; other kinds are counted; with not one picture the exit code is 1."""
    own = tmp_path / "own" / "a"
    own.mkdir(parents=True)
    (own / "cut.jpg").write_bytes(noise(tmp_path / "whole.jpg", 1, (320, 240)).read_bytes()[:900])
    (own / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom film")
    (own / "notes.txt").write_text("notes", encoding="utf-8")
    done = command("add", "own", "--into", "set", folder=tmp_path, check=1)
    assert "cut.jpg was not taken: " in done.stderr
    assert "copy it anew" in done.stderr
    assert "1 .txt" in done.stderr
    noise(own / "good.jpg", 2)
    done = command("add", "own", "--into", "set", "--json", folder=tmp_path)
    said = json.loads(done.stdout)
    assert said["new"] == 1
    assert "cut.jpg" in {Path(each["file"]).name for each in said["refused"]}
    assert "not finished" not in done.stderr + command("status", "set", folder=tmp_path).stderr


def test_a_search_hit_gives_way_to_ones_own(tmp_path):
    """A copy that a list brings of a picture that somebody added is set aside, also when it is larger."""
    noise(tmp_path / "own" / "a" / "1.png", 1, (320, 240))
    folder = tmp_path / "set"
    added(folder, tmp_path / "own")
    larger = noise(tmp_path / "found.jpg", 1, (640, 480), quality=95)
    with Dataset(folder, TASKS) as dataset:
        content = larger.read_bytes()
        inspected, _ = decode.inspect(content, ANY_PICTURE)
        address = "https://a.example/1.jpg"
        sha256 = hashlib.sha256(content).hexdigest()
        with dataset.catalog.transaction():
            candidates = dataset.catalog.candidates
            candidates.add([(Candidate(url=address, label="a", source="openverse", terms="a"), None)], 9)
            candidates.fetched(
                Fetched(url=address, final_url=address, sha256=sha256, size=len(content)), sha256
            )
            dataset.files.make(".byod/incoming")
            dataset.files.create(".byod/incoming/1.jpg", content)
            sample = Sample(
                sha256=sha256,
                label="a",
                status=Status.WAITING,
                path=".byod/incoming/1.jpg",
                size=len(content),
            ).measured(inspected)
            dataset.catalog.samples.add(sample, position=99, mtime_ns=os.stat(folder).st_mtime_ns)
    done = byod.Dataset(folder).dedupe(progress=False)
    (copy,) = (each for each in done.snapshot.samples if each.reason == "duplicate")
    assert copy.sha256 == sha256
