"""Lists of addresses: every form of them, each row that can be used, and each that cannot by its number and reason."""

import contextlib
import csv
import gzip
import io
import json
import os
import random
import threading
import tracemalloc
import unicodedata
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.collection.lists import list_files, list_reader, parquet_rows
from byod.collection.lists.bad_rows import COLUMNS, FILE, BadRows
from byod.collection.lists.list_options import CaptionFilter, ListOptions, read_options
from byod.collection.lists.list_reader import ListReader
from byod.collection.lists.list_rows import WORDS, BadRow, Fault
from byod.schema import files
from byod.schema.errors import ByodError, UsageError
from byod.schema.names import hidden

PLAIN = ListOptions()
GOOD = "https://a.example/1"


def put(place, content):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def read(path, options=PLAIN, known=()):
    """All that a list holds: its candidates, its bad rows, and the count."""
    bad = []
    with list_files.found(path, options.url_col) as found:
        reader = ListReader(found, options, known)
        candidates = list(reader.candidates(bad.append))
    return candidates, bad, reader.tally


def faults(bad):
    return [(row.number, row.fault.value) for row in bad]


ROWS = [
    {
        "url": "https://a.example/1%20.jpg?x=%26",
        "label": "Brokkoli",
        "licence": "CC BY 4.0",
        "creator": "Ada",
        "page": "https://a.example/1",
        "title": "Eins",
    },
    {
        "url": "https://a.example/2.jpg",
        "label": "Blumenkohl, weiß",
        "licence": "",
        "creator": "",
        "page": "javascript:alert(1)",
        "title": "",
    },
    {
        "url": "https://a.example/3.jpg",
        "label": "Brokkoli",
        "licence": "?",
        "creator": "",
        "page": "",
        "title": "",
    },
]


def as_csv(rows, delimiter=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_json(rows):
    return json.dumps(rows, indent=1).encode()


def as_parquet(rows, **how):
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out, **how)
    return out.getvalue()


def packed(form):
    return lambda rows: gzip.compress(form(rows))


FORMS = {
    ".csv": as_csv,
    ".csv.gz": packed(as_csv),
    ".tsv": lambda rows: as_csv(rows, "\t"),
    ".tsv.gz": packed(lambda rows: as_csv(rows, "\t")),
    ".jsonl": as_jsonl,
    ".jsonl.gz": packed(as_jsonl),
    ".ndjson": as_jsonl,
    ".json": as_json,
    ".json.gz": packed(as_json),
    ".parquet": as_parquet,
}
BARE = [".csv", ".jsonl", ".json", ".parquet"]


# --- forms


@pytest.mark.parametrize("suffix", FORMS)
def test_lists_of_every_form(tmp_path, suffix):
    """The same rows come out of every form, with what is known of origin and licence."""
    (first, second, third), bad, _ = read(put(tmp_path / f"list{suffix}", FORMS[suffix](ROWS)))
    assert not bad
    assert (first.url, first.label, first.rank) == ("https://a.example/1%20.jpg?x=%26", "Brokkoli", 0)
    assert (first.licence, first.licence_url) == ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
    assert (first.creator, first.page, first.title) == ("Ada", "https://a.example/1", "Eins")
    assert (second.label, second.licence, second.page, second.creator) == (
        "Blumenkohl, weiß",
        None,
        None,
        None,
    )
    assert (third.rank, third.licence) == (1, None)
    assert first.source == "urls"


@pytest.mark.parametrize("suffix", BARE)
def test_url_and_label_are_enough(tmp_path, suffix):
    """Other columns may be missing; `license` is understood as well."""
    rows = [{"nr": "1", "URL": GOOD, "Label": "x", "license": "CC0"}]
    ((candidate,), _, _) = read(put(tmp_path / f"list{suffix}", FORMS[suffix](rows)))
    assert (candidate.label, candidate.licence) == ("x", "CC0-1.0")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_other_delimiters(tmp_path, delimiter):
    """Semicolons (German spreadsheets), tabs and a byte order mark are understood."""
    content = b"\xef\xbb\xbf" + as_csv(ROWS, delimiter)
    assert len(read(put(tmp_path / "list.csv", content))[0]) == 3


def test_lines_of_addresses_have_the_class_that_is_named(tmp_path):
    """A txt file has an address in each line, and needs `--label`."""
    path = put(tmp_path / "list.txt", b"https://a.example/1\n\n  https://a.example/2,3\r\ndata:image/png,x\n")
    candidates, bad, _ = read(path, read_options(None, None, " K\u00f6hl ", None))
    assert [(c.url, c.label) for c in candidates] == [
        (GOOD, "K\u00f6hl"),
        ("https://a.example/2,3", "K\u00f6hl"),
    ]
    assert faults(bad) == [(4, "address-data")]
    with pytest.raises(UsageError, match="--label"):
        read(path)


def test_json_of_lines_may_be_called_json(tmp_path):
    """A .json file may hold an object in each line, and anything but that or an array is one error."""
    assert len(read(put(tmp_path / "x.json", as_jsonl(ROWS)))[0]) == 3
    with pytest.raises(ByodError, match="no array of JSON objects"):
        read(put(tmp_path / "y.json", b'"url"'))


@pytest.mark.parametrize(
    "kind", ["string", "large_string", "string_view", "binary", "large_binary", "binary_view", "dictionary"]
)
def test_parquet_columns_of_every_kind_of_text(tmp_path, kind):
    """Text may be stored as text of any width, as bytes, or as categories."""
    values = {"url": [GOOD, "https://a.example/2"], "label": ["Köhl", "x"], "caption": ["ä b", "c"]}
    kinds = {name: getattr(pyarrow, name) for name in ("string", "large_string", "string_view")}
    kinds |= {name: getattr(pyarrow, name) for name in ("binary", "large_binary", "binary_view")}
    arrays = {}
    for name, texts in values.items():
        given_ = [text.encode() for text in texts] if "binary" in kind else texts
        array = pyarrow.array(given_, kinds.get(kind, pyarrow.string)())
        arrays[name] = array.dictionary_encode() if kind == "dictionary" else array
    pyarrow.parquet.write_table(pyarrow.table(arrays), tmp_path / "x.parquet")
    (first, second), bad, _ = read(tmp_path / "x.parquet")
    assert not bad
    assert (first.url, first.label, second.label) == (GOOD, "Köhl", "x")
    assert first.columns == {"caption": "ä b"}


def test_parquet_of_bytes_and_of_other_columns(tmp_path):
    """Pictures in a column of bytes, and lists in one, are not read; odd bytes in an address are one bad row."""
    table = pyarrow.table(
        {
            "url": pyarrow.array([GOOD.encode(), b"https://a.example/\xff", None], pyarrow.binary()),
            "label": ["x", "y", "z"],
            "image": pyarrow.array([b"\xff\xd8" + bytes(9000)] * 3, pyarrow.binary()),
            "box": [[1], [2], [3]],
            "score": [0.5, None, float("nan")],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    (candidate,), bad, _ = read(tmp_path / "x.parquet")
    assert candidate.columns == {"score": 0.5}
    assert faults(bad) == [(2, "encoding"), (3, "address-empty")]


def test_text_in_parquet_that_is_none(tmp_path):
    """A column that says it is text and holds odd bytes costs the row they stand in."""
    odd = pyarrow.array([GOOD.encode(), b"https://a.example/\xff", b"https://a.example/3"], pyarrow.binary())
    odd = pyarrow.Array.from_buffers(pyarrow.string(), 3, odd.buffers())
    pyarrow.parquet.write_table(pyarrow.table({"url": odd, "label": ["x"] * 3}), tmp_path / "x.parquet")
    candidates, bad, _ = read(tmp_path / "x.parquet")
    assert [one.url for one in candidates] == [GOOD, "https://a.example/3"]
    assert faults(bad) == [(2, "encoding")]


# --- which rows are bad


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('{"url": 5, "label": "x"}', "address-not-text"),
        ('{"url": ["https://a.example/2"], "label": "x"}', "address-not-text"),
        ('{"label": "x"}', "address-empty"),
        ('{"url": null, "label": "x"}', "address-empty"),
        ('{"url": " ", "label": "x"}', "address-empty"),
        ('{"url": "data:image/png;base64,AA", "label": "x"}', "address-data"),
        ('{"url": "DATA:image/png;base64,' + "A" * 20_000 + '", "label": "x"}', "address-data"),
        ('{"url": "s3://bucket/a.jpg", "label": "x"}', "address-scheme"),
        ('{"url": "a.example/2.jpg", "label": "x"}', "address-scheme"),
        ('{"url": "file:///etc/passwd", "label": "x"}', "address-scheme"),
        ('{"url": "javascript:alert(1)", "label": "x"}', "address-scheme"),
        ('{"url": "https://a.example/' + "x" * 9000 + '", "label": "x"}', "address-long"),
        ('{"url": "https:///2.jpg", "label": "x"}', "address-broken"),
        ('{"url": "https://a.example/\\u001b[31m", "label": "x"}', "address-broken"),
        ('{"url": "https://a.example/\\ud800", "label": "x"}', "address-broken"),
        ('{"url": "https://a.example/2"}', "label-empty"),
        ('{"url": "https://a.example/2", "label": null}', "label-empty"),
        ('{"url": "https://a.example/2", "label": ""}', "label-empty"),
        ('{"url": "https://a.example/2", "label": 3}', "label-not-text"),
        ('{"url": "https://a.example/2", "label": true}', "label-not-text"),
        ('{"url": "https://a.example/2", "label": ["x"]}', "label-not-text"),
        ('{"url": "https://a.example/2", "label": "a\\u0000b"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "\\ud800"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "a\\u200bb"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "a\\u202eb"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "a\\nb"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "__reject__"}', "label-name"),
        ('{"url": "https://a.example/2", "label": ".."}', "label-name"),
        ('{"url": "https://a.example/2", "label": " / "}', "label-name"),
        ('{"url": "https://a.example/2", "label": "???"}', "label-name"),
        ('{"url": "https://a.example/2", "label": "' + "x" * 300 + '"}', "label-long"),
        ('{"url": "https://a.example/2", "label": "x", "sha256": "beef"}', "hash"),
        ('{"url": "https://a.example/2", "label": "x", "md5": 12}', "hash"),
        ("[1]", "no-object"),
        ("null", "no-object"),
        ('{"url"', "json"),
        ('{"url": "https://a.example/2" "label": "x"}', "json"),
        ("NOTHING", "json"),
        ("1" * 5000, "json"),
        ('{"url": "https://a.example/2", "label": "x", "c": "' + "c" * 1_500_000 + '"}', "row-long"),
    ],
)
def test_bad_rows_of_json_are_passed_over(tmp_path, suffix, row, fault):
    """A row that cannot be used is one bad row with its number and reason, and those around it are taken."""
    rows = [
        '{"url": "https://a.example/1", "label": "x"}',
        row,
        '{"url": "https://a.example/3", "label": "x"}',
    ]
    text = "[" + ",\n".join(rows) + "]" if suffix == ".json" else "\n".join(rows)
    candidates, bad, tally = read(put(tmp_path / f"x{suffix}", text.encode()))
    assert [one.url for one in candidates] == [GOOD, "https://a.example/3"]
    assert faults(bad) == [(2, fault)]
    assert (tally.rows, tally.bad) == (3, {fault: 1})
    assert all(each.isprintable() for each in (bad[0].detail,))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (b",x", "address-empty"),
        (b"https://a.example/2,", "label-empty"),
        (b"https://a.example/2", "fields"),
        (b"https://a.example/2,x,z", "fields"),
        (b"data:image/png;base64,AA,x", "address-data"),
        (b'"data:image/png;base64,AA",x', "address-data"),
        (b'https://a.example/2,"x', "quotes"),
        (b'https://a.example/2,"x"y', "quotes"),
        (b'https://a.example/2,"x\nhttps://b.example/2,y', None),
        (b"https://a.example/2,\xff", "encoding"),
        (b"https://a.example/2,a\x00b", "zero-bytes"),
        (b"https://a.example/\x1b[31m,x", "address-broken"),
        (b"https://a.example/2," + b"x" * 300, "label-long"),
        (b"https://a.example/" + b"x" * 9000 + b",x", "address-long"),
        (b"https://a.example/" + b"x" * 1_500_000 + b",x", "row-long"),
        (b'https://a.example/2,"' + b"x" * 200_000 + b'"', "quotes"),
    ],
)
def test_bad_rows_of_tables_are_passed_over(tmp_path, row, fault):
    """The same for tables; a forgotten quote takes no other row along."""
    content = (
        b"url,label\nhttps://a.example/1,x\n" + row + b'\nhttps://a.example/3,"x, y"\nhttps://a.example/4,x\n'
    )
    candidates, bad, _ = read(put(tmp_path / "x.csv", content))
    urls = [one.url for one in candidates]
    assert urls[:1] + urls[-2:] == [GOOD, "https://a.example/3", "https://a.example/4"]
    assert faults(bad) == [(3, fault or "quotes")]
    assert len(urls) == (3 if fault else 4)


@pytest.mark.parametrize("quoted", [b'"a\nb"', b'"a ""quoted"" word\n\nand more"', b'"x, y"'])
def test_values_of_several_lines_are_one_value(tmp_path, quoted):
    """A caption in quotes may go on in further lines; rows are counted as an editor counts lines."""
    content = b"url,label,caption\nhttps://a.example/1,x," + quoted + b"\n,y,z\n"
    (candidate,), bad, _ = read(put(tmp_path / "x.csv", content))
    expected = quoted[1:-1].decode().replace('""', '"').split()
    assert candidate.columns["caption"] == " ".join(expected)
    assert faults(bad) == [(3 + quoted.count(b"\n"), "address-empty")]


def test_quotes_that_never_end_cost_no_time(tmp_path):
    """A quote in each row that is never closed costs each its own row, in a time that grows with the list."""
    rows = b"".join(b'https://a.example/%d,"x\nhttps://a.example/%d,y\n' % (n, n) for n in range(2000))
    candidates, bad, _ = read(put(tmp_path / "x.csv", b"url,label\n" + rows))
    assert len(candidates) == 2000
    assert {row.fault for row in bad} == {Fault.QUOTES}
    assert [row.number for row in bad] == list(range(2, 4002, 2))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"", "no column 'url'"),
        ("x.csv", b"link,label\n", "no column 'url'; its columns are: link, label"),
        ("x.csv", b"url,tag\n", "no column 'label'.*--label"),
        ("x.csv", b"url,url,label\n", "more than one column 'url'"),
        ("x.csv", "url,label\nhttps://a.example/1,x\n".encode("utf-16"), "row 1: not UTF-8"),
        ("x.csv", b"url,\xfflabel\n", "row 1: not UTF-8"),
        ("x.csv", b"url\x00,label\n", "row 1: holds zero bytes"),
        ("x.csv", b'url,"label\n', "row 1: not csv"),
        ("x.csv", b"url," + b"x" * 1_500_000 + b"\n", "row 1: longer than 1 MB"),
        ("x.json", b"", "no array of JSON objects"),
        ("x.csv.gz", gzip.compress(b"url,label\n" * 9, mtime=0)[:12], "damaged or ends too early"),
        ("x.parquet", b"", "not a parquet file"),
        ("x.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1", "not a parquet file"),
        ("x.parquet", b"<html>", "not a parquet file"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, name, content, words):
    """A file of which nothing can be read is one line that names it."""
    path = put(tmp_path / name, content)
    with pytest.raises(ByodError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_stands_before_damage_is_taken(tmp_path):
    """Packed lists that are cut short, arrays without an end and damaged row groups give what can be read of them."""
    rows = [{"url": f"https://a.example/{n}", "label": f"x{random.Random(n).random()}"} for n in range(3000)]
    whole = gzip.compress(as_csv(rows))
    candidates, bad, _ = read(put(tmp_path / "x.csv.gz", whole[: len(whole) // 2]))
    assert len(candidates) > 1000
    assert [row.fault for row in bad] == [Fault.UNREADABLE]
    candidates, bad, _ = read(put(tmp_path / "x.json", as_json(rows)[:-1]))
    assert (len(candidates), [row.fault for row in bad]) == (3000, [Fault.UNREADABLE])
    content = bytearray(as_parquet(rows, row_group_size=1000, use_dictionary=False, compression="zstd"))
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    start = file.metadata.row_group(1).column(1).data_page_offset
    content[start + 40 : start + 400] = bytes(360)
    candidates, bad, _ = read(put(tmp_path / "x.parquet", bytes(content)))
    assert {int(c.url.rsplit("/")[-1]) for c in candidates} >= {*range(1000), *range(2000, 3000)}
    assert [row.fault for row in bad] == [Fault.UNREADABLE]


def test_every_fault_has_words():
    """Each reason of a bad row is explained."""
    assert set(WORDS) == set(Fault)


def test_bad_rows_are_written_as_they_come(tmp_path):
    """bad-rows.csv names each row and reason, harmless to spreadsheets and without secrets; an old one goes."""
    put(tmp_path / FILE, b"old")
    with files.opened(tmp_path) as folder:
        named = BadRows(folder)
        assert not (tmp_path / FILE).exists()
        for number in range(2500):
            named.add(
                BadRow(number, Fault.FIELDS, "=1+1", "https://u:secret@a.example/?token=abc", "=x\x1b", "a,b")
            )
        assert (tmp_path / FILE).exists()
        named.add(BadRow(None, Fault.UNREADABLE, file="c"))
        named.write()
    with (tmp_path / FILE).open(newline="", encoding="utf-8") as text:
        head, first, *rest = csv.reader(text)
    assert tuple(head) == COLUMNS
    assert first[:3] == ["a,b", "0", "fields"]
    assert first[4] == "https://a.example/"
    assert first[5] == "'=x "
    assert len(rest) == 2500
    assert rest[-1][:3] == ["c", "", "unreadable"]


# --- labels


@pytest.mark.parametrize("suffix", BARE)
def test_slashes_and_twins_are_told(tmp_path, suffix):
    """A slash in a label becomes a stroke, and labels that differ in case alone are told, also from classes there."""
    labels = ["animals/cat", "Dog", "dog", "fish", "animals_cat"]
    rows = [{"url": f"https://a.example/{n}", "label": label} for n, label in enumerate(labels)]
    candidates, bad, tally = read(put(tmp_path / f"x{suffix}", FORMS[suffix](rows)), known=["Fish"])
    assert not bad
    assert [one.label for one in candidates] == ["animals_cat", "Dog", "dog", "fish", "animals_cat"]
    assert tally.slashed == {"animals/cat": "animals_cat"}
    assert tally.twins == {"dog": "Dog", "fish": "Fish"}


@pytest.mark.parametrize("suffix", BARE)
def test_joiners_in_lists_are_letters(tmp_path, suffix):
    """Joiners of living scripts and emoji stay in labels and creators' names; else what nobody sees is dropped."""
    row = {
        "url": GOOD,
        "label": "می\u200cخواهم",
        "creator": "👨\u200d👩\u200d👧 क्\u200dष \u202ea\u200bb",
    }
    ((candidate,), _, _) = read(put(tmp_path / f"x{suffix}", FORMS[suffix]([row])))
    assert candidate.label == "می\u200cخواهم"
    assert candidate.creator == "👨\u200d👩\u200d👧 क्\u200dष ab"


def test_a_list_of_captions_for_labels_makes_no_million_classes(tmp_path, monkeypatch):
    """Beyond so many labels a further one is a bad row; rows of those that are there are taken."""
    monkeypatch.setattr(list_reader, "MOST_LABELS", 3)
    rows = [{"url": f"https://a.example/{n}", "label": f"x{n % 5}"} for n in range(10)]
    candidates, bad, _ = read(put(tmp_path / "x.csv", as_csv(rows)))
    assert [one.label for one in candidates] == ["x0", "x1", "x2"] * 2
    assert {row.fault for row in bad} == {Fault.TOO_MANY_LABELS}


def test_other_columns_and_one_class_for_all(tmp_path):
    """`--url-col` and `--label-col` name columns in whatever case; with `--label` the column label is a further one."""
    path = put(tmp_path / "x.csv", b"Image_URL,Kind,label\nhttps://a.example/1,Kohl,7\n")
    ((one,), _, _) = read(path, read_options("image_url", "KIND", None, None))
    assert (one.label, one.columns) == ("Kohl", {"label": "7"})
    ((one,), _, _) = read(path, read_options("IMAGE_URL", None, "Alles", None))
    assert (one.label, one.columns) == ("Alles", {"kind": "Kohl", "label": "7"})


def test_captions_make_classes(tmp_path):
    """A row belongs to the one word that its caption holds as a whole word; with two to none, which is counted."""
    captions = [
        "A CAT on a mat", "cats", "a dog", "a cat and a dog", "cat food", "Strudel", "a\u0308pfel!", "concatenate",
        "dog-house", "hot  dog", "",
    ]  # fmt: skip
    rows = [
        {"URL": f"https://a.example/{n}", "TEXT": text, "similarity": 0.3} for n, text in enumerate(captions)
    ]
    options = read_options(None, None, None, "cat, dog, Cat food, Äpfel,hot dog, CAT")
    candidates, bad, tally = read(put(tmp_path / "laion.jsonl", as_jsonl(rows)), options)
    assert not bad
    found = {int(one.url.rsplit("/")[-1]): one.label for one in candidates}
    assert found == {0: "cat", 2: "dog", 4: "Cat food", 6: "Äpfel", 8: "dog", 9: "hot dog"}
    assert tally.passed == {"caption names no class": 4, "caption names several classes": 1}
    assert candidates[0].columns == {"text": "A CAT on a mat", "similarity": 0.3}
    assert CaptionFilter(["c++"]).named("I like C++!") == {"c++"}


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"label": "x", "label_col": "y"}, "remove --label-col"),
        ({"label": "x", "captions": "a"}, "remove --label-col"),
        ({"captions": "a,,b"}, "--caption-filter"),
        ({"captions": ""}, "--caption-filter"),
        ({"captions": "a/b"}, "cannot name a class"),
        ({"label": "\u202e"}, "cannot name a class"),
    ],
)
def test_options_that_do_not_go_together(given_, words):
    """What contradicts itself, or names no class, is wrong usage."""
    options = {"url_col": None, "label_col": None, "label": None, "captions": None, **given_}
    with pytest.raises(UsageError, match=words):
        read_options(**options)


# --- further columns and hashes


@pytest.mark.parametrize("suffix", BARE)
def test_further_columns_are_kept(tmp_path, suffix):
    """Columns that byod has no use for stay with the picture: text, numbers and truth values, as they were."""
    row = {
        "url": GOOD,
        "label": "x",
        "Caption": "two\u202e  cats\n",
        "score": 0.25,
        "n": 3,
        "ok": True,
        "no": "",
    }
    ((candidate,), _, _) = read(put(tmp_path / f"x{suffix}", FORMS[suffix]([row])))
    text = suffix == ".csv"
    assert candidate.columns == {
        "caption": "two cats",
        "score": "0.25" if text else 0.25,
        "n": "3" if text else 3,
        "ok": "True" if text else True,
    }


def test_further_columns_are_bounded(tmp_path):
    """However much a row brings along, a bounded part of it is kept."""
    row = {
        "url": GOOD,
        "label": "x",
        **{f"c{n}": "y" * 5000 for n in range(150)},
        "i": 10**400,
        "deep": {"a": 1},
    }
    ((candidate,), _, _) = read(put(tmp_path / "x.json", b"[" + json.dumps(row).encode() + b"]"))
    assert 0 < len(candidate.columns) <= 100
    assert sum(len(value) for value in candidate.columns.values()) <= 16_000


@pytest.mark.parametrize(
    ("columns", "digest"),
    [
        ({"sha256": "AB" * 32}, "sha256:" + "ab" * 32),
        ({"md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "md5:d41d8cd98f00b204e9800998ecf8427e"),
        ({"md5": "d41d8cd98f00b204e9800998ecf8427e", "sha256": "ab" * 32}, "sha256:" + "ab" * 32),
        ({"sha1": "ab" * 20, "sha256": " "}, "sha1:" + "ab" * 20),
        ({}, None),
    ],
)
def test_the_strongest_expected_hash_counts(tmp_path, columns, digest):
    """Hashes are read in hexadecimal digits or base64, and no further columns."""
    ((candidate,), _, _) = read(put(tmp_path / "x.jsonl", as_jsonl([{"url": GOOD, "label": "x", **columns}])))
    assert (candidate.digest, candidate.columns) == (digest, {})


# --- where lists lie


def test_a_folder_or_pattern_of_shards_is_one_list(tmp_path):
    """Shards are read in the order of their names, each row by its file; one that cannot be read is a bad row."""
    for name in ("2.csv", "1.csv.gz", "part=7/3.csv"):
        rows = [{"url": f"https://a.example/{name}", "label": "x"}, {"url": "", "label": "x"}]
        put(tmp_path / "s" / name, as_csv(rows))
    put(tmp_path / "s/0.csv", b"nothing\n")
    put(tmp_path / "s/_SUCCESS", b"")
    put(tmp_path / "s/.hidden.csv", b"url,label\n")
    put(tmp_path / "s/README.md", b"about")
    put(tmp_path / "elsewhere.csv", b"url,label\nhttps://a.example/secret,x\n")
    (tmp_path / "s/link.csv").symlink_to(tmp_path / "elsewhere.csv")
    os.mkfifo(tmp_path / "s/pipe.csv")
    candidates, bad, tally = read(tmp_path / "s")
    assert [one.url for one in candidates] == [
        "https://a.example/1.csv.gz",
        "https://a.example/2.csv",
        "https://a.example/part=7/3.csv",
    ]
    assert [(row.file, row.number) for row in bad] == [
        ("0.csv", None),
        ("1.csv.gz", 3),
        ("2.csv", 3),
        ("part=7/3.csv", 3),
    ]
    assert tally.rows == 6
    assert len(read(tmp_path / "s" / "[12].csv*")[0]) == 2
    assert len(read(tmp_path / "**" / "*.csv")[0]) == 2 + 1


def test_shards_of_several_kinds(tmp_path):
    """A folder with lists of several kinds asks which are meant, and one without any says so."""
    put(tmp_path / "s/1.parquet", b"")
    put(tmp_path / "s/1_stats.json", b"")
    with pytest.raises(UsageError, match=r"several kinds \(json, parquet\); name those of one"):
        read(tmp_path / "s")
    (tmp_path / "e").mkdir()
    with pytest.raises(UsageError, match="holds no list"):
        read(tmp_path / "e")


def test_files_that_are_no_lists(tmp_path):
    """A wrong ending, a missing file and a pattern without files are wrong usage."""
    with pytest.raises(UsageError, match=r"should end in \.csv"):
        read(put(tmp_path / "x.xlsx", b""))
    with pytest.raises(UsageError, match=r"should end in \.csv"):
        read(put(tmp_path / "x.parquet.gz", b""))
    for name in ("nowhere.csv", "nowhere*.csv"):
        with pytest.raises(UsageError, match="there is no file"):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [*FORMS, ".txt"])
def test_a_list_that_comes_through_a_pipe(tmp_path, suffix):
    """Standard input, or a shell's <(…), has no name: its kind is told by how it begins."""
    content = b"https://a.example/1\nhttps://a.example/2\n" if suffix == ".txt" else FORMS[suffix](ROWS[:2])
    options = read_options(None, None, "x", None) if suffix == ".txt" else PLAIN
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,), daemon=True)
    writer.start()
    assert len(read(tmp_path / "pipe", options)[0]) == 2
    writer.join()


def test_a_pipe_that_holds_no_list(tmp_path):
    """What begins like no list is wrong usage."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"<html>",), daemon=True)
    writer.start()
    with pytest.raises(UsageError, match="begins neither with"):
        read(tmp_path / "pipe")


# --- bounds


def test_a_packed_list_is_no_bomb(tmp_path, monkeypatch):
    """A list that unpacks to far more than addresses do ends there, in memory that stays small."""
    monkeypatch.setattr(list_files, "FREE", 100_000)
    row = b"https://a.example/1,x\n"
    path = put(tmp_path / "x.csv.gz", gzip.compress(b"url,label\n" + row * 30_000))
    candidates, bad, tally = 0, [], None
    with list_files.found(path, "url") as found:
        reader = ListReader(found, PLAIN)
        candidates = sum(1 for _ in reader.candidates(bad.append))
        tally = reader.tally
    assert 0 < candidates < 20_000
    assert [row.fault for row in bad] == [Fault.UNREADABLE]
    assert "times its size" in bad[0].detail
    assert tally is not None


def test_a_line_without_end_is_no_list(tmp_path, monkeypatch):
    """A file that is one endless line is refused before it was read to its end."""
    monkeypatch.setattr("byod.collection.lists.text_lines.MAX_SKIPPED", 3_000_000)
    path = put(tmp_path / "x.csv.gz", gzip.compress(b"url,label\n" + b"x" * 9_000_000))
    with pytest.raises(ByodError, match="is it a list of addresses"):
        read(path)


def test_a_parquet_file_that_would_fill_the_memory(tmp_path, monkeypatch):
    """A row group that unpacks to too much is refused before it is read."""
    monkeypatch.setattr(parquet_rows, "MAX_GROUP", 10_000)
    rows = [{"url": "https://a.example/" + str(n) * 20, "label": "x"} for n in range(1000)]
    path = put(tmp_path / "x.parquet", as_parquet(rows, use_dictionary=False))
    with pytest.raises(ByodError, match="in one row group"):
        read(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", BARE)
def test_a_long_list_is_not_held(tmp_path, suffix):
    """A list is read in the same memory, however long it is."""
    rows = [
        {"url": f"https://a.example/{number}.jpg", "label": "x", "caption": "y" * 50}
        for number in range(30_000)
    ]
    how = {"row_group_size": 2000} if suffix == ".parquet" else {}
    path = put(tmp_path / f"x{suffix}", FORMS[suffix](rows, **how))
    rows.clear()
    tracemalloc.start()
    with list_files.found(path, "url") as found:
        count = sum(1 for _ in ListReader(found, PLAIN).candidates())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 30_000
    assert peak < 3_000_000


# --- anything


_word = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
_label = _word.filter(
    lambda word: "/" not in word and not hidden(word) and any(sign.isalnum() for sign in word)
)


@pytest.mark.parametrize("suffix", BARE)
def test_any_addresses_and_labels_come_through(tmp_path, suffix):
    """Whatever text stands in url and label comes out of every form as it was (labels composed)."""

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(_word, _label), min_size=1, max_size=5))
    def come_through(pairs):
        rows = [{"url": f"https://a.example/{url}", "label": label} for url, label in pairs]
        path = put(tmp_path / f"list{suffix}", FORMS[suffix](rows))
        out = [(one.url, one.label) for one in read(path)[0]]
        assert out == [(row["url"], unicodedata.normalize("NFC", row["label"])) for row in rows]

    come_through()


@pytest.mark.parametrize("suffix", [*BARE, ".csv.gz"])
def test_any_bytes_end_in_rows_or_a_line(tmp_path, suffix):
    """Whatever bytes a list holds, it ends in candidates, bad rows or one line that names the file."""
    whole = FORMS[suffix](ROWS)

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(whole)), st.binary(max_size=40), st.integers(0, 40))
    def any_bytes(place, junk, skip):
        path = put(tmp_path / f"list{suffix}", whole[:place] + junk + whole[place + skip :])
        try:
            candidates, bad, _ = read(path)
        except ByodError as error:
            line = str(error)
        else:
            line = str(path)
            assert all(candidate.model_dump_json() for candidate in candidates)
            assert all(row.file == str(path) for row in bad)
        assert str(path) in line
        assert "\n" not in line

    any_bytes()


@pytest.mark.slow
def test_no_damaged_byte_of_a_parquet_file_ends_the_process(tmp_path):
    """Each single byte of a parquet file may be another: pyarrow gives up some of them by ending the whole process."""
    whole = as_parquet(ROWS)
    for place in range(len(whole)):
        path = put(tmp_path / "list.parquet", whole[:place] + b"=" + whole[place + 1 :])
        with contextlib.suppress(ByodError):
            read(path)


def test_the_page_explains_every_reason():
    """docs/lists.md has the table of reasons as the code has it."""
    page = (Path(__file__).parents[3] / "docs" / "lists.md").read_text(encoding="utf-8")
    for fault, words in WORDS.items():
        assert f"| `{fault}` | {words} |" in page
