"""Tables of a dataset on a terminal: as long as a person reads, and with every picture counted."""

from pathlib import Path

from byod.cli import tables
from byod.schema.defaults import ADDRESS_LISTS, OWN_PICTURES
from byod.schema.recipe import Recipe
from byod.schema.records import Snapshot, Yield


def stands(yields: list[Yield]) -> Snapshot:
    return Snapshot(
        folder=Path("set"),
        name="set",
        task="classify",
        classes={row.label: row.label for row in yields},
        samples=(),
        origins={},
        splits={},
        groups=(),
        conflicts=(),
        lookalikes=(),
        yields=tuple(yields),
        misses={},
        fingerprint="",
    )


def rows(number: int, source: str) -> list[Yield]:
    return [
        Yield(source=source, query="", label=f"species {n}", offered=9, fetched=8, valid=7, unique=6, kept=5)
        for n in range(number)
    ]


def test_a_thousand_classes_are_a_page(capsys):
    """A dataset of 1,000 classes is a table that a person reads, whose last row counts all that is not in it."""
    tables.status(stands(rows(1000, ADDRESS_LISTS)), Recipe())
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 100
    last = next(line for line in out.splitlines() if "and 961 more" in line and "8649" in line)
    assert last.split()[-5:] == [str(961 * n) for n in (9, 8, 7, 6, 5)]


def test_forty_classes_are_all_shown(capsys):
    """As many classes as fit are all in the table, and none of them is summed up."""
    tables.status(stands(rows(40, ADDRESS_LISTS)), Recipe())
    out = capsys.readouterr().out
    assert "species 39" in out
    assert "more" not in out


def test_only_what_was_searched_for_falls_short(capsys):
    """A class from a list or from one's own pictures is not said to be short of what a search is to bring."""
    searched = rows(1, "commons")[0].model_copy(update={"label": "cat", "stopped_by": "exhausted"})
    own = rows(1, OWN_PICTURES)[0].model_copy(update={"label": "dog"})
    tables.status(stands([*rows(3, ADDRESS_LISTS), searched, own]), Recipe())
    assert [line for line in capsys.readouterr().err.splitlines() if " of 200" in line] == [
        "cat has 0 of 200: commons exhausted"
    ]


def test_lines_about_short_classes_end(capsys):
    """Of a thousand classes that fall short forty are named, and the others counted."""
    tables.status(stands(rows(1000, "commons")), Recipe())
    lines = [line for line in capsys.readouterr().err.splitlines() if "200" in line]
    assert len(lines) == 41
    assert lines[-1] == "and 960 more classes have fewer than 200"
