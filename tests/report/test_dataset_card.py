"""CREDITS.csv and the dataset card: no data was lost on the way, and strangers' text stays text."""

import csv
import html
import io
import re
from datetime import UTC

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.report import attribution, dataset_card, markdown
from byod.report.attribution import COLUMNS, Credit, decode, encode, read_credits, to_csv
from byod.schema.errors import DatasetError
from byod.schema.names import hidden
from byod.schema.reasons import Reason
from byod.schema.records import Status, Yield
from byod.tasks import TASKS

PAGES = TASKS["classify"].pages

HOSTILE = (
    '<script>alert(1)</script> | [x](javascript:alert(1)) `"\n\n# =HYPERLINK("http://evil.example") ﷽ 🥦'
)

cells = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("=+-@';\t\r\n\",|"))
)
filled = st.none() | cells.filter(bool)
ASCII = st.characters(codec="ascii")
rows = st.builds(
    Credit,
    file=cells.filter(bool),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    fetched_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    original=st.none()
    | st.from_regex(r"originals/[0-9a-f]{64}\.[a-z0-9]{2,4}", fullmatch=True, alphabet=ASCII),
    **{column: filled for column in COLUMNS if column not in ("file", "sha256", "fetched_at", "original")},
)


@pytest.fixture
def snapshot(tmp_path, drawn_snapshot):
    return drawn_snapshot(tmp_path / "set", {"Möhre 🥕": "Möhre 🥕", "Kohl, weiß": "Kohl, weiß"})


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, max_size=3))
def test_credits_come_back(tmp_path_factory, lines):
    """Any lines at all, written as CREDITS.csv, are read back the same."""
    path = tmp_path_factory.mktemp("credits") / "CREDITS.csv"
    path.write_text(to_csv(lines), encoding="utf-8", newline="")
    assert read_credits(path) == lines


@given(cells)
def test_no_cell_is_a_formula(cell):
    """No written cell, nor any part of it after a semicolon or line end, starts like a formula; undoing is exact."""
    written = encode(cell)
    assert decode(written) == cell
    for part in re.split(r"[;\t\r\n]", written):
        assert not part.strip(' "\xa0').startswith(tuple("=+-@＝＋－＠"))


def test_formulas_are_seen():
    """The usual forms of a formula get an apostrophe in front, harmless text does not."""
    assert encode("=1+1") == "'=1+1"
    assert encode("@someone") == "'@someone"
    assert encode("x;=1+1") == "x;'=1+1"
    assert encode(' "=1+1"') == '\' "=1+1"'
    for harmless in ("Jörg Müller", "a=b", "x-y", "https://x.example/?a=1&b=+2", "5 - 3; a = b"):
        assert encode(harmless) == harmless


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_may_save_it(snapshot, delimiter):
    """CREDITS.csv saved by a spreadsheet, with its delimiter, a byte-order mark and a new column, is read the same."""
    path = attribution.write_credits(snapshot)
    before = read_credits(path)
    lines = list(csv.reader(io.StringIO(path.read_text("utf-8"), newline="")))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([*line, "own"] for line in lines)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    assert read_credits(path) == before


def test_credits_of_a_set(snapshot):
    """Each kept picture has one line with its best-known origin, by path; an unchanged file is not touched."""
    first = snapshot.samples[0]
    [known] = snapshot.origins[first.sha256]
    unknown = known.model_copy(update={"licence": None, "url": "https://a.example", "creator": None})
    hostile = known.model_copy(update={"title": HOSTILE, "creator": "=cmd|' /C calc'!A0"})
    rejected = snapshot.samples[1].model_copy(update={"status": Status.REJECTED})
    nowhere = snapshot.samples[2].sha256
    origins = {key: value for key, value in snapshot.origins.items() if key != nowhere}
    snapshot = snapshot.model_copy(
        update={
            "samples": (first, rejected, *snapshot.samples[2:]),
            "origins": {**origins, first.sha256: (unknown, hostile)},
        }
    )
    path = attribution.write_credits(snapshot)
    found = {row.sha256: row for row in read_credits(path)}
    assert len(found) == len(snapshot.samples) - 1
    assert [row.file for row in read_credits(path)] == sorted(row.file for row in found.values())
    line = found[first.sha256]
    assert line.licence == "CC-BY-4.0"
    assert line.creator == "=cmd|' /C calc'!A0"
    assert line.title == " ".join(HOSTILE.split())
    assert line.origin is not None
    assert line.origin.url == known.url
    assert found[nowhere].origin is None
    text = path.read_text("utf-8")
    assert text.count("\n") == len(found) + 1
    assert "'=cmd" in text
    before = path.stat().st_mtime_ns
    assert attribution.write_credits(snapshot) == path
    assert path.stat().st_mtime_ns == before


def test_credits_are_not_replaced_by_less(snapshot):
    """What the file says of a picture's origin stays when the dataset has forgotten it; new origins are written."""
    path = attribution.write_credits(snapshot)
    before = {row.sha256: row for row in read_credits(path)}
    forgotten, renamed, *_ = snapshot.samples
    moved = renamed.model_copy(update={"path": "images/other/renamed.jpg"})
    known = {
        key: value for key, value in snapshot.origins.items() if key not in {forgotten.sha256, moved.sha256}
    }
    update = {"samples": (forgotten, moved, *snapshot.samples[2:]), "origins": known}
    attribution.write_credits(snapshot.model_copy(update=update))
    after = {row.sha256: row for row in read_credits(path)}
    assert after[forgotten.sha256] == before[forgotten.sha256]
    assert after[moved.sha256] == before[moved.sha256].model_copy(update={"file": moved.path})
    assert after.keys() == before.keys()


def test_credits_that_cannot_be_read_are_not_replaced_by_less(snapshot):
    """A file that a spreadsheet saved in another encoding is left alone as long as byod knows less than it did."""
    path = attribution.write_credits(snapshot)
    latin = path.read_bytes().replace("ü".encode(), "ü".encode("latin-1"))
    path.write_bytes(latin)
    with pytest.raises(DatasetError, match="save it as UTF-8"):
        attribution.write_credits(snapshot.model_copy(update={"origins": {}}))
    assert path.read_bytes() == latin
    attribution.write_credits(snapshot)
    assert "Jörg Müller" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"a,b\n1,2\n", "names no file"),
        (b"file,sha256\nx.jpg,12\n", "line 2: sha256"),
        (b'file,sha256\n"x.jpg,12\n', "not CSV"),
        (b"", "names no file"),
    ],
)
def test_a_broken_list_is_said(tmp_path, content, words):
    """A file that is not a list of credits is refused in one line that says where."""
    path = tmp_path / "CREDITS.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=words) as caught:
        read_credits(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_credits(tmp_path / "none.csv")


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_the_card_tells_it_all(snapshot):
    """The card holds counts by class and part, sources, licences, reasons and the way to rebuild."""
    rejected = snapshot.samples[0].model_copy(
        update={
            "status": Status.REJECTED,
            "reason": Reason.DUPLICATE,
            "keeper": snapshot.samples[1].sha256,
        }
    )
    line = Yield(
        source="openverse", query="carrot", label="Möhre 🥕", offered=9, fetched=8, valid=7, unique=6, kept=5
    )
    snapshot = snapshot.model_copy(
        update={
            "samples": (rejected, *snapshot.samples[1:]),
            "yields": (line,),
            "misses": {"not-found": 3},
        }
    )
    text = dataset_card.write_card(snapshot, PAGES).read_text("utf-8")
    values = front(text)
    assert values["license"] == "cc-by-4.0"
    assert values["task_categories"] == ["image-classification"]
    assert values["size_categories"] == ["n<1K"]
    assert "| Möhre 🥕 | Möhre 🥕 | 5 | 3 | 1 | 1 | 0 |" in text
    assert "| openverse | carrot | Möhre 🥕 | 9 | 8 | 7 | 6 | 5 |  |" in text
    assert "| CC BY 4.0 | 11 | <https://creativecommons.org/licenses/by/4.0/> |" in text
    assert "recompressed): 1, of 1 picture, lie in" in text
    assert "| not-found | 0 | 3 |" in text
    assert "byod collect --recipe" in text
    assert snapshot.fingerprint in text


def test_the_taxon_that_was_taken_is_told(snapshot):
    """What a source took a word for stands in the credits and, once a class, in the card; nowhere else is a line."""
    assert "was taken for" not in dataset_card.card_text(snapshot, PAGES)
    taxon = "Daucus carota (Wild Carrot), species, taxon 76610"
    origins = {
        key: tuple(each.model_copy(update={"taxon": taxon, "source": "inaturalist"}) for each in found)
        for key, found in snapshot.origins.items()
    }
    snapshot = snapshot.model_copy(update={"origins": origins})
    assert {row.taxon for row in dataset_card.credits_rows(snapshot)} == {taxon}
    text = dataset_card.card_text(snapshot, PAGES)
    for label in snapshot.classes:
        line = f"- At inaturalist, **{label}** was taken for Daucus carota"
        assert text.count(line) == 1


def test_unknown_licences_are_counted(snapshot):
    """A set with pictures of no stated licence is `other`, says how many, and what that means."""
    sha256 = snapshot.samples[0].sha256
    [origin] = snapshot.origins[sha256]
    unknown = origin.model_copy(update={"licence": None, "licence_url": None})
    snapshot = snapshot.model_copy(update={"origins": {**snapshot.origins, sha256: (unknown,)}})
    text = dataset_card.card_text(snapshot, PAGES)
    assert front(text)["license"] == "other"
    assert "For 1 of the pictures no licence is stated" in text


def test_an_edited_readme_is_never_overwritten(snapshot):
    """The card is rewritten as long as it is byod's own; one edited by hand stays, and the card goes beside it."""
    path = dataset_card.write_card(snapshot, PAGES)
    assert path.name == "README.md"
    before = path.stat().st_mtime_ns
    assert dataset_card.write_card(snapshot, PAGES) == path
    assert path.stat().st_mtime_ns == before

    smaller = snapshot.model_copy(update={"samples": snapshot.samples[1:]})
    assert dataset_card.write_card(smaller, PAGES) == path
    assert path.read_text("utf-8") == dataset_card.card_text(smaller, PAGES)

    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # a checkout on Windows is no edit
    assert dataset_card.write_card(snapshot, PAGES) == path

    mine = path.read_text("utf-8") + "\nMy own words.\n"
    path.write_text(mine, encoding="utf-8")
    beside = dataset_card.write_card(smaller, PAGES)
    assert beside.name == "DATASET_CARD.md"
    assert dataset_card.write_card(snapshot, PAGES) == beside
    assert path.read_text("utf-8") == mine
    beside.write_text("mine too", encoding="utf-8")
    with pytest.raises(DatasetError, match="both edited by hand"):
        dataset_card.write_card(snapshot, PAGES)
    assert beside.read_text("utf-8") == "mine too"


def test_strangers_cannot_write_markup(snapshot):
    """Class names, queries and licences full of markup stay text on the card, in the front matter and in tables."""
    folder = "folder"
    samples = tuple(sample.model_copy(update={"label": HOSTILE}) for sample in snapshot.samples)
    origins = {
        key: (origin.model_copy(update={"licence": HOSTILE}),) for key, (origin,) in snapshot.origins.items()
    }
    line = Yield(source=HOSTILE, query=HOSTILE, label=HOSTILE, stopped_by=HOSTILE)
    hostile = snapshot.model_copy(
        update={
            "name": HOSTILE,
            "classes": {HOSTILE: folder},
            "samples": samples,
            "origins": origins,
            "yields": (line,),
            "misses": {HOSTILE: 1},
        }
    )
    text = dataset_card.card_text(hostile, PAGES)
    assert front(text)["pretty_name"] == HOSTILE
    body = text.split("---\n", 2)[2]
    assert "<script" not in body
    assert not re.search(r"(?<!\\)\]\(", body)
    for block in re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE):
        lines = block.splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert len(re.findall(r"^# ", body, re.MULTILINE)) == 1


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(
    st.dictionaries(
        texts,
        st.one_of(
            texts,
            st.integers(),
            st.booleans(),
            st.none(),
            st.lists(texts, min_size=1),
            st.dictionaries(texts, texts, min_size=1),
        ),
        min_size=1,
    )
)
def test_front_matter_is_yaml(values):
    """Whatever the texts are, a YAML reader gives the same values back."""
    text = markdown.front_matter(values)
    assert text.startswith("---\n")
    assert text.endswith("---\n")
    assert yaml.safe_load(text[4:-4]) == values


@given(texts)
def test_escaped_text_has_no_markup(text):
    """Escaped text is one line in which every character that could be markup is a backslash's or an entity."""
    line = markdown.escape(text)
    assert not hidden(line)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]|&(lt|gt|amp);", "", line)
    assert not re.search(r"[<>&`*_\[\]|~\\:@$]", bare)
    assert not re.match(r"\d*[-+=#.)]", line)


def test_markdown_shows_what_was_written():
    """A Markdown reader shows the escaped text as it was: no element, no link, nothing lost."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    for text in (
        HOSTILE,
        "# no heading",
        "1. no list",
        "- no list",
        "**no** _stress_",
        "www.x.example a@b.example",
    ):
        shown = reader.render(markdown.escape(text))
        assert re.fullmatch(r"<p>[^<]*</p>\n", shown)
        assert html.unescape(shown[3:-5]) == " ".join(text.split())
        assert reader.render(markdown.table(("a", "b"), [(text, 1)])).count("<td") == 2
