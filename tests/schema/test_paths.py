"""Paths that come from files of strangers: none leaves its folder."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from byod.dataset.catalog import Catalog
from byod.schema import paths
from byod.schema.errors import DatasetError
from byod.schema.records import Placement, Sample, Status, Verdict

SHA = "a" * 64
AWAY = ["/x", "../x", "images/../x", "images//x", "images/./x", "a\0b", "", "images/cat/..", "."]
ELSEWHERE = [
    "x.jpg",
    "byod.toml",
    "images",
    "images/cat/sub/x.jpg",
    ".byod/lock",
    "images/.x/y.jpg",
    "runs/a/x.jpg",
]


@pytest.mark.parametrize("path", AWAY)
def test_a_path_that_leads_away_is_none(path: str):
    """An absolute path, one with empty parts, `.` or `..`, and one with NUL is refused."""
    with pytest.raises(ValueError, match="does not lead"):
        paths.relative(path)


@pytest.mark.parametrize("path", [*filter(None, AWAY), *ELSEWHERE])
def test_records_take_no_path_to_another_place(path: str):
    """A sample and a placement whose path is none of a picture cannot be made."""
    with pytest.raises(ValidationError):
        Sample(sha256=SHA, label="cat", status=Status.KEPT, path=path, size=1)
    with pytest.raises(ValidationError):
        Placement(sha256=SHA, label="cat", status=Status.KEPT, path=path)


@pytest.mark.parametrize("label", ["../x", "/x", ".x", "a/b", ".."])
def test_records_take_no_class_that_is_a_path(label: str):
    """A verdict and a placement for a class that is no name of a folder cannot be made."""
    with pytest.raises(ValidationError):
        Placement(sha256=SHA, label=label, status=Status.KEPT)
    with pytest.raises(ValidationError):
        Verdict(sha256=SHA, label=label, who="a", when="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "path", ["", "images/cat/x.jpg", "rejected/review/x y.jpg", ".byod/incoming/0-a.jpg"]
)
def test_places_of_pictures_are_paths(path: str):
    """Where byod puts pictures is where they may be."""
    assert paths.of_picture(path) == path


PARTS = st.sampled_from(
    ["images", "rejected", ".byod", "incoming", "cat", "x.jpg", "..", ".", "", ".x", "\0"]
)


@pytest.fixture(scope="module")
def catalog_file(tmp_path_factory):
    """The file of a new catalog."""
    file = tmp_path_factory.mktemp("catalog") / "catalog.db"
    Catalog(file).close()
    return file


@given(st.lists(PARTS, max_size=5).map("/".join))
def test_the_catalog_is_no_laxer_than_the_type(catalog_file, path: str):
    """Of a row's path, the look at all rows takes none that a record would refuse."""
    connection = sqlite3.connect(catalog_file)
    with connection:
        connection.execute("DELETE FROM samples")
        connection.execute(
            "INSERT INTO samples (sha256, position, label, status, path, size) VALUES (?, 1, 'cat', 'kept', ?, 1)",
            (SHA, path),
        )
    connection.close()
    catalog = Catalog(catalog_file)
    try:
        paths.of_picture(path)
    except ValueError:
        with pytest.raises(DatasetError):
            catalog.check(catalog_file.parent)
    finally:
        catalog.close()
