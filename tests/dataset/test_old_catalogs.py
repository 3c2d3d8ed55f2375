"""Catalogs of every version that byod ever wrote, as dumps of what it wrote then: each is opened and read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from byod.dataset.catalog import Catalog
from byod.dataset.catalog.sql_schema import MIGRATIONS
from byod.schema.errors import DatasetError
from byod.schema.records import Placement, Status

DUMPS = Path(__file__).parents[1] / "fixtures" / "old_catalogs"


def written(version: int, file: Path) -> None:
    """Make a catalog as it was."""
    dump = (DUMPS / f"version-{version}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump)


def test_there_is_a_dump_of_every_version():
    """Whoever adds a migration adds the dump of a catalog from before it."""
    assert {path.name for path in DUMPS.iterdir()} == {
        f"version-{number}.sql" for number in range(1, len(MIGRATIONS) + 1)
    }


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_an_old_catalog_is_opened_with_all_that_it_knows(tmp_path: Path, version: int):
    """Samples, candidates and verdicts of an older byod are there, and the catalog can be worked on as any other."""
    file = tmp_path / "catalog.db"
    written(version, file)
    with closing(Catalog(file)) as catalog:
        samples = {sample.sha256: sample for sample in catalog.samples.all()}
        assert len(samples) == 8
        assert catalog.samples.kept() == {"circle": 3, "square": 5}
        assert all(sample.fingerprint is not None for sample in samples.values())
        assert set(catalog.samples.splits()) == set(samples)
        assert set(catalog.candidates.origins()) == set(samples)
        assert sum(line.kept for line in catalog.candidates.yields()) == 8
        by_hand = [verdict for verdict in catalog.verdicts.holding().values() if verdict.who == "folder"]
        assert [(verdict.label, samples[verdict.sha256].label) for verdict in by_hand] == [
            ("square", "square")
        ]
        assert catalog.reviews.project("http://127.0.0.1:8080", "labels") is None
        (moved, *_) = by_hand
        with catalog.transaction():
            catalog.samples.place(
                Placement(sha256=moved.sha256, label="circle", status=Status.KEPT, path="images/x.jpg")
            )
            catalog.reviews.remember("http://127.0.0.1:8080", "labels", 3)
        assert catalog.samples.kept() == {"circle": 4, "square": 4}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_catalog_from_the_future_is_refused(tmp_path: Path):
    """A newer version is left as it is, and the line says what to do."""
    file = tmp_path / "catalog.db"
    written(len(MIGRATIONS), file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DatasetError, match="update byod"):
        Catalog(file)
