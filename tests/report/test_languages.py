"""What a catalogue says of its language: texts, plural forms, how numbers are written; and what is refused."""

from datetime import UTC, datetime

import made_languages
import pytest
from made_languages import write

from byod.report import languages
from byod.report.i18n import chosen, listed, many, moment, number, percent, say, whole
from byod.schema.errors import ByodError, UsageError

FRENCH = """
msgctxt "the language's own name"
msgid "English"
msgstr "Français"

msgctxt "decimal mark"
msgid "."
msgstr ","

msgctxt "mark between thousands"
msgid ","
msgstr "\u202f"

msgctxt "percentage"
msgid "{number} %"
msgstr "{number}\u00a0%"

msgid "class"
msgstr "classe"

msgid "{count} picture"
msgid_plural "{count} pictures"
msgstr[0] "{count} image"
msgstr[1] "{count} images"

msgid "seed {seed}"
msgstr ""
"""
PLURAL = 'msgid "{count} run"\nmsgid_plural "{count} runs"\n'
POLISH = "nplurals=3; plural=n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2;"


@pytest.fixture
def locale(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "LOCALE", tmp_path)
    return tmp_path


def test_a_language_is_one_file(locale):
    """What its catalogue has is said as it says, numbers too; the rest is English, and stands once with it."""
    write(locale, "fr", FRENCH, "nplurals=2; plural=n > 1;")
    assert [(each.code, each.name) for each in languages.languages()] == [
        ("en", "English"),
        ("fr", "Français"),
    ]
    assert say("class").text("fr") == "classe"
    assert [many(n, "{count} picture", "{count} pictures").text("fr") for n in (0, 1, 1200)] == [
        "0 image",
        "1 image",
        "1\u202f200 images",
    ]
    said = [each.text("fr") for each in (number(1.25), percent(0.5), whole(1000))]
    assert said == ["1,25", "50,0\u00a0%", "1\u202f000"]
    assert say("seed {seed}", seed="7").__html__() == "seed 7"
    assert say("class").__html__() == '<span lang="en">class</span><span lang="fr">classe</span>'
    assert moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)).text("fr") == "2026-01-02 03:04 UTC"
    assert listed([number(0.5), "a"]).text("fr") == "0,50, a"


def test_languages_that_word_it_alike_share_an_element(locale):
    """Where several languages say the same, it stands once, with all their codes."""
    text = 'msgid "class"\nmsgstr "Klasse"\n'
    write(locale, "de", text)
    write(locale, "da", text)
    assert (
        say("class").__html__() == '<span lang="en">class</span><span lang="da" data-in="da de">Klasse</span>'
    )


def test_plural_forms_follow_the_rule_of_the_language(locale):
    """A language with three forms takes for each number the one its rule says."""
    forms = "".join(f'msgstr[{at}] "{{count}} {end}"\n' for at, end in enumerate("abc"))
    text = PLURAL + forms
    write(locale, "pl", text, POLISH)
    said = [many(n, "{count} run", "{count} runs").text("pl")[-1] for n in (1, 2, 4, 5, 12, 22, 25, 0)]
    assert "".join(said) == "abbccbcc"


def test_the_codes_of_regions_are_those_of_browsers(locale):
    """A folder pt_BR is the language pt-BR, found by either."""
    write(locale, "pt_BR", 'msgid "class"\nmsgstr "classe"\n')
    assert [each.code for each in languages.languages()] == ["en", "pt-BR"]
    assert say("class").text("pt_br") == say("class").text("pt-BR") == "classe"


def test_the_one_language_of_a_file_is_chosen(monkeypatch):
    """English where nothing is said; else what BYOD_LANGUAGE names, which must be there."""
    monkeypatch.delenv("BYOD_LANGUAGE", raising=False)
    assert chosen() == "en"
    monkeypatch.setenv("BYOD_LANGUAGE", "de")
    assert chosen() == "de"
    monkeypatch.setenv("BYOD_LANGUAGE", "tlh")
    with pytest.raises(UsageError, match="there is no language 'tlh'; there are en, de"):
        chosen()


REFUSED = [
    ("de", 'msgid "{a} of {b}"\nmsgstr "{a} von {c}"\n', made_languages.ENGLISH_RULE, 6, "{b}, {c}"),
    ("de", 'msgid "{a} of {b}"\nmsgstr "{a}"\n', made_languages.ENGLISH_RULE, 6, "{b}"),
    ("de", PLURAL + 'msgstr[0] "{n}"\nmsgstr[1] "{count}"\n', made_languages.ENGLISH_RULE, 6, "{n}"),
    (
        "de",
        PLURAL + 'msgstr[0] "{count}"\n',
        made_languages.ENGLISH_RULE,
        6,
        "1 plural forms, and Plural-Forms",
    ),
    ("de", "", "nplurals=2; plural=import os;", 1, "Plural-Forms"),
    ("de", "", "nplurals=2; plural=n;", 1, "a number would take a form that is not there"),
    ("de", "", "two", 1, "it must be as in: nplurals=2"),
]


@pytest.mark.parametrize(("code", "text", "rule", "line", "words"), REFUSED)
def test_a_catalogue_that_does_not_fit_is_refused(tmp_path, code, text, rule, line, words):
    """Other places than the text has, other forms than the head says, no rule: one line with the file and the line."""
    file = write(tmp_path, code, text, rule)
    with pytest.raises(ByodError) as caught:
        languages.read(file, code)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", ["en", "german", "d", "../de"])
def test_a_folder_must_be_a_language(tmp_path, code):
    """A folder that names no language, or the one in the code itself, is refused by its name."""
    with pytest.raises(ByodError, match="is not the code of a language"):
        languages.read(tmp_path / "byod.po", code)


def test_what_is_not_utf_8_is_refused(tmp_path):
    """A catalogue in another encoding is refused in one line."""
    file = tmp_path / "byod.po"
    file.write_bytes('msgid "a"\nmsgstr "ä"\n'.encode("latin-1"))
    with pytest.raises(ByodError, match="it is not UTF-8"):
        languages.read(file, "de")
