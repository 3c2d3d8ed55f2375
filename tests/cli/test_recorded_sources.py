"""Whole collections from sources whose replies are recordings: what is fetched, credited and said."""

import csv
import json

import pytest
from command import byod
from drawings import drawn
from recordings import Recordings

pytestmark = pytest.mark.slow


def test_pictures_that_pixabay_s_api_gives_are_fetched(tmp_path):
    """Its robots.txt closes them to crawlers, and a key holder gets them; that nobody read its terms is said."""
    with Recordings("pixabay") as web:
        for number in (1, 2, 3):
            web.put(f"/get/g{number}b_1280.jpg", drawn(number))
        done = byod(
            "collect",
            "dog",
            "--source",
            "pixabay",
            "--languages",
            "none",
            "--json",
            folder=tmp_path,
            **web.environment(),
        )
    assert json.loads(done.stdout)["classes"] == {"dog": 3}
    assert "nobody who works on byod has read whether its terms allow training" in done.stderr


def test_the_taxon_reaches_credits_and_card(tmp_path):
    """What iNaturalist took the word for is said, stands beside each picture's maker, and on the dataset's card."""
    with Recordings("inaturalist") as web:
        recorded = next(each for each in web.recorded if each.name == "observations")
        for row in recorded.content["response"]["body"]["results"]:
            for photo in row["photos"]:
                photo["url"] = f"{{server}}/photos/{photo['id']}/square.jpg"
                web.put(f"/photos/{photo['id']}/large.jpg", drawn(photo["id"]))
        done = byod(
            "collect",
            "cat",
            "--source",
            "inaturalist",
            "--languages",
            "none",
            "--json",
            folder=tmp_path,
            **web.environment(),
        )
    taxon = "Felis catus (Domestic Cat), species, taxon 118552"
    assert json.loads(done.stdout)["classes"] == {"cat": 8}
    assert f"cat is taken for {taxon}" in done.stderr
    folder = tmp_path / "datasets" / "cat"
    rows = list(csv.DictReader((folder / "CREDITS.csv").open(encoding="utf-8")))
    assert {row["taxon"] for row in rows} == {taxon}
    assert "was taken for Felis catus" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_missing_contact_is_said_and_nothing_is_lost(tmp_path):
    """Without a contact Commons is not asked and the line says what to set; no pictures are lost."""
    with Recordings("commons") as web:
        settings = {**web.environment(), "BYOD_CONTACT": ""}
        arguments = ("collect", "village", "--source", "commons", "--languages", "none", "--json")
        done = byod(*arguments, folder=tmp_path, check=1, **settings)
        assert "BYOD_CONTACT" in done.stderr
        assert web.asked == []
        report = json.loads(done.stdout)
        assert [row["stopped_by"] for row in report["yield"]] == ["no contact"]


def test_doctor_asks_the_sources(tmp_path):
    """`byod doctor --online` says of each source what it answered, and ends with 1 when one does not."""
    with Recordings() as web:
        done = byod("doctor", "--online", folder=tmp_path, check=None, **web.environment())
        assert "asked as: byod-toolkit/" in done.stdout
        assert "✗ google does not answer (failed)" in done.stdout  # no recording of its account
        assert "✓ inaturalist answers: it offers pictures" in done.stdout
        assert "asking the sources" in done.stderr
        assert done.returncode == 1
        report = json.loads(
            byod("doctor", "--online", "--json", folder=tmp_path, check=1, **web.environment()).stdout
        )
    assert {"ok", "fault"} <= {line["level"] for line in report}
    assert any(
        line["what"].startswith("openverse answers: it offers pictures; left: 17 of 20/min")
        for line in report
    )


def test_a_run_is_recorded_and_replayed(tmp_path):
    """`--record` writes a file that `--replay` answers from, with every source gone; the same pictures are offered."""
    arguments = ("collect", "dog", "--source", "flickr", "--languages", "none", "--dry-run", "--json")
    with Recordings("flickr") as web:
        before = byod(*arguments, "--record", "run.txt", folder=tmp_path, **web.environment())
        again = byod(*arguments, "--record", "run.txt", folder=tmp_path, check=2, **web.environment())
        assert "run.txt is there already" in again.stderr
    after = byod(*arguments, "--replay", "run.txt", folder=tmp_path)
    found = [json.loads(done.stdout)["candidates"] for done in (before, after)]
    assert [one["url"] for one in found[0]] == [one["url"] for one in found[1]]
    assert len(found[0]) == 4
    assert {one["creator"] for one in found[1]} == {f"person {number}" for number in (2, 4, 6, 8)}
    broken = byod(*arguments, "--replay", "run.json", folder=tmp_path, check=2)
    assert "run.json cannot be read" in broken.stderr
