"""Adding a language is adding one file: it is seen on every page, and no text for people is outside of the catalogue."""

import json
import re

import made_languages
import points_material
import pytest
import report_material
from made_languages import MADE_UP, outside, write
from page_languages import Reading
from troubled_dataset import troubled

from byod.api import notebook
from byod.report import dataset_card, languages, po_file
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

NAMES = {"class": ("Möhre", "Kohl"), "run": ("brokkoli", "blumenkohl")}
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
    page = write_check(snapshot, TASKS["classify"].pages, snapshot.folder, suspects=[issue])
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


def left_in_english(page, names, language=MADE_UP, unsaid=("style", "script", "code", "pre", "small", "dd")):
    """What a page says, in text or attributes, that is neither out of the catalogue nor a name."""
    reading = Reading(page, language, unsaid)
    found = []
    for text in (*reading.texts, *reading.attributes):
        rest = outside(text)
        for name in sorted(names, key=len, reverse=True):
            rest = rest.replace(name, "")
        if re.search(r"[^\W\d_]{2}", rest):
            found.append(text.strip())
    return found


def test_no_text_of_a_report_is_left_in_english(spoken, tmp_path):
    """In the made-up language whatever is said on the pages of runs, to see or to hear, stands in its brackets."""
    for name, page in reports(tmp_path).items():
        assert left_in_english(page, ()) == [], name


def test_no_text_of_a_datasets_page_is_left_in_english(spoken, snapshot):
    """The page of `byod check` says everything in the made-up language but names and licences."""
    assert left_in_english(check_page(snapshot), ()) == []


def test_the_made_up_language_would_notice(spoken, snapshot):
    """A text that is not in the catalogue is found, in a text as in an attribute."""
    page = check_page(snapshot).replace("<main", '<p title="A hint">Plain words</p><main')
    assert {"A hint", "Plain words"} <= set(left_in_english(page, ()))
