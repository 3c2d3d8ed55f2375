"""Open Images: the table of its labels, which pictures of a class are offered, and the run that begins without it."""

import csv
import json
import shutil
import threading
import time

import numpy as np
import pytest
from asking import client_of
from command import byod
from drawings import drawn
from filelock import FileLock
from loopback_server import Answer
from loopback_sources import LoopbackSources, Work
from recordings import serve_open_images

from byod.collection import sources
from byod.collection.http import ranges
from byod.collection.search import CandidateSearch
from byod.collection.sources import label_table, openimages, table_fetch
from byod.schema import errors
from byod.schema.records import Query, SearchOptions
from byod.schema.search_words import Meaning

PLACES = {"openimages": "/openimages/v7/oidv7-class-descriptions.csv"}
TOLD = "/openimages/v7/oidv7-test-annotations-human-imagelabels.csv"
BROCCOLI, CAULIFLOWER = "/m/0hkxq", "/m/0caul1"


@pytest.fixture
def web():
    with LoopbackSources() as server:
        serve_open_images(server)
        yield server


@pytest.fixture
def client(web):
    return client_of(web)


def get(client, parts=("validation", "test")):
    told = []
    table_fetch.get(openimages.TABLES, parts, client, told.append)
    return told


def found(client, terms="broccoli", meaning=None, asked=(), **how):
    query = Query(label=terms, terms=terms, meaning=meaning)
    return list(sources.get("openimages")(query, SearchOptions(asked=(query, *asked), **how), client))


def numbers(candidates):
    return [int(each.url.rpartition("/")[2].removesuffix(".jpg"), 16) for each in candidates]


def test_thirty_recorded_rows_come_out_whole(web, client):
    """Address, author, page, title and the licence as listed of each confirmed picture are those of the files."""
    get(client)
    candidates = found(client)
    assert sorted(numbers(candidates)) == [*range(30), 36, 60, 61]
    assert [each.rank for each in candidates] == list(range(33))
    for each, number in zip(candidates, numbers(candidates), strict=True):
        part = "test" if number >= 50 else "validation"
        assert each.url == f"{web.url}/{part}/{number:016x}.jpg"
        assert each.creator == f"Doe, Person {number}"
        assert each.creator_url == f"https://www.flickr.com/people/person{number}/"
        assert each.page == f"https://www.flickr.com/photos/person{number}/{number}"
        assert each.title == f'Lunch, "number" {number}'
        assert each.licence == "CC-BY-2.0"
        assert each.attribution.endswith(
            f"by Doe, Person {number}, CC BY 2.0 as listed 2016–18 by Open Images V7"
        )


def test_what_shows_another_wanted_class_is_left_out_and_what_surely_does_not_is_first(client):
    """Beside cauliflower, the picture of both is none; the one in which people found no cauliflower comes first."""
    get(client)
    other = Query(label="cauliflower", terms="cauliflower")
    chosen = numbers(found(client, asked=(other,)))
    assert chosen[0] == 5
    assert sorted(chosen) == [*range(30), 60, 61]
    named = Query(label="b", terms="b", meaning=Meaning(item="Q7537", name="x", keys={"P646": CAULIFLOWER}))
    assert numbers(found(client, asked=(named,))) == chosen


def test_classes_are_found_by_the_number_of_wikidata_or_an_exact_name(client):
    """The number that an item has at Freebase comes before names; case counts for nothing; near names are told."""
    get(client)
    meaning = Meaning(item="Q47722", name="Brassica something", language="de", keys={"P646": BROCCOLI})
    assert len(found(client, "Brokkoli", meaning)) == 33
    assert len(found(client, "CAULIFLOWER")) == 11
    with pytest.raises(errors.Filtered, match=r"no class called exactly 'brocoli' \(similar: Broccoli\)"):
        found(client, "brocoli")
    assert openimages.offers(Query(label="b", terms="broccoli"), SearchOptions(), client) == 33


def test_the_table_is_fetched_while_others_are_asked(web, client):
    """Until the table is there the source says so and fetches it; then the same question is answered."""
    gate = threading.Event()
    whole = web.file

    def held(path):
        if path == TOLD:
            gate.wait(20)
        return whole(path)

    web.file = held
    for _ in range(3):
        with pytest.raises(errors.NotYet):
            found(client)
    gate.set()
    assert len(waited(client)) == 33


def test_a_run_begins_with_the_others_and_takes_what_is_verified_from_its_next_round_on(
    web, client, monkeypatch
):
    """The first round is the other source's, the second one's first candidates are those that people confirmed."""
    web.offer("broccoli", *(Work(url=f"https://a.example/{number}/square.jpg") for number in range(80)))
    ready = threading.Event()

    def tables(wanted, asking):
        if not ready.is_set():
            raise errors.NotYet("not yet")
        return [label_table.LabelTable(table_fetch.place_of(wanted, asking) / part) for part in wanted.parts]

    get(client)
    monkeypatch.setattr(table_fetch, "tables", tables)
    search = CandidateSearch(
        {"broccoli": [Query(label="broccoli", terms="broccoli")]},
        {"inaturalist": SearchOptions(), "openimages": SearchOptions()},
        client,
        known={},
        language_codes=(),
        ended=lambda *row: None,
    )

    def drawn_sources():
        rows = [each for batch in search.draw({"broccoli": 20}) for each in batch]
        return [candidate.source for candidate, *_ in sorted(rows, key=lambda each: each[2])]

    assert drawn_sources() == ["inaturalist"] * 20
    ready.set()
    assert drawn_sources() == ["openimages"] * 20
    assert drawn_sources() == ["openimages"] * 13 + ["inaturalist"] * 7


def test_a_run_of_this_source_alone_waits_for_its_table(web, client):
    """Where nobody else has anything, the first round waits until the table is there."""
    search = CandidateSearch(
        {"broccoli": [Query(label="broccoli", terms="broccoli")]},
        {"openimages": SearchOptions()},
        client,
        known={},
        language_codes=(),
        ended=lambda *row: None,
    )
    rows = []
    for batch in search.draw({"broccoli": 20}):
        rows += batch
        if not batch:
            time.sleep(0.01)
    assert len(rows) == 20


def test_fetching_goes_on_where_it_was(web, client, monkeypatch):
    """After a refusal half way, what came is not asked for again; progress is told; the files are gone in the end."""
    monkeypatch.setattr(ranges, "PIECE", 500)
    whole, refused = web.part, [True]

    def half(asked, answer):
        if asked.path == TOLD and asked.headers["range"] == "bytes=500-999" and refused:
            return Answer(404, "gone")
        return whole(asked, answer)

    web.part = half
    with pytest.raises(errors.SourceError, match="404"):
        get(client)
    refused.clear()
    web.asked.clear()
    told = get(client)
    assert web.asked[0].headers["range"] == "bytes=500-999"
    assert not [asked for asked in web.asked if "validation" in asked.path]
    assert any("oidv7-test-annotations-human-imagelabels.csv: 0 of 0 MB" in line for line in told)
    assert told[-1] == "openimages: its table of labels is there (validation, test)"
    place = table_fetch.place_of(openimages.TABLES, client)
    assert sorted(path.name for path in place.iterdir() if not path.name.startswith("lock")) == [
        "oidv7-class-descriptions.csv",
        "test",
        "validation",
    ]


def test_two_runs_fetch_a_table_once(web, client):
    """While another process fetches it, this one waits, and takes what that one made without asking for anything."""
    place = table_fetch.place_of(openimages.TABLES, client)
    place.mkdir(parents=True)
    with FileLock(place / "lock"):
        for _ in range(3):
            with pytest.raises(errors.NotYet):
                found(client)
            time.sleep(0.02)
        assert web.asked == []
        elsewhere = client_of(web, CACHE=str(client.settings.cache) + "-2")
        get(elsewhere)
        for part in ("validation", "test", "oidv7-class-descriptions.csv"):
            shutil.move(table_fetch.place_of(openimages.TABLES, elsewhere) / part, place / part)
        web.asked.clear()
    assert len(waited(client)) == 33
    assert web.asked == []


def test_the_training_part_comes_only_when_it_is_asked_for(web, client):
    """Its files are not touched before, and its pictures are offered behind the others afterwards."""
    get(client)
    assert not [asked for asked in web.asked if "train" in asked.path]
    get(client, ("validation", "test", "train"))
    assert numbers(found(client))[-5:] == [*range(100, 105)]
    assert found(client)[-1].url == f"{web.url}/train/{104:016x}.jpg"


def waited(client):
    """What the source says once it is no longer fetching."""
    for _ in range(400):
        try:
            return found(client)
        except errors.NotYet:
            time.sleep(0.02)
        except errors.SourceError as error:
            return str(error)
    raise AssertionError("the table never came")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_byods_own_while_fetching_ends_the_search(client, monkeypatch):
    """Whatever goes wrong in the thread that fetches a table is an error, and no table that never comes."""

    looked = threading.Event()

    def broken(*_):
        assert looked.wait(timeout=60)
        raise ZeroDivisionError("a fault of byod's own")

    monkeypatch.setattr(table_fetch, "get", broken)
    with pytest.raises(errors.NotYet):
        table_fetch.tables(openimages.TABLES, client)
    looked.set()
    table_fetch._running[table_fetch.place_of(openimages.TABLES, client)].thread.join(timeout=30)
    with pytest.raises(errors.SourceError, match="the traceback above says where"):
        table_fetch.tables(openimages.TABLES, client)


def test_an_error_of_fetching_is_said_and_tried_again(web, client):
    """What stops the background is the source's line, and the next run tries again."""
    web.answer_next(TOLD, Answer(404, "gone"))
    assert "404" in waited(client)
    assert len(waited(client)) == 33


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\0" * 1000,
        b"ImageID,Nothing\n1,2\n",
        b'ImageID,Source,LabelName,Confidence\n"' + b"x" * 300_000,
    ],
)
def test_another_file_in_the_place_of_one_is_one_line(web, client, content):
    """A file without its columns, or none at all, is said in one line, and no table is made of it."""
    web.put(TOLD, content)
    with pytest.raises(errors.SourceError, match="oidv7-test-annotations"):
        get(client)
    assert "test" not in table_fetch.there(openimages.TABLES, client)


def test_rows_that_are_none_are_passed_over(web, client):
    """Cut rows, ids that are paths, kinds that are none and numbers that are none stop nothing."""
    path = "/openimages/v7/oidv7-val-annotations-human-imagelabels.csv"
    kept = web.files[path][1]
    bad = (
        b"\n../../x,v,/m/0hkxq,1\nzz\n"
        + b"0" * 16
        + b",v,../..,1\n"
        + b"0" * 16
        + b",v,/m/0hkxq,one\n\xff\xfe,,,\n"
    )
    web.put(path, kept + bad)
    get(client)
    assert len(found(client)) == 33


@pytest.mark.slow
def test_a_damaged_table_is_made_again(web, client):
    """Whatever is broken in the cache, the source does not answer from it, and it is made anew."""
    get(client)
    place = table_fetch.place_of(openimages.TABLES, client) / "validation"
    for name in ("about.json", "classes.json", "pairs.npy", "starts.npy", "pictures.jsonl"):
        whole = (place / name).read_bytes()
        (place / name).write_bytes(whole[: len(whole) // 2])
        assert "validation" not in table_fetch.there(openimages.TABLES, client)
        get(client)
        assert len(found(client)) == 33
    np.save(place / "starts.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "validation" not in table_fetch.there(openimages.TABLES, client)


@pytest.mark.slow
def test_the_demo_s_classes_are_collected(tmp_path):
    """Brokkoli and Blumenkohl, read as items of Wikidata, come from a loopback Open Images in its own file formats."""
    with LoopbackSources() as web:
        serve_open_images(web)
        web.entities = {
            "Q47722": {
                "labels": {"de": "Brokkoli", "en": "broccoli"},
                "keys": {"P646": BROCCOLI},
            },
            "Q7537": {"labels": {"de": "Blumenkohl", "en": "cauliflower"}, "keys": {"P646": CAULIFLOWER}},
        }
        for number in range(70):
            part = "test" if number >= 50 else "validation"
            web.put(f"/{part}/{number:016x}.jpg", drawn(number))
        environment = web.environment() | {"BYOD_CACHE": str(tmp_path / "cache")}
        done = byod(
            *("collect", "brokkoli", "blumenkohl", "--source", "openimages", "--per-class", "8", "--json"),
            *("--license", "commercial"),
            folder=tmp_path,
            **environment,
        )
    assert json.loads(done.stdout)["classes"] == {"brokkoli": 8, "blumenkohl": 8}
    assert "its table of labels (about 250 MB, once) is fetched" in done.stderr
    folder = tmp_path / "datasets" / "brokkoli-blumenkohl"
    rows = list(csv.DictReader((folder / "CREDITS.csv").open(encoding="utf-8")))
    assert {row["licence"] for row in rows} == {"CC-BY-2.0"}
    assert all("as listed 2016–18" in row["attribution"] and row["creator"] for row in rows)


def test_a_run_that_had_enough_says_of_what_it_waited_for_that_it_was_not_yet_there(client, web, monkeypatch):
    """How a query ended whose table never came is told as it is, and not as enough."""

    def tables(wanted, asking):
        raise errors.NotYet("not yet")

    web.offer("broccoli", *(Work(url=f"https://a.example/{number}/square.jpg") for number in range(30)))
    monkeypatch.setattr(table_fetch, "tables", tables)
    told = []
    search = CandidateSearch(
        {"broccoli": [Query(label="broccoli", terms="broccoli")]},
        {"inaturalist": SearchOptions(), "openimages": SearchOptions()},
        client,
        known={},
        language_codes=(),
        ended=lambda *row: told.append(row),
    )
    assert sum(len(batch) for batch in search.draw({"broccoli": 5})) == 5
    search.close({"broccoli": True})
    assert {(source, word) for _, source, _, word, _ in told} == {
        ("inaturalist", "enough"),
        ("openimages", "not yet"),
    }
