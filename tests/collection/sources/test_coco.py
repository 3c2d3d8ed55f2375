"""COCO: its annotations out of their archive, which pictures of a kind are offered, and whom it cannot credit."""

import contextlib
import csv
import io
import json
import time
import zipfile

import pytest
from asking import client_of
from command import byod
from drawings import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sources import LoopbackSources
from recordings import COCO, serve_coco

from byod.collection import search as searching
from byod.collection import sources
from byod.collection.sources import coco_pictures as coco
from byod.collection.sources import table_fetch
from byod.schema import errors
from byod.schema.reasons import Reason
from byod.schema.records import Policy, Query, SearchOptions
from byod.schema.search_words import Meaning

PLACES = {"coco": "/images.cocodataset.org/annotations/annotations_trainval2017.zip"}
CODES = [
    *("CC-BY-NC-SA-2.0", "CC-BY-NC-2.0", "CC-BY-NC-ND-2.0", "CC-BY-2.0", "CC-BY-SA-2.0", "CC-BY-ND-2.0"),
    *("NKCR", "US-Gov"),
]


@pytest.fixture
def web():
    with LoopbackSources() as server:
        serve_coco(server)
        yield server


@pytest.fixture
def client(web):
    made = client_of(web)
    table_fetch.get(coco.TABLES, coco.PARTS, made, lambda line: None)
    return made


def found(client, terms="cat", meaning=None, asked=(), **how):
    query = Query(label=terms, terms=terms, meaning=meaning)
    return list(sources.get("coco")(query, SearchOptions(asked=(query, *asked), **how), client))


def numbers(candidates):
    return [int(each.url.rpartition("/")[2].removesuffix(".jpg")) for each in candidates]


def test_thirty_recorded_pictures_come_out_whole(web, client):
    """Address, licence, size and page of each picture are those of the annotations, and nobody is named as author."""
    candidates = [each for each in found(client) if "/val2017/" in each.url and numbers([each])[0] <= 30]
    assert len(candidates) == 30
    for each in candidates:
        (number,) = numbers([each])
        assert each.url == f"{web.url}/images.cocodataset.org/val2017/{number:012d}.jpg"
        assert each.licence == CODES[number % 8]
        assert (each.width, each.height, each.creator) == (640, 480, None)
        assert each.page == f"https://www.flickr.com/photo.gne?id={4000 + number}"
        assert "whose author COCO does not state" in each.attribution


def test_what_fills_a_picture_most_comes_first(client):
    """Pictures of both parts rank together by their largest object; a crowd of them is none."""
    candidates = found(client)
    assert numbers(candidates) == [31, *range(30, 15, -1), *(201, 202, 203, 204), *range(15, 0, -1)]
    assert [each.rank for each in candidates] == list(range(35))


def test_a_picture_of_two_wanted_classes_is_left_out(client):
    """Beside dogs, the picture of a cat and a dog is neither's."""
    dog = Query(label="dog", terms="dog")
    assert 31 not in numbers(found(client, asked=(dog,)))
    assert numbers(found(client, "dog", asked=(Query(label="cat", terms="cat"),))) == [33]
    assert numbers(found(client, "dog")) == [31, 33]


def test_its_kinds_are_found_by_name(web, client):
    """Case and hyphens count for nothing, another name of the item does, and a word that is none is said."""
    assert numbers(found(client, "Hot-Dog")) == [35]
    web.entities["Q146"] = {"labels": {"en": "house cat"}, "aliases": {"en": ["cat"]}}
    meaning = Meaning(item="Q146", name="house cat", language="de")
    assert len(found(client, "Katze", meaning)) == 35
    with pytest.raises(errors.Filtered, match=r"no class called exactly 'brocoli' \(similar: broccoli\)"):
        found(client, "brocoli")
    assert coco.offers(Query(label="cat", terms="cat"), SearchOptions(), client) == 35


@pytest.mark.parametrize("policy", [Policy.OPEN, Policy.COMMERCIAL])
def test_without_an_author_only_the_public_domain_is_open(client, policy):
    """Under open and commercial what would have to be credited is not offered, and counted; under any all is."""
    offered = sources.get("coco")(Query(label="cat", terms="cat"), SearchOptions(policy=policy), client)
    assert [next(offered).licence for _ in range(4)] == ["US-Gov"] * 4
    with pytest.raises(errors.Filtered, match=r"states no author.* refuses 31 of its pictures of 'cat'"):
        next(offered)
    options = SearchOptions(policy=policy)
    refused = {each.licence: searching.refusal(each, options) for each in found(client)}
    assert refused.pop("US-Gov") is None
    assert set(refused.values()) == {Reason.LICENCE_REFUSED}
    assert {searching.refusal(each, SearchOptions()) for each in found(client)} == {None}
    credited = found(client)[0].model_copy(update={"source": "flickr", "licence": "CC-BY-2.0"})
    assert searching.refusal(credited, options) is None


def test_only_the_members_that_are_needed_are_asked_for(web):
    """The archive's end and two members are read, by ranges; progress is told."""
    told = []
    table_fetch.get(coco.TABLES, coco.PARTS, client_of(web), told.append)
    assert all("range" in asked.headers for asked in web.asked)
    assert any("instances_train2017.json" in line for line in told)


def test_the_table_is_fetched_while_others_are_asked(web):
    """The first question begins to fetch it, and a later one is answered."""
    asking = client_of(web)
    with pytest.raises(errors.NotYet):
        found(asking)
    for _ in range(400):
        try:
            assert len(found(asking)) == 35
            return
        except errors.NotYet:
            time.sleep(0.02)
    raise AssertionError("the table never came")


BROKEN = {
    "no archive": b"<html>",
    "empty": b"",
    "cut": None,
    "another archive": b"PK\5\6" + b"\0" * 18,
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_archive_is_one_line(web, name):
    """A page, a cut archive and one without the member end with a line."""
    content = BROKEN[name]
    web.put(COCO, web.files[COCO][1][:-400] if content is None else content)
    with pytest.raises(errors.SourceError) as raised:
        table_fetch.get(coco.TABLES, coco.PARTS, client_of(web), lambda line: None)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"images": [', b'{"images": {"id": 1}}', b"nonsense", b"[" * 100_000]
)
def test_what_is_no_annotation_is_one_line(web, content):
    """A member that is no JSON, cut, or of another form ends with a line that names it, and no table is made."""
    serve_coco(web, val=content)
    asking = client_of(web)
    with pytest.raises(errors.SourceError, match="coco"):
        table_fetch.get(coco.TABLES, coco.PARTS, asking, lambda line: None)
    assert table_fetch.there(coco.TABLES, asking) == {}


@pytest.mark.slow
def test_a_bomb_is_refused(web, monkeypatch):
    """A member that says it is too large, one with an endless word, and an endless archive are refused."""
    monkeypatch.setattr(coco, "MAX_MEMBER", 1000)
    with pytest.raises(errors.SourceError, match="too large"):
        table_fetch.get(coco.TABLES, coco.PARTS, client_of(web), lambda line: None)
    monkeypatch.setattr(coco, "MAX_MEMBER", 10**9)
    serve_coco(web, val=b'{"info": "' + b"x" * 20_000_000 + b'"}')
    with pytest.raises(errors.SourceError, match="without an end"):
        table_fetch.get(coco.TABLES, coco.PARTS, client_of(web), lambda line: None)
    monkeypatch.setattr(coco, "MAX_READ", 2)
    with pytest.raises(errors.SourceError, match="than it may take"):
        table_fetch.get(coco.TABLES, coco.PARTS, client_of(web), lambda line: None)


def test_only_what_is_kept_is_held():
    """Outlines, unknown keys and lists in lists are passed over, whatever their size; boxes come whole."""
    document = {
        "info": {"images": [{"id": 1}]},
        "images": [{"id": 1, "nested": {"id": 9, "list": [[1, [2]]]}, "width": 4}],
        "annotations": [{"segmentation": [[0.5] * 10_000], "bbox": [1, 2, 3, 4], "image_id": 1}],
        "other": [{"id": 3}],
    }
    content = json.dumps(document).encode()
    read = list(coco.objects(io.BytesIO(content), len(content), lambda done, total: None))
    assert read == [
        ("images", {"id": 1, "width": 4}),
        ("annotations", {"bbox": [1, 2, 3, 4], "image_id": 1}),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "bbox", "name", "width", "image_id", "url"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from(["images", "annotations", "categories", "licenses"]), JSON, max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_any_json_is_read_or_passed_over(value):
    """Whatever stands in the lists, reading keeps what it can, or ends with a SourceError."""
    content = json.dumps(value).encode()
    read = coco._Read()
    with contextlib.suppress(errors.SourceError):
        for section, item in coco.objects(io.BytesIO(content), len(content), lambda done, total: None):
            read.take(section, item)


@pytest.mark.slow
def test_damage_within_the_archive_is_one_line(web):
    """Whatever byte of the archive is another one, the end is a table or a SourceError."""
    whole = web.files[COCO][1]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.getinfo("annotations/instances_train2017.json").header_offset
    for at in range(start, len(whole), max(1, (len(whole) - start) // 40)):
        web.put(COCO, whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(errors.SourceError):
            table_fetch.get(coco.TABLES, ("train2017",), client_of(web), lambda line: None)


@pytest.mark.slow
def test_two_kinds_are_collected_by_the_command(tmp_path):
    """Cats and dogs come with their licences, and the credits say that no author is stated."""
    with LoopbackSources() as web:
        serve_coco(web)
        for number in (*range(1, 36), *range(201, 205)):
            part = "val2017" if number < 100 else "train2017"
            web.put(f"/images.cocodataset.org/{part}/{number:012d}.jpg", drawn(number))
        environment = web.environment() | {"BYOD_CACHE": str(tmp_path / "cache")}
        arguments = (
            "collect",
            "cat",
            "dog",
            "--words-in",
            "none",
            "--source",
            "coco",
            "--per-class",
            "6",
            "--json",
        )
        done = byod(*arguments, folder=tmp_path, **environment)
        assert json.loads(done.stdout)["classes"] == {"cat": 6, "dog": 1}
        folder = tmp_path / "datasets" / "cat-dog"
        rows = list(csv.DictReader((folder / "CREDITS.csv").open(encoding="utf-8")))
        assert {row["creator"] for row in rows} == {""}
        assert all("author COCO does not state" in row["attribution"] for row in rows)
        open_ones = byod(
            *arguments, "--license", "open", "--into", "open", folder=tmp_path, check=None, **environment
        )
    assert json.loads(open_ones.stdout)["licences"] == {"US-Gov": 3}
