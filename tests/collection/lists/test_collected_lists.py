"""Lists as they are collected: over loopback, through byod as a program and on the command line."""

import csv
import hashlib
import io
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from command import byod as run
from command import compiled
from loopback_server import LoopbackServer
from PIL import Image

import byod
from byod.collection import pipeline
from byod.collection.lists.list_rows import ListError
from byod.schema import recipe as recipes
from byod.schema.errors import UsageError


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    with LoopbackServer() as server:
        yield server


def picture(number, side=48):
    """A small picture unlike all others."""
    noise = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    body = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(body, "JPEG")
    return body.getvalue()


def serve(web, count):
    """The addresses of so many pictures."""
    return [web.put(f"/{number}.jpg", picture(number)) for number in range(count)]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def collected(path, folder, **options):
    return byod.collect(from_urls=path, into=folder, min_side=1, progress=False, per_host=16, **options)


BAD = {
    "address-empty": b",Kohl,c,1",
    "address-data": b'"data:image/png;base64,AAAA",Kohl,c,1',
    "address-scheme": b"ftp://a.example/1,Kohl,c,1",
    "address-long": b"http://a.example/" + b"x" * 9000 + b",Kohl,c,1",
    "address-broken": b"http:///1.jpg,Kohl,c,1",
    "label-empty": b"http://a.example/1,,c,1",
    "label-name": "http://a.example/1,\u202ex,c,1".encode(),
    "label-long": b"http://a.example/1," + b"K" * 300 + b",c,1",
    "fields": b"http://a.example/1,Kohl",
    "encoding": b"http://a.example/1,K\xffhl,c,1",
    "zero-bytes": b"http://a.example/1,K\x00hl,c,1",
    "quotes": b'http://a.example/1,"Kohl,c,1',
}


def planted(urls, every):
    """A table with a bad row after each `every` good ones, and the number of each bad one with its reason."""
    lines, bad, kinds = [b"url,label,caption,similarity"], {}, list(BAD.items())
    for number, url in enumerate(urls):
        if number % every == 0:
            reason, line = kinds[len(bad) % len(kinds)]
            lines.append(line)
            bad[len(lines)] = reason
        label = "Kohl" if number % 3 else "Kohl/Brokkoli"
        lines.append(f'{url},{label},"No. {number}, of many",{number / 7}'.encode())
    return b"\n".join(lines), bad


def named(folder):
    with (folder / "bad-rows.csv").open(newline="", encoding="utf-8") as text:
        return {int(row["row"]): row["reason"] for row in csv.DictReader(text)}


@pytest.mark.slow
def test_bad_rows_cost_no_good_one(tmp_path, web):
    """Good rows around bad ones of twelve kinds are kept, each bad one is named with its number and reason."""
    content, bad = planted(serve(web, 60), 4)
    (tmp_path / "list.csv").write_bytes(content)
    dataset = collected(tmp_path / "list.csv", tmp_path / "d")
    assert dataset.counts == {"Kohl_Brokkoli": 20, "Kohl": 40}
    assert len(set(bad.values())) == 12
    assert named(tmp_path / "d") == bad
    assert dataset.result.listed.bad == {reason: list(bad.values()).count(reason) for reason in BAD}
    assert dataset.result.bad_rows == (tmp_path / "d" / "bad-rows.csv").resolve()
    assert "'Kohl/Brokkoli' is taken as 'Kohl_Brokkoli'" in " ".join(dataset.result.listed.notes)


@pytest.mark.long
def test_a_list_of_5300_rows_with_twelve_kinds_of_bad_ones(tmp_path, web):
    """Of a long list all good pictures are kept, and each bad row is named."""
    content, bad = planted(serve(web, 5000), 17)
    (tmp_path / "list.csv").write_bytes(content)
    assert content.count(b"\n") > 5290
    dataset = collected(tmp_path / "list.csv", tmp_path / "d")
    assert named(tmp_path / "d") == bad
    result = dataset.result
    assert result.listed.classes == {"Kohl_Brokkoli": 1667, "Kohl": 3333}
    fetched = sum(row.fetched for row in result.snapshot.yields)
    assert (fetched, len(result.snapshot.samples), result.snapshot.misses) == (5000, 5000, {})


def test_a_good_list_leaves_no_file_of_bad_rows(tmp_path, web):
    """What an earlier list left goes when the next one has no bad row."""
    (url,) = serve(web, 1)
    (tmp_path / "list.csv").write_text(f"url,label\n{url},x\n,x\n")
    assert collected(tmp_path / "list.csv", tmp_path / "d").result.listed.bad == {"address-empty": 1}
    assert (tmp_path / "d" / "bad-rows.csv").exists()
    (tmp_path / "list.csv").write_text(f"url,label\n{url},x\n")
    assert collected(tmp_path / "list.csv", tmp_path / "d").result.bad_rows is None
    assert not (tmp_path / "d" / "bad-rows.csv").exists()


def test_strict_fetches_nothing(tmp_path, web):
    """With `strict` a single bad row at the end keeps byod from asking anybody, or writing anything."""
    urls = serve(web, 3)
    (tmp_path / "list.csv").write_text("\n".join(["url,label", *(f"{url},x" for url in urls), ",x"]))
    with pytest.raises(
        ListError, match=r"1 of 4 rows are bad \(1 address-empty\).*row 5.*nothing was fetched"
    ):
        collected(tmp_path / "list.csv", tmp_path / "d", strict=True)
    assert not (tmp_path / "d").exists()
    assert not web.asked
    (tmp_path / "list.csv").write_text("\n".join(["url,label", *(f"{url},x" for url in urls)]))
    assert collected(tmp_path / "list.csv", tmp_path / "d", strict=True).counts == {"x": 3}


def test_a_list_that_is_none_leaves_nothing(tmp_path, web):
    """A list without the column that is meant makes no dataset."""
    (tmp_path / "list.csv").write_text("link,label\n")
    with pytest.raises(ListError, match=r"no column 'url'.*--url-col"):
        collected(tmp_path / "list.csv", tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_dry_run_reads_the_list(tmp_path, web):
    """It says for each class how many rows there are, which are bad, and what the recipe refuses; it asks nobody."""
    rows = [
        {"url": f"{web.url}/1.jpg", "label": "Dog", "licence": "CC0"},
        {"url": f"{web.url}/2.jpg", "label": "dog", "licence": ""},
        {"url": f"{web.url}/3.jpg", "label": "dog", "licence": "CC BY"},
        {"url": "", "label": "dog", "licence": ""},
    ]
    path = write(tmp_path / "list.csv", rows)
    found = byod.collect(from_urls=path, license="open", dry_run=True, progress=False)
    assert found.listed.rows == 4
    assert found.listed.classes == {"Dog": 1, "dog": 2}
    assert found.listed.bad == {"address-empty": 1}
    assert found.listed.refused == {"licence-unknown": 1}
    assert "'dog' beside 'Dog'" in found.listed.notes[0]
    assert "row 5: there is no address" in found.listed.notes[1]
    assert set(found.recipe.classes) == {"Dog", "dog-2"}
    assert not web.asked
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.csv"]


@pytest.mark.slow
def test_a_list_on_the_command_line(tmp_path, web):
    """A dry run prints tables or JSON and ends with 1 where nothing would be fetched; standard input is a list too."""
    urls = serve(web, 4)
    captions = ["two cats", "a cat", "a cat and a dog", "a dog"]
    rows = [{"URL": urls[n], "TEXT": text} for n, text in enumerate(captions)]
    write(tmp_path / "list.csv", rows)
    arguments = ["collect", "--from-urls", "list.csv", "--caption-filter", "cat, dog"]
    said = run(*arguments, "--dry-run", folder=tmp_path).stdout
    assert "4 rows were read" in said
    assert "caption names several classes" in said
    report = json.loads(run(*arguments, "--dry-run", "--json", folder=tmp_path).stdout)
    assert report["listed"]["classes"] == {"cat": 1, "dog": 1}
    run(
        "collect",
        "--from-urls",
        "list.csv",
        "--caption-filter",
        "bird",
        "--dry-run",
        folder=tmp_path,
        check=1,
    )
    command = [sys.executable, "-m", "byod", "collect", "--from-urls", "-", "--caption-filter", "cat,dog"]
    done = subprocess.run(
        [*command, "--into", "d", "--min-side", "1", "--json"],
        input=(tmp_path / "list.csv").read_text(),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**compiled(), "BYOD_ALLOW_PRIVATE_HOSTS": "1"},
    )
    assert json.loads(done.stdout)["classes"] == {"cat": 1, "dog": 1}
    assert json.loads(done.stdout)["listed"]["passed"] == {
        "caption names no class": 1,
        "caption names several classes": 1,
    }


@pytest.mark.parametrize(
    ("classes", "options", "words"),
    [
        ((), {"url_col": "x"}, "--url-col is about a list"),
        (("x",), {"strict": True}, "--strict is about a list"),
        (("x",), {"caption_filter": "a"}, "--caption-filter is about a list"),
    ],
)
def test_options_of_lists_need_one(classes, options, words):
    """What is said about a list that there is not is wrong usage."""
    with pytest.raises(UsageError, match=words):
        byod.collect(*classes, into="d", progress=False, **options)


def test_a_pattern_without_quotes_is_understood(tmp_path):
    """Where the shell put files in the place of a pattern, the message says how to write it."""
    paths = [write(tmp_path / f"{n}.csv", [{"url": "", "label": ""}]) for n in range(2)]
    with pytest.raises(UsageError, match="put the pattern in quotes"):
        byod.collect(str(paths[1]), from_urls=paths[0], into=tmp_path / "d", progress=False)


def test_an_expected_hash_is_checked(tmp_path, web):
    """A file that is another than the list expects is not taken, and told; with the right hash of any kind it is."""
    urls = serve(web, 4)
    kinds = ("sha256", "md5", "sha256", "sha1")
    rows = []
    for number, (url, kind) in enumerate(zip(urls, kinds, strict=True)):
        shown = picture(number if number != 2 else 77)
        rows.append({"url": url, "label": "x", **dict.fromkeys(("sha256", "md5", "sha1"), "")})
        rows[-1][kind] = hashlib.new(kind, shown).hexdigest()
    dataset = collected(write(tmp_path / "list.csv", rows), tmp_path / "d")
    assert dataset.counts == {"x": 3}
    assert dataset.result.snapshot.misses == {"hash-mismatch": 1}
    (failed,) = dataset.failed
    assert (failed.url, failed.reason) == (urls[2], "hash-mismatch")
    assert failed.detail.startswith("sha256 is ")
    assert not (tmp_path / "d" / "rejected" / "hash-mismatch").exists()


@pytest.mark.slow
def test_further_columns_are_exported_and_asked_for(tmp_path, web):
    """Columns of a list stand in the table, CREDITS.csv and every export, choose pictures, outlive the catalog."""
    captions = ["a red cat", "a BLUE cat", "=1+1", "dogs", "more dogs", "the last dog", "x", "y", "z"]
    rows = [
        {
            "url": url,
            "label": "ab"[number % 2],
            "caption": captions[number],
            "similarity": number / 10,
            "title": "T",
        }
        for number, url in enumerate(serve(web, 9))
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = collected(tmp_path / "list.jsonl", tmp_path / "d")
    (tmp_path / "d" / "catalog.db").unlink()  # rebuilt from CREDITS.csv
    table = dataset.to_pandas().set_index("url")
    assert [table.loc[row["url"]].caption for row in rows] == captions
    assert table.similarity.max() == 0.8
    assert len(dataset.status(where="similarity>=0.3", progress=False).kept) == 6
    assert len(dataset.status(where=["similarity>=0.3", "caption~DOG"], progress=False).kept) == 3
    assert len(dataset.status(where="caption=a blue cat", progress=False).kept) == 1
    assert len(dataset.status(where=["label=a", "licence!=CC0-1.0"], progress=False).kept) == 5
    with pytest.raises(UsageError, match="no picture has 'colour'; there are label"):
        dataset.status(where="colour=red", progress=False)
    with pytest.raises(UsageError, match="is no number"):
        dataset.status(where="similarity>much", progress=False)
    with pytest.raises(UsageError, match="write NAME=VALUE"):
        dataset.status(where="similarity", progress=False)
    part = dataset.export("folders", into=tmp_path / "part", where="similarity<0.5", progress=False)
    with (part / "CREDITS.csv").open(newline="", encoding="utf-8") as text:
        said = [json.loads(row["columns"]) for row in csv.DictReader(text)]
    assert sorted(one["similarity"] for one in said) == [0.0, 0.1, 0.2, 0.3, 0.4]
    shown = run("status", "d", "--where", "caption~dog", "--json", folder=tmp_path)
    assert [one["caption"] for one in json.loads(shown.stdout)["pictures"] if one["similarity"] == 0.5] == [
        "the last dog"
    ]
    run("export", "d", "--format", "hf", "--where", "caption~dog", "--into", "h", folder=tmp_path)
    run("status", "d", "--where", "caption~dog", "--failed", folder=tmp_path, check=2)
    run("export", "d", "--format", "onnx", "--where", "caption~dog", folder=tmp_path, check=2)
    exported(dataset, tmp_path, captions)


def exported(dataset, folder, captions):
    """Every export has the columns."""
    import pyarrow.parquet

    hub = dataset.export("hf", into=folder / "hf", progress=False)
    tables = [pyarrow.parquet.read_table(path) for path in sorted(hub.rglob("*.parquet"))]
    assert {str(table.schema.field("similarity").type) for table in tables} == {"double"}
    assert sorted(text for table in tables for text in table["caption"].to_pylist()) == sorted(captions)
    shards = dataset.export("webdataset", into=folder / "wds", progress=False)
    told = [json.loads(part) for path in shards.glob("*.tar") for part in _json_members(path)]
    assert sorted(one["columns"]["caption"] for one in told) == sorted(captions)
    described = dataset.export("croissant", into=folder / "croissant", progress=False)
    rows = json.loads((described / "pictures.json").read_text())
    assert sorted(json.loads(row["columns"])["caption"] for row in rows) == sorted(captions)


def _json_members(path):
    import tarfile

    with tarfile.open(path) as shard:
        return [shard.extractfile(one).read() for one in shard.getmembers() if one.name.endswith(".json")]


@pytest.mark.slow
def test_a_thousand_labels_are_one_change_of_the_recipe(tmp_path, web, monkeypatch):
    """The recipe is written once for all labels of a round, and not once for each."""
    written = []
    write_recipe = recipes.write
    monkeypatch.setattr(recipes, "write", lambda *given: (written.append(1), write_recipe(*given)))
    rows = [{"url": f"{web.url}/none{number}.jpg", "label": f"species {number}"} for number in range(300)]
    dataset = collected(write(tmp_path / "list.csv", rows), tmp_path / "d", retries=0)
    assert len(dataset.recipe.classes) == 300
    assert len(written) <= 3


@pytest.mark.slow
def test_a_list_is_placed_in_a_time_that_grows_with_it(tmp_path, web, monkeypatch):
    """What has come is compared with all others each time as much again has come, and not after every round."""
    placed, count = [], 120
    place = pipeline.place_samples
    monkeypatch.setattr(pipeline, "place_samples", lambda *g, **k: (placed.append(1), place(*g, **k))[1])
    take = pipeline.Collection.take
    monkeypatch.setattr(pipeline.Collection, "take", lambda self, candidates: take(self, candidates, 3))
    rows = [{"url": url, "label": "x"} for url in serve(web, count)]
    dataset = collected(write(tmp_path / "list.csv", rows), tmp_path / "d")
    assert dataset.counts == {"x": count}
    assert len(placed) < 20


def test_what_a_kill_left_of_a_list_is_fetched_at_the_next_run(tmp_path, web):
    """Candidates that were written down and not fetched come first; what came just before the kill may come again."""
    urls = serve(web, 6)
    rows = [{"url": url, "label": "x"} for url in urls]
    path = write(tmp_path / "list.csv", rows)
    with pytest.MonkeyPatch.context() as patched:
        note, noted = pipeline.Collection._note, []

        def killed(self, *given):
            if len(noted) == 3:
                raise RuntimeError("killed")
            noted.append(1)
            note(self, *given)

        patched.setattr(pipeline.Collection, "_note", killed)
        with pytest.raises(RuntimeError):
            collected(path, tmp_path / "d")
    known = len([one for one in web.asked if one.path.endswith(".jpg")])
    assert collected(path, tmp_path / "d").counts == {"x": 6}
    asked = Counter(one.path for one in web.asked if one.path.endswith(".jpg"))
    assert sum(asked.values()) > known
    assert max(asked.values()) <= 2
