"""Adding a language is adding one file, seen on every page; no text for people is outside of the catalogue."""

import json
import re
from pathlib import Path

import made_languages
import points_material
import pytest
import report_material
from made_languages import MADE_UP, outside, write
from page_languages import Reading
from troubled_dataset import troubled

from byod.api import notebook
from byod.report import check_findings, dataset_card, languages
from byod.report.check_findings import LikelyGroup
from byod.report.check_page import write_check
from byod.schema.model_card import LabelIssue
from byod.schema.serving import About, ClassesSaid, Taken
from byod.tasks import TASKS
from byod.tasks.classify.report.compare_page import page as compare_page
from byod.tasks.classify.report.page import render
from byod.tasks.keypoints.report.compare_page import page as compare_points_page
from byod.tasks.keypoints.report.page import render as render_keypoints
from byod.web import openapi, page_texts
from byod.web.static_site import readme

MATERIAL = ("Möhre", "Kohl", "openverse", "set", "q1", "q2", "moehre", "kohl")
STATIC = Path(page_texts.__file__).parent / "static"
FRENCH = """
msgctxt "the language's own name"
msgid "English"
msgstr "Français"

msgid "Licences"
msgstr "Licences d’utilisation"

msgid "pictures"
msgstr "images"

msgid "objects"
msgstr "objets"

msgid "run"
msgstr "entraînement"

msgid "Answers"
msgstr "Réponses"

msgid "Choose photos"
msgstr "Choisir des photos"

msgid "This page needs JavaScript: it draws the answers itself."
msgstr "Cette page a besoin de JavaScript."

msgid "## Whose work this is"
msgstr "## De qui vient ce travail"
"""


@pytest.fixture(scope="module")
def locale(tmp_path_factory):
    """The catalogue of the made-up language, and a small French one, in the place of byod's."""
    folder = tmp_path_factory.mktemp("locale")
    messages = made_languages.make_catalogs().messages().values()
    write(folder, MADE_UP, made_languages.bracketed(messages))
    write(folder, "fr", FRENCH, "nplurals=2; plural=n > 1;")
    return folder


@pytest.fixture
def spoken(locale, monkeypatch):
    """The languages are English, French in a few words, and the made-up one."""
    monkeypatch.setattr(languages, "LOCALE", locale)


@pytest.fixture
def snapshot(tmp_path, drawn_snapshot):
    return troubled(drawn_snapshot, tmp_path / "set")


def check_page(snapshot):
    doubted = next(s for s in snapshot.samples if s.path == "images/kohl/" + s.path.rpartition("/")[2])
    issue = LabelIssue(sha256=doubted.sha256, file=doubted.path, label="Kohl", suggested="Möhre", quality=0.1)
    pages = TASKS["classify"].pages
    group = LikelyGroup(name="Kohl 1", members=tuple(s.sha256 for s in snapshot.kept[:2]))
    found = check_findings.look(snapshot, pages, suspects=[issue], hard=[issue], together=[group])
    page = write_check(snapshot, pages, snapshot.folder, found=found)
    return page.read_text("utf-8")


def reports(folder):
    """The pages of runs, by name."""
    return {
        "report": render(report_material.contents(folder / "a")),
        "compare": compare_page(report_material.comparison()),
        "points": render_keypoints(points_material.contents(folder / "b")),
        "points-compare": compare_points_page(points_material.comparison()),
    }


def api_page(language):
    about = About(
        run="r", task="classify", arch="a", plugin="p", created="2026", input=report_material.card().input,
        classes=("Möhre",), look=True, reports=True, takes=Taken(types=("jpeg",), bytes=1, pixels=1), metrics={},
    )  # fmt: skip
    return openapi.page(about, ClassesSaid, language)


ALLOWED = re.compile(
    r"[\w./-]+\.(?:jpg|onnx|json)|SHA-256 [0-9a-f]+|[0-9a-f]{64}|CC BY 4\.0|CC0-1\.0"  # files, sums, licences
    r"|\b(?:ECE|F1|OKS|PCK@0\.1|FR@0\.10|AUC@0\.08|UTC|MB|ms|byod|compare|check)\b"  # measures, units, commands
)
"""What stands on pages in every language, beside the names of the material."""


def left_in_english(page, names, language=MADE_UP):
    """What a page says, in text or attributes, that is neither out of the catalogue nor a name."""
    reading = Reading(page, language, ("style", "script", "code", "pre"))
    rest = ALLOWED.sub("", outside("\n".join((*reading.texts, *reading.attributes))))
    for name in sorted((*names, "English", "Français"), key=len, reverse=True):
        rest = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", rest)
    return [line.strip() for line in rest.split("\n") if re.search(r"[^\W\d_]{2}", line)]


def test_no_text_of_a_report_is_left_in_english(spoken, tmp_path):
    """In the made-up language whatever is said on the pages of runs, to see or to hear, stands in its brackets."""
    of_classes = (
        "brokkoli",
        "blumenkohl",
        "words",
        "squish",
        "best_epoch",
        "images/words",
        "run 0",
        "run 1",
        "run 2",
    )
    of_points = (
        *points_material.NAMES,
        "spots",
        "cpu",
        "abc",
        "arch",
        "made up",
        "spots-0",
        "spots-1",
        "spots-2",
    )
    for name, page in reports(tmp_path).items():
        assert left_in_english(page, of_points if "points" in name else of_classes) == [], name


def test_no_text_of_a_datasets_page_is_left_in_english(spoken, snapshot):
    """The page of `byod check` says everything in the made-up language but names and licences."""
    assert left_in_english(check_page(snapshot), (*MATERIAL, "Jörg")) == []


def test_the_made_up_language_would_notice(spoken, snapshot):
    """A text that is not in the catalogue is found, in a text as in an attribute."""
    page = check_page(snapshot).replace("<main", '<p title="A hint">Plain words</p><main')
    assert left_in_english(page, (*MATERIAL, "Jörg")) == ["Plain words", "A hint"]


def test_no_text_of_the_api_is_left_in_english(spoken):
    """The page about the API says everything in its language but the names of records, fields and paths."""
    records = ("API", "r", *re.findall(r'<section id="(\w+)">', api_page("en")))
    assert left_in_english(api_page(MADE_UP), records) == []


def test_no_text_of_a_notebook_is_left_in_english(spoken, snapshot, monkeypatch):
    """A cell shows a dataset and a run in the one language that is chosen."""
    monkeypatch.setenv("BYOD_LANGUAGE", MADE_UP)
    reasons = ("not-found", "robots", "surplus", "too-small", "conflict", "placeholder", "duplicate")
    assert left_in_english(notebook.dataset_html(snapshot), (*MATERIAL, *reasons)) == []
    card = report_material.card()
    shown = notebook.run_html(snapshot.folder / "runs" / "r", card)
    assert left_in_english(shown, ("words", "brokkoli", "blumenkohl", card.run, card.plugin, card.arch)) == []


def prose(text):
    """Markdown without what is code in it, and addresses."""
    return re.sub(r"`[^`]*`|<https?:[^>]*>|https?://[^\s⟧]+|^    .*$", "", text, flags=re.MULTILINE)


def test_no_text_of_a_card_is_left_in_english(spoken, snapshot):
    """The card of a dataset, and the README of a page as plain files, are in the one language that is chosen."""
    card = prose(dataset_card.card_text(snapshot, TASKS["classify"].pages, MADE_UP).partition("-->\n")[2])
    reasons = [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("|")]
    assert left_in_english(card, (*MATERIAL, *reasons, "Jörg", "image classification")) == []


def test_no_text_of_a_sites_readme_is_left_in_english(spoken, monkeypatch):
    """The README beside a page as plain files is in the one language that is chosen."""
    monkeypatch.setenv("BYOD_LANGUAGE", MADE_UP)
    text = prose(readme.readme(report_material.card(), {"model.onnx": 12_000_000}, True))
    assert left_in_english(text, ("words", report_material.card().run)) == []


def texts(value):
    """Every text in the JSON of the page."""
    if isinstance(value, str):
        return [value]
    return [text for inner in (value.values() if isinstance(value, dict) else value) for text in texts(inner)]


def page_languages():
    """What the page in the browser is told, by language."""
    return json.loads(page_texts.script().removeprefix("export const LANGUAGES = ").removesuffix(";\n"))


def test_no_text_of_the_page_in_the_browser_is_left_in_english(spoken):
    """Every text that its scripts can say is in the made-up language, and what stands where no script runs."""
    told = page_languages()[MADE_UP]
    assert [text for text in texts(told["texts"]) if re.search(r"[^\W\d_]", outside(text))] == []
    index = page_texts.index((STATIC / "index.html").read_text("utf-8"))
    assert "⟦This page needs JavaScript" in index


def test_french_is_one_file(spoken, snapshot, tmp_path, monkeypatch):
    """A small French catalogue is offered and spoken on every page, and what it lacks is in English there."""
    pages = {**reports(tmp_path), "check": check_page(snapshot)}
    for name, page in pages.items():
        reading = Reading(page, "fr")
        assert '<label for="language-fr" lang="fr">Français</label>' in page, name
        assert re.search("images|objets|entraînement", reading.words), name
        assert re.search(r"\b(the|of|by)\b", reading.words), name
        assert "⟦" not in reading.words.replace("⟦Made up⟧", ""), name
    assert "<h2>Réponses</h2>" in api_page("fr")
    assert 'hreflang="fr">Français</a>' in api_page("en")
    assert "Licences d’utilisation" in dataset_card.card_text(snapshot, TASKS["classify"].pages, "fr")
    monkeypatch.setenv("BYOD_LANGUAGE", "fr")
    assert "## De qui vient ce travail" in readme.readme(report_material.card(), {}, False)
    assert "images" in notebook.dataset_html(snapshot)
    told = page_languages()["fr"]
    assert (told["name"], told["texts"]["choose"]) == ("Français", "Choisir des photos")
    assert told["plural"][:4] == [0, 0, 1, 1]
    assert "Cette page a besoin de JavaScript." in page_texts.index(
        (STATIC / "index.html").read_text("utf-8")
    )


@pytest.mark.slow
def test_more_languages_leave_pages_small(spoken, tmp_path, monkeypatch):
    """Ten languages more make a report larger by far less than a tenth of what it may have."""
    two = len(render(report_material.contents(tmp_path / "a")).encode())
    many = tmp_path / "locale"
    text = (languages.LOCALE / MADE_UP / languages.FILE).read_text("utf-8")
    for code in ("aa", "ab", "af", "ak", "am", "an", "ar", "as", "av", "ay"):
        file = many / code / languages.FILE
        file.parent.mkdir(parents=True)
        file.write_text(text.replace("⟦", f"⟦{code} "), encoding="utf-8")
    monkeypatch.setattr(languages, "LOCALE", many)
    assert len(render(report_material.contents(tmp_path / "b")).encode()) - two < 200_000


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        (None, "", "en"),
        (None, "fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", "fr"),
        (None, "de, fr;q=0.5, en;q=0.7", "en"),
        ("fr", "en", "fr"),
        ("tlh", "fr;q=0, en;q=0.1", "en"),
        (None, ",;q=,;q=x;q=1,\x00,fr;q=9999999", "fr"),
    ],
)
def test_a_browser_is_answered_in_its_language(spoken, asked, accepted, code):
    """The language that is asked for by name, else the one the browser would have most, else English."""
    assert page_texts.preferred(asked, accepted) == code
