"""docs/formats.md and the records agree, in both directions, and no field became required since format 1."""

import csv
import json
import re

import pytest
from format_tables import MARKED, PAGE, fields, made, records
from old_artefacts import FORMATS, KEPT

from byod.dataset.catalog.sql_schema import MIGRATIONS
from byod.exports import MARK, export
from byod.tasks import TASKS

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("what", "name", "shown"), MARKED.findall(TEXT), ids=lambda value: str(value)[:20])
def test_each_table_is_that_of_its_record(what, name, shown):
    """A field that was added, renamed or removed is on the page; `tests/fixtures/format_tables.py` writes it there."""
    assert shown == made(what, name)


def test_the_page_has_every_record_once():
    """No record that stands in a file is missing, and none is there that no file holds."""
    shown = [name for what, name, _ in MARKED.findall(TEXT) if what == "record"]
    assert sorted(shown) == sorted(records())


def test_the_page_knows_the_version_of_the_catalog():
    """It says how many migrations there are."""
    assert f"; {len(MIGRATIONS)} at present" in TEXT


def test_every_link_to_a_record_leads_somewhere():
    """Each record has a heading of its own name."""
    headings = {heading.lower() for heading in re.findall(r"^#### (\w+)$", TEXT, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", TEXT)) <= headings
    assert headings == {name.lower() for name in records()}


def test_the_mark_of_an_export_is_as_the_page_says(tmp_path, drawn_snapshot):
    """Its keys are those of the page."""
    place = export(
        drawn_snapshot(tmp_path / "set", {"a": "a", "b": "b"}), TASKS["classify"], "folders", tmp_path / "out"
    )
    section = TEXT.split(f"## {MARK}\n")[1].split("\n## ")[0]
    keys = json.loads((place / MARK).read_text(encoding="utf-8"))
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == list(keys)


def test_the_columns_of_a_run_are_on_the_page():
    """Every column that an old table has is named."""
    section = TEXT.split("## The tables of a run\n")[1].split("\n## ")[0]
    for file in KEPT.glob("*/*/runs/*/*.csv"):
        if file.name in ("examples.csv", "predictions.csv"):
            with file.open(encoding="utf-8", newline="") as lines:
                head = [column for column in next(csv.reader(lines)) if "(" not in column]
            assert all(f"`{column}`" in section for column in head), file


@pytest.mark.parametrize("format", FORMATS)
def test_no_field_became_required(format):
    """What was added since a format was first written has a default, or files from before would be refused."""
    then = json.loads((KEPT / format / "required.json").read_text(encoding="utf-8"))
    now = {
        name: [field for field, info in fields(kind).items() if info.is_required()]
        for name, kind in records().items()
        if name in then
    }
    assert now
    assert {name: sorted(set(needed) - set(then[name])) for name, needed in now.items()} == {
        name: [] for name in now
    }
