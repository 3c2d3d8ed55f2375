"""Datasets of Hugging Face: rows of a class, original bytes, licences as claimed, and what is gated or hostile."""

import csv
import io
import json
import random

import pyarrow
import pyarrow.parquet as parquet
import pytest
from asking import client_of
from command import byod
from drawings import drawn
from loopback_server import Answer
from recordings import Recordings

from byod.collection import packed_pictures, sources
from byod.collection.http import ranges
from byod.collection.sources import huggingface
from byod.schema import errors, licences
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Fetched, Miss, Policy, Query, SearchOptions
from byod.schema.search_words import Meaning

PLACES = {"huggingface": "/api/datasets/someone/vegetables"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONVERTED = "89abcdef0123456789abcdef0123456789abcdef"
NAMES = ["brokkoli", "cauliflower", "sea_slug"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}


def parquet_of(rows, *, features=FEATURES, group=4, columns=("image", "label"), extra=None):
    """A file as the library `datasets` writes it: pictures as bytes with a path, labels as numbers."""
    picture, label = columns
    table = pyarrow.table(
        {
            picture: pyarrow.array(
                [{"bytes": content, "path": f"{number}.jpg"} for number, (content, _) in enumerate(rows)],
                pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
            ),
            label: [value for _, value in rows],
            **(extra or {}),
        }
    )
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    body = io.BytesIO()
    parquet.write_table(table, body, row_group_size=group)
    return body.getvalue()


def rows(number, start=0):
    return [(f"picture {start + each}".encode() * 50, each % 3) for each in range(number)]


@pytest.fixture
def web():
    with Recordings("huggingface") as server:
        place = f"/datasets/someone/vegetables/resolve/{COMMIT}/data"
        server.put(f"{place}/test-00000-of-00001.parquet", parquet_of(rows(10)), "application/octet-stream")
        server.put(
            f"{place}/train-00000-of-00001.parquet", parquet_of(rows(80, 10)), "application/octet-stream"
        )
        yield server


def found(web, name="huggingface:someone/vegetables", terms="brokkoli", client=None, **how):
    query = Query(label="Brokkoli", terms=terms, meaning=how.pop("meaning", None))
    return list(sources.get(name)(query, SearchOptions(**how), client or client_of(web)))


def contents(web, candidates, **more):
    """What becomes of candidates: the bytes that are looked at, or the reason why there are none."""
    how = {"max_bytes": 100_000, "ignore_optout": False, **more}
    return {
        outcome.url: outcome.reason if isinstance(outcome, Miss) else value
        for outcome, value in packed_pictures.read(
            candidates, lambda fetched, content: content, client_of(web), **how
        )
    }


def test_thirty_rows_of_a_class_come_out_whole(web):
    """Address, licence and author of each row of the class, at the commit that was found; other classes stay out."""
    candidates = found(web)
    assert len(candidates) == 4 + 27
    assert [each.rank for each in candidates] == list(range(31))
    base = f"{web.url}/datasets/someone/vegetables/resolve/{COMMIT}/data"
    assert candidates[0].url == f"{base}/test-00000-of-00001.parquet#picture=image&row=0"
    assert candidates[5].url == f"{base}/train-00000-of-00001.parquet#picture=image&row=3"
    for each in candidates:
        assert each.source == "huggingface:someone/vegetables"
        assert each.licence == "CC-BY-4.0"
        assert each.creator == "someone/vegetables (dataset)"
        assert each.page == "https://huggingface.co/datasets/someone/vegetables"
        assert "CC BY 4.0, claimed by the dataset" in each.attribution


def test_the_bytes_are_the_original_ones(web, monkeypatch):
    """Each row gives exactly the bytes of the file; only the row groups that hold one are read."""
    monkeypatch.setattr(ranges, "BLOCK", 500)
    candidates = found(web)
    assert contents(web, candidates[:4]) == {
        each.url: f"picture {3 * number}".encode() * 50 for number, each in enumerate(candidates[:4])
    }
    chance = random.Random(4)
    pictures = [(chance.randbytes(20_000), number % 3) for number in range(80)]
    place = f"/datasets/someone/vegetables/resolve/{COMMIT}/data/train-00000-of-00001.parquet"
    web.put(place, parquet_of(pictures))
    web.asked.clear()
    assert list(contents(web, candidates[30:]).values()) == [pictures[78][0]]
    spans = [asked.headers["range"].removeprefix("bytes=").split("-") for asked in web.asked]
    assert sum(int(last) - int(first) + 1 for first, last in spans) < len(web.files[place][1]) / 4


def test_a_class_is_found_by_its_name_however_it_is_written(web):
    """`Sea slug` is sea_slug, an item's English name counts, and another word names those that are near."""
    assert len(found(web, terms="Sea  slug")) == 29
    meaning = Meaning(item="Q7537", name="cauliflower", language="de")
    assert len(found(web, terms="Blumenkohl", meaning=meaning)) == 30
    with pytest.raises(errors.Filtered, match=r"no class called exactly 'cauli flower'.*cauliflower"):
        found(web, terms="cauli flower")


def test_files_that_the_hub_made_are_read_where_there_are_no_own_ones(web):
    """A dataset of folders is read from the branch of converted files; the card names its classes."""
    web.put(
        f"/datasets/someone/folders/resolve/{CONVERTED}/default/train/0000.parquet",
        parquet_of(rows(6), features=None),
    )
    candidates = found(web, "huggingface:someone/folders")
    assert [each.url.rpartition("/")[2] for each in candidates] == [
        "0000.parquet#picture=image&row=0",
        "0000.parquet#picture=image&row=3",
    ]
    assert {each.licence for each in candidates} == {None}
    assert licences.allows(Policy.OPEN, candidates[0].licence) is Reason.LICENCE_UNKNOWN
    assert "unknown, claimed by the dataset" in candidates[0].attribution


def test_a_revision_is_taken_by_its_name(web):
    """`@REV` reads the files of that revision, under the licence that its card claims; an unknown one is said."""
    web.put(
        f"/datasets/someone/vegetables/resolve/{CONVERTED}/data/test-00000-of-00001.parquet",
        parquet_of(rows(3)),
    )
    (candidate,) = found(web, "huggingface:someone/vegetables@v1.0")
    assert CONVERTED in candidate.url
    assert candidate.licence == "CC0-1.0"
    with pytest.raises(errors.SourceError, match="no such revision"):
        found(web, "huggingface:someone/vegetables@v9")


def test_gated_datasets_say_what_to_do(web):
    """Without a token the line says where to accept and which variable to set; a token that may not, says which."""
    with pytest.raises(
        errors.KeyMissing, match=r"accept its terms at https://huggingface.co/datasets/someone/gated"
    ):
        found(web, "huggingface:someone/gated")
    place = f"/datasets/someone/gated/resolve/{COMMIT}/data/test-00000-of-00001.parquet"
    web.answer_next(place, Answer(403, "{}", {"X-Error-Code": "GatedRepo"}))
    client = client_of(web, HUGGINGFACE_TOKEN="hf_secret_token")
    with pytest.raises(errors.KeyRefused, match="account of BYOD_HUGGINGFACE_TOKEN"):
        found(web, "huggingface:someone/gated", client=client)
    web.put(place, parquet_of(rows(3)))
    (candidate,) = found(web, "huggingface:someone/gated", client=client)
    assert candidate.licence == "CC-BY-NC-4.0"
    assert web.asked_for(place)[-1].headers["authorization"] == "Bearer hf_secret_token"


def test_what_is_not_there_is_one_line(web):
    """A dataset that is not there, or private, and a name that is none."""
    with pytest.raises(errors.SourceError, match="no such dataset, or it is private"):
        found(web, "huggingface:someone/nothing")
    for name in (
        "huggingface",
        "huggingface:",
        "huggingface:cats",
        "huggingface:a/../b",
        "huggingface:a/b@../c",
    ):
        with pytest.raises(errors.UsageError, match="OWNER/NAME"):
            sources.get(name)


def test_columns_are_chosen_by_name_where_it_is_not_clear(web):
    """Two columns of labels are said and chosen by #COLUMN, words are labels too, another column is refused."""
    place = f"/datasets/someone/vegetables/resolve/{COMMIT}/data"
    features = FEATURES | {"kind": {"names": ["raw", "cooked"], "_type": "ClassLabel"}}
    content = parquet_of(
        rows(4),
        features=features,
        columns=("image", "sort"),
        extra={"kind": [0, 1, 1, -1], "word": list("abca")},
    )
    for name in ("test", "train"):
        web.put(f"{place}/{name}-00000-of-00001.parquet", content)
    start = "huggingface:someone/vegetables"
    assert [each.url[-5:] for each in found(web, f"{start}#kind", "cooked")] == ["row=1", "row=2"] * 2
    assert [each.url[-5:] for each in found(web, f"{start}#word", "a")] == ["row=0", "row=3"] * 2
    with pytest.raises(
        errors.SourceError, match="neither pictures nor labels; its columns are: image, sort, kind"
    ):
        found(web, f"{start}#nowhere")


@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"PAR1" + b"\0" * 40 + b"PAR1", b"<html>", parquet_of(rows(6))[:-30]]
)
def test_what_is_no_parquet_file_is_one_line(web, body):
    """Broken, cut and other files end with a line that names the file."""
    place = f"/datasets/someone/vegetables/resolve/{COMMIT}/data/test-00000-of-00001.parquet"
    web.put(place, body)
    with pytest.raises(errors.SourceError) as raised:
        found(web)
    assert "\n" not in str(raised.value)
    assert "huggingface" in str(raised.value)


@pytest.mark.slow
def test_broken_bytes_within_a_file_end_as_reasons(web):
    """Whatever bytes are broken in a file, its pictures come or end with a reason; nothing is raised."""
    place = f"/datasets/someone/vegetables/resolve/{COMMIT}/data/test-00000-of-00001.parquet"
    whole = web.files[place][1]
    candidates = found(web)[:4]
    for at in range(4, len(whole) - 8, max(1, len(whole) // 60)):
        web.put(place, whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        outcomes = contents(web, candidates)
        assert len(outcomes) == 4
        assert all(isinstance(value, bytes | Reason) for value in outcomes.values())


def test_addresses_that_name_no_row_or_too_much_end_with_a_reason(web):
    """No row, a row beyond the end, a column without pictures, a picture that is too large: each a reason."""
    place = f"{web.url}/datasets/someone/vegetables/resolve/{COMMIT}/data/test-00000-of-00001.parquet"
    first = found(web)[0]
    named = {
        f"{place}#picture=image": Reason.BAD_ADDRESS,
        f"{place}#picture=image&row=-1": Reason.BAD_ADDRESS,
        f"{place}#picture=image&row=99": Reason.NOT_FOUND,
        f"{place}#picture=label&row=1": Reason.CONNECTION_LOST,
        f"{web.url}/datasets/a/b/resolve/x/y.parquet#picture=image&row=1": Reason.CONNECTION_LOST,
    }
    assert contents(web, [first.model_copy(update={"url": url}) for url in named]) == named
    assert contents(web, [first], max_bytes=10) == {first.url: Reason.TOO_LARGE}


def test_the_token_is_sent_to_the_hub_alone(web):
    """An address that leads elsewhere, as somebody else's dataset folder may hold it, never sees the token."""
    with Recordings() as elsewhere:
        elsewhere.put("/datasets/x.parquet", parquet_of(rows(3)))
        candidate = Candidate(
            url=f"{elsewhere.url}/datasets/x.parquet#picture=image&row=0",
            label="a",
            source="huggingface:someone/vegetables",
            terms="a",
        )
        client = client_of(web, HUGGINGFACE_TOKEN="hf_secret_token")
        done = list(
            packed_pictures.read([candidate], lambda *_: 1, client, max_bytes=9999, ignore_optout=False)
        )
        assert isinstance(done[0][0], Fetched)
        assert elsewhere.asked
        assert not [asked for asked in elsewhere.asked if "authorization" in asked.headers]


def test_a_policy_that_a_dataset_does_not_meet_refuses_all_of_it(web):
    """Where the card claims no licence, or one that is not accepted, nothing is read and the line says so."""
    for name, policy in (("folders", Policy.OPEN), ("gated", Policy.COMMERCIAL)):
        client = client_of(web, HUGGINGFACE_TOKEN="a-token")
        with pytest.raises(errors.Filtered, match="claimed by the dataset; --license"):
            found(web, f"huggingface:someone/{name}", client=client, policy=policy)
    assert not [asked for asked in web.asked if "range" in asked.headers]


def test_files_are_read_where_the_hub_sends_byod(web):
    """The Hub sends whoever asks for a file to another host: the parts come from there, without the token."""
    path = f"/datasets/someone/vegetables/resolve/{COMMIT}/data/test-00000-of-00001.parquet"
    with Recordings() as elsewhere:
        elsewhere.put("/stored", web.files.pop(path)[1])
        moved = Answer(302, headers={"Location": f"{elsewhere.url}/stored?X-Amz-Signature=abc"})
        web.answer_next(path, *[moved] * 50)
        client = client_of(web, HUGGINGFACE_TOKEN="hf_secret_token")
        candidates = found(web, client=client)[:4]
        assert list(contents(web, candidates).values()) == [
            f"picture {3 * number}".encode() * 50 for number in range(4)
        ]
        assert all("range" in asked.headers for asked in elsewhere.asked)
        assert not [asked for asked in elsewhere.asked if "authorization" in asked.headers]
        assert web.asked_for(path)[0].headers["authorization"] == "Bearer hf_secret_token"
    assert "Signature" not in candidates[0].url


def test_a_licence_is_what_the_card_says_and_no_more():
    """One licence is read, several or none are unknown, and the words say whose claim it is."""
    said = [
        ({"license": "mit"}, "MIT"),
        ({"license": ["cc0-1.0"]}, "CC0-1.0"),
        ({"license": ["cc-by-4.0", "cc0-1.0"]}, None),
        ({"license": "other", "license_link": "https://creativecommons.org/licenses/by/4.0/"}, "CC-BY-4.0"),
        ({"license": "unknown"}, None),
        ({"license": 7}, None),
        ({}, None),
    ]
    for card, code in said:
        assert huggingface.licence_of(card)[0] == code
        assert "claimed by the dataset" in huggingface.licence_of(card)[1]


@pytest.mark.slow
def test_a_dataset_is_collected_by_the_command(tmp_path):
    """Pictures of two classes come from a dataset with their bytes as they were, again where a run was cut off."""
    with Recordings("huggingface") as web:
        pictures = [drawn(number) for number in range(12)]
        content = parquet_of([(each, number % 2) for number, each in enumerate(pictures)])
        for name in ("test", "train"):
            web.put(
                f"/datasets/someone/vegetables/resolve/{COMMIT}/data/{name}-00000-of-00001.parquet", content
            )
        arguments = ("collect", "brokkoli", "cauliflower", "--source", "huggingface:someone/vegetables")
        done = byod(
            *arguments,
            "--words-in",
            "none",
            "--license",
            "open",
            "--json",
            folder=tmp_path,
            **web.environment(),
        )
    assert json.loads(done.stdout)["classes"] == {"brokkoli": 6, "cauliflower": 6}
    folder = tmp_path / "datasets" / "brokkoli-cauliflower"
    kept = {path.read_bytes() for path in (folder / "images").rglob("*.jpg")}
    assert kept == set(pictures)
    credit = next(csv.DictReader((folder / "CREDITS.csv").open(encoding="utf-8")))
    assert credit["source"] == "huggingface:someone/vegetables"
    assert "claimed by the dataset" in credit["attribution"]
    assert credit["url"].endswith("parquet#picture=image&row=0")
