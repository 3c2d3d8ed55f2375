"""The languages of the page of `byod serve`: every text is used, and a language is one catalogue, in a browser too."""

import json
import re
from pathlib import Path

import made_languages
import pytest
from headless import chromium
from made_languages import MADE_UP, outside, write
from PIL import Image
from web_page import KnowsCats, KnowsVegetables, one, opened, press, served, shown, until

from byod.report import languages
from byod.web import page_texts

STATIC = Path(page_texts.__file__).parent / "static"
SAID = """
  const texts = [document.body.innerText, document.title];
  for (const each of document.querySelectorAll("*")) {
    if (!each.checkVisibility()) continue;
    for (const name of ["aria-label", "aria-valuetext", "title", "alt", "placeholder"]) {
      texts.push(each.getAttribute(name) ?? "");
    }
  }
  return texts.join("\\n");
"""
FRENCH = """
msgctxt "the language's own name"
msgid "English"
msgstr "Français"

msgid "Choose photos"
msgstr "Choisir des photos"
"""


def test_every_text_is_asked_for():
    """No text of the page is left over, and each of a plural has its two forms."""
    texts = json.loads(page_texts.TEXTS.read_text("utf-8"))
    scripts = "".join(file.read_text("utf-8") for file in STATIC.glob("*.js"))
    composed = ("title_", "about_", "place_")  # their ends are a task or a place
    kinds = {file.stem for file in (STATIC / "glasses").glob("*.svg")}
    keys = [key for key in texts if not key.startswith(composed) and key not in kinds]
    assert [key for key in keys if f'"{key}"' not in scripts] == []

    def plurals(text):
        if isinstance(text, list):
            return [text]
        return [pair for inner in text.values() for pair in plurals(inner)] if isinstance(text, dict) else []

    found = [pair for text in texts.values() for pair in plurals(text)]
    assert len(found) > 4
    assert all(len(pair) == 2 and "{n}" in pair[1] for pair in found)


@pytest.fixture(scope="module")
def locale(tmp_path_factory):
    """Catalogues of the made-up language, and of a little French."""
    folder = tmp_path_factory.mktemp("locale")
    write(folder, MADE_UP, made_languages.bracketed(made_languages.make_catalogs().messages().values()))
    write(folder, "fr", FRENCH, "nplurals=2; plural=n > 1;")
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


def picture(folder):
    file = folder / "cat.png"
    Image.new("RGB", (60, 48), "orange").save(file)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("model", [KnowsCats, KnowsVegetables])
def test_nothing_on_the_page_is_left_in_english(browser, locale, tmp_path, monkeypatch, model):
    """In the made-up language all that the page shows, or tells a screen reader, stands in its brackets."""
    monkeypatch.setattr(languages, "LOCALE", locale)
    (tmp_path / "kept").mkdir()
    with served(model(), dataset=tmp_path / "kept") as url:
        opened(browser, url, MADE_UP)
        assert browser.execute_script("return document.documentElement.lang") == MADE_UP
        shown(browser, picture(tmp_path))
        if model is KnowsCats:
            press(browser, "⟦Add glasses⟧")
        press(browser, "⟦Report a miss⟧")
        rest = outside(browser.execute_script(SAID))
        for name in (
            "English",
            "Français",
            "cat.png",
            "brokkoli",
            "blumenkohl",
            "2026-01-01-drawn",
            "none",
            "drawn",
        ):
            rest = rest.replace(name, "")
        assert re.findall(r".*[^\W\d_]{2}.*", rest) == []


@pytest.mark.slow
def test_one_file_makes_the_page_french(browser, locale, monkeypatch):
    """A button for each other language by its own name; French is spoken where there is French, English elsewhere."""
    monkeypatch.setattr(languages, "LOCALE", locale)
    with served(KnowsVegetables()) as url:
        opened(browser, url, "en")
        press(browser, "Français")
        until(browser, lambda: "Choisir des photos" in one(browser, "body").text)
        text = one(browser, "body").text
        assert browser.execute_script("return document.documentElement.lang") == "fr"
        assert "What is in the picture?" in text
        assert "Français" not in text
        press(browser, "English")
        until(browser, lambda: "Choose photos" in one(browser, "body").text)
        opened(browser, url, "fr-CH")
        assert "Choisir des photos" in one(browser, "body").text
