"""Pictures from folders and lists: every kind of both, and what is wrong said with its place."""

import contextlib
import csv
import io
import json
import os
import sys

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.collection.sources import folder, url_list
from byod.schema.errors import ByodError, UsageError
from byod.schema.names import hidden

JPEG = b"\xff\xd8\xff\xe0" + b"0" * 20


def put(place, content=JPEG):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


# --- folders


def test_class_folders_are_labels(tmp_path):
    """Each class folder's name is the label of what lies in it and below it, in the order of names."""
    for name in ("b/2.jpg", "b/1.png", "a/deep/er/3.webp", "a/0.gif"):
        put(tmp_path / name)
    candidates = list(folder.pictures(tmp_path))
    assert [(one.label, one.path.name, one.rank) for one in candidates] == [
        ("a", "0.gif", 0),
        ("a", "3.webp", 1),
        ("b", "1.png", 0),
        ("b", "2.jpg", 1),
    ]
    assert candidates[0].url == (tmp_path / "a/0.gif").as_uri()
    assert candidates[0].source == "folder"
    assert candidates[0].licence is None


def test_loose_pictures_take_the_label(tmp_path):
    """With a label, everything below the path belongs to it; a single file does, too."""
    put(tmp_path / "x/1.jpg")
    one = put(tmp_path / "2.jpg")
    assert [(c.label, c.path.name) for c in folder.pictures(tmp_path, "Kohl")] == [
        ("Kohl", "2.jpg"),
        ("Kohl", "1.jpg"),
    ]
    assert [c.path for c in folder.pictures(one, "Kohl")] == [one]


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    """A candidate can be found from anywhere."""
    put(tmp_path / "a/1.jpg")
    monkeypatch.chdir(tmp_path)
    (candidate,) = folder.pictures("a", "x")
    assert candidate.path.is_absolute()


def test_pictures_are_known_by_content_too(tmp_path):
    """Files without a picture's ending count by their first bytes; hidden files and sidecars do not; broken ones do."""
    put(tmp_path / "a/no-ending")
    put(tmp_path / "a/web.dat", b"RIFF0000WEBPVP8 ")
    put(tmp_path / "a/notes.txt", b"about")
    put(tmp_path / "a/labels.json", b"{}")
    put(tmp_path / "a/.hidden.jpg")
    put(tmp_path / "a/.thumbs/1.jpg")
    put(tmp_path / "a/broken.jpg", b"<html>")
    put(tmp_path / "a/empty.jpg", b"")
    names = {one.path.name for one in folder.pictures(tmp_path)}
    assert names == {"no-ending", "web.dat", "broken.jpg", "empty.jpg"}


def test_links_and_odd_files_do_no_harm(tmp_path):
    """A circle of links ends, a dead link and a pipe are left out, a link to a picture counts."""
    put(tmp_path / "a/1.jpg")
    (tmp_path / "a/circle").symlink_to(tmp_path / "a")
    (tmp_path / "a/dead.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a/2.jpg").symlink_to(tmp_path / "a/1.jpg")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    assert [one.path.name for one in folder.pictures(tmp_path)] == ["1.jpg", "2.jpg"]


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    """Nothing there, no class folders, and a picture beside class folders each have their line."""
    with pytest.raises(UsageError, match="there is nothing at"):
        list(folder.pictures(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"no class folders; .*--label"):
        list(folder.pictures(tmp_path))
    single = put(tmp_path / "1.jpg")
    with pytest.raises(UsageError, match="no class folders"):
        list(folder.pictures(single))
    put(tmp_path / "a/1.jpg")
    with pytest.raises(UsageError, match=r"1\.jpg lies beside class folders"):
        list(folder.pictures(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_no_text(tmp_path):
    """A file whose name is not UTF-8 is offered by its address, and one in such a folder under a readable label."""
    for place in (b"/a", b"/\xfe"):
        os.mkdir(os.fsencode(tmp_path) + place)
        with open(os.fsencode(tmp_path) + place + b"/\xff.jpg", "wb") as file:
            file.write(JPEG)
    first, second = folder.pictures(tmp_path)
    assert first.url.endswith("/a/%FF.jpg")
    assert (second.label, second.path.parent.name) == ("\\xfe", "\udcfe")


def test_labels_are_composed(tmp_path):
    """A decomposed name (macOS) becomes the composed one, so that both name one class."""
    put(tmp_path / "Ku\u0308rbis/1.jpg")
    (candidate,) = folder.pictures(tmp_path)
    assert candidate.label == "K\u00fcrbis"


# --- lists


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


def as_parquet(rows):
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


FORMS = {".csv": as_csv, ".jsonl": as_jsonl, ".ndjson": as_jsonl, ".parquet": as_parquet}


@pytest.mark.parametrize("suffix", FORMS)
def test_lists_of_every_form(tmp_path, suffix):
    """The same rows come out of every form, with what is known of origin and licence."""
    first, second, third = url_list.listed(put(tmp_path / f"list{suffix}", FORMS[suffix](ROWS)))
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


@pytest.mark.parametrize("suffix", FORMS)
def test_url_and_label_are_enough(tmp_path, suffix):
    """Other columns may be missing, and unknown ones do not matter; `license` is understood as well."""
    rows = [{"nr": "1", "URL": "https://a.example/1.jpg", "Label": "x", "license": "CC0"}]
    (candidate,) = url_list.listed(put(tmp_path / f"list{suffix}", FORMS[suffix](rows)))
    assert (candidate.label, candidate.licence) == ("x", "CC0-1.0")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_other_delimiters(tmp_path, delimiter):
    """Semicolons (German spreadsheets), tabs and a byte order mark are understood."""
    content = b"\xef\xbb\xbf" + as_csv(ROWS, delimiter)
    assert len(list(url_list.listed(put(tmp_path / "list.csv", content)))) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"", "no column 'url'"),
        ("x.csv", b"link,label\n", "no column 'url'; its columns are: link, label"),
        ("x.csv", b"url,url,label\n", "more than one column 'url'"),
        ("x.csv", b"url,label\nhttps://a.example/1,x\n,y\n", "row 3: url is empty"),
        ("x.csv", b"url,label\nhttps://a.example/1,\n", "row 2: label is empty"),
        ("x.csv", b"url,label\nhttps://a.example/1\n", "row 2: 1 values for 2 columns"),
        ("x.csv", b"url,label\nhttps://a.example/1,x,z\n", "row 2: 3 values for 2 columns"),
        ("x.csv", b'url,label\n"https://a.example/1,x\n', "row 2: not csv"),
        ("x.csv", b'url,label\nhttps://a.example/1,"x"y\n', "row 2: not csv"),
        ("x.csv", b"url,label\nhttps://a.example/1,\xff\n", "row 2: not UTF-8"),
        ("x.csv", b"url,label\nhttps://a.example/1,a\x00b\n", "row 2: holds zero bytes"),
        ("x.csv", "url,label\nhttps://a.example/1,x\n".encode("utf-16"), "row 1: not UTF-8"),
        ("x.csv", b"url,label\nhttps://a.example/\x1b[31m,x\n", "row 2: url is too long or holds control"),
        ("x.csv", b"url,label\nhttps://a.example/1," + b"x" * 300 + b"\n", "row 2: label is too long"),
        ("x.csv", b"url,label\nhttps://a.example/" + b"x" * 9000 + b",x\n", "row 2: url is too long"),
        ("x.csv", b"url,label\nhttps://a.example/" + b"x" * 1_500_000 + b",x\n", "row 2: longer than 1 MB"),
        ("x.csv", b"url,label\nhttps://a.example/1," + b"x" * 200_000 + b"\n", "row 2: not csv"),
        ("x.jsonl", b'{"url": "https://a.example/1", "label": "x"}\n{"url"\n', "row 2: not JSON"),
        ("x.jsonl", b"[1]\n", "row 1: no JSON object"),
        ("x.jsonl", b'{"url": 5, "label": "x"}\n', "row 1: url is int, not text"),
        ("x.jsonl", b'{"label": "x"}\n', "row 1: url is empty"),
        (
            "x.jsonl",
            b'\n\n{"url": "https://a.example/1", "label": ["x"]}\n',
            "row 3: label is list, not text",
        ),
        ("x.jsonl", b'{"url": "https://a.example/1", "label": "a\\u0000b"}\n', "row 1: label"),
        ("x.jsonl", b'{"url": "https://a.example/1", "label": "\\ud800"}\n', "row 1: label"),
        ("x.jsonl", b"[" * 100_000 + b"\n", "row 1: not JSON"),
        ("x.parquet", b"", "not a parquet file"),
        ("x.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1", "not a parquet file"),
        ("x.parquet", b"<html>", "not a parquet file"),
    ],
)
def test_hostile_lists_are_refused_with_their_place(tmp_path, name, content, words):
    """What cannot be understood is one line that names the file and the row."""
    path = put(tmp_path / name, content)
    with pytest.raises(ByodError) as caught:
        list(url_list.listed(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "label", ["a\u200bb", "a\u202eb", "cat\u200d", "a\x1bb", "a\nb", "__reject__", "a/b"]
)
def test_labels_are_looked_at_like_names_that_are_typed(tmp_path, suffix, label):
    """A label that could not be typed as a class is refused with its row, in every form of list."""
    path = put(tmp_path / f"x{suffix}", FORMS[suffix]([{"url": "https://a.example/1", "label": label}]))
    with pytest.raises(ByodError, match=r"row \d: label '.*' cannot name a class") as caught:
        list(url_list.listed(path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_joiners_in_lists_are_letters(tmp_path, suffix):
    """Joiners of living scripts and emoji stay in labels and creators' names; else what nobody sees is dropped."""
    row = {
        "url": "https://a.example/1",
        "label": "می\u200cخواهم",
        "creator": "👨\u200d👩\u200d👧 क्\u200dष \u202ea\u200bb",
    }
    (candidate,) = url_list.listed(put(tmp_path / f"x{suffix}", FORMS[suffix]([row])))
    assert candidate.label == "می\u200cخواهم"
    assert candidate.creator == "👨\u200d👩\u200d👧 क्\u200dष ab"


def test_rows_before_a_bad_one_come(tmp_path):
    """A list is read row by row: what stands before trouble is there."""
    path = put(tmp_path / "x.csv", b"url,label\nhttps://a.example/1,x\n,y\n")
    reader = url_list.listed(path)
    assert next(reader).url == "https://a.example/1"
    with pytest.raises(ByodError):
        next(reader)


@pytest.mark.slow
def test_a_long_list_is_not_held(tmp_path):
    """The first candidate of a long list comes without reading the rest."""
    path = tmp_path / "x.csv"
    with path.open("w") as file:
        file.write("url,label\n")
        for number in range(20_000):
            file.write(f"https://a.example/{number}.jpg,x\n")
    import tracemalloc

    tracemalloc.start()
    count = sum(1 for _ in url_list.listed(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000


def test_files_that_are_no_lists(tmp_path):
    """A wrong ending and a missing file are wrong usage."""
    with pytest.raises(UsageError, match=r"should end in \.csv"):
        list(url_list.listed(put(tmp_path / "x.xlsx", b"")))
    with pytest.raises(UsageError, match="there is no file"):
        list(url_list.listed(tmp_path / "nowhere.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="there is no file"):
        list(url_list.listed(tmp_path / "folder.csv"))


def test_parquet_columns_must_be_text(tmp_path):
    """Numbers for labels are said to be numbers; categories (dictionary columns) are text."""
    table = pyarrow.table({"url": ["https://a.example/1"], "label": [3]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ByodError, match="'label' holds int64, not text"):
        list(url_list.listed(tmp_path / "x.parquet"))
    label = pyarrow.array(["x", "y"]).dictionary_encode()
    table = pyarrow.table({"url": ["https://a.example/1", None], "label": label, "size": [[1], [2]]})
    pyarrow.parquet.write_table(table, tmp_path / "y.parquet")
    reader = url_list.listed(tmp_path / "y.parquet")
    assert next(reader).label == "x"
    with pytest.raises(ByodError, match="row 2: url is empty"):
        next(reader)


def test_a_parquet_file_that_would_fill_the_memory(tmp_path, monkeypatch):
    """A row group that unpacks to too much is refused before it is read."""
    monkeypatch.setattr(url_list, "MAX_GROUP", 10_000)
    table = pyarrow.table(
        {"url": ["https://a.example/" + str(n) * 20 for n in range(1000)], "label": ["x"] * 1000}
    )
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    with pytest.raises(ByodError, match="in one row group"):
        list(url_list.listed(tmp_path / "x.parquet"))


_word = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
_label = _word.filter(lambda word: "/" not in word and not hidden(word))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_any_addresses_and_labels_come_through(tmp_path, suffix):
    """Whatever text stands in url and label comes out of every form as it was (labels composed)."""
    import unicodedata

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(_word, _label), min_size=1, max_size=5))
    def come_through(pairs):
        rows = [{"url": f"https://a.example/{url}", "label": label} for url, label in pairs]
        path = put(tmp_path / f"list{suffix}", FORMS[suffix](rows))
        out = [(one.url, one.label) for one in url_list.listed(path)]
        assert out == [(row["url"], unicodedata.normalize("NFC", row["label"])) for row in rows]

    come_through()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_any_bytes_end_in_rows_or_a_line(tmp_path, suffix):
    """Whatever bytes a list holds, it ends in candidates or in one line that names the file."""
    whole = FORMS[suffix](ROWS)

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(whole)), st.binary(max_size=40), st.integers(0, 40))
    def any_bytes(place, junk, skip):
        path = put(tmp_path / f"list{suffix}", whole[:place] + junk + whole[place + skip :])
        try:
            for candidate in url_list.listed(path):
                candidate.model_dump_json()
        except ByodError as error:
            line = str(error)
        else:
            line = str(path)
        assert str(path) in line
        assert "\n" not in line

    any_bytes()


@pytest.mark.slow
def test_no_damaged_byte_of_a_parquet_file_ends_the_process(tmp_path):
    """Each single byte of a parquet file may be another: pyarrow gives up some of them by ending the whole process."""
    whole = FORMS[".parquet"](ROWS)
    for place in range(len(whole)):
        path = put(tmp_path / "list.parquet", whole[:place] + b"=" + whole[place + 1 :])
        with contextlib.suppress(ByodError):
            list(url_list.listed(path))
