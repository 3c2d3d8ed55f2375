"""Collecting, end to end over real HTTP: what was planted is found, and a kill at any moment loses nothing."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from byod.api import collecting
from byod.demo import fake_source as openverse_stand
from byod.demo import scenes
from byod.demo.fake_source import serve_fake_source
from byod.demo.scenes import Kind, Planted
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Snapshot, Status

KILLS = int(os.environ.get("BYOD_KILLS", "10"))
"""How often a collection is killed; BYOD_KILLS=30 for the long form."""


def silent(line):
    """Nobody listens."""


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Two drawn classes with every kind of trouble."""
    return scenes.drawn(per_class=24, seed=3)


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """How often each address of a stand was asked for."""
    asked: Counter = Counter()
    answer = openverse_stand._Request.do_GET

    def counting(request):
        asked[request.path] += 1
        answer(request)

    monkeypatch.setattr(openverse_stand._Request, "do_GET", counting)
    return asked


def recipe_for(planted: Planted, **changes) -> Recipe:
    recipe = Recipe(sources=("openverse",), languages=(), min_side=100, **changes)
    for name in planted.classes:
        recipe = recipe.with_class(name)
    return recipe


def collect(folder: Path, recipe: Recipe, base: str, monkeypatch, **more) -> Snapshot:
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setenv("BYOD_OPENVERSE_URL", base)
    web = collecting.Web(settings=Settings.load(), **more)
    return collecting.collect(folder, recipe, web, say=silent, watch=lambda tallies: None)


def by_path(snapshot: Snapshot) -> dict[str, tuple[Status, Reason | None]]:
    """For each address without its host: what became of it, as far as bytes came."""
    found = {}
    for sample in snapshot.samples:
        for origin in snapshot.origins[sample.sha256]:
            found["/" + origin.url.split("/", 3)[3]] = (sample.status, sample.reason)
    return found


@pytest.mark.slow
def test_all_that_was_planted_is_found_and_no_clean_picture_is_lost(tmp_path, planted, monkeypatch):
    """Every copy, broken file and placeholder is set aside for its own reason; every good picture is kept."""
    with serve_fake_source(planted) as here:
        snapshot = collect(tmp_path / "d", recipe_for(planted, per_class=200), here.base, monkeypatch)
    found = by_path(snapshot)
    wanted = {
        Kind.HTML: Reason.NOT_A_PICTURE,
        Kind.TRUNCATED: Reason.BROKEN,
        Kind.PLACEHOLDER: Reason.PLACEHOLDER,
        Kind.BOTH_CLASSES: Reason.CONFLICT,
    }
    for kind, reason in wanted.items():
        assert {found[offer.path] for offer in planted.of(kind)} == {(Status.REJECTED, reason)}, kind
    for kind in (Kind.EXACT, Kind.RESIZED, Kind.RECOMPRESSED):
        for offer in planted.of(kind):
            pair = [found[offer.path], found[offer.original]]
            kept = [status for status, _ in pair if status is Status.KEPT]
            # an exact copy is the same sample as its original, and stands in the class folder with it
            assert len(kept) == (2 if kind is Kind.EXACT else 1), (kind, pair)
    originals = {offer.original for offer in planted.pictures}
    for offer in planted.of(Kind.GOOD):
        if offer.path not in originals:
            assert found[offer.path] == (Status.KEPT, None), offer.path
    misses = snapshot.misses
    assert misses[Reason.NOT_FOUND] == len(planted.of(Kind.NOT_FOUND))
    assert misses[Reason.OPTED_OUT] == len(planted.of(Kind.OPTED_OUT))
    assert misses[Reason.SERVER_ERROR] == len(planted.of(Kind.SERVER_ERROR))


@pytest.mark.slow
def test_a_class_ends_with_just_as_many_as_asked_and_is_topped_up_without_fetching_twice(
    tmp_path, planted, monkeypatch, counted
):
    """N pictures are kept, not N offered; asking for more later fetches only what is new."""
    with serve_fake_source(planted) as here:
        folder = tmp_path / "d"
        snapshot = collect(folder, recipe_for(planted, per_class=10), here.base, monkeypatch)
        assert Counter(s.label for s in snapshot.kept) == dict.fromkeys(planted.classes, 10)
        snapshot = collect(folder, recipe_for(planted, per_class=15), here.base, monkeypatch)
        assert Counter(s.label for s in snapshot.kept) == dict.fromkeys(planted.classes, 15)
        before = counted.copy()
        again = collect(folder, recipe_for(planted, per_class=15), here.base, monkeypatch)
        assert again.fingerprint == snapshot.fingerprint
    pictures = {offer.path for offer in planted.pictures if offer.status == 200}
    assert max(counted[path] for path in pictures) == 1
    assert {path: counted[path] for path in pictures} == {path: before[path] for path in pictures}


@pytest.mark.slow
def test_unknown_licences_are_refused_under_open_and_counted_under_any(tmp_path, planted, monkeypatch):
    """The policy reaches every candidate: under `commercial` no NC picture is fetched."""
    with serve_fake_source(planted) as here:
        snapshot = collect(
            tmp_path / "d", recipe_for(planted, per_class=200, license="commercial"), here.base, monkeypatch
        )
    licences = {origin.licence for origins in snapshot.origins.values() for origin in origins}
    assert licences
    assert not [code for code in licences if code is None or "NC" in code]


def test_the_generated_files_say_where_every_kept_picture_comes_from(tmp_path, planted, monkeypatch):
    """CREDITS.csv has one line for each kept picture, and the card is written."""
    with serve_fake_source(planted) as here:
        snapshot = collect(tmp_path / "d", recipe_for(planted, per_class=10), here.base, monkeypatch)
    lines = (tmp_path / "d" / "CREDITS.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(snapshot.kept)
    assert "openverse" in (tmp_path / "d" / "README.md").read_text(encoding="utf-8")


def command(folder: Path, planted: Planted, base: str, home: Path) -> tuple[list[str], dict[str, str]]:
    arguments = [sys.executable, "-m", "byod", "collect", *planted.classes, "--into", str(folder)]
    arguments += [
        "--source",
        "openverse",
        "--languages",
        "none",
        "--min-side",
        "100",
        "--per-class",
        "18",
        "--json",
    ]
    environment = {
        **os.environ,
        "BYOD_ALLOW_PRIVATE_HOSTS": "1",
        "BYOD_OPENVERSE_URL": base,
        "BYOD_CACHE": str(home / "cache"),
        "BYOD_CONFIG": str(home / "none.toml"),
    }
    return arguments, environment


def agree(folder: Path) -> None:
    """Each kept or rejected sample has its file, and each file its sample."""
    with sqlite3.connect(folder / "catalog.db") as catalog:
        rows = dict(catalog.execute("SELECT path, status FROM samples WHERE path <> ''"))
    on_disk = {
        path.relative_to(folder).as_posix()
        for room in ("images", "rejected")
        for path in (folder / room).rglob("*")
        if path.is_file()
    }
    assert set(rows) == on_disk


@pytest.mark.long
def test_a_collection_killed_many_times_ends_like_one_that_was_not(tmp_path, planted, counted):
    """After kill -9 at random moments the same pictures are kept, none that arrived is fetched twice."""
    chance = random.Random(0)
    with serve_fake_source(planted) as here:
        arguments, environment = command(tmp_path / "whole", planted, here.base, tmp_path / "a")
        started = time.monotonic()
        whole = json.loads(subprocess.run(arguments, env=environment, check=True, capture_output=True).stdout)
        seconds = time.monotonic() - started
        counted.clear()
        folder = tmp_path / "killed"
        arguments, environment = command(folder, planted, here.base, tmp_path / "b")
        arrived: Counter = Counter()
        for _ in range(KILLS):
            running = subprocess.Popen(
                arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.2, seconds))
            running.send_signal(signal.SIGKILL)
            running.wait()
            for path in fetched(folder):
                if path not in arrived:
                    arrived[path] = counted[path]
        done = json.loads(subprocess.run(arguments, env=environment, check=True, capture_output=True).stdout)
    assert done["classes"] == whole["classes"]
    assert images(folder) == images(tmp_path / "whole")
    assert {path: counted[path] for path in arrived} == dict(arrived)
    agree(folder)


def images(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in (folder / "images").rglob("*") if path.is_file()}


def fetched(folder: Path) -> set[str]:
    """The addresses that gave bytes, as far as the catalog of a killed run tells."""
    if not (folder / "catalog.db").exists():
        return set()
    with sqlite3.connect(folder / "catalog.db") as catalog:
        try:
            rows = catalog.execute("SELECT url FROM addresses WHERE outcome = 'fetched'").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()
    return {"/" + url.split("/", 3)[3] for (url,) in rows}


def test_a_class_made_by_hand_is_collected_with_the_others(tmp_path, planted, monkeypatch):
    """A class folder that appeared between two collections is a class of the recipe, and stops nothing."""
    with serve_fake_source(planted) as here:
        folder = tmp_path / "d"
        collect(folder, recipe_for(planted, per_class=4), here.base, monkeypatch)
        new = folder / "images" / "by hand"
        new.mkdir()
        first = next((folder / "images" / planted.classes[0]).iterdir())
        first.rename(new / first.name)
        snapshot = collect(folder, recipe_for(planted, per_class=4), here.base, monkeypatch)
    kept = Counter(sample.label for sample in snapshot.kept)
    assert kept == {**dict.fromkeys(planted.classes, 4), "by hand": 1}
    assert any(row.label == "by hand" and row.stopped_by for row in snapshot.yields)
