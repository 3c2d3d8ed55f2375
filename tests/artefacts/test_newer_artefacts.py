"""What a newer byod may have written: what is new is kept and otherwise ignored, a newer format is left untouched."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from old_artefacts import FORMATS, run_of, unpacked
from own_catalog import trusted

from byod.api import address_lists, collecting, datasets, evaluate, feedback, runs
from byod.cli import tables
from byod.dataset.catalog.sql_schema import MIGRATIONS
from byod.dataset.dataset_folder import Dataset
from byod.exports import MARK
from byod.report.check_page import write_check
from byod.schema import recipe as recipes
from byod.schema.config import Settings
from byod.schema.errors import ByodError, DatasetError, RecipeError, UsageError
from byod.schema.keypoints import keypoints_file, read_keypoints
from byod.tasks import TASKS

WORD = "zukunft-42"


def quiet(*_: object) -> None:
    """Say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The newest format, to be made newer yet."""
    return unpacked(FORMATS[-1], tmp_path / "home")


def sql(dataset: Path, statement: str, *values: object) -> list[tuple]:
    """Let a statement work on a dataset's catalog."""
    with closing(sqlite3.connect(dataset / "catalog.db")) as catalog, catalog:
        found = catalog.execute(statement, values).fetchall()
    trusted(dataset)
    return found


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its time of change."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns) for file in files
    }


def edited(file: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**values, **changes}), encoding="utf-8")


ONE = "(SELECT sha256 FROM samples WHERE reason = 'duplicate')"


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("samples", "reason", f"sha256 IN {ONE}"),
        ("samples", "status", f"sha256 IN {ONE}"),
        ("samples", "split", "status = 'kept' AND label = 'circle'"),
        ("samples", "format", "status = 'kept'"),
        ("samples", "spec", "status = 'kept'"),
        ("addresses", "outcome", "outcome = 'not-found'"),
        ("candidates", "refused", "id = 3"),
        ("candidates", "source", "id < 9"),
        ("verdicts", "who", "who = 'folder'"),
        ("verdicts", "note", "who = 'folder'"),
    ],
)
def test_a_word_that_is_not_known_is_kept_in_the_catalog(home, table, column, where):
    """Whatever is done with the dataset, the word stays where it stands."""
    folder = home / "shapes"
    sql(folder, f"UPDATE {table} SET {column} = ? WHERE {where}", WORD)
    if column == "note":
        sql(folder, f"UPDATE verdicts SET who = 'undo' WHERE {where}")
    asked = f"SELECT COUNT(*) FROM {table} WHERE {column} = ?"
    before = sql(folder, asked, WORD)
    assert before != [(0,)]
    datasets.status(folder, say=quiet)
    datasets.dedupe(folder, say=quiet)
    datasets.split(folder, say=quiet)
    datasets.check(folder, None, say=quiet)
    for layout in ("folders", "croissant"):
        datasets.export(folder, layout, home / "out" / layout, links=False, say=quiet)
    assert sql(folder, asked, WORD) == before


@pytest.mark.parametrize("column", ["reason", "status"])
def test_an_unknown_word_is_shown_as_it_is(home, column):
    """`status` counts the pictures under the word, the page shows it, and a reason can be brought back by it."""
    folder = home / "shapes"
    (path,) = sql(folder, f"SELECT path FROM samples WHERE sha256 IN {ONE}")[0]
    sql(folder, f"UPDATE samples SET {column} = ? WHERE sha256 IN {ONE}", WORD)
    page, snapshot, _ = datasets.check(folder, home / "check.html", say=quiet)
    assert tables.counts(snapshot)["rejected"][WORD] == 1
    assert WORD in page.read_text(encoding="utf-8")
    if column == "reason":
        assert datasets.restore(folder, [WORD], say=quiet) == 1
        assert not (folder / path).exists()


def test_an_unknown_part_of_the_split_is_left_out_and_said(home):
    """Pictures in it are neither learned from nor exported, and a line says how many they are."""
    folder = home / "shapes"
    where = "sha256 IN (SELECT sha256 FROM samples WHERE status = 'kept' LIMIT 3)"
    sql(folder, f"UPDATE samples SET split = ? WHERE {where}", WORD)
    said: list[str] = []
    out = datasets.export(folder, "folders", home / "out", links=False, say=said.append)
    assert len(list(out.rglob("*.jpg"))) == 17
    assert said == ["3 pictures are in parts of the split that only a newer byod knows: they are left out"]
    with datasets.opened(folder, quiet) as dataset:
        assert len(dataset.examples(dataset.snapshot())) == 17
        assert datasets.assign(dataset).elsewhere == 3


def test_a_lost_catalog_takes_unknown_reasons_from_the_folders(home):
    """A picture in `rejected/` under a word that is not known stays there, under that word."""
    folder = home / "shapes"
    (folder / "rejected" / "duplicate").rename(folder / "rejected" / WORD)
    (folder / "catalog.db").unlink()
    for _ in range(2):
        assert tables.counts(datasets.status(folder, say=quiet))["rejected"][WORD] == 1
        assert len(list((folder / "rejected" / WORD).iterdir())) == 1


def test_a_licence_that_is_not_known_is_named(home):
    """A licence word of a newer byod counts as one that is stated, and is refused where the policy asks for more."""
    folder = home / "shapes"
    sql(folder, "UPDATE candidates SET record = json_set(record, '$.licence', ?) WHERE id < 12", WORD)
    snapshot = datasets.status(folder, say=quiet)
    assert {origin.licence for found in snapshot.origins.values() for origin in found} == {WORD, None}
    assert WORD in write_check(snapshot, TASKS["classify"].pages, home / "check.html").read_text(
        encoding="utf-8"
    )
    recipes.write(folder, recipes.read(folder).model_copy(update={"license": recipes.Policy.OPEN}))
    datasets.dedupe(folder, say=quiet)
    assert tables.counts(datasets.status(folder, say=quiet))["rejected"]["licence-unknown"] > 0


def test_what_a_newer_byod_notes_of_a_candidate_is_no_trouble(home):
    """A candidate with unknown keys is asked again, and keeps them."""
    folder = home / "shapes"
    sql(folder, "UPDATE candidates SET record = json_set(record, '$.mood', json('{\"a\": 1}'))")
    sql(folder, "UPDATE addresses SET outcome = 'dns' WHERE outcome = 'not-found'")
    sql(folder, "UPDATE candidates SET refused = 'licence-unknown' WHERE id = 2")
    listed = home / "nothing.csv"
    listed.write_text("url,label\n", encoding="utf-8")
    web = collecting.Web(settings=Settings.load({"BYOD_CACHE": str(home / "cache")}))
    address_lists.collect_list(listed, {}, folder, recipes.read(folder), web, say=quiet, watch=quiet)
    kept = sql(folder, "SELECT COUNT(*) FROM candidates WHERE json_extract(record, '$.mood.a') = 1")
    assert kept == sql(folder, "SELECT COUNT(*) FROM candidates")


def test_a_line_of_the_log_keeps_what_a_newer_byod_says_in_it(home):
    """Unknown keys are no reason not to rebuild a catalog, and the lines stay as they are."""
    folder = home / "shapes"
    log = folder / "labels.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    newer = [json.dumps({**line, "mood": {"a": [1]}, "format": 1}) for line in lines]
    text = "\n".join((json.dumps({"format": 1}), *newer)) + "\n"
    log.write_text(text, encoding="utf-8")
    (folder / "catalog.db").unlink()
    snapshot = datasets.status(folder, say=quiet)
    assert len(snapshot.kept) >= 20
    first = snapshot.kept[0]
    (folder / first.path).unlink()
    datasets.status(folder, say=quiet)
    assert log.read_text(encoding="utf-8").startswith(text)
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["label"] is None


def test_an_unknown_key_of_the_recipe_is_said_and_kept(home):
    """At any depth it survives classes made by hand and changes by byod, and `status` says that it is not used."""
    folder = home / "spots"
    file = folder / recipes.FILE
    text = file.read_text(encoding="utf-8").replace(
        "min_side = 32", 'min_side = 32\nmood = {a = [1, 2]} # "gut"'
    )
    text = text.replace("flips =", "weights = [1.0, 0.5]\nflips =").replace(
        'name = "cat"', 'name = "cat"\ncolour = 2026-01-02'
    )
    file.write_text(f"{text}\n[future]\nx = 1\n", encoding="utf-8")
    (folder / "images" / "dog").mkdir()
    source = sorted((folder / "images" / "cat").iterdir())[0]
    shutil.copyfile(source, folder / "images" / "dog" / "a.jpg")
    said: list[str] = []
    datasets.status(folder, say=said.append)
    recipe = recipes.read(folder)
    assert set(recipe.classes) == {"cat", "dog"}
    assert recipe.unknown == ("mood", "future", "points.weights", "classes.cat.colour")
    assert said[0] == (
        "byod.toml: mood, future, points.weights, classes.cat.colour: nothing that this byod knows; kept, and not used"
    )
    points = recipe.points.model_copy(update={"names": (*recipe.points.names, "nose")})
    recipes.write(folder, recipe.model_copy(update={"points": points}))
    after = file.read_text(encoding="utf-8")
    for kept in (
        'mood = {a = [1, 2]} # "gut"',
        "weights = [1.0, 0.5]",
        "colour = 2026-01-02",
        "[future]\nx = 1",
    ):
        assert kept in after
    recipes.write(home, recipe)  # into another folder
    assert recipes.read(home).model_extra == recipe.model_extra


@pytest.mark.parametrize("key", ["per_clas = 5", "licence = 'any'", "source = []", "[point]"])
def test_a_slip_in_the_recipe_is_refused_unless_a_newer_byod_made_it(tmp_path, key):
    """A key that is nearly a known one is a slip; a recipe of a newer minor version knows better."""
    file = tmp_path / recipes.FILE
    file.write_text(f"{key}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="did you mean"):
        recipes.read(tmp_path)
    file.write_text(f'format = "1.1"\n{key}\n', encoding="utf-8")
    assert recipes.read(tmp_path).unknown


def test_a_word_of_the_recipe_that_is_not_known_is_refused_in_one_line(tmp_path):
    """A policy or a task cannot be guessed; the line names the word and says that a newer byod may know it."""
    for line in ("license = 'gentle'", "task = 'segment'", "split = 'by-moon'"):
        (tmp_path / recipes.FILE).write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(
            RecipeError, match=r"byod \S+ knows no '[a-z-]+' .*; if it is right, update byod"
        ) as caught:
            Dataset(tmp_path, TASKS)
        assert "\n" not in str(caught.value)


def test_a_source_that_is_not_known_matters_only_to_a_search(home):
    """The dataset is opened as ever; a collection names the source."""
    folder = home / "shapes"
    file = folder / recipes.FILE
    file.write_text(file.read_text(encoding="utf-8").replace('"openverse"', f'"{WORD}"'), encoding="utf-8")
    datasets.status(folder, say=quiet)
    web = collecting.Web(settings=Settings.load({"BYOD_CACHE": str(home / "cache")}))
    with pytest.raises(UsageError, match=WORD):
        collecting.collect(folder, recipes.read(folder), web, say=quiet, watch=quiet)


def test_reports_and_points_keep_what_is_new_in_them(home):
    """A report with unknown keys is taken in, and its marks bring theirs along."""
    (file,) = (home / "spots" / ".byod" / "reports").glob("*.json")
    marks = json.loads(file.read_text(encoding="utf-8"))["marks"]
    marks["heads"][0]["species"] = "cat"
    edited(file, mood=1, marks=marks)
    before = set((home / "spots" / "points").iterdir())
    assert feedback.import_feedback(home / "spots", say=quiet, watch=quiet).taken == 1
    new = set((home / "spots" / "points").iterdir()) - before
    assert [json.loads(each.read_text(encoding="utf-8"))["heads"][0]["species"] for each in new] in (
        [],
        ["cat"],
    )
    sample = datasets.status(home / "spots", say=quiet).kept[0]
    points = home / "spots" / keypoints_file(sample.path)
    edited(points, sha256=None, mood={"a": 1})
    with datasets.opened(home / "spots", quiet):
        pass
    assert read_keypoints(points).model_extra == {"mood": {"a": 1}}


def _newer_recipe(folder: Path) -> None:
    (folder / recipes.FILE).write_text("format = 2\nclasses = 'elsewhere'\n", encoding="utf-8")


def _newer_catalog(folder: Path) -> None:
    sql(folder, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def _newer_log(folder: Path) -> None:
    with (folder / "labels.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"format": 2, "of": "another kind"}\n')


@pytest.mark.parametrize(
    ("file", "change"),
    [(recipes.FILE, _newer_recipe), ("catalog.db", _newer_catalog), ("labels.jsonl", _newer_log)],
)
def test_a_newer_format_is_refused_and_nothing_is_touched(home, file, change):
    """The line says what to do, and in the dataset nothing has changed, whatever was tried."""
    folder = home / "shapes"
    change(folder)
    before = contents(folder)
    version = len(MIGRATIONS) + 1 if file == "catalog.db" else 2
    tries = {
        "status": lambda: datasets.status(folder, say=quiet),
        "dedupe": lambda: datasets.dedupe(folder, say=quiet),
        "restore": lambda: datasets.restore(folder, ["duplicate"], say=quiet),
        "export": lambda: datasets.export(folder, "folders", home / "out", links=False, say=quiet),
        "add": lambda: feedback.import_feedback(folder, say=quiet, watch=quiet),
    }
    for name, attempt in tries.items():
        with pytest.raises((DatasetError, RecipeError)) as caught:
            attempt()
        line = str(caught.value)
        assert f"{file} was written by a newer byod (format {version}); it needs byod >= " in line, name
        assert "update byod" in line
        assert "\n" not in line
    assert contents(folder) == before
    assert not (home / "out").exists()


def test_a_run_of_a_newer_format_is_refused_and_nothing_is_written(home):
    """Neither predictions nor exports nor comparisons are made of it."""
    run = run_of(home / "shapes")
    edited(run / "model.json", format=2)
    before = contents(home)
    tries = (
        lambda: evaluate.predict(run, [home]),
        lambda: runs.export_run(run, "onnx", home / "out"),
        lambda: evaluate.compare([run, run], home / "out.html"),
        lambda: evaluate.evaluate(run, None, None, say=quiet),
        lambda: runs.export_page(run, home / "out", cache=home / "cache", say=quiet),
    )
    for attempt in tries:
        with pytest.raises(ByodError, match=r"model\.json was written by a newer byod \(format 2\)"):
            attempt()
    assert contents(home) == before


def test_single_files_of_a_newer_format_are_left_where_they_lie(home):
    """Points and reports of a newer byod are refused in one line where they are needed, and stay as they are."""
    folder = home / "spots"
    sample = datasets.status(folder, say=quiet).kept[0]
    points = folder / keypoints_file(sample.path)
    (report,) = (folder / ".byod" / "reports").glob("*.json")
    edited(points, format=2, heads="elsewhere")
    edited(report, format=2, marks="elsewhere")
    before = points.read_bytes(), report.read_bytes()
    assert len(datasets.status(folder, say=quiet).kept) == 24
    with pytest.raises(DatasetError, match=rf"{report.name} was written by a newer byod \(format 2\)"):
        feedback.import_feedback(folder, say=quiet, watch=quiet)
    with pytest.raises(DatasetError, match=rf"{points.name} was written by a newer byod \(format 2\)"):
        datasets.export(folder, "coco", home / "out", links=False, say=quiet)
    assert (points.read_bytes(), report.read_bytes()) == before


def test_an_export_of_a_newer_format_is_not_replaced(home):
    """Its mark is read before anything is written."""
    place = home / "exports" / "hf"
    edited(place / MARK, format_version=2)
    before = contents(place)
    with pytest.raises(DatasetError, match=r"\.byod-export\.json was written by a newer byod \(format 2\)"):
        datasets.export(home / "shapes", "hf", place, links=False, say=quiet)
    assert contents(place) == before


@pytest.mark.slow
def test_a_table_with_further_columns_is_read_by_its_header(home):
    """Columns of a newer byod are passed over, also when they come first."""
    run = run_of(home / "shapes")
    twin = run.with_name("20261130-130000-twin")
    shutil.copytree(run, twin)
    edited(twin / "model.json", run=twin.name)
    for name in ("examples.csv", "predictions.csv"):
        lines = (twin / name).read_text(encoding="utf-8").splitlines()
        text = "\n".join(f"{'mood' if not n else 'good'},{line},x" for n, line in enumerate(lines))
        (twin / name).write_text(f"{text}\n", encoding="utf-8")
    found = evaluate.compare([run, twin], home / "compare.html")
    assert found.runs[0].accuracy == found.runs[1].accuracy
    (twin / "examples.csv").write_text("sha256,side\n", encoding="utf-8")
    with pytest.raises(ByodError, match=r"examples\.csv is not what byod wrote \(it has no column group\)"):
        evaluate.compare([run, twin], home / "compare.html")
